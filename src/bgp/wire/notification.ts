/**
 * NOTIFICATION (RFC 4271 §4.5): the last message of a session, and every code and subcode in words.
 *
 *     | header 19 | code 1 | subcode 1 | data … |
 */
import { hex, readU16, readU32 } from '../../base/bytes.ts'
import { type MessageError, messageError } from './error.ts'
import { HEADER_LENGTH, type MessageFrame, wrapMessage } from './header.ts'
import type { Notification } from './message.ts'
import { decodeUtf8, encodeUtf8Within, quote } from './utf8.ts'

/** Error codes (RFC 4271 §4.5; 7: RFC 7313 §5; 8: RFC 9687 §5). */
export const ERROR = {
  header: 1,
  open: 2,
  update: 3,
  holdTimerExpired: 4,
  fsm: 5,
  cease: 6,
  routeRefresh: 7,
  sendHoldTimerExpired: 8,
} as const

/** RFC 4271 §6.1. */
export const HEADER_ERROR = { notSynchronized: 1, badLength: 2, badType: 3 } as const

/** RFC 4271 §6.2; 7: RFC 5492 §5; 11: RFC 9234 §4.2. */
export const OPEN_ERROR = {
  unspecific: 0,
  unsupportedVersion: 1,
  badPeerAs: 2,
  badIdentifier: 3,
  unsupportedParameter: 4,
  unacceptableHoldTime: 6,
  unsupportedCapability: 7,
  roleMismatch: 11,
} as const

/** RFC 4271 §6.3: those that still end a session (RFC 7606). */
export const UPDATE_ERROR = {
  malformedAttributeList: 1,
  unrecognizedWellKnown: 2,
  missingWellKnown: 3,
  attributeFlags: 4,
  attributeLength: 5,
  invalidOrigin: 6,
  invalidNextHop: 8,
  optionalAttribute: 9,
  invalidNetwork: 10,
  malformedAsPath: 11,
} as const

/** RFC 6608 §3: a message that the state does not expect. */
export const FSM_ERROR = { unspecific: 0, openSent: 1, openConfirm: 2, established: 3 } as const

/** RFC 7313 §5. */
export const ROUTE_REFRESH_ERROR = { invalidLength: 1 } as const

/** RFC 4486 §3; 9: RFC 8538 §3; 10: RFC 9384 §3. */
export const CEASE = {
  code: 6,
  maxPrefixes: 1,
  adminShutdown: 2,
  deconfigured: 3,
  adminReset: 4,
  rejected: 5,
  configChange: 6,
  collision: 7,
  outOfResources: 8,
  hardReset: 9,
  bfdDown: 10,
} as const

/** Words by code, then by subcode (IANA "BGP Error (Notification) Codes" and its sub-registries). */
const WORDS: Readonly<Record<number, { readonly code: string; readonly subcodes: Readonly<Record<number, string>> }>> =
  {
    1: {
      code: 'Message Header Error',
      subcodes: { 1: 'Connection Not Synchronized', 2: 'Bad Message Length', 3: 'Bad Message Type' },
    },
    2: {
      code: 'OPEN Message Error',
      subcodes: {
        1: 'Unsupported Version Number',
        2: 'Bad Peer AS',
        3: 'Bad BGP Identifier',
        4: 'Unsupported Optional Parameter',
        5: 'Authentication Failure',
        6: 'Unacceptable Hold Time',
        7: 'Unsupported Capability',
        11: 'Role Mismatch',
      },
    },
    3: {
      code: 'UPDATE Message Error',
      subcodes: {
        1: 'Malformed Attribute List',
        2: 'Unrecognized Well-known Attribute',
        3: 'Missing Well-known Attribute',
        4: 'Attribute Flags Error',
        5: 'Attribute Length Error',
        6: 'Invalid ORIGIN Attribute',
        7: 'AS Routing Loop',
        8: 'Invalid NEXT_HOP Attribute',
        9: 'Optional Attribute Error',
        10: 'Invalid Network Field',
        11: 'Malformed AS_PATH',
      },
    },
    4: { code: 'Hold Timer Expired', subcodes: {} },
    5: {
      code: 'Finite State Machine Error',
      subcodes: {
        1: 'Unexpected Message in OpenSent State',
        2: 'Unexpected Message in OpenConfirm State',
        3: 'Unexpected Message in Established State',
      },
    },
    6: {
      code: 'Cease',
      subcodes: {
        1: 'Maximum Number of Prefixes Reached',
        2: 'Administrative Shutdown',
        3: 'Peer De-configured',
        4: 'Administrative Reset',
        5: 'Connection Rejected',
        6: 'Other Configuration Change',
        7: 'Connection Collision Resolution',
        8: 'Out of Resources',
        9: 'Hard Reset',
        10: 'BFD Down',
      },
    },
    7: { code: 'ROUTE-REFRESH Message Error', subcodes: { 1: 'Invalid Message Length' } },
    8: { code: 'Send Hold Timer Expired', subcodes: {} },
  }

export function decodeNotification(frame: MessageFrame): Notification | MessageError {
  const { bytes, start, end } = frame
  const at = start + HEADER_LENGTH
  if (end - at < 2) {
    const length = bytes.slice(start + 16, start + 18)
    return messageError(ERROR.header, HEADER_ERROR.badLength, 'NOTIFICATION without code and subcode', length)
  }
  const code = bytes[at] as number
  const subcode = bytes[at + 1] as number
  return { kind: 'notification', code, subcode, data: bytes.slice(at + 2, end) }
}

/** Whole message. Data that would not fit in 4096 octets is cut. */
export function encodeNotification(error: {
  readonly code: number
  readonly subcode: number
  readonly data?: Uint8Array
}): Uint8Array {
  const data = (error.data ?? new Uint8Array(0)).subarray(0, MOST_DATA)
  const body = new Uint8Array(2 + data.length)
  body[0] = error.code
  body[1] = error.subcode
  body.set(data, 2)
  return wrapMessage('notification', body)
}

const MOST_DATA = 4096 - HEADER_LENGTH - 2

/**
 * The Data of Cease/2 and Cease/4: a length and UTF-8 text (RFC 9003 §2). Longer text is cut to 255 octets.
 *
 *     | length 1 | text … |
 */
export function encodeShutdownCommunication(text: string): Uint8Array {
  const bytes = encodeUtf8Within(text, 255)
  const data = new Uint8Array(1 + bytes.length)
  data[0] = bytes.length
  data.set(bytes, 1)
  return data
}

/** One line for people: `Cease: Administrative Shutdown: "moving racks"`. */
export function describeNotification(code: number, subcode: number, data?: Uint8Array): string {
  const about = data === undefined || data.length === 0 ? '' : describeData(code, subcode, data)
  const words = describeCode(code, subcode)
  return about === '' ? words : `${words}: ${about}`
}

function describeCode(code: number, subcode: number): string {
  const known = WORDS[code]
  if (known === undefined) return `Error ${code}/${subcode}`
  if (subcode === 0) return known.code
  return `${known.code}: ${known.subcodes[subcode] ?? `subcode ${subcode}`}`
}

/** Empty where the data says nothing. */
function describeData(code: number, subcode: number, data: Uint8Array): string {
  if (code === ERROR.cease) return describeCeaseData(subcode, data) ?? hex(short(data))
  if (code === ERROR.header && subcode === HEADER_ERROR.badLength && data.length === 2)
    return `length ${readU16(data, 0)}`
  if (code === ERROR.header && subcode === HEADER_ERROR.badType && data.length === 1) return `type ${data[0]}`
  if (code === ERROR.open && subcode === OPEN_ERROR.unsupportedVersion && data.length === 2) {
    return `version ${readU16(data, 0)} is supported`
  }
  return hex(short(data))
}

function describeCeaseData(subcode: number, data: Uint8Array): string | undefined {
  if (subcode === CEASE.adminShutdown || subcode === CEASE.adminReset) return describeCommunication(data)
  // RFC 4486 §4: AFI 2, SAFI 1, upper bound 4.
  if (subcode === CEASE.maxPrefixes && data.length === 7) {
    return `AFI ${readU16(data, 0)}, SAFI ${data[2]}, at most ${readU32(data, 3)} prefixes`
  }
  // RFC 8538 §3.1: the code, subcode and data that the Hard Reset stands for. A Hard Reset inside another adds nothing.
  if (subcode === CEASE.hardReset && data.length >= 2 && !(data[0] === CEASE.code && data[1] === CEASE.hardReset)) {
    return describeNotification(data[0] as number, data[1] as number, data.subarray(2))
  }
  return undefined
}

/** RFC 9003 §2. Undefined where it is not UTF-8, or its length field is wrong. */
function describeCommunication(data: Uint8Array): string | undefined {
  const text = data[0] === data.length - 1 ? decodeUtf8(data.subarray(1)) : undefined
  return text === undefined || text === '' ? text : quote(text)
}

const short = (data: Uint8Array): Uint8Array => data.subarray(0, 32)
