/**
 * Previews of many nodes share what is alike: the same answers as one by one, and no work for each pair of nodes.
 * GODWIT_RUNS sets how many clusters are tried.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import { type NodePreview, previewNode, previewNodes } from '../../src/preview/node.ts'
import { reportJson } from '../../src/preview/render.ts'
import { storeOf } from '../support/cluster.ts'
import { runs } from '../support/long.ts'
import { type ApiObject, bgpConfiguration, bgpPeer, node } from '../support/objects.ts'

const RUNS = runs(6, 60)
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
const addressed = fc.constantFrom<readonly string[]>([], ['10.0.0.7'], ['fd00::7'])

const nodes = fc.record({
  four: fc.boolean(),
  six: fc.boolean(),
  /** An address that another node may have too. */
  shared: addressed,
  rack: fc.constantFrom('1', '2', undefined),
  asNumber: fc.constantFrom(undefined, undefined, '64999', 'wrong'),
  reflector: fc.constantFrom(undefined, undefined, '244.0.0.1'),
  /** Values that a BGPPeer may read: an AS number, and the address of a router or a node. */
  ownAs: fc.constantFrom(undefined, undefined, '64998', '64999'),
  router: fc.constantFrom(undefined, undefined, '10.0.0.18', 'fd00::11', '10.0.0.7:1790'),
})
/** Differs from others by the values alone: most nodes of a cluster are in one group. */
const plain = { four: true, six: false, shared: [], rack: undefined, asNumber: undefined, reflector: undefined }
const plainNodes = nodes.map(({ ownAs, router }) => ({ ...plain, ownAs, router }))
const someNodes = fc.oneof(
  ...[nodes, plainNodes].map((one) => fc.array(one, { minLength: 1, maxLength: NAMES.length })),
)
const clusters = someNodes.map((all) =>
  all.map(({ four, six, shared, rack, asNumber, reflector, ownAs, router }, at) => {
    const name = NAMES[at] ?? ''
    const addresses = [...shared, ...(four ? [`10.0.0.1${9 - at}`] : []), ...(six ? [`fd00::1${at}`] : [])]
    const annotations = {
      ...(asNumber !== undefined && { 'godwit.dev/asNumber': asNumber }),
      ...(reflector !== undefined && { 'godwit.dev/routeReflectorClusterID': reflector }),
      ...(ownAs !== undefined && { 'own-as': ownAs }),
      ...(router !== undefined && { router }),
    }
    const labels = rack === undefined ? {} : { rack }
    return node(name, { addresses, podCIDRs: [`10.244.${at}.0/24`], labels, annotations })
  }),
)
const peers = fc.record({
  node: fc.constantFrom(undefined, undefined, 'a', 'b'),
  nodeSelector: fc.constantFrom(undefined, "rack == '1'", 'all()'),
  to: fc.constantFrom(
    { peerIP: '10.0.0.7', asNumber: 64512 },
    { peerIP: '10.0.0.18', asNumber: 64512 },
    { peerIP: 'fd00::11', asNumber: 65000 },
    { peerSelector: "rack == '2'" },
    { peerSelector: 'all()' },
    { peerRange: '10.0.0.0/24', asNumber: 64512 },
    { peerIPFrom: { annotation: 'router' }, asNumber: 64512 },
    { peerIPFrom: { annotation: 'router' }, asNumberFrom: { annotation: 'own-as' } },
  ),
  reverse: fc.constantFrom('Auto', 'Manual'),
  localASNumberFrom: fc.constantFrom(undefined, undefined, { annotation: 'own-as' }),
})
const objects = fc
  .tuple(clusters, fc.array(peers, { maxLength: 3 }), fc.boolean(), fc.constantFrom(undefined, 1790))
  .map(([all, asked, nodeToNodeMeshEnabled, listenPort]): ApiObject[] => [
    ...all,
    bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled, listenPort }),
    ...asked.map(({ node, nodeSelector, to, reverse, localASNumberFrom }, at) => {
      const only = node === undefined ? { nodeSelector } : { node }
      return bgpPeer(`p${at}`, { ...only, ...to, localASNumberFrom, reversePeering: reverse as 'Auto' | 'Manual' })
    }),
  ])

const told = (previews: readonly NodePreview[]) => {
  const { nodes } = reportJson({ problems: [], nodes: previews, differences: undefined, change: undefined })
  return previews.map(({ intent }, at) => ({
    node: nodes[at],
    problems: intent.problems,
    refusals: intent.refusals,
    families: previews[at]?.peers.map(({ intent: { families, held, sourceAddress } }) => [
      families,
      held,
      sourceAddress,
    ]),
  }))
}

test('nodes previewed together say what each says alone', () => {
  fc.assert(
    fc.property(objects, (all) => {
      const store = storeOf(all)
      const names = [...store.table('Node').keys()]
      expect(told(previewNodes(store, names))).toEqual(told(names.map((name) => previewNode(store, name))))
    }),
    { numRuns: RUNS },
  )
})

const PLAIN = ['n1', 'n2', 'n3', 'n4'].map((name, at) => node(name, { addresses: [`10.0.0.1${at + 1}`] }))
const withAnnotation = (name: string, key: string, value: string): ApiObject[] =>
  PLAIN.map((one) => {
    const { metadata } = one
    return metadata.name === name ? { ...one, metadata: { ...metadata, annotations: { [key]: value } } } : one
  })
const mirrored = bgpPeer('p', { peerIP: '10.0.0.11', asNumber: 64512, localASNumberFrom: { annotation: 'own-as' } })
const byAs = bgpPeer('p', { peerIP: '10.0.0.11', asNumberFrom: { annotation: 'own-as' } })
const named = bgpPeer('p', { peerIPFrom: { annotation: 'router' }, asNumber: 64512 })
const values: readonly (readonly [string, readonly ApiObject[]])[] = [
  ['the first alone has its own AS number for this one', [...withAnnotation('n2', 'own-as', '64999'), mirrored]],
  ['the last alone has it', [...withAnnotation('n4', 'own-as', '64999'), mirrored]],
  ['the last alone has an AS number of this one', [...withAnnotation('n4', 'own-as', '64512'), byAs]],
  ['the value of one names another by its address', [...withAnnotation('n1', 'router', '10.0.0.13'), named]],
]

test.each(values)('of nodes with the same labels %s', (_, all) => {
  const store = storeOf([...all, bgpConfiguration({ asNumber: 64512 })])
  expect(told(previewNodes(store, ['n1']))).toEqual(told([previewNode(store, 'n1')]))
})

test('each of many nodes in the mesh makes as many neighbors as there are kinds of nodes', () => {
  const many = (count: number) => {
    const all = Array.from({ length: count }, (_, at) =>
      node(`n${at}`, { addresses: [`10.0.${at >> 8}.${at & 255}`], labels: { rack: `${at % 3}` } }),
    )
    const store = storeOf([
      ...all,
      bgpPeer('tor', { peerIP: '192.0.2.1', asNumber: 65001, nodeSelector: "rack == '1'" }),
    ])
    const beside = new IntentBuilder({ node: 'n0', asPreview: true })
    beside.build(store)
    const { peers, dataplane } = new IntentBuilder({ node: 'n1', asPreview: true, beside }).build(store)
    expect(dataplane).toBeUndefined()
    return peers.size
  }
  expect([many(12), many(120)]).toEqual([4, 4])
})
