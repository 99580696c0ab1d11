/**
 * Metrics for Prometheus. Gauges and message counts are read from the engine's view at each scrape; transitions,
 * NOTIFICATIONs and times are counted as they happen.
 *
 * Labels are bounded: peers are those configured now (the series of a removed peer are removed), states, types,
 * families and actions are fixed sets, rules are those of BGPFilters, and a code from the wire beyond those of the RFCs
 * counts as `other`.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { FAMILIES } from '../../base/family.ts'
import { inSeconds, type Millis, microsInSeconds } from '../../base/units.ts'
import type { MessageCounts, PeerSnapshot } from '../../bgp/session/types.ts'
import type { LogLine } from '../../engine/log-line.ts'
import type { BfdSummary, FilterView, NatView, ProtocolView, View } from '../../show/view.ts'
import { Flaps } from './flaps.ts'
import { GroupSums } from './group-sums.ts'
import { PeerCounts, type PeerLabel } from './peer-counts.ts'

export interface MetricsOptions {
  readonly version: string
  /** The engine's view at this moment. */
  readonly view: () => View
  /** Called at the beginning of each scrape: the kernel's counters are read again, for this scrape or the next. */
  readonly onScrape?: () => void
}

export class Metrics {
  readonly contentType: string
  readonly #registry = new Registry()
  readonly #view: () => View
  readonly #onScrape: () => void
  readonly #series: Series
  readonly #transitions = new PeerCounts(['peer', 'to'])
  readonly #bfdTransitions = new PeerCounts(['peer', 'to'])
  readonly #notifications = new PeerCounts(['peer', 'direction', 'code', 'subcode'])
  readonly #updateProblems = new PeerCounts(['peer', 'action'])
  readonly #flaps = new Flaps()
  readonly #flapCounts = new PeerCounts(['peer'])
  readonly #bfdFlaps = new Flaps()
  readonly #bfdFlapCounts = new PeerCounts(['peer'])
  /** What removed members of a group had counted: sessions and messages. */
  readonly #peerSums = new GroupSums()
  /** What removed policies had counted for a rule that other policies have too: hits. */
  readonly #hitSums = new GroupSums()
  readonly #objectToUpdate: Histogram
  /** The page in progress: pages are made one at a time. */
  #last: Promise<unknown> = Promise.resolve()
  /** Pages that have not begun, by `each`. */
  readonly #next = new Map<boolean, Promise<readonly string[]>>()

  constructor({ version, view, onScrape = () => {} }: MetricsOptions) {
    this.#view = view
    this.#onScrape = onScrape
    this.contentType = this.#registry.contentType
    this.#series = makeSeries(this.#registry)
    // `process_…` and `nodejs_…`, under their standard names.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LAG_PRECISION })
    this.#objectToUpdate = new Histogram({
      name: 'godwit_object_to_update_seconds',
      help: 'Time from the change of an object to the last UPDATE that it caused.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [this.#registry],
    })
    const build = new Gauge({
      name: 'godwit_build_info',
      help: 'Always 1; the labels are the versions of the agent and of Node.js.',
      labelNames: ['version', 'node_version'],
      registers: [this.#registry],
    })
    build.set({ version, node_version: process.versions.node }, 1)
  }

  /** Counts what the log line reports. */
  note(line: LogLine): void {
    const { fields } = line
    const peer = String(fields.peer ?? '')
    if (line.code === 'session-transition') {
      this.#transitions.add([peer, String(fields.to)])
      if (fields.to === 'Established' && this.#flaps.isFlap(peer, this.#view().now)) this.#flapCounts.add([peer])
    } else if (line.code === 'bfd-transition') {
      this.#bfdTransitions.add([peer, String(fields.to)])
      if (fields.to === 'Up' && this.#bfdFlaps.isFlap(peer, this.#view().now)) this.#bfdFlapCounts.add([peer])
    } else if (line.code === 'update-problem') this.#updateProblems.add([peer, String(fields.action)])
    else if (line.code === 'notification-sent' || line.code === 'notification-received') {
      const direction = line.code === 'notification-sent' ? 'sent' : 'received'
      this.#notifications.add([peer, direction, codeLabel(fields.code, CODES), codeLabel(fields.subcode, SUBCODES)])
    }
  }

  measure(_name: 'object-to-update', value: Millis): void {
    this.#objectToUpdate.observe(inSeconds(value))
  }

  /**
   * The page for Prometheus. The mesh, and each range of callers, is one sum, so that the page does not grow with the
   * cluster; `each`: one series per peer. The page is made in parts, and pages one after the other; those who ask while
   * one is made share the next. The parts make up the page without anything between them.
   */
  scrape(each = false): Promise<readonly string[]> {
    const next = this.#next.get(each)
    if (next !== undefined) return next
    const page = this.#last.then(() => {
      this.#next.delete(each)
      return this.#make(each)
    })
    this.#next.set(each, page)
    this.#last = page.catch(() => {})
    return page
  }

  async #make(each: boolean): Promise<readonly string[]> {
    this.#onScrape()
    await this.#refresh(each)
    const parts: string[] = []
    const metrics = this.#registry.getMetricsAsArray() as unknown as readonly Readable[]
    for (const [index, metric] of metrics.entries()) {
      if (index > 0) parts.push('\n')
      for await (const part of this.#text(metric)) {
        parts.push(`${part}\n`)
        await yieldToEventLoop()
      }
    }
    return parts
  }

  /** As prom-client writes it: the head, and some series at a time. */
  async *#text(metric: Readable): AsyncIterable<string> {
    const all = (await metric.getForPromString?.()) ?? (await metric.get())
    const registry = this.#registry as unknown as { getMetricsAsString(metric: Readable): Promise<string> }
    for (let at = 0; at === 0 || at < all.values.length; at += SERIES_IN_PART) {
      const some = { ...all, values: all.values.slice(at, at + SERIES_IN_PART) }
      const lines = await registry.getMetricsAsString({ get: async () => some })
      yield at === 0 ? lines : lines.split('\n').slice(HEAD_LINES).join('\n')
    }
  }

  async #refresh(each: boolean): Promise<void> {
    const series = this.#series
    const view = this.#view()
    for (const one of Object.values(series)) one.reset()
    const hasLeft = view.leaving().stage === 'gone'
    series.left.set(hasLeft ? 1 : 0)
    const peers = new Map<string, PeerLabel>()
    for (const protocol of view.eachProtocol()) {
      const { name, peer } = protocol
      const group = groupOf(protocol)
      const label = each ? name : (group ?? name)
      peers.set(name, { label, group })
      showProtocol(series, protocol, label, label === group ? undefined : view.now)
      series.down.inc({ peer: label, kind: protocol.kind }, !hasLeft && isDown(protocol) ? 1 : 0)
      if (label === group) this.#peerSums.see(name, group, countsOf(peer))
      if (peers.size % PEERS_IN_TURN === 0) await yieldToEventLoop()
    }
    // `showProtocol` has added the counts of the present members.
    if (!each) for (const [group, counts] of this.#peerSums.endRound()) addCounts(series, group, counts)
    const counted = [
      this.#transitions.writeTo(series.transitions, peers),
      this.#bfdTransitions.writeTo(series.bfdTransitions, peers),
      this.#notifications.writeTo(series.notifications, peers),
      this.#updateProblems.writeTo(series.updateProblems, peers),
      this.#flapCounts.writeTo(series.flaps, peers),
      this.#bfdFlapCounts.writeTo(series.bfdFlaps, peers),
    ]
    for (const rows of counted) for (const _ of rows) await yieldToEventLoop()
    const status = view.status()
    series.synced.set(status.source.synced ? 1 : 0)
    series.problems.set(view.problems().length)
    series.localRoutes.set(view.services().length)
    showNodeRoutes(series, view.nodeRoutes())
    const { refused, dropped } = view.callers()
    series.callers.inc(refused)
    series.dropped.inc(dropped)
    showFilters(series, view.filters(), this.#hitSums)
    showBfd(series, view.bfd(), peers)
    showNft(series, view.nat())
    for (const { what, bytes } of view.memory()) series.memory.set({ what }, bytes)
  }
}

/** Milliseconds between two measurements of the event loop's lag: ten wake-ups a second are cheap. */
const LAG_PRECISION = 100

/** Series that are written as one part of a page. */
const SERIES_IN_PART = 128
/** Peers that are read from the view before other work has its turn. */
const PEERS_IN_TURN = 128

/** HELP and TYPE. */
const HEAD_LINES = 2

/** A metric of prom-client; its type declarations omit `getForPromString`. */
interface Readable {
  get(): Promise<{ readonly values: readonly unknown[] }>
  /** Only histograms and summaries have this method. */
  getForPromString?(): Promise<{ readonly values: readonly unknown[] }>
}

/** Sockets are read and the engine has turns before the next part. */
const yieldToEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Groups of peers that can be many (nodes of the mesh, callers of a range): each group shares one label. */
const groupOf = ({ kind, range }: ProtocolView): string | undefined => (kind === 'Mesh' ? kind : range)

/** From Message Header Error (RFC 4271) to Send Hold Timer Expired (RFC 9687). */
const CODES = { least: 1, most: 8 } as const
/** From 0, which is no more specific than the code, to Malformed AS_PATH (RFC 4271) and Role Mismatch (RFC 9234). */
const SUBCODES = { least: 0, most: 11 } as const

/** A code within the range that RFCs use, as text; everything else is one label value. */
function codeLabel(value: unknown, { least, most }: { readonly least: number; readonly most: number }): string {
  return typeof value === 'number' && value >= least && value <= most ? String(value) : 'other'
}

type Series = ReturnType<typeof makeSeries>

function makeSeries(registry: Registry) {
  const registers = [registry]
  const make: Makers = {
    gauge: (name, help, labelNames = []) => new Gauge({ name: `godwit_${name}`, help, labelNames, registers }),
    counter: (name, help, labelNames = []) => new Counter({ name: `godwit_${name}`, help, labelNames, registers }),
  }
  return { ...sessionSeries(make), ...routeSeries(make), ...bfdSeries(make), ...nodeSeries(make) }
}

interface Makers {
  readonly gauge: (name: string, help: string, labelNames?: string[]) => Gauge
  readonly counter: (name: string, help: string, labelNames?: string[]) => Counter
}

function sessionSeries({ gauge, counter }: Makers) {
  return {
    up: gauge(
      'session_up',
      '1 while the session is Established; for the mesh or a peerRange, the number of Established sessions.',
      ['peer', 'kind'],
    ),
    callers: counter(
      'callers_refused_total',
      'Connections refused because the caller is not a configured neighbor, or because a limit was reached.',
    ),
    dropped: counter(
      'callers_dropped_total',
      'Packets dropped in floods because they came from addresses that are not configured neighbors.',
    ),
    down: gauge('sessions_down', 'Number of sessions that should be Established and are not.', ['peer', 'kind']),
    disabled: gauge(
      'session_disabled',
      '1 while the session is disabled by command; for the mesh or a peerRange, the number of such sessions.',
      ['peer', 'kind'],
    ),
    state: gauge(
      'session_state',
      '1 for the state (RFC 4271) of the session; for the mesh or a peerRange, the number of sessions in that state.',
      ['peer', 'state'],
    ),
    stateSeconds: gauge('session_state_seconds', 'Time that the session has been in its state.', ['peer']),
    established: counter('session_established_total', 'How often the session reached Established.', ['peer']),
    flaps: counter(
      'session_flaps_total',
      'How often a session reached Established after it had done so three times in the 15 minutes before.',
      ['peer'],
    ),
    transitions: counter(
      'session_transitions_total',
      'State changes of the session (RFC 4271), by the state entered.',
      ['peer', 'to'],
    ),
    messages: counter('messages_total', 'BGP messages sent and received, by type.', ['peer', 'type', 'direction']),
    notifications: counter('notifications_total', 'NOTIFICATIONs sent and received, by code and subcode.', [
      'peer',
      'direction',
      'code',
      'subcode',
    ]),
    updateProblems: counter('update_problems_total', 'Faults in UPDATEs that did not end the session (RFC 7606).', [
      'peer',
      'action',
    ]),
  }
}

/** Metrics of the routes of a peer. */
function routeSeries({ gauge }: Makers) {
  return {
    received: gauge('received_prefixes', 'Prefixes in the Adj-RIB-In of the peer, before policy.', ['peer', 'family']),
    accepted: gauge('accepted_prefixes', 'Prefixes from the peer that import policy accepts.', ['peer', 'family']),
    stale: gauge(
      'stale_routes',
      '1 while routes of a peer whose session was lost are kept (RFC 4724); for the mesh or a peerRange, the number of such peers.',
      ['peer', 'family'],
    ),
    routeMemory: gauge('route_memory_bytes', 'Memory that the routes in the Adj-RIB-In are charged with.', [
      'peer',
      'family',
    ]),
    advertised: gauge('advertised_prefixes', 'Prefixes advertised to the peer.', ['peer', 'family']),
  }
}

function bfdSeries({ gauge, counter }: Makers) {
  return {
    bfdUp: gauge(
      'bfd_session_up',
      '1 while the BFD session that watches the peer is Up; for the mesh or a peerRange, the number of sessions that are Up.',
      ['peer'],
    ),
    bfdDetection: gauge(
      'bfd_detection_time_seconds',
      'BFD detection time: after this time without a packet, the session goes Down; for the mesh or a peerRange, the longest.',
      ['peer'],
    ),
    bfdFlaps: counter(
      'bfd_session_flaps_total',
      'How often a BFD session went Up after it had done so three times in the 15 minutes before.',
      ['peer'],
    ),
    bfdTransitions: counter(
      'bfd_session_transitions_total',
      'State changes of the BFD session, by the state entered.',
      ['peer', 'to'],
    ),
    bfdPackets: counter('bfd_packets_total', 'BFD packets sent and received, of all sessions.', ['direction']),
    bfdDropped: counter('bfd_dropped_packets_total', 'BFD packets that were dropped, by the rule they break.', [
      'reason',
    ]),
    bfdLeast: gauge(
      'bfd_least_interval_seconds',
      'Lower bound that the agent puts on BFD intervals, because of its priority or to limit packets: shorter configured ones are raised to it; 0 without BFD.',
    ),
  }
}

/** Metrics of objects, the kernel and memory. */
function nodeSeries({ gauge, counter }: Makers) {
  return {
    filterHits: counter('filter_hits_total', 'Routes that matched a rule of a BGPFilter.', ['rule']),
    nat: counter('nat_packets_total', 'First packets of flows that left with another source address, by pool.', [
      'pool',
      'family',
    ]),
    serviceLoops: counter(
      'service_loop_packets_total',
      'Packets dropped or rejected here: their destination is an advertised service address that no service accepts (serviceLoopPrevention).',
      ['family'],
    ),
    synced: gauge('source_synced', '1 once all objects have been listed.'),
    problems: gauge(
      'problems',
      'Problems that the agent reports, such as objects and fields that are wrong or held back.',
    ),
    left: gauge(
      'node_left',
      '1 while this node has left: it has no session and advertises nothing, as it was told to.',
    ),
    localRoutes: gauge('local_routes', 'Routes this node originates.'),
    nodeRoutes: gauge(
      'node_routes',
      'Direct routes to pods of other nodes that nodeRoutes asks for, by state: written to the kernel, or missing there.',
      ['family', 'state'],
    ),
    memory: gauge('memory_bytes', 'Memory of the routing tables, route attributes and advertised routes.', ['what']),
  }
}

/** `peer`: the label. `now`: undefined if several peers share the label; then no time in state is shown. */
function showProtocol(
  series: Series,
  { kind, peer: snapshot, disabled, families }: ProtocolView,
  peer: string,
  now: Millis | undefined,
): void {
  const isUp = snapshot.state === 'Established'
  series.up.inc({ peer, kind }, isUp ? 1 : 0)
  series.disabled.inc({ peer, kind }, disabled ? 1 : 0)
  series.state.inc({ peer, state: snapshot.state })
  if (now !== undefined) series.stateSeconds.set({ peer }, inSeconds(now - snapshot.since))
  series.flaps.inc({ peer }, 0)
  addCounts(series, peer, countsOf(snapshot))
  for (const family of FAMILIES) {
    const channel = families[family]
    if (channel === undefined) continue
    series.stale.inc({ peer, family }, snapshot.stale?.includes(family) === true ? 1 : 0)
    series.received.inc({ peer, family }, channel.counts.received)
    series.accepted.inc({ peer, family }, channel.counts.accepted)
    series.routeMemory.inc({ peer, family }, channel.counts.memory.octets)
    series.advertised.inc({ peer, family }, channel.counts.advertised)
  }
}

/** Not Established, and not disabled by command. */
const isDown = ({ peer, disabled }: ProtocolView): boolean => peer.state !== 'Established' && !disabled

function showNft(series: Series, nat: NatView | undefined): void {
  for (const { pool, family, packets = 0 } of nat?.rules ?? []) series.nat.inc({ pool, family }, packets)
  for (const { family, packets = 0 } of nat?.serviceLoops.rules ?? []) series.serviceLoops.inc({ family }, packets)
}

function showNodeRoutes(series: Series, counts: ReturnType<View['nodeRoutes']>): void {
  if (counts === undefined) return
  for (const family of FAMILIES) {
    const { wanted, written } = counts[family]
    series.nodeRoutes.set({ family, state: 'written' }, written)
    series.nodeRoutes.set({ family, state: 'missing' }, wanted - written)
  }
}

function showBfd(series: Series, bfd: BfdSummary | undefined, labels: ReadonlyMap<string, PeerLabel>): void {
  const longest = new Map<string, number>()
  for (const { session, peers } of bfd?.sessions ?? []) {
    for (const peer of new Set(peers.map((name) => labels.get(name)?.label ?? name))) {
      series.bfdUp.inc({ peer }, session.state === 'Up' ? 1 : 0)
      series.bfdFlaps.inc({ peer }, 0)
      longest.set(peer, Math.max(longest.get(peer) ?? 0, session.detectionTime))
    }
  }
  for (const [peer, detectionTime] of longest) series.bfdDetection.set({ peer }, microsInSeconds(detectionTime))
  if (bfd?.counters === undefined) return
  const { sent, received, dropped, leastInterval } = bfd.counters
  series.bfdPackets.inc({ direction: 'sent' }, sent)
  series.bfdPackets.inc({ direction: 'received' }, received)
  for (const [reason, count] of Object.entries(dropped)) series.bfdDropped.inc({ reason }, count)
  series.bfdLeast.set(microsInSeconds(leastInterval))
}

/** One series per rule of the BGPFilters in use, however many neighbors use them. */
function showFilters(series: Series, filters: readonly FilterView[], sums: GroupSums): void {
  for (const { policy, hits } of filters) {
    for (const [index, rule] of policy.rules.entries()) {
      if (!rule.name.startsWith('BGPFilter/')) continue
      const count = hits[index] ?? 0
      series.filterHits.inc({ rule: rule.name }, count)
      sums.see(memberOf(policy, index), rule.name, [count])
    }
  }
  for (const [rule, [count]] of sums.endRound()) series.filterHits.inc({ rule }, count)
}

const POLICY_IDS = new WeakMap<FilterView['policy'], number>()
let lastPolicyId = 0

/** A rule of a policy: other policies can have the same rule, and each counts by itself. */
function memberOf(policy: FilterView['policy'], index: number): string {
  const id = POLICY_IDS.get(policy) ?? ++lastPolicyId
  POLICY_IDS.set(policy, id)
  return `${id} ${index}`
}

const MESSAGES: readonly (keyof MessageCounts)[] = ['open', 'update', 'notification', 'keepalive', 'route-refresh']

/** What the snapshot counts since the peer was made, in the order of `addCounts`. */
const countsOf = ({ established, received, sent }: PeerSnapshot): readonly number[] => [
  established,
  ...MESSAGES.map((type) => received[type]),
  ...MESSAGES.map((type) => sent[type]),
]

function addCounts(series: Series, peer: string, [established, ...messages]: readonly number[]): void {
  series.established.inc({ peer }, established)
  for (const [index, count] of messages.entries()) {
    const type = MESSAGES[index % MESSAGES.length] ?? ''
    series.messages.inc({ peer, type, direction: index < MESSAGES.length ? 'received' : 'sent' }, count)
  }
}
