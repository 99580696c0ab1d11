/** One neighbor in its update group: what it has been told, and how far it has read what the group says. */
import { growU32, usedBytes } from '../route/columns.ts'
import type { PeerSlot } from './peers.ts'
import type { Pending } from './pending.ts'
import type { PrefixTable } from './prefix-table.ts'
import type { Sweep } from './sweep.ts'

/** `Group` is its update group; a file of its own must not know more of it. */
export class GroupMember<Group> {
  readonly slot: PeerSlot
  group: Group
  /** What it gets to see where the next hop is ourselves; of the length its group knows. */
  nextHop: Uint8Array | undefined
  /** Its place in the group's log while it is in step. */
  cursor = 0
  /** What it is still to be told, while it is not in step. */
  own: Pending | undefined
  /** Goes over all prefixes: first feed, refresh, or move to another group. */
  walk: Sweep | undefined
  /** It has come from another group, and is told nothing before its walk is over. */
  moving = false
  /** That group: what both say alike is not told again. */
  previous: Group | undefined
  /** Prefixes it has been told and not told to forget. */
  toldCount = 0
  announced = 0
  withdrawn = 0
  /** The exporter's counts when it joined. */
  rejectedBefore = 0
  filteredBefore = 0
  readonly #prefixes: PrefixTable
  #told: Uint32Array

  constructor(slot: PeerSlot, group: Group, prefixes: PrefixTable) {
    this.slot = slot
    this.group = group
    this.nextHop = slot.peer.nextHops[prefixes.family]
    this.#prefixes = prefixes
    this.#told = new Uint32Array(wordsFor(prefixes.capacity))
  }

  grow(capacity: number): void {
    this.#told = growU32(this.#told, wordsFor(capacity))
    this.own?.grow(capacity)
  }

  /** Whether the neighbor has been told something for this prefix. Such a prefix is held. */
  isTold(prefix: number): boolean {
    return ((this.#told[prefix >>> 5] as number) & (1 << (prefix & 31))) !== 0
  }

  noteAnnounced(prefix: number): void {
    this.announced++
    if (this.isTold(prefix)) return
    this.#told[prefix >>> 5] = (this.#told[prefix >>> 5] as number) | (1 << (prefix & 31))
    this.toldCount++
    this.#prefixes.hold(prefix)
  }

  noteWithdrawn(prefix: number): void {
    if (!this.isTold(prefix)) return
    this.withdrawn++
    this.forget(prefix)
  }

  forget(prefix: number): void {
    this.#told[prefix >>> 5] = (this.#told[prefix >>> 5] as number) & ~(1 << (prefix & 31))
    this.toldCount--
    this.#prefixes.release(prefix)
  }

  memory(): number {
    return usedBytes(wordsFor(this.#prefixes.end), this.#told) + (this.own?.memory() ?? 0)
  }
}

const wordsFor = (capacity: number): number => (capacity + 31) >>> 5
