/**
 * A connection in the base of a recording: its first input, its messages up to the first KEEPALIVE, and the beginning
 * of an incomplete message.
 */
import { join } from '../../bgp/wire/framer.ts'
import { HEADER_LENGTH } from '../../bgp/wire/header.ts'
import type { Input } from '../../engine/input.ts'

type Begun = Extract<Input, { readonly kind: 'accepted' | 'connected' }>

const KEEPALIVE = 4
/** An OPEN has at most 4,096 octets (RFC 8654 §4), and a KEEPALIVE follows it: with more, the connection is not kept. */
const MOST_HEAD = 8_192

export class BaseConnection {
  readonly #begun: Begun
  readonly #head: Uint8Array[] = []
  #headLength = 0
  #isUp = false
  /** Shorter than a message: at most 65,534 octets. */
  #rest: Uint8Array = new Uint8Array(0)

  constructor(begun: Begun) {
    this.#begun = begun
  }

  /** False where the stream cannot be parsed, or has too much before the first KEEPALIVE. */
  read(chunk: Uint8Array): boolean {
    const bytes = this.#rest.length === 0 ? chunk : join(this.#rest, chunk)
    let at = 0
    while (bytes.length - at >= HEADER_LENGTH) {
      const length = ((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number)
      if (length < HEADER_LENGTH) return false
      if (bytes.length - at < length) break
      if (!this.#take(bytes.subarray(at, at + length))) return false
      at += length
    }
    this.#rest = bytes.slice(at)
    return true
  }

  #take(message: Uint8Array): boolean {
    if (this.#isUp) return true
    this.#head.push(message.slice())
    this.#headLength += message.length
    this.#isUp = message[18] === KEEPALIVE
    return this.#headLength <= MOST_HEAD
  }

  inputs(): Input[] {
    const { conn } = this.#begun
    const bytes = [...this.#head, this.#rest].filter(({ length }) => length > 0)
    return [this.#begun, ...bytes.map((one): Input => ({ kind: 'received', conn, bytes: one }))]
  }
}
