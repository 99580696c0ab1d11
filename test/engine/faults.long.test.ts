/**
 * What a wrong message costs, seen from outside of a whole agent: the NOTIFICATION to the octet, before the connection
 * closes; or routes withdrawn, or an attribute dropped, and the session goes on, which a good route behind it proves. From
 * inside and outside the AS, the wrong attribute first, in the middle and last, the route in NLRI and in MP_REACH_NLRI. Two
 * others look on: they are told nothing that is wrong. Numbers in brackets: what implementers most often get wrong.
 */
import { describe, expect, test } from 'vitest'
import { hex } from '../../src/base/bytes.ts'
import { decodeAttributes } from '../../src/bgp/wire/attribute.ts'
import type { PeerType } from '../../src/bgp/wire/context.ts'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import {
  around,
  CARRIERS,
  type Carrier,
  CUTS,
  canonicalOf,
  FAULTS,
  GOOD,
  MP_FAULTS,
  MP_FLAGS,
  MP_OVERRUNS,
  MP_REACH,
  MP_UNREACH,
  NLRI,
  ORIGIN,
  type Outcome,
  OVERRUNS,
  PEERS,
  POSITIONS,
  parts,
} from '../support/faults.ts'
import { context, fromHex, MARKER, message, update } from '../support/messages.ts'
import { bgpFilter } from '../support/objects.ts'
import { Listener } from '../support/rib.ts'
import { OUR_AS, type RawNeighbor, Rig } from '../support/rig.ts'

const GIVE_ALL = bgpFilter('give-all', { exportV4: [{ action: 'Accept' }], exportV6: [{ action: 'Accept' }] })
/** The AS that paths in `faults.ts` begin with. */
const THEIR_AS = 0xfc01
const ROUTE: Readonly<Record<Carrier, string>> = { NLRI: '10.1.2.0/24', MP_REACH_NLRI: '2001:db8::/32' }
const SENTINELS = ['10.9.9.0/24', '2001:db9::/32']
const SENTINEL_NLRI = fromHex('18 0a0909')
const SENTINEL_REACH = [...MP_REACH.slice(0, -4), ...fromHex('20010db9')]

/** One who errs, and two who look on: one outside, one inside the AS. */
class Scene {
  readonly rig: Rig
  readonly bad: RawNeighbor
  readonly #outside: RawNeighbor
  readonly #inside: RawNeighbor
  readonly #observers: readonly (readonly [RawNeighbor, Listener])[]

  constructor(peer: PeerType) {
    this.rig = new Rig({
      asns: [peer === 'external' ? THEIR_AS : OUR_AS, 65_002, OUR_AS],
      neighbors: 3,
      spec: { advertiseLearned: true, filters: ['take-all', 'give-all'] },
      objects: [GIVE_ALL],
    })
    ;[this.bad, this.#outside, this.#inside] = this.rig.neighbors as [RawNeighbor, RawNeighbor, RawNeighbor]
    const listen = (peerType: PeerType): Listener => new Listener({ send: context(peerType), peerType })
    this.#observers = [
      [this.#outside.establish(), listen('external')],
      // What came from inside the AS is not told inside it.
      ...(peer === 'external' ? ([[this.#inside.establish(), listen('internal')]] as const) : []),
    ]
    this.bad.establish()
  }

  /** What it has told us and holds. */
  get held(): readonly string[] {
    return this.#rows.map(({ prefix }) => prefix)
  }

  attributesOf(prefix: string) {
    return this.#rows.find((row) => row.prefix === prefix)?.attributes
  }

  get #rows() {
    return this.rig.engine.view(this.rig.now).routes({ protocol: this.bad.name }, undefined, 9).rows
  }

  /** What each observer holds of it. A listener throws at whatever it could find fault with. */
  get told(): readonly (readonly string[])[] {
    return this.#observers.map(([neighbor, listener]) => {
      for (const bytes of neighbor.heard.splice(0)) if (bytes[18] === 2) listener.take(bytes)
      return [...listener.routes.keys()].filter((key) => !key.startsWith('10.244.') && !key.startsWith('fd00:'))
    })
  }

  announce(carrier: Carrier): void {
    if (carrier === 'NLRI') this.bad.send(update({ attributes: GOOD, nlri: NLRI }))
    else this.bad.send(update({ attributes: parts(carrier, undefined).good }))
  }

  /** Good routes of both families behind what was wrong, and everyone hears of them and of nothing else but `kept`. */
  expectToGoOn(...kept: readonly string[]): void {
    expect([this.bad.notification, this.bad.ended, this.bad.established]).toEqual([undefined, false, true])
    const good = GOOD.filter(([, type]) => type !== 3)
    this.bad.send(update({ attributes: GOOD, nlri: SENTINEL_NLRI }))
    this.bad.send(update({ attributes: [SENTINEL_REACH, ...good] }))
    const expected = [...kept, ...SENTINELS].sort()
    expect([...this.held].sort()).toEqual(expected)
    for (const told of this.told) expect([...told].sort()).toEqual(expected)
    this.bad.send(update({ withdrawn: SENTINEL_NLRI, attributes: [fromHex('80 0f 08 000201 20 20010db9')] }))
  }

  /** The NOTIFICATION, the whole of it, is the last that is heard before the close; then the next session is good. */
  expectToEnd(...notification: readonly number[]): void {
    expect(this.bad.ended).toBe(true)
    const last = this.bad.heard.at(-1) ?? new Uint8Array(0)
    expect(hex(last)).toBe(hex(message(3, ...notification)))
    expect(this.rig.lines.filter(({ code }) => code === 'notification-sent')).toHaveLength(1)
    expect(this.held).toEqual([])
    for (const told of this.told) expect(told).toEqual([])
    this.rig.lines.length = 0
    this.bad.hangUp().establish()
    this.expectToGoOn()
    this.bad.heard.length = 0
  }

  /** It was told in words that begin so. */
  expectTold(subject: RegExp): void {
    const lines = this.rig.lines.splice(0).filter(({ code }) => code === 'update-problem')
    expect(lines.map(({ text }) => text).join('\n')).toMatch(subject)
  }
}

describe.each(PEERS)('from an %s peer', (peer) => {
  /** Everywhere an attribute can stand, and both places where a route can. */
  const everywhere = (scene: Scene, bad: readonly number[], outcome: Outcome, type: number | undefined = bad[1]) => {
    for (const carrier of CARRIERS) {
      const { good, nlri } = parts(carrier, type)
      for (const position of POSITIONS) {
        scene.announce(carrier)
        expect(scene.held).toContain(ROUTE[carrier])
        scene.bad.send(update({ attributes: around(position, good, bad), nlri }))
        scene.expectTold(/^Global_10_0_0_1: (?:[A-Z0-9_]+|attribute \d+) .+: (?:its routes are|the attribute is)/m)
        if (outcome === 'discard') {
          const expected = decodeAttributes(Uint8Array.from(canonicalOf(good)))
          expect(scene.attributesOf(ROUTE[carrier])).toEqual(expected)
        }
        scene.expectToGoOn(...(outcome === 'withdraw' ? [] : [ROUTE[carrier]]))
        scene.bad.send(update({ withdrawn: NLRI, attributes: [fromHex('80 0f 08 000201 20 20010db8')] }))
      }
    }
  }

  test.each(FAULTS)('$name', ({ bytes, subcode, ...outcomes }) => {
    const scene = new Scene(peer)
    const bad = fromHex(bytes)
    everywhere(scene, bad, outcomes[peer])
    // RFC 7606 §5.2: without a route there is nothing to withdraw.
    scene.bad.send(update({ withdrawn: NLRI, attributes: bad[1] === 1 ? [bad] : [ORIGIN, bad] }))
    if (outcomes[peer] === 'discard') scene.expectToGoOn()
    else scene.expectToEnd(3, subcode, ...(subcode === 11 ? [] : bad))
  })

  test.each(OVERRUNS)('[29] %s: the NLRI is found and withdrawn', (_, bytes) => {
    const scene = new Scene(peer)
    for (const position of POSITIONS) {
      scene.announce('NLRI')
      scene.bad.send(update({ attributes: around(position, GOOD, fromHex(bytes)), nlri: NLRI }))
      scene.expectTold(/reaches past the Total Path Attribute Length/)
      scene.expectToGoOn()
    }
    scene.bad.send(update({ withdrawn: NLRI, attributes: [ORIGIN, fromHex(bytes)] }))
    scene.expectToEnd(3, 1)
  })

  test.each(CUTS)('[29] %s at the end: the NLRI is found and withdrawn', (_, bytes) => {
    const scene = new Scene(peer)
    scene.announce('NLRI')
    scene.bad.send(update({ attributes: [...GOOD, fromHex(bytes)], nlri: NLRI }))
    scene.expectToGoOn()
    scene.bad.send(update({ withdrawn: NLRI, attributes: [ORIGIN, fromHex(bytes)] }))
    scene.expectToEnd(3, 1)
  })

  test.each([
    ['ORIGIN', 1],
    ['AS_PATH', 2],
    ['NEXT_HOP', 3],
  ])('[34] %s is missing', (name, type) => {
    const scene = new Scene(peer)
    for (const carrier of CARRIERS) {
      if (carrier !== 'NLRI' && type === 3) continue
      const { good, nlri } = parts(carrier, type)
      scene.announce(carrier)
      scene.bad.send(update({ attributes: good, nlri }))
      scene.expectTold(new RegExp(`${name} is missing: its routes`))
      scene.expectToGoOn()
    }
  })

  test.each([
    ['MED', fromHex('80 04 04 00000001')],
    ['a bad ORIGIN', fromHex('40 01 01 09')],
    ['empty COMMUNITIES', fromHex('c0 08 00')],
  ])('[31] %s once more: the first one counts', (_, again) => {
    const scene = new Scene(peer)
    for (const attributes of [
      [...GOOD, again],
      [...GOOD.filter(([, type]) => type !== again[1]), ...GOOD.filter(([, type]) => type === again[1]), again],
    ]) {
      scene.bad.send(update({ attributes, nlri: NLRI }))
      expect(scene.attributesOf(ROUTE.NLRI)).toEqual(decodeAttributes(Uint8Array.from(canonicalOf(GOOD))))
      scene.expectTold(/appears twice/)
      scene.expectToGoOn(ROUTE.NLRI)
    }
  })

  test('[31] of several faults the strongest counts', () => {
    const scene = new Scene(peer)
    const [discarded, withdrawn] = [fromHex('40 06 01 00'), fromHex('c0 20 00')]
    for (const bad of [
      [discarded, withdrawn],
      [withdrawn, discarded],
    ]) {
      scene.announce('NLRI')
      scene.bad.send(update({ attributes: [...bad, ...GOOD], nlri: NLRI }))
      scene.expectToGoOn()
    }
  })

  test.each(MP_FAULTS)('%s: the session ends', (_, bytes, subcode) => {
    const scene = new Scene(peer)
    const bad = fromHex(bytes)
    for (const position of POSITIONS) {
      scene.announce('NLRI')
      scene.bad.send(update({ attributes: around(position, GOOD, bad), nlri: NLRI }))
      scene.expectToEnd(3, subcode, ...bad)
    }
  })

  test.each(MP_FLAGS)('[32] MP_REACH_NLRI %s: its routes are withdrawn', (_, flags) => {
    const scene = new Scene(peer)
    const [reach, unreach] = [MP_REACH, MP_UNREACH].map((one) => [flags, ...one.slice(1)]) as [number[], number[]]
    for (const position of POSITIONS) {
      for (const carrier of CARRIERS) scene.announce(carrier)
      scene.bad.send(update({ attributes: around(position, GOOD, reach), nlri: NLRI }))
      scene.expectTold(/MP_REACH_NLRI has flags 0x[0-9a-f]{2}: its routes are treated as withdrawn/)
      scene.expectToGoOn()
    }
    scene.announce('MP_REACH_NLRI')
    scene.bad.send(update({ attributes: [...GOOD, unreach], nlri: NLRI }))
    scene.expectToGoOn()
    scene.bad.send(update({ attributes: [unreach] }))
    scene.expectToEnd(3, 4, ...unreach)
  })

  test.each(MP_OVERRUNS)('%s past the end: the session ends', (_, bytes) => {
    const scene = new Scene(peer)
    scene.bad.send(update({ attributes: [...GOOD, fromHex(bytes)], nlri: NLRI }))
    scene.expectToEnd(3, 9, ...fromHex(bytes))
  })

  test.each([
    ['[28] lengths that exceed the message', message(2, 0, 0, 0, 5, 0x40, 1, 1, 0), [3, 1]],
    ['[31] MP_REACH_NLRI twice', update({ attributes: [MP_REACH, ...GOOD, MP_REACH], nlri: NLRI }), [3, 1]],
    ['[40] a prefix of 33 bits', update({ attributes: GOOD, nlri: fromHex('21 0a01020304') }), [3, 10]],
    ['[40] a withdrawn prefix past the end', update({ withdrawn: fromHex('18 0a01') }), [3, 10]],
    ['[1] a marker that is not all ones', Uint8Array.from([...MARKER.slice(1), 0xfe, 0, 19, 4]), [1, 1]],
    ['[2] a length of 18', Uint8Array.from([...MARKER, 0, 18, 4]), [1, 2, 0, 18]],
    ['[2] a KEEPALIVE of 20 octets', message(4, 0), [1, 2, 0, 20]],
    ['[2] an UPDATE of 22 octets', message(2, 0, 0, 0), [1, 2, 0, 22]],
    ['[2] an OPEN of 4097 octets', Uint8Array.from([...MARKER, 0x10, 1, 1]), [1, 2, 0x10, 1]],
    ['[2] a NOTIFICATION of 20 octets', message(3, 6), [1, 2, 0, 20]],
    ['[3] an unknown type', message(6), [1, 3, 6]],
    ['[12] an OPEN in Established', message(1, 4, 0, 1, 0, 90, 1, 1, 1, 1, 0), [5, 3, 1]],
    ['[68] a ROUTE-REFRESH cut short', message(5, 0, 1), [1, 2, 0, 21]],
    ['[75] a Cease that we are told is the end, and is not answered', message(3, 6, 1), undefined],
  ] as const)('%s', (_, bytes, notification) => {
    const scene = new Scene(peer)
    scene.announce('NLRI')
    scene.bad.heard.length = 0
    scene.bad.send(bytes)
    if (notification !== undefined) scene.expectToEnd(...notification)
    else {
      expect([scene.bad.ended, scene.bad.heard]).toEqual([true, []])
      expect([scene.held, scene.told.flat()]).toEqual([[], []])
    }
  })

  test('[42] what is of a family that was not agreed on is no error, whatever it is', () => {
    const scene = new Scene(peer)
    scene.announce('NLRI')
    const values = ['0001 80', '0019 46', '4004 47'].flatMap((family) =>
      // Routes; a next hop past the end; nothing but the family.
      [`${family} 01 02 03 ff`, `${family} 20 01`, family].map(fromHex),
    )
    for (const value of values) {
      for (const attribute of [
        [0x80, 14, value.length, ...value],
        [0x80, 15, value.length, ...value],
      ]) {
        for (const position of POSITIONS) {
          scene.bad.send(update({ attributes: around(position, GOOD, attribute), nlri: NLRI }))
          scene.expectTold(/is ignored: AFI \d+ SAFI \d+ was not agreed on/)
          scene.expectToGoOn(ROUTE.NLRI)
        }
        scene.bad.send(update({ attributes: [ORIGIN, attribute] }))
        scene.expectToGoOn(ROUTE.NLRI)
      }
    }
    for (const refresh of [message(5, 0, 25, 0, 70), message(5, 0, 1, 0, 2)]) scene.bad.send(refresh)
    scene.expectToGoOn(ROUTE.NLRI)
  })

  test.each([
    ['0.0.0.0', '00000000'],
    ['127.0.0.1', '7f000001'],
    ['224.0.0.5', 'e0000005'],
    ['240.0.0.1', 'f0000001'],
    ['our own address', '0a000064'],
  ])('[47] NEXT_HOP is %s: kept with the reason, used and told on to nobody', (_, address) => {
    const scene = new Scene(peer)
    scene.announce('NLRI')
    const attributes = GOOD.map((one) => (one[1] === 3 ? [0x40, 3, 4, ...fromHex(address)] : one))
    scene.bad.send(update({ attributes, nlri: NLRI }))
    const { rows } = scene.rig.engine.view(0).routes({ filtered: true }, undefined, 9)
    expect(rows.map(({ prefix, reason }) => `${prefix}: ${reason}`)).toEqual([
      expect.stringMatching(
        /^10\.1\.2\.0\/24: the next hop is (?:a loopback, multicast or reserved address|our own address)$/,
      ),
    ])
    scene.expectToGoOn()
  })

  test('silence ends with Hold Timer Expired (RFC 4271 §6.5)', () => {
    const scene = new Scene(peer)
    scene.rig.pass(90_000)
    const last = scene.bad.heard.at(-1) ?? new Uint8Array(0)
    expect(hex(last)).toBe(hex(message(3, 4, 0)))
    expect(scene.bad.ended).toBe(true)
  })
})

describe.each(PEERS)('from an %s peer of two-octet AS numbers (RFC 6793 §6)', (peer) => {
  const asn = peer === 'external' ? THEIR_AS : OUR_AS
  const PATH = fromHex('40 02 04 02 01 fc01')

  test.each<[string, string, Outcome]>([
    ['[36] AS4_PATH of no octets', 'c0 11 00', 'discard'],
    ['[36] AS4_PATH with a segment past the end', 'c0 11 06 02 02 00010001', 'discard'],
    ['[36] AS4_PATH with wrong flags', '40 11 06 02 01 00010001', 'discard'],
    ['[36] AS4_AGGREGATOR of 6 octets', 'c0 12 06 0001 0a000002', 'discard'],
    ['AGGREGATOR of 8 octets', 'c0 07 08 0000fc01 0a000001', 'discard'],
    ['[46] an AS_SET in AS4_PATH', 'c0 11 06 01 01 00010001', 'withdraw'],
    ['AS_PATH of four-octet numbers', '40 02 06 02 01 0000fc01', 'withdraw'],
  ])('%s', (_, bytes, outcome) => {
    const rig = new Rig({ neighbors: 1, asns: [asn] })
    const [bad] = rig.neighbors as [RawNeighbor]
    bad.fourOctetAs = false
    bad.establish()
    const one = fromHex(bytes)
    const good = GOOD.map((attribute) => (attribute[1] === 2 ? PATH : attribute))
    const others = good.filter((attribute) => attribute[1] !== one[1])
    for (const position of POSITIONS) {
      bad.send(update({ attributes: good, nlri: NLRI }))
      bad.send(update({ attributes: around(position, others, one), nlri: NLRI }))
      bad.send(update({ attributes: good, nlri: SENTINEL_NLRI }))
      const { rows } = rig.engine.view(rig.now).routes({ protocol: bad.name }, undefined, 9)
      expect(rows.map(({ prefix }) => prefix).sort()).toEqual(
        outcome === 'discard' ? [ROUTE.NLRI, SENTINELS[0]] : [SENTINELS[0]],
      )
      for (const { attributes } of rows)
        expect(attributes).toEqual(decodeAttributes(Uint8Array.from(canonicalOf(GOOD))))
      expect([bad.established, bad.notification]).toEqual([true, undefined])
      bad.send(update({ withdrawn: [...NLRI, ...SENTINEL_NLRI] }))
    }
  })
})

/** OPENs that cannot be, on a connection of their own. The neighbor is 10.0.0.1. */
describe.each(PEERS)('an OPEN from an %s peer', (peer) => {
  const asn = peer === 'external' ? THEIR_AS : OUR_AS
  const open = (over: { version?: number; as?: number; hold?: number; id?: number[]; rest?: string } = {}) => {
    const { version = 4, as = asn, hold = 90, id = [10, 0, 0, 1], rest = '00' } = over
    return message(1, version, as >> 8, as & 255, hold >> 8, hold & 255, ...id, ...fromHex(rest))
  }

  test.each([
    ['[5] version 3', open({ version: 3 }), [2, 1, 0, 4]],
    ['[5] version 5', open({ version: 5 }), [2, 1, 0, 4]],
    ['[6] AS 0', open({ as: 0 }), [2, 2]],
    ['[6] another AS', open({ as: 65_099 }), [2, 2]],
    ['[9] two numbers', open({ rest: '08 02 06 41 04 0000fbfb' }), [2, 2]],
    ['[6] identifier 0.0.0.0', open({ id: [0, 0, 0, 0] }), [2, 3]],
    ['[6] hold time 1', open({ hold: 1 }), [2, 6]],
    ['[6] hold time 2', open({ hold: 2 }), [2, 6]],
    ['[7] an unknown parameter', open({ rest: '02 03 00' }), [2, 4]],
    ['[7] a parameter past the end', open({ rest: '04 02 08 0200' }), [2, 0]],
    ['[8] the extended form cut short', open({ rest: 'ff ff 00' }), [2, 0]],
    [
      '[11] EVPN and nothing else',
      open({ rest: '08 02 06 01 04 00190046' }),
      [2, 7, 1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1],
    ],
    ['[2] 28 octets', message(1, 4, 0, 1, 0, 90, 1, 1, 1, 1), [1, 2, 0, 28]],
    ['[4] 4097 octets', Uint8Array.from([...MARKER, 0x10, 1, 1]), [1, 2, 0x10, 1]],
    ['[12] a KEEPALIVE instead', KEEPALIVE, [5, 1, 4]],
    ['[12] an UPDATE instead', message(2, 0, 0, 0, 0), [5, 1, 2]],
    ['[12] a ROUTE-REFRESH instead', message(5, 0, 1, 0, 1), [5, 1, 5]],
    ['[12] an UPDATE behind it', Uint8Array.from([...open(), ...message(2, 0, 0, 0, 0)]), [5, 2, 2]],
    ['[12] another OPEN behind it', Uint8Array.from([...open(), ...open()]), [5, 2, 1]],
  ] as const)('%s', (_, bytes, notification) => {
    const rig = new Rig({ neighbors: 1, asns: [asn] })
    const [bad] = rig.neighbors as [RawNeighbor]
    bad.connect().send(bytes)
    expect(hex(bad.heard.at(-1) ?? new Uint8Array(0))).toBe(hex(message(3, ...notification)))
    expect(bad.ended).toBe(true)
    const said = rig.lines.find(({ code }) => code === 'notification-sent')
    expect(said?.fields).toMatchObject({ code: notification[0], subcode: notification[1] })
    bad.hangUp().establish()
    expect(bad.established).toBe(true)
    bad.send(update({ attributes: GOOD, nlri: NLRI }))
    expect(rig.held(bad)).toBe(1)
  })

  test('[6] our own identifier: refused inside the AS, legal from outside (RFC 6286 §2.1)', () => {
    const rig = new Rig({ neighbors: 1, asns: [asn] })
    const [one] = rig.neighbors as [RawNeighbor]
    one
      .connect()
      .send(open({ id: [10, 0, 0, 100] }))
      .send(KEEPALIVE)
    expect(one.notification).toBe(peer === 'internal' ? '2/3' : undefined)
    expect(one.established).toBe(peer === 'external')
  })

  test('none within four minutes: Hold Timer Expired', () => {
    const rig = new Rig({ neighbors: 1, asns: [asn] })
    const [bad] = rig.neighbors as [RawNeighbor]
    bad.connect()
    rig.pass(240_000)
    expect(hex(bad.heard.at(-1) ?? new Uint8Array(0))).toBe(hex(message(3, 4, 0)))
    expect(bad.ended).toBe(true)
  })
})
