/** `nodeRoutes: Direct` and `programClusterRoutes`: whole agents on one link, each with a kernel. */
import { describe, expect, test } from 'vitest'
import { Lan, type LanOptions, pods4, pods6 } from '../support/lan.ts'
import { longTest } from '../support/long.ts'
import { bgpPeer, upsert } from '../support/objects.ts'

const MESH = { nodeToNodeMeshEnabled: true }
const DIRECT = { nodeToNodeMeshEnabled: false, nodeRoutes: 'Direct' }
const BOTH = { nodeToNodeMeshEnabled: true, nodeRoutes: 'Direct' }

const lan = (configuration: object, more: Partial<LanOptions> = {}) => {
  const made = new Lan({ nodes: 3, configuration, ...more })
  made.world.pass(5_000)
  return made
}
/** Its first node alone has an agent: routes from objects need no other. */
const loneAgent = (configuration: object, more: Partial<LanOptions> = {}) =>
  lan(configuration, { nodes: 5, agents: 1, ...more })
const wrong = (made: Lan, owner?: string) => made.numbers().flatMap((number) => made.wrong(number, owner))

describe('nodeRoutes: Direct, mesh off', () => {
  test('each prefix has one owner in every kernel, both families, and no session is there', () => {
    const made = lan(DIRECT)
    expect(wrong(made)).toEqual([])
    expect(made.kernel(1).own).toContain(`${pods4(2)} via 10.0.0.2 dev eth0 proto 171 metric 1024`)
    expect(made.kernel(1).own).toContain(`${pods6(2)} via fd00:10::2 dev eth0 proto 171 metric 1025`)
    expect([...made.world.hosts.values()].every(({ up }) => up === 0)).toBe(true)
    expect(made.problems(1).join()).not.toMatch(/node-route|n2/)
  })

  longTest(
    'a node that is deleted, or has another address or pod CIDR, loses its routes; NotReady and labels are no reason',
    () => {
      const made = loneAgent(DIRECT)
      const written = () => made.kernel(1).written.map(({ action, route }) => `${action} ${route.prefix.text}`)
      const since = (change: () => void): string[] => {
        const before = written().length
        change()
        made.world.pass(1_000)
        return written().slice(before).sort()
      }
      const changed = (number: number, more: object, object = made.node(number)) =>
        made.tell([upsert({ ...object, ...more })])
      const conditions = [{ type: 'Ready', status: 'False' }]
      expect(since(() => changed(2, { status: { ...(made.node(2).status as object), conditions } }))).toEqual([])
      expect(since(() => changed(2, { metadata: { name: 'n2', labels: { a: 'b' } } }))).toEqual([])
      const moved = made.node(2, { addresses: ['10.0.9.9', 'fd00:10::2'] })
      expect(since(() => changed(2, {}, moved))).toEqual([`replace ${pods4(2)}`])
      const recut = made.node(2, { addresses: ['10.0.9.9', 'fd00:10::2'], podCIDRs: ['10.200.0.0/24'] })
      expect(since(() => changed(2, {}, recut))).toEqual(
        ['add 10.200.0.0/24', `remove ${pods4(2)}`, `remove ${pods6(2)}`].sort(),
      )
      const gone = { kind: 'delete', ref: { kind: 'Node', namespace: '', name: 'n2' } } as const
      expect(since(() => made.tell([gone]))).toEqual(['remove 10.200.0.0/24'])
      expect(since(() => made.tell([upsert(made.node(2))]))).toEqual([`add ${pods4(2)}`, `add ${pods6(2)}`])
      expect(made.wrong(1)).toEqual([])
    },
  )

  test('the last other node that goes takes its routes along', () => {
    const made = new Lan({ nodes: 2, configuration: DIRECT })
    made.world.pass(2_000)
    expect(made.owners(1).size).toBe(2)
    made.tell([{ kind: 'delete', ref: { kind: 'Node', namespace: '', name: 'n2' } }])
    made.world.pass(1_000)
    expect(made.owners(1).size).toBe(0)
  })

  test('a node that is on no link is left to BGP, and named while BGP says nothing', () => {
    const made = loneAgent(DIRECT, { addresses: (number) => (number === 3 ? ['10.9.0.3', 'fd00:99::3'] : undefined) })
    expect(made.wrong(1).sort()).toEqual([pods4(3), pods6(3)].sort())
    expect(made.problems(1).join('\n')).toContain(
      `${pods4(3)} is not written: Node/n3 (10.9.0.3) is on no link of this node: no route of this node leads to the next hop 10.9.0.3; only a route learned over BGP can reach its pods`,
    )
    made.kernel(1).addForeign('10.9.0.0/16', '10.0.0.77')
    made.world.pass(1_000)
    expect(made.problems(1).join('\n')).toContain(
      `${pods4(3)} is not written: Node/n3 (10.9.0.3) is on no link of this node; only`,
    )
    made.kernel(1).addAddress('eth0', '10.9.0.1/24')
    made.world.pass(1_000)
    expect(made.owners(1).get(pods4(3))).toEqual(['171'])
  })

  test('a link that goes takes the routes along, and brings them back', () => {
    const made = loneAgent(DIRECT)
    made.kernel(1).removeAddress('eth0', `${made.addresses(1)[0]}/16`)
    made.world.pass(1_000)
    expect([...made.owners(1).keys()].some((prefix) => prefix.startsWith('10.'))).toBe(false)
    made.kernel(1).addAddress('eth0', `${made.addresses(1)[0]}/16`)
    made.world.pass(1_000)
    expect(made.wrong(1)).toEqual([])
  })

  test('an agent that starts again writes nothing anew, and sweeps what its objects no longer want', () => {
    const made = lan(DIRECT)
    made.world.crash(made.host(1))
    const before = made.kernel(1).written.length
    made.start(1)
    made.world.pass(5_000)
    expect(made.kernel(1).written.length).toBe(before)
    made.world.crash(made.host(1))
    made.start(1, [{ kind: 'delete', ref: { kind: 'Node', namespace: '', name: 'n2' } }])
    made.world.pass(5_000)
    expect(made.owners(1).has(pods4(2))).toBe(false)
  })

  test("somebody else's route for the prefix keeps ours out, is named, and ours comes when it goes", () => {
    const made = loneAgent(DIRECT)
    made.kernel(1).addForeign(pods4(2), '10.0.0.2', 80)
    made.world.pass(1_000)
    expect(made.owners(1).get(pods4(2))).toEqual(['80'])
    expect(made.problems(1).join('\n')).toMatch(
      /is not written: the table has .* of Calico \(protocol 80\), which stays/,
    )
    made.kernel(1).remove(pods4(2), 80)
    made.world.pass(1_000)
    expect(made.wrong(1)).toEqual([])
  })
})

describe('what doctor asks for', () => {
  const gaps = (made: Lan) => made.host(1).engine?.view(made.world.now).nodeRouteGaps()

  test('nothing where routes come from BGP alone, and no gap where all are there', () => {
    expect(gaps(loneAgent(MESH))).toBeUndefined()
    expect(gaps(loneAgent(DIRECT))).toEqual({ first: [], count: 0, foreign: 0, podless: { first: [], count: 0 } })
  })

  test('nodes on no link', () => {
    const made = loneAgent(DIRECT, { addresses: (number) => (number === 3 ? ['10.9.0.3', 'fd00:99::3'] : undefined) })
    expect(gaps(made)?.count).toBe(2)
    expect(gaps(made)?.first[0]).toMatchObject({ prefix: pods4(3), node: 'n3', isForeign: false })
    expect(gaps(made)?.first[0]?.reason).toMatch(/^Node\/n3 \(10\.9\.0\.3\) is on no link of this node/)
  })

  test("somebody else's route, and nodes without pod CIDRs", () => {
    const made = loneAgent(DIRECT)
    made.kernel(1).addForeign(pods4(2), '10.0.0.2', 80)
    made.tell([upsert(made.node(4, { podCIDRs: [] }))])
    made.world.pass(1_000)
    expect(gaps(made)).toMatchObject({
      first: [{ prefix: pods4(2), node: 'n2', isForeign: true, isFelixs: false }],
      count: 1,
      foreign: 1,
      podless: { first: ['n4'], count: 1 },
    })
  })

  test('what Felix is to write, until it has written it', () => {
    const made = loneAgent({ nodeToNodeMeshEnabled: false, programClusterRoutes: 'Disabled' })
    expect(gaps(made)?.count).toBe(8)
    expect(gaps(made)?.first[0]).toMatchObject({ isForeign: false, isFelixs: true })
    made.kernel(1).addForeign(pods4(2), '10.0.0.2', 80)
    made.world.pass(1_000)
    expect(gaps(made)?.count).toBe(7)
  })
})

describe('beside the mesh', () => {
  test('the kernel changes nothing when both want the same', () => {
    const made = lan(MESH)
    made.world.pass(30_000)
    expect(wrong(made)).toEqual([])
    const before = made.numbers().map((number) => made.kernel(number).written.length)
    made.configure(BOTH, 300)
    made.world.pass(10_000)
    made.configure(DIRECT, 300)
    made.world.pass(10_000)
    expect(made.numbers().map((number) => made.kernel(number).written.length)).toEqual(before)
    expect(wrong(made)).toEqual([])
  })

  test('and back in one step: each route stays until BGP has taught it', () => {
    const made = lan(DIRECT)
    const before = made.numbers().map((number) => made.kernel(number).written.length)
    made.configure(MESH, 700)
    expect(made.world.until(() => made.host(1).up === 2)).toBe(true)
    made.world.pass(130_000)
    expect(made.numbers().map((number) => made.kernel(number).written.length)).toEqual(before)
    expect(wrong(made)).toEqual([])
  })

  test('back to nothing at all: what nobody teaches goes, once all neighbors have had their say', () => {
    const made = lan(DIRECT)
    made.configure({ nodeToNodeMeshEnabled: false })
    made.world.pass(5_000)
    expect(made.numbers().flatMap((number) => [...made.owners(number).keys()])).toEqual([])
  })

  test('a node that goes while routes are handed over loses its own at once', () => {
    const made = lan(DIRECT)
    made.world.crash(made.host(2), 'power')
    made.configure(MESH)
    made.world.pass(500)
    expect(made.owners(1).has(pods4(2))).toBe(true)
    made.tell([{ kind: 'delete', ref: { kind: 'Node', namespace: '', name: 'n2' } }])
    made.world.pass(500)
    expect(made.owners(1).has(pods4(2))).toBe(false)
    made.world.pass(60_000)
    expect(made.wrong(1)).toEqual([pods4(2), pods6(2)])
  })

  test('where both say something else, the Node on the link decides', () => {
    const made = lan(BOTH)
    made.world.pass(30_000)
    // Node n2 has moved, says its Node; the session still teaches the old next hop.
    made.world.change(made.host(1), [upsert(made.node(2, { addresses: ['10.0.9.9', 'fd00:10::2'] }))])
    made.world.pass(100)
    expect(made.kernel(1).own).toContain(`${pods4(2)} via 10.0.9.9 dev eth0 proto 171 metric 1024`)
  })
})

describe('programClusterRoutes', () => {
  const felix = (made: Lan, number: number) => {
    for (const other of made.numbers()) {
      if (other === number) continue
      made.kernel(number).addForeign(pods4(other), made.addresses(other)[0], 80)
      made.kernel(number).addForeign(pods6(other), made.addresses(other)[1], 80, 1024)
    }
  }

  test.each([
    ['with the mesh', { ...MESH, programClusterRoutes: 'Disabled' }],
    ['without it', { nodeToNodeMeshEnabled: false, programClusterRoutes: 'EnabledIPIPOnly' }],
  ])('Disabled, %s: nothing is written; what Felix has not written is named as a gap', (_, configuration) => {
    const made = lan(configuration)
    made.world.pass(30_000)
    expect(made.owners(1).size).toBe(0)
    expect(made.problems(1).join('\n')).toMatch(
      /10\.\d+\.\d+\.0\/24 and 3 more has no route: programClusterRoutes leaves it to Felix, which has not written it/,
    )
    felix(made, 1)
    made.world.pass(1_000)
    expect(made.wrong(1, '80')).toEqual([])
    expect(made.problems(1).join('\n')).not.toMatch(/kernel route/)
  })

  test.each([
    ['BGP', MESH],
    ['Direct', DIRECT],
  ])('Felix takes over from %s: ours stay until its own stand, and come back when they go', (_, before) => {
    const made = lan(before)
    made.world.pass(30_000)
    made.configure({ ...before, programClusterRoutes: 'Disabled' })
    made.world.pass(5_000)
    expect(wrong(made)).toEqual([])
    felix(made, 1)
    made.world.pass(1_000)
    expect(made.wrong(1, '80')).toEqual([])
    expect(made.wrong(2)).toEqual([])
    made.configure(before)
    made.world.pass(1_000)
    expect(made.wrong(1, '80')).toEqual([])
    for (const other of made.numbers()) for (const text of [pods4(other), pods6(other)]) made.kernel(1).remove(text, 80)
    made.world.pass(1_000)
    expect(wrong(made)).toEqual([])
  })
})

describe('for those who look', () => {
  interface Row {
    readonly prefix: string
    readonly source: string
    readonly object: string | null
    readonly nextHop: string | null
    readonly best: boolean
    readonly reason: string
  }
  const rows = (made: Lan, words: string) => made.askJson<Row[]>(1, `show route ${words}`)

  test('show route lists them, by protocol, family, range, address and prefix, and counts them', () => {
    const made = loneAgent(DIRECT)
    const [row] = rows(made, pods4(2))
    expect(row).toMatchObject({
      prefix: pods4(2),
      source: 'node-route',
      object: 'Node/n2',
      nextHop: '10.0.0.2',
      best: true,
      reason: 'the node is on the link eth0: nodeRoutes Direct comes before BGP',
    })
    const prefixes = (words: string) => rows(made, words).map(({ prefix }) => prefix)
    expect(prefixes('protocol node_route')).toHaveLength(8)
    expect(prefixes('table master6 protocol node_route')).toHaveLength(4)
    expect(prefixes('for 10.128.3.77')).toEqual([pods4(3)])
    expect(made.ask(1, 'show route for 10.128.77.7')).toMatch(/Network not found/)
    expect(prefixes('in 10.128.2.0/23')).toEqual([pods4(2), pods4(3)])
    expect(prefixes('protocol pod_cidr')).toHaveLength(2)
    expect(made.ask(1, 'show route count')).toContain('5 of 5 routes for 5 networks in table master4')
    expect(made.ask(1, 'show route')).toMatch(
      /10\.128\.2\.0\/24 +unicast \[node_route .*\] \* \(200\)\n.*via 10\.0\.0\.2 on eth0/,
    )
  })

  test('beside a learned one both are listed, as one network', () => {
    const made = lan(BOTH)
    made.world.pass(30_000)
    expect(rows(made, pods4(2)).map(({ source }) => source)).toEqual(['bgp', 'node-route'])
    expect(rows(made, 'for 10.128.2.9').map(({ source }) => source)).toEqual(['bgp', 'node-route'])
    expect(made.ask(1, 'show route count')).toContain('5 of 5 routes for 3 networks in table master4')
  })

  test('with the word primary, only those that the kernel has, listed and counted', () => {
    const made = loneAgent(DIRECT, { addresses: (number) => (number === 3 ? ['10.9.0.3', 'fd00:99::3'] : undefined) })
    expect(made.ask(1, 'show route for 10.128.3.9')).toContain(pods4(3))
    for (const words of [pods4(3), 'for 10.128.3.9'])
      expect([words, made.ask(1, `show route ${words} primary`)]).toEqual([
        words,
        expect.not.stringContaining('unicast'),
      ])
    for (const words of [pods4(2), 'for 10.128.2.9', 'protocol node_route', 'in 10.128.2.0/23']) {
      const best = rows(made, words).filter((row) => row.best)
      expect([words, rows(made, `${words} primary`)]).toEqual([words, best])
    }
    expect(made.ask(1, 'show route primary count')).toContain('4 of 4 routes for 4 networks in table master4')
    expect(made.ask(1, 'show route for 10.128.3.9 primary count')).toContain('0 of 4 routes for 4 networks')
  })

  test('no neighbor is offered them before its export policy', () => {
    const made = lan(BOTH)
    made.world.pass(30_000)
    const sources = rows(made, 'preexport Mesh_10_0_0_2').map(({ source }) => source)
    expect(sources.length).toBeGreaterThan(0)
    expect(sources).not.toContain('node-route')
  })

  longTest('pages are whole, whatever the number of routes', () => {
    const many = Array.from({ length: 700 }, (_, index) => `10.${200 + (index >> 8)}.${index & 255}.0/24`)
    const made = loneAgent(DIRECT)
    // A Node may have so many at most.
    const each = 50
    const nodes = Array.from({ length: many.length / each }, (_, index) => index)
    made.tell(
      nodes.map((index) => upsert(made.node(10 + index, { podCIDRs: many.slice(index * each, (index + 1) * each) }))),
    )
    made.world.pass(2_000)
    expect(rows(made, 'protocol node_route')).toHaveLength(708)
    expect(rows(made, 'in 10.200.0.0/15')).toHaveLength(512)
    expect(made.ask(1, 'show route count')).toContain('705 of 705 routes for 705 networks')
  })

  test('show explain says whose it is, what the kernel has, and why no neighbor is told', () => {
    const made = lan({ ...DIRECT })
    made.tell([upsert(bgpPeer('tor', { peerIP: '10.0.0.3', asNumber: 64512 }))])
    made.world.pass(30_000)
    const said = made.ask(1, 'show explain 10.128.2.9')
    expect(said).toMatch(/path +Node\/n2: best via 10\.0\.0\.2 \(the node is on the link eth0: nodeRoutes Direct/)
    expect(said).toMatch(/kernel +10\.128\.2\.0\/24 via 10\.0\.0\.2 dev eth0 metric 1024 of Godwit/)
    expect(said).toMatch(/peer +Global_10_0_0_3: not advertised \(Node\/n2 advertises it itself\)/)
  })

  test('and why one is not in the kernel', () => {
    const made = loneAgent(DIRECT, { addresses: (number) => (number === 3 ? ['10.9.0.3', 'fd00:99::3'] : undefined) })
    made.kernel(1).addForeign(pods4(2), '10.0.0.2', 80)
    made.world.pass(1_000)
    expect(rows(made, pods4(3))).toMatchObject([
      { best: false, reason: expect.stringMatching(/on no link of this node/) },
    ])
    expect(rows(made, pods4(2))).toMatchObject([
      { best: false, reason: expect.stringMatching(/of Calico \(protocol 80\), which stays/) },
    ])
    expect(made.host(1).engine.view(made.world.now).nodeRoutes()).toEqual({
      ipv4: { wanted: 4, written: 2 },
      ipv6: { wanted: 4, written: 3 },
    })
  })
})
