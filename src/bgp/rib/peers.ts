/**
 * Numbers for neighbors, so that a path needs two octets to name its neighbor. Number 0 is this node. A neighbor whose
 * routes were kept has the same number when it is back. Any other gets a new one; the number of a removed neighbor is used again
 * only when nothing refers to it any more.
 */
import { addressBytes } from '../../base/address.ts'
import { equalBytes } from '../../base/bytes.ts'
import { ADDRESS_BYTES, FAMILIES, type Family } from '../../base/family.ts'
import type { LinkMark } from '../../base/link-mark.ts'
import { contains, makePrefix, type Prefix } from '../../base/prefix.ts'
import type { RouterId } from '../../base/units.ts'
import { type CompiledPolicy, compile } from '../policy/compile.ts'
import type { Policy } from '../policy/rule.ts'
import { grownSize, growU8, growU32 } from '../route/columns.ts'
import { NO_PEER } from './loc-rib.ts'
import type { RibPeer } from './types.ts'

/** The kind of a path, by its source. */
export const KIND = { originated: 0, internal: 1, external: 2 } as const

export const ORIGINATED = 0

/** By family: the first next hop on the shared link that an external neighbor sent. */
export type HeardNextHops = Readonly<Partial<Record<Family, Prefix>>>

export const NOTHING_HEARD: HeardNextHops = {}

export class PeerSlot {
  readonly index: number
  peer: RibPeer
  importPolicy: CompiledPolicy
  exportPolicy: CompiledPolicy
  /** The neighbor's address on the session. */
  remoteAddress: Uint8Array
  heard: HeardNextHops = NOTHING_HEARD
  /** Which of `peer.families` is asked for messages first: an index, modulo their number. */
  turn = 0

  constructor(index: number, peer: RibPeer, policies: PolicyBook) {
    this.index = index
    this.peer = peer
    this.importPolicy = policies.of(peer.importPolicy)
    this.exportPolicy = policies.of(peer.exportPolicy)
    this.remoteAddress = addressBytes(peer.remoteAddress)
  }

  /**
   * It announced routes with this next hop, of 4, 16 or 32 octets. An internal neighbor leaves next hops as they came (RFC 4271
   * §5.1.3): they say nothing of its own addresses.
   */
  hear(bytes: Uint8Array, start: number, length: number): void {
    const { link = [], peerType } = this.peer
    if (peerType === 'internal') return
    const known = this.heard[length > ADDRESS_BYTES.ipv4 ? 'ipv6' : 'ipv4']
    if (link.length === 0 || (known !== undefined && isIn(link, known))) return
    const octets = Math.min(length, ADDRESS_BYTES.ipv6)
    const host = makePrefix(bytes.slice(start, start + octets), octets * 8)
    if (isIn(link, host)) this.heard = { ...this.heard, [host.family]: host }
  }
}

/** One compiled form per policy, so that neighbors with the same policy can share UPDATEs. */
export class PolicyBook {
  readonly #compiled = new WeakMap<Policy, CompiledPolicy>()

  /** Undefined if no neighbor has used the policy. */
  hits(policy: Policy): readonly number[] | undefined {
    const compiled = this.#compiled.get(policy)
    return compiled && [...compiled.hits]
  }

  of(policy: Policy): CompiledPolicy {
    const known = this.#compiled.get(policy)
    if (known !== undefined) return known
    const compiled = compile(policy)
    this.#compiled.set(policy, compiled)
    return compiled
  }
}

export class Peers {
  readonly slots: (PeerSlot | undefined)[] = [undefined]
  /** KIND by number. */
  kind = new Uint8Array(1)
  routerId = new Uint32Array(1)
  /** 1: link-local next hops of the neighbor cannot be reached. */
  lacksLink = new Uint8Array(1)
  readonly #byName = new Map<string, PeerSlot>()
  readonly policies = new PolicyBook()
  readonly #free: number[] = []
  // Computed on demand, since hundreds of neighbors may be added at once.
  #rank: Uint32Array | undefined
  /** Addresses of this node: those that it writes as its own next hop, with the number of neighbors, and those of its Node. */
  readonly #own = new Map<string, { readonly address: Uint8Array; users: number }>()
  #nodeAddresses: readonly Uint8Array[] = []
  /** Addresses added to or removed from `#own` since `takeOwnChanges`. */
  #ownChanges: Uint8Array[] = []

  get(name: string): PeerSlot | undefined {
    return this.#byName.get(name)
  }

  all(): Iterable<PeerSlot> {
    return this.#byName.values()
  }

  add(peer: RibPeer): PeerSlot {
    const index = this.#free.pop() ?? this.slots.length
    if (index >= NO_PEER) throw new Error('more than 65,534 neighbors')
    const slot = new PeerSlot(index, peer, this.policies)
    this.slots[index] = slot
    this.#byName.set(peer.name, slot)
    this.#note(slot)
    this.#addOwn(ownAddresses(peer))
    return slot
  }

  change(slot: PeerSlot, peer: RibPeer): void {
    this.#addOwn(ownAddresses(peer))
    this.#removeOwn(ownAddresses(slot.peer))
    slot.peer = peer
    slot.importPolicy = this.policies.of(peer.importPolicy)
    slot.exportPolicy = this.policies.of(peer.exportPolicy)
    slot.remoteAddress = addressBytes(peer.remoteAddress)
    this.#note(slot)
  }

  rename(slot: PeerSlot, name: string): void {
    this.#byName.delete(slot.peer.name)
    slot.peer = { ...slot.peer, name }
    this.#byName.set(name, slot)
  }

  /** The name is free again; the number stays taken until `reclaim`. */
  retire(slot: PeerSlot): void {
    this.#byName.delete(slot.peer.name)
    this.#rank = undefined
    this.#removeOwn(ownAddresses(slot.peer))
  }

  reclaim(slot: PeerSlot): void {
    this.slots[slot.index] = undefined
    this.#free.push(slot.index)
  }

  get numbersInUse(): number {
    return this.slots.length - 1 - this.#free.length
  }

  /** Whether an address is one of this node. */
  isOwnAddress(bytes: Uint8Array, offset: number, length: number): boolean {
    for (const { address } of this.#own.values()) if (isAt(address, bytes, offset, length)) return true
    return false
  }

  /** Addresses that were added to or removed from this node since the last call. */
  takeOwnChanges(): readonly Uint8Array[] {
    const changes = this.#ownChanges
    if (changes.length > 0) this.#ownChanges = []
    return changes
  }

  setNodeAddresses(addresses: readonly Uint8Array[]): void {
    const before = this.#nodeAddresses
    this.#nodeAddresses = addresses
    this.#addOwn(addresses)
    this.#removeOwn(before)
  }

  #addOwn(addresses: readonly Uint8Array[]): void {
    for (const address of addresses) {
      const known = this.#own.get(address.join())
      if (known !== undefined) known.users++
      else {
        this.#own.set(address.join(), { address, users: 1 })
        this.#ownChanges.push(address)
      }
    }
  }

  #removeOwn(addresses: readonly Uint8Array[]): void {
    for (const address of addresses) {
      const known = this.#own.get(address.join())
      if (known === undefined || --known.users > 0) continue
      this.#own.delete(address.join())
      this.#ownChanges.push(address)
    }
  }

  #note({ index, peer }: PeerSlot): void {
    if (index >= this.kind.length) {
      const size = grownSize(this.kind.length, index + 1)
      this.kind = growU8(this.kind, size)
      this.routerId = growU32(this.routerId, size)
      this.lacksLink = growU8(this.lacksLink, size)
    }
    this.kind[index] = KIND[peer.peerType]
    this.routerId[index] = peer.remoteRouterId as RouterId
    this.lacksLink[index] = peer.lacksLink === true ? 1 : 0
    this.#rank = undefined
  }

  /** By number: the rank of its address among all neighbors, lowest first, for the last step of decision. */
  get rank(): Uint32Array {
    this.#rank ??= this.#rankAddresses()
    return this.#rank
  }

  #rankAddresses(): Uint32Array {
    const ranks = new Uint32Array(this.kind.length)
    const slots = this.slots.filter((slot) => slot !== undefined)
    slots.sort((a, b) => compareBytes(a.remoteAddress, b.remoteAddress))
    let rank = 0
    for (const [place, slot] of slots.entries()) {
      const before = slots[place - 1]
      if (before !== undefined && !equalBytes(before.remoteAddress, slot.remoteAddress)) rank++
      ranks[slot.index] = rank
    }
    return ranks
  }
}

const isIn = (link: readonly LinkMark[], inner: Prefix): boolean =>
  link.some((mark) => typeof mark !== 'string' && contains(mark, inner))

/** The global addresses that a neighbor gets as next hop self. */
const ownAddresses = ({ nextHops }: RibPeer): Uint8Array[] =>
  FAMILIES.flatMap((family) => nextHops[family]?.subarray(0, nextHops[family].length === 4 ? 4 : 16) ?? [])

/** Whether the octets at `start` are this address. */
export function isAt(address: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (address.length !== length) return false
  for (let index = 0; index < length; index++) if (address[index] !== bytes[start + index]) return false
  return true
}

/** Shorter addresses first, so IPv4 before IPv6; then by value. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length
  const at = a.findIndex((byte, index) => byte !== b[index])
  return at < 0 ? 0 : (a[at] as number) - (b[at] as number)
}
