/** Whatever happens to a neighbor, in whatever order: what it asks of connections and of the RIB fits together. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FAMILIES, type Family } from '../../src/base/family.ts'
import { ourOpen } from '../../src/bgp/session/negotiate.ts'
import type { ConnId, PeerAction, PeerConfig, PeerEvent } from '../../src/bgp/session/types.ts'
import { messageError } from '../../src/bgp/wire/error.ts'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import { encodeNotification } from '../../src/bgp/wire/notification.ts'
import { encodeOpen } from '../../src/bgp/wire/open.ts'
import { concat, LonePeer, UPDATE } from '../support/lone-peer.ts'
import { config, otherConfig } from '../support/wire-pair.ts'

/** What the actions so far add up to. */
class Ledger {
  readonly open = new Set<ConnId>()
  /** Those of them that we dialled and nobody has answered yet. */
  readonly dialling = new Set<ConnId>()
  isUp = false
  kept = new Set<Family>()

  note(action: PeerAction): void {
    if (action.kind === 'dial') {
      this.open.add(action.conn)
      this.dialling.add(action.conn)
    } else if (action.kind === 'send') expect(this.open, 'sends on an open connection').toContain(action.conn)
    else if (action.kind === 'close') expect(this.open.delete(action.conn), 'closes an open connection').toBe(true)
    else if (action.kind === 'up' || action.kind === 'down') this.#turn(action.kind === 'up', action.keep)
    else if (action.kind === 'long-lived') expect([...this.kept]).toEqual(expect.arrayContaining([...action.families]))
    else if (action.kind === 'stale-over')
      for (const family of action.families) expect(this.kept.delete(family), 'ends what is kept').toBe(true)
  }

  #turn(up: boolean, keep: readonly Family[]): void {
    expect(this.isUp, 'up and down take turns').toBe(!up)
    if (up) expect([...this.kept]).toEqual(expect.arrayContaining([...keep]))
    this.isUp = up
    this.kept = new Set(keep)
  }
}

type Settings = Partial<PeerConfig>
const restartTimes = fc.constantFrom<Settings[]>({}, { restartTime: 0 }, { restartTime: 30 }, { restartTime: 120 })
const others: fc.Arbitrary<Settings> = fc.record({
  passive: fc.boolean(),
  dialDelay: fc.constantFrom(0, 500),
  restartNotification: fc.boolean(),
  longLivedTime: fc.constantFrom(0, 600),
  families: fc.constantFrom<Family[]>(['ipv4'], ['ipv4', 'ipv6']),
  localAddress: fc.constantFrom(undefined, '192.0.2.1', '192.0.2.9'),
  signing: fc.constantFrom<PeerConfig['signing'][]>(undefined, 'md5'),
})
const settings = fc.tuple(others, restartTimes).map(([other, restart]): Settings => ({ ...other, ...restart }))

const openOf = ([theirs, restarted, forwards, id]: [Settings, boolean, boolean, number]): Uint8Array =>
  encodeOpen(ourOpen(otherConfig({ ...theirs, routerId: id }), { restarted, preserved: forwards ? FAMILIES : [] }))
const opens = fc.tuple(settings, fc.boolean(), fc.boolean(), fc.constantFrom(1, 0xffffffff)).map(openOf)
const cease = fc.constantFrom(2, 4, 7, 9).map((subcode) => encodeNotification({ code: 6, subcode }))

const ofNeighbor: fc.Arbitrary<PeerEvent> = fc.oneof(
  fc.constantFrom<PeerEvent[]>(
    { kind: 'start' },
    { kind: 'lift-hold-down' },
    { kind: 'link-lost', reason: 'link down' },
    { kind: 'link-back' },
    { kind: 'bfd-down', reason: 'expired', independent: true },
  ),
  fc.constantFrom(2, 4, 6).map((subcode): PeerEvent => ({ kind: 'stop', subcode, text: '', reason: 'stopped' })),
  settings.map((over): PeerEvent => ({ kind: 'configure', config: config(over) })),
)
/** What happens on one of the open connections: the one at `which`, or on the one dialled last. */
const ofConnection: fc.Arbitrary<(conn: ConnId) => PeerEvent> = fc.oneof(
  fc
    .oneof(
      opens,
      opens.map((open) => concat(open, KEEPALIVE)),
      fc.constantFrom(KEEPALIVE, UPDATE),
      cease,
    )
    .map(
      (bytes) =>
        (conn: ConnId): PeerEvent => ({ kind: 'received', conn, bytes }),
    ),
  fc.constant((conn: ConnId): PeerEvent => ({ kind: 'closed', conn, reason: undefined })),
  fc.constantFrom(undefined, 10).map(
    (holdDown) =>
      (conn: ConnId): PeerEvent => ({ kind: 'too-many', conn, error: messageError(6, 1, 'many'), holdDown }),
  ),
)
const step = fc.oneof(
  ofNeighbor.map((event) => (lone: LonePeer) => lone.hand(event)),
  fc.constantFrom(...FAMILIES).map((family) => (lone: LonePeer, ledger: Ledger) => {
    if (ledger.isUp) ledger.kept.delete(family)
    return lone.hand({ kind: 'end-of-rib', family })
  }),
  fc.nat(20_000).map((span) => (lone: LonePeer) => {
    lone.now += span
    return lone.hand({ kind: 'timer' })
  }),
  fc.constant((lone: LonePeer, { open, dialling }: Ledger) =>
    dialling.delete(lone.own) && open.has(lone.own) ? lone.connect() : lone,
  ),
  fc.constant((lone: LonePeer, { open }: Ledger) => {
    open.add(lone.accepted + 2)
    return lone.accept()
  }),
  // The neighbor calls and says all that a session takes.
  opens.map((open) => (lone: LonePeer, ledger: Ledger) => {
    ledger.open.add(lone.accepted + 2)
    for (const action of lone.accept().actions) ledger.note(action)
    lone.actions = []
    return ledger.open.has(lone.accepted) ? lone.receive(concat(open, KEEPALIVE), lone.accepted) : lone
  }),
  fc.tuple(ofConnection, fc.nat(5)).map(([event, which]) => (lone: LonePeer, { open }: Ledger) => {
    const conn = [...open][which % Math.max(1, open.size)]
    if (conn === undefined) return lone
    const happened = event(conn)
    if (happened.kind === 'closed') open.delete(conn)
    return lone.hand(happened)
  }),
)

test('connections are used while they are open, up and down take turns, and only what is kept ends', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(settings, fc.array(step, { maxLength: 60, size: 'max' }), (first, steps) => {
      const lone = new LonePeer(first)
      const ledger = new Ledger()
      for (const next of [() => lone.start(), ...steps]) {
        lone.actions = []
        next(lone, ledger)
        for (const action of lone.actions) {
          seen.add(action.kind)
          ledger.note(action)
        }
        expect(lone.peer.session !== undefined).toBe(ledger.isUp)
        // A started neighbor dials or waits to be called.
        if (lone.peer.started) expect(lone.peer.state).not.toBe('Idle')
      }
    }),
    { numRuns: 1_000 },
  )
  expect([...seen]).toEqual(expect.arrayContaining(['up', 'down', 'stale-over', 'long-lived', 'updates']))
})
