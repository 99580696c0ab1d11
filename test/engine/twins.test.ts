/** Two sessions with one router, each with its own family: whole agents. */

import { describe, expect, test } from 'vitest'
import { longTest } from '../support/long.ts'
import { ipPool, remove, upsert } from '../support/objects.ts'
import { FOUR, heard, type Row, SIX, scene } from '../support/twins.ts'
import type { Host, World } from '../support/world.ts'

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

  longTest(
    'the family is told over the second session before it goes from the first, and back before it is gone',
    () => {
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
    },
  )

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

test('a session that changes its mind because of its own object says so', () => {
  const { world, tor, worker, four, six, to } = scene()
  world.change(worker, [upsert(four), upsert(six)])
  world.pass(60_000)
  const said = (code: 'family-left' | 'family-taken-back') =>
    worker.told(code).filter(({ fields }) => fields.peer === FOUR).length
  expect([said('family-left'), said('family-taken-back')]).toEqual([1, 0])
  world.change(worker, [upsert(to('four', '10.0.0.1', { addressFamilies: ['ipv4', 'ipv6'] }))])
  world.pass(5_000)
  expect([said('family-left'), said('family-taken-back')]).toEqual([1, 1])
  world.change(worker, [upsert(four)])
  world.pass(5_000)
  expect([said('family-left'), said('family-taken-back')]).toEqual([2, 1])
  expect(heard(world, tor)).toEqual(EACH_ITS_OWN)
  expect(downs(worker)).toEqual([])
})

test('a twin without the family takes nothing', () => {
  const { world, tor, worker, four, to } = scene()
  world.change(worker, [upsert(four), upsert(to('six', 'fd00:10::1', { addressFamilies: ['ipv4'] }))])
  world.pass(60_000)
  expect(heard(world, tor)).toContain('fd00:244:1::/64 from 10.0.0.11')
})

test('routes that are kept for a session that is lost stay unused where the twin carries their family, whatever changes', () => {
  const { world, worker, four, six } = scene()
  world.change(worker, [upsert(four)])
  world.pass(5_000)
  world.change(worker, [upsert(six)])
  world.pass(60_000)
  const firstConn = 2
  world.feed(worker, { kind: 'closed', conn: firstConn, reason: 'Connection reset by peer' })
  expect(worker.told('session-down').map(({ fields }) => fields.peer)).toEqual([FOUR])
  world.change(worker, [upsert(ipPool('other', { cidr: '10.99.0.0/16' }))])
  expect(used(world, worker, 'fd00:99')).toEqual(['fd00:99:1::/64 from fd00:10::1'])
  // The twin goes for good: what is kept is all that there is.
  world.change(worker, [remove(six)])
  expect(used(world, worker, 'fd00:99')).toEqual(['fd00:99:1::/64 from 10.0.0.1'])
})
