/**
 * The header every message begins with (RFC 4271 §4.1).
 *
 *     0                16       18     19
 *     | marker: 16 × ff | length | type | body …
 */
import { MESSAGE_TYPE, type MessageType } from './message.ts'

export const HEADER_LENGTH = 19
/** Longest message to a peer that did not announce that it takes longer ones (RFC 4271 §4.1, RFC 8654 §4). */
export const MESSAGE_SIZE = 4096
export const EXTENDED_MESSAGE_SIZE = 65535

/** One whole message: its 19-octet header starts at `start`, its body ends before `end`. */
export interface MessageFrame {
  readonly type: number
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** Writes the header of a message of `length` octets, header included. */
export function writeHeader(bytes: Uint8Array, at: number, length: number, type: MessageType): void {
  bytes.fill(0xff, at, at + 16)
  bytes[at + 16] = length >> 8
  bytes[at + 17] = length
  bytes[at + 18] = MESSAGE_TYPE[type]
}

/** A whole message around a body. */
export function wrapMessage(type: MessageType, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_LENGTH + body.length)
  writeHeader(bytes, 0, bytes.length, type)
  bytes.set(body, HEADER_LENGTH)
  return bytes
}
