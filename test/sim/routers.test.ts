import { trySeeds } from './clusters.ts'

trySeeds('routers', 100)
