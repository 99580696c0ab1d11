/**
 * The path attributes of all routes, each distinct set once. In: canonical blocks as the UPDATE decoder makes them
 * (ascending type codes, AS numbers in four octets, no NEXT_HOP, no MP attributes). Out: an id, and by id the numbers that
 * decision and eligibility compare, read from the block once.
 */
import { readU32 } from '../../base/bytes.ts'
import type { Asn, Octets, RouterId } from '../../base/units.ts'
import { decodeAttributes, encodeAttributes, type PathAttributes } from '../wire/attribute.ts'
import { ATTRIBUTE, FLAG } from '../wire/attribute-rows.ts'
import { ByteTable } from './byte-table.ts'
import { growU8, growU16, growU32, usedBytes } from './columns.ts'
import type { HashKey } from './hash.ts'

/** RFC 4271 §9.1.1: the degree of preference of a route without LOCAL_PREF. */
export const DEFAULT_LOCAL_PREF = 100

/** What a set carries, as bits of `flags`. */
export const CARRIES = {
  noExport: 1,
  noAdvertise: 2,
  noExportSubconfed: 4,
  originatorId: 8,
  onlyToCustomer: 16,
  longLivedStale: 32,
  noLongLived: 64,
} as const

export class AttributeTable {
  readonly blocks: ByteTable
  // By id.
  /** LOCAL_PREF, or 100. */
  localPref = new Uint32Array(0)
  /** MULTI_EXIT_DISC; missing counts as 0, the best. */
  med = new Uint32Array(0)
  /** AS_SET counts one, confederation segments nothing (RFC 4271 §9.1.2.2 a, RFC 5065 §5.3). */
  pathLength = new Uint16Array(0)
  /** The AS the route came from: first of the path's leading sequence. 0: the path is empty or begins with a set. */
  neighborAs = new Uint32Array(0)
  /** 0 where there is none. */
  originatorId = new Uint32Array(0)
  /** How many cluster IDs CLUSTER_LIST has. */
  clusterLength = new Uint16Array(0)
  /** 0 IGP, 1 EGP, 2 incomplete. */
  origin = new Uint8Array(0)
  flags = new Uint8Array(0)

  constructor(key: HashKey) {
    this.blocks = new ByteTable(key)
  }

  get size(): number {
    return this.blocks.size
  }

  intern(block: Uint8Array, start = 0, end = block.length): number {
    const id = this.blocks.intern(block, start, end)
    if (this.blocks.refs[id] === 1) this.#fill(id)
    return id
  }

  retain(id: number): void {
    this.blocks.retain(id)
  }

  release(id: number): void {
    this.blocks.release(id)
  }

  decode(id: number): PathAttributes {
    const offset = this.blocks.offset(id)
    return decodeAttributes(this.blocks.segment(id), offset, offset + this.blocks.length(id))
  }

  /** The id of attributes given as values. */
  encode(attributes: PathAttributes): number {
    return this.intern(encodeAttributes(attributes))
  }

  /** How often either of two AS numbers occurs in the path (RFC 4271 §9.1.2). */
  timesPassed(id: number, asn: Asn, other = asn): number {
    const segment = this.blocks.segment(id)
    const at = this.#find(id, AS_PATH)
    if (at < 0) return 0
    const end = valueEnd(segment, at)
    let times = 0
    for (let part = valueStart(segment, at); part < end; ) {
      const next = part + 2 + (segment[part + 1] as number) * 4
      for (let at = part + 2; at < next; at += 4) {
        const member = readU32(segment, at)
        if (member === asn || member === other) times++
      }
      part = next
    }
    return times
  }

  /** Whether two sets have the same AS path, to the octet. */
  samePath(one: number, other: number): boolean {
    if (one === other) return true
    const [left, right] = [this.blocks.segment(one), this.blocks.segment(other)]
    const [a, b] = [this.#find(one, AS_PATH), this.#find(other, AS_PATH)]
    if (a < 0 || b < 0) return a === b
    const length = valueEnd(left, a) - a
    if (valueEnd(right, b) - b !== length) return false
    for (let at = 0; at < length; at++) if (left[a + at] !== right[b + at]) return false
    return true
  }

  /** The AS of ONLY_TO_CUSTOMER (RFC 9234 §5), undefined where there is none. A neighbor may send 0, which is no AS. */
  onlyToCustomer(id: number): Asn | undefined {
    if (((this.flags[id] as number) & CARRIES.onlyToCustomer) === 0) return undefined
    const segment = this.blocks.segment(id)
    return readU32(segment, valueStart(segment, this.#find(id, ONLY_TO_CUSTOMER)))
  }

  /** Whether none of these communities, of two numbers (RFC 1997) or three (RFC 8092), is present. */
  lacksAll(id: number, communities: readonly (readonly number[])[]): boolean {
    const segment = this.blocks.segment(id)
    const end = this.blocks.offset(id) + this.blocks.length(id)
    for (let at = this.blocks.offset(id); at < end; ) {
      const next = valueEnd(segment, at)
      const type = segment[at + 1]
      const size = type === COMMUNITIES ? 2 : type === LARGE_COMMUNITIES ? 3 : 0
      if (size !== 0 && holdsAny(segment, valueStart(segment, at), next, size, communities)) return false
      at = next
    }
    return true
  }

  /** Whether a cluster ID is in the CLUSTER_LIST (RFC 4456 §8). */
  passedCluster(id: number, cluster: RouterId): boolean {
    if (this.clusterLength[id] === 0) return false
    const segment = this.blocks.segment(id)
    const at = this.#find(id, CLUSTER_LIST)
    if (at < 0) return false
    const end = valueEnd(segment, at)
    for (let member = valueStart(segment, at); member < end; member += 4)
      if (readU32(segment, member) === cluster) return true
    return false
  }

  memory(): Octets {
    const { localPref, med, pathLength, neighborAs, originatorId, clusterLength, origin, flags } = this
    const columns = [localPref, med, pathLength, neighborAs, originatorId, clusterLength, origin, flags]
    return this.blocks.memory() + usedBytes(this.blocks.end, ...columns)
  }

  /** Where an attribute begins in the segment of its block, or -1. */
  #find(id: number, type: number): number {
    const segment = this.blocks.segment(id)
    const end = this.blocks.offset(id) + this.blocks.length(id)
    for (let at = this.blocks.offset(id); at < end; at = valueEnd(segment, at)) if (segment[at + 1] === type) return at
    return -1
  }

  #fill(id: number): void {
    if (id >= this.localPref.length) this.#grow()
    this.localPref[id] = DEFAULT_LOCAL_PREF
    this.med[id] = 0
    this.pathLength[id] = 0
    this.neighborAs[id] = 0
    this.originatorId[id] = 0
    this.clusterLength[id] = 0
    this.origin[id] = 2
    this.flags[id] = 0
    const segment = this.blocks.segment(id)
    const end = this.blocks.offset(id) + this.blocks.length(id)
    for (let at = this.blocks.offset(id); at < end; ) {
      const next = valueEnd(segment, at)
      this.#fillFrom(id, segment[at + 1] as number, valueStart(segment, at), next)
      at = next
    }
  }

  #fillFrom(id: number, type: number, start: number, end: number): void {
    const segment = this.blocks.segment(id)
    switch (type) {
      case ORIGIN:
        this.origin[id] = segment[start] as number
        return
      case AS_PATH:
        this.#fillPath(id, start, end)
        return
      case MED:
        this.med[id] = readU32(segment, start)
        return
      case LOCAL_PREF:
        this.localPref[id] = readU32(segment, start)
        return
      case COMMUNITIES:
        for (let at = start; at < end; at += 4) this.#mark(id, flagOfCommunity(readU32(segment, at)))
        return
      case ORIGINATOR_ID:
        this.originatorId[id] = readU32(segment, start)
        this.#mark(id, CARRIES.originatorId)
        return
      case CLUSTER_LIST:
        this.clusterLength[id] = (end - start) >> 2
        return
      case ONLY_TO_CUSTOMER:
        this.#mark(id, CARRIES.onlyToCustomer)
    }
  }

  #fillPath(id: number, start: number, end: number): void {
    const segment = this.blocks.segment(id)
    let length = 0
    for (let at = start; at < end; ) {
      const kind = segment[at] as number
      const count = segment[at + 1] as number
      if (kind === SEQUENCE && count > 0) {
        if (length === 0) this.neighborAs[id] = readU32(segment, at + 2)
        length += count
      } else if (kind === SET && count > 0) length++
      at += 2 + count * 4
    }
    this.pathLength[id] = length
  }

  #mark(id: number, flag: number): void {
    this.flags[id] = (this.flags[id] as number) | flag
  }

  #grow(): void {
    const size = this.blocks.refs.length
    this.localPref = growU32(this.localPref, size)
    this.med = growU32(this.med, size)
    this.pathLength = growU16(this.pathLength, size)
    this.neighborAs = growU32(this.neighborAs, size)
    this.originatorId = growU32(this.originatorId, size)
    this.clusterLength = growU16(this.clusterLength, size)
    this.origin = growU8(this.origin, size)
    this.flags = growU8(this.flags, size)
  }
}

const { origin: ORIGIN, asPath: AS_PATH, med: MED, localPref: LOCAL_PREF, communities: COMMUNITIES } = ATTRIBUTE
const { originatorId: ORIGINATOR_ID, clusterList: CLUSTER_LIST } = ATTRIBUTE
const { largeCommunities: LARGE_COMMUNITIES, onlyToCustomer: ONLY_TO_CUSTOMER } = ATTRIBUTE

/** Types of AS_PATH segments (RFC 4271 §4.3). */
const SET = 1
const SEQUENCE = 2

/** Whether one of the communities of `size` numbers is in [start, end). */
function holdsAny(
  bytes: Uint8Array,
  start: number,
  end: number,
  size: number,
  communities: readonly (readonly number[])[],
): boolean {
  for (const wanted of communities) {
    if (wanted.length !== size) continue
    const [a = 0, b = 0, c = 0] = wanted
    const first = size === 2 ? a * 0x10000 + b : a
    for (let at = start; at < end; at += size === 2 ? 4 : 12) {
      if (readU32(bytes, at) !== first) continue
      if (size === 2 || (readU32(bytes, at + 4) === b && readU32(bytes, at + 8) === c)) return true
    }
  }
  return false
}

/** RFC 1997, RFC 9494 §4.3: the communities that every speaker acts on. */
function flagOfCommunity(community: number): number {
  switch (community) {
    case 0xffffff01:
      return CARRIES.noExport
    case 0xffffff02:
      return CARRIES.noAdvertise
    case 0xffffff03:
      return CARRIES.noExportSubconfed
    case 0xffff0006:
      return CARRIES.longLivedStale
    case 0xffff0007:
      return CARRIES.noLongLived
    default:
      return 0
  }
}

/** RFC 4271 §4.3: with the Extended Length bit the length has two octets. */
const EXTENDED_LENGTH = FLAG.extendedLength

/** First octet of the value of the attribute that begins at `at`. */
export const valueStart = (bytes: Uint8Array, at: number): number =>
  at + (((bytes[at] as number) & EXTENDED_LENGTH) === 0 ? 3 : 4)

/** Just behind it: where the next attribute begins. */
export const valueEnd = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) & EXTENDED_LENGTH) === 0
    ? at + 3 + (bytes[at + 2] as number)
    : at + 4 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
