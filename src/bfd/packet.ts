/**
 * BFD Control packets (RFC 5880 §4.1): bytes ↔ values. Of a packet that must be discarded the decoder says which rule of
 * §6.8.6 it breaks; rules that need a session are `engine.ts`'s.
 */
import { readU32, writeU32 } from '../base/bytes.ts'
import type { Micros } from '../base/units.ts'

/** Indexed by their number on the wire. */
export const BFD_STATES = ['AdminDown', 'Down', 'Init', 'Up'] as const
export type BfdState = (typeof BFD_STATES)[number]

/** RFC 5880 §4.1, Diag. */
export const DIAGNOSTIC = {
  none: 0,
  detectionTimeExpired: 1,
  echoFailed: 2,
  neighborSignaledDown: 3,
  forwardingPlaneReset: 4,
  pathDown: 5,
  concatenatedPathDown: 6,
  administrativelyDown: 7,
  reverseConcatenatedPathDown: 8,
} as const

export interface ControlPacket {
  readonly diagnostic: number
  readonly state: BfdState
  readonly poll: boolean
  readonly final: boolean
  /** C: this BFD continues while the control plane of its system is down. */
  readonly controlPlaneIndependent: boolean
  readonly demand: boolean
  readonly multiplier: number
  readonly myDiscriminator: number
  readonly yourDiscriminator: number
  readonly desiredMinTx: Micros
  readonly requiredMinRx: Micros
  readonly requiredMinEchoRx: Micros
}

/** Which rule of RFC 5880 §6.8.6 a packet breaks, as far as its bytes alone say. */
export type Malformed =
  | 'version'
  | 'length'
  | 'multiplier'
  | 'multipoint'
  | 'my-discriminator'
  | 'state'
  | 'authentication'

/** One octet. */
export const MOST_MULTIPLIER = 255

const VERSION = 1
const LENGTH = 24
/** With the type and the length of an Authentication Section. */
const LEAST_AUTHENTICATED = 26
const FLAG = { poll: 0x20, final: 0x10, independent: 0x08, authenticated: 0x04, demand: 0x02, multipoint: 0x01 }

/** RFC 5880 §6.8.6, the rules in its order; authentication is not used. */
export function decodeControl(bytes: Uint8Array): ControlPacket | Malformed {
  if (bytes.length < LENGTH) return 'length'
  const [first = 0, flags = 0, multiplier = 0, length = 0] = bytes
  if (first >> 5 !== VERSION) return 'version'
  const authenticated = (flags & FLAG.authenticated) !== 0
  if (length < (authenticated ? LEAST_AUTHENTICATED : LENGTH) || length > bytes.length) return 'length'
  if (multiplier === 0) return 'multiplier'
  if ((flags & FLAG.multipoint) !== 0) return 'multipoint'
  const state = BFD_STATES[flags >> 6] ?? 'Down'
  const packet: ControlPacket = {
    diagnostic: first & 0x1f,
    state,
    poll: (flags & FLAG.poll) !== 0,
    final: (flags & FLAG.final) !== 0,
    controlPlaneIndependent: (flags & FLAG.independent) !== 0,
    demand: (flags & FLAG.demand) !== 0,
    multiplier,
    myDiscriminator: readU32(bytes, 4),
    yourDiscriminator: readU32(bytes, 8),
    desiredMinTx: readU32(bytes, 12),
    requiredMinRx: readU32(bytes, 16),
    requiredMinEchoRx: readU32(bytes, 20),
  }
  if (packet.myDiscriminator === 0) return 'my-discriminator'
  if (packet.yourDiscriminator === 0 && state !== 'Down' && state !== 'AdminDown') return 'state'
  return authenticated ? 'authentication' : packet
}

export function encodeControl(packet: ControlPacket): Uint8Array {
  const bytes = new Uint8Array(LENGTH)
  bytes[0] = (VERSION << 5) | packet.diagnostic
  bytes[1] =
    (BFD_STATES.indexOf(packet.state) << 6) |
    (packet.poll ? FLAG.poll : 0) |
    (packet.final ? FLAG.final : 0) |
    (packet.controlPlaneIndependent ? FLAG.independent : 0) |
    (packet.demand ? FLAG.demand : 0)
  bytes[2] = packet.multiplier
  bytes[3] = LENGTH
  writeU32(bytes, 4, packet.myDiscriminator)
  writeU32(bytes, 8, packet.yourDiscriminator)
  writeU32(bytes, 12, packet.desiredMinTx)
  writeU32(bytes, 16, packet.requiredMinRx)
  writeU32(bytes, 20, packet.requiredMinEchoRx)
  return bytes
}
