import { Chance } from '../../src/base/chance.ts'
import { BfdEngine } from '../../src/bfd/engine.ts'
import type { ControlPacket } from '../../src/bfd/packet.ts'
import { decodeControl, encodeControl } from '../../src/bfd/packet.ts'
import { BfdSession } from '../../src/bfd/session.ts'
import type { BfdEffect, BfdInput, BfdIntent, BfdView, SavedSession } from '../../src/bfd/types.ts'

export const intent = (change: Partial<BfdIntent> = {}): BfdIntent => ({
  remote: '10.0.0.1',
  local: '10.0.0.2',
  hops: 'single',
  interface: undefined,
  transmit: 100_000,
  receive: 100_000,
  multiplier: 3,
  minimumTtl: 1,
  passive: false,
  ...change,
})

/** A session as it is told of: Up, one hop away. */
export const bfdView = (change: Partial<BfdView> = {}): BfdView => ({
  remote: '10.0.0.9',
  local: '10.0.0.1',
  interface: 'eth0',
  hops: 'single',
  state: 'Up',
  remoteState: 'Up',
  diagnostic: 0,
  remoteDiagnostic: 0,
  since: 12_345,
  localDiscriminator: 0xabcdef01,
  remoteDiscriminator: 7,
  interval: 300_000,
  detectionTime: 900_000,
  multiplier: 3,
  desiredMinTx: 300_000,
  requiredMinRx: 300_000,
  remoteMultiplier: 3,
  remoteDesiredMinTx: 100_000,
  remoteMinRx: 100_000,
  independent: false,
  passive: false,
  error: undefined,
  sent: 120,
  received: 118,
  ...change,
})

export const control = (change: Partial<ControlPacket> = {}): ControlPacket => ({
  diagnostic: 0,
  state: 'Down',
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  multiplier: 3,
  myDiscriminator: 7,
  yourDiscriminator: 0,
  desiredMinTx: 1_000_000,
  requiredMinRx: 100_000,
  requiredMinEchoRx: 0,
  ...change,
})

export function decoded(bytes: Uint8Array): ControlPacket {
  const packet = decodeControl(bytes)
  if (typeof packet === 'string') throw new Error(`we sent a packet that breaks the rule "${packet}"`)
  return packet
}

/** A session on a clock of its own, with what it sent and how it changed. */
export class Bench {
  now = 0
  readonly session: BfdSession
  readonly sent: { readonly at: number; readonly packet: ControlPacket }[] = []
  readonly states: string[] = []

  constructor(change: Partial<BfdIntent> = {}, seed = 1) {
    const chance = new Chance(seed)
    const shared = { least: 0, discriminator: 5, independent: false, now: 0 }
    this.session = new BfdSession({ intent: intent(change), chance, ...shared })
  }

  handle(event: Parameters<BfdSession['handle']>[0]): this {
    for (const action of this.session.handle(event, this.now)) {
      if (action.kind === 'send') this.sent.push({ at: this.now, packet: decoded(action.bytes) })
      else if (action.from !== undefined) this.states.push(this.session.state)
    }
    return this
  }

  receive(change: Partial<ControlPacket> = {}): this {
    return this.handle({ kind: 'packet', packet: control({ yourDiscriminator: 5, ...change }) })
  }

  configure(change: Partial<BfdIntent>, least = 0): this {
    return this.handle({ kind: 'configure', intent: { ...this.session.intent, ...change }, least })
  }

  /** Every timer up to then fires at its time, until the session is over. */
  runTo(at: number): this {
    for (let due = this.session.deadline(); due !== undefined && due <= at; due = this.session.deadline()) {
      if (this.session.isOver(due)) break
      this.now = Math.max(this.now, due)
      this.handle({ kind: 'timer' })
    }
    this.now = at
    return this
  }

  get last(): ControlPacket {
    const last = this.sent.at(-1)
    if (last === undefined) throw new Error('nothing was sent')
    return last.packet
  }

  get view() {
    return this.session.view()
  }

  /** Up, with a neighbor that answered the first Poll and sent one packet more. */
  static up(change: Partial<BfdIntent> = {}, theirs: Partial<ControlPacket> = {}): Bench {
    const bench = new Bench(change)
    bench.receive({ state: 'Down', yourDiscriminator: 0, ...theirs })
    bench.receive({ state: 'Up', desiredMinTx: 100_000, ...theirs })
    bench.receive({ state: 'Up', desiredMinTx: 100_000, final: true, ...theirs })
    return bench.receive({ state: 'Up', desiredMinTx: 100_000, ...theirs })
  }
}

/** Two engines on one clock, and a wire between them that takes its time and loses what it is told to. */
export class Wire {
  now = 0
  readonly a: End
  readonly b: End
  /** How long the next packet travels; undefined: it is lost. */
  travel: (from: 'a' | 'b') => number | undefined = () => 1
  #flying: { readonly at: number; readonly to: End; readonly bytes: Uint8Array }[] = []

  constructor(a: Partial<BfdIntent> = {}, b: Partial<BfdIntent> = {}, seed = 1) {
    this.a = new End('10.0.0.1', seed, { ...a, remote: '10.0.0.2' })
    this.b = new End('10.0.0.2', seed + 1, { ...b, remote: '10.0.0.1' })
    for (const end of [this.a, this.b]) this.feed(end, { kind: 'sessions', sessions: [end.intent] })
  }

  feed(end: End, input: BfdInput): void {
    for (const effect of end.engine.handle(input, this.now)) {
      if (effect.kind === 'report' && effect.from !== undefined) {
        end.changes.push({ at: this.now, state: effect.session.state, diagnostic: effect.session.diagnostic })
      }
      if (effect.kind === 'keep') end.kept = effect.session
      if (effect.kind === 'send') {
        end.sentAt.push(this.now)
        const travel = this.travel(end === this.a ? 'a' : 'b')
        const to = end === this.a ? this.b : this.a
        if (travel !== undefined) this.#flying.push({ at: this.now + travel, to, bytes: effect.bytes })
      }
    }
  }

  /** `a` is killed now and comes back so much later, with what was kept of it. */
  killA(away: number): void {
    const { kept } = this.a
    this.a.engine = new BfdEngine({ seed: 99, independent: true, least: 0 })
    this.runTo(this.now + away)
    this.feed(this.a, { kind: 'resume', sessions: kept === undefined ? [] : [kept], wasKilled: true })
  }

  change(end: End, change: Partial<BfdIntent>): void {
    end.intent = { ...end.intent, ...change }
    this.feed(end, { kind: 'sessions', sessions: [end.intent] })
  }

  runTo(at: number): this {
    for (;;) {
      const next = this.#flying.reduce(
        (first, one) => (one.at < (first?.at ?? Infinity) ? one : first),
        this.#flying[0],
      )
      const times = [next?.at, this.a.engine.deadline(), this.b.engine.deadline()]
      const due = Math.min(...times.map((time) => time ?? Infinity))
      if (due > at) break
      this.now = Math.max(this.now, due)
      if (next !== undefined && next.at <= this.now) {
        this.#flying.splice(this.#flying.indexOf(next), 1)
        const from = next.to === this.a ? this.b.address : this.a.address
        const packet = { kind: 'packet', bytes: next.bytes, from, interface: 'eth0', hops: 'single', ttl: 255 } as const
        this.feed(next.to, packet)
      } else for (const end of [this.a, this.b]) this.feed(end, { kind: 'tick' })
    }
    this.now = at
    return this
  }
}

class End {
  readonly address: string
  engine: BfdEngine
  intent: BfdIntent
  readonly changes: { readonly at: number; readonly state: string; readonly diagnostic: number }[] = []
  readonly sentAt: number[] = []
  /** What the next run would know of its session. */
  kept: SavedSession | undefined

  constructor(address: string, seed: number, change: Partial<BfdIntent>) {
    this.address = address
    this.engine = new BfdEngine({ seed, independent: true, least: 0 })
    this.intent = intent({ local: address, ...change })
  }

  /** Asked at this time; nothing is due by then. */
  view(now: number): BfdView | undefined {
    return answerOf(this.engine, now).sessions[0]
  }
}

export function answerOf(engine: BfdEngine, now: number): Extract<BfdEffect, { kind: 'answer' }> {
  const answer = engine.handle({ kind: 'ask', id: 1 }, now).find((effect) => effect.kind === 'answer')
  if (answer === undefined) throw new Error('no answer')
  return answer
}

export const makeEngine = (least = 0) => new BfdEngine({ seed: 7, independent: false, least })

export const sessions = (...intents: Partial<BfdIntent>[]): BfdInput => ({
  kind: 'sessions',
  sessions: intents.map((change) => intent(change)),
})

export type PacketInput = Extract<BfdInput, { kind: 'packet' }>

export const packet = (change: Partial<ControlPacket> = {}, how: Partial<PacketInput> = {}): PacketInput => ({
  kind: 'packet',
  bytes: encodeControl(control(change)),
  from: '10.0.0.1',
  interface: 'eth0',
  hops: 'single',
  ttl: 255,
  ...how,
})

export const opened = (effects: readonly BfdEffect[]) => effects.filter((effect) => effect.kind === 'open')
/** One session, and its discriminator. */
export function alone(change: Partial<BfdIntent> = {}): { engine: BfdEngine; discriminator: number } {
  const engine = makeEngine()
  const [open] = opened(engine.handle(sessions(change), 0))
  return { engine, discriminator: open?.session ?? 0 }
}
