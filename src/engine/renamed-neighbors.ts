/** Which changes of neighbors are another name for the same one. The objects alone show most of them (`cluster/diff`). */
import type { PeerChanges } from '../cluster/diff.ts'
import { type PeerIntent, UNKNOWN_ADDRESS } from '../cluster/intent.ts'
import type { Gateways } from './gateways.ts'
import type { Neighbors } from './neighbors.ts'

/**
 * With those neighbors renamed that an object found, as the default gateway or the router of a link, and that another one
 * names by their address now; and with those that are the default gateway and were named by their address.
 */
export function withFound(
  changes: PeerChanges,
  neighbors: Pick<Neighbors, 'get'>,
  gateways: Pick<Gateways, 'locate'>,
): PeerChanges {
  const { added, removed } = changes
  if (added.length === 0 || removed.length === 0) return changes
  const places = new Map(removed.flatMap((name) => placeOf(neighbors.get(name)?.intent).map((place) => [place, name])))
  const found = new Map(
    added.flatMap((peer) =>
      placeOf(gateways.locate(peer))
        .flatMap((place) => places.get(place) ?? [])
        .map((from) => [from, peer]),
    ),
  )
  const isFound = new Set(found.values())
  return {
    ...changes,
    added: added.filter((peer) => !isFound.has(peer)),
    removed: removed.filter((name) => !found.has(name)),
    renamed: [...changes.renamed, ...[...found].map(([from, peer]) => ({ from, peer }))],
  }
}

function placeOf(intent: PeerIntent | undefined): readonly string[] {
  if (intent === undefined || intent.range !== undefined || intent.address === UNKNOWN_ADDRESS) return []
  return [`${intent.address} ${intent.port}`]
}
