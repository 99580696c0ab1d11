/**
 * Our own restart (RFC 4724 §4.1). The document of the previous run decides whether our OPENs have the restart bit and
 * the forwarding bits; with these, neighbors keep our routes. Route selection is deferred: until the neighbors have
 * sent their routes, no learned route is advertised and no kernel route of the previous run changes.
 *
 * A route that this node originates is best whatever neighbors send. It is advertised at once, so that an agent that is
 * killed again soon leaves no stale route, which neighbors would delete (RFC 4724 §4.2).
 */
import { type Address, parseAddress } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import { inSeconds, type Millis, type RouterId } from '../base/units.ts'
import type { OwnRestart } from '../bgp/session/restart.ts'
import type { Session } from '../bgp/session/types.ts'
import { type LogLine, logLine } from './log-line.ts'
import { QuietWatch } from './quiet-watch.ts'
import type { RangeMembers } from './range-members.ts'

/** What one run of the agent leaves for the next. */
export interface RestartDocument {
  /** The kernel's boot ID: if it has changed, forwarding state was lost. */
  readonly boot: string
  readonly routerId: RouterId
  /** Families in which routes were advertised to some neighbor: the next run may say that it still forwards these. */
  readonly families: readonly Family[]
  /** The hosts of ranges (`peerRange`) that were neighbors; absent: none. */
  readonly callers?: readonly Address[]
  /**
   * For families in which learned routes were advertised with this node as next hop: a lower bound of how many of our
   * kernel routes led to a next hop. Where the kernel has fewer after a restart, this node no longer forwards what
   * neighbors send it.
   */
  readonly relayed?: Readonly<Partial<Record<Family, number>>>
  /** What the run before this one had left and this one has not reached again. It is passed on once, never twice. */
  readonly carried?: Pick<RestartDocument, 'callers' | 'relayed'>
}

/** The most hosts of ranges that a restart waits for. */
const MOST_CALLERS = 1_024

/** Reads the document of an earlier run; undefined if the value is not one. */
export function readRestart(value: unknown): RestartDocument | undefined {
  const { boot, routerId, families, carried, ...own } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (typeof boot !== 'string' || typeof routerId !== 'number' || !Array.isArray(families)) return undefined
  const known = FAMILIES.filter((family) => families.includes(family))
  const read = { boot, routerId, families: known, ...readReached(own) }
  return typeof carried === 'object' && carried !== null ? { ...read, carried: readReached({ ...carried }) } : read
}

function readReached({ callers, relayed }: Readonly<Record<string, unknown>>): NonNullable<RestartDocument['carried']> {
  const read = readRelayed(relayed)
  if (!Array.isArray(callers)) return read
  const addresses = callers
    .slice(0, MOST_CALLERS)
    .map((one) => (typeof one === 'string' ? parseAddress(one) : undefined))
  return { ...read, callers: addresses.filter((address) => address !== undefined) }
}

function readRelayed(value: unknown): Pick<RestartDocument, 'relayed'> {
  if (typeof value !== 'object' || value === null) return {}
  const counts = Object.entries(value).filter(([family, count]) => isFamily(family) && typeof count === 'number')
  return counts.length === 0 ? {} : { relayed: Object.fromEntries(counts) }
}

const isFamily = (text: string): boolean => FAMILIES.some((family) => family === text)

/** Why no OPEN has the restart bit; undefined if all have it. */
function whyNoRestart(
  { boot, routerId }: RestartDocument,
  now: Pick<RestartDocument, 'boot' | 'routerId'>,
): string | undefined {
  if (boot !== now.boot) return 'the machine has rebooted since'
  if (routerId !== now.routerId) return 'the router ID has changed'
  return undefined
}

/** RFC 4724 §4.1, Selection_Deferral_Timer. Neighbors keep our routes meanwhile, but hear only of our own. */
const LONGEST_DEFERRAL: Millis = 20_000
/**
 * Peers that have restarted themselves need not be waited for, or two would wait for each other. But FRR says for two
 * minutes that it has restarted, and one that waits for us tells what it originates before. So a pause after its routes
 * counts as their end, and a longer one where it has sent none: FRR waits up to 10 s for more before it sends the first.
 */
const PAUSE: Millis = 3_000
const SILENCE: Millis = 12_000
/** How often neighbors are checked. */
const LOOK: Millis = 100
/** RFC 4724 §3: so long at most a neighbor keeps routes for a restart, by the 12 bits of the Restart Time. */
const LONGEST_KEPT: Millis = 4_095_000

/** What the deferral asks the rest of the engine. */
export interface Deferring {
  neighbors(): Iterable<DeferringNeighbor>
  hasEnded(name: string, family: Family): boolean
  /** How many routes it has announced and withdrawn. */
  received(name: string, family: Family): number
  /** All that this node originates is known, confirmed by the kernel where it must be, and decided; so is what was learned. */
  areOriginatedReady(): boolean
  /** The same, and no neighbor waits for a Secret. */
  isReady(): boolean
  /** How many of our routes in the kernel lead to a next hop; undefined: none is written. */
  leading(family: Family): number | undefined
  /** Neighbors were told learned routes of this family with this node as their next hop. */
  relays(family: Family): boolean
}

export interface DeferringNeighbor {
  readonly name: string
  /** It is not dialled. */
  readonly isStopped: boolean
  readonly session: Pick<Session, 'conn' | 'families' | 'restart'> | undefined
}

class Deferral {
  readonly #rooms: Deferring
  #until: Millis
  /** Of neighbors that have restarted themselves. */
  readonly #quiet = new QuietWatch()
  #lookAt: Millis

  /** `now`: objects are known, and neighbors are dialled from here on. */
  constructor(rooms: Deferring, now: Millis) {
    this.#rooms = rooms
    this.#until = now + LONGEST_DEFERRAL
    this.#lookAt = now
  }

  /** When to check again. */
  get deadline(): Millis {
    return Math.min(this.#lookAt, this.#until)
  }

  endAt(now: Millis): void {
    this.#until = now
  }

  /** Each check visits every neighbor: this is the least time between two. */
  isOver(now: Millis): boolean {
    if (now >= this.#until) return true
    if (now < this.#lookAt) return false
    this.#lookAt = now + LOOK
    if (!this.#rooms.isReady()) return false
    // All are checked, so that each pause is measured from its beginning.
    let areAllDone = true
    for (const neighbor of this.#rooms.neighbors()) if (!this.#hasSentAll(neighbor, now)) areAllDone = false
    return areAllDone
  }

  /** RFC 4724 §4.1: End-of-RIB of every peer but those that have restarted themselves, or do not take part. */
  #hasSentAll({ name, session, isStopped }: DeferringNeighbor, now: Millis): boolean {
    if (session === undefined) return isStopped
    if (session.restart === undefined) return true
    if (session.families.every((family) => this.#rooms.hasEnded(name, family))) return true
    return session.restart.restarted && this.#isQuiet(name, session, now)
  }

  #isQuiet(name: string, { conn, families }: Pick<Session, 'conn' | 'families'>, now: Millis): boolean {
    const received = families.reduce((sum, family) => sum + this.#rooms.received(name, family), 0)
    return now - this.#quiet.since(name, conn, received, now) >= (received === 0 ? SILENCE : PAUSE)
  }
}

/** This process and the one before it. */
export class Restart {
  /** For our OPENs. Without a document both are unset, and neighbors remove the routes of a previous run. */
  readonly own: { -readonly [Key in keyof OwnRestart]: OwnRestart[Key] } = { restarted: false, preserved: [] }
  readonly #boot: string
  readonly #rooms: Deferring
  #previous: RestartDocument | undefined
  /** The same, if it holds for this run: it is of the same boot, with the same router ID. */
  #continued: RestartDocument | undefined
  #forwards: readonly Family[] = FAMILIES
  #hasBegun = false
  /** Those of `callers` that were dialled, or need not be. */
  readonly #calledBack = new Set<Address>()
  #startedAt: Millis = 0
  /** Undefined once routes may be selected, or where nothing is deferred. */
  #deferral: Deferral | undefined
  /**
   * Until when End-of-RIB waits for prefixes; undefined before neighbors are dialled, and from the first time that none waits.
   */
  #endUntil: Millis | undefined
  /** Hosts of ranges that the run before knew and that have been neighbors of this one. */
  readonly #back = new Set<Address>()
  /** The lower bounds of `relayed` in the next document. */
  readonly #leading: Partial<Record<Family, number>> = {}
  /** What the document that was saved last says, in short. */
  #remembered: string | undefined

  /** `boot`: of the kernel; empty where that cannot be known. */
  constructor(boot: string, rooms: Deferring) {
    this.#boot = boot
    this.#rooms = rooms
  }

  /** The document of the previous run, and the families that this node forwards. */
  take(document: RestartDocument | undefined, forwards: readonly Family[]): void {
    this.#previous = document
    this.#forwards = forwards
  }

  /**
   * This node is known, and no neighbor has been dialled yet. `takesOver`: another speaker left its kernel routes to us.
   * To neighbors, the speaker of this node has then restarted, and packets to its pods and services arrive as before.
   */
  begin(routerId: RouterId, takesOver: boolean, now: Millis): LogLine | undefined {
    if (this.#hasBegun) return undefined
    this.#hasBegun = true
    this.#endUntil = now + LONGEST_DEFERRAL
    if (this.#previous === undefined)
      return takesOver ? this.#goOn('this agent takes over from another speaker', FAMILIES, now) : undefined
    if (this.#boot === '') return undefined
    const reason = whyNoRestart(this.#previous, { boot: this.#boot, routerId })
    if (reason !== undefined)
      return logLine('info', 'started', `no restart is signaled to neighbors: ${reason}`, { reason })
    this.#continued = this.#previous
    return this.#goOn('the agent has restarted', this.#previous.families, now)
  }

  #goOn(what: string, families: readonly Family[], now: Millis): LogLine {
    this.own.restarted = true
    const lost = families.flatMap((family) => {
      const why = this.#whyLost(family)
      return why === undefined ? [] : [{ family, why }]
    })
    this.own.preserved = families.filter((family) => lost.every((one) => one.family !== family))
    this.#startedAt = now
    this.#deferral = new Deferral(this.#rooms, now)
    const but = lost.map(({ family, why }) => `, except for ${family}: ${why}`).join('')
    const text = `${what}: neighbors with graceful restart keep our routes until we advertise them again${but}`
    return logLine('info', 'restarted', text, {})
  }

  /** RFC 4724 §3: why the Forwarding State bit of a family would not be true. */
  #whyLost(family: Family): string | undefined {
    if (!this.#forwards.includes(family)) return 'this node does not forward it'
    const { relayed, carried } = this.#previous ?? {}
    const [before, now] = [relayed?.[family] ?? carried?.relayed?.[family] ?? 0, this.#rooms.leading(family)]
    if (now === undefined || now >= before) return undefined
    return `the kernel has lost learned routes, and neighbors send packets here for them (${now} are left of ${before} or more)`
  }

  /** A table that grows or shrinks is not written anew with each route, nor one that changes back and forth. */
  #relayed(): RestartDocument['relayed'] {
    const relayed = FAMILIES.filter((family) => this.#rooms.relays(family))
    if (relayed.length === 0) return undefined
    for (const family of relayed) {
      this.#leading[family] = leastOf(this.#rooms.leading(family) ?? 0, this.#leading[family])
    }
    return Object.fromEntries(relayed.map((family) => [family, this.#leading[family]]))
  }

  /** No learned route is advertised yet, and kernel routes stay as they are. */
  get isDeferring(): boolean {
    return this.#deferral !== undefined
  }

  get deadline(): Millis | undefined {
    return this.#deferral?.deadline ?? this.#endUntil
  }

  /**
   * RFC 4724 §2: End-of-RIB completes the first table. What neighbors kept from before would go without the rest: what
   * was deferred, and this node's own pod CIDRs, also when the kernel is slow to confirm them.
   */
  withholdsEnd(now: Millis): boolean {
    if (this.#deferral !== undefined) return true
    if (this.#endUntil !== undefined && (now >= this.#endUntil || this.#rooms.areOriginatedReady()))
      this.#endUntil = undefined
    return this.#endUntil !== undefined
  }

  /** The process ends: nothing is deferred any more. */
  hurry(now: Millis): void {
    this.#deferral?.endAt(now)
  }

  /** Ends the deferral when its time has come; returns a log line once. */
  look(now: Millis): LogLine | undefined {
    if (this.#deferral?.isOver(now) !== true) return undefined
    this.#deferral = undefined
    this.#endUntil = now + LONGEST_DEFERRAL
    // RFC 4724 §4.1: a neighbor that comes later does not wait for us, and we do not wait for it.
    this.own.restarted = false
    const seconds = inSeconds(Math.round(now - this.#startedAt))
    return logLine('info', 'selected', `routes are selected and advertised, ${seconds} s after the restart`, {
      seconds,
    })
  }

  /** Hosts of ranges that the run before knew: until they call, not every neighbor has sent its routes. */
  get callers(): readonly Address[] {
    const { callers = [], carried } = this.#previous ?? {}
    return [...callers, ...(carried?.callers ?? [])].slice(0, MOST_CALLERS)
  }

  /** Those of them that are still to be dialled, after a restart: they may keep our routes and wait for us. */
  get unanswered(): readonly Address[] {
    return this.own.restarted ? this.callers.filter((address) => !this.#calledBack.has(address)) : []
  }

  noteCalledBack(address: Address): void {
    this.#calledBack.add(address)
  }

  /**
   * The document for the next run, where it has changed. While routes are deferred that of the previous run stays: not all of
   * its sessions are back. Later, what this run did not reach goes over to the next one, once: a neighbor that is not back
   * may still keep our routes.
   */
  remember(known: RememberedSessions, now: Millis): RestartDocument | undefined {
    if (this.#deferral !== undefined && this.#previous !== undefined) return undefined
    const { routerId } = known
    const kept = now < this.#startedAt + LONGEST_KEPT ? this.#continued : undefined
    const families = FAMILIES.filter((one) => known.families.has(one) || this.#continued?.families.includes(one))
    const relayed = this.#relayed()
    const short = JSON.stringify([routerId, families, known.members.revision, relayed, kept === undefined])
    if (short === this.#remembered || families.length === 0) return undefined
    this.#remembered = short
    const callers = known.members.first(MOST_CALLERS)
    const carried = this.#carriedOf(kept, known.members, relayed)
    return {
      boot: this.#boot,
      routerId,
      families,
      ...(relayed && { relayed }),
      ...(callers.length > 0 && { callers }),
      ...(carried && { carried }),
    }
  }

  /** What the run before knew, and this one has not reached. A host that was back is awaited no more when it goes. */
  #carriedOf(
    kept: RestartDocument | undefined,
    members: RangeMembers,
    now: RestartDocument['relayed'],
  ): RestartDocument['carried'] {
    const { callers: known = [], relayed: before = {} } = kept ?? {}
    for (const address of known) if (members.has(address)) this.#back.add(address)
    const callers = known.filter((address) => !this.#back.has(address))
    const relayed = Object.fromEntries(
      Object.entries(before).filter(([family]) => now?.[family as Family] === undefined),
    )
    if (callers.length + Object.keys(relayed).length === 0) return undefined
    return { ...(callers.length > 0 && { callers }), ...(Object.keys(relayed).length > 0 && { relayed }) }
  }
}

/** What the document for the next run is made of. */
interface RememberedSessions {
  readonly routerId: RouterId
  /** Those in which routes were advertised to some neighbor; it only grows. */
  readonly families: ReadonlySet<Family>
  readonly members: RangeMembers
}

/** A power of two that is not above a number: the one before, unless the number is now less, or three times as much. */
const leastOf = (number: number, before = 0): number =>
  number < before || number >= 3 * before ? powerBelow(number) : before

/** The highest power of two that is not above a number; 0 for 0. */
const powerBelow = (number: number): number => (number === 0 ? 0 : 2 ** (31 - Math.clz32(number)))
