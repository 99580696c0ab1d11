/** BGPPeers of nobody: a selector or name that fits no Node is told, and one that fits a single Node is not. */
import { expect, test } from 'vitest'
import { finish } from '../../src/base/work.ts'
import { selectionProblems } from '../../src/cluster/selections.ts'
import { problemsOf } from '../../src/preview/node.ts'
import { storeOf } from '../support/cluster.ts'
import { type ApiObject, bgpPeer, node } from '../support/objects.ts'

const NODES = [
  node('n1', { addresses: ['10.0.0.1'], labels: { rack: 'a' } }),
  node('n2', { addresses: ['10.0.0.2'], labels: { rack: 'b' } }),
]
const TOR = { peerIP: '192.0.2.1', asNumber: 65001 }

test.each<[string, object, string | undefined]>([
  ['all nodes', TOR, undefined],
  ['one node', { ...TOR, node: 'n2' }, undefined],
  ['one of a name that is wrong', { ...TOR, node: 'n3' }, 'spec.node: "n3" is no Node of this cluster'],
  ['a rack', { ...TOR, nodeSelector: "rack == 'b'" }, undefined],
  [
    'a rack in capitals',
    { ...TOR, nodeSelector: "rack == 'B'" },
    'spec.nodeSelector: "rack == \\"B\\"" matches no Node',
  ],
  ['a label that nobody has', { ...TOR, nodeSelector: 'has(zone)' }, 'spec.nodeSelector: "has(zone)" matches no Node'],
  ['neighbors that are nodes', { peerSelector: "rack in {'a'}" }, undefined],
  [
    'neighbors that are none',
    { peerSelector: 'has(reflector)' },
    'spec.peerSelector: "has(reflector)" matches no Node',
  ],
])('%s', (_, spec, words) => {
  const found = (objects: readonly ApiObject[]) =>
    finish(selectionProblems(storeOf([...objects, bgpPeer('tor', spec)]))).map(({ level, text }) => [level, text])
  expect(found(NODES)).toEqual(
    words === undefined ? [] : [['warning', expect.stringContaining(`BGPPeer/tor ${words}`)]],
  )
  expect(found([])).toEqual([])
})

test('check names what no node has, also a filter of a BGPPeer that selects none', () => {
  const store = storeOf([...NODES, bgpPeer('tor', { ...TOR, node: 'n3', filters: ['none'] })])
  expect(problemsOf(store, []).map(({ code }) => code)).toEqual(['peer-filter-missing', 'peer-of-nobody'])
})
