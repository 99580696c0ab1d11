/** UPDATEs of both families for each neighbor, in turn. */
import { FAMILIES, type Family } from '../../base/family.ts'
import type { FamilyRib } from './family-rib.ts'
import type { PeerSlot } from './peers.ts'

export class Sending {
  readonly #ribs: Readonly<Record<Family, FamilyRib>>

  constructor(ribs: Readonly<Record<Family, FamilyRib>>) {
    this.#ribs = ribs
  }

  /** As `Rib.pull`. */
  pull(slot: PeerSlot, maxBytes: number): { bytes: Uint8Array; messages: number } | undefined {
    const { families } = slot.peer
    for (let count = 0; count < families.length; count++) {
      const family = families[(slot.turn + count) % families.length] as Family
      const updates = this.#ribs[family].adjOut.pull(slot, maxBytes)
      if (updates === undefined) continue
      // A run of half the room or more: the next family goes first. A short one: the first again.
      slot.turn = 2 * updates.bytes.length < maxBytes ? 0 : slot.turn + count + 1
      return updates
    }
    slot.turn = 0
    return undefined
  }

  get isQuiet(): boolean {
    return FAMILIES.every((family) => this.#ribs[family].adjOut.isQuiet)
  }

  pending(slot: PeerSlot): boolean {
    return slot.peer.families.some((family) => this.#ribs[family].adjOut.pending(slot))
  }

  pendingPeers(): Set<string> {
    const names = new Set<string>()
    for (const family of FAMILIES) this.#ribs[family].adjOut.visitPending(({ peer }) => names.add(peer.name))
    return names
  }

  withholdEnd(withholds: boolean): void {
    for (const family of FAMILIES) this.#ribs[family].adjOut.withholdEnd(withholds)
  }
}
