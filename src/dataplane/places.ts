/**
 * The places in the kernel where a route of ours is or should be: a prefix in one table, with our metric. Each is one
 * record that is found by one lookup, since there are as many as routes in a full table. Also keeps which of them must
 * be compared.
 */
import type { Prefix } from '../base/prefix.ts'
import type { NodeRoute } from '../cluster/intent.ts'
import { keyIn, ownKey } from './fib.ts'
import type { KernelRoute } from './kernel.ts'
import type { UsedNextHop } from './next-hops.ts'

/** To pods of another node, from its objects alone (`nodeRoutes: Direct`). */
export interface Direct {
  readonly route: NodeRoute
  readonly nextHop: UsedNextHop
  /** No object wants it any more: it stays until BGP has taught another, or it is dropped. */
  readonly leaving: boolean
}

export interface Place {
  readonly prefix: Prefix
  /** `ownKey` of what stands here. */
  readonly key: string
  /** Of the route that BGP taught us and that belongs here; undefined: it taught us none. */
  readonly nextHops: readonly UsedNextHop[] | undefined
  readonly direct: Direct | undefined
  /** What this node advertises of its own is to end here. */
  readonly isHeld: boolean
  /** Ours in the kernel: as last read, and as written since. */
  readonly present: KernelRoute | undefined
  /** Left by a former run, and not yet wanted just so. */
  readonly isAdopted: boolean
}

interface Row extends Place {
  nextHops: readonly UsedNextHop[] | undefined
  direct: Direct | undefined
  isHeld: boolean
  present: KernelRoute | undefined
  isAdopted: boolean
  isDirty: boolean
}

export class Places {
  readonly #rows = new Map<string, Row>()
  /** To be compared: the last is the next. */
  #dirty: Row[] = []
  /** Those that were touched since: the first is the next. */
  #later: Row[] = []
  #wanted = 0
  #present = 0

  /** How many are wanted, and how many routes of ours stand in the kernel. */
  get size(): { readonly wanted: number; readonly present: number } {
    return { wanted: this.#wanted, present: this.#present }
  }

  /** By `ownKey`. */
  at(key: string): Place | undefined {
    return this.#rows.get(key)
  }

  /** Of our route for this prefix in a table. */
  in(prefix: string, table: number): Place | undefined {
    return this.#rows.get(keyIn(prefix, table))
  }

  all(): Iterable<Place> {
    return this.#rows.values()
  }

  *routes(): Iterable<KernelRoute> {
    for (const { present } of this.#rows.values()) if (present !== undefined) yield present
  }

  /** Something is about to be wanted there. */
  make(prefix: Prefix, table: number): Place {
    return this.#make(keyIn(prefix.text, table), prefix)
  }

  learn(place: Place, nextHops: readonly UsedNextHop[] | undefined): void {
    const row = place as Row
    this.#wanted -= wantedOf(row)
    row.nextHops = nextHops
    this.#wanted += wantedOf(row)
  }

  setDirect(place: Place, direct: Direct | undefined): void {
    const row = place as Row
    this.#wanted -= wantedOf(row)
    row.direct = direct
    this.#wanted += wantedOf(row)
  }

  hold(place: Place, isHeld: boolean): void {
    const row = place as Row
    this.#wanted -= wantedOf(row)
    row.isHeld = isHeld
    this.#wanted += wantedOf(row)
  }

  /** The route is in the kernel, in place of what was there of ours. `known`: its place, for whoever has it at hand. */
  stand(route: KernelRoute, known?: Place): Place {
    const row = known === undefined ? this.#make(ownKey(route), route.prefix) : (known as Row)
    if (row.present === undefined) this.#present++
    row.present = route
    return row
  }

  fall(place: Place): void {
    const row = place as Row
    if (row.present !== undefined) this.#present--
    row.present = undefined
    this.#tidy(row)
  }

  adopt(place: Place, isAdopted: boolean): void {
    ;(place as Row).isAdopted = isAdopted
  }

  /** It is to be compared. */
  touch(place: Place): void {
    const row = place as Row
    if (row.isDirty) return
    row.isDirty = true
    this.#later.push(row)
  }

  get hasDirty(): boolean {
    return this.#dirty.length + this.#later.length > 0
  }

  /** The next that is to be compared, in the order in which they were touched; `settle` it when it is. */
  next(): Place | undefined {
    if (this.#dirty.length === 0) [this.#dirty, this.#later] = [this.#later.reverse(), this.#dirty]
    const row = this.#dirty.pop()
    if (row !== undefined) row.isDirty = false
    return row
  }

  /** It is forgotten where nothing is or should be. */
  settle(place: Place): void {
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
    return row
  }

  #tidy(row: Row): void {
    if (row.present === undefined && !row.isDirty && wantedOf(row) === 0) this.#rows.delete(row.key)
  }
}

/** How many routes are wanted: of a prefix that BGP taught and a Node has, one. */
const wantedOf = ({ nextHops, direct, isHeld }: Place): number =>
  Number(nextHops !== undefined || direct !== undefined) + Number(isHeld)
