/** BGPPeers that no node has, or whose neighbor is no node: a mistyped name or label is in no other way wrong. */
import { CostMeter, type Work } from '../base/work.ts'
import type { Problem } from './intent.ts'
import type { PeerObject } from './objects.ts'
import { makeProblem } from './problem.ts'
import { formatSelector, matches, questionsOf, type Selector } from './selector.ts'
import type { ObjectStore } from './store.ts'

/** Approximate cost of one question of a selector to a node, in microseconds. */
const QUESTION_COST = 0.3

/** None where no Node is known: the objects of a file alone may be a part of them. */
export function* selectionProblems(store: ObjectStore): Work<Problem[]> {
  const nodes = store.table('Node')
  const problems: Problem[] = []
  if (nodes.size === 0) return problems
  const meter = new CostMeter()
  for (const peer of store.table('BGPPeer').values()) {
    const { node, nodeSelector, peerSelector } = peer
    if (node !== undefined && !nodes.has(node))
      problems.push(nobody(peer, 'node', node, 'is no Node of this cluster: no node has this peer'))
    if (nodeSelector !== undefined && !(yield* matchesSome(nodeSelector, store, meter)))
      problems.push(
        nobody(peer, 'nodeSelector', formatSelector(nodeSelector), 'matches no Node: no node has this peer'),
      )
    if (peerSelector !== undefined && !(yield* matchesSome(peerSelector, store, meter)))
      problems.push(nobody(peer, 'peerSelector', formatSelector(peerSelector), 'matches no Node: there is no neighbor'))
  }
  return problems
}

function* matchesSome(selector: Selector, store: ObjectStore, meter: CostMeter): Work<boolean> {
  const cost = QUESTION_COST * (1 + questionsOf(selector))
  for (const { labels } of store.table('Node').values()) {
    meter.add(cost)
    if (meter.isDue) yield meter.take()
    if (matches(selector, labels)) return true
  }
  return false
}

const nobody = ({ name }: PeerObject, field: string, value: string, says: string): Problem =>
  makeProblem({
    code: 'peer-of-nobody',
    object: `BGPPeer/${name}`,
    field: `spec.${field}`,
    value,
    says,
    level: 'warning',
  })
