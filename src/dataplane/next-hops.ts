/**
 * The next hops of wanted routes, each stored once, with its current resolution. When the kernel changes, only the next
 * hops inside the changed prefixes are resolved again, and only routes whose next hop resolves differently are compared.
 */
import { type Address, addressBytes, isLinkLocal } from '../base/address.ts'
import { AddressOrder } from '../base/address-order.ts'
import type { Prefix } from '../base/prefix.ts'
import { SplitMap } from '../base/split-map.ts'
import type { Hop } from './kernel.ts'
import type { KernelTable } from './kernel-table.ts'
import type { LearnedWays } from './learned-ways.ts'
import {
  formatResolution,
  globalPart,
  hasLinkLocal,
  type NextHop,
  nextHopKey,
  type Resolution,
  resolveNextHop,
} from './next-hop.ts'

/** A gateway on a link, with the prefix length of that link. */
interface Gateway {
  readonly address: Address
  readonly bytes: Uint8Array
  length: number
  /** How many next hops use it. */
  users: number
}

/** For prefixes that contain this address and are longer than `length`, `coveredGateway` may give another result than before. */
export interface MovedGateway {
  readonly bytes: Uint8Array
  readonly length: number
}

/** A next hop that routes use. */
export interface UsedNextHop {
  readonly nextHop: NextHop
  readonly resolution: Resolution
}

interface Row<User extends object> extends UsedNextHop {
  readonly key: string
  /** A list of this one alone, which all routes with a single next hop share. */
  readonly onlyThis: UsedNextHop[]
  resolution: Resolution
  gateways: readonly Address[]
  /** Prefix length of the kernel route that contains the next hop, usable or not; -1: there is none, or any may count. */
  match: number
  /** The routes that use it. */
  readonly users: SplitMap<User>
}

/** `User` is the caller's record of a route, with a key of its own. */
export class NextHops<User extends { readonly key: string }> {
  readonly #table: KernelTable
  readonly #ways: LearnedWays
  readonly #rows = new SplitMap<Row<User>>()
  readonly #byAddress = new AddressOrder<Row<User>>()
  /** By interface: the next hops that are resolved only over the interface of their session. */
  readonly #byInterface = new Map<string, Set<Row<User>>>()
  readonly #gateways = new Map<Address, Gateway>()
  readonly #gatewayOrder = new AddressOrder<Gateway>()
  /** The gateways by the prefix length of their link. */
  readonly #gatewaysByLength = new Map<number, AddressOrder<Gateway>>()
  /** By address: gateways that were placed, moved or left since `takeMovedGateways`, with the shortest length that they had. */
  readonly #movedGateways = new Map<Address, MovedGateway>()
  /** The last one used: consecutive routes often have the same next hop. */
  #last: { readonly nextHop: NextHop; readonly row: Row<User> } | undefined
  /** Next hops and gateways looked at since the start: tests count work by it. */
  looks = 0

  constructor(table: KernelTable, ways: LearnedWays) {
    this.#table = table
    this.#ways = ways
  }

  get size(): number {
    return this.#rows.size
  }

  /** Registers the next hops of a route, each once. Routes with the same single next hop share the list. */
  useAll(nextHops: readonly NextHop[], user: User): readonly UsedNextHop[] {
    const [first, ...more] = nextHops
    if (first !== undefined && more.length === 0) return this.#use(first, user).onlyThis
    return [...new Set(nextHops.map((nextHop) => this.#use(nextHop, user)))]
  }

  #use(nextHop: NextHop, user: User): Row<User> {
    const row = this.#last?.nextHop === nextHop ? this.#last.row : this.#rowOf(nextHop)
    row.users.set(user.key, user)
    return row
  }

  #rowOf(nextHop: NextHop): Row<User> {
    const key = nextHopKey(nextHop)
    const row = this.#rows.get(key) ?? this.#add(key, nextHop)
    this.#last = { nextHop, row }
    return row
  }

  leave(used: UsedNextHop, user: User): void {
    const row = used as Row<User>
    if (row.users.delete(user.key) && row.users.size === 0) this.#remove(row)
  }

  resolution(nextHop: NextHop): Resolution {
    return this.#rows.get(nextHopKey(nextHop))?.resolution ?? this.#resolve(nextHop)
  }

  /**
   * A kernel route of this prefix has changed, or a learned one that resolves next hops. Yields each route whose next hop now
   * resolves differently, and undefined for each next hop looked at. Next hops may be added and removed between the steps.
   */
  *resolveInside(prefix: Prefix): Iterable<User | undefined> {
    for (const gateway of this.#gatewayOrder.inside(prefix)) {
      this.looks++
      if (gateway.users > 0) this.#placeGateway(gateway, this.#linkLength(gateway.bytes))
      yield undefined
    }
    for (const row of this.#byAddress.inside(prefix)) {
      this.looks++
      // A longer match means that the changed route does not matter for it.
      if (row.match <= prefix.length) yield* this.#resolveAgain(row)
      yield undefined
    }
  }

  /** The same for the next hops over a link that has changed. */
  *resolveOver(link: string): Iterable<User | undefined> {
    for (const row of [...(this.#byInterface.get(link) ?? [])]) {
      this.looks++
      yield* this.#resolveAgain(row)
      yield undefined
    }
  }

  /**
   * The gateway that a route for this prefix would make unreachable: it lies inside the prefix, and its link has a shorter
   * prefix. The kernel would then reach the gateway through another gateway.
   */
  coveredGateway(prefix: Prefix): Address | undefined {
    for (const [length, order] of this.#gatewaysByLength) {
      if (prefix.length <= length) continue
      this.looks++
      const found = order.firstInside(prefix)
      if (found !== undefined) return found.address
    }
    return undefined
  }

  /** Gateways by which `coveredGateway` may give another result than before the last call. */
  takeMovedGateways(): readonly MovedGateway[] {
    if (this.#movedGateways.size === 0) return []
    const moved = [...this.#movedGateways.values()]
    this.#movedGateways.clear()
    return moved
  }

  get hasMovedGateways(): boolean {
    return this.#movedGateways.size > 0
  }

  #add(key: string, nextHop: NextHop): Row<User> {
    const resolution = this.#resolve(nextHop)
    const gateways = gatewaysOf(resolution)
    const row: Row<User> = {
      key,
      onlyThis: [],
      nextHop,
      resolution,
      gateways,
      match: this.#matchOf(nextHop),
      users: new SplitMap(),
    }
    row.onlyThis.push(row)
    this.#rows.set(key, row)
    const global = globalPart(nextHop.bytes)
    if (global !== undefined) this.#byAddress.add(global, row)
    if (hasLinkLocal(nextHop.bytes) || nextHop.isBound === true) {
      const name = nextHop.interface ?? ''
      const over = this.#byInterface.get(name)
      if (over === undefined) this.#byInterface.set(name, new Set([row]))
      else over.add(row)
    }
    for (const gateway of gateways) this.#useGateway(gateway)
    return row
  }

  #remove(row: Row<User>): void {
    this.#rows.delete(row.key)
    if (this.#last?.row === row) this.#last = undefined
    const { bytes, interface: name = '' } = row.nextHop
    const global = globalPart(bytes)
    if (global !== undefined) this.#byAddress.remove(global, row)
    const over = this.#byInterface.get(name)
    if (over?.delete(row) === true && over.size === 0) this.#byInterface.delete(name)
    for (const gateway of row.gateways) this.#leaveGateway(gateway)
  }

  *#resolveAgain(row: Row<User>): Iterable<User> {
    if (row.users.size === 0) return
    const resolution = this.#resolve(row.nextHop)
    row.match = this.#matchOf(row.nextHop)
    if (formatResolution(resolution) === formatResolution(row.resolution)) return
    const before = row.gateways
    row.resolution = resolution
    row.gateways = gatewaysOf(resolution)
    for (const gateway of row.gateways) this.#useGateway(gateway)
    for (const gateway of before) this.#leaveGateway(gateway)
    yield* row.users.values()
  }

  #resolve(nextHop: NextHop): Resolution {
    return resolveNextHop(nextHop, this.#table, this.#ways)
  }

  /** For one that is bound to a link, a shorter match may be the one that counts. */
  #matchOf({ bytes, isBound }: NextHop): number {
    const global = isBound === true ? undefined : globalPart(bytes)
    return global === undefined ? -1 : (this.#table.lookup(global)?.prefix.length ?? -1)
  }

  #linkLength(gateway: Uint8Array): number {
    return this.#table.lookup(gateway)?.prefix.length ?? 0
  }

  #useGateway(address: Address): void {
    const known = this.#gateways.get(address)
    if (known !== undefined) {
      known.users++
      return
    }
    const bytes = addressBytes(address)
    const gateway = { address, bytes, length: -1, users: 1 }
    this.#gateways.set(address, gateway)
    this.#gatewayOrder.add(bytes, gateway)
    this.#placeGateway(gateway, this.#linkLength(bytes))
  }

  #leaveGateway(address: Address): void {
    const gateway = this.#gateways.get(address)
    if (gateway === undefined || --gateway.users > 0) return
    this.#gateways.delete(address)
    this.#gatewayOrder.remove(gateway.bytes, gateway)
    this.#placeGateway(gateway, -1)
  }

  #placeGateway(gateway: Gateway, length: number): void {
    if (gateway.length === length) return
    this.#noteMoved(gateway, length)
    const before = this.#gatewaysByLength.get(gateway.length)
    before?.remove(gateway.bytes, gateway)
    if (before?.isEmpty === true) this.#gatewaysByLength.delete(gateway.length)
    gateway.length = length
    if (length < 0) return
    const order = this.#gatewaysByLength.get(length) ?? new AddressOrder<Gateway>()
    this.#gatewaysByLength.set(length, order)
    order.add(gateway.bytes, gateway)
  }

  #noteMoved({ address, bytes, length: before }: Gateway, now: number): void {
    const lengths = [before, now, this.#movedGateways.get(address)?.length ?? -1].filter((length) => length >= 0)
    this.#movedGateways.set(address, { bytes, length: Math.min(...lengths) })
  }
}

const gatewaysOf = (resolution: Resolution): readonly Address[] =>
  resolution.kind === 'resolved' ? resolution.hops.flatMap(gatewayOf) : []

const gatewayOf = ({ gateway }: Hop): readonly Address[] =>
  gateway === undefined || isLinkLocal(gateway) ? [] : [gateway]
