import { describe, expect, test } from 'vitest'
import { BfdEngine } from '../../src/bfd/engine.ts'
import { MOST_PACKETS } from '../../src/bfd/pace.ts'
import type { ControlPacket } from '../../src/bfd/packet.ts'
import { readSavedSessions } from '../../src/bfd/saved-sessions.ts'
import type { BfdEffect, DropReason, SavedSession } from '../../src/bfd/types.ts'
import { longTest } from '../support/long.ts'
import { alone, answerOf, decoded, makeEngine, opened, type PacketInput, packet, sessions, Wire } from './support.ts'

const sent = (effects: readonly BfdEffect[]) =>
  effects.flatMap((effect) => (effect.kind === 'send' ? [decoded(effect.bytes)] : []))

describe('which session a packet is for (RFC 5880 §6.8.6, RFC 5881 §3 and §6, RFC 5883 §5)', () => {
  test('a first packet: by the address it came from', () => {
    const { engine } = alone()
    expect(sent(engine.handle(packet(), 0))).toMatchObject([{ state: 'Init', yourDiscriminator: 7 }])
  })

  test('… and a link-local one by its interface too', () => {
    const { engine } = alone({ remote: 'fe80::1%eth1', interface: 'eth1' })
    engine.handle(packet({}, { from: 'fe80::1', interface: 'eth0' }), 0)
    expect(answerOf(engine, 0).counters.dropped).toEqual({ stranger: 1 })
    expect(sent(engine.handle(packet({}, { from: 'fe80::1', interface: 'eth1' }), 0))).toMatchObject([
      { state: 'Init' },
    ])
  })

  test('a later one by Your Discriminator alone, whatever address it comes from', () => {
    const { engine, discriminator } = alone()
    engine.handle(packet(), 0)
    const effects = engine.handle(packet({ state: 'Init', yourDiscriminator: discriminator }, { from: '10.9.9.9' }), 0)
    expect(sent(effects)).toMatchObject([{ state: 'Up' }])
  })

  const refused: readonly (readonly [DropReason, string, Partial<ControlPacket>, Partial<PacketInput>])[] = [
    ['stranger', 'an address without a session', {}, { from: '10.0.0.9' }],
    ['your-discriminator', 'a discriminator of nobody', { state: 'Up', yourDiscriminator: 1 }, {}],
    ['ttl', 'RFC 5881 §5: a TTL below 255 MUST be discarded', {}, { ttl: 254 }],
    ['interface', 'RFC 5881 §3: another link', {}, { interface: 'eth9' }],
    ['port', 'the port of multihop', {}, { hops: 'multi', ttl: 64 }],
    ['length', 'a short one', {}, { bytes: new Uint8Array(23) }],
  ]
  test.each(refused)('%s: %s', (reason, _name, change, how) => {
    const { engine } = alone({ interface: 'eth0' })
    const effects = engine.handle(packet(change, how), 0)
    expect(effects).toEqual([{ kind: 'dropped', from: how.from ?? '10.0.0.1', reason }])
    expect(answerOf(engine, 0).counters).toMatchObject({ received: 1, dropped: { [reason]: 1 } })
  })

  test('[80] a discriminator that is known does not open the way past the TTL of a single hop', () => {
    const { engine, discriminator } = alone()
    for (const how of [{ hops: 'multi', ttl: 60 }, { ttl: 254 }] as const) {
      engine.handle(packet({ state: 'Init', yourDiscriminator: discriminator }, how), 0)
    }
    expect(answerOf(engine, 0)).toMatchObject({
      sessions: [{ state: 'Down', received: 0 }],
      counters: { dropped: { port: 1, ttl: 1 } },
    })
  })

  test('RFC 5883: on several hops the minimum TTL is the session’s', () => {
    const { engine } = alone({ hops: 'multi', minimumTtl: 250 })
    engine.handle(packet({}, { hops: 'multi', ttl: 249 }), 0)
    expect(answerOf(engine, 0).counters.dropped).toEqual({ ttl: 1 })
    expect(sent(engine.handle(packet({}, { hops: 'multi', ttl: 250 }), 0))).toMatchObject([{ state: 'Init' }])
  })
})

describe('what shall be', () => {
  test('RFC 5881 §2: IPv4 and IPv6 of one neighbor are two sessions', () => {
    const opens = opened(makeEngine().handle(sessions({ remote: '10.0.0.1' }, { remote: 'fd00::1' }), 0))
    expect(opens.map(({ remote }) => remote)).toEqual(['10.0.0.1', 'fd00::1'])
    expect(new Set(opens.map(({ session }) => session)).size).toBe(2)
  })

  test('RFC 5881 §3: unless it is told to be passive, a session speaks first, with a Your Discriminator of zero', () => {
    const { engine } = alone()
    expect(sent(engine.handle({ kind: 'tick' }, 1_000))).toMatchObject([{ state: 'Down', yourDiscriminator: 0 }])
  })

  test('RFC 5880 §6.3, §6.8.1: discriminators are unique and nonzero; RFC 5881 §4: so are source ports, from 49152 on', () => {
    const engine = makeEngine()
    const many = Array.from({ length: 5_000 }, (_, at) => ({ remote: `10.${at >> 8}.${at & 255}.1` }))
    const opens = opened(engine.handle(sessions(...many), 0))
    expect(new Set(opens.map(({ session }) => session)).size).toBe(5_000)
    expect(new Set(opens.map(({ port }) => port)).size).toBe(5_000)
    expect(opens.every(({ session, port }) => session > 0 && port >= 49_152 && port <= 65_535)).toBe(true)
  })

  longTest('more sessions than ports: ports serve several', () => {
    const engine = makeEngine()
    const many = Array.from({ length: 16_400 }, (_, at) => ({ remote: `10.${at >> 8}.${at & 255}.1` }))
    expect(new Set(opened(engine.handle(sessions(...many), 0)).map(({ port }) => port)).size).toBe(16_384)
  })

  test('a port that is taken is changed for another', () => {
    const { engine, discriminator } = alone()
    const error = {
      kind: 'socket-error',
      session: discriminator,
      text: 'Address already in use',
      portTaken: true,
    } as const
    const [open] = opened(engine.handle(error, 0))
    expect(open?.session).toBe(discriminator)
    expect(answerOf(engine, 0).sessions[0]?.error).toBe('Address already in use')
    engine.handle({ ...error, text: undefined, portTaken: false }, 0)
    expect(answerOf(engine, 0).sessions[0]?.error).toBeUndefined()
  })

  test('the same list again does nothing', () => {
    const wire = new Wire().runTo(5_000)
    const before = wire.a.changes.length
    wire.change(wire.a, {})
    expect(wire.a.engine.handle(sessions({ ...wire.a.intent }), wire.now)).toEqual([])
    expect(wire.a.changes.length).toBe(before)
  })

  test('one that is no longer wanted says AdminDown, and is forgotten after the neighbor’s Detection Time', () => {
    const wire = new Wire().runTo(5_000)
    wire.feed(wire.a, { kind: 'sessions', sessions: [] })
    wire.runTo(5_010)
    expect(wire.b.view(wire.now)).toMatchObject({ state: 'Down', diagnostic: 3, remoteState: 'AdminDown' })
    wire.runTo(20_000)
    expect(wire.a.engine.deadline()).toBeUndefined()
    expect(wire.b.view(wire.now)).toMatchObject({ state: 'Down' })
  })

  test('one that is wanted again while it says farewell stays itself', () => {
    const wire = new Wire().runTo(5_000)
    const discriminator = wire.a.view(wire.now)?.localDiscriminator
    wire.feed(wire.a, { kind: 'sessions', sessions: [] })
    wire.runTo(5_200)
    wire.change(wire.a, {})
    wire.runTo(12_000)
    expect(wire.a.view(wire.now)).toMatchObject({ state: 'Up', localDiscriminator: discriminator })
    expect(wire.b.view(wire.now)).toMatchObject({ state: 'Up' })
  })

  test('another local address is another session', () => {
    const wire = new Wire().runTo(5_000)
    const discriminator = wire.a.view(wire.now)?.localDiscriminator
    wire.change(wire.a, { local: '10.0.0.77' })
    expect(wire.a.view(wire.now)?.localDiscriminator).not.toBe(discriminator)
  })
})

test.each([true, false])('RFC 5882 §4.3: a loss is told with the C bits of both sides: theirs %s', (theirs) => {
  const engine = new BfdEngine({ seed: 7, independent: true, least: 0 })
  const [open] = opened(engine.handle(sessions({}), 0))
  const change = { state: 'Init', yourDiscriminator: open?.session ?? 0, controlPlaneIndependent: theirs } as const
  engine.handle(packet(change), 0)
  const reports = engine.handle({ kind: 'tick' }, 3_000).filter((effect) => effect.kind === 'report')
  expect(reports).toMatchObject([{ from: 'Up', session: { state: 'Down', diagnostic: 1, independent: theirs } }])
})

test('a session never ends while its packets are unread: time passes only with a tick', () => {
  const engine = makeEngine()
  const opens = opened(engine.handle(sessions({ remote: '10.0.0.1' }, { remote: '10.0.0.2' }), 0))
  const ofNeighbor = (at: number, state: 'Init' | 'Up') =>
    packet({ state, yourDiscriminator: opens[at]?.session ?? 0 }, { from: `10.0.0.${at + 1}` })
  for (const at of [0, 1]) engine.handle(ofNeighbor(at, 'Init'), 0)
  // The process was suspended, and then reads one after the other, with questions and orders in between.
  const late = 60_000
  engine.handle({ kind: 'hand-over', away: 0 }, 0)
  const effects = [
    ...engine.handle({ kind: 'ask', id: 1 }, late),
    ...engine.handle(sessions({ remote: '10.0.0.1' }, { remote: '10.0.0.2' }), late),
    ...engine.handle(ofNeighbor(0, 'Up'), late),
    ...engine.handle(ofNeighbor(1, 'Up'), late),
  ]
  expect(effects.filter(({ kind }) => kind === 'handed-over')).toEqual([])
  const states = () => answerOf(engine, late).sessions.map(({ state }) => state)
  expect(states()).toEqual(['Up', 'Up'])
  engine.handle({ kind: 'tick' }, late)
  expect(states()).toEqual(['Up', 'Up'])
})

describe('packets a second are bounded', () => {
  const mesh = (count: number, transmit: number) =>
    Array.from({ length: count }, (_, at) => ({
      remote: `10.${at >> 8}.${at & 255}.1`,
      transmit,
      receive: transmit,
    }))

  test('a mesh of 5,000 at 100 ms runs at 500 ms, and that is said', () => {
    const engine = makeEngine()
    const effects = engine.handle(sessions(...mesh(5_000, 100_000)), 0)
    expect(effects).toContainEqual({ kind: 'least-interval', least: 500_000 })
    expect(answerOf(engine, 0).counters.leastInterval).toBe(500_000)
  })

  test('… and at 100 ms again when it is small again', () => {
    const engine = makeEngine()
    engine.handle(sessions(...mesh(5_000, 100_000)), 0)
    expect(engine.handle(sessions(...mesh(10, 100_000)), 0)).toContainEqual({ kind: 'least-interval', least: 0 })
  })

  test('without priority no interval is shorter than 50 ms, which is said once, with the first sessions', () => {
    const engine = new BfdEngine({ seed: 7, independent: true, least: 50_000 })
    const isSaid = (effects: readonly { readonly kind: string }[]) =>
      effects.some(({ kind }) => kind === 'least-interval')
    const first = engine.handle(sessions(...mesh(1, 10_000)), 0)
    expect(first).toContainEqual({ kind: 'least-interval', least: 50_000 })
    expect(isSaid(engine.handle(sessions(...mesh(2, 10_000)), 0))).toBe(false)
  })

  longTest('never more than the bound in any second, once all are Up', () => {
    const engine = makeEngine()
    const discriminators = opened(engine.handle(sessions(...mesh(300, 10_000)), 0)).map(({ session }) => session)
    const theirs = { desiredMinTx: 10_000, requiredMinRx: 10_000, multiplier: 255 }
    for (const yourDiscriminator of discriminators) {
      engine.handle(packet({ ...theirs, state: 'Init', yourDiscriminator }), 0)
      engine.handle(packet({ ...theirs, state: 'Up', yourDiscriminator, final: true }), 0)
    }
    let count = 0
    for (let at = engine.deadline() ?? 0; at <= 1_000; at = engine.deadline() ?? Infinity) {
      count += sent(engine.handle({ kind: 'tick' }, at)).length
    }
    // Jitter takes up to a quarter off an interval.
    expect(count).toBeLessThan(MOST_PACKETS / 0.75)
    expect(count).toBeGreaterThan(MOST_PACKETS / 2)
  })

  test('without priority no interval is shorter than the thread can keep', () => {
    const engine = makeEngine(50_000)
    engine.handle(sessions({ transmit: 10_000, receive: 10_000 }), 0)
    expect(answerOf(engine, 0).sessions[0]).toMatchObject({ requiredMinRx: 50_000 })
  })
})

const away = 30_000_000
const handedOver = (wire: Wire) => {
  let saved: readonly SavedSession[] | undefined
  const take = wire.a.engine.handle.bind(wire.a.engine)
  wire.a.engine.handle = (input, now) => {
    const effects = take(input, now)
    saved ??= effects.find((effect) => effect.kind === 'handed-over')?.sessions
    return effects
  }
  wire.feed(wire.a, { kind: 'hand-over', away })
  // Not a packet further: the process is gone then.
  for (const end = wire.now + 4_000; saved === undefined && wire.now < end; ) wire.runTo(wire.now + 1)
  return saved
}

describe('a process that goes away and comes back', () => {
  test('the neighbor is asked by a Poll to wait, and only then is what the next run needs handed over', () => {
    const wire = new Wire().runTo(5_000)
    const saved = handedOver(wire)
    expect(saved).toHaveLength(1)
    expect(saved?.[0]).toMatchObject({ state: 'Up', heard: { state: 'Up' } })
    expect(wire.b.view(wire.now)?.detectionTime).toBeGreaterThanOrEqual(away)
  })

  test('… also where its interval is too short for any multiplier', () => {
    const wire = new Wire({ transmit: 10_000 }, { receive: 10_000 }).runTo(5_000)
    handedOver(wire)
    expect(wire.b.view(wire.now)?.detectionTime).toBeGreaterThanOrEqual(away)
  })

  test('… whenever it is asked, also while another Poll Sequence runs or has just ended', () => {
    for (let at = 0; at < 5_000; at += 100) {
      const wire = new Wire().runTo(at)
      if (wire.a.view(wire.now)?.state !== 'Up') continue
      handedOver(wire)
      expect(wire.b.view(wire.now)?.detectionTime).toBeGreaterThanOrEqual(away)
    }
  })

  test('a neighbor that does not answer is waited for three seconds', () => {
    const wire = new Wire({}, { multiplier: 255 }).runTo(5_000)
    wire.travel = (from) => (from === 'b' ? undefined : 1)
    expect(handedOver(wire)).toHaveLength(1)
  })

  test('the next run goes on as the same session, at its own pace, and the neighbor never noticed', () => {
    const wire = new Wire().runTo(5_000)
    const before = wire.b.changes.length
    const saved = handedOver(wire) ?? []
    const next = new Wire({}, {}, 99)
    wire.a.engine = next.a.engine
    wire.a.engine.handle({ kind: 'sessions', sessions: [] }, wire.now)
    wire.now += 20_000
    wire.feed(wire.a, { kind: 'resume', sessions: saved, wasKilled: false })
    wire.runTo(wire.now + 5_000)
    expect(wire.b.changes).toHaveLength(before)
    expect(wire.b.view(wire.now)).toMatchObject({ state: 'Up', detectionTime: 300_000 })
    expect(wire.a.view(wire.now)).toMatchObject({
      state: 'Up',
      localDiscriminator: saved[0]?.discriminator,
      interval: 100_000,
    })
  })

  test('a neighbor that is gone when the next run comes is missed after its Detection Time', () => {
    const wire = new Wire().runTo(5_000)
    const [saved] = handedOver(wire) ?? []
    const next = makeEngine()
    next.handle({ kind: 'resume', sessions: saved === undefined ? [] : [saved], wasKilled: false }, wire.now)
    for (let at = next.deadline() ?? 0; at <= wire.now + 400; at = next.deadline() ?? Infinity)
      next.handle({ kind: 'tick' }, at)
    expect(answerOf(next, wire.now + 400).sessions[0]).toMatchObject({ state: 'Down', diagnostic: 1 })
  })
})

describe('a process that is killed and comes back', () => {
  const upAndKilled = (away: number, seed = 1) => {
    const wire = new Wire({}, {}, seed).runTo(5_000 + seed)
    const before = { a: wire.a.changes.length, b: wire.b.changes.length }
    wire.killA(away)
    return { wire, changes: (end: 'a' | 'b') => wire[end].changes.slice(before[end]).map(({ state }) => state) }
  }

  test('within the Detection Time it is the same to the neighbor, and Up again for us when that has answered', () => {
    const { wire, changes } = upAndKilled(150)
    expect(wire.a.view(wire.now)?.state).toBe('Down')
    wire.runTo(wire.now + 5_000)
    expect(changes('b')).toEqual([])
    expect(changes('a')).toEqual(['Up'])
    expect(wire.a.view(wire.now)).toMatchObject({ state: 'Up', interval: 100_000, detectionTime: 300_000 })
  })

  test('after the Detection Time the neighbor has lost it once, and we have lost nothing: both begin anew at once', () => {
    const { wire, changes } = upAndKilled(2_000)
    wire.runTo(wire.now + 1_500)
    expect(changes('b')).toEqual(['Down', 'Init', 'Up'])
    expect(changes('a')).not.toContain('Down')
    expect(changes('a').at(-1)).toBe('Up')
  })

  test('Up again, it has been so since the neighbor answered', () => {
    const { wire } = upAndKilled(150)
    const back = wire.now
    wire.travel = () => 10
    wire.runTo(back + 150)
    const { state, since = 0 } = wire.a.view(wire.now) ?? {}
    expect(state).toBe('Up')
    expect(since).toBeGreaterThan(back)
  })

  test('a neighbor that has not answered before the next hand-over was never Up in the run behind it either', () => {
    // Longer than a hand-over waits.
    const wire = new Wire({ receive: 2_000_000 }, { transmit: 2_000_000 }).runTo(10_000)
    const before = wire.a.changes.length
    wire.travel = () => undefined
    wire.killA(150)
    const saved = JSON.parse(JSON.stringify(handedOver(wire) ?? []))
    expect(saved[0]?.state).toBe('Up')
    const read = readSavedSessions(saved)
    expect(read).toEqual(saved)
    wire.a.engine = makeEngine()
    wire.feed(wire.a, { kind: 'resume', sessions: read ?? [], wasKilled: false })
    expect(wire.a.view(wire.now)?.state).toBe('Down')
    wire.runTo(wire.now + 10_000)
    expect(wire.a.changes.slice(before)).toEqual([])
  })

  test('a neighbor that is gone meanwhile was never Up in this run', () => {
    const { wire, changes } = upAndKilled(150)
    wire.travel = () => undefined
    wire.runTo(wire.now + 5_000)
    expect(changes('a')).toEqual([])
    expect(wire.a.view(wire.now)).toMatchObject({ state: 'Down', remoteDiscriminator: 0 })
  })

  test('a neighbor that has disabled it meanwhile keeps it so', () => {
    const { wire, changes } = upAndKilled(150)
    wire.feed(wire.b, { kind: 'sessions', sessions: [] })
    wire.runTo(wire.now + 3_000)
    expect(changes('a')).toEqual([])
  })

  test('what was ended is kept for nobody', () => {
    const wire = new Wire().runTo(5_000)
    expect(wire.a.kept).toMatchObject({ state: 'Up' })
    wire.feed(wire.a, { kind: 'sessions', sessions: [] })
    expect(wire.a.kept).toBeUndefined()
  })
})
