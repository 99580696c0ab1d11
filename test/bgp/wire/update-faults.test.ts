/**
 * RFC 4271 §6.3 and RFC 7606, row by row: from inside and outside the AS, the bad attribute first, in the middle and
 * last, the route in NLRI and in MP_REACH_NLRI. Numbers in brackets: what implementers most often get wrong.
 */
import { describe, expect, test } from 'vitest'
import type { PeerType, WireContext } from '../../../src/bgp/wire/context.ts'
import { UpdateDecoder } from '../../../src/bgp/wire/update.ts'
import {
  AS_PATH,
  around,
  CARRIERS,
  type Carrier,
  COMMUNITIES,
  CUTS,
  canonicalOf,
  FAULTS,
  GOOD,
  MED,
  MP_FAULTS,
  MP_FLAGS,
  MP_OVERRUNS,
  MP_REACH,
  MP_UNREACH,
  NEXT_HOP,
  NLRI,
  ORIGIN,
  type Outcome,
  OVERRUNS,
  PEERS,
  POSITIONS,
  parts,
  V6_NLRI,
} from '../../support/faults.ts'
import { attribute, context, fromHex, read, update } from '../../support/messages.ts'

/** A good UPDATE behind the bad one is read as if nothing had been. */
function expectGoodNext(decoder: UpdateDecoder, wire: WireContext): void {
  const next = update({ attributes: GOOD, nlri: NLRI })
  expect(read(next, wire, decoder)).toEqual(read(next, wire))
  expect(read(next, wire)).toMatchObject({ error: undefined, nlri: NLRI, treatAsWithdraw: false, actions: [] })
}

describe.each(FAULTS)('$name', ({ bytes, subcode, ...outcomes }) => {
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

describe('only from outside the AS (RFC 4271 §5.1.5, RFC 7606 §7.5, §7.9, §7.10)', () => {
  test.each<[string, string, PeerType, Outcome | undefined]>([
    ['[45] an empty AS_PATH', '40 02 00', 'external', 'withdraw'],
    ['[45] an empty AS_PATH', '40 02 00', 'internal', undefined],
    ['an AS_CONFED_SEQUENCE (RFC 5065 §5)', '40 02 06 03 01 0000fc01', 'external', 'withdraw'],
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

  test('… and why the routes are withdrawn is among these, wherever it stands', () => {
    const thousand = new Array<number[]>(1000).fill(fromHex('80 04 00'))
    const attributes = [...GOOD.filter(([, type]) => type !== 8), ...thousand, fromHex('c0 08 00')]
    const found = read(update({ attributes, nlri: NLRI }), EBGP)
    expect(found.treatAsWithdraw).toBe(true)
    expect(found.actions.length).toBeLessThanOrEqual(16)
    expect(found.actions).toContainEqual(['withdraw', 8])
  })
})

describe('[29] an attribute past the Total Path Attribute Length (RFC 7606 §4)', () => {
  describe.each(PEERS)('from an %s peer', (peer) => {
    const wire = context(peer)

    test.each(OVERRUNS.flatMap(([name, bytes]) => POSITIONS.map((position) => [name, position, bytes] as const)))(
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

    test.each(CUTS)('%s at the end: the NLRI is found and withdrawn', (_, bytes) => {
      const found = read(update({ attributes: [...GOOD, fromHex(bytes)], nlri: NLRI }), wire)
      expect(found).toMatchObject({ error: undefined, nlri: NLRI, treatAsWithdraw: true })
      expect(found.actions).toHaveLength(1)
    })

    test.each([...OVERRUNS, ...CUTS])('[30] %s without a route: 3/1 (RFC 7606 §5.2)', (_, bytes) => {
      const found = read(update({ withdrawn: NLRI, attributes: [ORIGIN, fromHex(bytes)] }), wire)
      expect(found.error).toMatchObject({ code: 3, subcode: 1, data: new Uint8Array(0) })
    })

    test.each(MP_OVERRUNS)('%s past the end: its routes cannot be found, 3/9 (§3 j)', (_, bytes) => {
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

  describe.each(POSITIONS)('an attribute of routes (RFC 4760 §7, RFC 7606 §7.11, §7.12), %s', (position) => {
    test.each(MP_FAULTS)('%s', (_, text, subcode) => {
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

describe.each(MP_FLAGS)('[32] an attribute of routes %s (RFC 7606 §3 c)', (_, flags) => {
  const [reach, unreach] = [MP_REACH, MP_UNREACH].map((one) => [flags, ...one.slice(1)]) as [number[], number[]]
  const cases = PEERS.flatMap((peer) => POSITIONS.map((position) => [peer, position] as const))

  test.each(cases)(
    'MP_REACH_NLRI from an %s peer, %s: its routes are withdrawn, and NLRI beside it',
    (peer, position) => {
      const decoder = new UpdateDecoder()
      const found = read(update({ attributes: around(position, GOOD, reach), nlri: NLRI }), context(peer), decoder)
      expect(found).toMatchObject({
        error: undefined,
        treatAsWithdraw: true,
        attributes: [],
        actions: [['withdraw', 14]],
      })
      expect([found.nlri, found.reach]).toEqual([NLRI, ['ipv6', V6_NLRI]])
      expectGoodNext(decoder, context(peer))
    },
  )

  test.each(cases)('MP_UNREACH_NLRI from an %s peer, %s: the same', (peer, position) => {
    const decoder = new UpdateDecoder()
    const found = read(update({ attributes: around(position, GOOD, unreach), nlri: NLRI }), context(peer), decoder)
    expect(found).toMatchObject({
      error: undefined,
      treatAsWithdraw: true,
      attributes: [],
      actions: [['withdraw', 15]],
    })
    expect([found.nlri, found.unreach]).toEqual([NLRI, ['ipv6', V6_NLRI]])
    expectGoodNext(decoder, context(peer))
  })

  test('[30] MP_UNREACH_NLRI alone: 3/4 (RFC 7606 §5.2)', () => {
    const { error } = read(update({ attributes: [unreach] }), context('external'))
    expect(error).toMatchObject({ code: 3, subcode: 4, data: Uint8Array.from(unreach) })
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
