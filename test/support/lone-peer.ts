/** One neighbor machine and nobody at the other end: a test says every octet that comes. */
import { hex } from '../../src/base/bytes.ts'
import { Chance } from '../../src/base/chance.ts'
import { ourOpen } from '../../src/bgp/session/negotiate.ts'
import { Peer } from '../../src/bgp/session/peer.ts'
import { AS_EVER, type OwnRestart } from '../../src/bgp/session/restart.ts'
import type { ConnId, PeerAction, PeerConfig, PeerEvent, SessionState } from '../../src/bgp/session/types.ts'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import { MESSAGE_TYPE, type MessageType, type Open } from '../../src/bgp/wire/message.ts'
import { encodeOpen } from '../../src/bgp/wire/open.ts'
import { config, only, otherConfig } from './wire-pair.ts'

const HERE = { address: '192.0.2.1', port: 40_000 }
const THERE = { address: '192.0.2.2', port: 179 }

export class LonePeer {
  readonly peer: Peer
  now = 0
  /** Of the last event. */
  actions: readonly PeerAction[] = []
  #dials = 0
  #accepts = -1

  constructor(over: Partial<PeerConfig> = {}, seed = 1, own: OwnRestart = AS_EVER) {
    this.peer = new Peer(config(over), new Chance(seed), () => ++this.#dials * 2, 0, own)
  }

  hand(event: PeerEvent): this {
    this.actions = this.peer.handle(event, this.now)
    return this
  }

  start(): this {
    return this.hand({ kind: 'start' })
  }

  /** The connection we dial. */
  get own(): ConnId {
    return this.#dials * 2
  }

  /** The one the neighbor opened last. */
  get accepted(): ConnId {
    return this.#accepts
  }

  connect(): this {
    return this.hand({ kind: 'connected', conn: this.own, dialled: true, local: HERE, remote: THERE })
  }

  accept(): this {
    this.#accepts += 2
    return this.hand({ kind: 'connected', conn: this.#accepts, dialled: false, local: HERE, remote: THERE })
  }

  receive(bytes: Uint8Array, conn = this.own): this {
    return this.hand({ kind: 'received', conn, bytes: bytes.slice() })
  }

  closed(reason?: string, conn = this.own): this {
    return this.hand({ kind: 'closed', conn, reason })
  }

  /** Goes as far as `state` on the connection we dial. */
  reach(state: SessionState): this {
    if (state === 'Idle') return this
    this.start()
    if (state === 'Connect') return this
    if (state === 'Active') return this.hand({ kind: 'dial-failed', conn: this.own, reason: 'Connection refused' })
    this.connect()
    if (state === 'OpenSent') return this
    this.receive(theirOpen())
    if (state === 'OpenConfirm') return this
    return this.receive(KEEPALIVE)
  }

  /** Lets time pass, each timer at its time; gives all actions with the time they came at. */
  pass(span: number): readonly { readonly at: number; readonly action: PeerAction }[] {
    const end = this.now + span
    const seen: { at: number; action: PeerAction }[] = []
    for (let due = this.peer.deadline(); due !== undefined && due <= end; due = this.peer.deadline()) {
      this.now = due
      for (const action of this.hand({ kind: 'timer' }).actions) seen.push({ at: due, action })
    }
    this.now = end
    return seen
  }

  /** What was sent by the last event: the message type, then the body of a NOTIFICATION. */
  get said(): readonly string[] {
    return only(this.actions, 'send').map(({ bytes }) => say(bytes))
  }

  get closes(): readonly ConnId[] {
    return only(this.actions, 'close').map(({ conn }) => conn)
  }

  get lastError(): string | undefined {
    const error = this.peer.snapshot(this.now).lastError
    return error === undefined ? undefined : `${error.class}: ${error.text}`
  }
}

const TYPES = Object.keys(MESSAGE_TYPE) as MessageType[]

export function say(bytes: Uint8Array): string {
  const type = TYPES[(bytes[18] ?? 0) - 1] ?? 'nothing known'
  return type === 'notification' ? `${type} ${hex(bytes.subarray(19))}` : type
}

/** A sound OPEN of the neighbor, or one that is sound but for `over`. */
export const theirOpen = (over: Partial<Open> = {}): Uint8Array =>
  encodeOpen({ ...ourOpen(otherConfig({ hostName: 'two' })), ...over })

/** A whole message of any type around any body. */
export function message(type: MessageType, ...body: number[]): Uint8Array {
  const length = 19 + body.length
  return Uint8Array.of(...Array(16).fill(0xff), length >> 8, length, MESSAGE_TYPE[type], ...body)
}

/** An UPDATE without anything in it: End-of-RIB of IPv4 (RFC 4724 §2). */
export const UPDATE = message('update', 0, 0, 0, 0)

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
