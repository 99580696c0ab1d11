import { trySeeds } from './clusters.ts'

trySeeds('mesh', 40, 0.5)
