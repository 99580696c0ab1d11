import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ConnId } from '../../src/bgp/session/types.ts'
import { MESSAGE_TYPE } from '../../src/bgp/wire/message.ts'
import { config, only, otherConfig, type Side, WirePair } from '../support/wire-pair.ts'

const established = (side: Side) => side.peer.session

const sentOn = (side: Side, conn: ConnId) => only(side.actions, 'send').filter((action) => action.conn === conn)

/** Whether the last that was said on it is Cease/7. */
function isDumped(side: Side, conn: ConnId): boolean {
  const last = sentOn(side, conn).at(-1)?.bytes.subarray(18, 21)
  return last !== undefined && [MESSAGE_TYPE.notification, 6, 7].every((octet, index) => octet === last[index])
}

/** Connections on which both ends spoke, by the name the first of the two has for them. */
const spokenOn = ({ one, two }: WirePair): ConnId[] =>
  [...one.channels].flatMap(([conn, { outbound }]) =>
    sentOn(one, conn).length > 0 && sentOn(two, outbound.conn).length > 0 ? [conn] : [],
  )

const speakers = fc.record({
  seed: fc.integer(),
  ids: fc.constantFrom<[number, number]>([1, 2], [2, 1], [7, 7]),
  ases: fc.constantFrom<[number, number]>([64512, 64513], [64513, 64512], [70000, 64512]),
  delays: fc.tuple(fc.constantFrom(0, 0, 500), fc.constantFrom(0, 0, 500)),
  passive: fc.constantFrom<[boolean, boolean]>([false, false], [false, false], [true, false], [false, true]),
})

function pairOf({ seed, ids, ases, delays, passive }: typeof speakers extends fc.Arbitrary<infer T> ? T : never) {
  const one = config({
    routerId: ids[0],
    localAs: ases[0],
    remoteAs: ases[1],
    dialDelay: delays[0],
    passive: passive[0],
  })
  const two = otherConfig({
    routerId: ids[1],
    localAs: ases[1],
    remoteAs: ases[0],
    dialDelay: delays[1],
    passive: passive[1],
  })
  return new WirePair(one, two, seed)
}

test('[13] however messages cross, both ends come up once, keep the same connection and end others with Cease/7', () => {
  let collisions = 0
  fc.assert(
    fc.property(speakers, (drawn) => {
      const pair = pairOf(drawn)
      // Before anybody tries a second time.
      pair.start().pass(600)
      const { one, two } = pair
      const conn = established(one)?.conn
      expect(conn).toBeDefined()
      expect(established(two)?.conn).toBe(one.channels.get(conn ?? -1)?.outbound.conn)
      for (const side of [one, two]) {
        expect(only(side.actions, 'up')).toHaveLength(1)
        expect(only(side.actions, 'down')).toHaveLength(0)
      }
      for (const loser of spokenOn(pair).filter((spoken) => spoken !== conn)) {
        const there = one.channels.get(loser)?.outbound.conn ?? -1
        expect(isDumped(one, loser) || isDumped(two, there)).toBe(true)
        collisions++
      }
    }),
    { numRuns: 2_000 },
  )
  expect(collisions).toBeGreaterThan(200)
})

test('after any cut, at any moment, the two find together again', () => {
  fc.assert(
    fc.property(speakers, fc.nat(40), fc.boolean(), (drawn, turns, silent) => {
      const pair = pairOf(drawn)
      pair.start()
      for (let turn = 0; turn < turns; turn++) pair.deliver()
      if (silent) pair.silence()
      else pair.cut('Connection reset by peer')
      // Silence is noticed by the hold timer: at most four minutes while an OPEN is awaited.
      pair.pass(silent ? 400_000 : 10_000)
      expect(pair.one.peer.state).toBe('Established')
      expect(pair.two.peer.state).toBe('Established')
    }),
    { numRuns: 500 },
  )
})

test('garbage of any length in any pieces ends the connection with a NOTIFICATION about its header', () => {
  const garbage = fc
    .uint8Array({ minLength: 19, maxLength: 200 })
    .filter((bytes) => bytes.subarray(0, 16).some((byte) => byte !== 0xff))
  fc.assert(
    fc.property(garbage, fc.nat(200), fc.boolean(), (bytes, cut, up) => {
      const pair = new WirePair(config(), otherConfig({ passive: true }))
      pair.start()
      if (up) pair.settle()
      else while (pair.one.peer.state !== 'OpenSent') pair.deliver()
      const [conn = 0] = pair.one.channels.keys()
      const actions = [bytes.subarray(0, cut), bytes.subarray(cut)].flatMap((piece) =>
        pair.hand(pair.one, { kind: 'received', conn, bytes: piece.slice() }),
      )
      expect(only(actions, 'notification')).toMatchObject([{ direction: 'sent', code: 1, subcode: 1 }])
      expect(only(actions, 'close')).toEqual([{ kind: 'close', conn }])
      expect(only(actions, 'down')).toHaveLength(up ? 1 : 0)
    }),
    { numRuns: 500 },
  )
})

test('whatever whole messages come, in whatever order, nothing throws and a session that ends says why', () => {
  const message = fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.uint8Array({ maxLength: 60 }))
    .map(([type, body]) => Uint8Array.of(...Array(16).fill(0xff), 0, 19 + body.length, type, ...body))
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.boolean(), (messages, up) => {
      const pair = new WirePair(config(), otherConfig({ passive: true }))
      pair.start()
      if (up) pair.settle()
      else while (pair.one.peer.state !== 'OpenSent') pair.deliver()
      const [conn = 0] = pair.one.channels.keys()
      const actions = messages.flatMap((bytes) => pair.hand(pair.one, { kind: 'received', conn, bytes }))
      const ended = only(actions, 'close').length
      expect(only(actions, 'notification')).toHaveLength(ended)
      expect(only(actions, 'down')).toHaveLength(up ? ended : 0)
      expect(pair.one.peer.snapshot(0).lastError === undefined).toBe(ended === 0)
    }),
    { numRuns: 1_000 },
  )
})
