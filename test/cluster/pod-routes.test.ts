/** Single pods by label: which are advertised from a node, and which the API is asked for. */
import { describe, expect, test } from 'vitest'
import { labelSelectorOf } from '../../src/cluster/label-selector.ts'
import { parseSelector } from '../../src/cluster/selector.ts'
import { previewNode } from '../../src/preview/node.ts'
import { storeOf } from '../support/cluster.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpPeer,
  node,
  type PodOptions,
  pod,
} from '../support/objects.ts'

const BASE = [
  node('worker', { addresses: ['10.0.0.11', 'fd00:10::11'] }),
  bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false }),
  bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65001 }),
  bgpPeer('border', { peerIP: '10.0.0.2', asNumber: 65002 }),
]
const READY: PodOptions = {
  labels: { app: 'dns' },
  node: 'worker',
  addresses: ['198.51.100.53', '2001:db8::53'],
  ready: true,
}
const ADDRESSES = ['198.51.100.53/32', '2001:db8::53/128']
const asks = (pods: object, more: object = {}, name = 'dns') => bgpAdvertisement(name, { routes: [{ pods }], ...more })
const preview = (...objects: readonly ApiObject[]) => previewNode(storeOf([...BASE, ...objects]), 'worker')
const told = (peer: string, ...objects: readonly ApiObject[]) =>
  preview(...objects)
    .peers.find(({ intent }) => intent.object === peer)
    ?.advertised.map(({ prefix }) => prefix)
    .sort()

describe('a pod', () => {
  test.each<[string, object, string[], string | undefined]>([
    ['that is ready', {}, ADDRESSES, undefined],
    ['that is not', { ready: false }, [], 'the pod is not ready'],
    ['that has not said so', { ready: undefined }, [], 'the pod is not ready'],
    ['that ends', { terminating: true }, [], 'the pod is terminating'],
    [
      'in the network of the node',
      { hostNetwork: true },
      [],
      'the pod uses the network of the node: nodeAddresses advertises its addresses',
    ],
    ['without an address yet', { addresses: [] }, [], 'the pod has no address yet'],
    ['of another node', { node: 'other' }, [], undefined],
    ['of no node yet', { node: undefined }, [], undefined],
    ['with other labels', { labels: { app: 'web' } }, [], undefined],
    ['of one family', { addresses: ['2001:db8::53'] }, ADDRESSES.slice(1), undefined],
  ])('%s', (_, options, expected, why) => {
    const made = pod('infra/dns-1', JSON.parse(JSON.stringify({ ...READY, ...options })) as PodOptions)
    const found = preview(asks({ selector: "app == 'dns'" }), made)
    expect(told('tor', asks({ selector: "app == 'dns'" }), made)).toEqual(expected)
    expect(found.withheld.get('Pod/infra/dns-1')).toBe(why)
    expect(found.intent.problems).toEqual([])
  })

  test('by namespace, to the peers of the object alone, with its attributes', () => {
    const infra = asks({ namespaces: ['infra'] }, { peers: ['border'], med: 7 })
    expect(told('border', infra, pod('infra/x', READY))).toEqual(ADDRESSES)
    expect(told('tor', infra, pod('infra/x', READY))).toEqual([])
    expect(told('border', infra, pod('shop/x', READY))).toEqual([])
  })

  test('a route that is there anyhow stays with the peers that it had', () => {
    const borrowed = bgpConfiguration({ nodeToNodeMeshEnabled: false, podCIDRSource: 'Static' })
    const list = bgpConfiguration({ podCIDRs: ['198.51.100.53/32'] }, 'node.worker')
    const objects = [borrowed, list, asks({}, { peers: ['border'] }), pod('infra/x', READY)]
    expect([told('tor', ...objects), told('border', ...objects)]).toEqual([ADDRESSES.slice(0, 1), ADDRESSES])
    // Also where the object has errors, and is for nobody; and nothing of it is added then.
    const faulty = asks({ selector: 'app ==' }, { communities: ['1:1'], med: 5 })
    const found = preview(borrowed, list, faulty, pod('infra/x', READY))
    expect(found.peers.map(({ advertised }) => advertised)).toMatchObject(
      BASE.slice(2).map(() => [{ prefix: ADDRESSES[0], communities: [], med: undefined }]),
    )
  })

  test('a wrong address is named, and the others go on', () => {
    const wrong = pod('infra/x', { ...READY, addresses: ['nowhere'] })
    const { intent } = preview(asks({}), wrong, pod('infra/y', READY))
    expect(intent.problems.map(({ text }) => text)).toContainEqual(
      expect.stringMatching(/^Pod\/infra\/x status\.podIP: "nowhere" is not an IP address/),
    )
    expect(told('tor', asks({}), wrong, pod('infra/y', READY))).toEqual(ADDRESSES)
  })
})

describe('what the API is asked for', () => {
  const wanted = (...objects: readonly ApiObject[]) => preview(...objects).intent.pods

  test('no pod, while no object asks', () => {
    expect(wanted()).toBeUndefined()
    expect(wanted(asks({}, { nodeSelector: "rack == 'x'" }))).toBeUndefined()
  })

  test('those of the one selector, or all where there are several', () => {
    const dns = asks({ selector: "app == 'dns' && has(anycast)" })
    expect(wanted(dns)).toEqual({ labelSelector: 'app==dns,anycast' })
    expect(wanted(dns, asks({ selector: "app == 'dns' && has(anycast)", namespaces: ['x'] }, {}, 'more'))).toEqual({
      labelSelector: 'app==dns,anycast',
    })
    expect(wanted(dns, asks({}, {}, 'more'))).toEqual({ labelSelector: undefined })
  })

  test.each<[string, string | undefined]>([
    ['all()', undefined],
    ["a == 'b'", 'a==b'],
    ["a == ''", 'a=='],
    ["a != 'b'", 'a!=b'],
    ["a in {'b', 'c'}", 'a in (b,c)'],
    ["a not in {'b'}", 'a notin (b)'],
    ['has(example.com/a)', 'example.com/a'],
    ['!has(a)', '!a'],
    ["has(a) && (b == 'c' && all())", 'a,b==c'],
    ["a == 'b' || c == 'd'", undefined],
    ["!(a == 'b')", undefined],
    ["a contains 'b'", undefined],
    ["has(a) && b starts with 'c'", undefined],
    ["a == 'b c'", undefined],
    ['a in {}', undefined],
    ['has(-a)', undefined],
  ])('%s is %s', (text, expected) => {
    const selector = parseSelector(text)
    expect('error' in selector ? selector.error : labelSelectorOf(selector)).toBe(expected)
  })
})
