/**
 * RFC 4271 §6.3 and RFC 7606, row by row: from inside and outside the AS, the bad attribute first, in the middle and
 * last, the route in NLRI and in MP_REACH_NLRI. Numbers in brackets: what implementers most often get wrong.
 */
import { describe, expect, test } from 'vitest'
import type { PeerType, WireContext } from '../../../src/bgp/wire/context.ts'
import { UpdateDecoder } from '../../../src/bgp/wire/update.ts'
import { attribute, context, fromHex, read, update } from '../../support/messages.ts'

const ORIGIN = fromHex('40 01 01 00')
const AS_PATH = fromHex('40 02 06 02 01 0000fc01')
const NEXT_HOP = fromHex('40 03 04 0a000001')
const MED = fromHex('80 04 04 00000064')
const COMMUNITIES = fromHex('c0 08 04 fc000064')
const NLRI = fromHex('18 0a0102')
const V6_NLRI = fromHex('20 20010db8')
const MP_REACH = fromHex('80 0e 1a  0002 01  10 20010db8000000000000000000000001  00  20 20010db8')
const MP_UNREACH = fromHex('80 0f 08  0002 01  20 20010db8')
const GOOD = [ORIGIN, AS_PATH, NEXT_HOP, MED, COMMUNITIES]

type Outcome = 'withdraw' | 'discard'
type Carrier = 'NLRI' | 'MP_REACH_NLRI'

const POSITIONS = ['first', 'middle', 'last'] as const
const CARRIERS = ['NLRI', 'MP_REACH_NLRI'] as const
const PEERS = ['external', 'internal'] as const

function around(position: (typeof POSITIONS)[number], good: readonly number[][], bad: readonly number[]): number[][] {
  const at = { first: 0, middle: good.length >> 1, last: good.length }[position]
  return good.toSpliced(at, 0, [...bad])
}

/** The good attributes but those of `type`, and the route. */
function parts(carrier: Carrier, type: number | undefined) {
  const good = GOOD.filter((other) => other[1] !== type)
  if (carrier === 'NLRI') return { good, nlri: NLRI }
  return { good: [MP_REACH, ...good].filter((other) => other[1] !== 3 && other[1] !== type), nlri: [] }
}

const canonicalOf = (attributes: readonly (readonly number[])[]) =>
  attributes.filter(([, type]) => type !== 3 && type !== 14 && type !== 15).flat()

/** A good UPDATE behind the bad one is read as if nothing had been. */
function expectGoodNext(decoder: UpdateDecoder, wire: WireContext): void {
  const next = update({ attributes: GOOD, nlri: NLRI })
  expect(read(next, wire, decoder)).toEqual(read(next, wire))
  expect(read(next, wire)).toMatchObject({ error: undefined, nlri: NLRI, treatAsWithdraw: false, actions: [] })
}

interface Row {
  readonly name: string
  readonly bytes: string
  readonly external: Outcome
  readonly internal: Outcome
  /** What ends the session when no route comes along (RFC 7606 §5.2). */
  readonly subcode: number
}

const row = (name: string, bytes: string, outcome: Outcome, subcode = 0, external = outcome): Row => ({
  name,
  bytes,
  external,
  internal: outcome,
  subcode,
})

const ROWS: readonly Row[] = [
  row('ORIGIN of no octets', '40 01 00', 'withdraw', 5),
  row('ORIGIN of 2 octets', '40 01 02 0000', 'withdraw', 5),
  row('ORIGIN 3', '40 01 01 03', 'withdraw', 6),
  row('ORIGIN marked optional', 'c0 01 01 00', 'withdraw', 4),
  row('ORIGIN not marked transitive', '00 01 01 00', 'withdraw', 4),
  row('[45] AS_PATH with segment type 0', '40 02 06 00 01 0000fc01', 'withdraw', 11),
  row('[45] AS_PATH with segment type 5', '40 02 06 05 01 0000fc01', 'withdraw', 11),
  row('[45] AS_PATH with a segment of none', '40 02 08 02 01 0000fc01 02 00', 'withdraw', 11),
  row('[45] AS_PATH with a segment past the end', '40 02 06 02 02 0000fc01', 'withdraw', 11),
  row('[45] AS_PATH with one octet behind it', '40 02 07 02 01 0000fc01 02', 'withdraw', 11),
  row('[45] AS_PATH with AS 0 (RFC 7607)', '40 02 0a 02 02 0000fc01 00000000', 'withdraw', 11),
  row('[46] AS_PATH with an AS_SET (RFC 9774)', '40 02 0c 02 01 0000fc01 01 01 0000fc02', 'withdraw', 11),
  row('[46] AS_PATH with an AS_CONFED_SET (RFC 9774)', '40 02 06 04 01 0000fc01', 'withdraw', 11),
  row('AS_PATH marked optional', 'c0 02 06 02 01 0000fc01', 'withdraw', 4),
  row('NEXT_HOP of 3 octets', '40 03 03 0a0000', 'withdraw', 5),
  row('NEXT_HOP of 16 octets', '40 03 10 20010db8000000000000000000000001', 'withdraw', 5),
  row('NEXT_HOP marked optional', 'c0 03 04 0a000001', 'withdraw', 4),
  row('[48] MED of 3 octets', '80 04 03 000064', 'withdraw', 5),
  row('MED of no octets', '80 04 00', 'withdraw', 5),
  row('MED marked transitive', 'c0 04 04 00000064', 'withdraw', 4),
  row('MED not marked optional', '00 04 04 00000064', 'withdraw', 4),
  row('[35] LOCAL_PREF of 3 octets', '40 05 03 000064', 'withdraw', 5, 'discard'),
  row('LOCAL_PREF marked optional', 'c0 05 04 00000064', 'withdraw', 4, 'discard'),
  row('ATOMIC_AGGREGATE of 1 octet', '40 06 01 00', 'discard'),
  row('AGGREGATOR of 6 octets from a new peer', 'c0 07 06 fc01 0a000001', 'discard'),
  row('AGGREGATOR of no octets', 'c0 07 00', 'discard'),
  row('AGGREGATOR with AS 0 (RFC 7607)', 'c0 07 08 00000000 0a000001', 'discard'),
  row('ATOMIC_AGGREGATE marked optional (§3 c)', 'c0 06 00', 'withdraw', 4),
  row('AGGREGATOR not marked transitive (§3 c)', '80 07 08 0000fc01 0a000001', 'withdraw', 4),
  row('[33] empty COMMUNITIES', 'c0 08 00', 'withdraw', 5),
  row('COMMUNITIES of 5 octets', 'c0 08 05 fc00006400', 'withdraw', 5),
  row('COMMUNITIES not marked transitive', '80 08 04 fc000064', 'withdraw', 4),
  row('[35] ORIGINATOR_ID of 3 octets', '80 09 03 0a0000', 'withdraw', 5, 'discard'),
  row('[35] ORIGINATOR_ID of no octets', '80 09 00', 'withdraw', 5, 'discard'),
  row('[33] empty CLUSTER_LIST', '80 0a 00', 'withdraw', 5, 'discard'),
  row('[35] CLUSTER_LIST of 6 octets', '80 0a 06 0a0000010a00', 'withdraw', 5, 'discard'),
  row('[33] empty EXTENDED_COMMUNITIES', 'c0 10 00', 'withdraw', 5),
  row('EXTENDED_COMMUNITIES of 12 octets', 'c0 10 0c 0002fc00000000640002fc00', 'withdraw', 5),
  row('[36] AS4_PATH from a new peer', 'c0 11 06 02 01 00010001', 'discard'),
  row('[36] AS4_PATH of nonsense from a new peer', 'c0 11 03 ffffff', 'discard'),
  row('[36] AS4_AGGREGATOR of 1 octet from a new peer', 'c0 12 01 00', 'discard'),
  row('[36] AS4_AGGREGATOR with wrong flags from a new peer', '00 12 08 00010001 0a000001', 'discard'),
  row('IPV6_EXTENDED_COMMUNITIES of 8 octets', 'c0 19 08 0002fc0000000064', 'withdraw', 5),
  row('[33] empty LARGE_COMMUNITIES', 'c0 20 00', 'withdraw', 5),
  row('LARGE_COMMUNITIES of 8 octets', 'c0 20 08 0000000100000002', 'withdraw', 5),
  row('LARGE_COMMUNITIES not marked optional', '40 20 0c 000000010000000200000003', 'withdraw', 4),
  row('OTC of 3 octets (RFC 9234 §5)', 'c0 23 03 00fc00', 'withdraw', 5),
  row('[39] an unknown attribute that is not optional', '40 63 01 00', 'withdraw', 2),
  row('an unknown attribute that is neither optional nor transitive', '00 63 01 00', 'withdraw', 2),
]

describe.each(ROWS)('$name', ({ bytes, subcode, ...outcomes }) => {
  const bad = fromHex(bytes)
  const type = bad[1] as number
  const cases = PEERS.flatMap((peer) =>
    POSITIONS.flatMap((position) => CARRIERS.map((carrier) => [peer, position, carrier] as const)),
  )

  test.each(cases)('from an %s peer, %s, route in %s', (peer, position, carrier) => {
    const wire = context(peer)
    const decoder = new UpdateDecoder()
    const { good, nlri } = parts(carrier, type)
    const found = read(update({ attributes: around(position, good, bad), nlri }), wire, decoder)
    const outcome = outcomes[peer]
    expect(found).toMatchObject({
      error: undefined,
      nlri,
      reach: carrier === 'NLRI' ? [undefined, []] : ['ipv6', V6_NLRI],
      treatAsWithdraw: outcome === 'withdraw',
      attributes: outcome === 'withdraw' ? [] : canonicalOf(good),
      actions: [[outcome, type]],
    })
    expectGoodNext(decoder, wire)
  })

  test.each(PEERS)('from an %s peer, without a route', (peer) => {
    const wire = context(peer)
    const decoder = new UpdateDecoder()
    const found = read(
      update({ withdrawn: NLRI, attributes: [ORIGIN, bad].filter((one) => one === bad || one[1] !== type) }),
      wire,
      decoder,
    )
    if (outcomes[peer] === 'discard') {
      expect(found).toMatchObject({ error: undefined, withdrawn: NLRI, actions: [['discard', type]] })
    } else {
      // [30] RFC 7606 §5.2. Data is the attribute, but for a malformed AS_PATH (RFC 4271 §6.3).
      const data = Uint8Array.from(subcode === 11 ? [] : bad)
      expect(found.error).toMatchObject({ code: 3, subcode, data })
    }
    expectGoodNext(decoder, wire)
  })
})

describe('only from outside the AS', () => {
  test.each<[string, string, PeerType, Outcome | undefined]>([
    ['[45] an empty AS_PATH', '40 02 00', 'external', 'withdraw'],
    ['[45] an empty AS_PATH', '40 02 00', 'internal', undefined],
    ['an AS_CONFED_SEQUENCE (RFC 5065 §5.3)', '40 02 06 03 01 0000fc01', 'external', 'withdraw'],
    ['an AS_CONFED_SEQUENCE', '40 02 06 03 01 0000fc01', 'internal', undefined],
    ['[35] a LOCAL_PREF', '40 05 04 00000064', 'external', 'discard'],
    ['a LOCAL_PREF', '40 05 04 00000064', 'internal', undefined],
    ['[35] an ORIGINATOR_ID', '80 09 04 0a000001', 'external', 'discard'],
    ['an ORIGINATOR_ID', '80 09 04 0a000001', 'internal', undefined],
    ['[35] a CLUSTER_LIST', '80 0a 04 0a000001', 'external', 'discard'],
    ['a CLUSTER_LIST', '80 0a 04 0a000001', 'internal', undefined],
  ])('%s (%s) from an %s peer: %s', (_, bytes, peer, outcome) => {
    const bad = fromHex(bytes)
    const { good, nlri } = parts('NLRI', bad[1])
    const found = read(update({ attributes: [...good, bad], nlri }), context(peer))
    expect(found.actions).toEqual(outcome === undefined ? [] : [[outcome, bad[1]]])
    expect(found.treatAsWithdraw).toBe(outcome === 'withdraw')
  })
})

describe('[34] a missing attribute is treat-as-withdraw (RFC 7606 §3 d)', () => {
  test.each<[string, Carrier, number]>([
    ['ORIGIN', 'NLRI', 1],
    ['ORIGIN', 'MP_REACH_NLRI', 1],
    ['AS_PATH', 'NLRI', 2],
    ['AS_PATH', 'MP_REACH_NLRI', 2],
    ['NEXT_HOP', 'NLRI', 3],
  ])('%s, route in %s', (name, carrier, type) => {
    const { good, nlri } = parts(carrier, type)
    const found = read(update({ attributes: good, nlri }), context('external'))
    expect(found).toMatchObject({ error: undefined, nlri, treatAsWithdraw: true, actions: [['withdraw', type]] })
    expect(found.texts).toEqual([`${name} is missing`])
  })

  test('NLRI without any attribute', () => {
    const found = read(update({ nlri: NLRI }), context('internal'))
    expect(found).toMatchObject({ error: undefined, nlri: NLRI, treatAsWithdraw: true })
    expect(found.actions).toEqual([1, 2, 3].map((type) => ['withdraw', type]))
  })
})

describe('[31] several faults', () => {
  const EBGP = context('external')

  test('the strongest action counts, whatever the order (RFC 7606 §3 h)', () => {
    const discard = fromHex('40 06 01 00')
    const withdraw = fromHex('c0 08 00')
    const good = GOOD.filter(([, type]) => type !== 8)
    for (const bad of [
      [discard, withdraw],
      [withdraw, discard],
    ]) {
      expect(read(update({ attributes: [...bad, ...good], nlri: NLRI }), EBGP)).toMatchObject({
        error: undefined,
        treatAsWithdraw: true,
        actions: bad.map((one) => [one === discard ? 'discard' : 'withdraw', one[1]]),
      })
    }
    const reset = [...MP_REACH.slice(0, 6), 5, ...MP_REACH.slice(7)]
    expect(read(update({ attributes: [withdraw, ...good, reset], nlri: NLRI }), EBGP).error).toMatchObject({
      subcode: 9,
    })
  })

  test.each([
    ['MED', MED, fromHex('80 04 04 00000001')],
    ['ORIGIN', ORIGIN, fromHex('40 01 01 02')],
    ['COMMUNITIES', COMMUNITIES, fromHex('c0 08 00')],
    ['NEXT_HOP', NEXT_HOP, fromHex('40 03 04 0a000002')],
  ])('%s twice: the first one counts, also where the second is bad (§3 g)', (_, first, second) => {
    const type = first[1]
    for (const attributes of [
      [...GOOD, second],
      [...GOOD.filter((one) => one !== first), first, second],
    ]) {
      expect(read(update({ attributes, nlri: NLRI }), EBGP)).toMatchObject({
        error: undefined,
        nextHop: [10, 0, 0, 1],
        attributes: canonicalOf(GOOD),
        treatAsWithdraw: false,
        actions: [['discard', type]],
      })
    }
  })

  test('an unknown attribute twice: the first one counts', () => {
    const attributes = [...GOOD, fromHex('c0 63 01 01'), fromHex('c0 63 01 02')]
    expect(read(update({ attributes, nlri: NLRI }), EBGP)).toMatchObject({
      attributes: [...canonicalOf(GOOD), ...fromHex('e0 63 01 01')],
      actions: [['discard', 0x63]],
    })
  })

  test.each([
    ['MP_REACH_NLRI', MP_REACH],
    ['MP_UNREACH_NLRI', MP_UNREACH],
  ])('%s twice: 3/1 (§3 g)', (_, twice) => {
    expect(read(update({ attributes: [twice, ...GOOD, twice], nlri: NLRI }), EBGP).error).toMatchObject({
      code: 3,
      subcode: 1,
      data: new Uint8Array(0),
    })
  })

  test('a thousand faults are told in a few lines', () => {
    const attributes = [...GOOD, ...new Array<number[]>(1000).fill(fromHex('80 04 00'))]
    const found = read(update({ attributes, nlri: NLRI }), EBGP)
    expect(found.treatAsWithdraw).toBe(false)
    expect(found.actions.length).toBeLessThanOrEqual(16)
  })
})

describe('[29] an attribute past the Total Path Attribute Length (RFC 7606 §4)', () => {
  const overruns: readonly [string, string][] = [
    ['a length beyond the end', '80 04 ff'],
    ['an extended length beyond the end', '90 04 ffff 00'],
    ['an unknown attribute beyond the end', 'c0 63 f0'],
  ]
  const cuts: readonly [string, string][] = [
    ['one octet too many', '40'],
    ['two octets too many', '40 05'],
    ['three octets with the extended length bit', '50 05 00'],
  ]

  describe.each(PEERS)('from an %s peer', (peer) => {
    const wire = context(peer)

    test.each(overruns.flatMap(([name, bytes]) => POSITIONS.map((position) => [name, position, bytes] as const)))(
      '%s, %s: the NLRI is found and withdrawn',
      (_, position, bytes) => {
        const decoder = new UpdateDecoder()
        const attributes = around(position, GOOD, fromHex(bytes))
        const found = read(update({ attributes, nlri: NLRI }), wire, decoder)
        expect(found).toMatchObject({ error: undefined, nlri: NLRI, treatAsWithdraw: true })
        expect(found.actions[0]).toEqual(['withdraw', fromHex(bytes)[1]])
        expectGoodNext(decoder, wire)
      },
    )

    test.each(cuts)('%s at the end: the NLRI is found and withdrawn', (_, bytes) => {
      const found = read(update({ attributes: [...GOOD, fromHex(bytes)], nlri: NLRI }), wire)
      expect(found).toMatchObject({ error: undefined, nlri: NLRI, treatAsWithdraw: true })
      expect(found.actions).toHaveLength(1)
    })

    test.each([...overruns, ...cuts])('%s without a route: 3/1 ([30], RFC 7606 §5.2)', (_, bytes) => {
      const found = read(update({ withdrawn: NLRI, attributes: [ORIGIN, fromHex(bytes)] }), wire)
      expect(found.error).toMatchObject({ code: 3, subcode: 1, data: new Uint8Array(0) })
    })

    test.each([
      ['MP_REACH_NLRI', '80 0e ff 000201'],
      ['MP_UNREACH_NLRI', '80 0f ff 000201'],
    ])('%s past the end: its routes cannot be found, 3/9 (§3 j)', (_, bytes) => {
      const bad = fromHex(bytes)
      expect(read(update({ attributes: [...GOOD, bad], nlri: NLRI }), wire).error).toMatchObject({
        code: 3,
        subcode: 9,
        data: Uint8Array.from(bad),
      })
    })
  })
})

describe('what ends the session', () => {
  const lengths = (withdrawn: string, rest: string) => {
    const good = update({})
    return Uint8Array.from([
      ...good.subarray(0, 16),
      0,
      23 + fromHex(rest).length,
      2,
      ...fromHex(withdrawn),
      ...fromHex(rest),
    ])
  }

  test.each([
    ['Withdrawn Routes Length past the end', lengths('0001 0000', '')],
    ['Withdrawn Routes Length that leaves no room for the other', lengths('0003 0000', '00 00')],
    ['Total Path Attribute Length past the end', lengths('0000 0005', '40 01 01 00')],
    ['both together past the end', lengths('0002 080a', '0002 40')],
  ])('[28] %s: 3/1 (RFC 7606 §3 b)', (_, bytes) => {
    const decoder = new UpdateDecoder()
    const wire = context('external')
    const { error } = read(bytes, wire, decoder)
    expect(error).toMatchObject({
      code: 3,
      subcode: 1,
      data: new Uint8Array(0),
      text: expect.stringContaining('lengths'),
    })
    expectGoodNext(decoder, wire)
  })

  test.each([
    ['a prefix of 33 bits', '21 0a01020304'],
    ['a prefix past the end', '18 0a01'],
    ['a length without an octet behind it', '18 0a0102 01'],
  ])('[40] %s in NLRI or Withdrawn Routes: 3/10 (RFC 7606 §5.3)', (_, text) => {
    const routes = fromHex(text)
    for (const bytes of [update({ attributes: GOOD, nlri: routes }), update({ withdrawn: routes })]) {
      expect(read(bytes, context('internal')).error).toMatchObject({ code: 3, subcode: 10, data: new Uint8Array(0) })
    }
  })

  test('[40] with add-path, an identifier without a prefix', () => {
    const wire = context('external', { addPath: ['ipv4', 'ipv6'] })
    for (const routes of ['00000001', '000000', '00000001 18 0a01']) {
      expect(read(update({ withdrawn: fromHex(routes) }), wire).error).toMatchObject({ code: 3, subcode: 10 })
      const unreach = attribute(0x80, 15, 0, 2, 1, ...fromHex(routes))
      expect(read(update({ attributes: [unreach] }), wire).error).toMatchObject({ code: 3, subcode: 9 })
    }
  })

  const V6 = '20010db8000000000000000000000001'

  describe.each(POSITIONS)('an attribute of routes, %s', (position) => {
    test.each<[string, string, number]>([
      ['MP_REACH_NLRI of 4 octets', '80 0e 04 000201 00', 9],
      ['MP_REACH_NLRI of no octets', '80 0e 00', 9],
      ['MP_REACH_NLRI whose next hop is past the end', `80 0e 14 000201 10 ${V6.slice(0, 30)} 00`, 9],
      ['[41] IPv6 with a next hop of no octets', '80 0e 07 000201 00 00 08 20', 9],
      ['[41] IPv6 with a next hop of 4 octets', '80 0e 0b 000201 04 0a000001 00 08 20', 9],
      ['[41] IPv6 with a next hop of 24 octets', `80 0e 1f 000201 18 0000000000000000 ${V6} 00 08 20`, 9],
      ['[41] IPv4 with an IPv6 next hop that was not agreed on', `80 0e 17 000101 10 ${V6} 00 08 0a`, 9],
      ['[40] MP_REACH_NLRI with a prefix of 129 bits', `80 0e 27 000201 10 ${V6} 00 81 ${V6} 00`, 9],
      ['[40] MP_REACH_NLRI with a prefix past the end', `80 0e 17 000201 10 ${V6} 00 10 20`, 9],
      ['[40] MP_REACH_NLRI of IPv4 with a prefix of 33 bits', '80 0e 0f 000101 04 0a000001 00 21 0a01020304', 9],
      ['MP_REACH_NLRI marked transitive', `c0 0e 17 000201 10 ${V6} 00 08 20`, 4],
      ['MP_REACH_NLRI not marked optional', `00 0e 17 000201 10 ${V6} 00 08 20`, 4],
      ['MP_UNREACH_NLRI of 2 octets', '80 0f 02 0002', 9],
      ['[40] MP_UNREACH_NLRI with a prefix of 129 bits', `80 0f 15 000201 81 ${V6} 00`, 9],
      ['[40] MP_UNREACH_NLRI with a prefix past the end', '80 0f 06 000201 20 2001', 9],
      ['MP_UNREACH_NLRI marked transitive', 'c0 0f 05 000201 08 20', 4],
    ])('%s', (_, text, subcode) => {
      const bad = fromHex(text)
      for (const peer of PEERS) {
        const decoder = new UpdateDecoder()
        const bytes = update({ attributes: around(position, GOOD, bad), nlri: NLRI })
        const { error } = read(bytes, context(peer), decoder)
        expect(error).toMatchObject({ kind: 'message-error', code: 3, subcode, data: Uint8Array.from(bad) })
        expectGoodNext(decoder, context(peer))
      }
    })
  })
})

describe('[34] NEXT_HOP beside MP_REACH_NLRI', () => {
  test('whatever address it holds, it is not for those routes (RFC 4760 §3)', () => {
    const attributes = [MP_REACH, ORIGIN, AS_PATH, fromHex('40 03 04 00000000')]
    expect(read(update({ attributes }), context('external'))).toMatchObject({ error: undefined, actions: [] })
  })
})

test('a problem names the attribute and what was found', () => {
  const texts = (bad: string) =>
    read(update({ attributes: [...GOOD.slice(0, 3), fromHex(bad)], nlri: NLRI }), context('external')).texts
  expect(texts('80 04 03 000064')).toEqual(['MULTI_EXIT_DISC has length 3'])
  expect(texts('c0 04 04 00000064')).toEqual(['MULTI_EXIT_DISC has flags 0xc0'])
  expect(texts('40 63 00')).toEqual(['attribute 99 is not known'])
  expect(texts('80 04 ff')).toEqual(['MULTI_EXIT_DISC reaches past the Total Path Attribute Length'])
})
