/** What one UPDATE may hold, read and written. Numbers in brackets: what implementers get wrong. */
import { describe, expect, test } from 'vitest'
import { Rib } from '../../../src/bgp/rib/rib.ts'
import { fromHex, update } from '../../support/messages.ts'
import { announcement, attributes, Listener, neighbor, path, settle, withdrawal } from '../../support/rib.ts'

const from = neighbor(1)
const ORIGIN = fromHex('40 01 01 00')
/** AS 65001. */
const AS_PATH = fromHex('40 02 06 02 01 0000fde9')
const NEXT_HOP = fromHex('40 03 04 c0000263')
const X = fromHex('10 0a01')
const X6 = '20 20010db8'
const REACH6 = fromHex(`80 0e 1a 0002 01 10 20010db8000000000000000000000099 00 ${X6}`)
const UNREACH6 = fromHex(`80 0f 08 0002 01 ${X6}`)
const REACH4 = fromHex('80 0e 0c 0001 01 04 c0000263 00 10 0a01')
const UNREACH4 = fromHex('80 0f 06 0001 01 10 0a01')

function ribAfter(...updates: readonly Uint8Array[]): Rib {
  const rib = new Rib()
  rib.addPeer(from)
  for (const bytes of updates) expect(rib.receive(from.name, bytes, 0, bytes.length, 0).error).toBeUndefined()
  settle(rib)
  return rib
}

const held = (rib: Rib): string[] => rib.page({}, undefined, 9).rows.map(({ prefix }) => prefix)

describe('[43] withdrawn and announced in one UPDATE is announced (RFC 4271 §4.3)', () => {
  const classic = update({ withdrawn: X, attributes: [ORIGIN, AS_PATH, NEXT_HOP], nlri: X })

  test.each<[string, Uint8Array, string]>([
    ['in the fields of IPv4', classic, '10.1.0.0/16'],
    ['in MP attributes', update({ attributes: [UNREACH6, REACH6, ORIGIN, AS_PATH] }), '2001:db8::/32'],
    ['… the other way round', update({ attributes: [REACH6, ORIGIN, AS_PATH, UNREACH6] }), '2001:db8::/32'],
  ])('%s', (_, bytes, prefix) => {
    expect(held(ribAfter(bytes))).toEqual([prefix])
    expect(held(ribAfter(bytes, bytes))).toEqual([prefix])
  })
})

describe('[44] one prefix in the fields of IPv4 and in MP attributes (RFC 4760 §3): nothing breaks, nothing is left', () => {
  test.each([
    ['announced twice', update({ attributes: [REACH4, ORIGIN, AS_PATH, NEXT_HOP], nlri: X }), 1],
    ['withdrawn here, announced there', update({ withdrawn: X, attributes: [REACH4, ORIGIN, AS_PATH] }), 1],
    ['announced here, withdrawn there', update({ attributes: [UNREACH4, ORIGIN, AS_PATH, NEXT_HOP], nlri: X }), 1],
    ['withdrawn twice', update({ withdrawn: X, attributes: [UNREACH4] }), 0],
  ])('%s', (_, bytes, routes) => {
    const rib = ribAfter(bytes)
    expect(held(rib)).toHaveLength(routes)
    const gone = withdrawal(['10.1.0.0/16'])
    rib.receive(from.name, gone, 0, gone.length, 0)
    settle(rib)
    rib.removePeer(from.name)
    settle(rib)
    expect(rib.usage()).toEqual({ prefixes: 0, paths: 0, attributes: 0, nextHops: 0, blocks: 0 })
  })
})

test('[40] bits behind the length of a prefix do not count (RFC 4271 §4.3)', () => {
  const announce = (nlri: string) => update({ attributes: [ORIGIN, AS_PATH, NEXT_HOP], nlri: fromHex(nlri) })
  const two = [announce('14 0a0fff'), announce('14 0a0ff7')]
  expect(held(ribAfter(...two))).toEqual(['10.15.240.0/20'])
  expect(held(ribAfter(...two, update({ withdrawn: fromHex('14 0a0ff1') })))).toEqual([])
})

/** Which of the four places of routes an UPDATE uses, and its attribute types in their order. */
function dissect(bytes: Uint8Array): { readonly uses: string[]; readonly types: number[] } {
  const u16 = (at: number) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const attributesAt = 21 + u16(19) + 2
  const nlriAt = attributesAt + u16(attributesAt - 2)
  const types: number[] = []
  for (let at = attributesAt; at < nlriAt; ) {
    types.push(bytes[at + 1] ?? 0)
    at += ((bytes[at] ?? 0) & 0x10) === 0 ? 3 + (bytes[at + 2] ?? 0) : 4 + u16(at + 2)
  }
  const uses = [
    ...(u16(19) > 0 ? ['withdrawn'] : []),
    ...(nlriAt < bytes.length ? ['NLRI'] : []),
    ...(types.includes(14) ? ['MP_REACH_NLRI'] : []),
    ...(types.includes(15) ? ['MP_UNREACH_NLRI'] : []),
  ]
  return { uses, types }
}

test('[49] we write one of the four in an UPDATE, and MP attributes before all others (RFC 7606 §5.1)', () => {
  const to = neighbor(2)
  const rib = new Rib()
  for (const peer of [from, to]) rib.addPeer(peer)
  settle(rib)
  const listener = new Listener(to).drain(rib, to.name)
  const [v4, v6] = [
    ['10.0.0.0/8', '10.1.0.0/16'],
    ['2001:db8::/32', '2001:db9::/32'],
  ] as const
  const carried = attributes({ ...path(from.remoteAs), communities: [[1, 2]] })
  const seen: ReturnType<typeof dissect>[] = []
  const say = (...updates: readonly Uint8Array[]) => {
    for (const bytes of updates) rib.receive(from.name, bytes, 0, bytes.length, 0)
    settle(rib)
    for (let told = rib.pull(to.name, 1); told !== undefined; told = rib.pull(to.name, 1)) {
      listener.take(told.bytes)
      seen.push(dissect(told.bytes))
    }
  }
  say(announcement(v4, carried, '192.0.2.99'), announcement(v6, carried, '2001:db8::9'))
  // A withdrawal and an announcement of each family, at once.
  const other = { ...carried, communities: [] }
  say(
    withdrawal([v4[0]]),
    withdrawal([v6[0]]),
    announcement([v4[1]], other, '192.0.2.99'),
    announcement([v6[1]], other, '2001:db8::9'),
  )
  expect([...listener.routes.keys()]).toEqual([v4[1], v6[1]])
  expect(seen.map(({ uses }) => uses)).toEqual(
    // In runs of one message the families take turns.
    [['NLRI'], ['MP_REACH_NLRI'], ['withdrawn'], ['MP_UNREACH_NLRI'], ['NLRI'], ['MP_REACH_NLRI']].map((one) =>
      expect.arrayContaining(one),
    ),
  )
  for (const { uses, types } of seen) {
    expect(uses).toHaveLength(1)
    expect(types).toEqual([...types].sort((a, b) => Number(b >= 14 && b <= 15) - Number(a >= 14 && a <= 15) || a - b))
  }
})
