/**
 * What happens to a block of path attributes on its way to a neighbor, as bytes (RFC 4271 §5.1). Comes in: a canonical
 * block; goes out: a canonical block, written behind what is already in a scratch array.
 */
import { writeU32 } from '../../base/bytes.ts'
import type { Asn, RouterId } from '../../base/units.ts'
import { DEFAULT_LOCAL_PREF, valueEnd, valueStart } from '../route/attribute-table.ts'
import { ATTRIBUTE } from '../wire/attribute-rows.ts'

const SEQUENCE = 2

/** A block in `from`, [start, end), and where what becomes of it is written. One object is used for all. */
export interface Rewrite {
  from: Uint8Array
  start: number
  end: number
  readonly to: Uint8Array
  at: number
}

/**
 * To an external neighbor: our AS in front of the path (§5.1.2), no LOCAL_PREF (§5.1.5), no ORIGINATOR_ID or
 * CLUSTER_LIST (RFC 4456 §8), and MED only where policy set it (§5.1.4). Returns where the written part ends.
 */
export function writeExternal({ from, start, end, to, at }: Rewrite, localAs: Asn, keepMed: boolean): number {
  let out = at
  for (let attribute = start; attribute < end; ) {
    const next = valueEnd(from, attribute)
    const type = from[attribute + 1] as number
    if (type === ATTRIBUTE.asPath) out = writePrepended(from, attribute, next, to, out, localAs)
    else if (
      type === ATTRIBUTE.localPref ||
      type === ATTRIBUTE.originatorId ||
      type === ATTRIBUTE.clusterList ||
      (type === ATTRIBUTE.med && !keepMed)
    )
      out += 0
    else out = copy(from, attribute, next, to, out)
    attribute = next
  }
  return out
}

/** To an internal neighbor: everything, and LOCAL_PREF in any case (§5.1.5). */
export function writeInternal({ from, start, end, to, at }: Rewrite): number {
  return copyInternal(from, start, end, to, at)
}

function copyInternal(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  let split = start
  while (split < end && (from[split + 1] as number) < ATTRIBUTE.localPref) split = valueEnd(from, split)
  let out = copy(from, start, split, to, at)
  if (split === end || from[split + 1] !== ATTRIBUTE.localPref) {
    to[out] = 0x40
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
function writeOptional(to: Uint8Array, at: number, type: number, length: number): number {
  let out = at
  to[out++] = length > 255 ? 0x90 : 0x80
  to[out++] = type
  if (length > 255) to[out++] = length >> 8
  to[out++] = length
  return out
}

/** §5.1.2 b: into the leading sequence, or as a sequence of its own where there is none or it is full. */
function writePrepended(
  from: Uint8Array,
  attribute: number,
  end: number,
  to: Uint8Array,
  at: number,
  localAs: Asn,
): number {
  const value = valueStart(from, attribute)
  const joins = value < end && from[value] === SEQUENCE && (from[value + 1] as number) < 255
  const length = end - value + (joins ? 4 : 6)
  let out = at
  to[out++] = length > 255 ? 0x50 : 0x40
  to[out++] = ATTRIBUTE.asPath
  if (length > 255) to[out++] = length >> 8
  to[out++] = length
  to[out++] = SEQUENCE
  to[out++] = joins ? (from[value + 1] as number) + 1 : 1
  writeU32(to, out, localAs)
  return copy(from, joins ? value + 2 : value, end, to, out + 4)
}

function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  for (let index = start; index < end; index++) to[at + index - start] = from[index] as number
  return at + end - start
}
