import { describe, expect, test } from 'vitest'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { storeOf } from '../support/cluster.ts'
import {
  bgpAdvertisement,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  node,
  remove,
  replace,
  service,
  upsert,
} from '../support/objects.ts'

const good = bgpPeer('rack-1', { peerIP: '10.0.0.254', asNumber: 65000 })
const better = bgpPeer('rack-1', { peerIP: '10.0.0.254', asNumber: 65001 })
const bad = bgpPeer('rack-1', { peerIP: '10.0.0.254', asNumber: '70000x' })
const texts = (store: ObjectStore) => store.problems().map(({ text }) => text)
const asNumber = (store: ObjectStore) => store.get('BGPPeer', 'rack-1')?.asNumber

test('a filter with an error after many warnings is not taken for a good one', () => {
  const warned = Array.from({ length: 30 }, () => ({ action: 'Accept', cidr: '10.0.0.1/24', matchOperator: 'In' }))
  const store = storeOf([bgpFilter('f', { exportV4: [...warned, { action: 'Maybe' }] })])
  expect(store.get('BGPFilter', 'f')).toBeUndefined()
  expect(texts(store)).toContainEqual(expect.stringContaining('spec.exportV4[30].action'))
})

test.each(['constructor', 'toString', 'valueOf'])(
  'a label named %s is a change, as it comes and as it goes',
  (label) => {
    const labelled = node('a', { addresses: ['10.0.0.1'], labels: { [label]: 'x' } })
    const store = storeOf([node('a', { addresses: ['10.0.0.1'] })])
    expect(store.apply([upsert(labelled)])).toBe(true)
    expect(store.get('Node', 'a')?.labels).toEqual({ [label]: 'x' })
    expect(store.apply([upsert(node('a', { addresses: ['10.0.0.1'] }))])).toBe(true)
  },
)

test('a good version that means nothing here ends what an earlier one meant', () => {
  const store = storeOf([good])
  store.apply([upsert(bgpPeer('rack-1', { localWorkloadSelector: 'all()', asNumber: 65000 }))])
  expect(store.get('BGPPeer', 'rack-1')).toBeUndefined()
  expect(store.lastGood.toKeep().map(({ ref }) => ref.name)).not.toContain('rack-1')
  expect(texts(store)).toEqual([expect.stringContaining('the object is ignored')])
})

test('an object that means nothing here exists: readers see it come and go', () => {
  const store = storeOf([node('me', { addresses: ['10.0.0.1'] })])
  store.apply([upsert(bgpAdvertisement('a', { routes: [{ podCIDRs: true }], peers: ['pods'] }))])
  const builder = new IntentBuilder({ node: 'me' })
  const codes = () => builder.next(store).intent.problems.map(({ code }) => code)
  const pods = bgpPeer('pods', { localWorkloadSelector: 'all()', asNumber: 65000 })
  expect(codes()).toEqual(['advertisement-peer-missing'])
  store.apply([upsert(pods)])
  expect(codes()).toEqual(['field-not-carried-out'])
  store.apply([remove(pods)])
  expect(codes()).toEqual(['advertisement-peer-missing'])
})

test('a BGPPeer with an address and localWorkloadSelector has an error: the last good version stays', () => {
  const store = storeOf([good])
  store.apply([upsert(bgpPeer('rack-1', { peerIP: '10.0.0.254', asNumber: 65000, localWorkloadSelector: 'all()' }))])
  expect(asNumber(store)).toBe(65000)
  expect(texts(store)).toEqual([expect.stringContaining('may not be given together with peerIP')])
})

test('while the own Node is gone, problems of other objects with its name go with them', () => {
  const store = storeOf([node('me', { addresses: ['10.0.0.1'] }), bgpPeer('me', { peerIP: 'x', asNumber: 65000 })])
  store.apply([remove(node('me'))])
  store.apply([remove(bgpPeer('me', {}))])
  expect(texts(store)).toEqual([])
})

describe('the last good version', () => {
  test('stays in force while the newest is wrong', () => {
    const store = storeOf([good])
    expect(store.apply([upsert(bad)])).toBe(true)
    expect(asNumber(store)).toBe(65000)
    expect(texts(store)).toEqual([
      'BGPPeer/rack-1 spec.asNumber: "70000x" is not an AS number; the last good version stays in force',
    ])
    store.apply([upsert(better)])
    expect(asNumber(store)).toBe(65001)
    expect(texts(store)).toEqual([])
  })

  test('is nothing for an object that was never good', () => {
    const store = storeOf([bad])
    expect(asNumber(store)).toBeUndefined()
    expect(store.exists('BGPPeer', 'rack-1')).toBe(true)
    expect(texts(store)).toEqual(['BGPPeer/rack-1 spec.asNumber: "70000x" is not an AS number; the object is ignored'])
  })

  test('goes with the object, problems too', () => {
    const store = storeOf([good])
    store.apply([upsert(bad)])
    store.apply([remove(good)])
    expect([asNumber(store), store.exists('BGPPeer', 'rack-1'), texts(store)]).toEqual([undefined, false, []])
  })

  test('of a filter stays in force while the newest is wrong', () => {
    const rule = { action: 'Accept' }
    const store = storeOf([bgpFilter('f', { exportV4: [rule] })])
    store.apply([upsert(bgpFilter('f', { exportV4: [{ action: 'Maybe' }] }))])
    expect(store.get('BGPFilter', 'f')?.exportV4).toHaveLength(1)
    expect(texts(store)[0]).toMatch(/^BGPFilter\/f spec\.exportV4\[0\].*; the last good version stays in force$/)
  })
})

describe('apply says whether anything reads differently', () => {
  test.each<[string, Parameters<ObjectStore['apply']>[0], boolean]>([
    ['the same object', [upsert(good)], false],
    ['the same list', [replace('BGPPeer', [good])], false],
    ['another value', [upsert(better)], true],
    ['a problem only', [upsert(bad)], true],
    ['an absent object deleted', [remove(node('x'))], false],
    ['nothing', [], false],
    ['a error', [{ kind: 'source-problem', at: 'a.yaml', text: 'is no YAML' }], true],
    ['a error that was not there is over', [{ kind: 'source-problem', at: 'a.yaml', text: undefined }], false],
  ])('%s', (_name, changes, expected) => {
    expect(storeOf([good]).apply(changes)).toBe(expected)
  })

  test('a node that only breathes reads the same', () => {
    const store = storeOf([node('a', { addresses: ['10.0.0.1'] })])
    const breathing = {
      ...node('a', { addresses: ['10.0.0.1'] }),
      status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }], conditions: [{ type: 'Ready' }] },
    }
    expect(store.apply([upsert(breathing)])).toBe(false)
  })
})

describe('replace', () => {
  test('drops what is absent and keeps other kinds', () => {
    const store = storeOf([good, bgpPeer('rack-2', { peerIP: '10.0.0.253', asNumber: 65000 }), node('a')])
    store.apply([replace('BGPPeer', [better])])
    expect([...store.table('BGPPeer').keys()]).toEqual(['rack-1'])
    expect([...store.table('Node').keys()]).toEqual(['a'])
  })

  test('keeps the last good version of what is there and wrong', () => {
    const store = storeOf([good])
    store.apply([replace('BGPPeer', [bad])])
    expect(asNumber(store)).toBe(65000)
  })

  test('an object defined twice: the first place by name counts', () => {
    const store = new ObjectStore()
    const places = ['b.yaml#1', 'a.yaml#10', 'a.yaml#9']
    const objects = [bad, bad, better]
    store.apply([replace('BGPPeer', objects, (index) => places[index] ?? '')])
    expect(asNumber(store)).toBe(65001)
    expect(texts(store)).toEqual([
      'BGPPeer/rack-1: is defined a second time in a.yaml#10; the definition in a.yaml#9 is used',
      'BGPPeer/rack-1: is defined a second time in b.yaml#1; the definition in a.yaml#9 is used',
    ])
    store.apply([replace('BGPPeer', [better])])
    expect(texts(store)).toEqual([])
  })
})

describe('slices', () => {
  const slice = endpointSlice('shop/web', 'IPv4', [{ node: 'a' }])

  test('are found by their service, and touch it', () => {
    const store = storeOf([service('shop/web', { clusterIPs: ['10.96.0.1'] }), slice])
    const { revision } = store
    store.apply([upsert(endpointSlice('shop/web', 'IPv4', [{ node: 'b' }]))])
    expect(store.changedSince(revision)).toEqual([{ kind: 'Service', key: 'shop/web' }])
    expect(store.slicesOf('shop/web')).toMatchObject([{ ready: ['b'] }])
  })

  test('another pod on the same nodes touches nothing', () => {
    const store = storeOf([slice])
    const { revision } = store
    store.apply([upsert(endpointSlice('shop/web', 'IPv4', [{ node: 'a' }, { node: 'a' }]))])
    expect(store.changedSince(revision)).toEqual([])
  })

  test('moving from one service to another touches both', () => {
    const store = storeOf([slice])
    const { revision } = store
    store.apply([upsert(endpointSlice('shop/api', 'IPv4', [{ node: 'a' }], 'shop/web-ipv4'))])
    expect(store.changedSince(revision)).toEqual([
      { kind: 'Service', key: 'shop/web' },
      { kind: 'Service', key: 'shop/api' },
    ])
    expect(store.slicesOf('shop/web')).toEqual([])
  })
})

test('error at the source is a problem until it is over', () => {
  const store = new ObjectStore()
  store.apply([{ kind: 'source-problem', at: 'peers.yaml', text: 'line 3: bad indentation' }])
  expect(store.problems()).toEqual([
    { code: 'source-trouble', object: 'peers.yaml', field: '', value: '', text: 'peers.yaml: line 3: bad indentation' },
  ])
  store.apply([{ kind: 'source-problem', at: 'peers.yaml', text: undefined }])
  expect(store.problems()).toEqual([])
})
