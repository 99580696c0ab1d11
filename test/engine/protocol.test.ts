/** What the protocol's additions come to between whole agents. Numbers in brackets: what implementers get wrong. */
import { describe, expect, test } from 'vitest'
import {
  type ApiObject,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  node,
  remove,
  secret,
  upsert,
} from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

interface Row {
  readonly prefix: string
  readonly nextHop: string | null
  readonly from: string | null
  readonly best: boolean
  readonly reason: string
  readonly localPref: number | null
  readonly protocol: string | null
}

interface Protocol {
  readonly name: string
  readonly state: string
  readonly lastError: string | null
}

const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
const GIVE_ALL = bgpFilter('give-all', { exportV4: [{ action: 'Accept' }], exportV6: [{ action: 'Accept' }] })
const FILTERS = [TAKE_ALL, GIVE_ALL]

/** An agent in an AS of its own, without a mesh. It takes everything. */
interface Speaker {
  readonly name: string
  readonly address: string | readonly string[]
  readonly as: number
  readonly pods?: readonly string[]
  readonly peers: readonly { readonly to?: string; readonly [field: string]: unknown }[]
  readonly configuration?: object
  readonly annotations?: Readonly<Record<string, string>>
}

function addSpeaker(world: World, speaker: Speaker): Host {
  const { name, address, as, pods = [], peers, configuration = {}, annotations = {} } = speaker
  const addresses = typeof address === 'string' ? [address] : address
  const objects: ApiObject[] = [
    node(name, { addresses, podCIDRs: pods, annotations }),
    bgpConfiguration({ asNumber: as, nodeToNodeMeshEnabled: false, ...configuration }),
    ...FILTERS,
    ...peers.map(({ to, ...spec }, index) =>
      bgpPeer(`p${index}`, { ...(to !== undefined && { peerIP: to }), filters: ['take-all'], ...spec }),
    ),
  ]
  return world.add(
    name,
    addresses,
    objects.map((object) => upsert(object)),
  )
}

const rows = (world: World, host: Host, what = ''): Row[] => world.askJson<Row[]>(host, `show route ${what}`.trim())
const learned = (world: World, host: Host) => rows(world, host).filter(({ from }) => from !== null)
const protocols = (world: World, host: Host) =>
  world.askJson<Protocol[]>(host, 'show protocols').filter(({ state }) => state !== 'Passive')
const stateOf = (world: World, host: Host, name: string) =>
  protocols(world, host).find((protocol) => protocol.name === name)?.state

const A = '10.0.0.1'
const B = '10.0.0.2'
const PODS = '10.244.1.0/24'

/** Two agents, one in AS 65001 at A and one in AS 65002 at B with pods. */
function pair(a: object = {}, b: object = {}, more: Partial<Speaker> = {}) {
  const world = new World()
  const one = addSpeaker(world, { name: 'one', address: A, as: 65001, peers: [{ to: B, asNumber: 65002, ...a }] })
  const two = addSpeaker(world, {
    name: 'two',
    address: B,
    as: 65002,
    pods: [PODS],
    peers: [{ to: A, asNumber: 65001, ...b }],
    ...more,
  })
  return { world, one, two }
}

const ONE_SEES = 'Global_10_0_0_2'

describe('hits of rules', () => {
  interface Filter {
    readonly direction: string
    readonly neighbors: readonly string[]
    readonly rules: readonly { readonly name: string; readonly hits: number }[]
    readonly otherwise: { readonly hits: number }
  }
  const lab = (first: 'Accept' | 'Reject') =>
    bgpFilter('lab', {
      importV4: [
        { cidr: PODS, matchOperator: 'Equal', action: first },
        { cidr: '10.0.0.0/8', matchOperator: 'In', action: 'Reject' },
      ],
    })
  const hits = (world: World, one: Host) =>
    world
      .askJson<Filter[]>(one, `show filters ${ONE_SEES}`)
      .filter(({ direction }) => direction === 'import')
      .flatMap(({ rules, otherwise }) => [...rules.map((rule) => [rule.name, rule.hits]), ['', otherwise.hits]])
      .filter(([, count]) => count !== 0)

  test('count the routes that came, not those who look, and begin anew with another rule', () => {
    const { world, one, two } = pair({ filters: ['lab'] }, {}, { pods: [PODS, '10.244.2.0/24', '192.168.9.0/24'] })
    world.change(one, [upsert(lab('Reject'))])
    world.pass(10_000)
    const counted = [
      ['BGPFilter/lab importV4[0]', 1],
      ['BGPFilter/lab importV4[1]', 1],
      ['', 1],
    ]
    expect(hits(world, one)).toEqual(counted)
    expect(rows(world, one, 'filtered')).toHaveLength(3)
    rows(world, two, `noexport Global_10_0_0_1`)
    expect(hits(world, one)).toEqual(counted)
    world.change(one, [upsert(lab('Accept'))])
    world.pass(1_000)
    expect(hits(world, one)).toEqual(counted)
    expect(learned(world, one)).toHaveLength(1)
  })
})

describe('route refresh', () => {
  const messages = (world: World, host: Host) =>
    world.askJson<{ messages: Record<'received' | 'sent', Record<string, number>> }[]>(host, 'show protocols all')[0]
      ?.messages

  test('[68] reload in asks the neighbor, and its answer stands between BoRR and EoRR: no route is lost', () => {
    const { world, one, two } = pair()
    expect(world.until(() => learned(world, one).length === 1)).toBe(true)
    const { prefix, nextHop } = learned(world, one)[0] as Row
    expect(world.ask(one, `reload in ${ONE_SEES}`)).toContain('reloading')
    world.pass(5_000)
    expect(messages(world, one)).toMatchObject({ sent: { 'route-refresh': 2 }, received: { 'route-refresh': 4 } })
    expect(messages(world, two)).toMatchObject({ sent: { 'route-refresh': 4 }, received: { 'route-refresh': 2 } })
    expect(learned(world, one)).toMatchObject([{ prefix, nextHop, best: true }])
    expect(one.told('session-down')).toEqual([])
  })
})

describe('graceful shutdown (RFC 8326)', () => {
  test.each([
    ['[74] marked from outside: local preference 0', ['65535:0'], 0],
    ['not marked', [], null],
  ])('%s', (_, communities, localPref) => {
    const prefixAdvertisements = [{ cidr: PODS, communities }]
    const { world, one } = pair({}, {}, { configuration: { prefixAdvertisements } })
    expect(world.until(() => learned(world, one).length === 1)).toBe(true)
    expect(learned(world, one)[0]?.localPref).toBe(localPref)
  })
})

describe('roles (RFC 9234)', () => {
  test.each<[string, object, object, boolean]>([
    ['provider and customer', { role: 'provider' }, { role: 'customer' }, true],
    ['two providers: 2/11', { role: 'provider' }, { role: 'provider' }, false],
    ['one says nothing', { role: 'provider' }, {}, true],
    ['one says nothing to a strict one: 2/11', { role: 'provider', strictRole: true }, {}, false],
  ])('%s', (_, a, b, up) => {
    const { world, one } = pair(a, b)
    world.pass(20_000)
    expect(stateOf(world, one, ONE_SEES) === 'Established').toBe(up)
    if (!up) expect(protocols(world, one)[0]?.lastError).toMatch(/Role [Mm]ismatch/)
  })

  test('a customer is told of no route that is for customers only by a peer of ours', () => {
    const world = new World()
    const chain = [
      { name: 'up', address: A, as: 65001, pods: [PODS], peers: [{ to: B, asNumber: 65002, role: 'provider' }] },
      {
        name: 'mid',
        address: B,
        as: 65002,
        peers: [
          { to: A, asNumber: 65001, role: 'customer' },
          { to: '10.0.0.3', asNumber: 65003, role: 'peer', advertiseLearned: true, filters: ['take-all', 'give-all'] },
          { to: '10.0.0.4', asNumber: 65004, role: 'provider', filters: ['take-all', 'give-all'] },
        ],
      },
      { name: 'side', address: '10.0.0.3', as: 65003, peers: [{ to: B, asNumber: 65002, role: 'peer' }] },
      { name: 'down', address: '10.0.0.4', as: 65004, peers: [{ to: B, asNumber: 65002, role: 'customer' }] },
    ]
    const [, mid, side, down] = chain.map((speaker) => addSpeaker(world, speaker)) as [Host, Host, Host, Host]
    expect(world.until(() => learned(world, down).length === 1)).toBe(true)
    world.pass(10_000)
    expect(learned(world, side)).toEqual([])
    expect(world.ask(mid, `show route for ${PODS} all`)).toContain('BGP.otc: 65001')
  })
})

describe('who may call', () => {
  const ranged = (spec: object) => {
    const world = new World()
    const one = addSpeaker(world, {
      name: 'one',
      address: A,
      as: 65001,
      peers: [{ peerRange: '10.0.0.0/24', remoteAS: 'external', ...spec }],
    })
    const call = (last: number) =>
      addSpeaker(world, {
        name: `caller-${last}`,
        address: `10.0.0.${last}`,
        as: 65000 + last,
        pods: [`10.244.${last}.0/24`],
        peers: [{ to: A, asNumber: 65001 }],
      })
    return { world, one, call }
  }

  test('from the range: a neighbor each, with a name by its address, forgotten when it has gone', () => {
    const { world, one, call } = ranged({})
    expect(protocols(world, one)).toEqual([])
    const five = call(5)
    call(6)
    expect(world.until(() => learned(world, one).length === 2)).toBe(true)
    expect(protocols(world, one).map(({ name }) => name)).toEqual(['Global_10_0_0_5', 'Global_10_0_0_6'])
    expect(world.ask(one, 'show protocols')).toMatch(/Global_10_0_0_0_24 .* Passive +2 of \d+ neighbors$/m)
    expect(world.ask(one, 'show protocols all Global_10_0_0_5')).toContain('Neighbor range:   10.0.0.0/24')
    world.crash(five)
    world.pass(5_000)
    expect(learned(world, one)).toHaveLength(2)
    world.pass(240_000)
    expect(protocols(world, one).map(({ name }) => name)).toEqual(['Global_10_0_0_6'])
    expect(learned(world, one).map(({ prefix }) => prefix)).toEqual(['10.244.6.0/24'])
  })

  const GONE = 'Global_10_0_0_5'
  const ask = (word: string) => (world: World, one: Host) => world.ask(one, word)
  const hasLeft = (world: World, one: Host) => {
    world.ask(one, 'leave')
    world.pass(20_000)
  }
  test.each([
    ['enabled', ask(`disable ${GONE}`), ask(`enable ${GONE}`)],
    ['no longer leaving', hasLeft, ask('leave cancel')],
  ])('one that went meanwhile is forgotten when it is %s', (_, stop, start) => {
    const { world, one, call } = ranged({})
    const five = call(5)
    expect(world.until(() => learned(world, one).length === 1)).toBe(true)
    stop(world, one)
    world.crash(five)
    world.pass(120_000)
    expect(protocols(world, one).map(({ name }) => name)).toEqual([GONE])
    start(world, one)
    expect(protocols(world, one)).toEqual([])
    expect(world.ask(one, 'show protocols')).toMatch(/Passive +0 of/)
  })

  test('no more than the limit; a place that is free again is given away', () => {
    const { world, one, call } = ranged({ peerRangeLimit: 1 })
    const five = call(5)
    expect(world.until(() => learned(world, one).length === 1)).toBe(true)
    call(6)
    world.pass(60_000)
    expect(protocols(world, one)).toHaveLength(1)
    expect(one.told('connection-refused').at(-1)?.text).toContain(
      '1 neighbors from 10.0.0.0/24 are connected, which is the limit',
    )
    world.crash(five)
    expect(world.until(() => stateOf(world, one, 'Global_10_0_0_6') === 'Established', 180_000)).toBe(true)
  })

  test('from elsewhere nobody, and with the wrong AS neither', () => {
    const { world, one, call } = ranged({ peerRange: '10.0.9.0/24' })
    call(5)
    world.pass(10_000)
    expect(one.told('connection-refused')[0]?.text).toContain('no neighbor has this address')
    const strict = ranged({ remoteAS: 'internal' })
    strict.call(5)
    strict.world.pass(10_000)
    expect(protocols(strict.world, strict.one)).toEqual([])
    expect(strict.one.told('notification-sent')[0]?.fields).toMatchObject({ code: 2, subcode: 2 })
  })

  test('an object that names a caller takes it over, and its session stays', () => {
    const { world, one, call } = ranged({ remoteAS: undefined, asNumber: 65005 })
    call(5)
    expect(world.until(() => learned(world, one).length === 1)).toBe(true)
    world.change(one, [upsert(bgpPeer('named', { peerIP: '10.0.0.5', asNumber: 65005, filters: ['take-all'] }))])
    world.pass(120_000)
    expect(one.told('session-up')).toHaveLength(1)
    expect(one.told('session-down')).toEqual([])
    expect(protocols(world, one).map(({ name }) => name)).toEqual(['Global_10_0_0_5'])
    world.change(one, [remove(bgpPeer('p0', {}))])
    world.pass(1_000)
    expect(learned(world, one)).toHaveLength(1)
  })

  test('a neighbor on its last good policy is not restarted by hand: it would not come back', () => {
    const { world, one, call } = ranged({ remoteAS: undefined, asNumber: 65005 })
    call(5)
    expect(world.until(() => learned(world, one).length === 1)).toBe(true)
    const spec = { peerRange: '10.0.0.0/24', asNumber: 65005, filters: ['nowhere'] }
    world.change(one, [upsert(bgpPeer('p0', spec))])
    world.pass(1_000)
    expect(world.ask(one, 'restart Global_10_0_0_5')).toContain('BGPFilter/nowhere does not exist')
    world.pass(1_000)
    expect(one.told('session-down')).toEqual([])
  })

  test('an object that names a caller by another name gets it to itself, with its session', () => {
    const { world, one, call } = ranged({})
    call(5)
    expect(world.until(() => learned(world, one).length === 1)).toBe(true)
    world.change(one, [
      upsert(bgpPeer('named', { node: 'one', peerIP: '10.0.0.5', asNumber: 65005, filters: ['take-all'] })),
    ])
    expect(world.until(() => stateOf(world, one, 'Node_10_0_0_5') === 'Established', 120_000)).toBe(true)
    expect(protocols(world, one).map(({ name }) => name)).toEqual(['Node_10_0_0_5'])
    world.pass(200_000)
    expect(one.told('session-up')).toHaveLength(1)
    expect(learned(world, one)).toHaveLength(1)
  })

  test('a more specific range takes over the callers inside it: its filters count at once, and its password', () => {
    const { world, one, call } = ranged({})
    call(5)
    call(200)
    expect(world.until(() => learned(world, one).length === 2)).toBe(true)
    const inside = { peerRange: '10.0.0.0/28', remoteAS: 'external', filters: ['nothing'] }
    const nothing = bgpFilter('nothing', { importV4: [{ action: 'Reject' }], importV6: [{ action: 'Reject' }] })
    world.change(one, [upsert(nothing), upsert(bgpPeer('inside', inside))])
    world.pass(1_000)
    expect(one.told('session-down')).toEqual([])
    expect(learned(world, one).map(({ prefix }) => prefix)).toEqual(['10.244.200.0/24'])
    expect(world.ask(one, 'show protocols')).toMatch(/Global_10_0_0_0_28 .* Passive +1 of/)
    const password = { secretKeyRef: { name: 'keys', key: 'tor' } }
    world.change(one, [
      upsert(bgpPeer('inside', { ...inside, password })),
      upsert({ ...secret('godwit/keys', {}), keys: { tor: { version: 1 } } }),
    ])
    world.pass(1_000)
    expect(one.told('session-down').map(({ fields }) => fields.peer)).toEqual(['Global_10_0_0_5'])
  })

  test('a more specific range takes over no more callers than its limit', () => {
    const { world, one, call } = ranged({})
    for (const last of [5, 6]) call(last)
    expect(world.until(() => learned(world, one).length === 2)).toBe(true)
    const inside = { peerRange: '10.0.0.0/28', remoteAS: 'external', peerRangeLimit: 1 }
    world.change(one, [upsert(bgpPeer('inside', inside))])
    world.pass(1_000)
    expect(one.told('session-down')).toHaveLength(1)
    expect(world.ask(one, 'show protocols')).toMatch(/Global_10_0_0_0_28 .* Passive +1 of 1 neighbors/)
  })

  test('when the range goes its neighbors go, and a change of it reaches them', () => {
    const { world, one, call } = ranged({})
    call(5)
    expect(world.until(() => learned(world, one).length === 1)).toBe(true)
    world.change(one, [upsert(bgpPeer('p0', { peerRange: '10.0.0.0/24', remoteAS: 'external', holdTime: 30 }))])
    world.pass(1_000)
    expect(one.told('session-down')).toEqual([])
    expect(learned(world, one)).toEqual([])
    world.change(one, [upsert(bgpPeer('p0', { peerIP: '10.0.0.77', asNumber: 65077 }))])
    world.pass(1_000)
    expect(protocols(world, one).map(({ name }) => name)).toEqual(['Global_10_0_0_77'])
    expect(one.told('notification-sent').at(-1)?.fields).toMatchObject({
      code: 6,
      subcode: 3,
      text: 'Cease: Peer De-configured',
    })
  })
})

describe('too many routes', () => {
  const pods = ['10.244.1.0/24', '10.244.2.0/24', '10.244.3.0/24']

  test('[75] a word before the limit, Cease/1 beyond it, nothing for the time given, then another try', () => {
    const maxPrefixes = { ipv4: { limit: 2, warnPercent: 50, restartMinutes: 5 } }
    const { world, one } = pair({ maxPrefixes }, {}, { pods })
    expect(world.until(() => one.told('session-down').length === 1)).toBe(true)
    expect(one.told('notification-sent')[0]?.fields).toMatchObject({
      code: 6,
      subcode: 1,
      text: expect.stringMatching(/^Cease: Maximum Number/),
    })
    expect(world.ask(one, `show protocols all ${ONE_SEES}`)).toContain('Hold-down timer:')
    world.pass(280_000)
    expect(one.told('session-up')).toHaveLength(1)
    world.pass(60_000)
    expect(one.told('session-up')).toHaveLength(2)
  })

  const another = upsert(node('other', { addresses: ['10.0.0.9'], podCIDRs: ['10.99.0.0/24'] }))
  const limited = (limit: number) => ({ maxPrefixes: { ipv4: { limit, warnPercent: 50, restartMinutes: 5 } } })
  const edited = (spec: object) => upsert(bgpPeer('p0', { peerIP: B, asNumber: 65002, filters: ['take-all'], ...spec }))
  const leaveAndStay = (world: World, one: Host) => {
    world.ask(one, 'leave')
    world.pass(20_000)
    world.ask(one, 'leave cancel')
  }
  const edit = (world: World, one: Host) => world.change(one, [edited({ ...limited(2), drain: true })])
  test.each([
    ['a leave is called off', leaveAndStay],
    ['its BGPPeer changes otherwise', edit],
    ['another Node joins', (world: World, one: Host) => world.change(one, [another])],
  ])('[75] the time given is kept: %s', (_, meddle) => {
    const { world, one } = pair(limited(2), {}, { pods })
    expect(world.until(() => one.told('session-down').length === 1)).toBe(true)
    meddle(world, one)
    world.pass(200_000)
    expect(one.told('session-up')).toHaveLength(1)
    expect(world.ask(one, `show protocols all ${ONE_SEES}`)).toContain('Hold-down timer:')
    world.pass(120_000)
    expect(one.told('session-up').length).toBeGreaterThan(1)
  })

  test('[75] another limit lets it in at once', () => {
    const { world, one } = pair(limited(2), {}, { pods })
    expect(world.until(() => one.told('session-down').length === 1)).toBe(true)
    world.change(one, [edited(limited(3))])
    world.pass(10_000)
    expect(learned(world, one)).toHaveLength(3)
  })

  test('[75] a word before the limit, once', () => {
    const { world, one } = pair({ maxPrefixes: { ipv4: { limit: 4, warnPercent: 75 } } }, {}, { pods })
    world.pass(60_000)
    expect(one.told('prefixes-near-limit').map(({ fields }) => fields)).toEqual([
      { peer: ONE_SEES, family: 'ipv4', routes: 3, limit: 4 },
    ])
    expect(learned(world, one)).toHaveLength(3)
  })

  test.each(['enable', 'restart'])('[75] without a restart time a person lets it in again: %s', (word) => {
    const { world, one } = pair({ maxPrefixes: { ipv4: { limit: 2, restartMinutes: 0 } } }, {}, { pods })
    world.pass(3_600_000)
    expect(one.told('session-up')).toHaveLength(1)
    expect(world.ask(one, `${word} ${ONE_SEES}`)).toMatch(/: (?:enabled|restarted)/)
    world.pass(10_000)
    expect(one.told('session-up')).toHaveLength(2)
  })
})

describe('reflection (RFC 4456)', () => {
  const CLUSTER = { asNumber: 64512 }
  const reflects = { 'projectcalico.org/RouteReflectorClusterID': '244.0.0.1' }
  const names = ['r', 'x', 'y']
  const nodes = names.map((name, index) =>
    node(name, {
      addresses: [`10.0.0.${index + 1}`],
      podCIDRs: [`10.244.${index + 1}.0/24`],
      labels: { role: name === 'r' ? 'reflector' : 'worker' },
      annotations: name === 'r' ? reflects : {},
    }),
  )
  const objects = [
    ...nodes,
    bgpConfiguration({ ...CLUSTER, nodeToNodeMeshEnabled: false }),
    bgpPeer('to-reflectors', { nodeSelector: "role == 'worker'", peerSelector: "role == 'reflector'" }),
  ]

  test('[53] two nodes learn each other through a third, next hops as they were, and nothing loops', () => {
    const world = new World()
    const [, x, y] = names.map((name, index) =>
      world.add(
        name,
        [`10.0.0.${index + 1}`],
        objects.map((object) => upsert(object)),
      ),
    ) as [Host, Host, Host]
    const ways = (host: Host) => learned(world, host).map(({ prefix, nextHop }) => `${prefix} via ${nextHop}`)
    expect(world.until(() => ways(x).length === 2 && ways(y).length === 2)).toBe(true)
    expect(ways(x)).toContain('10.244.3.0/24 via 10.0.0.3')
    expect(ways(y)).toContain('10.244.2.0/24 via 10.0.0.2')
    const shown = world.ask(x, 'show route for 10.244.3.0/24 all')
    expect(shown).toContain('BGP.originator_id: 10.0.0.3')
    expect(shown).toContain('BGP.cluster_list: 244.0.0.1')
    world.crash(y)
    expect(world.until(() => ways(x).length === 1, 180_000)).toBe(true)
  })
})

describe('several paths', () => {
  /** Two agents with one prefix each to the same place, one in the middle, one behind it. */
  function diamond(toBehind: object, fromMiddle: object, configuration: object = {}) {
    const world = new World()
    for (const last of [11, 12]) {
      const to = { to: B, asNumber: 65002 }
      addSpeaker(world, { name: `s${last}`, address: `10.0.0.${last}`, as: 65000 + last, pods: [PODS], peers: [to] })
    }
    const middle = addSpeaker(world, {
      name: 'middle',
      address: B,
      as: 65002,
      configuration,
      peers: [
        { to: '10.0.0.11', asNumber: 65011 },
        { to: '10.0.0.12', asNumber: 65012 },
        { to: A, asNumber: 65001, filters: ['take-all', 'give-all'], ...toBehind },
      ],
    })
    const peers = [{ to: B, asNumber: 65002, ...fromMiddle }]
    const behind = addSpeaker(world, { name: 'behind', address: A, as: 65001, peers })
    world.until(() => learned(world, behind).length > 0)
    world.pass(10_000)
    return { world, middle, behind }
  }

  test('both go to one who takes several', () => {
    const { world, behind } = diamond({ addPath: { send: true } }, { addPath: { receive: true } })
    expect(learned(world, behind).map(({ prefix }) => prefix)).toEqual([PODS, PODS])
    const shown = world.ask(behind, 'show protocols all Global_10_0_0_2')
    expect(shown).toMatch(/ADD-PATH[\s\S]*RX: ipv4 ipv6/)
  })

  test.each([
    ['one who does not', { addPath: { send: true } }, {}],
    ['one who is sent none', {}, { addPath: { receive: true } }],
  ])('one goes to %s', (_, toBehind, fromMiddle) => {
    const { world, behind } = diamond(toBehind, fromMiddle)
    expect(learned(world, behind)).toHaveLength(1)
  })

  test.each([
    ['of two AS share where they are of one length', {}, 2],
    ['of two AS do not where the same AS path is asked for', { multipath: { relax: false } }, 1],
  ])('[66] equal paths %s', (_, configuration, ways) => {
    const { world, middle } = diamond({}, {}, configuration)
    const best = rows(world, middle, `for ${PODS}`).filter((row) => row.best)
    expect(best.map(({ nextHop }) => nextHop)).toEqual(['10.0.0.11', '10.0.0.12'].slice(0, ways))
    expect(world.ask(middle, `show route for ${PODS} primary`).match(/\tvia /g)).toHaveLength(ways)
  })
})

describe('AS numbers', () => {
  test.each([
    ['[58] our own in the path: not used', {}, 0],
    ['… used where it is allowed once', { numAllowedLocalASNumbers: 1 }, 1],
  ])('%s', (_, spec, expected) => {
    const world = new World()
    const racks = ['10.0.0.11', '10.0.0.12'].map((address, index) =>
      addSpeaker(world, {
        name: `rack-${index}`,
        address,
        as: 65100,
        pods: [`10.244.${index}.0/24`],
        peers: [{ to: B, asNumber: 65002, ...spec }],
      }),
    ) as [Host, Host]
    const filters = ['take-all', 'give-all']
    const peers = ['10.0.0.11', '10.0.0.12'].map((to) => ({ to, asNumber: 65100, filters }))
    const spine = addSpeaker(world, { name: 'spine', address: B, as: 65002, peers })
    expect(world.until(() => learned(world, spine).length === 2)).toBe(true)
    world.pass(10_000)
    expect(learned(world, racks[0])).toHaveLength(expected)
    expect(rows(world, racks[0], 'filtered')).toHaveLength(1 - expected)
  })

  test.each([
    ['internal', 65001, true],
    ['internal', 65002, false],
    ['external', 65002, true],
    ['external', 65001, false],
  ])('remote AS %s and a neighbor in AS %i', (remoteAS, as, up) => {
    const { world, one } = pair({ asNumber: undefined, remoteAS }, {}, { as })
    world.pass(20_000)
    expect(stateOf(world, one, ONE_SEES) === 'Established').toBe(up)
  })

  test('another AS shown to a neighbor makes the session internal or external by that number', () => {
    const { world, one } = pair({ localASNumber: 65002 }, { asNumber: 65002 })
    expect(world.until(() => stateOf(world, one, ONE_SEES) === 'Established')).toBe(true)
    expect(world.ask(one, `show protocols all ${ONE_SEES}`)).toContain('internal AS4')
  })
})

test('[22] words said with a shutdown arrive (RFC 9003)', () => {
  const { world, one, two } = pair()
  expect(world.until(() => learned(world, one).length === 1)).toBe(true)
  world.ask(one, `disable ${ONE_SEES} "moving racks"`)
  world.pass(100)
  expect(two.told('session-down')[0]?.text).toContain('Cease: Administrative Shutdown: "moving racks"')
  expect(world.ask(one, `show protocols all ${ONE_SEES}`)).toContain('disabled by hand: moving racks')
  expect(world.ask(one, 'debug all off')).toBe('0000 \n')
  expect(learned(world, one)).toEqual([])
})

test('IPv4 between nodes that have none: IPv6 next hops, without being asked for (RFC 8950)', () => {
  const world = new World()
  const [one] = ['fd00::1', 'fd00::2'].map((address, index) =>
    addSpeaker(world, {
      name: `n${index}`,
      address,
      as: 65001 + index,
      pods: [`10.244.${index}.0/24`],
      peers: [{ to: index === 0 ? 'fd00::2' : 'fd00::1', asNumber: 65002 - index }],
    }),
  ) as [Host, Host]
  expect(world.until(() => learned(world, one).length === 1)).toBe(true)
  expect(learned(world, one)[0]).toMatchObject({ prefix: PODS, nextHop: 'fd00::2', best: true })
  expect(world.ask(one, 'show protocols all')).toContain('Extended next hop')
})

test('[24] a neighbor that takes nothing any more is let go after eight minutes, not sooner', () => {
  const { world, one, two } = pair()
  expect(world.until(() => learned(world, one).length === 1)).toBe(true)
  // The network of `one` stands still towards `two`: nothing is drained, while `two` goes on talking.
  const engine = one.engine
  const handle = engine.handle.bind(engine)
  engine.handle = (input, now) => handle(input.kind === 'drained' ? { kind: 'tick' } : input, now)
  world.pass(470_000)
  expect(stateOf(world, one, ONE_SEES)).toBe('Established')
  world.pass(60_000)
  expect(one.told('notification-sent')[0]?.fields).toMatchObject({ code: 8, subcode: 0 })
  expect(two.told('session-down')[0]?.text).toContain('Send Hold Timer Expired')
})
