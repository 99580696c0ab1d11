/**
 * The places in the kernel where a route of ours is or should be: a prefix in a table, with our metric. Each is one record
 * that one lookup finds, since there may be as many as in a full table. Also keeps the places that must be compared.
 */
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import { SplitMap } from '../base/split-map.ts'
import type { Direct } from './direct.ts'
import { keyIn, ownKey } from './fib.ts'
import { type KernelRoute, MAIN_TABLE } from './kernel.ts'
import type { UsedNextHop } from './next-hops.ts'

export interface RoutePlace {
  readonly prefix: Prefix
  /** `ownKey` of the route in this place. */
  readonly key: string
  /** Next hops of the route learned over BGP; undefined: there is none. */
  readonly nextHops: readonly UsedNextHop[] | undefined
  readonly direct: Direct | undefined
  /** A blackhole is wanted here, for a prefix that this node originates. */
  readonly isHeld: boolean
  /** Our route in the kernel, as last read or written. */
  readonly present: KernelRoute | undefined
  /** The route is from a previous run and differs from the wanted one: it stays until `sweep`. */
  readonly isAdopted: boolean
}

interface Row extends RoutePlace {
  nextHops: readonly UsedNextHop[] | undefined
  direct: Direct | undefined
  isHeld: boolean
  present: KernelRoute | undefined
  isAdopted: boolean
  isDirty: boolean
}

/** A route to a next hop is wanted here. */
export const hasWays = ({ nextHops, direct }: RoutePlace): boolean => nextHops !== undefined || direct !== undefined

export class Places {
  /** The table of learned and direct routes. */
  readonly home: number
  readonly #rows = new SplitMap<Row>()
  /** Places to be compared; the last one is the next. */
  #dirty: Row[] = []
  /** Places touched since then; the first one is the next. */
  #later: Row[] = []
  #wanted = 0
  #present = 0
  /** By family and prefix length: how many places there are. */
  readonly #lengths: Record<Family, Map<number, number>> = { ipv4: new Map(), ipv6: new Map() }
  /** By family: our routes in the kernel that lead to a next hop. */
  readonly #leading: Record<Family, number> = { ipv4: 0, ipv6: 0 }

  constructor(home: number) {
    this.home = home
  }

  /** The number of wanted routes, and of our routes in the kernel. */
  get size(): { readonly wanted: number; readonly present: number } {
    return { wanted: this.#wanted, present: this.#present }
  }

  /** How many of our routes in the kernel lead to a next hop. */
  leading(family: Family): number {
    return this.#leading[family]
  }

  /** By `ownKey`. */
  at(key: string): RoutePlace | undefined {
    return this.#rows.get(key)
  }

  /** The place of this prefix in a table; undefined: there is none. */
  in(prefix: string, table: number): RoutePlace | undefined {
    return this.#rows.get(keyIn(prefix, table))
  }

  /** The places of this prefix: in the main table, and in that of learned routes if it is another. */
  of(prefix: string): readonly RoutePlace[] {
    const main = this.in(prefix, MAIN_TABLE)
    const home = this.home === MAIN_TABLE ? undefined : this.in(prefix, this.home)
    if (main === undefined) return home === undefined ? NONE : [home]
    return home === undefined ? [main] : [main, home]
  }

  /** The prefix lengths of places that may contain an address. */
  lengths(address: Uint8Array): readonly number[] {
    return [...this.#lengths[address.length === 4 ? 'ipv4' : 'ipv6'].keys()]
  }

  all(): Iterable<RoutePlace> {
    return this.#rows.values()
  }

  *routes(): Iterable<KernelRoute> {
    for (const { present } of this.#rows.values()) if (present !== undefined) yield present
  }

  /** The place of this prefix in a table, made if there is none. */
  make(prefix: Prefix, table: number): RoutePlace {
    return this.#make(keyIn(prefix.text, table), prefix)
  }

  learn(place: RoutePlace, nextHops: readonly UsedNextHop[] | undefined): void {
    const row = place as Row
    this.#wanted -= wantedOf(row)
    row.nextHops = nextHops
    this.#wanted += wantedOf(row)
  }

  setDirect(place: RoutePlace, direct: Direct | undefined): void {
    const row = place as Row
    this.#wanted -= wantedOf(row)
    row.direct = direct
    this.#wanted += wantedOf(row)
  }

  hold(place: RoutePlace, isHeld: boolean): void {
    const row = place as Row
    this.#wanted -= wantedOf(row)
    row.isHeld = isHeld
    this.#wanted += wantedOf(row)
  }

  /** The route is in the kernel now, in place of our previous one. `known`: its place, if the caller has it. */
  stand(route: KernelRoute, known?: RoutePlace): RoutePlace {
    const row = known === undefined ? this.#make(ownKey(route), route.prefix) : (known as Row)
    this.#setPresent(row, route)
    return row
  }

  fall(place: RoutePlace): void {
    const row = place as Row
    this.#setPresent(row, undefined)
    this.#tidy(row)
  }

  #setPresent(row: Row, route: KernelRoute | undefined): void {
    const { present: before } = row
    this.#present += Number(route !== undefined) - Number(before !== undefined)
    this.#leading[row.prefix.family] += Number(route?.type === 'unicast') - Number(before?.type === 'unicast')
    row.present = route
  }

  adopt(place: RoutePlace, isAdopted: boolean): void {
    ;(place as Row).isAdopted = isAdopted
  }

  /** Marks the place to be compared. */
  touch(place: RoutePlace): void {
    const row = place as Row
    if (row.isDirty) return
    row.isDirty = true
    this.#later.push(row)
  }

  /** Marks all places of this prefix. */
  touchAll(prefix: string): void {
    for (const place of this.of(prefix)) this.touch(place)
  }

  get hasDirty(): boolean {
    return this.#dirty.length + this.#later.length > 0
  }

  /** The next place to be compared, in the order of `touch`. Call `settle` when it is done. */
  next(): RoutePlace | undefined {
    if (this.#dirty.length === 0) [this.#dirty, this.#later] = [this.#later.reverse(), this.#dirty]
    const row = this.#dirty.pop()
    if (row !== undefined) row.isDirty = false
    return row
  }

  /** The place has been compared. It is removed if no route is there or wanted. */
  settle(place: RoutePlace): void {
    this.#tidy(place as Row)
  }

  #make(key: string, prefix: Prefix): Row {
    const known = this.#rows.get(key)
    if (known !== undefined) return known
    const row: Row = {
      prefix,
      key,
      nextHops: undefined,
      direct: undefined,
      isHeld: false,
      present: undefined,
      isAdopted: false,
      isDirty: false,
    }
    this.#rows.set(key, row)
    this.#countLength(prefix, 1)
    return row
  }

  #tidy(row: Row): void {
    if (row.present !== undefined || row.isDirty || wantedOf(row) > 0) return
    if (this.#rows.delete(row.key)) this.#countLength(row.prefix, -1)
  }

  #countLength({ family, length }: Prefix, by: 1 | -1): void {
    const lengths = this.#lengths[family]
    const count = (lengths.get(length) ?? 0) + by
    if (count === 0) lengths.delete(length)
    else lengths.set(length, count)
  }
}

const NONE: readonly RoutePlace[] = []

/** Counts a wanted route: one, even if it is both learned and direct. */
const wantedOf = (place: RoutePlace): number => Number(hasWays(place)) + Number(place.isHeld)
