/** The form of netlink messages: a header, a fixed part for each type, and attributes (netlink(7)). Little-endian. */

/** A message inside what was received. */
export interface Message {
  readonly type: number
  readonly flags: number
  readonly seq: number
  /** The port of the sender of the request, or of the program that caused the event. */
  readonly port: number
  /** Where it stands: its fixed part begins at `from`, and it ends before `to`. */
  readonly from: number
  readonly to: number
}

const HEADER = 16

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
/** Messages of lower types are of netlink itself, the same for every kind of socket. */
export const NLMSG_MIN_TYPE = 16

export const NLM_F_REQUEST = 1
export const NLM_F_ACK = 4
/** The table changed while it was dumped: the dump is to be asked for again. */
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP = 0x300
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

/** In an answer: attributes follow. */
const NLM_F_ACK_TLVS = 0x200
/** In an answer of the type NLMSG_ERROR: of our message only its header follows. */
const NLM_F_CAPPED = 0x100
const NLMSGERR_ATTR_MSG = 1

/** All whole messages of what was received. */
export function messagesOf(bytes: Uint8Array): Message[] {
  const view = viewOf(bytes)
  const found: Message[] = []
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint32(at, true)
    if (length < HEADER || at + length > bytes.length) break
    const type = view.getUint16(at + 4, true)
    const [flags, seq] = [view.getUint16(at + 6, true), view.getUint32(at + 8, true)]
    found.push({ type, flags, seq, port: view.getUint32(at + 12, true), from: at + HEADER, to: at + length })
    at += align(length)
  }
  return found
}

/**
 * The attributes of one message, by type: the place of each. One object is filled again for each message, because there
 * are many routes.
 */
export class Attributes {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Attributes of higher types are not read. */
  readonly #starts = new Int32Array(64)
  readonly #ends = new Int32Array(64)

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = viewOf(bytes)
  }

  /** Reads the attributes from `from` to `to`, and forgets those of the message before. */
  read(from: number, to: number): this {
    this.#starts.fill(0)
    for (let at = from; at + 4 <= to; ) {
      const length = this.view.getUint16(at, true)
      if (length < 4 || at + length > to) break
      // The upper two bits are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
      const type = this.view.getUint16(at + 2, true) & 0x3fff
      if (type < this.#starts.length) {
        this.#starts[type] = at + 4
        this.#ends[type] = at + length
      }
      at += align(length)
    }
    return this
  }

  has(type: number): boolean {
    return this.#starts[type] !== 0
  }

  /** Where its value begins; 0 where there is none. */
  start(type: number): number {
    return this.#starts[type] as number
  }

  end(type: number): number {
    return this.#starts[type] === 0 ? 0 : (this.#ends[type] as number)
  }

  octets(type: number): Uint8Array | undefined {
    const start = this.start(type)
    return start === 0 ? undefined : this.bytes.subarray(start, this.#ends[type])
  }

  number(type: number): number | undefined {
    const start = this.start(type)
    return start === 0 || this.end(type) - start < 4 ? undefined : this.view.getUint32(start, true)
  }

  octet(type: number): number | undefined {
    const start = this.start(type)
    return start === this.end(type) ? undefined : this.bytes[start]
  }

  text(type: number): string | undefined {
    const octets = this.octets(type)
    if (octets === undefined) return undefined
    const end = octets.indexOf(0)
    return new TextDecoder().decode(end < 0 ? octets : octets.subarray(0, end))
  }
}

/** The kernel's answer to a message. */
export interface Answer {
  /** 0: it is done. */
  readonly errno: number
  /** The kernel's own text, where it has some: `Nexthop has invalid gateway`. */
  readonly text: string | undefined
}

/** For a message of the type NLMSG_ERROR or NLMSG_DONE. */
export function readAnswer(attributes: Attributes, message: Message): Answer {
  const { flags, from, to } = message
  const errno = -attributes.view.getInt32(from, true)
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, text: undefined }
  const start = from + 4 + align(requestLength(attributes, message))
  const text = attributes.read(start, to).text(NLMSGERR_ATTR_MSG)
  return { errno, text: text?.replace(/\.$/, '') }
}

/** Octets of our request that the answer repeats between the error number and the attributes. */
function requestLength({ view }: Attributes, { type, flags, from }: Message): number {
  if (type === NLMSG_DONE) return 0
  return (flags & NLM_F_CAPPED) !== 0 ? HEADER : view.getUint32(from + 4, true)
}

/** Writes messages into one buffer. */
export class NetlinkWriter {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #length = 0
  #message = 0

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = viewOf(this.#bytes)
  }

  get length(): number {
    return this.#length
  }

  begin(type: number, flags: number, seq: number): void {
    this.#message = this.#length
    this.#view.setUint16(this.#length + 4, type, true)
    this.#view.setUint16(this.#length + 6, flags, true)
    this.#view.setUint32(this.#length + 8, seq, true)
    this.#length += HEADER
  }

  end(): void {
    this.#view.setUint32(this.#message, this.#length - this.#message, true)
  }

  /** To the message that was begun last. */
  addFlags(flags: number): void {
    this.#view.setUint16(this.#message + 6, this.#view.getUint16(this.#message + 6, true) | flags, true)
  }

  octets(...octets: readonly number[]): void {
    this.#bytes.set(octets, this.#length)
    this.#length += octets.length
  }

  number(value: number): void {
    this.#view.setUint32(this.#length, value, true)
    this.#length += 4
  }

  short(value: number): void {
    this.#view.setUint16(this.#length, value, true)
    this.#length += 2
  }

  /** An attribute, or another part that begins with its length: `close` it with what this returns. */
  open(type: number): number {
    const at = this.#length
    this.#view.setUint16(at + 2, type, true)
    this.#length += 4
    return at
  }

  close(at: number): void {
    this.#view.setUint16(at, this.#length - at, true)
    while ((this.#length & 3) !== 0) this.#bytes[this.#length++] = 0
  }

  attribute(type: number, value: Uint8Array): void {
    const at = this.open(type)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    this.close(at)
  }

  attributeNumber(type: number, value: number): void {
    const at = this.open(type)
    this.number(value)
    this.close(at)
  }

  /** A copy of all octets that were written: it may still be on its way when the next messages are written. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length)
    this.#bytes.fill(0, 0, this.#length)
    this.#length = 0
    return bytes
  }
}

const align = (length: number): number => (length + 3) & ~3

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)
