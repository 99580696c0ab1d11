/**
 * The decoder of UPDATE (RFC 4271 §4.3). In: a whole message and what both sides negotiated. Out: offsets in that message,
 * and one block of attributes in canonical form, so that equal attributes are equal bytes. Errors are answered as RFC 7606
 * requires.
 *
 *     | header 19 | length 2 | withdrawn routes … | length 2 | path attributes … | NLRI … |
 *     attribute:  | flags 1 | type 1 | length 1, or 2 with the extended length bit | value … |
 *
 * There may be hundreds of thousands of routes, so a valid message causes no allocation: one decoder is used for all, its
 * results are fields, and it walks the bytes by index.
 */
import { readU16 } from '../../base/bytes.ts'
import { type Family, familyOfPair } from '../../base/family.ts'
import { type AsWidth, BROKEN_PATH, whyNotPath } from './as-path.ts'
import { AttributeBlock, MOST_ROUNDS } from './attribute-block.ts'
import { ATTRIBUTE, FLAG, OPTIONAL_TRANSITIVE } from './attribute-rows.ts'
import { ANY, EXACTLY, EXACTLY_OLD, FLAGS, IGNORED, IGNORED_FROM, rowOf, TIMES } from './attribute-tables.ts'
import type { WireContext } from './context.ts'
import type { MessageError, UpdateProblem } from './error.ts'
import { HEADER_LENGTH } from './header.ts'
import { checkNlri } from './nlri.ts'
import { UPDATE_ERROR } from './notification.ts'
import { UpdateFaults, updateError } from './update-faults.ts'

const NOTHING = new Uint8Array(0)
const NO_PROBLEMS: readonly UpdateProblem[] = []

export class UpdateDecoder {
  // The results, valid until the next `decode`. Offsets are indexes into `bytes`; an empty range is start = end.
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
  attributes: Uint8Array = NOTHING
  attributesLength = 0
  /** RFC 7606 §2: the announced routes are to be withdrawn instead. */
  treatAsWithdraw = false
  problems: readonly UpdateProblem[] = NO_PROBLEMS
  /** RFC 4724 §2. */
  endOfRib: Family | undefined = undefined

  // Derived from the context, once per context.
  #context: WireContext | undefined
  #external = false
  #ignoredFrom = 0
  #width: AsWidth = 4
  #exactly = EXACTLY
  #ipv4 = false
  #ipv4AddPath = false

  readonly #block = new AttributeBlock()
  readonly #faults = new UpdateFaults()
  /** By type code: the number of the message in which the attribute was last seen. */
  readonly #seen = new Uint32Array(256)
  /** The number of this message, and how many attributes it has. */
  #message = 0
  #count = 0
  /** Routes are announced, perhaps in a family that was not negotiated. */
  #reachable = false

  /** Reads the message in [start, end), header included. An error ends the session. */
  decode(bytes: Uint8Array, start: number, end: number, context: WireContext): MessageError | undefined {
    if (context !== this.#context) this.#adopt(context)
    this.#begin(bytes, end)

    // RFC 7606 §3 b: the two lengths must fit into the message, or nothing in it can be found.
    const withdrawnStart = start + HEADER_LENGTH + 2
    if (withdrawnStart + 2 > end) return misfit()
    const withdrawnEnd = withdrawnStart + readU16(bytes, withdrawnStart - 2)
    if (withdrawnEnd + 2 > end) return misfit()
    const attributesStart = withdrawnEnd + 2
    // RFC 7606 §4: this length finds the NLRI, whatever the attributes themselves say.
    const nlriStart = attributesStart + readU16(bytes, withdrawnEnd)
    if (nlriStart > end) return misfit()

    const error =
      this.#takeClassic(withdrawnStart, withdrawnEnd, nlriStart, end) ?? this.#walk(attributesStart, nlriStart)
    if (error !== undefined) return error
    if (withdrawnStart === withdrawnEnd && nlriStart === end) this.#findEndOfRib(attributesStart === nlriStart)
    return this.#conclude(nlriStart < end)
  }

  #adopt(context: WireContext): void {
    this.#context = context
    this.#external = context.peerType === 'external'
    this.#ignoredFrom = IGNORED_FROM[this.#external ? 'external' : 'nobody']
    if (context.fourOctetAs) this.#ignoredFrom |= IGNORED_FROM['four-octet']
    this.#width = context.fourOctetAs ? 4 : 2
    this.#exactly = context.fourOctetAs ? EXACTLY : EXACTLY_OLD
    this.#ipv4 = context.families.includes('ipv4')
    this.#ipv4AddPath = this.#addPath('ipv4')
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
    this.endOfRib = undefined
    this.#faults.begin(bytes)
    this.problems = this.#faults.problems
    this.#count = 0
    this.#reachable = false
    this.#message++
    if (this.#message > MOST_ROUNDS) {
      this.#seen.fill(0)
      this.#message = 1
    }
  }

  /** Withdrawn Routes and NLRI: IPv4 routes outside of the attributes. */
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
        this.#faults.discard(undefined, 'with IPv4 routes: they are ignored, as the family was not agreed on')
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
    this.#block.begin(bytes, end - start, this.#width)
    let at = start
    while (at < end) {
      const attribute = at
      const extended = ((bytes[at] as number) & FLAG.extendedLength) !== 0
      const value = at + (extended ? 4 : 3)
      // RFC 7606 §4: too few octets left for an attribute, or fewer than it says.
      if (value > end) return this.#overrun(attribute, end)
      at = value + (extended ? readU16(bytes, at + 2) : (bytes[at + 2] as number))
      if (at > end) return this.#overrun(attribute, end)

      const type = bytes[attribute + 1] as number
      const error = this.#seen[type] === this.#message ? this.#takeAgain(type) : this.#take(type, attribute, value, at)
      if (error !== undefined) return error
    }
    return undefined
  }

  /** The attribute reaches past the end. If it may hold routes, these cannot be found: that ends the session (RFC 7606 §3 j). */
  #overrun(attribute: number, end: number): MessageError | undefined {
    const type = attribute + 1 < end ? this.bytes[attribute + 1] : undefined
    const text = 'reaches past the Total Path Attribute Length'
    const faults = this.#faults
    if (isMp(type)) return faults.reset(type, UPDATE_ERROR.optionalAttribute, text, attribute, end)
    return faults.withdraw(type, UPDATE_ERROR.malformedAttributeList, text, attribute, end)
  }

  /** RFC 7606 §3 g: a second MP_REACH_NLRI or MP_UNREACH_NLRI ends the session, any other attribute is discarded. */
  #takeAgain(type: number): MessageError | undefined {
    this.#count++
    if (isMp(type)) return this.#faults.reset(type, UPDATE_ERROR.malformedAttributeList, 'appears twice', 0, 0)
    this.#faults.discard(type, 'appears twice: the first one counts')
    return undefined
  }

  #take(type: number, attribute: number, value: number, end: number): MessageError | undefined {
    this.#count++
    this.#seen[type] = this.#message
    const flags = (this.bytes[attribute] as number) & OPTIONAL_TRANSITIVE
    if (FLAGS[type] === 0) return this.#takeUnknown(type, flags, attribute, value, end)
    // RFC 7606 §7.5, §7.9, §7.10; RFC 6793 §4.1: dropped unread.
    if (((IGNORED[type] as number) & this.#ignoredFrom) !== 0) {
      this.#faults.discard(type, 'must not come from this peer')
      return undefined
    }
    // RFC 7606 §3 c: Optional and Transitive, no other bit. The routes of MP attributes can be found all the same.
    if (flags !== FLAGS[type]) {
      this.#faults.wrongFlags(type, attribute, end)
      if (!isMp(type)) return undefined
    }
    const length = end - value
    const exactly = this.#exactly[type] as number
    const times = TIMES[type] as number
    if ((exactly !== ANY && length !== exactly) || (times !== 0 && (length === 0 || length % times !== 0))) {
      return this.#faults.malformed(type, UPDATE_ERROR.attributeLength, `has length ${length}`, attribute, end)
    }
    if (type === ATTRIBUTE.mpReach) return this.#takeReach(attribute, value, end)
    if (type === ATTRIBUTE.mpUnreach) return this.#takeUnreach(attribute, value, end)
    return this.#takeValue(type, attribute, value, end)
  }

  #takeUnknown(type: number, flags: number, attribute: number, value: number, end: number): undefined {
    // RFC 4271 §6.3 ends the session over it; RFC 7606 wants no more lost than the routes that carry it.
    if ((flags & FLAG.optional) === 0) {
      return this.#faults.withdraw(type, UPDATE_ERROR.unrecognizedWellKnown, 'is not known', attribute, end)
    }
    // RFC 4271 §9: passed on if transitive, otherwise quietly dropped.
    if ((flags & FLAG.transitive) !== 0) this.#block.keep(type, attribute, value, end)
    return undefined
  }

  #takeValue(type: number, attribute: number, value: number, end: number): MessageError | undefined {
    if (type === ATTRIBUTE.nextHop) {
      // Whether it leads anywhere (RFC 4271 §6.3) is for the RIB, which knows the neighbor and keeps the reason.
      this.nextHopStart = value
      return undefined
    }
    const why = this.#whyNotValue(type, value, end)
    if (why === undefined) {
      this.#block.keep(type, attribute, value, end)
      return undefined
    }
    // RFC 9774 §3 wants routes with sets withdrawn, also where they are only in AS4_PATH.
    if (why === BROKEN_PATH.set) {
      return this.#faults.withdraw(type, UPDATE_ERROR.malformedAsPath, why, attribute, end)
    }
    const subcode = rowOf(type)?.subcode ?? UPDATE_ERROR.optionalAttribute
    return this.#faults.malformed(type, subcode, why, attribute, end)
  }

  #whyNotValue(type: number, value: number, end: number): string | undefined {
    const bytes = this.bytes
    switch (type) {
      case ATTRIBUTE.origin:
        return (bytes[value] as number) > 2 ? `is ${bytes[value]}` : undefined
      case ATTRIBUTE.asPath:
        // RFC 4271 §5.1.2 b: every speaker puts its own AS into what it sends to another AS.
        if (value === end) return this.#external ? 'is empty' : undefined
        return whyNotPath(bytes, value, end, this.#width, this.#external)
      case ATTRIBUTE.as4Path:
        return value === end ? 'is empty' : whyNotPath(bytes, value, end, 4, false)
      // RFC 7607 §2: AS 0 is malformed in AGGREGATOR and AS4_AGGREGATOR too.
      case ATTRIBUTE.aggregator:
        return isZero(bytes, value, value + this.#width) ? BROKEN_PATH.zero : undefined
      case ATTRIBUTE.as4Aggregator:
        return isZero(bytes, value, value + 4) ? BROKEN_PATH.zero : undefined
      default:
        return undefined
    }
  }

  /**
   * MP_REACH_NLRI (RFC 4760 §3). Where it is wrong, its routes cannot be found: that ends the session (RFC 7606 §7.11).
   *
   *     | AFI 2 | SAFI 1 | length 1 | next hop … | reserved 1 | NLRI … |
   */
  #takeReach(attribute: number, value: number, end: number): MessageError | undefined {
    const bytes = this.bytes
    if (end - value < 3) return this.#wrongMp(ATTRIBUTE.mpReach, 'is too short', attribute, end)
    const family = this.#agreed(ATTRIBUTE.mpReach, value)
    const nextHopLength = end - value < 5 ? 0 : (bytes[value + 3] as number)
    const nlriStart = value + 5 + nextHopLength
    // In a family that was not negotiated, even a malformed attribute may have routes.
    if (nlriStart < end || (family === undefined && nlriStart > end)) this.#reachable = true
    if (family === undefined) return undefined
    if (nlriStart > end) return this.#wrongMp(ATTRIBUTE.mpReach, 'is too short', attribute, end)
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
    if (end - value < 3) return this.#wrongMp(ATTRIBUTE.mpUnreach, 'is too short', attribute, end)
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

  /** RFC 4760 §7. */
  #wrongMp(type: number, text: string, attribute: number, end: number): MessageError {
    return this.#faults.reset(type, UPDATE_ERROR.optionalAttribute, text, attribute, end)
  }

  /** The family at `value`; undefined, and reported, if it was not negotiated. */
  #agreed(type: number, value: number): Family | undefined {
    const afi = readU16(this.bytes, value)
    const safi = this.bytes[value + 2] as number
    const family = familyOfPair(afi, safi)
    if (family !== undefined && this.#context?.families.includes(family)) return family
    this.#faults.discard(type, `is ignored: AFI ${afi} SAFI ${safi} was not agreed on`)
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

  /** `classic`: the message has NLRI outside of the attributes. */
  #conclude(classic: boolean): MessageError | undefined {
    if (this.#reachable) this.#complete(classic)
    this.problems = this.#faults.problems
    if (this.#faults.withdrawn === undefined) return undefined
    // RFC 7606 §5.2: attributes without routes, and one of them wrong: the routes may have been overlooked.
    if (!this.#reachable) return this.#faults.withdrawn
    this.treatAsWithdraw = true
    this.attributesLength = 0
    return undefined
  }

  /** What the announced routes need: the attributes that must be there (RFC 7606 §3 d), and the block of all. */
  #complete(classic: boolean): void {
    this.#demand(ATTRIBUTE.origin)
    this.#demand(ATTRIBUTE.asPath)
    // NEXT_HOP is for the NLRI outside of MP_REACH_NLRI, and only there (RFC 4760 §3).
    if (classic) this.#demand(ATTRIBUTE.nextHop)
    if (this.#faults.withdrawn !== undefined) return
    const why = this.#block.finish()
    if (why !== undefined) this.#faults.withdraw(ATTRIBUTE.asPath, UPDATE_ERROR.malformedAsPath, why, 0, 0)
    this.attributes = this.#block.bytes
    this.attributesLength = this.#block.length
  }

  #demand(type: number): void {
    if (this.#seen[type] === this.#message) return
    this.#faults.withdraw(type, UPDATE_ERROR.missingWellKnown, 'is missing', 0, 0)
  }
}

const isMp = (type: number | undefined): boolean => type === ATTRIBUTE.mpReach || type === ATTRIBUTE.mpUnreach

const misfit = (): MessageError =>
  updateError(UPDATE_ERROR.malformedAttributeList, 'the lengths in an UPDATE exceed the message')

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}
