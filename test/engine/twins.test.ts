/** (8.C10, cases 91 and 44) Two sessions with one router, each with its own family: whole agents. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, node, remove, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const WORKER = node('worker', {
  addresses: ['10.0.0.11', 'fd00:10::11'],
  podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'],
})
const OPEN = bgpFilter('open', {
  importV4: [{ action: 'Accept' }],
  importV6: [{ action: 'Accept' }],
  exportV4: [{ action: 'Accept' }],
  exportV6: [{ action: 'Accept' }],
})
const FOUR = 'Global_10_0_0_1'
const SIX = 'Global_fd00_10__1'

/** A router that speaks both families on every session and prefers none. */
function router(world: World, name: string, number: number, asNumber: number, workerAs: number): Host {
  const addresses = [`10.0.0.${number}`, `fd00:10::${number}`]
  const pods = [`10.24${number}.0.0/16`, `fd00:99:${number}::/64`]
  const peers = ['10.0.0.11', 'fd00:10::11'].map((peerIP, index) =>
    bgpPeer(`worker-${index}`, {
      peerIP,
      asNumber: workerAs,
      addressFamilies: ['ipv4', 'ipv6'],
      passive: true,
      filters: ['open'],
    }),
  )
  return world.add(
    name,
    addresses,
    [
      node(name, { addresses, podCIDRs: pods }),
      bgpConfiguration({ asNumber, nodeToNodeMeshEnabled: false }),
      OPEN,
      ...peers,
    ].map((object) => upsert(object)),
  )
}

function scene(how: 'external' | 'internal' = 'external') {
  const world = new World()
  const asNumber = how === 'external' ? 65000 : 64512
  const tor = router(world, 'tor', 1, asNumber, 64512)
  const other = router(world, 'other', 2, asNumber, 64512)
  const objects = [WORKER, bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false }), OPEN]
  const worker = world.add(
    'worker',
    ['10.0.0.11', 'fd00:10::11'],
    objects.map((object) => upsert(object)),
  )
  const to = (name: string, peerIP: string, more: object = {}): ApiObject =>
    bgpPeer(name, { peerIP, filters: ['open'], asNumber, ...more })
  return { world, tor, other, worker, four: to('four', '10.0.0.1'), six: to('six', 'fd00:10::1'), to }
}

interface Row {
  readonly prefix: string
  readonly from: string | null
  readonly best: boolean
  readonly reason: string
}

/** What came from the worker: prefix and the address of the session that carries it. */
const heard = (world: World, host: Host): string[] =>
  world
    .askJson<Row[]>(host, 'show route')
    .filter(({ from, prefix }) => from !== null && prefix.includes('244'))
    .map(({ prefix, from }) => `${prefix} from ${from}`)
    .sort()

/** What the worker uses of what routers told it. */
const used = (world: World, worker: Host, net: string): string[] =>
  world
    .askJson<Row[]>(worker, 'show route')
    .filter(({ from, prefix }) => from !== null && prefix.startsWith(net))
    .map(({ prefix, from }) => `${prefix} from ${from}`)
    .sort()

const BOTH_BY_FOUR = ['10.244.1.0/24 from 10.0.0.11', 'fd00:244:1::/64 from 10.0.0.11']
const EACH_ITS_OWN = ['10.244.1.0/24 from 10.0.0.11', 'fd00:244:1::/64 from fd00:10::11']

const downs = ({ lines }: Host): string[] => lines.filter(({ code }) => code === 'session-down').map(({ text }) => text)

describe.each(['external', 'internal'] as const)('%s', (how) => {
  test('with one session both families go over it; a second one takes its own, and gives it back when it is lost', () => {
    const { world, tor, worker, four, six } = scene(how)
    world.change(worker, [upsert(four)])
    world.pass(5_000)
    expect(heard(world, tor)).toEqual(BOTH_BY_FOUR)
    world.change(worker, [upsert(six)])
    world.pass(60_000)
    expect(heard(world, tor)).toEqual(EACH_ITS_OWN)
    expect(used(world, worker, '10.241.')).toEqual(['10.241.0.0/16 from 10.0.0.1'])
    expect(used(world, worker, 'fd00:99')).toEqual(['fd00:99:1::/64 from fd00:10::1'])
    world.change(worker, [remove(six)])
    world.pass(5_000)
    expect(heard(world, tor)).toEqual(BOTH_BY_FOUR)
    expect(used(world, worker, 'fd00:99')).toEqual(['fd00:99:1::/64 from 10.0.0.1'])
    expect(downs(worker).filter((text) => text.includes(FOUR))).toEqual([])
  })

  test('remoteAS in words says the same', () => {
    const { world, tor, worker, to } = scene(how)
    const asked = { asNumber: undefined, remoteAS: how }
    world.change(worker, [upsert(to('four', '10.0.0.1', asked)), upsert(to('six', 'fd00:10::1', asked))])
    world.pass(60_000)
    expect(heard(world, tor)).toEqual(EACH_ITS_OWN)
  })

  test.each([
    ['a router that does not exist', 'fd00:10::99'],
    ['another router of the same AS', 'fd00:10::2'],
  ])('a BGPPeer to %s takes no family and resets nothing', (_, address) => {
    const { world, tor, worker, four, to } = scene(how)
    world.change(worker, [upsert(four)])
    world.pass(5_000)
    world.change(worker, [upsert(to('new', address))])
    world.pass(120_000)
    expect(heard(world, tor)).toEqual(BOTH_BY_FOUR)
    expect(downs(worker).filter((text) => text.includes(FOUR))).toEqual([])
    expect(world.askJson<{ name: string; families: object }[]>(worker, 'show protocols')).toContainEqual(
      expect.objectContaining({
        name: FOUR,
        families: { ipv4: expect.objectContaining({ up: true }), ipv6: expect.objectContaining({ up: true }) },
      }),
    )
  })

  test('the family is told over the second session before it goes from the first, and back before it is gone', () => {
    const { world, tor, worker, four, six } = scene(how)
    world.change(worker, [upsert(four)])
    world.pass(5_000)
    const gaps: number[] = []
    const watch = (until: number): void => {
      for (let at = 0; at < until; at += 10) {
        world.pass(10)
        if (!heard(world, tor).some((line) => line.startsWith('fd00:244'))) gaps.push(world.now)
        if (used(world, worker, 'fd00:99').length === 0) gaps.push(world.now)
      }
    }
    world.change(worker, [upsert(six)])
    watch(3_000)
    world.pass(30_000)
    expect(heard(world, tor)).toEqual(EACH_ITS_OWN)
    expect(gaps).toEqual([])
    const before = used(world, worker, 'fd00:99')
    world.change(worker, [remove(six)])
    expect([before, used(world, worker, 'fd00:99')]).toEqual([
      ['fd00:99:1::/64 from fd00:10::1'],
      ['fd00:99:1::/64 from 10.0.0.1'],
    ])
  })

  test('who looks is told which session carries the family, and why a route of it is ignored or withheld', () => {
    const { world, worker, four, six } = scene(how)
    world.change(worker, [upsert(four), upsert(six)])
    world.pass(60_000)
    const reason = 'IPv6 is carried by Global_fd00_10__1, the session with the same router over IPv6'
    const ask = (what: string) => world.askJson<Row[]>(worker, what).filter(({ prefix }) => prefix.includes(':'))
    expect(ask(`show route noexport ${FOUR}`)).toContainEqual(
      expect.objectContaining({ prefix: 'fd00:244:1::/64', reason }),
    )
    expect(ask(`show route filtered protocol ${FOUR}`)).toContainEqual(
      expect.objectContaining({ prefix: 'fd00:99:1::/64', reason }),
    )
    expect(world.ask(worker, `show protocols all ${FOUR}`)).toMatch(/Carried by: +Global_fd00_10__1/)
    expect(
      worker
        .told('family-left')
        .map(({ fields }) => [fields.peer, fields.family])
        .sort(),
    ).toEqual([
      [FOUR, 'ipv6'],
      [SIX, 'ipv4'],
    ])
  })
})

test('a session whose families are given by name leaves none', () => {
  const { world, tor, worker, six, to } = scene()
  world.change(worker, [upsert(to('four', '10.0.0.1', { addressFamilies: ['ipv4', 'ipv6'] })), upsert(six)])
  world.pass(60_000)
  expect(heard(world, tor)).toEqual([...BOTH_BY_FOUR, 'fd00:244:1::/64 from fd00:10::11'].sort())
})

test('a twin without the family takes nothing', () => {
  const { world, tor, worker, four, to } = scene()
  world.change(worker, [upsert(four), upsert(to('six', 'fd00:10::1', { addressFamilies: ['ipv4'] }))])
  world.pass(60_000)
  expect(heard(world, tor)).toContain('fd00:244:1::/64 from 10.0.0.11')
})

test('whatever came first, each family goes over the session it should, and nobody else is reset', () => {
  const step = fc.record({
    what: fc.constantFrom('four', 'six', 'ghost', 'other-four', 'other-six', 'cut', 'external'),
    wait: fc.constantFrom(0, 10, 1_500, 30_000),
  })
  const property = fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (history) => {
    const { world, tor, other, worker, to } = scene()
    const there = new Set<string>()
    const addresses: Record<string, string> = {
      four: '10.0.0.1',
      six: 'fd00:10::1',
      ghost: 'fd00:10::99',
      'other-four': '10.0.0.2',
      'other-six': 'fd00:10::2',
    }
    let words = false
    for (const { what, wait } of history) {
      const address = addresses[what]
      if (what === 'external') words = !words
      else if (address === undefined) world.ask(tor, 'restart worker*')
      else if (there.delete(what)) world.change(worker, [remove(to(what, address))])
      else {
        there.add(what)
        world.change(worker, [upsert(to(what, address, words ? { asNumber: undefined, remoteAS: 'external' } : {}))])
      }
      world.pass(wait)
    }
    world.pass(150_000)
    for (const [host, name] of [
      [tor, ''],
      [other, 'other-'],
    ] as const) {
      const [four, six] = [there.has(`${name}four`), there.has(`${name}six`)]
      const by = (family: boolean): string => (family ? 'fd00:10::11' : '10.0.0.11')
      const wanted = !four && !six ? [] : [`10.244.1.0/24 from ${by(!four)}`, `fd00:244:1::/64 from ${by(six)}`]
      expect(heard(world, host).filter((line) => !line.includes('fd00:99'))).toEqual(wanted.sort())
    }
  })
  fc.assert(property, { numRuns: 40 })
})
