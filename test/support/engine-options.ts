import type { EngineOptions } from '../../src/engine/engine.ts'

/** Of an engine whose start is no matter of the test. */
export const ENGINE_OPTIONS: EngineOptions = {
  node: 'worker-1',
  version: 'test',
  hostName: 'worker-1',
  sourceKind: 'manifests',
  seed: 1,
  now: 0,
  epoch: 0,
}
