/**
 * AS_PATH (RFC 4271 §4.3 b) and its joining with AS4_PATH (RFC 6793 §4.2).
 *
 *     | type 1 | count 1 | count × AS number, 2 or 4 octets | type 1 | count 1 | …
 */
import { ByteWriter, readU16, readU32 } from '../../base/bytes.ts'
import type { Asn } from '../../base/units.ts'

/** One AS_PATH segment; a set is unordered (RFC 4271 §4.3 b). */
export interface AsSegment {
  readonly kind: 'sequence' | 'set' | 'confed-sequence' | 'confed-set'
  readonly asns: readonly Asn[]
}

/** Octets of an AS number: 4, or 2 towards a peer without RFC 6793. */
export type AsWidth = 2 | 4

/** Segment types; 3 and 4: RFC 5065 §3. */
const SET = 1
const SEQUENCE = 2
const CONFED_SEQUENCE = 3
const CONFED_SET = 4
const KINDS: Readonly<Record<number, AsSegment['kind']>> = {
  [SET]: 'set',
  [SEQUENCE]: 'sequence',
  [CONFED_SEQUENCE]: 'confed-sequence',
  [CONFED_SET]: 'confed-set',
}
const TYPES = { set: SET, sequence: SEQUENCE, 'confed-sequence': CONFED_SEQUENCE, 'confed-set': CONFED_SET } as const

/** Most AS numbers in one segment: their count has one octet (RFC 4271 §4.3). */
export const MOST_IN_SEGMENT = 255

/** What is wrong with a path. */
export const BROKEN_PATH = {
  type: 'holds a segment of an unknown type',
  empty: 'holds an empty segment',
  overrun: 'holds a segment that reaches past the end',
  zero: 'holds AS number 0',
  set: 'holds an AS_SET or AS_CONFED_SET',
  confederation: 'holds a confederation segment from outside',
} as const

/**
 * RFC 7606 §7.2, RFC 7607 §2 (no AS 0), RFC 9774 §3 (no sets), and RFC 5065 §5 where `external`.
 * Undefined where all is well. Runs for every UPDATE and allocates nothing.
 */
export function whyNotPath(
  bytes: Uint8Array,
  start: number,
  end: number,
  width: AsWidth,
  external: boolean,
): string | undefined {
  let at = start
  while (at < end) {
    if (end - at < 2) return BROKEN_PATH.overrun
    const type = bytes[at] as number
    const count = bytes[at + 1] as number
    if (type < SET || type > CONFED_SET) return BROKEN_PATH.type
    if (count === 0) return BROKEN_PATH.empty
    at += 2
    const segmentEnd = at + count * width
    if (segmentEnd > end) return BROKEN_PATH.overrun
    if (type === SET || type === CONFED_SET) return BROKEN_PATH.set
    if (external && type === CONFED_SEQUENCE) return BROKEN_PATH.confederation
    for (; at < segmentEnd; at += width) {
      let any = (bytes[at] as number) | (bytes[at + 1] as number)
      if (width === 4) any |= (bytes[at + 2] as number) | (bytes[at + 3] as number)
      if (any === 0) return BROKEN_PATH.zero
    }
  }
  return undefined
}

/** The segments of a sound path. */
export function readSegments(bytes: Uint8Array, start: number, end: number, width: AsWidth): AsSegment[] {
  const segments: AsSegment[] = []
  let at = start
  while (at < end) {
    const kind = KINDS[bytes[at] as number]
    if (kind === undefined) throw new Error(`AS_PATH segment type ${bytes[at]}`)
    const segmentEnd = at + 2 + (bytes[at + 1] as number) * width
    const asns: number[] = []
    for (at += 2; at < segmentEnd; at += width) {
      asns.push(width === 4 ? readU32(bytes, at) : readU16(bytes, at))
    }
    segments.push({ kind, asns })
  }
  return segments
}

/**
 * Bytes of a path. A segment of more than 255 AS numbers is written as several (RFC 4271 §5.1.2 a 1);
 * what goes beyond `most` octets is left out.
 */
export function writeSegments(segments: readonly AsSegment[], width: AsWidth, most = Infinity): Uint8Array {
  const writer = new ByteWriter()
  for (const { kind, asns } of segments) {
    for (let from = 0; from < asns.length; from += MOST_IN_SEGMENT) {
      const part = asns.slice(from, from + MOST_IN_SEGMENT)
      if (writer.length + 2 + part.length * width > most) return writer.finish()
      writer.u8(TYPES[kind]).u8(part.length)
      for (const asn of part) {
        if (width === 4) writer.u32(asn)
        else writer.u16(asn)
      }
    }
  }
  return writer.finish()
}

const isConfederation = ({ kind }: AsSegment): boolean => kind === 'confed-sequence' || kind === 'confed-set'

/** Length of a path as the decision counts it: a set is one, a confederation segment none (RFC 4271 §9.1.2.2 a). */
export function pathLength(segments: readonly AsSegment[]): number {
  let length = 0
  for (const segment of segments) {
    if (segment.kind === 'sequence') length += segment.asns.length
    else if (segment.kind === 'set') length += 1
  }
  return length
}

/**
 * RFC 6793 §4.2.3: the leading part that only AS_PATH has, then AS4_PATH. An AS4_PATH longer than the AS_PATH is
 * ignored; confederation segments in it count for nothing and are left out (§6).
 */
export function mergeAs4Path(path: readonly AsSegment[], as4Path: readonly AsSegment[]): readonly AsSegment[] {
  const tail = as4Path.filter((segment) => !isConfederation(segment))
  const missing = pathLength(path) - pathLength(tail)
  if (missing < 0) return path
  return joinSequences([...leading(path, missing), ...tail])
}

/** The beginning of a path, up to its first `count` AS numbers; confederation segments count for none. */
function leading(path: readonly AsSegment[], count: number): AsSegment[] {
  const taken: AsSegment[] = []
  let left = count
  for (const segment of path) {
    if (isConfederation(segment)) taken.push(segment)
    else if (left === 0) break
    else if (segment.kind === 'sequence' && segment.asns.length > left) {
      taken.push({ kind: 'sequence', asns: segment.asns.slice(0, left) })
      break
    } else {
      taken.push(segment)
      left -= pathLength([segment])
    }
  }
  return taken
}

/** Two sequences side by side are one: the path then has the same bytes as from a peer that never cut it. */
function joinSequences(path: readonly AsSegment[]): AsSegment[] {
  const joined: AsSegment[] = []
  for (const segment of path) {
    const last = joined.at(-1)
    if (last?.kind === 'sequence' && segment.kind === 'sequence') {
      joined[joined.length - 1] = { kind: 'sequence', asns: [...last.asns, ...segment.asns] }
    } else joined.push(segment)
  }
  return joined
}

/** AS4_PATH never carries confederation segments (RFC 6793 §4.2.2). */
export const withoutConfederations = (path: readonly AsSegment[]): AsSegment[] =>
  path.filter((segment) => !isConfederation(segment))
