/**
 * The framer: owns the bytes of a message that has not been received as a whole.
 * In: the chunks of one TCP stream, cut anywhere. Out: whole messages with a valid header.
 *
 * A message that is whole in a chunk is handed out in place. A message that is cut by the end of a chunk is kept in a buffer
 * of our own; two buffers alternate, so that what was handed out is not overwritten before the next `push`.
 */
import { readU16 } from '../../base/bytes.ts'
import { type MessageError, messageError } from './error.ts'
import { EXTENDED_MESSAGE_SIZE, HEADER_LENGTH, MESSAGE_SIZE, type MessageFrame } from './header.ts'
import { MESSAGE_TYPE } from './message.ts'
import { ERROR, HEADER_ERROR } from './notification.ts'

const NOTHING = new Uint8Array(0)

export class Framer {
  /** The longest UPDATE, NOTIFICATION or ROUTE-REFRESH that is accepted; an OPEN has at most 4096 octets (RFC 8654 §4). */
  messageSize: number = MESSAGE_SIZE

  #chunk: Uint8Array = NOTHING
  #at = 0
  #held: Uint8Array = NOTHING
  #heldLength = 0
  #spare: Uint8Array = NOTHING
  #error: MessageError | undefined

  /**
   * Hands in the next bytes of the stream, which are read in place: their buffer may be used again once `next` has returned
   * undefined and the messages are handled.
   */
  push(chunk: Uint8Array): void {
    if (this.#at < this.#chunk.length) chunk = join(this.#chunk.subarray(this.#at), chunk)
    this.#chunk = chunk
    this.#at = 0
  }

  /**
   * The next whole message; undefined when more bytes are needed. After an error the stream cannot be followed: every further
   * call returns the same error. A message is valid until the next `push`.
   */
  next(): MessageFrame | MessageError | undefined {
    if (this.#error !== undefined) return this.#error
    return this.#heldLength > 0 ? this.#nextHeld() : this.#nextInChunk()
  }

  #nextInChunk(): MessageFrame | MessageError | undefined {
    const { bytes, start } = { bytes: this.#chunk, start: this.#at }
    const left = bytes.length - start
    if (left >= HEADER_LENGTH) {
      this.#error = whyNotHeader(bytes, start, this.messageSize)
      if (this.#error !== undefined) return this.#error
      const length = lengthAt(bytes, start)
      if (left >= length) return this.#handOut(bytes, start, length)
    }
    if (left > 0) this.#hold(left)
    // The chunk belongs to the caller: keep no reference to it.
    this.#chunk = NOTHING
    this.#at = 0
    return undefined
  }

  #handOut(bytes: Uint8Array, start: number, length: number): MessageFrame {
    this.#at = start + length
    return { type: bytes[start + 18] as number, bytes, start, end: start + length }
  }

  /** A message that began in an earlier chunk: first its header, then the rest. */
  #nextHeld(): MessageFrame | MessageError | undefined {
    if (this.#heldLength < HEADER_LENGTH) {
      if (!this.#fill(HEADER_LENGTH)) return undefined
      this.#error = whyNotHeader(this.#held, 0, this.messageSize)
      if (this.#error !== undefined) return this.#error
    }
    const length = lengthAt(this.#held, 0)
    if (!this.#fill(length)) return undefined
    const bytes = this.#held
    this.#held = this.#spare
    this.#spare = bytes
    this.#heldLength = 0
    return { type: bytes[18] as number, bytes, start: 0, end: length }
  }

  #fill(length: number): boolean {
    const wanted = length - this.#heldLength
    this.#hold(Math.min(wanted, this.#chunk.length - this.#at))
    return this.#heldLength === length
  }

  /** Moves `count` octets from the chunk to the end of what is held. */
  #hold(count: number): void {
    const length = this.#heldLength + count
    if (length > this.#held.length) {
      // Most neighbors send little but KEEPALIVEs: no room for longer messages is kept for them.
      const grown = new Uint8Array(Math.min(Math.max(length, 2 * this.#held.length, 128), EXTENDED_MESSAGE_SIZE))
      grown.set(this.#held.subarray(0, this.#heldLength))
      this.#held = grown
    }
    this.#held.set(this.#chunk.subarray(this.#at, this.#at + count), this.#heldLength)
    this.#heldLength = length
    this.#at += count
  }
}

export function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length)
  joined.set(a)
  joined.set(b, a.length)
  return joined
}

const lengthAt = (bytes: Uint8Array, start: number): number => readU16(bytes, start + 16)

/** RFC 4271 §6.1, in its order: marker, length, type. The body need not have come in. */
function whyNotHeader(bytes: Uint8Array, start: number, messageSize: number): MessageError | undefined {
  for (let at = start; at < start + 16; at++) {
    if (bytes[at] !== 0xff) {
      return messageError(ERROR.header, HEADER_ERROR.notSynchronized, 'the marker is not all ones')
    }
  }
  const length = lengthAt(bytes, start)
  const type = bytes[start + 18] as number
  const why = whyNotLength(length, type, messageSize)
  if (why !== undefined) {
    return messageError(ERROR.header, HEADER_ERROR.badLength, why, bytes.slice(start + 16, start + 18))
  }
  if (type < MESSAGE_TYPE.open || type > MESSAGE_TYPE['route-refresh']) {
    return messageError(ERROR.header, HEADER_ERROR.badType, `message type ${type} is unknown`, Uint8Array.of(type))
  }
  return undefined
}

/** Shortest message by type code (0 is none). ROUTE-REFRESH has an answer of its own to a wrong length (RFC 7313 §5). */
const SHORTEST = [19, 29, 23, 21, 19, 19]

function whyNotLength(length: number, type: number, messageSize: number): string | undefined {
  const shortest = SHORTEST[type] ?? HEADER_LENGTH
  if (length < shortest) return `message length ${length} is below ${shortest} (type ${type})`
  // RFC 4271 §4.4: a KEEPALIVE is a header and nothing else.
  if (type === MESSAGE_TYPE.keepalive && length !== HEADER_LENGTH) return `KEEPALIVE length ${length} is not 19`
  const longest = type === MESSAGE_TYPE.open ? MESSAGE_SIZE : messageSize
  return length > longest ? `message length ${length} is above ${longest} (type ${type})` : undefined
}
