/** Refreshes through a whole agent: RFC 2918, RFC 7313 §4. Numbers in brackets: what implementers get wrong. */
import { describe, expect, test } from 'vitest'
import { encodeEndOfRib } from '../../src/bgp/wire/update-encode.ts'
import { message } from '../support/messages.ts'
import { bgpFilter, bgpPeer, upsert } from '../support/objects.ts'
import { announcement, attributes, path, withdrawal } from '../support/rib.ts'
import { type RawNeighbor, Rig } from '../support/rig.ts'

const [X, Y] = ['20.0.0.0/24', '20.0.1.0/24']
const IPV4 = 1
const SUBTYPE = { request: 0, begin: 1, end: 2 }
const refresh = (subtype: keyof typeof SUBTYPE) => message(5, 0, IPV4, SUBTYPE[subtype], 1)
const ENHANCED = { kind: 'enhanced-refresh' } as const
const restarting = (restarted: boolean) =>
  ({ kind: 'graceful-restart', restarted, notification: false, restartTime: 120, families: [] }) as const

type Capabilities = RawNeighbor['capabilities']

const V4 = { kind: 'multiprotocol', afi: IPV4, safi: 1 } as const
const REFRESH = { kind: 'route-refresh' } as const

/** A neighbor of IPv4 with these capabilities more. */
function begin(more: Capabilities, reads = true) {
  const rig = new Rig({ neighbors: 1 })
  const [neighbor] = rig.neighbors as [RawNeighbor]
  neighbor.capabilities = [V4, REFRESH, ...more]
  neighbor.reads = reads
  neighbor.establish()
  const say = (...prefixes: readonly string[]) =>
    neighbor.send(announcement(prefixes, attributes(path(neighbor.asn)), neighbor.address))
  return { rig, neighbor, say }
}

/** In order: `begin`, `end`, `end-of-rib` or `routes`. */
function heard({ heard: all }: RawNeighbor): string[] {
  const endOfRib = String(encodeEndOfRib('ipv4'))
  return all.flatMap((bytes) => {
    if (bytes[18] === 5) return [Object.keys(SUBTYPE)[bytes[21] ?? 0] ?? '']
    if (bytes[18] !== 2) return []
    return String(bytes) === endOfRib ? ['end-of-rib'] : ['routes']
  })
}

describe('a neighbor that announced graceful restart', () => {
  test.each([false, true])(
    '[68] its BoRR before its End-of-RIB is ignored, and said (restarted: %s) (RFC 7313 §4)',
    (restarted) => {
      const { rig, neighbor, say } = begin([ENHANCED, restarting(restarted)])
      say(X, Y)
      neighbor.send(refresh('begin'))
      say(X)
      neighbor.send(refresh('end'))
      expect(rig.held(neighbor)).toBe(2)
      expect(rig.lines.filter(({ code }) => code === 'message-ignored').map(({ text }) => text)).toEqual([
        'Global_10_0_0_1: ignored: the beginning of its ipv4 refresh, because its End-of-RIB has not arrived',
      ])
    },
  )

  test('[68] one behind it counts', () => {
    const { rig, neighbor, say } = begin([ENHANCED, restarting(true)])
    say(X, Y)
    neighbor.send(encodeEndOfRib('ipv4')).send(refresh('begin'))
    say(X)
    neighbor.send(refresh('end'))
    expect(rig.held(neighbor)).toBe(1)
    expect(rig.lines.filter(({ code }) => code === 'message-ignored')).toEqual([])
  })
})

test('[68] of one that did not announce it a BoRR counts at once', () => {
  const { rig, neighbor, say } = begin([ENHANCED])
  say(X, Y)
  neighbor.send(refresh('begin'))
  say(Y)
  neighbor.send(refresh('end'))
  expect(rig.held(neighbor)).toBe(1)
})

test('[68] an EoRR that never comes: after ten minutes what is stale goes, with a word', () => {
  const { rig, neighbor, say } = begin([ENHANCED])
  neighbor.holdTime = 0
  neighbor.hangUp().establish()
  say(X, Y)
  neighbor.send(refresh('begin'))
  say(Y)
  rig.pass(599_000)
  expect(rig.held(neighbor)).toBe(2)
  rig.pass(1_000)
  expect(rig.held(neighbor)).toBe(1)
  expect(rig.lines.at(-1)).toMatchObject({ code: 'refresh-late', level: 'warn' })
})

test('[68] a request of ours that is never answered changes nothing', () => {
  const { rig, neighbor, say } = begin([ENHANCED])
  neighbor.holdTime = 0
  neighbor.hangUp().establish()
  say(X, Y)
  neighbor.heard.length = 0
  rig.engine.view(rig.now).act({ kind: 'reload', pattern: '*', direction: 'in' })
  rig.feed({ kind: 'tick' })
  rig.work()
  rig.pass(3_600_000)
  expect(neighbor.heard).toEqual([refresh('request')])
  expect([rig.held(neighbor), neighbor.established]).toEqual([2, true])
})

describe('what we tell again (RFC 7313 §4)', () => {
  test('[68] a request during our first feed is answered behind its End-of-RIB, with BoRR and EoRR', () => {
    const { rig, neighbor } = begin([ENHANCED], false)
    neighbor.send(refresh('request'))
    neighbor.reads = true
    rig.work()
    expect(heard(neighbor)).toEqual(['routes', 'end-of-rib', 'begin', 'routes', 'end'])
  })

  test('[68] reload out stands between BoRR and EoRR where both know them', () => {
    const { rig, neighbor } = begin([ENHANCED])
    neighbor.heard.length = 0
    rig.engine.view(rig.now).act({ kind: 'reload', pattern: '*', direction: 'out' })
    rig.feed({ kind: 'tick' })
    rig.work()
    expect(heard(neighbor)).toEqual(['begin', 'routes', 'end'])
  })

  test('… and without them where one does not', () => {
    const { rig, neighbor } = begin([])
    neighbor.heard.length = 0
    rig.engine.view(rig.now).act({ kind: 'reload', pattern: '*', direction: 'out' })
    rig.feed({ kind: 'tick' })
    rig.work()
    expect(heard(neighbor)).toEqual(['routes'])
  })
})

describe('another import policy needs no refresh: what came is kept, also what was refused', () => {
  const only = (cidr: string) => [
    upsert(bgpFilter('picky', { importV4: [{ cidr, matchOperator: 'In', action: 'Accept' }, { action: 'Reject' }] })),
    upsert(bgpPeer('peer-0', { peerIP: '10.0.0.1', asNumber: 65_001, passive: true, filters: ['picky'] })),
  ]

  test.each<[string, Capabilities]>([
    ['cannot refresh', [V4]],
    ['can, and is not asked', [V4, REFRESH, ENHANCED]],
  ])('of a neighbor that %s', (_, capabilities) => {
    const rig = new Rig({ neighbors: 1 })
    const [neighbor] = rig.neighbors as [RawNeighbor]
    neighbor.capabilities = capabilities
    neighbor.establish()
    neighbor.send(announcement([X, Y], attributes(path(neighbor.asn)), neighbor.address))
    neighbor.heard.length = 0
    for (const cidr of [X, Y, X]) {
      rig.feed({ kind: 'objects', changes: only(cidr) })
      rig.work()
      const { rows } = rig.engine.view(rig.now).routes({ protocol: neighbor.name }, undefined, 9)
      expect(rows.map(({ prefix }) => prefix)).toEqual([cidr])
      const refused = rig.engine.view(rig.now).routes({ protocol: neighbor.name, filtered: true }, undefined, 9)
      expect(refused.rows.map(({ prefix }) => prefix)).toEqual([cidr === X ? Y : X])
    }
    expect(neighbor.heard).toEqual([])
    expect(neighbor.established).toBe(true)
  })
})

describe('paths that were turned away are taken when there is room', () => {
  const addPath = { kind: 'add-path', families: [{ afi: IPV4, safi: 1, mode: 2 }] } as const
  const requests = ({ heard: all }: RawNeighbor) => all.filter((bytes) => bytes[18] === 5).length

  function crowd(capabilities: Capabilities) {
    const rig = new Rig({ neighbors: 1, spec: { addPath: { receive: true } } })
    const [neighbor] = rig.neighbors as [RawNeighbor]
    neighbor.capabilities = [V4, addPath, ...capabilities]
    neighbor.holdTime = 0
    neighbor.establish()
    const say = (id: number) => neighbor.send(announcement([X], attributes(path(neighbor.asn)), `10.0.1.${id}`, id))
    for (let id = 1; id <= 66; id++) say(id)
    return { rig, neighbor, say }
  }

  test('the neighbor is asked, as often as once a minute', () => {
    const { rig, neighbor, say } = crowd([REFRESH])
    expect(rig.held(neighbor)).toBe(64)
    expect(rig.lines.filter(({ code }) => code === 'paths-turned-away').map(({ text }) => text)).toEqual([
      `${neighbor.name}: more than 64 paths to ${X}: further paths are rejected`,
    ])
    for (const id of [1, 2, 3]) {
      neighbor.send(withdrawal([X], id))
      expect(requests(neighbor)).toBe(1)
      for (let again = 4; again <= 66; again++) say(again)
    }
    expect(rig.held(neighbor)).toBe(63)
    rig.pass(3_600_000)
    expect(requests(neighbor)).toBe(2)
  })

  test('one that cannot tell its routes again is not asked', () => {
    const { rig, neighbor } = crowd([])
    neighbor.send(withdrawal([X], 1))
    rig.pass(600_000)
    expect([requests(neighbor), rig.held(neighbor), neighbor.established]).toEqual([0, 63, true])
  })
})
