/** A view of nothing, and protocols to put into it, for those who look at engines. */
import type { SessionState } from '../../src/bgp/session/types.ts'
import type { FilterView, NatView, NeighborView, ProtocolView, StatusView, View } from '../../src/show/view.ts'

const STATUS: StatusView = {
  version: '1.2.3',
  hostName: 'worker-1',
  node: 'worker-1',
  asNumber: 64512,
  routerId: 1,
  startedAt: 0,
  configuredAt: 0,
  source: { kind: 'manifests', synced: true },
  stopping: false,
}

export interface ViewParts {
  readonly protocols?: readonly ProtocolView[]
  readonly synced?: boolean
  readonly stopping?: boolean
  readonly problems?: number
  readonly filters?: readonly FilterView[]
  readonly nat?: NatView
}

export function viewOf({
  protocols = [],
  synced = true,
  stopping = false,
  problems = 0,
  filters = [],
  nat,
}: ViewParts): View {
  const problem = { code: 'x', object: 'BGPPeer/x', field: '', value: '', text: 'wrong' }
  return {
    now: 60_000,
    epoch: 0,
    status: () => ({ ...STATUS, stopping, source: { kind: 'manifests', synced } }),
    ...viewsOf(protocols),
    routes: () => ({ rows: [], next: undefined }),
    count: () => ({ prefixes: 0, paths: 0, next: undefined }),
    services: () => [],
    problems: () => Array.from({ length: problems }, () => problem),
    refusals: () => new Map(),
    ranges: () => [],
    filters: () => filters,
    interfaces: () => [],
    memory: () => [{ what: 'Routing tables', bytes: 1000 }],
    bfd: () => undefined,
    nat: () => nat,
    act: () => ({ results: [], isOver: true }),
    stop: () => {},
    leave: () => true,
    stay: () => true,
    leaving: () => ({ stage: 'here', reason: '' }),
    kernelWay: () => undefined,
    nodeRouteGaps: () => undefined,
    nodeRoutes: () => undefined,
    pools: () => [],
    podOwner: () => undefined,
    callers: () => ({ refused: 0, dropped: 0, isFiltering: false, recent: [] }),
  }
}

export function protocolOf(name: string, state: SessionState): ProtocolView {
  const counts = { open: 1, update: 20, notification: 0, keepalive: 3, 'route-refresh': 0 }
  return {
    name,
    kind: 'Global',
    object: 'rack',
    disabled: false,
    held: undefined,
    peer: {
      config: {
        name,
        remote: { address: '10.0.0.1', port: 179 },
        localAddress: undefined,
        localAs: 64512,
        remoteAs: 64513,
        routerId: 1,
        families: ['ipv4', 'ipv6'],
        holdTime: 90,
        keepaliveTime: undefined,
        connectRetryTime: 1,
        passive: false,
        dialDelay: 0,
        hostName: 'worker-1',
      },
      state,
      since: 30_000,
      stopped: undefined,
      lastError: undefined,
      attemptError: undefined,
      session: undefined,
      localCapabilities: [],
      remoteCapabilities: [],
      holdTimer: undefined,
      keepaliveTimer: undefined,
      connectTimer: undefined,
      received: counts,
      sent: { ...counts, update: 7 },
      established: 2,
    },
    families: {
      ipv4: {
        counts: {
          received: 10,
          accepted: 8,
          preferred: 8,
          advertised: 5,
          memory: { octets: 3_000, limit: 67_108_864, refuses: false },
          importUpdates: { received: 10, rejected: 0, filtered: 2, ignored: 0, accepted: 8 },
          importWithdraws: { received: 0, rejected: 0, ignored: 0, accepted: 0 },
          exportUpdates: { received: 5, rejected: 0, filtered: 0, accepted: 5 },
          exportWithdraws: { received: 0, accepted: 0 },
          endOfRibReceived: true,
          endOfRibSent: true,
        },
        nextHop: '192.0.2.1',
        held: undefined,
        importPolicy: 'default',
        exportPolicy: 'default',
      },
    },
  }
}

/** Neighbors as a view shows them. */
export const viewsOf = (protocols: readonly ProtocolView[]): Pick<View, 'neighbors' | 'eachProtocol'> => ({
  neighbors: () => protocols.map(briefly),
  eachProtocol: (isMeant = () => true) => protocols.filter((protocol) => isMeant(briefly(protocol))),
})

const briefly = ({ name, object, peer, disabled }: ProtocolView): NeighborView => ({
  name,
  address: peer.config.remote.address,
  object,
  isEstablished: peer.state === 'Established',
  disabled,
  families: peer.session?.families ?? [],
})
