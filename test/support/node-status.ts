/** A status of a node, for tests that say only what matters. */
import type { NodeStatus, RouterStatus } from '../../src/status/node-status.ts'

const COUNTS = { received: 3, accepted: 2, advertised: 1 }

const routerStatus = (more: Partial<RouterStatus> = {}): RouterStatus => ({
  name: 'Global_10_0_0_1',
  object: 'rack-1',
  peer: '10.0.0.1',
  remoteAs: 65_001,
  state: 'Established',
  since: 1_000,
  held: undefined,
  lastError: { text: 'Received: Administrative shutdown', at: 900 },
  restart: { time: 120, stale: [] },
  families: { ipv4: COUNTS, ipv6: COUNTS },
  ...more,
})

export const nodeStatus = (more: Partial<NodeStatus> = {}): NodeStatus => ({
  version: 'test',
  startedAt: 0,
  asNumber: 64_512,
  routerId: 0x0a000001,
  sessions: { configured: 2, established: 1 },
  routers: [
    routerStatus(),
    routerStatus({
      name: 'Global_10_0_0_2',
      peer: '10.0.0.2',
      state: 'Active',
      since: undefined,
      lastError: undefined,
    }),
  ],
  mesh: undefined,
  localRoutes: { ipv4: 1, ipv6: 1 },
  conditions: [
    { type: 'Ready', status: 'True', reason: 'Established', message: '' },
    { type: 'Configured', status: 'True', reason: 'NoErrors', message: '' },
  ],
  problems: [{ level: 'warning', object: 'IPPool/a', field: 'spec.cidr', text: 'IPPool/a spec.cidr: a warning' }],
  problemCount: 1,
  ...more,
})
