/** The families that are not advertised to a neighbor because there is no next hop: a bounded number of problems. */
import { counted } from '../base/counted.ts'
import { FAMILIES, FAMILY_WORDS } from '../base/family.ts'
import type { Problem } from '../cluster/intent.ts'
import { makeProblem } from '../cluster/problem.ts'
import type { Neighbor } from './neighbors.ts'

/** Beyond this many they are only counted. */
const MOST = 10

export function heldFamilies(neighbors: Iterable<Neighbor>): Problem[] {
  const found: Problem[] = []
  let more = 0
  for (const { name, intent, nextHops } of neighbors) {
    const object = intent.object === undefined ? name : `BGPPeer/${intent.object}`
    for (const family of FAMILIES) {
      const reason = nextHops?.held[family]
      if (reason === undefined) continue
      if (found.length === MOST) more++
      else {
        const says = `${name}: no ${FAMILY_WORDS[family]} routes are advertised: ${reason}`
        found.push(makeProblem({ code: 'family-held', object, says, level: 'warning' }))
      }
    }
  }
  if (more === 0) return found
  const says = `${counted(more, 'more family is', 'more families are')} not advertised, because there is no next hop`
  return [...found, makeProblem({ code: 'families-held', object: 'neighbors', says, level: 'warning' })]
}
