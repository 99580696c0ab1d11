/**
 * Numbers for Prometheus. Gauges and message counts are read from the engine's view when somebody scrapes;
 * transitions, NOTIFICATIONs and times come in as they happen.
 *
 * Labels are bounded: peers are those configured now (a removed peer takes its series along), states, types,
 * families and actions are ours, rules are those somebody wrote, and a code from the wire that no RFC names counts as `other`.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { FAMILIES } from '../../base/family.ts'
import type { Millis } from '../../base/units.ts'
import type { MessageCounts } from '../../bgp/session/types.ts'
import type { Tell } from '../../engine/tell.ts'
import type { BfdSummary, FilterView, NatView, ProtocolView, View } from '../../show/view.ts'
import { Tally } from './tally.ts'

export interface MetricsOptions {
  readonly version: string
  /** The engine's view at this moment. */
  readonly view: () => View
  /** Somebody scrapes: what the kernel counts may be read anew, for this time or the next. */
  readonly onScrape?: () => void
}

export class Metrics {
  readonly contentType: string
  readonly #registry = new Registry()
  readonly #view: () => View
  readonly #onScrape: () => void
  readonly #series: Series
  readonly #transitions = new Tally(['peer', 'to'])
  readonly #bfdTransitions = new Tally(['peer', 'to'])
  readonly #notifications = new Tally(['peer', 'direction', 'code', 'subcode'])
  readonly #updateProblems = new Tally(['peer', 'action'])
  readonly #objectToUpdate: Histogram

  constructor({ version, view, onScrape = () => {} }: MetricsOptions) {
    this.#view = view
    this.#onScrape = onScrape
    this.contentType = this.#registry.contentType
    this.#series = makeSeries(this.#registry)
    this.#objectToUpdate = new Histogram({
      name: 'godwit_object_to_update_seconds',
      help: 'From the change of an object to the last UPDATE it caused.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [this.#registry],
    })
    const build = new Gauge({
      name: 'godwit_build_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['version', 'node_version'],
      registers: [this.#registry],
    })
    build.set({ version, node_version: process.versions.node }, 1)
  }

  tell(tell: Tell): void {
    const { fields } = tell
    const peer = String(fields.peer ?? '')
    if (tell.code === 'session-transition') this.#transitions.add([peer, String(fields.to)])
    else if (tell.code === 'bfd-transition') this.#bfdTransitions.add([peer, String(fields.to)])
    else if (tell.code === 'update-problem') this.#updateProblems.add([peer, String(fields.action)])
    else if (tell.code === 'notification-sent' || tell.code === 'notification-received') {
      const direction = tell.code === 'notification-sent' ? 'sent' : 'received'
      this.#notifications.add([peer, direction, bounded(fields.code, 8), bounded(fields.subcode, 11)])
    }
  }

  measure(_name: 'object-to-update', value: Millis): void {
    this.#objectToUpdate.observe(value / 1000)
  }

  /** The page for Prometheus. */
  async scrape(): Promise<string> {
    this.#refresh()
    this.#onScrape()
    return this.#registry.metrics()
  }

  #refresh(): void {
    const series = this.#series
    const view = this.#view()
    const protocols = view.protocols()
    for (const one of Object.values(series)) one.reset()
    for (const protocol of protocols) showProtocol(series, protocol, view.now)
    const peers = new Set(protocols.map((protocol) => protocol.name))
    this.#transitions.show(series.transitions, peers)
    this.#bfdTransitions.show(series.bfdTransitions, peers)
    this.#notifications.show(series.notifications, peers)
    this.#updateProblems.show(series.updateProblems, peers)
    const status = view.status()
    series.synced.set(status.source.synced ? 1 : 0)
    series.problems.set(view.problems().length)
    series.wanted.set(view.services().length)
    showFilters(series, view.filters())
    showBfd(series, view.bfd())
    showNft(series, view.nat())
    for (const { what, bytes } of view.memory()) series.memory.set({ what }, bytes)
    series.resident.set(process.memoryUsage.rss())
    const { user, system } = process.cpuUsage()
    series.cpu.inc((user + system) / 1e6)
  }
}

/** A code that an RFC names, as text; everything else is one label value. */
function bounded(value: unknown, most: number): string {
  return typeof value === 'number' && value >= 0 && value <= most ? String(value) : 'other'
}

type Series = ReturnType<typeof makeSeries>

function makeSeries(registry: Registry) {
  const registers = [registry]
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `godwit_${name}`, help, labelNames, registers })
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `godwit_${name}`, help, labelNames, registers })
  return {
    up: gauge('session_up', '1 while the session is Established.', ['peer', 'kind']),
    state: gauge('session_state', '1 for the state (RFC 4271) the session is in.', ['peer', 'state']),
    stateSeconds: gauge('session_state_seconds', 'How long it has been in that state.', ['peer']),
    established: counter('session_established_total', 'Times Established was reached.', ['peer']),
    transitions: counter('session_transitions_total', 'Changes of state, by the state entered.', ['peer', 'to']),
    messages: counter('messages_total', 'BGP messages.', ['peer', 'type', 'direction']),
    notifications: counter('notifications_total', 'NOTIFICATIONs, by code and subcode.', [
      'peer',
      'direction',
      'code',
      'subcode',
    ]),
    updateProblems: counter('update_problems_total', 'Faults in UPDATEs that did not end the session (RFC 7606).', [
      'peer',
      'action',
    ]),
    received: gauge('received_prefixes', 'Prefixes held from the peer, before policy.', ['peer', 'family']),
    accepted: gauge('accepted_prefixes', 'Of those, the ones policy lets in.', ['peer', 'family']),
    stale: gauge('stale_routes', '1 while routes of a peer that was lost are kept (RFC 4724).', ['peer', 'family']),
    routeMemory: gauge('route_memory_bytes', 'Memory that the routes held are charged with.', ['peer', 'family']),
    advertised: gauge('advertised_prefixes', 'Prefixes the peer has been told.', ['peer', 'family']),
    bfdUp: gauge('bfd_session_up', '1 while the BFD session that watches the peer is Up.', ['peer']),
    bfdDetection: gauge('bfd_detection_time_seconds', 'So long without a BFD packet, and the peer is lost.', ['peer']),
    bfdTransitions: counter('bfd_session_transitions_total', 'Changes of state, by the state entered.', ['peer', 'to']),
    bfdPackets: counter('bfd_packets_total', 'BFD packets of all sessions.', ['direction']),
    bfdDropped: counter('bfd_dropped_packets_total', 'BFD packets that were dropped, by the rule they break.', [
      'reason',
    ]),
    bfdLeast: gauge('bfd_least_interval_seconds', 'No BFD interval is shorter than this; 0: as configured.'),
    filterHits: counter('filter_hits_total', 'Routes that a rule of a BGPFilter applied to.', ['rule']),
    nat: counter('nat_packets_total', 'First packets of flows that left with another source address, by pool.', [
      'pool',
      'family',
    ]),
    serviceLoops: counter(
      'service_loop_packets_total',
      'Packets to an advertised service address that no service takes, ended here (serviceLoopPrevention).',
      ['family'],
    ),
    synced: gauge('source_synced', '1 once all objects have been listed.'),
    problems: gauge('problems', 'Objects and fields that are wrong or held back.'),
    wanted: gauge('local_routes', 'Routes this node originates.'),
    memory: gauge('memory_bytes', 'Memory by what it is for.', ['what']),
    resident: gauge('process_resident_memory_bytes', 'Resident memory of the process.'),
    cpu: counter('process_cpu_seconds_total', 'CPU time of the process.'),
  }
}

function showProtocol(series: Series, { name: peer, kind, peer: snapshot, families }: ProtocolView, now: Millis): void {
  series.up.set({ peer, kind }, snapshot.state === 'Established' ? 1 : 0)
  series.state.set({ peer, state: snapshot.state }, 1)
  series.stateSeconds.set({ peer }, (now - snapshot.since) / 1000)
  series.established.inc({ peer }, snapshot.established)
  showMessages(series, peer, 'received', snapshot.received)
  showMessages(series, peer, 'sent', snapshot.sent)
  for (const family of FAMILIES) {
    const channel = families[family]
    if (channel === undefined) continue
    series.received.set({ peer, family }, channel.counts.received)
    series.accepted.set({ peer, family }, channel.counts.accepted)
    series.stale.set({ peer, family }, snapshot.stale?.includes(family) === true ? 1 : 0)
    series.routeMemory.set({ peer, family }, channel.counts.memory.octets)
    series.advertised.set({ peer, family }, channel.counts.advertised)
  }
}

/** As many series as there are rules in BGPFilters that neighbors use, however many neighbors those are. */
function showNft(series: Series, nat: NatView | undefined): void {
  for (const { pool, family, packets = 0 } of nat?.rules ?? []) series.nat.inc({ pool, family }, packets)
  for (const { family, packets = 0 } of nat?.serviceLoops.rules ?? []) series.serviceLoops.inc({ family }, packets)
}

function showBfd(series: Series, bfd: BfdSummary | undefined): void {
  for (const { session, peers } of bfd?.sessions ?? []) {
    for (const peer of peers) {
      series.bfdUp.set({ peer }, session.state === 'Up' ? 1 : 0)
      series.bfdDetection.set({ peer }, session.detectionTime / 1_000_000)
    }
  }
  if (bfd?.counters === undefined) return
  const { sent, received, dropped, leastInterval } = bfd.counters
  series.bfdPackets.inc({ direction: 'sent' }, sent)
  series.bfdPackets.inc({ direction: 'received' }, received)
  for (const [reason, count] of Object.entries(dropped)) series.bfdDropped.inc({ reason }, count)
  series.bfdLeast.set(leastInterval / 1_000_000)
}

function showFilters(series: Series, filters: readonly FilterView[]): void {
  for (const { policy, hits } of filters) {
    for (const [index, { name: rule }] of policy.rules.entries()) {
      if (rule.startsWith('BGPFilter/')) series.filterHits.inc({ rule }, hits[index] ?? 0)
    }
  }
}

function showMessages(series: Series, peer: string, direction: string, counts: MessageCounts): void {
  for (const [type, count] of Object.entries(counts)) series.messages.inc({ peer, type, direction }, count)
}
