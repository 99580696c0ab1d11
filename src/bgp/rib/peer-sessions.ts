/**
 * Neighbors as their sessions come up, change, are lost, come back and go: what each means for the routes of both families,
 * and when the number of a removed neighbor is free again.
 */
import { FAMILIES, type Family } from '../../base/family.ts'
import type { NextHopTable } from '../route/next-hop-table.ts'
import { changesEligibility } from './eligible.ts'
import type { FamilyRib } from './family-rib.ts'
import { isAt, type PeerSlot, type Peers } from './peers.ts'
import { ASK } from './review.ts'
import type { ImportSide, RibPeer } from './types.ts'

export class PeerSessions {
  readonly #peers: Peers
  readonly #ribs: Readonly<Record<Family, FamilyRib>>
  readonly #nextHops: NextHopTable
  /** Neighbors that are down and expected back, with the families whose routes are kept. */
  readonly #awaited = new Map<PeerSlot, Set<Family>>()
  /**
   * Removed neighbors. By family in which no path of theirs is left: which prefixes are to be decided before no best route
   * is of theirs.
   */
  readonly #retired = new Map<PeerSlot, Partial<Record<Family, number>>>()

  constructor(peers: Peers, ribs: Readonly<Record<Family, FamilyRib>>, nextHops: NextHopTable) {
    this.#peers = peers
    this.#ribs = ribs
    this.#nextHops = nextHops
  }

  /** The neighbor must be known. */
  slot(name: string): PeerSlot {
    const slot = this.#peers.get(name)
    if (slot === undefined) throw new Error(`no neighbor ${name}`)
    return slot
  }

  /** Up. `isAnotherRouter`: than that whose routes were kept, so they are removed. */
  add(peer: RibPeer, keep: readonly Family[]): { readonly isAnotherRouter: boolean } {
    const before = this.#peers.get(peer.name)
    const slot = this.#rejoin(peer) ?? this.#peers.add(peer)
    for (const family of FAMILIES) if (!keep.includes(family)) this.#ribs[family].stale.endCycle(slot)
    for (const family of peer.families) this.#ribs[family].addPeer(slot)
    this.#reviewOwnAddresses()
    return { isAnotherRouter: before !== undefined && before !== slot }
  }

  /** The slot of a lost neighbor that is back. Its AS number and IDs must be the same, since decision has used them. */
  #rejoin(peer: RibPeer): PeerSlot | undefined {
    const slot = this.#peers.get(peer.name)
    if (slot === undefined) return undefined
    if (!this.#awaited.delete(slot)) throw new Error(`${peer.name} is there already`)
    const { peerType, remoteAs, remoteRouterId } = slot.peer
    if (peerType === peer.peerType && remoteAs === peer.remoteAs && remoteRouterId === peer.remoteRouterId) {
      this.#change(slot, peer)
      return slot
    }
    this.remove(peer.name)
    return undefined
  }

  /** Down, and expected back: routes of the families in `keep` stay as stale. */
  lose(name: string, keep: readonly Family[]): void {
    const slot = this.slot(name)
    this.#awaited.set(slot, new Set(keep))
    for (const family of FAMILIES) this.#ribs[family].losePeer(slot, keep.includes(family))
  }

  /** Removes stale routes of these families. A neighbor that is down is removed with its last family. */
  dropStale(name: string, families: readonly Family[]): void {
    const slot = this.#peers.get(name)
    if (slot === undefined) return
    const kept = this.#awaited.get(slot)
    for (const family of families) kept?.delete(family)
    if (kept?.size === 0) this.remove(name)
    else for (const family of families) this.#ribs[family].stale.endCycle(slot)
  }

  /** Down for good: its routes and its Adj-RIB-Out are removed. */
  remove(name: string): void {
    const slot = this.slot(name)
    this.#awaited.delete(slot)
    this.#peers.retire(slot)
    const marks: Partial<Record<Family, number>> = {}
    this.#retired.set(slot, marks)
    for (const family of FAMILIES) {
      const rib = this.#ribs[family]
      rib.removePeer(slot, () => {
        marks[family] = rib.mark
      })
    }
    this.#reviewOwnAddresses()
  }

  /** The neighbor may be unknown: it has had no session. */
  rename(from: string, name: string): void {
    const slot = this.#peers.get(from)
    if (slot !== undefined) this.#peers.rename(slot, name)
  }

  /** Policies, next hops or limits have changed without a reset. */
  set(peer: RibPeer): void {
    const slot = this.slot(peer.name)
    this.#change(slot, peer)
    for (const family of peer.families) this.#ribs[family].adjOut.change(slot)
    this.#reviewOwnAddresses()
  }

  /** Down, and its routes are kept: they are evaluated again, and nothing is advertised to it. */
  setImportSide(name: string, side: ImportSide): void {
    const slot = this.#peers.get(name)
    if (slot !== undefined && this.#awaited.has(slot)) this.#change(slot, { ...slot.peer, ...side })
  }

  #change(slot: PeerSlot, peer: RibPeer): void {
    const { importPolicy, peer: before } = slot
    this.#peers.change(slot, peer)
    const asks =
      (slot.importPolicy !== importPolicy || changesEligibility(before, peer) ? ASK.import : 0) |
      // RFC 4456 §6: routes of a client are reflected to all.
      (before.reflection?.client !== peer.reflection?.client || before.interface !== peer.interface ? ASK.export : 0) |
      // Decision compares addresses of neighbors, in its last step but one.
      (before.remoteAddress !== peer.remoteAddress ? ASK.decision : 0) |
      // The kernel's routes lead over another link.
      (before.isBound !== peer.isBound ? ASK.decision : 0) |
      (before.lacksLink !== peer.lacksLink ? ASK.decision | ASK.export : 0)
    for (const family of FAMILIES) {
      if (asks !== 0) this.#ribs[family].review().notePeer(slot.index, asks)
      this.#ribs[family].retryRejected()
    }
  }

  /** The addresses of this node, in addition to those that it advertises as next hops. */
  setNodeAddresses(addresses: readonly Uint8Array[]): void {
    this.#peers.setNodeAddresses(addresses)
    this.#reviewOwnAddresses()
  }

  /** RFC 4271 §5.1.3: a route must not be used over an address of our own. Evaluates routes again when our addresses change. */
  #reviewOwnAddresses(): void {
    const changes = this.#peers.takeOwnChanges()
    if (changes.length === 0) return
    for (const address of changes) this.#ribs[address.length === 4 ? 'ipv4' : 'ipv6'].reviewAddress(address)
    const { bytes } = this.#nextHops
    for (const id of this.#nextHops.ids()) {
      const global = bytes.length(id) === 4 ? 4 : 16
      if (!changes.some((address) => isAt(address, bytes.segment(id), bytes.offset(id), global))) continue
      for (const family of FAMILIES) this.#ribs[family].review().noteNextHop(id, ASK.import)
    }
  }

  /**
   * Frees the numbers of removed neighbors that no path and no best route refers to. While others change prefixes without a
   * pause some always wait to be decided: it does not wait for these, or numbers would run out.
   */
  reclaim(): void {
    for (const [slot, marks] of this.#retired) {
      if (!FAMILIES.every((family) => this.#isDecided(family, marks[family]))) continue
      this.#peers.reclaim(slot)
      this.#retired.delete(slot)
    }
  }

  #isDecided(family: Family, mark: number | undefined): boolean {
    return mark !== undefined && this.#ribs[family].hasDecided(mark)
  }
}
