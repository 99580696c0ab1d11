import { trySeeds } from './clusters.ts'

trySeeds('fabric', 12, 0.5)
