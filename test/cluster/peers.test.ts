import { describe, expect, test } from 'vitest'
import { REJECT_ALL } from '../../src/bgp/policy/defaults.ts'
import { DEFAULT_MAX_PREFIXES } from '../../src/cluster/make-peer.ts'
import { intentOf, peersOf, problemsOf } from '../support/cluster.ts'
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, node } from '../support/objects.ts'

const NO_MESH = bgpConfiguration({ nodeToNodeMeshEnabled: false })
const a = node('a', { addresses: ['10.0.0.1', 'fd00::1'], labels: { rack: 'r1' } })
const b = node('b', { addresses: ['10.0.0.2', 'fd00::2'], labels: { rack: 'r2', reflector: 'yes' } })
const rack = (name: string, spec: object) => bgpPeer(name, { peerIP: '10.0.0.254', asNumber: 65000, ...spec })
const onA = (...objects: ApiObject[]) => intentOf('a', [a, b, NO_MESH, ...objects])
const meshOf = (name: string, ...objects: ApiObject[]) => intentOf(name, objects)

test('neighbors whose names have one symbol each have a name of their own', () => {
  const links = ['a.1', 'a-1', 'a+1', 'a_1'].map((link, index) =>
    bgpPeer(`p${index}`, { interface: link, asNumber: 65000 }),
  )
  const { peers } = onA(...links)
  expect([...peers.keys()]).toEqual([
    'Global_a_1',
    'Global_a_1_port_179',
    'Global_a_1_port_179_2',
    'Global_a_1_port_179_3',
  ])
  expect([...peers].every(([name, peer]) => name === peer.name)).toBe(true)
})

test('a neighbor that runs is not listed as refused, whoever else asks for it', () => {
  const reflectors = node('b', { addresses: ['10.0.0.2'], labels: { rr: 'yes' } })
  const there = bgpPeer('x', { nodeSelector: '!has(rr)', peerSelector: 'has(rr)' })
  const back = bgpPeer('y', { nodeSelector: 'has(rr)', peerSelector: '!has(rr)' })
  const intent = intentOf('a', [node('a', { addresses: ['10.0.0.1'] }), reflectors, NO_MESH, there, back])
  expect(peersOf(intent)).toEqual(['Node_10_0_0_2'])
  expect(intent.refusals.has('Node_10_0_0_2')).toBe(false)
})

describe('mesh', () => {
  test('is on by default, one session for both families over IPv4', () => {
    const { peers } = meshOf('a', a, b)
    expect([...peers.values()]).toMatchObject([
      {
        name: 'Mesh_10_0_0_2',
        kind: 'Mesh',
        object: undefined,
        address: '10.0.0.2',
        port: 179,
        remoteAs: 64512,
        localAs: 64512,
        sourceAddress: '10.0.0.1',
        sourceMayYield: false,
        families: ['ipv4', 'ipv6'],
        holdTime: 90,
        keepaliveTime: undefined,
        passive: false,
        maxPrefixes: { ipv4: { limit: DEFAULT_MAX_PREFIXES }, ipv6: { limit: DEFAULT_MAX_PREFIXES } },
        held: undefined,
      },
    ])
  })

  test.each<[string, string[], string[], string[], object]>([
    [
      'over IPv6 where one lacks IPv4',
      ['10.0.0.1', 'fd00::1'],
      ['fd00::2'],
      ['Mesh_fd00__2'],
      { families: ['ipv6'], sourceAddress: 'fd00::1' },
    ],
    ['IPv4 only', ['10.0.0.1', 'fd00::1'], ['10.0.0.2'], ['Mesh_10_0_0_2'], { families: ['ipv4'] }],
    ['no family in common', ['10.0.0.1'], ['fd00::2'], [], {}],
    ['a node without address', ['10.0.0.1'], [], [], {}],
  ])('%s', (_name, mine, theirs, names, expected) => {
    const intent = meshOf('a', node('a', { addresses: mine }), node('b', { addresses: theirs }))
    expect(peersOf(intent)).toEqual(names)
    for (const peer of intent.peers.values()) expect(peer).toMatchObject(expected)
  })

  test('never with ourselves, should two nodes have one address', () => {
    expect(peersOf(meshOf('a', a, node('twin', { addresses: ['10.0.0.1'] })))).toEqual([])
  })

  test('nodeToNodeMeshEnabled false', () => expect(peersOf(onA())).toEqual([]))

  test('the numerically higher router ID dials: 10.0.0.10 against 10.0.0.9', () => {
    const nine = node('nine', { addresses: ['10.0.0.9'] })
    const ten = node('ten', { addresses: ['10.0.0.10'] })
    expect(meshOf('nine', nine, ten).peers.get('Mesh_10_0_0_10')?.waits).toBe(true)
    expect(meshOf('ten', nine, ten).peers.get('Mesh_10_0_0_9')?.waits).toBe(false)
  })

  test('of two nodes without IPv4 exactly one waits', () => {
    const [x, y] = [node('x', { addresses: ['fd00::1'] }), node('y', { addresses: ['fd00::2'] })]
    const waits = [meshOf('x', x, y), meshOf('y', x, y)].map(({ peers }) => [...peers.values()][0]?.waits)
    expect([...waits].sort()).toEqual([false, true])
  })

  test('beside a node that Calico gave addresses of both families there is a session for each, as BIRD has them', () => {
    const calicos = (name: string, last: number, families: readonly ('IPv4' | 'IPv6')[]) =>
      node(name, {
        addresses: [`10.0.0.${last}`, `fd00::${last}`],
        annotations: Object.fromEntries(
          families.map((family) => [
            `projectcalico.org/${family}Address`,
            family === 'IPv4' ? `10.0.0.${last}/24` : `fd00::${last}/64`,
          ]),
        ),
      })
    const [plain, both, only] = [
      node('plain', { addresses: ['10.0.0.5', 'fd00::5'] }),
      calicos('both', 6, ['IPv4', 'IPv6']),
      calicos('only', 7, ['IPv4']),
    ]
    const sessions = (name: string) => {
      const { peers } = meshOf(name, plain, both, only)
      return [...peers.values()].map((peer) => `${peer.name}${peer.waits ? ' waits' : ''}`)
    }
    expect(sessions('plain')).toEqual(['Mesh_10_0_0_6 waits', 'Mesh_10_0_0_7 waits', 'Mesh_fd00__6 waits'])
    expect(sessions('both')).toEqual(['Mesh_10_0_0_5', 'Mesh_10_0_0_7 waits', 'Mesh_fd00__5', 'Mesh_fd00__7 waits'])
    expect(sessions('only')).toEqual(['Mesh_10_0_0_5', 'Mesh_10_0_0_6', 'Mesh_fd00__6'])
    // As with BGPPeers that select nodes, and only for the families that they ask for.
    const selecting = (spec: object) =>
      peersOf(intentOf('plain', [plain, both, bgpConfiguration({ nodeToNodeMeshEnabled: false }), bgpPeer('p', spec)]))
    expect(selecting({ peerSelector: 'all()' })).toEqual(['Global_10_0_0_6', 'Global_fd00__6'])
    expect(selecting({ peerSelector: 'all()', addressFamilies: ['ipv6'] })).toEqual(['Global_fd00__6'])
  })

  test("each node's own AS and listen port count", () => {
    const other = node('b', { addresses: ['10.0.0.2'], annotations: { 'projectcalico.org/ASNumber': '65007' } })
    const intent = meshOf('a', a, other, bgpConfiguration({ listenPort: 1790 }, 'node.b'))
    expect([...intent.peers.values()]).toMatchObject([
      { name: 'Mesh_10_0_0_2', port: 1790, remoteAs: 65007, localAs: 64512 },
    ])
  })

  test('filters may be named; a missing one holds the mesh with one problem', () => {
    const c = node('c', { addresses: ['10.0.0.3'] })
    const intent = meshOf('a', a, b, c, bgpConfiguration({ nodeMeshFilters: ['quiet'] }))
    expect([...intent.peers.values()].map(({ held }) => held)).toEqual([
      'BGPFilter/quiet does not exist',
      'BGPFilter/quiet does not exist',
    ])
    expect(problemsOf(intent)).toEqual([
      'BGPConfiguration/default spec.nodeMeshFilters[0]: "quiet" is not a BGPFilter; the mesh does not start; a running session keeps the rules of its last good filters',
    ])
  })

  test('filters that cannot be read are missing ones: a running session keeps the last good ones', () => {
    const intent = meshOf('a', a, b, bgpConfiguration({ nodeMeshFilters: [7] }))
    expect([...intent.peers.values()]).toMatchObject([
      {
        held: 'spec.nodeMeshFilters[0] of BGPConfiguration/default is wrong',
        policyParts: { filters: undefined },
        exportPolicy: REJECT_ALL,
      },
    ])
  })
})

describe('which nodes have a BGPPeer', () => {
  test.each<[string, object, string[]]>([
    ['global', {}, ['Global_10_0_0_254']],
    ['node', { node: 'a' }, ['Node_10_0_0_254']],
    ['another node', { node: 'b' }, []],
    ['nodeSelector', { nodeSelector: "rack == 'r1'" }, ['Node_10_0_0_254']],
    ['nodeSelector of others', { nodeSelector: "rack == 'r2'" }, []],
    ['port', { peerIP: '10.0.0.254:1790' }, ['Global_10_0_0_254_port_1790']],
    ['the usual port, written out', { peerIP: '10.0.0.254:179' }, ['Global_10_0_0_254_port_179']],
    ['IPv6', { peerIP: '2001:db8::1' }, ['Global_2001_db8__1']],
    ['IPv6 and port', { peerIP: '[2001:db8::1]:1790' }, ['Global_2001_db8__1_port_1790']],
    ['link-local', { peerIP: 'fe80::1%eth0' }, ['Global_fe80__1_eth0']],
    ['link-local, the interface beside it', { peerIP: 'fe80::1', interface: 'eth0' }, ['Global_fe80__1_eth0']],
    ['link-local and port', { peerIP: '[fe80::1%eth0]:1790' }, ['Global_fe80__1_eth0_port_1790']],
    ['an interface', { peerIP: undefined, interface: 'bond0.100' }, ['Global_bond0_100']],
    ['an interface of a node', { peerIP: undefined, interface: 'eth-1', node: 'a' }, ['Node_eth_1']],
    ['ourselves', { peerIP: '10.0.0.1' }, []],
    ['ourselves over IPv6', { peerIP: 'fd00::1' }, []],
    ['another speaker on this node', { peerIP: '10.0.0.1:1790' }, ['Global_10_0_0_1_port_1790']],
  ])('%s', (_name, spec, expected) => {
    expect(peersOf(onA(rack('rack', spec)))).toEqual(expected)
  })

  test('what BGPConfiguration says of route memory is for neighbors that say nothing', () => {
    const own = rack('rack', { maxRouteMemoryMiB: 3 })
    const intent = onA(own, bgpConfiguration({ maxRouteMemoryMiB: 2 }))
    expect([...intent.peers.values()].map(({ name, maxRouteMemory }) => [name, maxRouteMemory]).sort()).toEqual([
      ['Global_10_0_0_254', 3 * 1024 * 1024],
      ['Mesh_10_0_0_2', 2 * 1024 * 1024],
    ])
  })

  test('what a BGPPeer says reaches the peer', () => {
    const spec = {
      holdTime: 9,
      keepaliveTime: 3,
      connectRetryTime: 7,
      passive: true,
      maxPrefixes: { ipv6: 5 },
      maxRouteMemoryMiB: 3,
      numAllowedLocalASNumbers: 2,
      addPath: { receive: true },
      extendedNextHop: true,
      role: 'customer',
      localASNumber: 65010,
      sourceAddress: 'None',
    }
    expect(onA(rack('rack', spec)).peers.get('Global_10_0_0_254')).toMatchObject({
      object: 'rack',
      remoteAs: 65000,
      localAs: 65010,
      sourceAddress: undefined,
      holdTime: 9,
      keepaliveTime: 3,
      connectRetryTime: 7,
      passive: true,
      waits: false,
      maxPrefixes: { ipv4: { limit: DEFAULT_MAX_PREFIXES }, ipv6: { limit: 5 } },
      maxRouteMemory: 3 * 1024 * 1024,
      allowedOwnAs: 2,
      addPath: { receive: ['ipv4', 'ipv6'], send: [] },
      extendedNextHop: true,
      role: 'customer',
    })
  })

  test('towards a node its listen port and AS are known', () => {
    const intent = onA(
      bgpPeer('to-b', { peerIP: '10.0.0.2', node: 'a' }),
      bgpConfiguration({ listenPort: 1790 }, 'node.b'),
    )
    expect([...intent.peers.values()]).toMatchObject([{ port: 1790, remoteAs: 64512, waits: true }])
  })

  test('without an AS number towards a stranger it is left out', () => {
    const intent = onA(bgpPeer('rack', { peerIP: '10.0.0.254' }))
    expect(peersOf(intent)).toEqual([])
    expect(problemsOf(intent)).toEqual([
      'BGPPeer/rack spec.asNumber: must be given, because no node has the address 10.0.0.254; the peer is ignored',
    ])
  })
})

describe('families', () => {
  const six = bgpPeer('rack-six', { peerIP: '2001:db8::1', asNumber: 65000 })
  const families = (...objects: ApiObject[]) =>
    Object.fromEntries([...onA(...objects).peers.values()].map(({ name, families }) => [name, families.join(' ')]))
  test.each<[string, ApiObject[], Record<string, string>]>([
    ['one BGPPeer carries both', [rack('rack', {})], { Global_10_0_0_254: 'ipv4 ipv6' }],
    ['one over IPv6 carries both', [six], { Global_2001_db8__1: 'ipv4 ipv6' }],
    [
      'what other BGPPeers say changes nothing: an AS number is no router',
      [rack('rack', {}), six],
      { Global_10_0_0_254: 'ipv4 ipv6', Global_2001_db8__1: 'ipv4 ipv6' },
    ],
    [
      'addressFamilies says otherwise',
      [rack('rack', { addressFamilies: ['ipv4'] }), six],
      { Global_10_0_0_254: 'ipv4', Global_2001_db8__1: 'ipv4 ipv6' },
    ],
    [
      'two of one family carry both',
      [rack('rack', {}), rack('rack-2', { peerIP: '10.0.0.253' })],
      { Global_10_0_0_253: 'ipv4 ipv6', Global_10_0_0_254: 'ipv4 ipv6' },
    ],
  ])('%s', (_name, objects, expected) => expect(families(...objects)).toEqual(expected))

  test('families that somebody asked for by name are left to no other session', () => {
    const { peers } = onA(rack('rack', { addressFamilies: ['ipv4', 'ipv6'] }), six)
    expect([...peers.values()].map(({ name, yields }) => [name, yields])).toEqual([
      ['Global_10_0_0_254', false],
      ['Global_2001_db8__1', true],
    ])
  })
})

describe('one address and port is one neighbor', () => {
  test.each<[string, ApiObject[], string, string]>([
    [
      'node beats nodeSelector',
      [rack('a', { nodeSelector: 'all()' }), rack('b', { node: 'a' })],
      'Node_10_0_0_254',
      'b',
    ],
    ['nodeSelector beats global', [rack('a', {}), rack('b', { nodeSelector: 'all()' })], 'Node_10_0_0_254', 'b'],
    ['the first by name among equals', [rack('b', {}), rack('a', {})], 'Global_10_0_0_254', 'a'],
  ])('%s', (_name, objects, name, object) => {
    const intent = onA(...objects)
    expect([...intent.peers.values()]).toMatchObject([{ name, object }])
    expect(intent.problems).toMatchObject([{ code: 'peer-twice', level: 'warning', value: '10.0.0.254' }])
  })

  test('another port is another neighbor', () => {
    expect(peersOf(onA(rack('a', {}), rack('b', { peerIP: '10.0.0.254:1790' })))).toHaveLength(2)
  })

  test('a BGPPeer to a node takes the place of the mesh', () => {
    const intent = meshOf('a', a, b, bgpPeer('to-b', { peerIP: '10.0.0.2', asNumber: 64512 }))
    expect(peersOf(intent)).toEqual(['Global_10_0_0_2'])
    expect(intent.refusals.get('Mesh_10_0_0_2')).toBe('BGPPeer/to-b defines this neighbor')
    expect(intent.problems).toEqual([])
  })

  const annotations = { 'projectcalico.org/IPv4Address': '10.0.0.2/24', 'projectcalico.org/IPv6Address': 'fd00::2/64' }
  const calicos = node('b', { addresses: ['10.0.0.2', 'fd00::2'], labels: { reflector: 'yes' }, annotations })
  test.each<[string, object, string[], string[]]>([
    ['that names it by IPv4', { peerIP: '10.0.0.2' }, ['Global_10_0_0_2', 'Mesh_fd00__2'], ['Mesh_10_0_0_2']],
    [
      'with another AS',
      { peerIP: '10.0.0.2', asNumber: 65000 },
      ['Global_10_0_0_2', 'Mesh_fd00__2'],
      ['Mesh_10_0_0_2'],
    ],
    [
      'that selects it for one family',
      { peerSelector: 'has(reflector)', addressFamilies: ['ipv6'] },
      ['Global_fd00__2'],
      ['Mesh_10_0_0_2', 'Mesh_fd00__2'],
    ],
    [
      'that selects it for the other one',
      { peerSelector: 'has(reflector)', addressFamilies: ['ipv4'] },
      ['Global_10_0_0_2'],
      ['Mesh_10_0_0_2', 'Mesh_fd00__2'],
    ],
    // As beside any node: the session over IPv4 is that of the mesh.
    ['that names it by IPv6', { peerIP: 'fd00::2' }, ['Global_fd00__2', 'Mesh_10_0_0_2'], ['Mesh_fd00__2']],
    [
      'that names another speaker there',
      { peerIP: '10.0.0.2:1790' },
      ['Global_10_0_0_2_port_1790', 'Mesh_10_0_0_2', 'Mesh_fd00__2'],
      [],
    ],
  ])('the mesh with a node that Calico gave both addresses, beside a BGPPeer %s', (_name, spec, sessions, refused) => {
    const toB = bgpPeer('to-b', { ...('peerIP' in spec && { asNumber: 64512 }), filters: ['missing'], ...spec })
    const intent = meshOf('a', a, calicos, toB)
    expect(peersOf(intent)).toEqual(sessions)
    expect([...intent.refusals.keys()].filter((name) => name.startsWith('Mesh')).sort()).toEqual(refused)
  })

  test.each([
    [{ peerIP: '10.0.0.2', asNumber: 64512 }, ['Mesh_fd00__1', 'Node_10_0_0_1']],
    [{ peerSelector: 'has(reflector)', addressFamilies: ['ipv4'] }, ['Node_10_0_0_1']],
  ])('the other end of a BGPPeer leaves the same sessions of the mesh: %j', (spec, sessions) =>
    expect(peersOf(meshOf('b', a, calicos, bgpPeer('to-b', { node: 'a', ...spec })))).toEqual(sessions),
  )

  test('a session of the mesh beside a BGPPeer for the other address carries the family of its own alone', () => {
    const toB = bgpPeer('to-b', { peerIP: '10.0.0.2', asNumber: 64512, node: 'a' })
    for (const [name, mesh] of [
      ['a', 'Mesh_fd00__2'],
      ['b', 'Mesh_fd00__1'],
    ] as const) {
      expect(meshOf(name, a, calicos, toB).peers.get(mesh)?.families).toEqual(['ipv6'])
    }
  })
})

describe('peerSelector', () => {
  const c = node('c', { addresses: ['10.0.0.3'], labels: { reflector: 'yes' } })
  const reflectors = (spec: object) => bgpPeer('reflectors', { peerSelector: 'has(reflector)', ...spec })
  const on = (name: string, spec: object) => peersOf(intentOf(name, [a, b, c, NO_MESH, reflectors(spec)]))
  test.each<[string, string, object, string[]]>([
    ['every node to every match', 'a', {}, ['Global_10_0_0_2', 'Global_10_0_0_3']],
    ['a match to the other match and, mirrored, to the rest', 'b', {}, ['Global_10_0_0_3', 'Node_10_0_0_1']],
    ['reversePeering Manual', 'b', { reversePeering: 'Manual' }, ['Global_10_0_0_3']],
    ['selected nodes only', 'a', { nodeSelector: "rack == 'r2'" }, []],
    ['mirror of one node', 'c', { node: 'a' }, ['Node_10_0_0_1']],
  ])('%s', (_name, name, spec, expected) => expect(on(name, spec)).toEqual(expected))

  test('families are those both nodes have', () => {
    const { peers } = intentOf('a', [a, b, c, NO_MESH, reflectors({})])
    expect(peers.get('Global_10_0_0_2')?.families).toEqual(['ipv4', 'ipv6'])
    expect(peers.get('Global_10_0_0_3')?.families).toEqual(['ipv4'])
  })

  test('a peerIP of a node is mirrored in its family, unless Manual', () => {
    const toB = { peerIP: 'fd00::2', asNumber: 64512, node: 'a' }
    expect(peersOf(intentOf('b', [a, b, NO_MESH, bgpPeer('to-b', toB)]))).toEqual(['Node_fd00__1'])
    expect(peersOf(intentOf('b', [a, b, NO_MESH, bgpPeer('to-b', { ...toB, reversePeering: 'Manual' })]))).toEqual([])
  })

  test.each<[string, object, Record<string, string>, number | undefined]>([
    ['of the node', {}, {}, 64512],
    ['of the BGPPeer', { localASNumber: 65099 }, {}, 65099],
    ['that the BGPPeer reads from that node', { localASNumberFrom: { label: 'own-as' } }, { 'own-as': '65098' }, 65098],
    ['that node lacks, where it does not peer', { localASNumberFrom: { label: 'own-as' } }, {}, undefined],
  ])('a mirror expects the AS number %s', (_name, spec, labels, remoteAs) => {
    const from = node('a', { addresses: ['10.0.0.1'], labels })
    const toB = bgpPeer('to-b', { peerIP: '10.0.0.2', asNumber: 64512, node: 'a', ...spec })
    expect(intentOf('b', [from, b, NO_MESH, toB]).peers.get('Node_10_0_0_1')?.remoteAs).toBe(remoteAs)
    // Both ends agree on what each is.
    const other = intentOf('a', [from, b, NO_MESH, toB]).peers.get('Node_10_0_0_2')
    expect(other?.localAs).toBe(remoteAs)
  })

  test.each<[string, object]>([
    ['in the object', { asNumber: 65001 }],
    ['in the Node that has the neighbor', { asNumberFrom: { label: 'as' } }],
    ['as external', { remoteAS: 'external' }],
    ['as internal, for another own AS', { remoteAS: 'internal', localASNumber: 65001 }],
  ])('a node does not peer back where another AS than its own is expected, %s', (_name, spec) => {
    const from = node('a', { addresses: ['10.0.0.1'], labels: { as: '65001' } })
    const toB = bgpPeer('to-b', { peerIP: '10.0.0.2', node: 'a', ...spec })
    expect(peersOf(intentOf('b', [from, b, NO_MESH, toB]))).toEqual([])
  })
})

describe('what a BGPPeer says of one end is turned round for the other', () => {
  const from = node('from', { addresses: ['10.0.0.1'] })
  const to = node('to', { addresses: ['10.0.0.2'], labels: { reflector: 'yes' } })
  const ends = { node: 'from', passive: true, role: 'provider', addPath: { send: true, receive: ['ipv4'] } }
  test.each([
    ['peerIP', { peerIP: '10.0.0.2', asNumber: 64512 }],
    ['peerSelector', { peerSelector: 'has(reflector)' }],
  ])('where it names the other node by %s', (_by, named) => {
    const objects = [from, to, NO_MESH, bgpPeer('to', { ...named, ...ends })]
    const [send, receive] = [['ipv4', 'ipv6'], ['ipv4']]
    const one = intentOf('from', objects).peers.get('Node_10_0_0_2')
    expect(one).toMatchObject({ passive: true, role: 'provider', addPath: { send, receive } })
    const other = intentOf('to', objects).peers.get('Node_10_0_0_1')
    expect(other).toMatchObject({ passive: false, role: 'customer', addPath: { send: receive, receive: send } })
  })

  test('of two nodes that one passive BGPPeer makes neighbors of each other, one dials', () => {
    const reflectors = ['10.0.0.1', '10.0.0.2', 'fd00::3'].map((address, index) =>
      node(`r${index}`, { addresses: [address, `fd00::${index + 1}`], labels: { reflector: 'yes' } }),
    )
    const client = node('client', { addresses: ['10.0.0.9'] })
    const object = bgpPeer('all', { nodeSelector: 'has(reflector)', peerSelector: 'all()', passive: true })
    const peersAt = (name: string) => [...intentOf(name, [...reflectors, client, NO_MESH, object]).peers.values()]
    const passive = new Map<string, boolean>(
      ['r0', 'r1', 'r2', 'client'].flatMap((name) =>
        peersAt(name).map((one) => [`${name} ${one.address}`, one.passive] as const),
      ),
    )
    expect([passive.get('r0 10.0.0.2'), passive.get('r1 10.0.0.1')].sort()).toEqual([false, true])
    expect([passive.get('r0 fd00::3'), passive.get('r2 fd00::1')].sort()).toEqual([false, true])
    // A client is no reflector: it dials, and the reflectors do not.
    expect([passive.get('r0 10.0.0.9'), passive.get('client 10.0.0.1')]).toEqual([true, false])
  })

  test('who does not wait dials, whichever router ID is higher', () => {
    const objects = [
      from,
      to,
      NO_MESH,
      bgpPeer('from', { peerIP: '10.0.0.1', asNumber: 64512, node: 'to', passive: true }),
    ]
    expect(intentOf('to', objects).peers.get('Node_10_0_0_1')).toMatchObject({ passive: true, waits: false })
    expect(intentOf('from', objects).peers.get('Node_10_0_0_2')).toMatchObject({ passive: false, waits: false })
  })
})

describe('policies', () => {
  const quiet = bgpFilter('quiet', { exportV4: [{ action: 'Reject' }], importV6: [{ action: 'Accept' }] })
  const peerOf = (...objects: ApiObject[]) => onA(...objects).peers.get('Global_10_0_0_254')

  test('filters come before the built-in rules, the next hop before the filters', () => {
    const peer = peerOf(quiet, rack('rack', { filters: ['quiet'], nextHopMode: 'Self' }))
    expect(peer?.exportPolicy.rules.slice(0, 2)).toMatchObject([
      { name: 'next hop self', action: 'next', operations: [{ kind: 'set-next-hop', address: 'self' }] },
      { action: 'reject', match: { family: 'ipv4' } },
    ])
    expect(peer?.exportPolicy.name).toBe('BGPFilter/quiet, built-in export')
    expect(peer?.importPolicy.rules.some(({ action, match }) => action === 'accept' && match.family === 'ipv6')).toBe(
      true,
    )
    expect(peer?.held).toBeUndefined()
  })

  test('keepOriginalNextHop counts towards eBGP, for routes of others', () => {
    const peer = peerOf(rack('rack', { keepOriginalNextHop: true }))
    expect(peer?.exportPolicy.rules[0]).toMatchObject({
      match: { source: 'peer', peerType: 'external' },
      operations: [{ address: 'unchanged' }],
    })
  })

  test('advertiseLearned opens the export of learned routes', () => {
    const [shut, open] = [{}, { advertiseLearned: true }].map(
      (spec) => peerOf(rack('rack', spec))?.exportPolicy.rules.length,
    )
    expect(open).not.toBe(shut)
  })

  test.each<[string, ApiObject[], string, string]>([
    ['that does not exist', [], 'BGPFilter/quiet does not exist', '"quiet" is not a BGPFilter'],
    [
      'that was never good',
      [bgpFilter('quiet', { exportV4: [{ action: 'Maybe' }] })],
      'BGPFilter/quiet has errors',
      '"quiet" is a BGPFilter with errors',
    ],
  ])('a filter %s holds the peer down', (_name, objects, held, says) => {
    const intent = onA(rack('rack', { filters: ['quiet'] }), ...objects)
    const peer = intent.peers.get('Global_10_0_0_254')
    expect(peer).toMatchObject({ held, importPolicy: REJECT_ALL, exportPolicy: REJECT_ALL })
    expect(problemsOf(intent)).toContain(
      `BGPPeer/rack spec.filters[0]: ${says}; the peer does not start; a running session keeps the rules of its last good filters`,
    )
  })

  test('neighbors that ask the same share their policies', () => {
    const intent = onA(
      quiet,
      rack('a', { filters: ['quiet'] }),
      rack('b', { filters: ['quiet'], peerIP: '10.0.0.253' }),
    )
    const [one, two] = [...intent.peers.values()]
    expect(one?.exportPolicy).toBe(two?.exportPolicy)
  })
})

describe('route reflectors', () => {
  const reflector = (
    name: string,
    address: string,
    clusterId: string,
    key = 'projectcalico.org/RouteReflectorClusterID',
  ) => node(name, { addresses: [address], labels: { reflector: 'yes' }, annotations: { [key]: clusterId } })
  const r1 = reflector('r1', '10.0.0.101', '244.0.0.1')
  const r2 = reflector('r2', '10.0.0.102', '244.0.0.1', 'godwit.dev/routeReflectorClusterID')
  const r3 = reflector('r3', '10.0.0.103', '244.0.0.3')
  const toReflectors = bgpPeer('to-reflectors', { peerSelector: "reflector == 'yes'" })

  test('[53] leave the mesh on both sides', () => {
    expect(peersOf(meshOf('a', a, b, r1))).toEqual(['Mesh_10_0_0_2'])
    expect(peersOf(meshOf('r1', a, b, r1))).toEqual([])
  })

  test('internal neighbors with another cluster ID or none are clients, those with the same are not', () => {
    const { peers } = intentOf('r1', [a, r1, r2, r3, toReflectors])
    const clients = [...peers.values()].map(({ name, reflection }) => [name, reflection])
    expect(clients).toEqual([
      ['Global_10_0_0_102', { clusterId: 0xf4000001, client: false }],
      ['Global_10_0_0_103', { clusterId: 0xf4000001, client: true }],
      ['Node_10_0_0_1', { clusterId: 0xf4000001, client: true }],
    ])
  })

  test.each<[string, object, boolean]>([
    ['a router of our AS', { asNumber: 64512 }, true],
    ['one of our AS by word', { asNumber: undefined, remoteAS: 'internal' }, true],
    ['one of the AS that we show it', { asNumber: 65010, localASNumber: 65010 }, true],
    ['one outside', { asNumber: 65000 }, false],
    ['one outside by word', { asNumber: undefined, remoteAS: 'external' }, false],
  ])('%s', (_name, spec, reflects) => {
    const peer = intentOf('r1', [r1, rack('rack', spec)]).peers.get('Global_10_0_0_254')
    expect(peer?.reflection !== undefined).toBe(reflects)
  })

  test('a node that is none reflects nothing', () => {
    const { peers } = intentOf('a', [a, r1, toReflectors])
    expect(peers.get('Global_10_0_0_101')?.reflection).toBeUndefined()
  })
})

describe('more than Calico asks', () => {
  test('a range of neighbors, each waited for', () => {
    const intent = onA(bgpPeer('pods', { peerRange: '10.9.0.0/16', asNumber: 65100, peerRangeLimit: 3 }))
    expect([...intent.peers.values()]).toMatchObject([
      {
        name: 'Global_10_9_0_0_16',
        passive: true,
        remoteAs: 65100,
        range: { limit: 3, prefix: { text: '10.9.0.0/16' } },
      },
    ])
  })

  test('one range twice is one, and said', () => {
    const intent = onA(
      bgpPeer('x', { peerRange: '10.9.0.0/16', asNumber: 65100 }),
      bgpPeer('y', { peerRange: '10.9.0.0/16', remoteAS: 'external' }),
    )
    expect(peersOf(intent)).toEqual(['Global_10_9_0_0_16'])
    expect(problemsOf(intent)).toEqual([
      'BGPPeer/y spec.peerRange: "10.9.0.0/16" is also defined by BGPPeer/x, which comes first by name and is used',
    ])
  })

  test.each<[string, object]>([
    ['an interface', { peerIP: undefined, interface: 'eth0' }],
    ['a link-local address', { peerIP: 'fe80::1%eth0' }],
  ])('%s carries both families by IPv6 next hops, and the kernel chooses our address', (_name, spec) => {
    const intent = onA(rack('link', spec), rack('rack', {}))
    expect([...intent.peers.values()].find(({ object }) => object === 'link')).toMatchObject({
      families: ['ipv4', 'ipv6'],
      extendedNextHop: true,
      sourceAddress: undefined,
    })
    // It is no reason for the other one to leave a family out.
    expect(intent.peers.get('Global_10_0_0_254')?.families).toEqual(['ipv4', 'ipv6'])
  })

  test('one interface twice is one, and said; two interfaces are two', () => {
    const link = (name: string, spec: object) => bgpPeer(name, { remoteAS: 'external', ...spec })
    const intent = onA(
      link('x', { interface: 'eth0' }),
      link('y', { interface: 'eth0' }),
      link('z', { interface: 'eth1' }),
    )
    expect(peersOf(intent)).toEqual(['Global_eth0', 'Global_eth1'])
    expect(problemsOf(intent)).toEqual([
      'BGPPeer/y spec.interface: "eth0" is also defined by BGPPeer/x, which comes first by name and is used',
    ])
  })

  test('any AS outside needs no number', () => {
    const intent = onA(rack('rack', { asNumber: undefined, remoteAS: 'external' }))
    expect([...intent.peers.values()]).toMatchObject([{ remoteAs: 'external', families: ['ipv4', 'ipv6'] }])
  })

  test.each<[string, string[], object, boolean]>([
    ['over IPv6 from a node without IPv4', ['fd00::1'], {}, true],
    ['… unless forbidden', ['fd00::1'], { extendedNextHop: false }, false],
    ['not where there is another way', ['10.0.0.1', 'fd00::1'], {}, false],
    ['… unless asked for', ['10.0.0.1', 'fd00::1'], { extendedNextHop: true }, true],
  ])('IPv4 with IPv6 next hops: %s', (_name, addresses, spec, expected) => {
    const me = node('a', { addresses })
    const peer = bgpPeer('tor', { peerIP: '2001:db8::1', asNumber: 65000, ...spec })
    expect(intentOf('a', [me, peer]).peers.get('Global_2001_db8__1')?.extendedNextHop).toBe(expected)
  })
})
