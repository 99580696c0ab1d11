import { trySeeds } from './clusters.ts'

trySeeds('reflectors', 100)
