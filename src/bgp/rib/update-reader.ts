/**
 * Reads one UPDATE of a neighbor into the tables: its attributes and next hops are interned, its routes announced to and
 * withdrawn from the family they belong to.
 */
import type { Family } from '../../base/family.ts'
import type { Millis } from '../../base/units.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import { LONGEST } from '../route/byte-table.ts'
import { type NextHopTable, withoutGlobal } from '../route/next-hop-table.ts'
import type { MessageError, UpdateProblem } from '../wire/error.ts'
import { UpdateDecoder } from '../wire/update.ts'
import { emptyAnnouncement, emptyRange, NO_BYTES } from './announcement.ts'
import type { FamilyRib } from './family-rib.ts'
import type { PeerSlot } from './peers.ts'

export class UpdateReader {
  readonly #attributes: AttributeTable
  readonly #nextHops: NextHopTable
  readonly #ribs: Readonly<Record<Family, FamilyRib>>
  readonly #decoder = new UpdateDecoder()
  readonly #announcement = emptyAnnouncement()
  readonly #nextHop = emptyRange()

  constructor(attributes: AttributeTable, nextHops: NextHopTable, ribs: Readonly<Record<Family, FamilyRib>>) {
    this.#attributes = attributes
    this.#nextHops = nextHops
    this.#ribs = ribs
  }

  /**
   * One UPDATE, header included, in [start, end). Nothing of `bytes` is kept. Returns why the session must be reset; otherwise
   * `problems` and `endOfRib` are those of this UPDATE.
   */
  read(slot: PeerSlot, bytes: Uint8Array, start: number, end: number, now: Millis): MessageError | undefined {
    const decoder = this.#decoder
    const error = decoder.decode(bytes, start, end, slot.peer.receive)
    if (error !== undefined) return error
    // RFC 4271 §3.1, §4.3: a prefix both withdrawn and announced is announced.
    this.#withdraw(slot)
    if (decoder.treatAsWithdraw || this.#isTooLong) this.#treatAsWithdrawn(slot)
    else if (decoder.attributesLength > 0) this.#announceAll(slot, now)
    if (decoder.endOfRib !== undefined) this.#ribs[decoder.endOfRib].stale.endOfRib(slot)
    return undefined
  }

  get problems(): readonly UpdateProblem[] {
    const { problems, attributesLength } = this.#decoder
    return this.#isTooLong ? [...problems, tooLong(attributesLength)] : problems
  }

  get endOfRib(): Family | undefined {
    return this.#decoder.endOfRib
  }

  get #isTooLong(): boolean {
    return this.#decoder.attributesLength > LONGEST
  }

  #withdraw(slot: PeerSlot): void {
    const { bytes, withdrawnStart, withdrawnEnd, unreachFamily, unreachStart, unreachEnd } = this.#decoder
    if (withdrawnStart < withdrawnEnd) this.#ribs.ipv4.withdraw(slot, bytes, withdrawnStart, withdrawnEnd)
    if (unreachFamily !== undefined) this.#ribs[unreachFamily].withdraw(slot, bytes, unreachStart, unreachEnd)
  }

  /** RFC 7606 §2, treat-as-withdraw. */
  #treatAsWithdrawn(slot: PeerSlot): void {
    const { bytes, nlriStart, nlriEnd, reachFamily, reachStart, reachEnd } = this.#decoder
    if (nlriStart < nlriEnd) this.#ribs.ipv4.withdraw(slot, bytes, nlriStart, nlriEnd)
    if (reachFamily !== undefined) this.#ribs[reachFamily].withdraw(slot, bytes, reachStart, reachEnd)
  }

  #announceAll(slot: PeerSlot, now: Millis): void {
    const decoder = this.#decoder
    const { bytes, nlriStart, nlriEnd, nextHopStart, reachFamily, reachStart, reachEnd } = decoder
    const announcement = this.#announcement
    const nextHop = this.#nextHop
    announcement.bytes = bytes
    nextHop.bytes = bytes
    announcement.attributes = this.#attributes.intern(decoder.attributes, 0, decoder.attributesLength)
    if (nlriStart < nlriEnd && nextHopStart >= 0) {
      announcement.start = nlriStart
      announcement.end = nlriEnd
      nextHop.start = nextHopStart
      nextHop.length = 4
      this.#announce(slot, 'ipv4', now)
    }
    if (reachFamily !== undefined && reachStart < reachEnd) {
      const { reachNextHopStart: at, reachNextHopLength: length } = decoder
      const skip = withoutGlobal(bytes, at, length)
      announcement.start = reachStart
      announcement.end = reachEnd
      nextHop.start = at + skip
      nextHop.length = length - skip
      this.#announce(slot, reachFamily, now)
    }
    this.#attributes.release(announcement.attributes)
    announcement.bytes = nextHop.bytes = NO_BYTES
  }

  /** Announces the routes in `#announcement`, with the next hop in `#nextHop`. */
  #announce(slot: PeerSlot, family: Family, now: Millis): void {
    const announcement = this.#announcement
    const nextHop = this.#nextHop
    const rib = this.#ribs[family]
    slot.hear(nextHop.bytes, nextHop.start, nextHop.length)
    announcement.refused = rib.whyNotEligible(slot, announcement.attributes, nextHop)
    announcement.nextHop = this.#nextHops.intern(nextHop.bytes, nextHop.start, nextHop.start + nextHop.length)
    rib.announce(slot, announcement, now)
    this.#nextHops.release(announcement.nextHop)
  }
}

const tooLong = (octets: number): UpdateProblem => ({
  kind: 'update-problem',
  action: 'withdraw',
  attribute: undefined,
  text: `${octets} octets of path attributes; at most ${LONGEST} are accepted`,
})
