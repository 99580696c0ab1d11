import { trySeeds } from './clusters.ts'

trySeeds('routers', 100, 0.4)
