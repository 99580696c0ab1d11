/** One wrong field holds what rests on it, and a restart is never worse than the last good version. */
import { describe, expect, test } from 'vitest'
import { evaluate, type PolicyRoute } from '../../src/bgp/policy/evaluate.ts'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import type { Intent, PeerIntent } from '../../src/cluster/intent.ts'
import { type KeptObject, readKept } from '../../src/cluster/last-good.ts'
import type { Kind, ObjectChange } from '../../src/cluster/source.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { originatedRoute, route } from '../bgp/policy/support.ts'
import { intentOf, problemsOf, routesOf } from '../support/cluster.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  remove,
  service,
  upsert,
} from '../support/objects.ts'

const GOOD = {
  asNumber: 64700,
  listenPort: 1790,
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }],
  serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }],
}
const HERE = node('here', { addresses: ['10.0.0.1'], podCIDRs: ['10.244.1.0/24'] })
const THERE = node('there', { addresses: ['10.0.0.2'], podCIDRs: ['10.244.2.0/24'] })
const TOR = bgpPeer('tor', { peerIP: '10.0.0.9', asNumber: 65001 })
const WEB = service('shop/web', {
  type: 'LoadBalancer',
  clusterIPs: ['10.96.0.10'],
  loadBalancerIPs: ['192.0.2.10'],
  externalTrafficPolicy: 'Local',
})
const SLICE = endpointSlice('shop/web', 'IPv4', [{ node: 'here', ready: true }])
const OBJECTS = [HERE, THERE, TOR, WEB, SLICE]

const OTHERS = '10.0.0.2'
const ROUTER = '10.0.0.9'
const peerAt = (intent: Intent, address: string) => [...intent.peers.values()].find((peer) => peer.address === address)
const addresses = (intent: Intent) => [...intent.peers.values()].map(({ address }) => address)

const PODS = ['10.244.1.0/24']
const CLUSTER_IPS = ['10.96.0.0/16', '10.96.0.10/32']
const LOAD_BALANCER_IPS = ['192.0.2.0/24', '192.0.2.10/32']
const ALL = [...PODS, ...CLUSTER_IPS, ...LOAD_BALANCER_IPS]

/** A file that cannot be read, and that may hold objects of these kinds. */
const unreadable = (...hides: readonly Kind[]) =>
  ({ kind: 'source-problem', at: 'bgp.yaml', text: 'cannot be read', hides }) as const

const replaceOf = (of: Kind, object: ApiObject): ObjectChange => {
  const one = upsert(object)
  return { kind: 'replace', of, objects: one.kind === 'upsert' ? [one] : [] }
}

test('a wrong annotation of ours holds as much as the field would', () => {
  const wrong = {
    ...bgpConfiguration({}),
    metadata: { name: 'default', annotations: { 'godwit.dev/nodeRoutes': 'direct' } },
  }
  const held = intentOf('here', [...OBJECTS, wrong])
  const field = intentOf('here', [...OBJECTS, bgpConfiguration({ nodeRoutes: 'direct' })])
  expect(routesOf(held)).toEqual(routesOf(field))
  expect([...held.peers.values()].map(({ held: why }) => why)).toEqual(
    [...field.peers.values()].map(({ held: why }) => why),
  )
})

describe('a wrong field of BGPConfiguration/default at the start', () => {
  test.each<[field: string, value: unknown, held: string[], routes: string[]]>([
    ['asNumber', 'lots', [ROUTER, OTHERS], ALL],
    ['asNumber', 64512.5, [ROUTER, OTHERS], ALL],
    ['listenPort', 0, [ROUTER, OTHERS], ALL],
    ['bindMode', 'Some', [ROUTER, OTHERS], ALL],
    ['nodeToNodeMeshEnabled', 'no', [OTHERS], ALL],
    ['nodeMeshFilters', 'all', [OTHERS], ALL],
    ['serviceClusterIPs', [{ cidr: '10.96.0.0/16' }, { cidr: '10.97.0.0/33' }], [], [...PODS, ...LOAD_BALANCER_IPS]],
    ['serviceLoadBalancerIPs', '192.0.2.0/24', [], [...PODS, ...CLUSTER_IPS]],
    ['serviceLoadBalancerAggregation', 'off', [], [...PODS, ...CLUSTER_IPS]],
    [
      'prefixAdvertisements',
      [{ cidr: '10.244.0.0/16', communities: ['1:99999'] }],
      [],
      [...CLUSTER_IPS, ...LOAD_BALANCER_IPS],
    ],
    ['prefixAdvertisements', [{ cidr: '10.244.0.0/33', communities: ['1:1'] }], [], []],
    ['communities', [{ name: 'x', value: 'y' }], [], ALL],
    ['multipath', { paths: 0 }, [], ALL],
  ])('%s: %j', (field, value, held, routes) => {
    const intent = intentOf('here', [...OBJECTS, bgpConfiguration({ ...GOOD, [field]: value })])
    const peers = [...intent.peers.values()]
    expect(peers.filter((peer) => peer.held !== undefined).map(({ address }) => address)).toEqual(held)
    for (const { held: why } of peers)
      if (why !== undefined) expect(why).toMatch(/^spec\.\w+.* of BGPConfiguration\/default is wrong$/)
    expect(routesOf(intent)).toEqual([...routes].sort())
    expect(problemsOf(intent)).toContainEqual(
      expect.stringMatching(
        /^BGPConfiguration\/default spec\..*; objects that depend on it are held, everything else is in force$/,
      ),
    )
    // The right fields count.
    if (field !== 'asNumber') expect(intent.node?.asNumber).toBe(64700)
    if (field !== 'listenPort') expect(intent.node?.listenPort).toBe(1790)
    const whys = [...intent.refusals.values()].join('\n')
    if (routes.length < ALL.length) expect(whys).toMatch(/ is wrong/)
  })

  test('a node that says its own port does not rest on the default one, and rests on the bind mode', () => {
    const own = (name: string) => bgpConfiguration({ listenPort: 1791 }, `node.${name}`)
    const heldBy = (field: string, ...objects: readonly ApiObject[]) => {
      const intent = intentOf('here', [...OBJECTS, ...objects, bgpConfiguration({ ...GOOD, [field]: 'Some' })])
      return [...intent.peers.values()].filter(({ held }) => held !== undefined).map(({ address }) => address)
    }
    expect(heldBy('listenPort', own('here'))).toEqual([OTHERS])
    expect(heldBy('listenPort', own('here'), own('there'))).toEqual([])
    expect(heldBy('bindMode', own('here'), own('there'))).toEqual([ROUTER, OTHERS])
  })

  test('a node with prefixAdvertisements of its own does not rest on the default ones', () => {
    const wrong = bgpConfiguration({ ...GOOD, prefixAdvertisements: [{ cidr: '10.244.0.0/33', communities: [] }] })
    const own = bgpConfiguration(
      { prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['64700:1'] }] },
      'node.here',
    )
    expect(routesOf(intentOf('here', [...OBJECTS, wrong]))).toEqual([])
    expect(routesOf(intentOf('here', [...OBJECTS, wrong, own]))).toEqual([...ALL].sort())
  })

  test('a wrong value in a field that is ignored holds nothing', () => {
    const cidrs = bgpConfiguration({ ...GOOD, podCIDRs: ['10.0.0.0/33'] })
    expect(routesOf(intentOf('here', [...OBJECTS, cidrs]))).toEqual([...ALL].sort())
    const source = [bgpConfiguration(GOOD), bgpConfiguration({ podCIDRSource: 'None' }, 'node.here')]
    expect(routesOf(intentOf('here', [...OBJECTS, ...source]))).toEqual([...ALL].sort())
  })

  test.each([
    [undefined, 'here', PODS],
    ['Node', 'here', PODS],
    ['Static', 'here', []],
    ['Static', 'there', ['10.1.0.0/24']],
    ['None', 'here', []],
  ])('wrong podCIDRs hold pods only while they are the source: %s, at %s', (podCIDRSource, wrong, pods) => {
    const podCIDRs = (name: string) => [name === wrong ? '10.1.0.0/33' : '10.1.0.0/24']
    const own = ['here', 'there'].map((name) => bgpConfiguration({ podCIDRs: podCIDRs(name) }, `node.${name}`))
    const source = podCIDRSource === undefined ? {} : { podCIDRSource }
    const intent = intentOf('here', [HERE, THERE, TOR, bgpConfiguration({ asNumber: 64700, ...source }), ...own])
    expect(routesOf(intent)).toEqual(pods)
  })

  test('no spec to be read: everything that could do harm is held', () => {
    const intent = intentOf('here', [...OBJECTS, { ...bgpConfiguration({}), spec: 'none' }])
    expect([...intent.peers.values()].every(({ held }) => held !== undefined)).toBe(true)
    expect(routesOf(intent)).toEqual([])
  })

  test('a node that says its own AS number does not rest on the default one', () => {
    const own = { ...HERE, metadata: { ...HERE.metadata, annotations: { 'godwit.dev/asNumber': '65010' } } }
    const intent = intentOf('here', [own, THERE, TOR, bgpConfiguration({ ...GOOD, asNumber: 0 })])
    expect(peerAt(intent, ROUTER)?.held).toBeUndefined()
    expect(peerAt(intent, OTHERS)?.held).toMatch(/asNumber/)
  })

  test('a wrong annotation of a Node holds the sessions that rest on it', () => {
    const odd = (of: ApiObject) => ({
      ...of,
      metadata: { ...of.metadata, annotations: { 'godwit.dev/asNumber': 'many' } },
    })
    const other = intentOf('here', [HERE, odd(THERE), TOR, bgpConfiguration(GOOD)])
    expect(peerAt(other, OTHERS)?.held).toBe('metadata.annotations[godwit.dev/asNumber] of Node/there is wrong')
    expect(peerAt(other, ROUTER)?.held).toBeUndefined()
    const own = intentOf('here', [odd(HERE), THERE, TOR, bgpConfiguration(GOOD)])
    expect([...own.peers.values()].map(({ held }) => held !== undefined)).toEqual([true, true])
    expect(routesOf(own)).toContain('10.244.1.0/24')
  })

  test('a pool in part is told to nobody, and nothing of it is translated', () => {
    const intent = intentOf('here', [
      HERE,
      TOR,
      ipPool('p', { cidr: '10.244.0.0/16', disableBGPExport: 'yes', natOutgoing: true, nat: { address: 'x' } }),
    ])
    expect(intent.dataplane?.pools).toMatchObject([{ disableBgpExport: true, natOutgoing: false }])
  })
})

describe('the last good version', () => {
  const kept = (objects: readonly ApiObject[]): KeptObject[] => {
    const store = new ObjectStore('here')
    store.apply(objects.map((object) => upsert(object)))
    store.settleRestored()
    return saved(store)
  }
  const saved = (store: ObjectStore) => readKept(JSON.parse(JSON.stringify(store.lastGood.toKeep()))) ?? []
  const restart = (before: readonly ApiObject[], changes: readonly ObjectChange[]) => {
    const store = new ObjectStore('here')
    store.lastGood.restore(before.length === 0 ? [] : kept(before))
    store.apply(changes)
    store.settleRestored()
    const builder = new IntentBuilder({ node: 'here' })
    const again = () => {
      store.settleRestored()
      return builder.build(store)
    }
    return { store, intent: builder.build(store), again }
  }
  const BEFORE = [...OBJECTS, bgpConfiguration(GOOD)]

  test('a long one that cannot be seen is read in steps, and once', () => {
    const store = new ObjectStore('here')
    const importV4 = Array.from({ length: 2_000 }, () => ({ action: 'Accept' }))
    store.lastGood.restore(kept([bgpFilter('long', { importV4 })]))
    store.apply([unreadable('BGPFilter')])
    const first = [...store.settleSteps()]
    expect(store.get('BGPFilter', 'long')?.importV4).toHaveLength(2_000)
    expect(first.length).toBeGreaterThan(100)
    expect(Math.max(...first)).toBeLessThan(200)
    const revision = store.revision
    expect([...store.settleSteps()].length).toBeLessThan(5)
    expect([store.revision, store.problems().length]).toEqual([revision, 2])
  })
  const odd = upsert(bgpConfiguration({ ...GOOD, asNumber: 'lots' }))
  const others = OBJECTS.map((object) => upsert(object))

  test('of an earlier run is in force until a good one is seen', () => {
    const { store, intent, again } = restart(BEFORE, [...others, odd])
    expect(intent.node?.asNumber).toBe(64700)
    expect(peerAt(intent, ROUTER)?.held).toBeUndefined()
    expect(problemsOf(intent)).toEqual([
      'BGPConfiguration/default spec.asNumber: "lots" is not an AS number; the last good version, saved by an earlier run, is in force',
    ])
    store.apply([upsert(bgpConfiguration({ ...GOOD, asNumber: 64701 }))])
    expect(again().node?.asNumber).toBe(64701)
    expect(problemsOf(again())).toEqual([])
    // From here on that one is the last good one.
    store.apply([odd])
    expect(again().node?.asNumber).toBe(64701)
  })

  test('is kept for the run after next too', () => {
    const { store } = restart(BEFORE, [...others, odd])
    expect(
      store.lastGood
        .toKeep()
        .map(({ ref }) => `${ref.kind}/${ref.name}`)
        .sort(),
    ).toEqual([
      'BGPAdvertisement/',
      'BGPConfiguration/',
      'BGPConfiguration/default',
      'BGPPeer/tor',
      'IPPool/',
      'Node/here',
    ])
  })

  test('counts for peers as well: a restart does not lose the session', () => {
    const { intent } = restart(BEFORE, [
      ...others,
      upsert(bgpConfiguration(GOOD)),
      upsert(bgpPeer('tor', { peerIP: '10.0.0.999' })),
    ])
    expect(peerAt(intent, ROUTER)).toMatchObject({ remoteAs: 65001, held: undefined })
  })

  test('does not bring back what is gone', () => {
    const { intent, store } = restart(BEFORE, [upsert(HERE)])
    expect(intent.peers.size).toBe(0)
    expect(intent.node?.asNumber).toBe(64512)
    expect(store.lastGood.toKeep().map(({ ref }) => ref.kind)).toEqual([
      'Node',
      'BGPConfiguration',
      'BGPAdvertisement',
      'IPPool',
    ])
  })

  test('is in force for what may stand where nothing can be read, until that can', () => {
    const error = unreadable('BGPConfiguration', 'BGPPeer')
    const { store, intent, again } = restart(BEFORE, [...others.slice(0, 2), error])
    expect(intent.node?.asNumber).toBe(64700)
    expect(addresses(intent)).toEqual([ROUTER, OTHERS])
    // Of `node.here` and `node.there` the earlier run knew that there are none.
    expect([...intent.peers.values()].map(({ held }) => held)).toEqual([undefined, undefined])
    expect(routesOf(intent)).toEqual(expect.arrayContaining(PODS))
    expect(problemsOf(intent)).toContainEqual(
      'BGPPeer/tor: bgp.yaml cannot be read, and it may hold BGPPeer/tor; the last good version, saved by an earlier run, is in force',
    )
    store.apply([{ ...error, text: undefined }])
    expect(addresses(again())).toEqual([OTHERS])
    expect(again().node?.asNumber).toBe(64512)
    expect(problemsOf(again())).toEqual([])
  })

  test('with configurations of nodes is in force as well, however often the agent restarts', () => {
    const own = { ...bgpConfiguration({ listenPort: 1791 }), metadata: { name: 'node.here' } }
    const error = unreadable('BGPConfiguration')
    let memory = kept([...BEFORE, own])
    for (let run = 0; run < 3; run++) {
      const store = new ObjectStore('here')
      store.lastGood.restore(memory)
      store.apply([...others, error])
      store.settleRestored()
      const { node: here, peers } = new IntentBuilder({ node: 'here' }).build(store)
      expect(here).toMatchObject({ asNumber: 64700, listenPort: 1791 })
      expect([...peers.values()].map(({ held }) => held)).toEqual([undefined, undefined])
      memory = saved(store)
    }
  })

  test('of a run that could not see all says nothing of what it did not see', () => {
    const error = unreadable('BGPConfiguration')
    const never = upsert({ ...bgpConfiguration({ listenPort: 0 }), metadata: { name: 'node.here' } })
    for (const blind of [error, never]) {
      const first = new ObjectStore('here')
      first.apply([...others, upsert(bgpConfiguration(GOOD)), blind])
      first.settleRestored()
      const second = new ObjectStore('here')
      second.lastGood.restore(saved(first))
      second.apply([...others, error])
      second.settleRestored()
      const { peers } = new IntentBuilder({ node: 'here' }).build(second)
      expect(peers.get('Global_10_0_0_9')?.held).toMatch(/it may hold BGPConfiguration\/node\.here$/)
    }
  })

  test('where there is none, what may stand there is held and not taken for absent', () => {
    const error = unreadable('BGPConfiguration')
    const { store, intent, again } = restart([], [...others, error])
    expect([...intent.peers.values()].map(({ held }) => held)).toEqual(
      Array(2).fill('bgp.yaml cannot be read, and it may hold BGPConfiguration/default'),
    )
    expect(routesOf(intent)).toEqual([])
    store.apply([{ ...error, text: undefined }])
    expect([...again().peers.values()].map(({ held }) => held)).toEqual([undefined, undefined])
    expect(routesOf(again())).toEqual(PODS)
  })

  describe.each<[Kind, ApiObject, learned: string]>([
    ['BGPAdvertisement', bgpAdvertisement('a', { routes: [{ podCIDRs: true }], peers: ['other'] }), 'accept'],
    ['IPPool', ipPool('p', { cidr: '10.244.0.0/16', disableBGPExport: true }), 'reject'],
  ])('where some %s may stand that would restrict what is advertised', (kind, restricting, learned) => {
    const error = unreadable(kind)
    /** What becomes of the pod CIDR of this node and of that of another one, told to the router and to the mesh. */
    const told = ({ peers, routes }: Intent) => {
      const { named = [] } = routes.get('10.244.1.0/24') ?? {}
      const [own, other] = [
        { ...originatedRoute('10.244.1.0/24'), named },
        route('10.244.2.0/24', { learnedFrom: 'internal' }),
      ]
      const rule = (at: string, what: PolicyRoute) => {
        const { exportPolicy } = peers.get(at) as PeerIntent
        return evaluate(exportPolicy, what, at === 'Mesh_10_0_0_2' ? 'internal' : 'external')
      }
      return [rule('Global_10_0_0_9', own), rule('Mesh_10_0_0_2', own), rule('Mesh_10_0_0_2', other)]
    }
    const kinds = (intent: Intent) => told(intent).map((one) => one.kind)

    test('nothing that it might restrict is advertised in a first run, whatever filters say, and it is said why', () => {
      const open = bgpFilter('f', { exportV4: [{ action: 'Accept' }] })
      const first = bgpPeer('tor', { peerIP: '10.0.0.9', asNumber: 65001, filters: ['f'] })
      const { store, intent, again } = restart([], [...others, upsert(open), upsert(first), error])
      const why = `bgp.yaml cannot be read, and it may hold a${kind === 'IPPool' ? 'n' : ''} ${kind}`
      expect(kinds(intent)).toEqual(['reject', 'reject', learned])
      expect(told(intent)[0]).toMatchObject({ reason: why })
      expect(problemsOf(intent).join('\n')).toMatch(
        new RegExp(`^export: ${why}; no (own )?route is advertised until it is`, 'm'),
      )
      store.apply([{ ...error, text: undefined }])
      expect(kinds(again())).toEqual(['accept', 'accept', 'accept'])
      expect(problemsOf(again())).toEqual([])
    })

    test('an earlier run that knew all knows that there is none, or has it', () => {
      expect(kinds(restart(BEFORE, [...others, error]).intent)).toEqual(['accept', 'accept', 'accept'])
      const { intent } = restart([...BEFORE, restricting], [...others, error])
      expect(told(intent)[0]?.kind).toBe('reject')
      expect(problemsOf(intent).join()).not.toMatch(/^export: /)
    })

    test('of one that did not know all, nothing is taken for granted', () => {
      const blind = new ObjectStore('here')
      blind.apply([...others, error])
      blind.settleRestored()
      const next = new ObjectStore('here')
      next.lastGood.restore(saved(blind))
      next.apply([...others, error])
      next.settleRestored()
      expect(kinds(new IntentBuilder({ node: 'here' }).build(next))).toEqual(['reject', 'reject', learned])
    })
  })

  test('holds no key: of a password only the reference', () => {
    const password = { secretKeyRef: { name: 'bgp', key: 'tor', value: 'hunter2' } }
    const annotations = {
      'kubectl/last': 'hunter2',
      'godwit.dev/keyChain': '[{"key": "hunter2"}]',
      'godwit.dev/password': 'hunter2',
      'projectcalico.org/metadata': JSON.stringify({ annotations: { 'godwit.dev/password': 'hunter2' } }),
    }
    const objects = [
      bgpPeer('a', { peerIP: '10.0.0.9', asNumber: 1, password }),
      bgpPeer('b', { peerIP: '10.0.0.8', asNumber: 1, password: 'hunter2' }),
      bgpPeer('c', { peerIP: '10.0.0.7', asNumber: 1, keyChain: [{ sendID: 1, key: 'hunter2', ...password }] }),
      bgpPeer('d', { peerIP: '10.0.0.6', asNumber: 1, keyChain: 'hunter2' }),
      bgpPeer('e', { peerIP: '10.0.0.5', asNumber: 1, x: [{ password: 'hunter2' }, [{ keyChain: 'hunter2' }]] }),
      bgpConfiguration({ nodeMeshPassword: 'hunter2', nodeMeshKeyChain: ['hunter2'] }),
    ].map((object) => ({ ...object, metadata: { ...object.metadata, annotations } }))
    expect(JSON.stringify(kept(objects))).not.toContain('hunter2')
    expect(JSON.stringify(kept(objects))).toContain('"name":"bgp"')
  })

  test('is written again only where it differs', () => {
    const store = new ObjectStore('here')
    store.apply([upsert(TOR), upsert(HERE)])
    const { revision } = store.lastGood
    const beats = { ...HERE, status: { ...(HERE.status as object), conditions: [{ type: 'Ready', status: 'True' }] } }
    store.apply([upsert(TOR), upsert(beats)])
    store.apply([replaceOf('BGPPeer', TOR)])
    expect(store.lastGood.revision).toBe(revision)
    store.apply([upsert(bgpPeer('tor', { peerIP: '10.0.0.9', asNumber: 65002 }))])
    expect(store.lastGood.revision).toBeGreaterThan(revision)
  })

  test('the annotations of the Node that a BGPPeer may read are kept', () => {
    const annotated = node('here', {
      addresses: ['10.0.0.1'],
      annotations: { 'example.com/tor': '10.0.0.9', other: 'x' },
    })
    const [first] = kept([annotated])
    expect(first?.object).toMatchObject({ metadata: { annotations: { 'example.com/tor': '10.0.0.9' } } })
    expect(JSON.stringify(first)).not.toContain('other')
  })

  test('what is deleted and what is no list of objects is nothing', () => {
    const store = new ObjectStore('here')
    store.apply([upsert(TOR), remove(TOR)])
    expect(store.lastGood.toKeep()).toEqual([])
    for (const odd of [undefined, null, 3, {}]) expect(readKept(odd)).toBeUndefined()
    for (const odd of [[null], [{ ref: { kind: 'Ghost', namespace: '', name: 'x' } }]]) {
      expect(readKept(odd)).toEqual([])
    }
  })
})
