/**
 * UPDATE (RFC 4271 §4.3), read: what the wire room knows about one message of routes.
 * In come a whole message and what both sides agreed on; out come places in that message and one block of attributes
 * in canonical form, so that equal attributes are equal bytes. What is wrong gets the answer of RFC 7606.
 *
 *     | header 19 | length 2 | withdrawn routes … | length 2 | path attributes … | NLRI … |
 *     attribute:  | flags 1 | type 1 | length 1, or 2 with the extended length bit | value … |
 *
 * Routes come by the hundred thousand, so a good message costs no allocation: one decoder is used again and again,
 * its answers are fields, and it walks the bytes by index.
 */
import { type Family, familyOf } from '../../base/family.ts'
import { type AsWidth, BROKEN_PATH, mergeAs4Path, readSegments, whyNotPath, writeSegments } from './as-path.ts'
import {
  ATTRIBUTE,
  ATTRIBUTE_ROWS,
  type AttributeRow,
  attributeName,
  FLAG,
  isOpaque,
  OPTIONAL_TRANSITIVE,
} from './attribute-rows.ts'
import type { WireContext } from './context.ts'
import { type MessageError, messageError, type UpdateAction, type UpdateProblem } from './error.ts'
import { HEADER_LENGTH } from './header.ts'
import { whyNotNextHop } from './next-hop.ts'
import { checkNlri } from './nlri.ts'
import { ERROR, UPDATE_ERROR } from './notification.ts'
import { AS_TRANS } from './open.ts'

const NOTHING = new Uint8Array(0)
const NO_PROBLEMS: readonly UpdateProblem[] = []
/** A message of thousands of broken attributes is told about in so many lines. */
const MOST_PROBLEMS = 16

/** The rows of `attribute-rows.ts` by type code, as the walk needs them. */
function table(none: number, value: (row: AttributeRow) => number): Uint8Array {
  const bytes = new Uint8Array(256).fill(none)
  for (const row of ATTRIBUTE_ROWS) bytes[row.code] = value(row)
  return bytes
}
const ANY = 255
const IGNORED_FROM = { nobody: 0, external: 1, 'four-octet': 2 } as const
/** 0: no row. */
const FLAGS = table(0, (row) => row.flags)
const EXACTLY = table(ANY, ({ length }) => (length.kind === 'exactly' ? length.octets : ANY))
const EXACTLY_OLD = table(ANY, ({ length }) => (length.kind === 'exactly' ? length.old : ANY))
const TIMES = table(0, ({ length }) => (length.kind === 'times' ? length.octets : 0))
const IGNORED = table(0, (row) => IGNORED_FROM[row.ignoredFrom])
const ROWS: readonly (AttributeRow | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  ATTRIBUTE_ROWS.find((row) => row.code === code),
)

export class UpdateDecoder {
  // The answers. They hold until the next `decode`; places are indexes into `bytes`; an empty range is start = end.
  // After a MessageError none of them means anything.

  /** The array that was handed in. */
  bytes: Uint8Array = NOTHING
  /** Withdrawn Routes and NLRI of IPv4, outside of the attributes. */
  withdrawnStart = 0
  withdrawnEnd = 0
  nlriStart = 0
  nlriEnd = 0
  /** NEXT_HOP, four octets, or −1. It counts for the NLRI above, not for MP_REACH_NLRI (RFC 4760 §3). */
  nextHopStart = -1
  /** MP_UNREACH_NLRI of a family both agreed on. */
  unreachFamily: Family | undefined = undefined
  unreachStart = 0
  unreachEnd = 0
  /** MP_REACH_NLRI of a family both agreed on. */
  reachFamily: Family | undefined = undefined
  reachStart = 0
  reachEnd = 0
  reachNextHopStart = 0
  reachNextHopLength = 0
  /**
   * The first `attributesLength` octets: by ascending type code, flags and lengths in canonical form, AS numbers in
   * four octets, without next hops, NLRI and what was dropped. Nothing when no route is announced.
   */
  attributes: Uint8Array = new Uint8Array(4096)
  attributesLength = 0
  /** RFC 7606 §2: the announced routes are to be withdrawn instead. */
  treatAsWithdraw = false
  problems: readonly UpdateProblem[] = NO_PROBLEMS
  /** RFC 4724 §2. */
  endOfRib: Family | undefined = undefined

  // What the context says, looked up once per context.
  #context: WireContext | undefined
  #external = false
  #ignoredFrom = 0
  #width: AsWidth = 4
  #exactly = EXACTLY
  #ipv4 = false
  #ipv4AddPath = false

  // By type code: the message in which an attribute was last seen, and was last found good, and where it begins.
  readonly #seen = new Uint32Array(256)
  readonly #good = new Uint32Array(256)
  readonly #where = new Int32Array(256)
  #message = 0
  #count = 0
  #lastGood = 0
  #inOrder = true
  /** Routes are announced, be it in a family that we leave aside. */
  #reachable = false
  /** The answer to the first fault that is more than a discard, if the session has to end over it. */
  #reset: MessageError | undefined

  /** Reads the message in [start, end), header included. An error ends the session. */
  decode(bytes: Uint8Array, start: number, end: number, context: WireContext): MessageError | undefined {
    if (context !== this.#context) this.#adopt(context)
    this.#begin(bytes, end)

    // RFC 7606 §3 b: the two lengths must fit into the message, or nothing in it can be found.
    const withdrawnStart = start + HEADER_LENGTH + 2
    if (withdrawnStart + 2 > end) return this.#misfit()
    const withdrawnEnd = withdrawnStart + u16(bytes, withdrawnStart - 2)
    if (withdrawnEnd + 2 > end) return this.#misfit()
    const attributesStart = withdrawnEnd + 2
    // RFC 7606 §4: this length finds the NLRI, whatever the attributes themselves say.
    const nlriStart = attributesStart + u16(bytes, withdrawnEnd)
    if (nlriStart > end) return this.#misfit()

    const error = this.#takeClassic(withdrawnStart, withdrawnEnd, nlriStart, end)
    if (error !== undefined) return error
    const attributeError = this.#walk(attributesStart, nlriStart)
    if (attributeError !== undefined) return attributeError
    if (withdrawnStart === withdrawnEnd && nlriStart === end) this.#findEndOfRib(attributesStart === nlriStart)
    return this.#conclude(nlriStart < end)
  }

  #adopt(context: WireContext): void {
    this.#context = context
    this.#external = context.peerType === 'external'
    this.#ignoredFrom =
      (this.#external ? IGNORED_FROM.external : 0) | (context.fourOctetAs ? IGNORED_FROM['four-octet'] : 0)
    this.#width = context.fourOctetAs ? 4 : 2
    this.#exactly = context.fourOctetAs ? EXACTLY : EXACTLY_OLD
    this.#ipv4 = context.families.includes('ipv4')
    this.#ipv4AddPath = context.addPath.includes('ipv4')
  }

  #begin(bytes: Uint8Array, end: number): void {
    this.bytes = bytes
    this.withdrawnStart = this.withdrawnEnd = this.nlriStart = this.nlriEnd = end
    this.unreachStart = this.unreachEnd = this.reachStart = this.reachEnd = end
    this.nextHopStart = -1
    this.unreachFamily = undefined
    this.reachFamily = undefined
    this.reachNextHopStart = end
    this.reachNextHopLength = 0
    this.attributesLength = 0
    this.treatAsWithdraw = false
    this.problems = NO_PROBLEMS
    this.endOfRib = undefined
    this.#count = 0
    this.#lastGood = 0
    this.#inOrder = true
    this.#reachable = false
    this.#reset = undefined
    this.#message++
    if (this.#message > 0x3fffffff) this.#forget()
  }

  /** Message numbers start again before they outgrow a small integer. */
  #forget(): void {
    this.#seen.fill(0)
    this.#good.fill(0)
    this.#message = 1
  }

  #takeClassic(
    withdrawnStart: number,
    withdrawnEnd: number,
    nlriStart: number,
    nlriEnd: number,
  ): MessageError | undefined {
    if (nlriStart < nlriEnd) this.#reachable = true
    if (!this.#ipv4) {
      // RFC 4760 §8: not agreed on, so it does not concern us.
      if (withdrawnStart < withdrawnEnd || nlriStart < nlriEnd) {
        this.#problem('discard', undefined, 'IPv4 routes are ignored: the family was not agreed on')
      }
      return undefined
    }
    // RFC 7606 §5.3, §3 i.
    if (checkNlri(this.bytes, withdrawnStart, withdrawnEnd, 'ipv4', this.#ipv4AddPath) >= 0) {
      return updateError(UPDATE_ERROR.invalidNetwork, 'Withdrawn Routes holds a broken prefix')
    }
    if (checkNlri(this.bytes, nlriStart, nlriEnd, 'ipv4', this.#ipv4AddPath) >= 0) {
      return updateError(UPDATE_ERROR.invalidNetwork, 'NLRI holds a broken prefix')
    }
    this.withdrawnStart = withdrawnStart
    this.withdrawnEnd = withdrawnEnd
    this.nlriStart = nlriStart
    this.nlriEnd = nlriEnd
    return undefined
  }

  #walk(start: number, end: number): MessageError | undefined {
    const bytes = this.bytes
    if (end - start > this.attributes.length) this.attributes = new Uint8Array(0x10000)
    let at = start
    while (at < end) {
      const attribute = at
      const flags = bytes[at] as number
      const extended = (flags & FLAG.extendedLength) !== 0
      const value = at + (extended ? 4 : 3)
      // RFC 7606 §4: too few octets left for an attribute, or fewer than it says.
      if (value > end) return this.#overrun(attribute, end)
      const type = bytes[at + 1] as number
      const length = extended ? u16(bytes, at + 2) : (bytes[at + 2] as number)
      at = value + length
      if (at > end) return this.#overrun(attribute, end)

      this.#count++
      if (this.#seen[type] === this.#message) {
        // RFC 7606 §3 g.
        if (type === ATTRIBUTE.mpReach || type === ATTRIBUTE.mpUnreach) {
          return updateError(UPDATE_ERROR.malformedAttributeList, `${attributeName(type)} appears twice`)
        }
        this.#discard(type, 'appears twice: the first one counts')
        continue
      }
      this.#seen[type] = this.#message
      const error =
        FLAGS[type] === 0 ? this.#takeUnknown(type, attribute, value, at) : this.#takeKnown(type, attribute, value, at)
      if (error !== undefined) return error
    }
    return undefined
  }

  #takeUnknown(type: number, attribute: number, value: number, end: number): undefined {
    const flags = this.bytes[attribute] as number
    // RFC 4271 §6.3 ends the session over it; RFC 7606 §3 wants no more lost than the routes that carry it.
    if ((flags & FLAG.optional) === 0) {
      const text = 'is not optional and unknown'
      return this.#withdraw(type, UPDATE_ERROR.unrecognizedWellKnown, text, attribute, end)
    }
    // RFC 4271 §5, §9: passed on with Partial set if transitive, otherwise quietly dropped.
    if ((flags & FLAG.transitive) !== 0) this.#keep(type, attribute, value, end)
    return undefined
  }

  #takeKnown(type: number, attribute: number, value: number, end: number): MessageError | undefined {
    // RFC 7606 §7.5, §7.9, §7.10; RFC 6793 §4.1: dropped unread.
    if (((IGNORED[type] as number) & this.#ignoredFrom) !== 0) {
      this.#discard(type, 'must not come from this peer')
      return undefined
    }
    // RFC 7606 §3 c: Optional and Transitive, no other bit.
    if (((this.bytes[attribute] as number) & OPTIONAL_TRANSITIVE) !== FLAGS[type]) {
      return this.#faultyFlags(type, attribute, end)
    }
    const length = end - value
    const exactly = this.#exactly[type] as number
    const times = TIMES[type] as number
    if ((exactly !== ANY && length !== exactly) || (times !== 0 && (length === 0 || length % times !== 0))) {
      return this.#malformed(type, UPDATE_ERROR.attributeLength, `has length ${length}`, attribute, end)
    }
    return this.#takeValue(type, attribute, value, end)
  }

  #takeValue(type: number, attribute: number, value: number, end: number): MessageError | undefined {
    const bytes = this.bytes
    let why: string | undefined
    switch (type) {
      case ATTRIBUTE.origin:
        if ((bytes[value] as number) > 2) why = `is ${bytes[value]}`
        break
      case ATTRIBUTE.asPath:
        why = whyNotPath(bytes, value, end, this.#width, this.#external)
        // RFC 4271 §5.1.2 b 2: every speaker puts its own AS into what it sends to another AS.
        if (value === end && this.#external) why = 'is empty'
        break
      case ATTRIBUTE.nextHop:
        // Judged with the NLRI it is for.
        this.nextHopStart = value
        return undefined
      case ATTRIBUTE.aggregator:
        if (isZero(bytes, value, value + this.#width)) why = BROKEN_PATH.zero
        break
      case ATTRIBUTE.mpReach:
        return this.#takeReach(attribute, value, end)
      case ATTRIBUTE.mpUnreach:
        return this.#takeUnreach(attribute, value, end)
      case ATTRIBUTE.as4Path:
        why = value === end ? 'is empty' : whyNotPath(bytes, value, end, 4, false)
        // RFC 9774 §3 counts AS4_PATH, too.
        if (why === BROKEN_PATH.set) {
          return this.#withdraw(type, UPDATE_ERROR.malformedAsPath, why, attribute, end)
        }
        break
      case ATTRIBUTE.as4Aggregator:
        if (isZero(bytes, value, value + 4)) why = BROKEN_PATH.zero
        break
    }
    if (why !== undefined) {
      return this.#malformed(type, ROWS[type]?.subcode ?? UPDATE_ERROR.optionalAttribute, why, attribute, end)
    }
    this.#keep(type, attribute, value, end)
    return undefined
  }

  /**
   * MP_REACH_NLRI (RFC 4760 §3). Whatever is wrong ends the session: the routes cannot be found (RFC 7606 §7.11).
   *
   *     | AFI 2 | SAFI 1 | length 1 | next hop … | reserved 1 | NLRI … |
   */
  #takeReach(attribute: number, value: number, end: number): MessageError | undefined {
    const bytes = this.bytes
    if (end - value < 5) return this.#wrongMp(ATTRIBUTE.mpReach, `has length ${end - value}`, attribute, end)
    const nextHopLength = bytes[value + 3] as number
    const nlriStart = value + 5 + nextHopLength
    if (nlriStart > end) {
      return this.#wrongMp(ATTRIBUTE.mpReach, `has a next hop of ${nextHopLength} octets`, attribute, end)
    }
    if (nlriStart < end) this.#reachable = true
    const family = this.#agreed(ATTRIBUTE.mpReach, value)
    if (family === undefined) return undefined
    if (!this.#nextHopFits(family, nextHopLength)) {
      return this.#wrongMp(ATTRIBUTE.mpReach, `has a next hop of ${nextHopLength} octets`, attribute, end)
    }
    if (checkNlri(bytes, nlriStart, end, family, this.#addPath(family)) >= 0) {
      return this.#wrongMp(ATTRIBUTE.mpReach, 'holds a broken prefix', attribute, end)
    }
    this.reachFamily = family
    this.reachStart = nlriStart
    this.reachEnd = end
    this.reachNextHopStart = value + 4
    this.reachNextHopLength = nextHopLength
    if (nlriStart < end) {
      const why = whyNotNextHop(bytes, value + 4, nextHopLength)
      if (why !== undefined) {
        return this.#withdraw(ATTRIBUTE.mpReach, UPDATE_ERROR.optionalAttribute, why, attribute, end)
      }
    }
    return undefined
  }

  /** RFC 2545 §3: global, or global and link-local. RFC 8950 §4: IPv6 next hops for IPv4 where both agreed. */
  #nextHopFits(family: Family, length: number): boolean {
    if (family === 'ipv4' && length === 4) return true
    return (length === 16 || length === 32) && (family === 'ipv6' || this.#context?.extendedNextHop === true)
  }

  /**
   * MP_UNREACH_NLRI (RFC 4760 §4).
   *
   *     | AFI 2 | SAFI 1 | withdrawn routes … |
   */
  #takeUnreach(attribute: number, value: number, end: number): MessageError | undefined {
    if (end - value < 3) return this.#wrongMp(ATTRIBUTE.mpUnreach, `has length ${end - value}`, attribute, end)
    const family = this.#agreed(ATTRIBUTE.mpUnreach, value)
    if (family === undefined) return undefined
    if (checkNlri(this.bytes, value + 3, end, family, this.#addPath(family)) >= 0) {
      return this.#wrongMp(ATTRIBUTE.mpUnreach, 'holds a broken prefix', attribute, end)
    }
    this.unreachFamily = family
    this.unreachStart = value + 3
    this.unreachEnd = end
    return undefined
  }

  /** The family at `value`; undefined, and told, where it was not agreed on. */
  #agreed(type: number, value: number): Family | undefined {
    const afi = u16(this.bytes, value)
    const safi = this.bytes[value + 2] as number
    const family = familyOf(afi, safi)
    if (family !== undefined && this.#context?.families.includes(family)) return family
    this.#discard(type, `is ignored: AFI ${afi} SAFI ${safi} was not agreed on`)
    return undefined
  }

  #addPath(family: Family): boolean {
    return this.#context?.addPath.includes(family) === true
  }

  /** RFC 4724 §2: nothing at all for IPv4; only an MP_UNREACH_NLRI without routes for any family. */
  #findEndOfRib(empty: boolean): void {
    if (empty) this.endOfRib = this.#ipv4 ? 'ipv4' : undefined
    else if (this.#count === 1 && this.unreachStart === this.unreachEnd) this.endOfRib = this.unreachFamily
  }

  #conclude(classic: boolean): MessageError | undefined {
    if (this.#reachable) this.#whyNotComplete(classic)
    if (this.#reachable && this.#reset === undefined && (!this.#inOrder || this.#width === 2)) this.#rebuild()
    if (this.#reset === undefined) {
      if (!this.#reachable) this.attributesLength = 0
      return undefined
    }
    // RFC 7606 §5.2: attributes without routes, and one of them wrong: the routes may have been overlooked.
    if (!this.#reachable) return this.#reset
    this.treatAsWithdraw = true
    this.attributesLength = 0
    return undefined
  }

  /** RFC 7606 §3 d. NEXT_HOP only counts for NLRI outside of MP_REACH_NLRI (RFC 4760 §3). */
  #whyNotComplete(classic: boolean): void {
    const message = this.#message
    if (this.#seen[ATTRIBUTE.origin] !== message) this.#missing(ATTRIBUTE.origin)
    if (this.#seen[ATTRIBUTE.asPath] !== message) this.#missing(ATTRIBUTE.asPath)
    if (!classic) return
    if (this.#seen[ATTRIBUTE.nextHop] !== message) this.#missing(ATTRIBUTE.nextHop)
    else if (this.nextHopStart >= 0) {
      const why = whyNotNextHop(this.bytes, this.nextHopStart, 4)
      // RFC 4271 §6.3, RFC 7606 §7.3.
      if (why !== undefined) {
        const end = this.nextHopStart + 4
        this.#withdraw(ATTRIBUTE.nextHop, UPDATE_ERROR.invalidNextHop, why, this.nextHopStart, end)
      }
    }
  }

  #missing(type: number): void {
    this.#withdraw(type, UPDATE_ERROR.missingWellKnown, 'is missing', 0, 0)
  }

  /** Notes a good attribute, and writes it down at once while they come in ascending order. */
  #keep(type: number, attribute: number, value: number, end: number): void {
    this.#good[type] = this.#message
    this.#where[type] = attribute
    if (type < this.#lastGood) this.#inOrder = false
    this.#lastGood = type
    // From a peer with two-octet AS numbers the block can only be written when AS4_PATH has been seen.
    if (this.#inOrder && this.#width === 4)
      this.#write(type, this.#canonicalFlags(type, attribute), this.bytes, value, end)
  }

  #canonicalFlags(type: number, attribute: number): number {
    const flags = FLAGS[type] as number
    if (flags === 0 || isOpaque(type)) return OPTIONAL_TRANSITIVE | FLAG.partial
    // RFC 4271 §5: once set on the way, Partial stays.
    return flags === OPTIONAL_TRANSITIVE ? flags | ((this.bytes[attribute] as number) & FLAG.partial) : flags
  }

  #write(type: number, flags: number, source: Uint8Array, start: number, end: number): void {
    const out = this.attributes
    let at = this.attributesLength
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
    this.attributesLength = at
  }

  /** Writes the block from the places noted: attributes out of order, or two-octet AS numbers. */
  #rebuild(): void {
    this.attributesLength = 0
    const path = this.#width === 2 ? this.#widePath() : undefined
    if (path !== undefined && path.length > 0xffff) {
      const text = 'is too long in four-octet AS numbers'
      this.#withdraw(ATTRIBUTE.asPath, UPDATE_ERROR.malformedAsPath, text, 0, 0)
      return
    }
    // An AGGREGATOR grows by two octets, everything else stays or shrinks.
    const room = 0x10000 + (path?.length ?? 0)
    if (path !== undefined && this.attributes.length < room) this.attributes = new Uint8Array(room)
    for (let type = 0; type < 256; type++) {
      if (this.#good[type] !== this.#message) continue
      const attribute = this.#where[type] as number
      const flags = this.#canonicalFlags(type, attribute)
      if (type === ATTRIBUTE.as4Path || type === ATTRIBUTE.as4Aggregator) continue
      if (type === ATTRIBUTE.asPath && path !== undefined) this.#write(type, flags, path, 0, path.length)
      else if (type === ATTRIBUTE.aggregator && path !== undefined) this.#writeWideAggregator(flags)
      else this.#write(type, flags, this.bytes, this.#valueOf(type), this.#endOf(type))
    }
  }

  #isGood(type: number): boolean {
    return this.#good[type] === this.#message
  }

  #valueOf(type: number): number {
    const attribute = this.#where[type] as number
    return attribute + (((this.bytes[attribute] as number) & FLAG.extendedLength) !== 0 ? 4 : 3)
  }

  #endOf(type: number): number {
    const value = this.#valueOf(type)
    const extended = value - (this.#where[type] as number) === 4
    return value + (extended ? u16(this.bytes, value - 2) : (this.bytes[value - 1] as number))
  }

  /** RFC 6793 §4.2.3: an aggregator that is not AS_TRANS knew nothing of AS4_AGGREGATOR and AS4_PATH. */
  #as4Counts(): boolean {
    if (!this.#isGood(ATTRIBUTE.aggregator) || !this.#isGood(ATTRIBUTE.as4Aggregator)) return true
    return u16(this.bytes, this.#valueOf(ATTRIBUTE.aggregator)) === AS_TRANS
  }

  #widePath(): Uint8Array {
    const path = this.#segments(ATTRIBUTE.asPath, 2)
    const useAs4 = this.#isGood(ATTRIBUTE.as4Path) && this.#as4Counts()
    return writeSegments(useAs4 ? mergeAs4Path(path, this.#segments(ATTRIBUTE.as4Path, 4)) : path, 4)
  }

  #segments(type: number, width: AsWidth) {
    return readSegments(this.bytes, this.#valueOf(type), this.#endOf(type), width)
  }

  #writeWideAggregator(flags: number): void {
    if (this.#isGood(ATTRIBUTE.as4Aggregator) && this.#as4Counts()) {
      const value = this.#valueOf(ATTRIBUTE.as4Aggregator)
      this.#write(ATTRIBUTE.aggregator, flags, this.bytes, value, value + 8)
    } else {
      const value = this.#valueOf(ATTRIBUTE.aggregator)
      const wide = new Uint8Array(8)
      wide.set(this.bytes.subarray(value, value + 6), 2)
      this.#write(ATTRIBUTE.aggregator, flags, wide, 0, 8)
    }
  }

  // Faults.

  #misfit(): MessageError {
    return updateError(UPDATE_ERROR.malformedAttributeList, 'the lengths of an UPDATE exceed the message')
  }

  /** RFC 7606 §4. Routes inside MP_REACH_NLRI or MP_UNREACH_NLRI can then not be found (§3 j). */
  #overrun(attribute: number, end: number): MessageError | undefined {
    const type = end - attribute >= 2 ? (this.bytes[attribute + 1] as number) : undefined
    const text = 'reaches past the Total Path Attribute Length'
    if (type === ATTRIBUTE.mpReach || type === ATTRIBUTE.mpUnreach) return this.#wrongMp(type, text, attribute, end)
    return this.#withdraw(type, UPDATE_ERROR.malformedAttributeList, text, attribute, end)
  }

  #faultyFlags(type: number, attribute: number, end: number): MessageError | undefined {
    const action = ROWS[type]?.wrongFlags ?? 'withdraw'
    const text = `has flags 0x${(this.bytes[attribute] as number).toString(16).padStart(2, '0')}`
    return this.#fault(action, type, UPDATE_ERROR.attributeFlags, text, attribute, end)
  }

  #malformed(type: number, subcode: number, text: string, attribute: number, end: number): MessageError | undefined {
    return this.#fault(ROWS[type]?.malformed ?? 'withdraw', type, subcode, text, attribute, end)
  }

  #fault(
    action: UpdateAction | 'reset',
    type: number,
    subcode: number,
    text: string,
    attribute: number,
    end: number,
  ): MessageError | undefined {
    if (action === 'reset') return this.#attributeError(type, subcode, text, attribute, end)
    if (action === 'withdraw') return this.#withdraw(type, subcode, text, attribute, end)
    this.#discard(type, text)
    return undefined
  }

  #discard(type: number, text: string): void {
    this.#problem('discard', type, `${nameOf(type)} ${text}`)
  }

  #withdraw(type: number | undefined, subcode: number, text: string, attribute: number, end: number): undefined {
    this.#problem('withdraw', type, `${nameOf(type)} ${text}`)
    this.#reset ??= this.#attributeError(type, subcode, text, attribute, end)
    return undefined
  }

  /** RFC 4760 §7. */
  #wrongMp(type: number, text: string, attribute: number, end: number): MessageError {
    return this.#attributeError(type, UPDATE_ERROR.optionalAttribute, text, attribute, end)
  }

  /** RFC 4271 §6.3: Data is the attribute, for the subcodes that are about one. */
  #attributeError(
    type: number | undefined,
    subcode: number,
    text: string,
    attribute: number,
    end: number,
  ): MessageError {
    const data =
      subcode === UPDATE_ERROR.malformedAttributeList || subcode === UPDATE_ERROR.malformedAsPath
        ? NOTHING
        : this.bytes.slice(attribute, end)
    return updateError(subcode, `${nameOf(type)} ${text}`, data)
  }

  #problem(action: UpdateAction, attribute: number | undefined, text: string): void {
    if (this.problems.length >= MOST_PROBLEMS) return
    this.problems = [...this.problems, { kind: 'update-problem', action, attribute, text }]
  }
}

const nameOf = (type: number | undefined): string => (type === undefined ? 'an attribute' : attributeName(type))

const updateError = (subcode: number, text: string, data = NOTHING): MessageError =>
  messageError(ERROR.update, subcode, text, data)

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}
