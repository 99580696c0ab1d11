/**
 * Neighbors whose address no object names: the router of a link, and the default gateway. One address and port is one
 * neighbor: where several would be it, the one that is named more exactly is.
 */
import type { PeerIntent } from '../cluster/intent.ts'

/** The name of the neighbor that has the address and port of this one, and comes before it. */
export type Taken = (intent: PeerIntent) => string | undefined

/** By address, by interface, or as the default gateway. Of two of one kind the first by name comes first. */
export function comesBefore(one: PeerIntent, other: PeerIntent): boolean {
  const [rank, otherRank] = [rankOf(one), rankOf(other)]
  return rank < otherRank || (rank === otherRank && one.name < other.name)
}

function rankOf({ interface: link, gateway }: PeerIntent): number {
  if (gateway !== undefined) return 2
  return link === undefined ? 0 : 1
}
