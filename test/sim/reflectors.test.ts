import { trySeeds } from './clusters.ts'

trySeeds('reflectors', 100, 0.5)
