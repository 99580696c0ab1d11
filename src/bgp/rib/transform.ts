/**
 * Rewrites a block of path attributes for a neighbor, as bytes (RFC 4271 §5.1). In: a canonical block. Out: a canonical
 * block, written into a scratch array.
 */
import { writeU32 } from '../../base/bytes.ts'
import type { Asn, RouterId } from '../../base/units.ts'
import { DEFAULT_LOCAL_PREF, valueEnd, valueStart } from '../route/attribute-table.ts'
import { ATTRIBUTE, FLAG, OPTIONAL, WELL_KNOWN } from '../wire/attribute-rows.ts'

const SEQUENCE = 2
/** AS_CONFED_SEQUENCE and AS_CONFED_SET (RFC 5065 §3): this type and all above. */
const CONFEDERATION = 3
/** In the first octet of an extended community: it stays inside its AS (RFC 4360 §2). */
const NON_TRANSITIVE = 0x40

/** A block in `from`, [start, end), and where the result is written: `to`, from `at` on. One object is used again and again. */
export interface Rewrite {
  from: Uint8Array
  start: number
  end: number
  readonly to: Uint8Array
  at: number
}

/**
 * To an external neighbor: our AS in front of the path (§5.1.2) and no confederation segment in it (RFC 5065 §5), no
 * LOCAL_PREF (§5.1.5), no ORIGINATOR_ID or CLUSTER_LIST (RFC 4456 §8), no extended community that stays inside an AS
 * (RFC 4360 §6), and MED only where policy set it (§5.1.4). Returns where the written part ends.
 */
export function writeExternal({ from, start, end, to, at }: Rewrite, localAs: Asn, keepMed: boolean): number {
  let out = at
  for (let attribute = start; attribute < end; ) {
    const next = valueEnd(from, attribute)
    const type = from[attribute + 1] as number
    if (type === ATTRIBUTE.asPath) out = writePrepended(from, attribute, next, to, out, localAs)
    else if (type === ATTRIBUTE.extendedCommunities) out = writeTransitive(from, attribute, next, to, out, 8)
    else if (type === ATTRIBUTE.ipv6ExtendedCommunities) out = writeTransitive(from, attribute, next, to, out, 20)
    else if (!staysInside(type) && (type !== ATTRIBUTE.med || keepMed)) out = copy(from, attribute, next, to, out)
    attribute = next
  }
  return out
}

const staysInside = (type: number): boolean =>
  type === ATTRIBUTE.localPref || type === ATTRIBUTE.originatorId || type === ATTRIBUTE.clusterList

/** To an internal neighbor: everything, and LOCAL_PREF in any case (§5.1.5). */
export function writeInternal({ from, start, end, to, at }: Rewrite): number {
  return copyInternal(from, start, end, to, at)
}

function copyInternal(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  let split = start
  while (split < end && (from[split + 1] as number) < ATTRIBUTE.localPref) split = valueEnd(from, split)
  let out = copy(from, start, split, to, at)
  if (split === end || from[split + 1] !== ATTRIBUTE.localPref) {
    to[out] = WELL_KNOWN
    to[out + 1] = ATTRIBUTE.localPref
    to[out + 2] = 4
    writeU32(to, out + 3, DEFAULT_LOCAL_PREF)
    out += 7
  }
  return copy(from, split, end, to, out)
}

/**
 * Reflected to an internal neighbor (RFC 4456 §8): as above, with ORIGINATOR_ID where there is none yet, and our cluster in
 * front of the CLUSTER_LIST. Nothing else may change.
 */
export function writeReflected(
  { from, start, end, to, at }: Rewrite,
  originatorId: RouterId,
  clusterId: RouterId,
): number {
  let rest = start
  while (rest < end && (from[rest + 1] as number) < ATTRIBUTE.originatorId) rest = valueEnd(from, rest)
  let out = copyInternal(from, start, rest, to, at)
  if (rest < end && from[rest + 1] === ATTRIBUTE.originatorId) {
    const next = valueEnd(from, rest)
    out = copy(from, rest, next, to, out)
    rest = next
  } else {
    out = writeOptional(to, out, ATTRIBUTE.originatorId, 4)
    writeU32(to, out, originatorId)
    out += 4
  }
  const listed = rest < end && from[rest + 1] === ATTRIBUTE.clusterList
  const behind = listed ? valueEnd(from, rest) : rest
  const value = listed ? valueStart(from, rest) : rest
  out = writeOptional(to, out, ATTRIBUTE.clusterList, behind - value + 4)
  writeU32(to, out, clusterId)
  return copy(from, value, end, to, out + 4)
}

/** Flags, type and length of an optional non-transitive attribute. */
const writeOptional = (to: Uint8Array, at: number, type: number, length: number): number =>
  writeHead(to, at, OPTIONAL, type, length)

/** Flags, type and length; a length above 255 takes two octets. Returns where the value begins. */
function writeHead(to: Uint8Array, at: number, flags: number, type: number, length: number): number {
  let out = at
  to[out++] = length > 255 ? flags | FLAG.extendedLength : flags
  to[out++] = type
  if (length > 255) to[out++] = length >> 8
  to[out++] = length
  return out
}

/**
 * §5.1.2 b: into the leading sequence, or as a sequence of its own where there is none or it is full. Confederation
 * segments are left out, wherever they stand.
 */
function writePrepended(
  from: Uint8Array,
  attribute: number,
  end: number,
  to: Uint8Array,
  at: number,
  localAs: Asn,
): number {
  const value = valueStart(from, attribute)
  let first = end
  let kept = 0
  for (let segment = value, next = value; next < end; segment = next) {
    next = segmentEnd(from, segment)
    if ((from[segment] as number) >= CONFEDERATION) continue
    if (first === end) first = segment
    kept += next - segment
  }
  const joins = first < end && from[first] === SEQUENCE && (from[first + 1] as number) < 255
  let out = writeHead(to, at, WELL_KNOWN, ATTRIBUTE.asPath, kept + (joins ? 4 : 6))
  to[out++] = SEQUENCE
  to[out++] = joins ? (from[first + 1] as number) + 1 : 1
  writeU32(to, out, localAs)
  out += 4
  for (let segment = first; segment < end; ) {
    const next = segmentEnd(from, segment)
    const start = joins && segment === first ? segment + 2 : segment
    if ((from[segment] as number) < CONFEDERATION) out = copy(from, start, next, to, out)
    segment = next
  }
  return out
}

/** Behind a segment of four-octet AS numbers. */
const segmentEnd = (from: Uint8Array, segment: number): number => segment + 2 + 4 * (from[segment + 1] as number)

/** Extended communities of `size` octets that may leave the AS; nothing where none may. */
function writeTransitive(
  from: Uint8Array,
  attribute: number,
  end: number,
  to: Uint8Array,
  at: number,
  size: number,
): number {
  const value = valueStart(from, attribute)
  let kept = 0
  for (let one = value; one < end; one += size) if (mayLeave(from, one)) kept += size
  if (kept === end - value) return copy(from, attribute, end, to, at)
  if (kept === 0) return at
  let out = writeHead(to, at, (from[attribute] as number) & ~FLAG.extendedLength, from[attribute + 1] as number, kept)
  for (let one = value; one < end; one += size) if (mayLeave(from, one)) out = copy(from, one, one + size, to, out)
  return out
}

const mayLeave = (from: Uint8Array, community: number): boolean => ((from[community] as number) & NON_TRANSITIVE) === 0

function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  for (let index = start; index < end; index++) to[at + index - start] = from[index] as number
  return at + end - start
}
