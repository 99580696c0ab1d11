/** Path attributes as values (RFC 4271 §5): made when a person or a policy looks, never per route on the way through. */
import { ByteWriter, Reader } from '../../base/bytes.ts'
import type { Asn, RouterId } from '../../base/units.ts'
import { type AsSegment, readSegments, writeSegments } from './as-path.ts'
import { ATTRIBUTE, FLAG, OPTIONAL, OPTIONAL_TRANSITIVE, WELL_KNOWN } from './attribute-rows.ts'

type Origin = 'IGP' | 'EGP' | 'Incomplete'

export interface PathAttributes {
  readonly origin: Origin
  readonly asPath: readonly AsSegment[]
  readonly med: number | undefined
  readonly localPref: number | undefined
  readonly atomicAggregate: boolean
  readonly aggregator: { readonly asn: Asn; readonly routerId: RouterId } | undefined
  /** `[64512, 100]` */
  readonly communities: readonly (readonly [number, number])[]
  readonly originatorId: RouterId | undefined
  readonly clusterList: readonly RouterId[]
  /** Eight octets each, as two words. */
  readonly extendedCommunities: readonly (readonly [number, number])[]
  readonly largeCommunities: readonly (readonly [number, number, number])[]
  /** RFC 9234 §5. */
  readonly onlyToCustomer?: Asn
  /** Attributes without a name here, passed on when transitive. `flags` without the extended length bit. */
  readonly unknown: readonly { readonly type: number; readonly flags: number; readonly value: Uint8Array }[]
  /** Type codes of the attributes above (unknown ones aside) that came with Partial set: it must stay (RFC 4271 §5). */
  readonly partial?: readonly number[]
}

/** AS numbers, communities and clusters: what it takes to go through them all. */
export function elementsOf(attributes: PathAttributes): number {
  const { asPath, communities, extendedCommunities, largeCommunities, clusterList } = attributes
  const ofLists = communities.length + extendedCommunities.length + largeCommunities.length + clusterList.length
  return asPath.reduce((sum, { asns }) => sum + asns.length, ofLists)
}

/** The attributes of an originated route: ORIGIN IGP, an empty path, and these communities of two or three numbers. */
export function originatedAttributes(communities: readonly (readonly number[])[]): PathAttributes {
  return {
    origin: 'IGP',
    asPath: [],
    med: undefined,
    localPref: undefined,
    atomicAggregate: false,
    aggregator: undefined,
    communities: communities.filter(({ length }) => length === 2).map(([a = 0, b = 0]) => [a, b] as const),
    originatorId: undefined,
    clusterList: [],
    extendedCommunities: [],
    largeCommunities: communities
      .filter(({ length }) => length === 3)
      .map(([a = 0, b = 0, c = 0]) => [a, b, c] as const),
    unknown: [],
  }
}

const ORIGINS: readonly Origin[] = ['IGP', 'EGP', 'Incomplete']

type Draft = { -readonly [Field in keyof PathAttributes]: PathAttributes[Field] }

/**
 * The values of a canonical block (see `UpdateDecoder.attributes`). What is not there has its default:
 * ORIGIN Incomplete, an empty path.
 */
export function decodeAttributes(canonical: Uint8Array, start = 0, end = canonical.length): PathAttributes {
  const unknown: { type: number; flags: number; value: Uint8Array }[] = []
  const partial: number[] = []
  const draft: Draft = {
    origin: 'Incomplete',
    asPath: [],
    med: undefined,
    localPref: undefined,
    atomicAggregate: false,
    aggregator: undefined,
    communities: [],
    originatorId: undefined,
    clusterList: [],
    extendedCommunities: [],
    largeCommunities: [],
    unknown,
  }
  const reader = new Reader(canonical, start, end)
  while (reader.left > 0) {
    const flags = reader.u8()
    const type = reader.u8()
    const value = reader.sub((flags & FLAG.extendedLength) !== 0 ? reader.u16() : reader.u8())
    if (!decodeValue(draft, type, value)) {
      unknown.push({ type, flags: flags & ~FLAG.extendedLength, value: value.copy(value.left) })
    } else if ((flags & FLAG.partial) !== 0) partial.push(type)
  }
  if (partial.length > 0) draft.partial = partial
  return draft
}

/** False for a type without a field. */
function decodeValue(draft: Draft, type: number, value: Reader): boolean {
  switch (type) {
    case ATTRIBUTE.origin:
      draft.origin = ORIGINS[value.u8()] ?? 'Incomplete'
      return true
    case ATTRIBUTE.asPath:
      draft.asPath = readSegments(value.bytes, value.offset, value.end, 4)
      return true
    case ATTRIBUTE.med:
      draft.med = value.u32()
      return true
    case ATTRIBUTE.localPref:
      draft.localPref = value.u32()
      return true
    case ATTRIBUTE.atomicAggregate:
      draft.atomicAggregate = true
      return true
    case ATTRIBUTE.aggregator:
      draft.aggregator = { asn: value.u32(), routerId: value.u32() }
      return true
    case ATTRIBUTE.communities:
      draft.communities = all(value, () => [value.u16(), value.u16()] as const)
      return true
    case ATTRIBUTE.originatorId:
      draft.originatorId = value.u32()
      return true
    case ATTRIBUTE.clusterList:
      draft.clusterList = all(value, () => value.u32())
      return true
    case ATTRIBUTE.extendedCommunities:
      draft.extendedCommunities = all(value, () => [value.u32(), value.u32()] as const)
      return true
    case ATTRIBUTE.largeCommunities:
      draft.largeCommunities = all(value, () => [value.u32(), value.u32(), value.u32()] as const)
      return true
    case ATTRIBUTE.onlyToCustomer:
      draft.onlyToCustomer = value.u32()
      return true
    default:
      return false
  }
}

function all<Item>(value: Reader, read: () => Item): Item[] {
  const items: Item[] = []
  while (value.left > 0) items.push(read())
  return items
}

interface Encoded {
  readonly type: number
  readonly flags: number
  readonly value: Uint8Array
}

/** The canonical block of these values: equal values give equal bytes. */
export function encodeAttributes(attributes: PathAttributes): Uint8Array {
  const writer = new ByteWriter(128)
  for (const { type, flags, value } of encodeValues(attributes)) {
    const partial = attributes.partial?.includes(type) && flags === OPTIONAL_TRANSITIVE ? FLAG.partial : 0
    writeAttribute(writer, type, flags | partial, value)
  }
  return writer.finish()
}

/** `flags` without the extended length bit: it is set when the value needs it. */
export function writeAttribute(writer: ByteWriter, type: number, flags: number, value: Uint8Array): void {
  if (value.length > 255)
    writer
      .u8(flags | FLAG.extendedLength)
      .u8(type)
      .u16(value.length)
      .raw(value)
  else writer.u8(flags).u8(type).u8(value.length).raw(value)
}

/** By ascending type code. */
function encodeValues(attributes: PathAttributes): readonly Encoded[] {
  const { med, localPref, aggregator, originatorId, onlyToCustomer } = attributes
  const found: Encoded[] = attributes.unknown.map(({ type, flags, value }) => ({ type, flags, value }))
  const add = (type: number, flags: number, value: Uint8Array) => found.push({ type, flags, value })
  const addList = <Item>(type: number, flags: number, items: readonly Item[], octets: number, write: Write<Item>) => {
    if (items.length > 0) add(type, flags, concat(items, octets, write))
  }
  add(ATTRIBUTE.origin, WELL_KNOWN, Uint8Array.of(ORIGINS.indexOf(attributes.origin)))
  add(ATTRIBUTE.asPath, WELL_KNOWN, writeSegments(attributes.asPath, 4, MOST_OCTETS))
  if (med !== undefined) add(ATTRIBUTE.med, OPTIONAL, u32s(med))
  if (localPref !== undefined) add(ATTRIBUTE.localPref, WELL_KNOWN, u32s(localPref))
  if (attributes.atomicAggregate) add(ATTRIBUTE.atomicAggregate, WELL_KNOWN, new Uint8Array(0))
  if (aggregator !== undefined) {
    add(ATTRIBUTE.aggregator, OPTIONAL_TRANSITIVE, u32s(aggregator.asn, aggregator.routerId))
  }
  addList(ATTRIBUTE.communities, OPTIONAL_TRANSITIVE, attributes.communities, 4, writeCommunity)
  if (originatorId !== undefined) add(ATTRIBUTE.originatorId, OPTIONAL, u32s(originatorId))
  addList(ATTRIBUTE.clusterList, OPTIONAL, attributes.clusterList, 4, (writer, id) => writer.u32(id))
  addList(ATTRIBUTE.extendedCommunities, OPTIONAL_TRANSITIVE, attributes.extendedCommunities, 8, writeWords)
  addList(ATTRIBUTE.largeCommunities, OPTIONAL_TRANSITIVE, attributes.largeCommunities, 12, writeWords)
  if (onlyToCustomer !== undefined) add(ATTRIBUTE.onlyToCustomer, OPTIONAL_TRANSITIVE, u32s(onlyToCustomer))
  return found.sort((a, b) => a.type - b.type)
}

function u32s(...words: readonly number[]): Uint8Array {
  const writer = new ByteWriter(words.length * 4)
  for (const word of words) writer.u32(word)
  return writer.finish()
}

/** Longest value of an attribute: its length has two octets. */
const MOST_OCTETS = 0xffff

/** Policy may add to a list that is full: items beyond the longest value are left out. */
function concat<Item>(items: readonly Item[], octets: number, write: Write<Item>): Uint8Array {
  const most = Math.floor(MOST_OCTETS / octets)
  const writer = new ByteWriter(Math.min(items.length, most) * octets)
  for (const item of items.length > most ? items.slice(0, most) : items) write(writer, item)
  return writer.finish()
}

/** Writes one item of a list, in as many octets as each has. */
type Write<Item> = (writer: ByteWriter, item: Item) => void

function writeCommunity(writer: ByteWriter, [high, low]: readonly [number, number]): void {
  writer.u16(high).u16(low)
}

function writeWords(writer: ByteWriter, words: readonly number[]): void {
  for (const word of words) writer.u32(word)
}
