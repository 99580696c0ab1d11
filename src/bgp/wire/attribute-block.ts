/**
 * The attributes of one UPDATE in canonical form: by ascending type code, flags and lengths in the one way to write
 * them, AS numbers in four octets. Equal attributes are equal bytes, whichever neighbor sent them.
 *
 * As long as they come in ascending order from a peer with four-octet AS numbers, each is written when it is found.
 * Otherwise its place is noted, and the block is written when all have been seen.
 */
import { readU16 } from '../../base/bytes.ts'
import { type AsSegment, type AsWidth, mergeAs4Path, readSegments, writeSegments } from './as-path.ts'
import { ATTRIBUTE, FLAG, isOpaque, OPTIONAL_TRANSITIVE } from './attribute-rows.ts'
import { FLAGS } from './attribute-tables.ts'
import { withoutRepeats } from './large-communities.ts'
import { AS_TRANS } from './open.ts'

const NOTHING = new Uint8Array(0)
/** Longest value of an attribute: its length has two octets. */
const MOST_OCTETS = 0xffff
/** Numbers of blocks and messages start again before they exceed V8's small integers. */
export const MOST_ROUNDS = 0x3fffffff
/** An AGGREGATOR grows by two octets when it is widened; of all the others only AS_PATH grows. */
const AGGREGATOR_GROWTH = 2

export class AttributeBlock {
  /** The block is the first `length` octets. */
  bytes: Uint8Array = new Uint8Array(4096)
  length = 0

  #message: Uint8Array = NOTHING
  #messageLength = 0
  #width: AsWidth = 4
  // By type code: in which block an attribute was last kept, and where in the message it begins.
  readonly #kept = new Uint32Array(256)
  readonly #where = new Int32Array(256)
  #round = 0
  #last = 0
  #inOrder = true

  /** Starts a new block, for attributes that take `room` octets in `message`. */
  begin(message: Uint8Array, room: number, width: AsWidth): void {
    this.length = 0
    this.#message = message
    this.#messageLength = room
    this.#width = width
    this.#last = 0
    this.#inOrder = width === 4
    this.#round++
    if (this.#round > MOST_ROUNDS) {
      this.#kept.fill(0)
      this.#round = 1
    }
    if (room > this.bytes.length) this.bytes = new Uint8Array(0x10000)
  }

  /** Takes an attribute that begins at `attribute` and has its value in [value, end) of the message. */
  keep(type: number, attribute: number, value: number, end: number): void {
    this.#kept[type] = this.#round
    this.#where[type] = attribute
    if (type < this.#last) this.#inOrder = false
    this.#last = type
    if (this.#inOrder) this.#take(type, this.#flagsOf(type, attribute), value, end)
  }

  /** Completes the block, or returns why it is malformed. */
  finish(): string | undefined {
    if (this.#inOrder) return undefined
    this.length = 0
    if (this.#width === 4) {
      for (let type = 0; type < 256; type++) if (this.#has(type)) this.#copy(type)
      return undefined
    }
    return this.#widen()
  }

  #flagsOf(type: number, attribute: number): number {
    const flags = FLAGS[type] as number
    // RFC 4271 §5: Partial marks an attribute that some speaker on the path passed on without knowing it; once set, it stays.
    if (flags === 0 || isOpaque(type)) return OPTIONAL_TRANSITIVE | FLAG.partial
    return flags === OPTIONAL_TRANSITIVE ? flags | ((this.#message[attribute] as number) & FLAG.partial) : flags
  }

  /** Writes a value of the message. */
  #take(type: number, flags: number, value: number, end: number): void {
    const once = type === ATTRIBUTE.largeCommunities ? withoutRepeats(this.#message, value, end) : undefined
    if (once === undefined) this.#write(type, flags, this.#message, value, end)
    else this.#write(type, flags, once, 0, once.length)
  }

  #write(type: number, flags: number, source: Uint8Array, start: number, end: number): void {
    const out = this.bytes
    let at = this.length
    const length = end - start
    if (length > 255) {
      out[at++] = flags | FLAG.extendedLength
      out[at++] = type
      out[at++] = length >> 8
    } else {
      out[at++] = flags
      out[at++] = type
    }
    out[at++] = length
    for (let from = start; from < end; from++) out[at++] = source[from] as number
    this.length = at
  }

  #has(type: number): boolean {
    return this.#kept[type] === this.#round
  }

  #copy(type: number): void {
    const flags = this.#flagsOf(type, this.#where[type] as number)
    this.#take(type, flags, this.#valueOf(type), this.#endOf(type))
  }

  #extended(type: number): boolean {
    return ((this.#message[this.#where[type] as number] as number) & FLAG.extendedLength) !== 0
  }

  #valueOf(type: number): number {
    return (this.#where[type] as number) + (this.#extended(type) ? 4 : 3)
  }

  #endOf(type: number): number {
    const value = this.#valueOf(type)
    return value + (this.#extended(type) ? readU16(this.#message, value - 2) : (this.#message[value - 1] as number))
  }

  // From a peer with two-octet AS numbers (RFC 6793 §4.2.3). Rare by now: it may allocate.

  #widen(): string | undefined {
    const path = this.#widePath()
    if (path.length > MOST_OCTETS) return 'is too long in four-octet AS numbers'
    const room = this.#messageLength + path.length + AGGREGATOR_GROWTH
    if (room > this.bytes.length) this.bytes = new Uint8Array(room)
    for (let type = 0; type < 256; type++) {
      if (!this.#has(type) || type === ATTRIBUTE.as4Path || type === ATTRIBUTE.as4Aggregator) continue
      const flags = this.#flagsOf(type, this.#where[type] as number)
      if (type === ATTRIBUTE.asPath) this.#write(type, flags, path, 0, path.length)
      else if (type === ATTRIBUTE.aggregator) this.#write(type, flags, this.#wideAggregator(), 0, 8)
      else this.#copy(type)
    }
    return undefined
  }

  #widePath(): Uint8Array {
    const path = this.#segments(ATTRIBUTE.asPath, 2)
    const as4 = this.#has(ATTRIBUTE.as4Path) && this.#as4Counts()
    return writeSegments(as4 ? mergeAs4Path(path, this.#segments(ATTRIBUTE.as4Path, 4)) : path, 4)
  }

  #segments(type: number, width: AsWidth): AsSegment[] {
    return readSegments(this.#message, this.#valueOf(type), this.#endOf(type), width)
  }

  #wideAggregator(): Uint8Array {
    if (this.#has(ATTRIBUTE.as4Aggregator) && this.#as4Counts()) {
      const value = this.#valueOf(ATTRIBUTE.as4Aggregator)
      return this.#message.slice(value, value + 8)
    }
    const wide = new Uint8Array(8)
    const value = this.#valueOf(ATTRIBUTE.aggregator)
    wide.set(this.#message.subarray(value, value + 6), 2)
    return wide
  }

  /**
   * Whether AS4_PATH and AS4_AGGREGATOR apply. RFC 6793 §4.2.3: they do not if AGGREGATOR is other than AS_TRANS, since it was
   * then written after the last four-octet speaker.
   */
  #as4Counts(): boolean {
    if (!this.#has(ATTRIBUTE.aggregator) || !this.#has(ATTRIBUTE.as4Aggregator)) return true
    const value = this.#valueOf(ATTRIBUTE.aggregator)
    return readU16(this.#message, value) === AS_TRANS
  }
}
