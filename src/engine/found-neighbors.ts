/**
 * Neighbors whose address is found: the router of a link, and the default gateway. An address and port belong to one neighbor:
 * where several have the same, to the one that is named more exactly.
 */
import type { PeerIntent } from '../cluster/intent.ts'

/** The name of the neighbor that has the same address and port as this one, and comes before it; undefined: none. */
export type RivalOf = (intent: PeerIntent) => string | undefined

/** By address, by interface, or as the default gateway. Of two of one kind the first by name comes first. */
export function comesBefore(one: PeerIntent, other: PeerIntent): boolean {
  const [rank, otherRank] = [rankOf(one), rankOf(other)]
  return rank < otherRank || (rank === otherRank && one.name < other.name)
}

function rankOf({ interface: link, gateway }: PeerIntent): number {
  if (gateway !== undefined) return 2
  return link === undefined ? 0 : 1
}
