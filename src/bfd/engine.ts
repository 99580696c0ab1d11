/**
 * All BFD sessions of this node: passes each packet to its session, and runs the timers.
 * As in the main engine there is no I/O, no clock and no source of randomness.
 *
 * In: `BfdInput` and the time. Out: `BfdEffect[]`, and the time at which it must be called again.
 */
import type { Address } from '../base/address.ts'
import { Chance } from '../base/chance.ts'
import { Deadlines } from '../base/deadlines.ts'
import { earlier } from '../base/timers.ts'
import type { Micros, Millis } from '../base/units.ts'
import { leastInterval } from './pace.ts'
import { type BfdState, type ControlPacket, decodeControl } from './packet.ts'
import { FIRST_PORT, LAST_PORT } from './ports.ts'
import { BfdSession, type SessionEvent } from './session.ts'
import type { BfdCounters, BfdEffect, BfdInput, BfdIntent, DropReason, SavedSession } from './types.ts'

export interface BfdEngineOptions {
  /** Seed of discriminators, source ports and jitter. */
  readonly seed: number
  /** The C bit: this engine continues while the agent is down. */
  readonly independent: boolean
  /** No interval is shorter: what the priority of our thread allows; 0: as configured. */
  readonly least: Micros
}

type Packet = Extract<BfdInput, { readonly kind: 'packet' }>

/** RFC 5881 §5. */
const SINGLE_HOP_TTL = 255
/** Three Polls with an interval of a second: a neighbor answers each at once, and two may be lost. */
const HAND_OVER_PATIENCE: Millis = 3_000
/** Senders that are remembered, so that each is reported once for each reason. */
const MOST_STRANGERS = 64

export class BfdEngine {
  readonly #options: BfdEngineOptions
  readonly #chance: Chance
  readonly #byDiscriminator = new Map<number, BfdSession>()
  /** The wanted sessions. */
  readonly #byRemote = new Map<Address, BfdSession>()
  /** Sessions that announce AdminDown before they are removed. */
  readonly #leaving = new Map<Address, BfdSession>()
  readonly #ports = new Map<BfdSession, number>()
  readonly #portsInUse = new Set<number>()
  readonly #deadlines = new Deadlines<BfdSession>()
  readonly #dropped = new Map<DropReason, number>()
  readonly #strangers = new Set<string>()
  #least: Micros
  /** The last one that was reported to the agent; 0: none, or that there is none. */
  #reportedLeast: Micros = 0
  /** Until when a hand-over waits for neighbors to confirm; undefined: there is none under way. */
  #leavesAt: Millis | undefined
  #sent = 0
  #received = 0
  #effects: BfdEffect[] = []

  constructor(options: BfdEngineOptions) {
    this.#options = options
    this.#chance = new Chance(options.seed)
    this.#least = options.least
  }

  /**
   * One turn. `now` never runs backwards. Time passes only with `tick`, which the caller sends when it has read all sockets:
   * with any other input a session would end while its packets are unread.
   */
  handle(input: BfdInput, now: Millis): readonly BfdEffect[] {
    this.#effects = []
    this.#take(input, now)
    this.#handOverIfReady()
    return this.#effects
  }

  deadline(): Millis | undefined {
    return earlier(this.#deadlines.first(), this.#leavesAt)
  }

  #take(input: BfdInput, now: Millis): void {
    switch (input.kind) {
      case 'sessions':
        this.#change(input.sessions, now)
        return
      case 'packet':
        this.#receive(input, now)
        return
      case 'socket-error': {
        const session = this.#byDiscriminator.get(input.session)
        if (session === undefined) return
        if (input.portTaken) this.#open(session)
        this.#handle(session, { kind: 'socket-error', text: input.text }, now)
        return
      }
      case 'filtered':
        this.#count(input.reason, input.count)
        return
      case 'hand-over':
        this.#leavesAt = now + HAND_OVER_PATIENCE
        for (const session of this.#byRemote.values())
          this.#handle(session, { kind: 'lengthen', away: input.away }, now)
        return
      case 'resume':
        for (const saved of input.sessions) this.#begin(saved.intent, now, saved, input.wasKilled)
        return
      case 'ask':
        this.#effects.push({ kind: 'answer', id: input.id, sessions: this.#views(), counters: this.#counters() })
        return
      case 'tick':
        this.#takeTime(now)
        return
    }
  }

  #takeTime(now: Millis): void {
    for (const session of this.#deadlines.take(now)) this.#expire(session, now)
    if (this.#leavesAt !== undefined && this.#leavesAt <= now) this.#handOver()
  }

  /** All neighbors have answered. */
  #handOverIfReady(): void {
    if (this.#leavesAt === undefined) return
    for (const { isPolling } of this.#byRemote.values()) if (isPolling) return
    this.#handOver()
  }

  #handOver(): void {
    this.#leavesAt = undefined
    const sessions = [...this.#byRemote.values()]
    const saved = sessions.map((session) => session.save(this.#ports.get(session) ?? 0))
    this.#effects.push({ kind: 'handed-over', sessions: saved })
  }

  // ---- configuration

  #change(intents: readonly BfdIntent[], now: Millis): void {
    const wanted = new Map(intents.map((intent) => [intent.remote, intent]))
    this.#setLeast(Math.max(this.#options.least, leastInterval(wanted.values())))
    for (const [remote, session] of this.#byRemote) {
      const intent = wanted.get(remote)
      if (intent === undefined || isElsewhere(session.intent, intent)) this.#end(session, now)
    }
    for (const intent of wanted.values()) {
      const session = this.#byRemote.get(intent.remote)
      if (session === undefined) this.#resume(intent, now)
      else this.#handle(session, { kind: 'configure', intent, least: this.#least }, now)
    }
  }

  #setLeast(least: Micros): void {
    this.#least = least
    if (least === this.#reportedLeast) return
    this.#reportedLeast = least
    this.#effects.push({ kind: 'least-interval', least })
  }

  /** A session that still sends AdminDown is kept: two sessions at once would contradict each other. */
  #resume(intent: BfdIntent, now: Millis): void {
    const session = this.#leaving.get(intent.remote)
    if (session === undefined || isElsewhere(session.intent, intent)) {
      this.#begin(intent, now)
      return
    }
    this.#leaving.delete(intent.remote)
    this.#byRemote.set(intent.remote, session)
    this.#handle(session, { kind: 'configure', intent, least: this.#least }, now)
    this.#handle(session, { kind: 'enable' }, now)
  }

  #begin(intent: BfdIntent, now: Millis, saved?: SavedSession, wasKilled = false): void {
    const { independent } = this.#options
    const discriminator = saved?.discriminator ?? this.#newDiscriminator()
    const least = this.#least
    const session = new BfdSession({
      intent,
      least,
      discriminator,
      independent,
      chance: this.#chance,
      now,
      ...(saved !== undefined && { saved, wasKilled }),
    })
    this.#byDiscriminator.set(discriminator, session)
    this.#byRemote.set(intent.remote, session)
    this.#open(session, saved?.port)
    this.#deadlines.set(session, session.deadline())
    this.#report(session, undefined)
  }

  /** It sends AdminDown, and is removed when that is done. */
  #end(session: BfdSession, now: Millis): void {
    this.#byRemote.delete(session.intent.remote)
    this.#leaving.set(session.intent.remote, session)
    if (this.#options.independent)
      this.#effects.push({ kind: 'keep', remote: session.intent.remote, session: undefined })
    this.#handle(session, { kind: 'disable' }, now)
    this.#forgetIfOver(session, now)
  }

  #expire(session: BfdSession, now: Millis): void {
    if (!this.#forgetIfOver(session, now)) this.#handle(session, { kind: 'timer' }, now)
  }

  #forgetIfOver(session: BfdSession, now: Millis): boolean {
    if (!session.isOver(now)) return false
    const { remote } = session.intent
    if (this.#leaving.get(remote) === session) this.#leaving.delete(remote)
    this.#byDiscriminator.delete(session.discriminator)
    this.#deadlines.set(session, undefined)
    this.#portsInUse.delete(this.#ports.get(session) ?? 0)
    this.#ports.delete(session)
    this.#effects.push({ kind: 'close', session: session.discriminator })
    return true
  }

  /** RFC 5880 §6.8.1: unique and nonzero, and random for safety. */
  #newDiscriminator(): number {
    for (;;) {
      const discriminator = Math.floor(this.#chance.next() * 2 ** 32)
      if (discriminator !== 0 && !this.#byDiscriminator.has(discriminator)) return discriminator
    }
  }

  /**
   * RFC 5881 §4: a source port from 49152 to 65535, the same for all packets of a session, and its own; where there are
   * more sessions than ports, ports serve several.
   */
  #open(session: BfdSession, usual?: number): void {
    const { remote, local, hops, interface: link, isBound } = session.intent
    this.#portsInUse.delete(this.#ports.get(session) ?? 0)
    const count = LAST_PORT - FIRST_PORT + 1
    let port = usual ?? FIRST_PORT + Math.floor(this.#chance.next() * count)
    for (let tried = 0; tried < count && this.#portsInUse.has(port); tried++)
      port = port === LAST_PORT ? FIRST_PORT : port + 1
    this.#portsInUse.add(port)
    this.#ports.set(session, port)
    const device = isBound === true && link !== undefined ? { device: link } : {}
    this.#effects.push({ kind: 'open', session: session.discriminator, remote, local, hops, port, ...device })
  }

  // ---- packets

  #receive(input: Packet, now: Millis): void {
    this.#received++
    const packet = decodeControl(input.bytes)
    if (typeof packet === 'string') {
      this.#drop(input, packet)
      return
    }
    const session = this.#sessionOf(packet, input)
    if (typeof session === 'string') this.#drop(input, session)
    else this.#handle(session, { kind: 'packet', packet }, now)
  }

  /** RFC 5880 §6.8.6: whose it is, by Your Discriminator where it has one; or why it must be dropped. */
  #sessionOf({ yourDiscriminator }: ControlPacket, input: Packet): BfdSession | DropReason {
    const { hops, ttl } = input
    const session = yourDiscriminator === 0 ? this.#sessionAt(input) : this.#byDiscriminator.get(yourDiscriminator)
    if (session === undefined) return yourDiscriminator === 0 ? 'stranger' : 'your-discriminator'
    // Otherwise a packet from afar would reach a session on a link, past the rule on its TTL.
    if (session.intent.hops !== hops) return 'port'
    const { interface: link, minimumTtl } = session.intent
    if (hops === 'single' && link !== undefined && input.interface !== undefined && input.interface !== link) {
      return 'interface'
    }
    return ttl < (hops === 'single' ? SINGLE_HOP_TTL : minimumTtl) ? 'ttl' : session
  }

  /** RFC 5881 §3: by the address it came from, and its link where the address is link-local. */
  #sessionAt({ from, interface: link }: Packet): BfdSession | undefined {
    return this.#byRemote.get(from) ?? this.#byRemote.get(`${from}%${link}`)
  }

  #drop({ from }: Packet, reason: DropReason): void {
    this.#count(reason, 1)
    const key = `${reason} ${from}`
    if (this.#strangers.has(key) || this.#strangers.size >= MOST_STRANGERS) return
    this.#strangers.add(key)
    this.#effects.push({ kind: 'dropped', from, reason })
  }

  #count(reason: DropReason, count: number): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + count)
  }

  #handle(session: BfdSession, event: SessionEvent, now: Millis): void {
    for (const action of session.handle(event, now)) {
      if (action.kind === 'send') {
        this.#sent++
        this.#effects.push({ kind: 'send', session: session.discriminator, bytes: action.bytes })
      } else if (this.#byRemote.get(session.intent.remote) === session) {
        this.#report(session, action.from)
      }
    }
    this.#deadlines.set(session, session.deadline())
  }

  /** One that continues without its agent may be killed, too. */
  #report(session: BfdSession, from: BfdState | undefined): void {
    this.#effects.push({ kind: 'report', session: session.view(), from })
    if (!this.#options.independent) return
    const saved = session.save(this.#ports.get(session) ?? 0)
    this.#effects.push({ kind: 'keep', remote: session.intent.remote, session: saved })
  }

  // ---- display

  #views() {
    return [...this.#byRemote.values()].map((session) => session.view())
  }

  #counters(): BfdCounters {
    return {
      sent: this.#sent,
      received: this.#received,
      dropped: Object.fromEntries(this.#dropped),
      leastInterval: this.#least,
    }
  }
}

/** Another session, not another setting of it: the neighbor would not know its packets. */
const isElsewhere = (a: BfdIntent, b: BfdIntent): boolean =>
  a.local !== b.local || a.hops !== b.hops || a.interface !== b.interface || a.isBound !== b.isBound
