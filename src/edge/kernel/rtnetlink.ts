/**
 * The kernel's links, addresses and routes: reports them and their changes, and writes our routes.
 *
 * In: the Effect `routes`. Out: the Inputs `links` and `kernel` (the changes since the last one; the first has
 * everything), `applied` for every effect, and `kernel-error` while reading or writing is impossible.
 *
 * Events are applied as they arrive. The table is read again where events are missing: the kernel sends none when it
 * removes IPv4 routes together with a link or an address, an event can be ambiguous, and the socket's buffer can
 * overflow.
 *
 * Reading and writing alternate. The kernel does not report our own changes to us; where another program changes our
 * routes while we write, or writes in the same places, the order of the changes is unknown, and the routes are read again.
 * Routes stay when the agent ends.
 */
import { setImmediate as soon } from 'node:timers/promises'
import { FAMILIES, type Family } from '../../base/family.ts'
import type { Millis } from '../../base/units.ts'
import { GODWIT_PROTOCOL, type KernelRoute, routeKey } from '../../dataplane/kernel.ts'
import type { Effect } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'
import { errorText } from '../error-text.ts'
import { KernelDumps } from './kernel-dumps.ts'
import { KnownLinks, type Loss } from './known-links.ts'
import { idOf, KnownRoutes } from './known-routes.ts'
import { type Attributes, type Message, NLM_F_APPEND, NLM_F_REPLACE } from './netlink-message.ts'
import { NetlinkReader } from './netlink-reader.ts'
import { RTM_DELROUTE, RTM_NEWROUTE } from './netlink-route.ts'
import { type OpenNetlink, openNetlink } from './netlink-socket.ts'
import { RouteWriter } from './route-writer.ts'

export interface RtnetlinkOptions {
  readonly feed: (input: Input) => void
  /**
   * The table for learned routes; undefined: only links and addresses are read, and default routes where they are
   * wanted.
   */
  readonly table: number | undefined
  /** How sockets are opened: a test opens them in another network namespace. */
  readonly openSocket?: OpenNetlink
  /** The most routes kept of routing daemons, and of other programs. */
  readonly mostForeign?: number
  /** The pause before a retry, and between two full readings. */
  readonly retry?: Millis
  readonly recheck?: Millis
}

type RoutesEffect = Extract<Effect, { kind: 'routes' }>

/** `RTNLGRP_*`: links and addresses, routes, and next hop objects. */
const LINK_GROUPS = [1, 5, 9]
const ROUTE_GROUPS = [7, 11, 32]

const RTM_NEWNEXTHOP = 104
const RTM_DELNEXTHOP = 105

/** Known routes that are checked before other work has its turn. */
const PIECE = 512
/** Pause before unclear parts are read again; longer where readings take long. */
const QUIET: Millis = 20
const LONGEST_QUIET: Millis = 2_000

export class Rtnetlink {
  readonly #feed: (input: Input) => void
  readonly #table: number | undefined
  readonly #openSocket: OpenNetlink
  readonly #retry: Millis
  readonly #recheck: NodeJS.Timeout
  readonly #links = new KnownLinks()
  readonly #routes: KnownRoutes
  #reader: NetlinkReader | undefined
  /** With `#reader`. */
  #dumps: KernelDumps | undefined
  #writer: RouteWriter | undefined
  #closeWriter = () => {}
  #queue: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  /** The sockets are closed until the next try. */
  #hasFailed = false
  #isWriting = false
  /** Ids of the routes that are being written. */
  #written: ReadonlySet<string> = new Set()
  /** Everything has been read once. */
  #isKnown = false
  #areLinksUnclear = false
  /** By `routeKey`: routes of ours that another program deleted, until they are told as gone. */
  readonly #deleted = new Set<string>()
  /** By link: losses with which IPv6 routes may have gone. The events of those routes are awaited first (`#judgeLosses`). */
  readonly #lost = new Map<string, Loss>()
  #error: string | undefined
  #lastReadingTook: Millis = 0
  /** Default routes are wanted, where no other routes are read. */
  #followsDefaults = false

  constructor(options: RtnetlinkOptions) {
    const { feed, table, openSocket = openNetlink, mostForeign, retry = 5_000, recheck = 600_000 } = options
    this.#routes = new KnownRoutes(mostForeign)
    this.#feed = feed
    this.#table = table
    this.#openSocket = openSocket
    this.#retry = retry
    this.#recheck = setInterval(() => this.#markAllUnclear(), recheck).unref()
  }

  /** Begins to report to the engine. Resolves when everything has been read, or cannot be read. */
  open(): Promise<void> {
    return this.#run(() => this.#open())
  }

  /** Effect `follow-default-routes`; does nothing where all routes are read anyway. */
  followDefaults(wanted: boolean): void {
    if (this.#table !== undefined) return
    void this.#run(async () => {
      if (this.#followsDefaults === wanted) return
      this.#followsDefaults = wanted
      // Other groups of events need other sockets: a closed one is opened again in its turn.
      if (this.#reader === undefined) return
      this.#close()
      await this.#open()
    })
  }

  get #readsRoutes(): boolean {
    return this.#table !== undefined || this.#followsDefaults
  }

  perform({ seq, changes }: RoutesEffect): void {
    void this.#run(async () => {
      this.#isWriting = true
      this.#written = new Set(changes.map(({ route }) => idOf(route)))
      const reason = this.#error ?? 'the kernel cannot be asked'
      const failed = (await this.#writer?.write(changes)) ?? changes.map((_, index) => ({ index, reason }))
      // Takes the events queued so far: whether they came before or after our writes is unknown.
      await this.#reader?.catchUp()
      this.#isWriting = false
      const bad = new Set(failed.map(({ index }) => index))
      for (const [index, change] of changes.entries()) {
        if (bad.has(index)) this.#routes.unclear.add(change.route.prefix.family)
        else this.#routes.note(change)
      }
      this.#feed({ kind: 'applied', what: 'routes', seq, failed })
      this.#readSoon()
    })
  }

  /** A reading ends at once, a write under way as a whole: the next run should not find half of it. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#recheck)
    clearTimeout(this.#timer)
    this.#closeReader()
    await this.#queue
    this.#close()
  }

  /** Runs one piece of work after the other; none rejects. */
  #run(work: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(() => (this.#isStopped ? undefined : work()))
    return this.#queue
  }

  async #open(): Promise<void> {
    try {
      this.#openSockets()
      await this.#read()
    } catch (error) {
      this.#fail(error)
    }
  }

  #openSockets(): void {
    this.#hasFailed = false
    const writer = this.#openSocket()
    this.#closeWriter = () => writer.close()
    this.#writer = new RouteWriter(writer, this.#links.indexOf)
    const reader = new NetlinkReader({
      socket: this.#openSocket({
        groups: this.#readsRoutes ? [...LINK_GROUPS, ...ROUTE_GROUPS] : LINK_GROUPS,
        without: writer.port,
      }),
      onEvent: (message, attributes) => this.#takeEvent(message, attributes),
      onPiece: () => this.#report(),
      onOverrun: () => this.#markAllUnclear(),
      onFailure: (error) => this.#fail(error),
    })
    this.#reader = reader
    this.#dumps = new KernelDumps({
      reader,
      links: this.#links,
      routes: this.#routes,
      table: this.#table,
      onLoss: (loss) => void this.#takeLoss(loss),
    })
  }

  #close(): void {
    this.#closeReader()
    this.#closeWriter()
    this.#writer = undefined
  }

  #closeReader(): void {
    this.#reader?.close()
    this.#reader = undefined
    this.#dumps = undefined
  }

  /** All sockets are closed, and opened again after a pause: a full reading then finds what happened meanwhile. */
  #fail(error: unknown): void {
    this.#close()
    // A reading that was under way fails because of the closing: the first reason is the one to report.
    if (this.#isStopped || this.#hasFailed) return
    this.#hasFailed = true
    this.#setError(`the kernel's links and routes cannot be read: ${errorText(error)}`)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.open()
    }, this.#retry).unref()
  }

  #setError(text: string | undefined): void {
    if (text === this.#error) return
    this.#error = text
    this.#feed({ kind: 'kernel-error', what: this.#table === undefined ? 'links' : 'routes', text })
  }

  // ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #markAllUnclear(): void {
    this.#areLinksUnclear = true
    if (this.#readsRoutes) for (const family of FAMILIES) this.#routes.unclear.add(family)
    this.#readSoon()
  }

  #readSoon(): void {
    const isUnclear = this.#areLinksUnclear || this.#routes.unclear.size > 0 || this.#lost.size > 0
    if (!isUnclear || !this.#isKnown || this.#isStopped || this.#timer !== undefined) return
    const wait = Math.max(QUIET, Math.min(this.#lastReadingTook * 3, LONGEST_QUIET))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#run(() => this.#readUnclear())
    }, wait).unref()
  }

  async #readUnclear(): Promise<void> {
    if (this.#reader === undefined) return
    this.#judgeLosses()
    if (!this.#areLinksUnclear && this.#routes.unclear.size === 0) return
    const before = performance.now()
    try {
      if (this.#areLinksUnclear) await this.#readLinks()
      for (const family of FAMILIES) if (this.#routes.unclear.has(family)) await this.#readRoutes(family)
    } catch (error) {
      this.#fail(error)
    }
    this.#lastReadingTook = performance.now() - before
    this.#readSoon()
  }

  /** Everything, for the first time or after the sockets were opened again. */
  async #read(): Promise<void> {
    await this.#readLinks()
    if (this.#readsRoutes) {
      for (const family of FAMILIES) await this.#readRoutes(family)
      this.#reportRoutes(true)
    }
    this.#isKnown = true
    this.#setError(undefined)
    this.#readSoon()
  }

  async #readLinks(): Promise<void> {
    this.#areLinksUnclear = false
    await this.#readWhole((dumps) => dumps.readLinks())
    for (const loss of this.#links.end()) await this.#takeLoss(loss)
    this.#reportLinks()
  }

  async #readRoutes(family: Family): Promise<void> {
    this.#routes.unclear.delete(family)
    await this.#readWhole((dumps) => dumps.readRoutes(family))
    await this.#inPieces(this.#routes.sweep(family, PIECE))
    if (this.#routes.unclear.size === 0) this.#deleted.clear()
  }

  /** Where the table changes all the time, what was read is close enough, and everything is read again after a while. */
  async #readWhole(read: (dumps: KernelDumps) => Promise<boolean>): Promise<void> {
    if (this.#dumps === undefined) throw new Error('the socket was closed')
    if (!(await read(this.#dumps))) this.#markAllUnclear()
  }

  async #inPieces(pieces: Iterable<void>): Promise<void> {
    for (const _ of pieces) {
      this.#report()
      await soon()
    }
    this.#report()
  }

  // ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #takeEvent(message: Message, attributes: Attributes): void {
    switch (message.type) {
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        this.#takeRouteEvent(message, attributes)
        return
      case RTM_NEWNEXTHOP:
      case RTM_DELNEXTHOP:
        if (!this.#routes.hasObjects) return
        for (const family of FAMILIES) this.#routes.unclear.add(family)
        this.#readSoon()
        return
      default: {
        const loss = this.#links.take(message, attributes)
        if (loss !== undefined) void this.#takeLoss(loss)
      }
    }
  }

  #takeRouteEvent(message: Message, attributes: Attributes): void {
    const reported = this.#dumps?.routeIn(message, attributes)
    if (reported === undefined) return
    if (message.type === RTM_DELROUTE && isByProgram(message, reported.route))
      this.#deleted.add(routeKey(reported.route))
    if (this.#isWriting && this.#mayCross(reported.route)) this.#routes.unclear.add(reported.route.prefix.family)
    else if (message.type === RTM_DELROUTE) this.#routes.removed(reported)
    else this.#routes.added(reported, (message.flags & NLM_F_REPLACE) !== 0, (message.flags & NLM_F_APPEND) !== 0)
    this.#readSoon()
  }

  /** The route is ours, or stands where we are writing: whether the event came before our write or after it is not known. */
  #mayCross(route: KernelRoute): boolean {
    return route.protocol === GODWIT_PROTOCOL || this.#written.has(idOf(route))
  }

  /**
   * With a lost link the kernel removes IPv6 routes, and reports that soon, unless a setting forbids it (`KnownRoutes.touchedBy`).
   * Routes over the link that are known even now must be read again.
   */
  #judgeLosses(): void {
    const isTouched = (loss: Loss): boolean => this.#routes.touchedBy(loss).includes('ipv6')
    if ([...this.#lost.values()].some(isTouched)) this.#routes.unclear.add('ipv6')
    this.#lost.clear()
  }

  /** The kernel does not report which IPv4 routes it removes with the link, and IPv6 routes only as it is set. */
  async #takeLoss(loss: Loss): Promise<void> {
    if (!this.#readsRoutes) return
    const touched = new Set(this.#routes.touchedBy(loss))
    // Routes that are being written are not known yet: the loss may come before or after them.
    const mayBe = loss.kind === 'address' ? ['ipv4' as const] : FAMILIES
    if (this.#isWriting) for (const family of mayBe) this.#routes.unclear.add(family)
    // All IPv4 routes over a deleted link go with it; of IPv6 routes those parts that lead over it.
    const isDropped = loss.kind === 'link-deleted' && touched.delete('ipv4')
    if (touched.delete('ipv6')) this.#lost.set(loss.name, loss)
    for (const family of touched) this.#routes.unclear.add(family)
    if (isDropped) await this.#inPieces(this.#routes.dropLink(loss.name, PIECE))
    this.#readSoon()
  }

  // ── Telling ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Links before routes, which depend on them. Not during the first reading of links. */
  #report(): void {
    if (this.#isKnown) this.#reportLinks()
    this.#reportRoutes(this.#isKnown)
  }

  #reportLinks(): void {
    const change = this.#links.changes()
    if (change !== undefined) this.#feed({ kind: 'links', change })
  }

  #reportRoutes(isOver: boolean): void {
    if (!this.#readsRoutes) return
    const change = this.#routes.changes(isOver)
    if (change === undefined) return
    const deleted = this.#deleted.size === 0 ? [] : change.gone.filter((route) => this.#deleted.delete(routeKey(route)))
    this.#feed({ kind: 'kernel', change: deleted.length === 0 ? change : { ...change, deleted } })
  }
}

/**
 * Whether another program has removed a route of ours. What the kernel removes itself, together with a link, it reports with port 0
 * in IPv6, and not at all in IPv4.
 */
const isByProgram = ({ port }: Message, { protocol, prefix }: KernelRoute): boolean =>
  protocol === GODWIT_PROTOCOL && (port !== 0 || prefix.family === 'ipv4')
