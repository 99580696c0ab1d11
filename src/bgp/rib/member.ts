/** One neighbor in its update group: what has been advertised to it, and what is still to be sent. */

import { addressBytes } from '../../base/address.ts'
import type { Octets } from '../../base/units.ts'
import { growU32, usedBytes } from '../route/columns.ts'
import type { Chunk } from './chunk.ts'
import { addressHash } from './next-hop-hash.ts'
import type { PeerSlot } from './peers.ts'
import { Pending } from './pending.ts'
import type { PrefixTable } from './prefix-table.ts'
import type { Sweep } from './sweep.ts'

/**
 * Where a member's UPDATEs come from. A synced member reads the log of its group, UPDATEs that are encoded once for all
 * synced members (adj-out.ts), and after it the group's pending set. Any other member has a pending set of its own; it is
 * filled by a walk over all prefixes, and by changes.
 *
 *   kind     begins when                             reads from               becomes
 *   feeding  the session comes up, or a refresh      its own pending set      lagging, when the walk is over
 *   moving   the member changes to another group     nothing                  lagging, when the walk is over
 *   lagging  a walk is over, or it read too slowly   its own pending set      synced, when nothing is left
 *   synced   it has caught up                        log, group's pending     lagging, feeding or moving
 *
 * A change in the group is put into the own pending set of a lagging member, and into that of a feeding or moving one if its
 * walk has passed the prefix. A moving member also notes changes ahead of its walk in the group that it came from.
 */
export type Standing<Group> =
  | { readonly kind: 'synced'; position: number }
  | { readonly kind: 'lagging'; readonly pending: Pending }
  /** First feed, or a refresh. */
  | { readonly kind: 'feeding'; readonly pending: Pending; readonly walk: Sweep }
  /** It has moved here from another group, and gets no UPDATE until the walk has found the difference. */
  | {
      readonly kind: 'moving'
      readonly pending: Pending
      readonly walk: Sweep
      /** Routes that both groups advertise alike are not sent again. Undefined: it is not known what was sent last. */
      readonly previous: Group | undefined
    }

/** `Group` is the type of its update group, a parameter so that this file need not import it. */
export class GroupMember<Group> {
  readonly slot: PeerSlot
  group: Group
  standing: Standing<Group>
  /** Its own address, which it never gets as next hop, and its hash (next-hop-hash.ts). */
  readonly address: Uint8Array
  readonly addressHash: number
  /** Our address that it gets as next hop; all members of a group have the same length. */
  nextHop: Uint8Array | undefined
  /** Prefixes advertised to it and not withdrawn. */
  advertised = 0
  /** Prefixes announced and withdrawn since the session came up. */
  announced = 0
  withdrawn = 0
  /** The exporter's counts when it joined. */
  rejectedBefore = 0
  filteredBefore = 0
  readonly #prefixes: PrefixTable
  #isAdvertised: Uint32Array

  constructor(slot: PeerSlot, group: Group, prefixes: PrefixTable) {
    this.slot = slot
    this.group = group
    this.standing = { kind: 'lagging', pending: new Pending(prefixes) }
    this.address = addressBytes(slot.peer.remoteAddress)
    this.addressHash = addressHash(this.address)
    this.nextHop = slot.peer.nextHops[prefixes.family]
    this.#prefixes = prefixes
    this.#isAdvertised = new Uint32Array(wordsFor(prefixes.capacity))
  }

  /** What must still be advertised to it, while it is not synced. */
  get pending(): Pending | undefined {
    return this.standing.kind === 'synced' ? undefined : this.standing.pending
  }

  get walk(): Sweep | undefined {
    const { standing } = this
    return standing.kind === 'feeding' || standing.kind === 'moving' ? standing.walk : undefined
  }

  grow(capacity: number): void {
    this.#isAdvertised = growU32(this.#isAdvertised, wordsFor(capacity))
    this.pending?.grow(capacity)
  }

  /** Whether this prefix is advertised to the neighbor. The prefix table keeps such a prefix. */
  isAdvertised(prefix: number): boolean {
    return ((this.#isAdvertised[prefix >>> 5] as number) & (1 << (prefix & 31))) !== 0
  }

  noteAnnounced(prefix: number): void {
    this.announced++
    if (this.isAdvertised(prefix)) return
    this.#isAdvertised[prefix >>> 5] = (this.#isAdvertised[prefix >>> 5] as number) | (1 << (prefix & 31))
    this.advertised++
    this.#prefixes.retain(prefix)
  }

  noteWithdrawn(prefix: number): void {
    if (!this.isAdvertised(prefix)) return
    this.withdrawn++
    this.clearAdvertised(prefix)
  }

  /** Whether a chunk that was encoded for all is right for this neighbor as it is. */
  fits({ from, nextHops, withdrawn, prefixes }: Chunk): boolean {
    if (from.has(this.slot.index) || nextHops.has(this.addressHash)) return false
    for (let index = 0; index < withdrawn; index++) if (!this.isAdvertised(prefixes[index] as number)) return false
    return true
  }

  /** The chunk is sent to it. */
  noteSent({ prefixes, withdrawn }: Chunk): void {
    for (let index = 0; index < withdrawn; index++) this.noteWithdrawn(prefixes[index] as number)
    for (let index = withdrawn; index < prefixes.length; index++) this.noteAnnounced(prefixes[index] as number)
  }

  /** Call only for a prefix that is advertised. */
  clearAdvertised(prefix: number): void {
    this.#isAdvertised[prefix >>> 5] = (this.#isAdvertised[prefix >>> 5] as number) & ~(1 << (prefix & 31))
    this.advertised--
    this.#prefixes.release(prefix)
  }

  memory(): Octets {
    return usedBytes(wordsFor(this.#prefixes.end), this.#isAdvertised) + (this.pending?.memory() ?? 0)
  }
}

const wordsFor = (capacity: number): number => (capacity + 31) >>> 5
