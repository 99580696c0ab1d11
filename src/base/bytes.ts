/** Reading and writing big-endian bytes with one bounds check for all. */

/** Thrown by `Reader` when a field would reach past its end. Decoders catch it where the RFC names an answer. */
export class ShortRead extends Error {
  constructor(wanted: number, left: number) {
    super(`${wanted} bytes wanted, ${left} left`)
  }
}

/** Walks over a part of a byte array. `sub` makes a reader with an end of its own, so that a TLV cannot be read into the next one. */
export class Reader {
  readonly bytes: Uint8Array
  readonly end: number
  offset: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.offset = start
    this.end = end
  }

  get left(): number {
    return this.end - this.offset
  }

  u8(): number {
    const at = this.#take(1)
    return this.bytes[at] as number
  }

  u16(): number {
    const at = this.#take(2)
    return readU16(this.bytes, at)
  }

  u32(): number {
    const at = this.#take(4)
    return readU32(this.bytes, at)
  }

  /** A copy of the next `count` bytes. */
  copy(count: number): Uint8Array {
    const at = this.#take(count)
    return this.bytes.slice(at, at + count)
  }

  /** A reader over exactly the next `count` bytes. */
  sub(count: number): Reader {
    const at = this.#take(count)
    return new Reader(this.bytes, at, at + count)
  }

  skip(count: number): void {
    this.#take(count)
  }

  #take(count: number): number {
    const at = this.offset
    if (at + count > this.end) throw new ShortRead(count, this.end - at)
    this.offset = at + count
    return at
  }
}

/** Grows as it is written. `finish` gives a copy of what was written. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    const at = this.#room(1)
    this.#bytes[at] = value
    return this
  }

  u16(value: number): this {
    const at = this.#room(2)
    this.#bytes[at] = value >> 8
    this.#bytes[at + 1] = value
    return this
  }

  u32(value: number): this {
    const at = this.#room(4)
    writeU32(this.#bytes, at, value)
    return this
  }

  raw(bytes: ArrayLike<number>): this {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }

  /** Writes a length of `width` octets, then what `body` writes. */
  sized(width: 1 | 2, body: (writer: ByteWriter) => void): this {
    const at = this.#room(width)
    body(this)
    const size = this.#length - at - width
    if (width === 2) this.#bytes[at] = size >> 8
    this.#bytes[at + width - 1] = size
    return this
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** May replace the buffer: nothing may hold on to it across a call. */
  #room(count: number): number {
    const at = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    return at
  }
}

export function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  )
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

/** `0a 1b`: bytes for people. */
export const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
