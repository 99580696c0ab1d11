// All cases, in the order of the matrix.

import type { Case } from './case.ts'
import { cases as lab } from './lab.ts'

export const CASES: readonly Case[] = [...lab]
