/** BGPAdvertisement: which routes go to which peers, from which nodes, with what. Whole agents. */
import { describe, expect, test } from 'vitest'
import type { Link } from '../../src/dataplane/links.ts'
import { linkOf } from '../support/fake-kernel.ts'
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
import { type Host, World } from '../support/world.ts'

const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
const WORKER = node('worker', {
  addresses: ['10.0.0.11', 'fd00:10::11'],
  podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'],
  labels: { rack: '1' },
})
const named = (name: string, ip: string, labels: Readonly<Record<string, string>>): ApiObject => {
  const made = service(name, {
    type: 'LoadBalancer',
    clusterIPs: [`10.96.0.${ip.split('.')[3]}`],
    loadBalancerIPs: [ip],
    externalTrafficPolicy: 'Local',
  })
  return { ...made, metadata: { ...made.metadata, labels } }
}
const WEB = named('shop/web', '192.0.2.10', { tier: 'gold' })
const API = named('lab/api', '192.0.2.11', { tier: 'tin' })
/** Each pod CIDR lies in one of its own and in a wider one, or in one that is for services alone. */
const POOLS = [
  ipPool('wide', { cidr: '10.0.0.0/8' }),
  ipPool('public', { cidr: '10.244.0.0/16' }),
  { ...ipPool('inner', { cidr: 'fd00:244::/32' }), metadata: { name: 'inner', labels: { zone: 'inner' } } },
  ipPool('services', { cidr: 'fd00:244:1::/64', allowedUses: ['LoadBalancer'] }),
]
const SLICES = ['shop/web', 'lab/api'].map((of) => endpointSlice(of, 'IPv4', [{ node: 'worker', ready: true }]))

function router(world: World, name: string, number: number, asNumber: number): Host {
  const addresses = [`10.0.0.${number}`, `fd00:10::${number}`]
  return world.add(
    name,
    addresses,
    [
      node(name, { addresses }),
      bgpConfiguration({ asNumber, nodeToNodeMeshEnabled: false }),
      TAKE_ALL,
      bgpPeer('worker', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'] }),
    ].map((object) => upsert(object)),
  )
}

interface Row {
  readonly prefix: string
  readonly nextHop: string
  readonly from: string | null
  readonly asPath: readonly number[]
  readonly med: number | null
  readonly localPref: number | null
  readonly communities: readonly string[]
  readonly reason: string
}

class Scene {
  readonly world = new World()
  readonly one = router(this.world, 'one', 1, 65001)
  readonly two = router(this.world, 'two', 2, 64512)
  readonly worker: Host

  constructor(...advertisements: readonly ApiObject[]) {
    const objects = [
      WORKER,
      WEB,
      API,
      ...SLICES,
      ...POOLS,
      bgpConfiguration({
        asNumber: 64512,
        nodeToNodeMeshEnabled: false,
        serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }],
        communities: [{ name: 'gold', value: '64512:7' }],
      }),
      bgpPeer('one', { peerIP: '10.0.0.1', asNumber: 65001 }, { labels: { border: 'yes' } }),
      bgpPeer('two', { peerIP: '10.0.0.2', asNumber: 64512 }),
      ...advertisements,
    ]
    this.worker = this.world.add(
      'worker',
      ['10.0.0.11', 'fd00:10::11'],
      objects.map((object) => upsert(object)),
    )
    this.world.pass(20_000)
  }

  rows(host: Host): Row[] {
    return this.world.askJson<Row[]>(host, 'show route').filter(({ from }) => from !== null)
  }

  heard(host: Host): string[] {
    return this.rows(host)
      .map(({ prefix }) => prefix)
      .sort()
  }

  row(host: Host, prefix: string): Row | undefined {
    return this.rows(host).find((row) => row.prefix === prefix)
  }

  change(...objects: readonly ApiObject[]): this {
    this.world.change(
      this.worker,
      objects.map((object) => upsert(object)),
    )
    this.world.pass(1_000)
    return this
  }

  problems(): string {
    return this.world.ask(this.worker, 'configure check')
  }
}

const PODS = ['10.244.1.0/24', 'fd00:244:1::/64']
const RANGE = '192.0.2.0/24'
const VIPS = ['192.0.2.10/32', '192.0.2.11/32']
const ALL = [...PODS, RANGE, ...VIPS].sort()
const without = (...prefixes: string[]) => ALL.filter((prefix) => !prefixes.includes(prefix))

test('without one, every peer is told everything', () => {
  const scene = new Scene()
  expect([scene.heard(scene.one), scene.heard(scene.two)]).toEqual([ALL, ALL])
})

describe('to whom', () => {
  const gold = { services: { selector: "tier == 'gold'" } }

  test.each<[string, object]>([
    ['by name', { peers: ['one'] }],
    ['by label', { peerSelector: "border == 'yes'" }],
    ['by both', { peers: ['one'], peerSelector: "border == 'yes'" }],
  ])('a route that is named goes to the peers %s, and to no other; the rest goes as before', (_, peers) => {
    const scene = new Scene(bgpAdvertisement('gold', { routes: [gold], ...peers }))
    expect(scene.heard(scene.one)).toEqual(ALL)
    expect(scene.heard(scene.two)).toEqual(without('192.0.2.10/32'))
    const refused = scene.world.askJson<Row[]>(scene.worker, 'show route noexport Global_10_0_0_2')
    expect(refused.find(({ prefix }) => prefix === '192.0.2.10/32')?.reason).toMatch(/BGPAdvertisements.*other peers/)
  })

  test('it comes, changes and goes without a reset', () => {
    const scene = new Scene()
    const only = (peers: string[]) => bgpAdvertisement('gold', { routes: [gold], peers })
    scene.change(only(['one']))
    expect(scene.heard(scene.two)).toEqual(without('192.0.2.10/32'))
    scene.change(only(['two']))
    expect([scene.heard(scene.one), scene.heard(scene.two)]).toEqual([without('192.0.2.10/32'), ALL])
    scene.world.change(scene.worker, [remove(only([]))])
    scene.world.pass(1_000)
    expect([scene.heard(scene.one), scene.heard(scene.two)]).toEqual([ALL, ALL])
    expect(scene.worker.told('session-down')).toEqual([])
  })

  test('`show explain` says which of them name the route, and what that means for each peer', () => {
    const scene = new Scene(
      bgpAdvertisement('gold', { routes: [gold], peers: ['one'] }),
      bgpAdvertisement('pods', { routes: [{ podCIDRs: true }], peers: ['two'], aggregationLength: { ipv4: 16 } }),
    )
    const vip = scene.world.ask(scene.worker, 'show explain 192.0.2.10')
    expect(vip).toMatch(
      /Service\/shop\/web: advertised \(192\.0\.2\.10\/32 as service, named by BGPAdvertisement\/gold\)/,
    )
    expect(vip).toMatch(
      /Global_10_0_0_2: advertised \(192\.0\.2\.0\/24, .*; 192\.0\.2\.10\/32 itself is not: the BGPAdvertisements that name it are for other peers\)/,
    )
    expect(scene.world.ask(scene.worker, 'show explain 10.244.7.7')).toMatch(
      /BGPAdvertisement\/pods aggregationLength: advertised \(10\.244\.0\.0\/16 as pod-cidr, named by BGPAdvertisement\/pods\)/,
    )
  })

  test('a service that gets the label is withdrawn from the others at once', () => {
    const scene = new Scene(bgpAdvertisement('gold', { routes: [gold], peers: ['one'] }))
    scene.change(named('lab/api', '192.0.2.11', { tier: 'gold' }))
    expect(scene.heard(scene.two)).toEqual(without(...VIPS))
    scene.change(WEB, named('lab/api', '192.0.2.11', {}))
    expect(scene.heard(scene.two)).toEqual(without('192.0.2.10/32'))
  })

  test('where several name a route, it goes to the peers of each', () => {
    const scene = new Scene(
      bgpAdvertisement('a', { routes: [gold], peers: ['one'] }),
      bgpAdvertisement('b', { routes: [{ services: {} }], peers: ['two'] }),
    )
    expect(scene.heard(scene.one)).toEqual(without('192.0.2.11/32'))
    expect(scene.heard(scene.two)).toEqual(ALL)
  })

  /** One advertisement takes the place of the other. */
  let scene: Scene | undefined
  test.each<[string, object, string[]]>([
    ['pod CIDRs', { podCIDRs: true }, PODS],
    ['pod CIDRs of a pool', { pools: { names: ['public'] } }, PODS.slice(0, 1)],
    ['pod CIDRs of pools with a label', { pools: { selector: "zone == 'inner'" } }, PODS.slice(1)],
    ['pod CIDRs of pools by either', { pools: { names: ['public'], selector: "zone == 'inner'" } }, PODS],
    ['pod CIDRs of any pool', { pools: {} }, PODS],
    ['of pools that overlap, the most specific', { pools: { names: ['wide', 'ghost', 'services'] } }, []],
    ['service ranges', { serviceRanges: {} }, [RANGE]],
    ['service ranges of another kind', { serviceRanges: { kinds: ['ClusterIP'] } }, []],
    ['all services', { services: {} }, VIPS],
    ['services by kind', { services: { kinds: ['ExternalIP'] } }, []],
    ['services of a namespace', { services: { namespaces: ['lab'] } }, ['192.0.2.11/32']],
    ['services without a class', { services: { loadBalancerClasses: [''] } }, VIPS],
    ['services of a class', { services: { loadBalancerClasses: ['a/b'] } }, []],
  ])('%s', (_, choice, expected) => {
    scene ??= new Scene()
    scene.change(bgpAdvertisement('some', { routes: [choice], peers: ['one'] }))
    expect(scene.heard(scene.two)).toEqual(without(...expected))
  })

  test.each([
    ["rack == '1'", true],
    ["rack == '2'", false],
  ])('on nodes where %s', (nodeSelector, counts) => {
    const scene = new Scene(bgpAdvertisement('gold', { nodeSelector, routes: [gold], peers: ['one'] }))
    expect(scene.heard(scene.two)).toEqual(counts ? without('192.0.2.10/32') : ALL)
  })
})

describe('what it adds', () => {
  test('prefixes of its own and the addresses of the node become routes', () => {
    const routes = [{ prefixes: ['203.0.113.0/24', '2001:db8:3::/48'] }, { nodeAddresses: true }]
    const scene = new Scene(bgpAdvertisement('more', { routes, peers: ['one'] }))
    const more = ['10.0.0.11/32', '2001:db8:3::/48', '203.0.113.0/24', 'fd00:10::11/128']
    expect(scene.heard(scene.one)).toEqual([...ALL, ...more].sort())
    expect(scene.heard(scene.two)).toEqual(ALL)
    scene.world.change(scene.worker, [remove(bgpAdvertisement('more', {}))])
    scene.world.pass(1_000)
    expect(scene.heard(scene.one)).toEqual(ALL)
  })

  describe('the addresses of an interface', () => {
    const lo = (...addresses: string[]) => linkOf(1, 'lo', true, ['127.0.0.1/8', '::1/128', 'fe80::1/64', ...addresses])
    const links = (scene: Scene, ...present: readonly Link[]) => {
      scene.world.feed(scene.worker, { kind: 'links', change: { full: false, gone: [], present } })
      scene.world.pass(1_000)
    }
    const loopback = (more: object = {}) =>
      new Scene(bgpAdvertisement('lo', { routes: [{ interfaces: ['lo'] }], peers: ['one'], ...more }))

    test('become routes, those that stay and reach beyond the link; and follow the interface', () => {
      const scene = loopback()
      expect(scene.heard(scene.one)).toEqual(ALL)
      expect(scene.problems()).toMatch(
        /BGPAdvertisement\/lo spec\.routes\[0\]\.interfaces\[0\]: "lo" adds no address: it does not exist on this node/,
      )
      links(scene, lo('203.0.113.7/32', '2001:db8:7::7/128'))
      expect(scene.heard(scene.one)).toEqual([...ALL, '2001:db8:7::7/128', '203.0.113.7/32'].sort())
      expect(scene.heard(scene.two)).toEqual(ALL)
      expect(scene.problems()).not.toMatch(/interfaces/)
      expect(scene.world.ask(scene.worker, 'show services')).toMatch(
        /^.*203\.0\.113\.7\/32 +interface +1 of 2 +BGPAdvertisement\/lo$/m,
      )
      links(scene, lo('203.0.113.8/32'))
      expect(scene.heard(scene.one)).toEqual([...ALL, '203.0.113.8/32'].sort())
      links(scene, { ...lo('203.0.113.8/32'), flags: 0 })
      expect(scene.heard(scene.one)).toEqual(ALL)
      expect(scene.problems()).toMatch(/"lo" adds no address: it is switched off/)
      expect(scene.worker.told('session-down')).toEqual([])
    })

    test('a prefix that is asked for by itself stays one, though an interface has it, and though a service has it', () => {
      const routes = [{ interfaces: ['lo'] }, { prefixes: ['203.0.113.7/32', '192.0.2.10/32'] }]
      const scene = loopback({ routes })
      const before = scene.heard(scene.one)
      expect(before).toContain('203.0.113.7/32')
      links(scene, lo('203.0.113.7/32', '192.0.2.10/32'))
      expect(scene.heard(scene.one)).toEqual(before)
      expect(scene.world.ask(scene.worker, 'show services')).toMatch(/203\.0\.113\.7\/32 +advertisement /)
    })

    test('tentative and temporary ones are not among them, and it says why', () => {
      const scene = loopback()
      const link = lo('203.0.113.7/32', '2001:db8:7::7/128', '2001:db8:7::9/128', '2001:db8:7::a/128')
      const flags = [0x80, 0x80, 0x80, 0x80, 0x40, 0x01, 0x08]
      links(scene, { ...link, addresses: link.addresses.map((one, at) => ({ ...one, flags: flags[at] ?? 0 })) })
      expect(scene.heard(scene.one)).toEqual([...ALL, '203.0.113.7/32'].sort())
      const explained = ['7', '9', 'a'].map((last) => scene.world.ask(scene.worker, `show explain 2001:db8:7::${last}`))
      for (const [at, word] of ['tentative', 'temporary', 'a duplicate'].entries())
        expect(explained[at]).toContain(`BGPAdvertisement/lo: interface lo: the address is ${word}`)
    })

    test('a deprecated one is: it still receives, and keepalived adds every IPv6 VIP as such', () => {
      const scene = loopback()
      const link = lo('2001:db8:7::8/128')
      links(scene, { ...link, addresses: link.addresses.map((one) => ({ ...one, flags: 0xa2 })) })
      expect(scene.heard(scene.one)).toEqual([...ALL, '2001:db8:7::8/128'].sort())
    })

    test('the address of a service is the service’s own, whether it is advertised or not', () => {
      const scene = loopback()
      links(scene, lo('192.0.2.10/32', '192.0.2.99/32'))
      expect(scene.heard(scene.two)).toEqual(ALL)
      expect(scene.heard(scene.one)).toEqual([...ALL, '192.0.2.99/32'].sort())
      scene.change(endpointSlice('shop/web', 'IPv4', []))
      expect(scene.heard(scene.one)).toEqual([...without('192.0.2.10/32'), '192.0.2.99/32'].sort())
      expect(scene.world.ask(scene.worker, 'show explain 192.0.2.10')).toMatch(
        /BGPAdvertisement\/lo: it is the address of a service/,
      )
    })

    test('go when nobody names them', () => {
      const scene = loopback()
      links(scene, lo('203.0.113.7/32'))
      scene.world.change(scene.worker, [remove(bgpAdvertisement('lo', {}))])
      scene.world.pass(1_000)
      expect(scene.heard(scene.one)).toEqual(ALL)
    })
  })

  const everything = {
    routes: [{ services: {} }],
    communities: ['gold', '64512:100', '64512:1:2'],
    med: 20,
    localPreference: 300,
    prependASPath: [64999],
  }

  test('attributes, as the peer may have them', () => {
    const scene = new Scene(bgpAdvertisement('all', everything))
    expect(scene.row(scene.one, '192.0.2.10/32')).toMatchObject({
      asPath: [64512, 64999],
      med: 20,
      communities: ['64512:7', '64512:100'],
      largeCommunities: ['64512:1:2'],
    })
    expect(scene.row(scene.two, '192.0.2.10/32')).toMatchObject({ asPath: [64999], med: 20, localPref: 300 })
    expect(scene.row(scene.one, RANGE)).toMatchObject({ asPath: [64512], med: null, communities: [] })
  })

  test('a next hop by hand, for its family', () => {
    const nextHop = { ipv4: '198.51.100.7' }
    const scene = new Scene(bgpAdvertisement('nat', { routes: [{ services: {} }, { podCIDRs: true }], nextHop }))
    expect(scene.row(scene.one, '192.0.2.10/32')?.nextHop).toBe('198.51.100.7')
    expect(scene.row(scene.one, PODS[1] ?? '')?.nextHop).toBe('fd00:10::11')
  })

  test('of several: what can be added is, of the rest the last name stands', () => {
    const scene = new Scene(
      bgpAdvertisement('a', {
        routes: [{ services: {} }],
        communities: ['1:1'],
        med: 1,
        localPreference: 1,
        prependASPath: [1],
      }),
      bgpAdvertisement('b', {
        routes: [{ services: {} }],
        communities: ['2:2'],
        med: 2,
        localPreference: 2,
        prependASPath: [2],
      }),
      bgpAdvertisement('c', { routes: [{ services: {} }], peers: ['one'], med: 3 }),
    )
    const common = { communities: ['1:1', '2:2'] }
    expect(scene.row(scene.one, '192.0.2.10/32')).toMatchObject({ ...common, med: 3, asPath: [64512, 2, 1] })
    expect(scene.row(scene.two, '192.0.2.10/32')).toMatchObject({ ...common, med: 2, localPref: 2, asPath: [2, 1] })
  })

  test('the filters of the peer come behind it', () => {
    const scene = new Scene(bgpAdvertisement('all', everything))
    scene.change(
      bgpFilter('last', { exportV4: [{ action: 'Accept', operations: [{ addCommunity: { value: '9:9' } }] }] }),
      bgpPeer('one', { peerIP: '10.0.0.1', asNumber: 65001, filters: ['last'] }),
    )
    expect(scene.row(scene.one, '192.0.2.10/32')).toMatchObject({
      med: 20,
      communities: ['64512:7', '64512:100', '9:9'],
    })
  })
})

describe('with faults', () => {
  test.each<[string, object, RegExp]>([
    [
      'a community without a value',
      { communities: ['silver'] },
      /BGPAdvertisement\/bad spec\.communities\[0\]: "silver" names no community/,
    ],
    ['a wrong MED', { med: -1 }, /BGPAdvertisement\/bad spec\.med: -1 is not a whole number/],
    [
      'a selector that is none',
      { peerSelector: 'border ==' },
      /BGPAdvertisement\/bad spec\.peerSelector: "border ==" is not a selector/,
    ],
    [
      'a prefix that is none',
      { routes: [{ services: {} }, { prefixes: ['10.0.0.1'] }] },
      /BGPAdvertisement\/bad spec\.routes\[1\]\.prefixes\[0\]: "10\.0\.0\.1" is not a CIDR/,
    ],
    ['a next hop of the other family', { nextHop: { ipv4: 'fd00::1' } }, /spec\.nextHop\.ipv4/],
  ])('%s: what it names is told to nobody, all else goes on', (_, spec, problem) => {
    const scene = new Scene(bgpAdvertisement('bad', { routes: [{ services: {} }], ...spec }))
    expect([scene.heard(scene.one), scene.heard(scene.two)]).toEqual([without(...VIPS), without(...VIPS)])
    expect(scene.problems()).toMatch(problem)
  })

  test('where it was good before, that stays in force', () => {
    const good = { routes: [{ services: {} }], peers: ['one'], med: 5 }
    const scene = new Scene(bgpAdvertisement('all', good))
    scene.change(bgpAdvertisement('all', { ...good, med: 'much' }))
    expect(scene.row(scene.one, '192.0.2.10/32')?.med).toBe(5)
    expect(scene.heard(scene.two)).toEqual(without(...VIPS))
    expect(scene.problems()).toMatch(/spec\.med: "much"/)
  })

  test('an IPPool that does not exist is named', () => {
    const scene = new Scene(
      bgpAdvertisement('all', { routes: [{ services: {} }, { pools: { names: ['x', 'ghost'] } }] }),
    )
    expect(scene.problems()).toMatch(
      /BGPAdvertisement\/all spec\.routes\[1\]\.pools\.names\[1\]: "ghost" is not an IPPool/,
    )
  })

  test('a pool that comes, goes or has another label counts at once', () => {
    const scene = new Scene(bgpAdvertisement('some', { routes: [{ pools: { names: ['late'] } }], peers: ['one'] }))
    expect(scene.heard(scene.two)).toEqual(ALL)
    scene.change(ipPool('late', { cidr: '10.244.1.0/24' }))
    expect(scene.heard(scene.two)).toEqual(without('10.244.1.0/24'))
    scene.world.change(scene.worker, [remove(ipPool('late', { cidr: '10.244.1.0/24' }))])
    scene.world.pass(1_000)
    expect(scene.heard(scene.two)).toEqual(ALL)
  })

  test('a BGPPeer that does not exist is named; it may come', () => {
    const scene = new Scene(bgpAdvertisement('all', { routes: [{ services: {} }], peers: ['ghost'] }))
    expect(scene.problems()).toMatch(/BGPAdvertisement\/all spec\.peers\[0\]: "ghost" is not a BGPPeer/)
    expect(scene.heard(scene.one)).toEqual(without(...VIPS))
  })

  test.each<[string, unknown]>([
    ['no routes', undefined],
    ['a route of no kind', [{}]],
  ])('%s: it names nothing', (_, routes) => {
    const scene = new Scene(bgpAdvertisement('bad', { routes, peers: ['one'] }))
    expect(scene.heard(scene.two)).toEqual(ALL)
    expect(scene.problems()).toMatch(/BGPAdvertisement\/bad spec\.routes/)
  })

  test.each<[string, object, readonly string[]]>([
    ['a route of two', { podCIDRs: true, services: {} }, [...VIPS, ...PODS]],
    ['a wrong kind of services', { services: { kinds: ['LoadBalancer'] } }, VIPS],
  ])('%s: what it could name is told to nobody', (_, choice, held) => {
    const scene = new Scene(bgpAdvertisement('bad', { routes: [choice], peers: ['one'] }))
    expect([scene.heard(scene.one), scene.heard(scene.two)]).toEqual([without(...held), without(...held)])
    expect(scene.problems()).toMatch(/BGPAdvertisement\/bad spec\.routes\[0\]/)
  })
})
