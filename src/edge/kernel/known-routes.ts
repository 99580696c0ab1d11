/**
 * The routes that the kernel has reported, and what has changed since they were last passed on.
 *
 * Events are applied as they arrive. Where an event is ambiguous (one of several next hops, or one of several routes of
 * a prefix), its family is `unclear` and must be read again.
 *
 * Of other programs a bounded number of routes is kept: a daemon beside us may hold the whole Internet. Those of daemons and
 * all others are counted apart, so that the routes of links, administrators and DHCP are known whatever a daemon writes.
 */
import { FAMILIES, type Family } from '../../base/family.ts'
import { SplitMap } from '../../base/split-map.ts'
import {
  GODWIT_PROTOCOL,
  isOfRouting,
  type KernelChange,
  type KernelRoute,
  MAIN_TABLE,
  ROUTE_METRIC,
  type RouteChange,
  sameRoute,
} from '../../dataplane/kernel.ts'
import type { Loss } from './known-links.ts'
import type { ReportedRoute } from './netlink-route.ts'

interface Entry extends ReportedRoute {
  /** The number of the reading that last reported it. */
  reading: number
  /** Later entries have higher numbers. */
  readonly born: number
  /** Another route of the same prefix, metric and table. */
  next: Entry | undefined
}

/** The most routes of routing daemons that are kept, and as many of all other programs. */
const MOST_FOREIGN = 100_000

type Foreign = 'daemons' | 'others'
type Owner = 'us' | Foreign
type LeftOut = Record<Family, Record<Foreign, number>>

export class KnownRoutes {
  readonly #mostForeign: number
  readonly #counts: Record<Owner, number> = { us: 0, daemons: 0, others: 0 }
  /** Routes that were not kept. A reading counts them anew: until it ends, the number of the one before is in force. */
  readonly #leftOut: LeftOut = { ipv4: noneLeftOut(), ipv6: noneLeftOut() }
  readonly #counted: LeftOut = { ipv4: noneLeftOut(), ipv6: noneLeftOut() }
  #leftOutReported = 0
  readonly #byId = new SplitMap<Entry>()
  readonly unclear = new Set<Family>()
  readonly #present = new Set<KernelRoute>()
  readonly #gone: KernelRoute[] = []
  /** How many routes there are by interface, and IPv4 routes by the own address with which the kernel removes them. */
  readonly #dependents: Readonly<Record<Family, Map<string, number>>> = { ipv4: new Map(), ipv6: new Map() }
  #objects = 0
  #reading = 0
  #born = 0
  /** The route that a dump reported last. */
  #lastRead: { readonly id: string; readonly born: number } = { id: '', born: 0 }
  #hasReported = false
  #isFirst = true

  constructor(mostForeign = MOST_FOREIGN) {
    this.#mostForeign = mostForeign
  }

  /** A full reading of a family begins. */
  begin(family: Family): void {
    this.#reading++
    this.#counted[family] = noneLeftOut()
  }

  /** A route from a dump. */
  read(reported: ReportedRoute): void {
    const id = idOf(reported.route)
    const first = this.#byId.get(id)
    for (let entry = first; entry !== undefined; entry = entry.next) {
      if (!sameRoute(entry.route, reported.route)) continue
      // Ours are read twice.
      if (entry.reading !== this.#reading) this.#readAgain(id, entry)
      return
    }
    // The only route of its prefix differs from the one before.
    if (first !== undefined && first.next === undefined && first.reading !== this.#reading) this.#remove(id, first)
    if (this.#add(id, reported)) this.#lastRead = { id, born: this.#born }
    else countIn(this.#counted, reported.route, 1)
  }

  /**
   * Of equal routes the kernel uses the first, so that their order counts: a route that comes behind one that we know as later
   * has moved, and is passed on again as the last of them.
   */
  #readAgain(id: string, entry: Entry): void {
    entry.reading = this.#reading
    const isBehind = this.#lastRead.id !== id || this.#lastRead.born < entry.born
    if (!isBehind) {
      this.#remove(id, entry)
      this.#add(id, entry)
    }
    this.#lastRead = { id, born: isBehind ? entry.born : this.#born }
  }

  /** A route from an event: new, behind those that are equal (`isLast`) or before them, or in place of another. */
  added(reported: ReportedRoute, isReplacement: boolean, isLast = true): void {
    const id = idOf(reported.route)
    const first = this.#byId.get(id)
    const { family } = reported.route.prefix
    if (first !== undefined && !isReplacement && !isLast) this.unclear.add(family)
    for (let entry = first; entry !== undefined; entry = entry.next) {
      if (!sameRoute(entry.route, reported.route)) continue
      // It has gone without an event meanwhile, and is now behind its equals, of which the kernel uses the first.
      if (family !== 'ipv4' || isReplacement || first?.next === undefined) return
      this.#remove(id, entry)
      this.#add(id, reported)
      return
    }
    if (first !== undefined && (isReplacement ? first.next !== undefined : family === 'ipv6')) this.unclear.add(family)
    else {
      if (isReplacement && first !== undefined) this.#remove(id, first)
      if (isReplacement && first === undefined) this.#countLeftOut(reported.route, -1)
      if (!this.#add(id, reported)) this.#countLeftOut(reported.route, 1)
    }
  }

  /** A route that an event removes. */
  removed({ route }: ReportedRoute): void {
    const id = idOf(route)
    const first = this.#byId.get(id)
    for (let entry = first; entry !== undefined; entry = entry.next) {
      if (!sameRoute(entry.route, route)) continue
      this.#remove(id, entry)
      return
    }
    if (first !== undefined) this.unclear.add(route.prefix.family)
    else this.#countLeftOut(route, -1)
  }

  /**
   * A full reading has ended: removes the routes that it did not report again. Yields after each `piece` of entries, when
   * the changes found so far may be passed on.
   */
  *sweep(family: Family, piece: number): Iterable<void> {
    const reading = this.#reading
    this.#leftOut[family] = { ...this.#counted[family] }
    yield* this.#removeWhere(piece, ({ route, reading: last }) => route.prefix.family === family && last < reading)
  }

  /**
   * Removes what the kernel removes with a deleted link: all IPv4 routes over it, but not those over a new link of the
   * same name.
   */
  *dropLink(name: string, piece: number): Iterable<void> {
    const last = this.#born
    yield* this.#removeWhere(piece, ({ route, born }) => born <= last && restsOn(route, name))
  }

  /**
   * The families of routes that may have been removed with it, or have got another interface name. The kernel reports the end
   * of IPv6 routes right after that of their link, unless `net.ipv6.route.skip_notify_on_dev_down` is set: then they stay here.
   */
  touchedBy(loss: Loss): Family[] {
    if (loss.kind !== 'address') return FAMILIES.filter((family) => this.#dependents[family].has(loss.name))
    const { ipv4 } = this.#dependents
    return ipv4.has(loss.name) || ipv4.has(loss.address) ? ['ipv4'] : []
  }

  /** Whether routes may have other next hops, because a next hop object has changed. */
  get hasObjects(): boolean {
    return this.#objects > 0
  }

  /** Routes that we have just written: the engine knows them. */
  note({ action, route }: RouteChange): void {
    const id = idOf(route)
    const first = this.#byId.get(id)
    for (let entry = first; entry !== undefined; entry = entry.next) {
      if (entry.route.protocol === route.protocol) this.#forget(id, entry)
    }
    const reported = { route, source: undefined, hasObject: false }
    if (action !== 'remove') this.#keep(id, reported, first === undefined ? undefined : this.#byId.get(id))
  }

  /**
   * What has changed since the last call; `isOver`: the first reading is complete, and from now on everything is known.
   */
  changes(isOver: boolean): KernelChange | undefined {
    const leftOut = this.#allLeftOut()
    const change = {
      full: !this.#hasReported,
      more: this.#isFirst && !isOver,
      gone: [...this.#gone],
      present: [...this.#present],
      ...(isAbout(leftOut, this.#leftOutReported) ? {} : { leftOut }),
    }
    const isNews = change.gone.length + change.present.length > 0 || 'leftOut' in change || (this.#isFirst && isOver)
    if (!isNews) return undefined
    this.#gone.length = 0
    this.#present.clear()
    this.#hasReported = true
    this.#leftOutReported = change.leftOut ?? this.#leftOutReported
    if (isOver) this.#isFirst = false
    return change
  }

  *#removeWhere(piece: number, isMeant: (entry: Entry) => boolean): Iterable<void> {
    let looked = 0
    for (const [id, first] of this.#byId) {
      for (let entry: Entry | undefined = first; entry !== undefined; entry = entry.next) {
        if (isMeant(entry)) this.#remove(id, entry)
      }
      looked++
      if (looked % piece === 0) yield
    }
  }

  /** Returns false where there is no room for it. */
  #add(id: string, reported: ReportedRoute): boolean {
    const { route } = reported
    const owner = ownerOf(route)
    if (owner !== 'us' && this.#counts[owner] >= this.#mostForeign) return false
    this.#keep(id, reported, this.#byId.get(id))
    this.#present.add(route)
    return true
  }

  #remove(id: string, entry: Entry): void {
    this.#forget(id, entry)
    if (!this.#present.delete(entry.route)) this.#gone.push(entry.route)
  }

  #keep(id: string, reported: ReportedRoute, next: Entry | undefined): void {
    this.#born++
    const { route, source, hasObject } = reported
    this.#byId.set(id, { route, source, hasObject, reading: this.#reading, born: this.#born, next })
    this.#count(reported, 1)
  }

  #forget(id: string, entry: Entry): void {
    const first = this.#byId.get(id)
    if (first === entry) {
      if (entry.next === undefined) this.#byId.delete(id)
      else this.#byId.set(id, entry.next)
    } else for (let at = first; at !== undefined; at = at.next) if (at.next === entry) at.next = entry.next
    this.#count(entry, -1)
  }

  #count({ route, source, hasObject }: ReportedRoute, by: number): void {
    if (hasObject) this.#objects += by
    const owner = ownerOf(route)
    this.#counts[owner] += by
    if (by < 0 && owner !== 'us') this.#fill(route.prefix.family, owner)
    const { family } = route.prefix
    for (const { interface: name } of route.hops) this.#countOne(family, name, by)
    if (source !== undefined && family === 'ipv4') this.#countOne(family, source, by)
  }

  /** There is room again for routes of this owner, and not only for one: those that were left out are read. */
  #fill(family: Family, owner: Foreign): void {
    if (this.#leftOut[family][owner] > 0 && this.#counts[owner] * 4 < this.#mostForeign * 3) this.unclear.add(family)
  }

  /** Events are counted at once, and also for a reading that may be under way. */
  #countLeftOut(route: KernelRoute, by: number): void {
    countIn(this.#leftOut, route, by)
    countIn(this.#counted, route, by)
  }

  #allLeftOut(): number {
    return Object.values(this.#leftOut).reduce((sum, { daemons, others }) => sum + daemons + others, 0)
  }

  #countOne(family: Family, key: string, by: number): void {
    const counts = this.#dependents[family]
    const count = (counts.get(key) ?? 0) + by
    if (count === 0) counts.delete(key)
    else counts.set(key, count)
  }
}

const noneLeftOut = (): Record<Foreign, number> => ({ daemons: 0, others: 0 })

function countIn(leftOut: LeftOut, route: KernelRoute, by: number): void {
  const owner = ownerOf(route)
  const counts = leftOut[route.prefix.family]
  if (owner !== 'us') counts[owner] = Math.max(0, counts[owner] + by)
}

/** A daemon changes its routes all the time: a number that is nearly the same is no news. */
const isAbout = (count: number, reported: number): boolean =>
  count === reported || (count > 0 && reported > 0 && Math.abs(count - reported) * 10 <= reported)

function ownerOf({ protocol }: KernelRoute): Owner {
  if (protocol === GODWIT_PROTOCOL) return 'us'
  return isOfRouting(protocol) ? 'daemons' : 'others'
}

/**
 * What the kernel tells routes apart by. For most of our routes this is the text of the prefix, a string that the engine holds
 * already.
 */
export const idOf = ({ prefix, metric, table }: KernelRoute): string =>
  table === MAIN_TABLE && metric === ROUTE_METRIC[prefix.family] ? prefix.text : `${prefix.text} ${metric} ${table}`

const restsOn = ({ prefix, hops }: KernelRoute, name: string): boolean =>
  prefix.family === 'ipv4' && hops.some((hop) => hop.interface === name)
