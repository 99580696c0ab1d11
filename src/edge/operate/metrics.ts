/**
 * Metrics for Prometheus. Gauges and message counts are read from the engine's view at each scrape; transitions,
 * NOTIFICATIONs and times are counted as they happen.
 *
 * Labels are bounded: peers are those configured now (the series of a removed peer are removed), states, types,
 * families and actions are fixed sets, rules are those of BGPFilters, and a code from the wire beyond those of the RFCs
 * counts as `other`.
 */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { inSeconds, type Millis } from '../../base/units.ts'
import type { LogLine } from '../../engine/log-line.ts'
import type { View } from '../../show/view.ts'
import { Flaps } from './flaps.ts'
import { GroupSums } from './group-sums.ts'
import { pageParts, yieldToEventLoop } from './metric-page.ts'
import {
  addCounts,
  countsOf,
  groupOf,
  isDown,
  showBfd,
  showFilters,
  showNft,
  showNodeRoutes,
  showProtocol,
} from './metric-readings.ts'
import { makeSeries, type Series } from './metric-series.ts'
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
    return pageParts(this.#registry)
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

/** Peers that are read from the view before other work has its turn. */
const PEERS_IN_TURN = 128

/** From Message Header Error (RFC 4271) to Send Hold Timer Expired (RFC 9687). */
const CODES = { least: 1, most: 8 } as const
/** From 0, which is no more specific than the code, to Malformed AS_PATH (RFC 4271) and Role Mismatch (RFC 9234). */
const SUBCODES = { least: 0, most: 11 } as const

/** A code within the range that RFCs use, as text; everything else is one label value. */
function codeLabel(value: unknown, { least, most }: { readonly least: number; readonly most: number }): string {
  return typeof value === 'number' && value >= least && value <= most ? String(value) : 'other'
}
