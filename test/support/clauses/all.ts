/**
 * What the RFCs that we speak demand of us (MUST, SHALL, REQUIRED, and those SHOULD that we follow), and which test holds
 * each. `clauses.test.ts` fails where a test that a row names is not there.
 */
import { BASE } from './base.ts'
import { BFD } from './bfd.ts'
import type { Clauses } from './clause.ts'
import { EXTENSIONS } from './extensions.ts'
import { RESTART } from './restart.ts'

export const CLAUSES: Clauses = { ...BASE, ...EXTENSIONS, ...RESTART, ...BFD }
