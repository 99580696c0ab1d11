/**
 * Writes UPDATEs (RFC 4271 §4.3, RFC 4760), each with one kind of content and as full as possible. In: prefixes, and blocks
 * that are ready to send (export.ts). Out: bytes.
 *
 *   IPv4 withdrawn   | header 19 | length 2 | prefixes … | 0 0 |
 *   IPv4 announced   | header 19 | 0 0 | length 2 | ORIGIN AS_PATH NEXT_HOP … | prefixes … |
 *   IPv6 withdrawn   | header 19 | 0 0 | length 2 | MP_UNREACH_NLRI: 90 0f length 2 | AFI 2 | SAFI 1 | prefixes … |
 *   IPv6 announced   | header 19 | 0 0 | length 2 | MP_REACH_NLRI: 90 0e length 2 | AFI 2 | SAFI 1 | next hop 1 + n | 0 |
 *                      prefixes … | ORIGIN AS_PATH … |
 *
 *   a prefix         | path id 4, with add-path | bits 1 | as many octets as the bits need |
 */
import { AFI, SAFI_UNICAST } from '../../base/family.ts'
import { valueEnd } from '../route/attribute-table.ts'
import type { ByteTable } from '../route/byte-table.ts'
import { ATTRIBUTE, FLAG, WELL_KNOWN } from '../wire/attribute-rows.ts'
import type { WireContext } from '../wire/context.ts'
import { HEADER_LENGTH, MESSAGE_SIZE, writeHeader } from '../wire/header.ts'
import type { PrefixTable } from './prefix-table.ts'

/**
 * Scratch space for building a run, usually of 64 KiB, and one message more, of at most as much. Shared by all groups: nothing
 * is kept in it.
 */
const SCRATCH = new Uint8Array(1 << 17)

export class Packer {
  /** Octets written so far. */
  length = 0
  messages = 0
  /** Offsets where zeros stand for our own next hop: each member of the group has its own written there. */
  readonly ours: number[] = []

  readonly #prefixes: PrefixTable
  readonly #blocks: ByteTable
  #bytes = SCRATCH
  #messageSize = 0
  /** The most octets of the run. */
  #most = 0
  #addPath = false
  readonly #pathId: number
  /** Where the open message begins. */
  #start = 0
  /** Prefixes may be written up to here: what closes the message fits behind it. */
  #limit = 0
  /** Where the prefixes of the open message begin. */
  #first = 0
  /** The block of the open message; 0: a withdrawal. */
  #block = 0
  /** Whether the open message has its prefixes in the fields of RFC 4271, not in an MP attribute. */
  #classic = false
  #isOurs = false

  /** `pathId`: below 256, written with each prefix where add-path was negotiated (RFC 7911). */
  constructor(prefixes: PrefixTable, blocks: ByteTable, pathId: number) {
    this.#pathId = pathId
    this.#prefixes = prefixes
    this.#blocks = blocks
  }

  /** Begins a run of messages of at most `most` octets in all; its first message may be longer. */
  begin(context: WireContext, most: number): void {
    this.#most = most
    this.length = 0
    this.messages = 0
    this.ours.length = 0
    this.#messageSize = context.messageSize
    this.#addPath = context.addPath.includes(this.#prefixes.family)
  }

  /** Whether less is left of the run than a usual message takes. */
  get isFull(): boolean {
    return this.messages > 0 && this.#most - this.length < Math.min(this.#messageSize, MESSAGE_SIZE)
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.length)
  }

  openWithdraw(): void {
    this.#open(0)
    this.#classic = this.#prefixes.family === 'ipv4'
    if (this.#classic) {
      this.length += 2
      this.#limit -= 2
    } else {
      this.length += 4
      this.#openMp(MP_UNREACH)
    }
    this.#first = this.length
  }

  openAnnounce(block: number): void {
    this.#open(block)
    const segment = this.#blocks.segment(block)
    const offset = this.#blocks.offset(block)
    const nextHopLength = (segment[offset] as number) & ~OURS
    this.#isOurs = segment[offset] !== nextHopLength
    this.#classic = isClassic(this.#prefixes.family, nextHopLength)
    this.#bytes[this.length++] = 0
    this.#bytes[this.length++] = 0
    if (this.#classic) this.#writeClassicAttributes(segment, offset, offset + this.#blocks.length(block))
    else {
      this.length += 2
      this.#openMp(MP_REACH)
      this.#bytes[this.length++] = nextHopLength
      this.#copyNextHop(segment, offset + 1, nextHopLength)
      this.#bytes[this.length++] = 0
      this.#limit -= this.#blocks.length(block) - 1 - nextHopLength
    }
    this.#first = this.length
  }

  /** Adds a prefix to the open message; false when it does not fit there. */
  add(prefix: number): boolean {
    const bits = this.#prefixes.lengths[prefix] as number
    const octets = (bits + 7) >> 3
    let at = this.length
    if (at + octets + (this.#addPath ? 5 : 1) > this.#limit) return false
    const bytes = this.#bytes
    if (this.#addPath) {
      bytes[at] = 0
      bytes[at + 1] = 0
      bytes[at + 2] = 0
      bytes[at + 3] = this.#pathId
      at += 4
    }
    bytes[at++] = bits
    const { words, width } = this.#prefixes
    let word = 0
    for (let octet = 0; octet < octets; octet++) {
      if ((octet & 3) === 0) word = words[prefix * width + (octet >> 2)] as number
      bytes[at++] = word >>> 24
      word <<= 8
    }
    this.length = at
    return true
  }

  /** Ends the open message; one without prefixes is dropped. */
  close(): void {
    if (this.length === this.#first) {
      this.length = this.#start
      if (this.#isOurs) this.ours.pop()
      return
    }
    const bytes = this.#bytes
    if (this.#block === 0 && this.#classic) {
      this.#writeU16(this.#start + HEADER_LENGTH, this.length - this.#first)
      bytes[this.length++] = 0
      bytes[this.length++] = 0
    } else if (!this.#classic) this.#closeMp()
    writeHeader(bytes, this.#start, this.length - this.#start, 'update')
    this.messages++
  }

  #open(block: number): void {
    this.#start = this.length
    this.#block = block
    this.#isOurs = false
    // With RFC 8654 a message may be as long as a whole run; a message after others gets the rest of the run.
    const room = this.messages === 0 ? this.#messageSize : Math.min(this.#messageSize, this.#most - this.length)
    this.#limit = this.length + room
    // A block that does not fit is still written, and `close` removes it.
    const reach = this.length + this.#messageSize
    if (reach > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(reach, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.length += HEADER_LENGTH
  }

  #openMp(type: number): void {
    const { family } = this.#prefixes
    const bytes = this.#bytes
    bytes[this.length] = OPTIONAL_EXTENDED
    bytes[this.length + 1] = type
    bytes[this.length + 4] = 0
    bytes[this.length + 5] = AFI[family]
    bytes[this.length + 6] = SAFI_UNICAST
    this.length += 7
  }

  #closeMp(): void {
    const attributes = this.#start + HEADER_LENGTH + 2
    // The length of the MP attribute: its value ends here, after flags, type and length.
    this.#writeU16(attributes + 4, this.length - attributes - 6)
    this.#writeU16(attributes - 2, 0)
    if (this.#block !== 0) {
      const offset = this.#blocks.offset(this.#block)
      const segment = this.#blocks.segment(this.#block)
      this.#copy(segment, offset + 1 + ((segment[offset] as number) & ~OURS), offset + this.#blocks.length(this.#block))
    }
    this.#writeU16(attributes, this.length - attributes - 2)
  }

  /** Attributes are sorted by type code: NEXT_HOP comes after ORIGIN and AS_PATH. */
  #writeClassicAttributes(segment: Uint8Array, offset: number, end: number): void {
    const lengthAt = this.length
    this.length += 2
    let split = offset + 5
    const start = split
    while (split < end && (segment[split + 1] as number) < NEXT_HOP) split = valueEnd(segment, split)
    this.#copy(segment, start, split)
    this.#bytes[this.length++] = WELL_KNOWN
    this.#bytes[this.length++] = NEXT_HOP
    this.#bytes[this.length++] = 4
    this.#copyNextHop(segment, offset + 1, 4)
    this.#copy(segment, split, end)
    this.#writeU16(lengthAt, this.length - lengthAt - 2)
  }

  #copyNextHop(segment: Uint8Array, offset: number, length: number): void {
    if (this.#isOurs) this.ours.push(this.length)
    this.#copy(segment, offset, offset + length)
  }

  #copy(from: Uint8Array, start: number, end: number): void {
    const bytes = this.#bytes
    let at = this.length
    for (let index = start; index < end; index++) bytes[at++] = from[index] as number
    this.length = at
  }

  #writeU16(at: number, value: number): void {
    this.#bytes[at] = value >> 8
    this.#bytes[at + 1] = value
  }
}

/** IPv4 with an IPv4 next hop uses the UPDATE's own fields; with an IPv6 next hop (RFC 8950) it uses MP_REACH_NLRI. */
const isClassic = (family: string, nextHopLength: number): boolean => family === 'ipv4' && nextHopLength === 4

/** Whether a block and one prefix of full length fit into a message. `attributes`: octets without the next hop. */
export function fitsMessage(context: WireContext, family: 'ipv4' | 'ipv6', nextHopLength: number, attributes: number) {
  const fixed = HEADER_LENGTH + 4 + (isClassic(family, nextHopLength) ? 7 : 9 + nextHopLength)
  const prefix = 1 + AFI_OCTETS[family] + (context.addPath.includes(family) ? 4 : 0)
  return fixed + attributes + prefix <= context.messageSize
}

const AFI_OCTETS = { ipv4: 4, ipv6: 16 } as const

/** A bit in the next hop length of a block: the next hop is this node, and the block has zeros instead of an address. */
export const OURS = 0x80

const { nextHop: NEXT_HOP, mpReach: MP_REACH, mpUnreach: MP_UNREACH } = ATTRIBUTE
const OPTIONAL_EXTENDED = FLAG.optional | FLAG.extendedLength
