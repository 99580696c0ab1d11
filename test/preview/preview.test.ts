/** `godwit check` without its doors: what each node would tell whom, what a change does, and what differs from Calico. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ChangeLine, changeOf } from '../../src/preview/change.ts'
import { type NodePreview, previewNode, previewNodes, problemsOf } from '../../src/preview/node.ts'
import { hasErrors, renderReport, reportJson } from '../../src/preview/render.ts'
import { storeOf } from '../support/cluster.ts'
import { runs } from '../support/long.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  secret,
  service,
  upsert,
} from '../support/objects.ts'
import { Rig } from '../support/rig.ts'

/** As the edge tells it: with the names of its keys alone. */
const covered = (one: ApiObject): ApiObject => ({ ...one, keys: { k: { version: 1 } } })
const ONE = node('n1', { addresses: ['10.0.0.11', 'fd00::11'], podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] })
const TWO = node('n2', { addresses: ['10.0.0.12'], podCIDRs: ['10.244.2.0/24'] })
const CLUSTER = bgpConfiguration({ asNumber: 64512, serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }] })
const TOR = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000 })
const WEB = service('shop/web', {
  type: 'LoadBalancer',
  clusterIPs: ['10.96.0.10'],
  loadBalancerIPs: ['192.0.2.10'],
  externalTrafficPolicy: 'Local',
})
const ON_TWO = endpointSlice('shop/web', 'IPv4', [{ node: 'n2', ready: true }])
const OBJECTS = [ONE, TWO, CLUSTER, TOR, WEB, ON_TWO]

const preview = (objects: readonly ApiObject[], name = 'n1') => {
  const [one] = previewNodes(storeOf(objects), [name])
  return one as NodePreview
}
const told = ({ peers }: NodePreview) =>
  Object.fromEntries(
    peers.map(({ intent, advertised }) => [intent.object ?? intent.kind, advertised.map(({ prefix }) => prefix)]),
  )

describe('what a node would tell whom', () => {
  test('its own routes to each neighbor, and why not the rest', () => {
    expect(told(preview(OBJECTS, 'n2'))).toEqual({
      Mesh: ['10.244.2.0/24', '192.0.2.0/24', '192.0.2.10/32'],
      tor: ['10.244.2.0/24', '192.0.2.0/24', '192.0.2.10/32'],
    })
    const one = preview(OBJECTS, 'n1')
    expect(told(one).tor).toEqual(['10.244.1.0/24', 'fd00:244:1::/64', '192.0.2.0/24'])
    expect(one.withheld.get('192.0.2.10/32')).toMatch(/no IPv4 endpoint on this node is ready/)
  })

  test('what a filter refuses says which rule', () => {
    const filter = bgpFilter('lab', { exportV4: [{ action: 'Reject', matchOperator: 'In', cidr: '192.0.2.0/24' }] })
    const tor = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['lab'] })
    const [peer] = preview([ONE, CLUSTER, tor, filter]).peers
    expect(peer?.refused).toEqual([
      { prefix: '192.0.2.0/24', reason: expect.stringContaining('BGPFilter/lab exportV4[0]') },
    ])
  })

  test('a BGPAdvertisement decides who is told, and with what', () => {
    const routes = [{ podCIDRs: true }, { prefixes: ['203.0.113.0/24'] }]
    const nextHop = { ipv4: '198.51.100.7' }
    const words = { communities: ['64512:1:2'], med: 5, localPreference: 300, prependASPath: [64512] }
    const some = bgpAdvertisement('some', { routes, peers: ['tor', 'own'], ...words, nextHop })
    const own = bgpPeer('own', { peerIP: '10.0.0.2', asNumber: 64512 })
    const one = preview([ONE, TWO, CLUSTER, TOR, own, some])
    expect(told(one)).toEqual({
      Mesh: ['192.0.2.0/24'],
      tor: ['10.244.1.0/24', 'fd00:244:1::/64', '203.0.113.0/24', '192.0.2.0/24'],
      own: ['10.244.1.0/24', 'fd00:244:1::/64', '203.0.113.0/24', '192.0.2.0/24'],
    })
    const [mesh, tor, internal] = ['Mesh', 'tor', 'own'].map((name) =>
      one.peers.find(({ intent }) => (intent.object ?? intent.kind) === name),
    )
    expect(mesh?.refused.map(({ reason }) => reason)).toContain(
      'the BGPAdvertisements that name it are for other peers',
    )
    const set = { communities: ['64512:1:2'], med: 5, asPath: [64512] }
    expect(tor?.advertised[0]).toMatchObject({ ...set, localPref: undefined, nextHop: '198.51.100.7' })
    expect(tor?.advertised[1]).toMatchObject({ ...set, nextHop: undefined })
    expect(internal?.advertised[0]).toMatchObject({ ...set, localPref: 300 })
    const lines = [...renderReport({ problems: [], nodes: [one], differences: undefined, change: undefined })]
    expect(lines).toContainEqual(
      '    + 10.244.1.0/24    Node/n1, communities 64512:1:2, prepends 64512, MED 5, local preference 300, next hop 198.51.100.7',
    )
    expect(changeOf([preview([ONE, CLUSTER, TOR])], [preview([ONE, CLUSTER, TOR, some])])).toContainEqual(
      expect.objectContaining({ kind: 'changes', prefix: '10.244.1.0/24' }),
    )
  })

  test('a neighbor that is held is told nothing, with the reason', () => {
    const tor = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['none'] })
    const one = preview([ONE, CLUSTER, tor])
    expect(one.peers[0]?.refused.map(({ reason }) => reason)).toEqual(
      Array.from({ length: 3 }, () => expect.stringContaining('none')),
    )
    expect([...renderReport({ problems: [], nodes: [one], differences: undefined, change: undefined })]).toContainEqual(
      expect.stringMatching(/^ {4}held down: /),
    )
  })

  test('a route whose next hop would be the address of the neighbor is not advertised to it', () => {
    const routes = [{ prefixes: ['203.0.113.0/24'] }]
    const some = bgpAdvertisement('some', { routes, nextHop: { ipv4: '10.0.0.1' } })
    const other = bgpPeer('other', { peerIP: '10.0.0.2', asNumber: 65002 })
    const one = preview([ONE, CLUSTER, TOR, other, some])
    expect(told(one).other).toContain('203.0.113.0/24')
    expect(told(one).tor).not.toContain('203.0.113.0/24')
    expect(one.peers.find(({ intent }) => intent.object === 'tor')?.refused).toContainEqual({
      prefix: '203.0.113.0/24',
      reason: 'its next hop would be the own address of the neighbor',
    })
  })

  test('a neighbor that is the default gateway is called so', () => {
    const one = preview([ONE, CLUSTER, bgpPeer('up', { peerIP: 'DefaultGateway', asNumber: 65000 })])
    const report = { problems: [], nodes: [one], differences: undefined, change: undefined }
    const text = [...renderReport(report)].join('\n')
    expect(text).toContain('(BGPPeer/up), the default gateway (IPv4) AS 65000')
    expect(text).toContain('(BGPPeer/up), the default gateway (IPv6) AS 65000')
    expect(reportJson(report).nodes[0]?.peers.map(({ peer }) => peer)).toEqual([
      'DefaultGateway ipv4',
      'DefaultGateway ipv6',
    ])
  })

  test.each([
    ['none at all', [], 'no Secret/lab/s is among these objects; without it the peer does not start'],
    [
      'of another namespace',
      [secret('other/s', { k: 'x' })],
      'Secret/other/s is not in the namespace of the agents, which is lab; without it the peer does not start',
    ],
    ['where the agents are', [secret('lab/s', { k: 'x' })], undefined],
  ])('a Secret that an agent would not find is a warning: %s', (_name, secrets, says) => {
    for (const field of ['password', 'keyChain']) {
      const ref = { secretKeyRef: { name: 's', key: 'k' } }
      const tor = bgpPeer('tor', {
        peerIP: '10.0.0.1',
        asNumber: 65000,
        [field]: field === 'password' ? ref : [{ sendID: 1, ...ref }],
      })
      const store = storeOf([ONE, CLUSTER, tor, ...secrets.map(covered)])
      const problems = problemsOf(store, [previewNode(store, 'n1')], 'lab')
      const text = `BGPPeer/tor spec.${field}: ${says}`
      expect(problems).toEqual(says === undefined ? [] : [expect.objectContaining({ level: 'warning', text })])
      // A cluster is read without its Secrets.
      if (secrets.length === 0) expect(problemsOf(store, [previewNode(store, 'n1')])).toEqual([])
    }
  })

  test('a mesh of many is one neighbor', () => {
    const nodes = Array.from({ length: 50 }, (_, index) => node(`m${index}`, { addresses: [`10.1.0.${index + 1}`] }))
    const [mesh, ...others] = preview([ONE, ...nodes, CLUSTER]).peers
    expect([mesh?.count, others]).toEqual([50, []])
  })
})

describe('what a change would do', () => {
  const change = (before: readonly ApiObject[], after: readonly ApiObject[]) =>
    changeOf([preview(before)], [preview(after)])

  const tor = (spec: object) => bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, ...spec })
  const toTor = { node: 'n1', peer: 'Global_10_0_0_1' }

  test('nothing, where nothing is different on the wire', () => {
    expect(change(OBJECTS, OBJECTS)).toEqual([])
  })

  test('nothing, where the objects are the same, whatever nodes and neighbors they are', () => {
    const kind = fc.constantFrom('4', '6', '46', '64')
    const asNumber = fc.constantFrom(undefined, '64512', '64601', '64602')
    fc.assert(
      fc.property(fc.array(fc.record({ kind, asNumber }), { maxLength: 6 }), fc.boolean(), (drawn, held) => {
        const nodes = drawn.map(({ kind: digits, asNumber: asn }, index) =>
          node(`m${index}`, {
            addresses: [...digits].map((digit) => (digit === '4' ? `10.1.0.${index + 1}` : `fd00:1::${index + 1}`)),
            podCIDRs: [`10.245.${index}.0/24`],
            ...(asn !== undefined && { annotations: { 'godwit.dev/asNumber': asn } }),
          }),
        )
        const tor = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, ...(held && { filters: ['none'] }) })
        const objects = [...nodes, ONE, CLUSTER, tor]
        expect(change(objects, objects)).toEqual([])
      }),
      { numRuns: runs(8, 50) },
    )
  })

  test('nodes of the mesh differ in families, and a new first one resets nobody', () => {
    const dual = node('m1', { addresses: ['10.1.0.1', 'fd00:1::1'] })
    const mixed = [ONE, CLUSTER, TWO, dual]
    expect(preview(mixed).peers).toHaveLength(2)
    expect(change(mixed, [...mixed, node('a0', { addresses: ['10.0.0.10'] })])).toEqual([])
    const one = bgpConfiguration({ asNumber: 64513, serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }] })
    const resets = { kind: 'session-resets', node: 'n1', peer: 'the mesh (1 node)', reason: 'local AS' }
    expect(change(mixed, [ONE, one, TWO, dual])).toEqual([resets, resets])
  })

  test('some nodes of the mesh become others: what ends, what is reset, and what they are told no more', () => {
    const family = (index: number) => ({ addresses: [`10.1.0.${index}`, `fd00:1::${index}`] })
    const [two, three, four] = [2, 3, 4].map((index) => node(`m${index}`, family(index))) as [
      ApiObject,
      ApiObject,
      ApiObject,
    ]
    const of = (one: ApiObject) => change([ONE, CLUSTER, two, three, four], [ONE, CLUSTER, two, three, one])
    const annotated = (key: string, value: string) =>
      node('m4', { ...family(4), annotations: { [`godwit.dev/${key}`]: value } })
    const mesh = { node: 'n1', peer: 'the mesh (1 node)' }
    expect(of(annotated('routeReflectorClusterID', '244.0.0.1'))).toEqual([{ kind: 'session-removed', ...mesh }])
    expect(of(annotated('asNumber', '65077'))).toEqual([{ kind: 'session-resets', ...mesh, reason: 'remote AS' }])
    expect(of(node('m4', { addresses: ['10.1.0.9', 'fd00:1::4'] }))).toEqual([
      { kind: 'session-resets', ...mesh, reason: 'remote address' },
    ])
    expect(of(node('m4', { addresses: ['10.1.0.4'] }))).toEqual([
      { kind: 'session-resets', ...mesh, reason: 'address families' },
      { kind: 'withdraws', ...mesh, prefix: 'fd00:244:1::/64' },
    ])
    // The same neighbor under another name.
    const named = bgpPeer('m', { peerIP: '10.1.0.4', asNumber: 64512 })
    expect(change([ONE, CLUSTER, two, four], [ONE, CLUSTER, two, four, named])).toEqual([])
  })

  test('each of the two sessions with a node that Calico gave both addresses is compared with itself', () => {
    const addresses = ['10.1.0.2', 'fd00:1::2']
    const annotations = {
      'projectcalico.org/IPv4Address': '10.1.0.2/24',
      'projectcalico.org/IPv6Address': 'fd00:1::2/64',
    }
    const [plain, calicos] = [node('m2', { addresses }), node('m2', { addresses, annotations })]
    const over = { node: 'n1', peer: 'the mesh over IPv6 (1 node)' }
    const lines = (before: ApiObject, after: ApiObject) => change([ONE, CLUSTER, before], [ONE, CLUSTER, after])
    expect(lines(calicos, plain)).toEqual([{ kind: 'session-removed', ...over }])
    expect(lines(plain, calicos).filter(({ kind }) => kind.startsWith('session'))).toEqual([
      { kind: 'session-added', ...over },
    ])
    expect(lines(calicos, calicos)).toEqual([])
  })

  test('routes come and go', () => {
    const configuration = bgpConfiguration({ asNumber: 64512, serviceClusterIPs: [{ cidr: '10.96.0.0/16' }] })
    expect(change([ONE, CLUSTER, TOR], [ONE, configuration, TOR])).toEqual([
      {
        kind: 'setting',
        node: 'n1',
        peer: 'Global_10_0_0_1',
        field: 'import policy',
        effect: 'learned routes are evaluated again',
      },
      { kind: 'advertises', node: 'n1', peer: 'Global_10_0_0_1', prefix: '10.96.0.0/16' },
      { kind: 'withdraws', node: 'n1', peer: 'Global_10_0_0_1', prefix: '192.0.2.0/24' },
    ])
  })

  test('communities change, and the session stays', () => {
    const prefixAdvertisements = [{ cidr: '192.0.2.0/24', communities: ['64512:7'] }]
    const configuration = bgpConfiguration({
      asNumber: 64512,
      serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }],
      prefixAdvertisements,
    })
    expect(change([ONE, CLUSTER, TOR], [ONE, configuration, TOR])).toEqual([
      { kind: 'changes', node: 'n1', peer: 'Global_10_0_0_1', prefix: '192.0.2.0/24' },
    ])
  })

  test('another AS resets every session', () => {
    const configuration = bgpConfiguration({ asNumber: 64513, serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }] })
    expect(change([ONE, TWO, CLUSTER, TOR], [ONE, TWO, configuration, TOR]).map(({ kind }) => kind)).toEqual([
      'session-resets',
      'session-resets',
    ])
  })

  test.each([
    ['a filter is missing', 65001, []],
    ['a filter is missing and the AS is another', 65009, ['session-resets', 'withdraws', 'withdraws', 'withdraws']],
  ])('a neighbor that becomes held is told what the agent does: %s', (_name, asNumber, kinds) => {
    const rig = new Rig({ neighbors: 1 })
    const [one] = rig.neighbors
    if (one === undefined) throw new Error('no neighbor')
    one.establish()
    one.heard.length = 0
    const spec = (more: object) => ({ peerIP: one.address, asNumber: one.asn, passive: true, ...more })
    const held = bgpPeer('peer-0', spec({ asNumber, filters: ['missing'] }))
    rig.feed({ kind: 'objects', changes: [upsert(held)] })
    rig.pass(2_000)
    const withdrawn = one.heard.filter((message) => message[18] === 2)
    expect([one.established, withdrawn]).toEqual([asNumber === one.asn, []])
    const lines = change([ONE, CLUSTER, bgpPeer('peer-0', spec({}))], [ONE, CLUSTER, held])
    const reason = expect.stringContaining('BGPFilter/missing does not exist')
    if (asNumber === one.asn) expect(lines).toMatchObject([{ kind: 'session-held', reason }])
    else expect(lines.map(({ kind }) => kind)).toEqual(kinds)
    if (asNumber !== one.asn) expect(lines[0]).toMatchObject({ reason: 'remote AS', held: reason })
    const text = [...renderReport({ problems: [], nodes: [], differences: undefined, change: lines })].join('\n')
    expect(text).toContain(
      asNumber === one.asn ? 'keeps its filters and its key while it is up' : 'resets, and is held down: remote AS; ',
    )
  })

  test('one that becomes held keeps its filters alone: other objects count, as in the agent', () => {
    const rig = new Rig({ neighbors: 1 })
    const [one] = rig.neighbors
    if (one === undefined) throw new Error('no neighbor')
    one.establish()
    one.heard.length = 0
    const spec = { peerIP: one.address, asNumber: one.asn, passive: true }
    const held = bgpPeer('peer-0', { ...spec, filters: ['missing'] })
    const closed = ipPool('closed', { cidr: '10.244.0.0/16', disableBGPExport: true })
    rig.feed({ kind: 'objects', changes: [upsert(held), upsert(closed)] })
    rig.pass(2_000)
    // 10.244.1.0/24 is withdrawn.
    const updates = one.heard.filter((message) => message[18] === 2).map((message) => [...message.slice(19)])
    expect(updates).toEqual([[0, 4, 24, 10, 244, 1, 0, 0]])
    const base = [ONE, CLUSTER]
    const running = bgpPeer('peer-0', spec)
    const linesOf = (before: readonly ApiObject[], after: readonly ApiObject[]) =>
      change([...base, ...before], [...base, ...after]).filter(({ kind }) => kind !== 'setting')
    const prefix = '10.244.1.0/24'
    expect(linesOf([running], [held, closed])).toMatchObject([{ kind: 'session-held' }, { kind: 'withdraws', prefix }])
    expect(linesOf([running, closed], [held])).toMatchObject([{ kind: 'session-held' }, { kind: 'advertises', prefix }])
  })

  test('another interface may be another address: the node alone knows', () => {
    const [eth0, eth1] = ['eth0', 'eth1'].map((sourceInterface) => tor({ sourceInterface }))
    if (eth0 === undefined || eth1 === undefined) throw new Error('two interfaces')
    const reason = 'the address of sourceInterface is known on the node alone'
    for (const [before, after] of [
      [eth0, eth1],
      [TOR, eth0],
      [eth1, TOR],
    ] as const) {
      const lines = change([ONE, CLUSTER, before], [ONE, CLUSTER, after])
      expect(lines).toEqual([{ kind: 'session-may-reset', ...toTor, reason }])
      const report = { problems: [], nodes: [], differences: undefined, change: lines }
      expect([...renderReport(report)]).toContain(`  ! session with Global_10_0_0_1 may reset: ${reason}`)
    }
    const other = tor({ sourceInterface: 'eth1', asNumber: 65009 })
    expect(change([ONE, CLUSTER, eth0], [ONE, CLUSTER, other])).toMatchObject([
      { kind: 'session-resets', reason: 'remote AS' },
    ])
  })

  test.each<[string, object, object, readonly object[]]>([
    ['any external AS', {}, { asNumber: undefined, remoteAS: 'external' }, []],
    [
      'our own AS',
      {},
      { asNumber: undefined, remoteAS: 'internal' },
      [{ kind: 'session-resets', reason: 'remote AS' }],
    ],
    [
      'one AS of all external ones',
      { asNumber: undefined, remoteAS: 'external' },
      {},
      [{ kind: 'session-may-reset', reason: 'the AS number that the neighbor has is known on the node alone' }],
    ],
    [
      'our own number, which no external one has',
      { asNumber: undefined, remoteAS: 'external' },
      { asNumber: 64512 },
      [{ kind: 'session-resets', reason: 'remote AS' }],
    ],
    ['no source', {}, { sourceAddress: 'None' }, [{ kind: 'setting', field: 'sourceAddress' }]],
    [
      'a source again',
      { sourceAddress: 'None' },
      {},
      [{ kind: 'session-may-reset', reason: 'the address that the session runs from is known on the node alone' }],
    ],
    [
      'strict roles',
      { role: 'customer' },
      { role: 'customer', strictRole: true },
      [{ kind: 'session-may-reset', reason: 'whether the neighbor announces a role is known on the node alone' }],
    ],
  ])('of a session that may be the same: %s', (_name, old, now, lines) => {
    const found = change([ONE, CLUSTER, tor(old)], [ONE, CLUSTER, tor(now)])
    expect(found.filter(({ kind }) => kind.startsWith('se'))).toMatchObject(lines)
  })

  test('a neighbor that becomes held is told what changes under the policies that it keeps', () => {
    const lab = bgpFilter('lab', { exportV4: [{ action: 'Reject', matchOperator: 'In', cidr: '192.0.2.0/24' }] })
    const routes = [{ prefixes: ['203.0.113.0/24', '192.0.2.64/26'] }]
    const some = bgpAdvertisement('some', { routes })
    const [was, held] = [tor({ filters: ['lab'] }), tor({ filters: ['none'], drain: true })]
    const before = [ONE, CLUSTER, lab, was]
    expect(change(before, [ONE, CLUSTER, lab, tor({ filters: ['none'] }), some])).toEqual([
      { kind: 'session-held', ...toTor, reason: expect.any(String) },
      { kind: 'advertises', ...toTor, prefix: '203.0.113.0/24' },
    ])
    expect(change(before, [ONE, CLUSTER, lab, held]).map(({ kind }) => kind)).toEqual([
      'session-held',
      'setting',
      'setting',
      'changes',
      'changes',
    ])
  })

  test('what else changes of a neighbor that becomes held is said', () => {
    const held = tor({ filters: ['none'], bfd: {} })
    expect(change([ONE, CLUSTER, TOR], [ONE, CLUSTER, held])).toMatchObject([
      { kind: 'session-held' },
      { kind: 'setting', field: 'bfd' },
    ])
  })

  test('a session that was held starts, whatever else changes; one that stays held does neither', () => {
    const held = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['none'] })
    const other = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65001, filters: ['none'] })
    const starts = { kind: 'session-starts', node: 'n1', peer: 'Global_10_0_0_1' }
    const sessions = (...objects: Parameters<typeof change>) =>
      change(...objects).filter(({ kind }) => kind.startsWith('session'))
    expect(sessions([ONE, CLUSTER, held], [ONE, CLUSTER, TOR])).toEqual([starts])
    const configuration = bgpConfiguration({ asNumber: 64513, serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }] })
    expect(sessions([ONE, CLUSTER, held], [ONE, configuration, TOR])).toEqual([starts])
    expect(sessions([ONE, CLUSTER, held], [ONE, CLUSTER, other])).toEqual([])
    expect(sessions([ONE, CLUSTER, TOR], [ONE, CLUSTER, held])).toMatchObject([{ kind: 'session-held' }])
  })

  test.each([
    ['a timer resets none', { keepaliveTime: '10s' }, 'keepaliveTime', 'applies from the next session on'],
    ['a limit', { maxPrefixes: { ipv4: 5 } }, 'maxPrefixes', 'a limit that is already exceeded ends the session'],
    ['next hops', { nextHopMode: 'Keep' }, 'export policy', 'learned routes may be advertised otherwise, or no longer'],
    [
      'learned',
      { advertiseLearned: true },
      'export policy',
      'learned routes may be advertised otherwise, or no longer',
    ],
  ])('what no route of ours shows is said: %s', (_name, spec, field, effect) => {
    const lines = change([ONE, CLUSTER, TOR], [ONE, CLUSTER, tor(spec)])
    expect(lines).toEqual([{ kind: 'setting', ...toTor, field, effect }])
    const report = { problems: [], nodes: [], differences: undefined, change: lines }
    expect([...renderReport(report)]).toContain(`  ~ session with Global_10_0_0_1: ${field}: ${effect}`)
  })

  test('a neighbor that is drained gets its routes with GRACEFUL_SHUTDOWN, and its own are last choices', () => {
    const drained = [ONE, CLUSTER, tor({ drain: true })]
    expect(preview(drained).peers[0]?.advertised.map(({ communities }) => communities)).toEqual(
      Array.from({ length: 3 }, () => ['65535:0']),
    )
    const lines = change([ONE, CLUSTER, TOR], drained)
    expect(lines.filter(({ kind }) => kind === 'changes')).toHaveLength(3)
    expect(lines).toContainEqual(expect.objectContaining({ kind: 'setting', field: 'import policy' }))
    expect(change(drained, drained)).toEqual([])
  })

  test('a node that leaves withdraws all and ends all sessions, whatever else changes, until it is back', () => {
    const going = { ...ONE, spec: { ...(ONE.spec as object), taints: [{ key: 'going' }] } }
    const leaving = bgpConfiguration({
      asNumber: 64512,
      serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }],
      leaveOnTaint: 'going',
    })
    const reason = 'Node/n1 has the taint going'
    const [here, left] = [
      [going, CLUSTER, TOR],
      [going, leaving, TOR],
    ]
    expect(preview(left).peers[0]).toMatchObject({
      advertised: [],
      refused: Array.from({ length: 3 }, () => ({ reason: 'this node is leaving' })),
    })
    const words = `this node leaves: ${reason}: all routes are withdrawn and all sessions end`
    const report = { problems: [], nodes: [preview(left)], differences: undefined, change: undefined }
    expect([...renderReport(report)]).toContain(`  ${words}`)
    expect(reportJson(report).nodes[0]?.leaves).toBe(reason)
    const lines = change(here, left)
    expect(lines.map(({ kind }) => kind)).toEqual(['node-leaves', 'withdraws', 'withdraws', 'withdraws'])
    expect(change(here, [...left, bgpPeer('more', { peerIP: '10.0.0.9', asNumber: 65009 })])).toEqual(lines)
    expect(change(left, here).map(({ kind }) => kind)).toEqual(['node-stays', 'advertises', 'advertises', 'advertises'])
    expect(change(left, left)).toEqual([])
    expect(change(left, [going, leaving, tor({ drain: true })])).toEqual([])
  })

  test('sessions and nodes come and go', () => {
    expect(change([ONE, CLUSTER], [ONE, CLUSTER, TOR])[0]).toMatchObject({ kind: 'session-added' })
    expect(change([ONE, CLUSTER, TOR], [ONE, CLUSTER])).toEqual([
      { kind: 'session-removed', node: 'n1', peer: 'Global_10_0_0_1' },
    ])
    expect(changeOf([], [preview(OBJECTS)])).toEqual([{ kind: 'node-added', node: 'n1' }])
    expect(changeOf([preview(OBJECTS)], [])).toEqual([{ kind: 'node-removed', node: 'n1' }])
  })

  test('nodes of the mesh that a BGPPeer selects are the same neighbors, and the others stay in the mesh', () => {
    const three = node('n3', { addresses: ['10.0.0.13'], labels: { reflector: 'yes' } })
    const spec = { nodeSelector: 'all()', peerSelector: "reflector == 'yes'", keepaliveTime: '7s' }
    const [before, after] = [
      [ONE, TWO, three, bgpConfiguration({ asNumber: 64512 })],
      [ONE, TWO, three, bgpConfiguration({ asNumber: 64512 }), bgpPeer('reflectors', spec)],
    ]
    const setting = (peer: string) => ({ kind: 'setting', node: 'n1', peer, field: 'keepaliveTime' })
    const ofOne = (lines: readonly ChangeLine[]) => lines.filter((line) => line.node === 'n1')
    expect(ofOne(change(before, after))).toMatchObject([setting('Node_10_0_0_13')])
    expect(ofOne(change(after, before))).toMatchObject([setting('Mesh_10_0_0_13')])
    const noMesh = bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false })
    const off = after.map((object) => (object.kind === 'BGPConfiguration' ? noMesh : object))
    expect(ofOne(change(before, off)).filter(({ kind }) => kind.startsWith('session'))).toEqual([
      { kind: 'session-removed', node: 'n1', peer: 'the mesh (1 node)' },
    ])
  })

  test('a mesh that grows by a node resets nothing', () => {
    expect(change([ONE, CLUSTER, TWO], [ONE, CLUSTER, TWO, node('n0', { addresses: ['10.0.0.10'] })])).toEqual([])
  })
})

test('of many nodes each is seen as it is alone, and what all see alike is looked at once', () => {
  const rack = (index: number) => ({ labels: { rack: `${index % 3}` }, addresses: [`10.0.1.${index}`] })
  const nodes = Array.from({ length: 20 }, (_, index) =>
    node(`m${index}`, { ...rack(index), podCIDRs: [`10.244.${index}.0/24`] }),
  )
  const racks = [0, 1, 2].map((index) =>
    bgpPeer(`rack-${index}`, { peerIP: `10.0.0.${index + 1}`, asNumber: 65000, nodeSelector: `rack == '${index}'` }),
  )
  const node7 = bgpConfiguration({ listenPort: 1790 }, 'node.m7')
  for (const nodeToNodeMeshEnabled of [true, false]) {
    const mesh = bgpConfiguration({ nodeToNodeMeshEnabled, serviceClusterIPs: [{ cidr: '10.96.0.0/16' }] })
    const store = storeOf([...nodes, ...racks, mesh, node7])
    const names = nodes.map(({ metadata }) => metadata.name)
    const alone = names.map((name) => previewNode(store, name))
    const together = previewNodes(store, names)
    const seen = ({ intent, alike: _alike, peers, ...rest }: (typeof alone)[number]) => ({
      peers: peers.map(({ groups: _groups, ...peer }) => peer),
      ...rest,
      node: intent.node,
      said: intent.problems,
    })
    expect(together.map(seen)).toEqual(alone.map(seen))
    expect(together.every(({ intent }) => intent.peers.size + intent.routes.size === 0)).toBe(true)
  }
})

test('an error is one, a warning none, and JSON has both', () => {
  const store = storeOf([ONE, CLUSTER, bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['none'] })])
  const nodes = [previewNode(store, 'n1')]
  const report = { problems: problemsOf(store, nodes), nodes, differences: undefined, change: undefined }
  expect(hasErrors(report)).toBe(true)
  expect(
    hasErrors({ ...report, problems: report.problems.map((one) => ({ ...one, level: 'warning' as const })) }),
  ).toBe(false)
  expect(JSON.parse(JSON.stringify(reportJson(report)))).toMatchObject({
    problems: [{ level: 'error', object: 'BGPPeer/tor' }],
    nodes: [{ node: 'n1', asNumber: 64512, routerId: '10.0.0.11', peers: [{ name: 'Global_10_0_0_1', count: 1 }] }],
    differences: null,
    change: null,
  })
})
