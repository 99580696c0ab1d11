/** A view made of plain values: three neighbors in different states, routes of both families, one problem. */
import { FAMILIES, type Family } from '../../src/base/family.ts'
import { contains, isHostPrefix, type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import type { Policy, PrefixMatch } from '../../src/bgp/policy/rule.ts'
import type { FamilyCounts, RouteQuery, RouteRow } from '../../src/bgp/rib/types.ts'
import type { PeerSnapshot, SessionState } from '../../src/bgp/session/types.ts'
import type { Capability } from '../../src/bgp/wire/message.ts'
import { matchesPattern } from '../../src/show/pattern.ts'
import type {
  Action,
  ActionResult,
  BfdSummary,
  ChannelView,
  FilterView,
  ProtocolView,
  View,
} from '../../src/show/view.ts'
import { bfdView } from '../bfd/support.ts'
import { BARE } from './attributes.ts'
import { viewsOf } from './view.ts'

/** 2026-11-21 01:30:00 UTC. */
const EPOCH = Date.UTC(2026, 10, 21, 1, 30, 0)

const CAPABILITIES: readonly Capability[] = [
  { kind: 'four-octet-as', asn: 65001 },
  { kind: 'multiprotocol', afi: 1, safi: 1 },
  { kind: 'multiprotocol', afi: 2, safi: 1 },
  { kind: 'route-refresh' },
]

const COUNTS: FamilyCounts = {
  received: 4,
  accepted: 3,
  preferred: 2,
  advertised: 1,
  memory: { octets: 0, limit: 67_108_864, refuses: false },
  importUpdates: { received: 4, rejected: 0, filtered: 1, ignored: 0, accepted: 3 },
  importWithdraws: { received: 0, rejected: 0, ignored: 1, accepted: 0 },
  exportUpdates: { received: 3, rejected: 2, filtered: 0, accepted: 1 },
  exportWithdraws: { received: 0, accepted: 0 },
  endOfRibReceived: true,
  endOfRibSent: true,
}

const channel = (nextHop: string | undefined, held?: string): ChannelView => ({
  counts: COUNTS,
  nextHop,
  held,
  importPolicy: 'built-in import',
  exportPolicy: 'BGPFilter/rack',
})

const NO_MESSAGES = { open: 0, update: 0, notification: 0, keepalive: 0, 'route-refresh': 0 }

function peer(name: string, address: string, state: SessionState, rest: Partial<PeerSnapshot> = {}): PeerSnapshot {
  return {
    config: {
      name,
      remote: { address, port: 179 },
      localAddress: undefined,
      localAs: 65001,
      remoteAs: 65002,
      routerId: 0x0a000001,
      families: FAMILIES,
      holdTime: 90,
      keepaliveTime: undefined,
      connectRetryTime: 1,
      passive: false,
      dialDelay: 0,
      hostName: 'worker-1',
    },
    state,
    since: 1_000,
    stopped: undefined,
    lastError: undefined,
    attemptError: undefined,
    session: undefined,
    localCapabilities: [],
    remoteCapabilities: [],
    holdTimer: undefined,
    keepaliveTimer: undefined,
    connectTimer: undefined,
    received: NO_MESSAGES,
    sent: NO_MESSAGES,
    established: 0,
    ...rest,
  }
}

const WIRE = {
  fourOctetAs: true,
  families: FAMILIES,
  addPath: [],
  extendedNextHop: false,
  messageSize: 4096,
  peerType: 'external',
} as const

const RACK: ProtocolView = {
  name: 'Global_10_0_0_9',
  kind: 'Global',
  object: 'rack-1',
  disabled: false,
  held: undefined,
  families: { ipv4: channel('10.0.0.1'), ipv6: channel('2001:db8::1') },
  peer: peer('Global_10_0_0_9', '10.0.0.9', 'Established', {
    session: {
      conn: 2,
      local: { address: '10.0.0.1', port: 40_000 },
      remote: { address: '10.0.0.9', port: 179 },
      localAs: 65001,
      remoteAs: 65002,
      localRouterId: 0x0a000001,
      remoteRouterId: 0x0a000009,
      peerType: 'external',
      families: FAMILIES,
      holdTime: 90,
      keepaliveTime: 30,
      receive: WIRE,
      send: WIRE,
      routeRefresh: true,
      enhancedRefresh: true,
      restart: undefined,
      role: undefined,
    },
    localCapabilities: CAPABILITIES,
    remoteCapabilities: [
      ...CAPABILITIES,
      {
        kind: 'graceful-restart',
        restarted: false,
        notification: false,
        restartTime: 120,
        families: [{ afi: 1, safi: 1, preserved: true }],
      },
      {
        kind: 'long-lived-graceful-restart',
        families: [{ afi: 1, safi: 1, preserved: true, staleTime: 3600 }],
      },
      { kind: 'unknown', code: 99, value: new Uint8Array() },
      { kind: 'add-path', families: [{ afi: 2, safi: 1, mode: 3 }] },
      { kind: 'extended-next-hop', tuples: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
      { kind: 'extended-message' },
      { kind: 'enhanced-refresh' },
      { kind: 'role', role: 3 },
      { kind: 'fqdn', host: 'tor', domain: 'example' },
    ],
    holdTimer: { left: 81_357, total: 90 },
    keepaliveTimer: { left: 25_079, total: 30 },
    established: 1,
  }),
}

const BROKEN: ProtocolView = {
  name: 'Mesh_10_0_0_2',
  kind: 'Mesh',
  object: undefined,
  disabled: false,
  held: undefined,
  families: { ipv4: channel('10.0.0.1'), ipv6: channel(undefined, 'no next hop of this family') },
  peer: peer('Mesh_10_0_0_2', '10.0.0.2', 'Active', {
    lastError: { class: 'Received', text: 'Bad peer AS', at: 5_000 },
    attemptError: { class: 'Socket', text: 'Connection refused', at: 6_000 },
    connectTimer: { left: 2_760, total: 5 },
  }),
}

const STOPPED: ProtocolView = {
  ...BROKEN,
  name: 'Node_10_0_0_3_port_1790',
  kind: 'Node',
  object: 'reflector',
  disabled: true,
  families: { ipv4: channel('10.0.0.1') },
  peer: { ...peer('Node_10_0_0_3_port_1790', '10.0.0.3', 'Idle'), stopped: 'maintenance' },
}

const range = (text: string, minLength: number, maxLength: number): PrefixMatch => ({
  prefix: parsePrefix(text) as Prefix,
  minLength,
  maxLength,
})

const LAB: Policy = {
  name: 'BGPFilter/lab, built-in import',
  rules: [
    {
      name: 'BGPFilter/lab importV4[0]',
      match: { family: 'ipv4', prefixes: [range('10.9.0.0/16', 16, 32)], peerType: 'external' },
      action: 'reject',
      operations: [],
    },
    {
      name: 'BGPFilter/lab importV6[0]',
      match: { family: 'ipv6', notPrefixes: [range('2001:db8::/32', 48, 64)], communities: [[65001, 7]] },
      action: 'accept',
      operations: [
        { kind: 'add-community', community: [65001, 1, 2] },
        { kind: 'prepend', path: [65001, 65001] },
        { kind: 'set-local-pref', value: 200 },
      ],
    },
    { name: 'the rest', match: {}, action: 'next', operations: [{ kind: 'set-next-hop', address: 'self' }] },
  ],
  otherwise: 'reject',
  otherwiseReason: 'nobody wants it',
}

const FILTERS: readonly FilterView[] = [
  { policy: LAB, direction: 'import', hits: [3, 1, 12, 9], neighbors: ['Global_10_0_0_9', 'Mesh_10_0_0_2'] },
  {
    policy: { ...LAB, name: 'nothing', rules: [] },
    direction: 'export',
    hits: [],
    neighbors: ['Node_10_0_0_3_port_1790'],
  },
]

const row = (prefix: string, rest: Partial<RouteRow>): RouteRow => ({
  prefix,
  family: prefix.includes(':') ? 'ipv6' : 'ipv4',
  peer: undefined,
  from: undefined,
  peerType: undefined,
  interface: undefined,
  origin: 'bgp',
  object: undefined,
  named: undefined,
  nextHops: [],
  best: true,
  reason: 'only path',
  filtered: false,
  attributes: BARE,
  since: 7_907,
  exportedTo: [],
  ...rest,
})

const learned = (prefix: string, rest: Partial<RouteRow> = {}): RouteRow =>
  row(prefix, {
    peer: 'Global_10_0_0_9',
    from: '10.0.0.9',
    peerType: 'external',
    nextHops: [prefix.includes(':') ? '2001:db8::9' : '10.0.0.9'],
    attributes: { ...BARE, asPath: [{ kind: 'sequence', asns: [65002] }] },
    ...rest,
  })

export const ROUTES: readonly RouteRow[] = [
  learned('0.0.0.0/0'),
  row('10.1.0.0/24', {
    origin: 'pod-cidr',
    object: 'Node/worker-1',
    exportedTo: ['Global_10_0_0_9'],
    attributes: { ...BARE, communities: [[65001, 7]] },
  }),
  learned('10.1.0.0/24', { best: false, reason: 'our own route comes first', nextHops: ['10.7.7.7'] }),
  learned('10.2.0.0/24', {
    attributes: {
      ...BARE,
      origin: 'Incomplete',
      asPath: [
        { kind: 'sequence', asns: [65002, 65010] },
        { kind: 'set', asns: [65011, 65012] },
      ],
      med: 50,
      localPref: 100,
      atomicAggregate: true,
      aggregator: { asn: 65002, routerId: 0x0a000009 },
      communities: [
        [65002, 1],
        [65002, 2],
      ],
      originatorId: 0x0a000003,
      clusterList: [0x01010101, 0x02020202],
      extendedCommunities: [
        [0x0002fdea, 9],
        [0x43000000, 1],
      ],
      largeCommunities: [[65002, 1, 2]],
      unknown: [{ type: 240, flags: 0xc0, value: Uint8Array.of(1, 255) }],
    },
  }),
  learned('10.2.1.0/24', { filtered: true, best: false, reason: 'refused by built-in import' }),
  row('2001:db8:1::/64', { origin: 'service', object: 'Service/shop/web' }),
  learned('2001:db8:2::/48', { nextHops: ['2001:db8::9', 'fe80::9'] }),
]

/** What was asked to be done, for tests to look at. */
export interface FakeView extends View {
  readonly actions: Action[]
}

const BFD: BfdSummary = {
  sessions: [
    { session: bfdView(), peers: ['Global_10_0_0_9'] },
    {
      session: bfdView({
        remote: 'fe80::9%eth1',
        local: undefined,
        interface: 'eth1',
        state: 'Down',
        diagnostic: 1,
        remoteState: 'Down',
        remoteDiscriminator: 0,
        interval: 1_000_000,
        detectionTime: 0,
        error: 'Network is unreachable',
      }),
      peers: ['Node_fe80__9_eth1'],
    },
  ],
  counters: { sent: 120, received: 140, dropped: { stranger: 22 }, leastInterval: 50_000 },
  priority: { kind: 'none', error: 'Operation not permitted' },
}

const CALLERS = [
  { address: '10.0.0.77', reason: 'no neighbor has this address', calls: 3, last: 58_000 },
  { address: '2001:db8::77', reason: 'no neighbor has this address', calls: 1, last: 12_000 },
]

export function fakeView(routes: readonly RouteRow[] = ROUTES, rest: Partial<View> = {}): FakeView {
  const actions: Action[] = []
  const protocols = [RACK, BROKEN, STOPPED]
  return {
    now: 60_000,
    epoch: EPOCH,
    status: () => ({
      version: '0.1.0',
      hostName: 'host-1',
      node: 'worker-1',
      asNumber: 65001,
      routerId: 0x0a000001,
      startedAt: 0,
      configuredAt: 1_500,
      source: { kind: 'manifests', synced: true },
      stopping: false,
    }),
    ...viewsOf(protocols),
    routes: (query, from, limit) => {
      const all = routes.filter((one) => matches(one, query))
      const start = from ?? 0
      const next = start + limit < all.length ? start + limit : undefined
      return { rows: all.slice(start, start + limit), next }
    },
    count: (query) => ({ ...countOf(routes, query, query.family ?? 'ipv4'), next: undefined }),
    services: () => [
      service('10.1.0.0/24', 'pod-cidr', ['Node/worker-1']),
      service('2001:db8:1::/64', 'service', ['Service/shop/web', 'Service/shop/api']),
    ],
    problems: () => [
      {
        code: 'peer-filter-missing',
        object: 'BGPPeer/rack-1',
        field: 'spec.filters[0]',
        value: 'drop-lab',
        text: 'BGPPeer/rack-1 spec.filters[0]: "drop-lab": there is no such BGPFilter; the neighbor is held down',
      },
    ],
    refusals: () => new Map([['Service/shop/db', 'no ready endpoint on this node']]),
    ranges: () => [],
    filters: () => FILTERS,
    interfaces: () => [
      { name: 'lo', up: true, addresses: ['127.0.0.1/8', '::1/128'], link: { index: 1, mtu: 65_536, flags: 0x49 } },
      { name: 'eth0', up: true, addresses: ['10.0.0.1/24', '2001:db8::1/64', 'fe80::1/64'] },
      { name: 'eth1', up: false, addresses: [], link: { index: 3, mtu: 1500, flags: 0x1002 } },
    ],
    memory: () => [
      { what: 'Routing tables', bytes: 29_696 },
      { what: 'Route attributes', bytes: 984 },
    ],
    bfd: () => BFD,
    nat: () => ({
      active: true,
      error: undefined,
      rules: [{ pool: 'pods', family: 'ipv4', rule: 'ip saddr 10.1.0.0/16 masquerade', packets: 3, bytes: 180 }],
      serviceLoops: {
        prevention: 'Drop',
        rules: [{ family: 'ipv4', rule: 'ip daddr @services4 ip daddr != @spared4 drop', packets: 64, bytes: 5376 }],
        services: 2,
        spared: 1,
      },
    }),
    act: (action) => {
      actions.push(action)
      const named = protocols.filter(({ name }) => matchesPattern(action.pattern, name))
      return { results: named.map((one) => resultOf(one, action)), isOver: true }
    },
    actions,
    stop: () => {},
    leave: () => true,
    stay: () => true,
    leaving: () => ({ stage: 'here', reason: '' }),
    kernelWay: () => undefined,
    nodeRoutes: () => undefined,
    nodeRouteGaps: () => undefined,
    pools: () => [],
    podOwner: () => undefined,
    callers: () => ({ refused: 4, dropped: 0, isFiltering: false, recent: CALLERS }),
    ...rest,
  }
}

function resultOf({ name, disabled }: ProtocolView, { kind }: Action): ActionResult {
  if (kind === 'enable' || kind === 'disable') {
    return { name, outcome: disabled === (kind === 'disable') ? 'already' : 'done', reason: '' }
  }
  return disabled ? { name, outcome: 'failed', reason: 'disabled' } : { name, outcome: 'done', reason: '' }
}

const service = (text: string, origin: 'pod-cidr' | 'service', objects: readonly string[]) => {
  const prefix = parsePrefix(text)
  if (prefix === undefined) throw new Error(text)
  return { prefix, origin, objects, communities: [], named: [] }
}

function matches(one: RouteRow, query: RouteQuery): boolean {
  const prefix = parsePrefix(one.prefix)
  if (prefix === undefined) throw new Error(one.prefix)
  if (query.family !== undefined && one.family !== query.family) return false
  if (
    query.for !== undefined &&
    (isHostPrefix(query.for) ? !contains(prefix, query.for) : prefix.text !== query.for.text)
  )
    return false
  if (query.for !== undefined && isHostPrefix(query.for) && prefix.length === 0) return false
  if (query.in !== undefined && !contains(query.in, prefix)) return false
  if (query.protocol !== undefined && one.peer !== query.protocol) return false
  if (query.export !== undefined && !one.exportedTo.includes(query.export)) return false
  if (query.noexport !== undefined && one.exportedTo.includes(query.noexport)) return false
  if (query.primary === true && !one.best) return false
  return one.filtered === (query.filtered === true)
}

function countOf(routes: readonly RouteRow[], query: RouteQuery, family: Family) {
  const rows = routes.filter((one) => one.family === family && matches(one, query))
  return { prefixes: new Set(rows.map(({ prefix }) => prefix)).size, paths: rows.length }
}
