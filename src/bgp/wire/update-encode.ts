/** Encodes the parts of UPDATE that need no RIB. `rib/pack` packs routes into messages. */
import { ByteWriter, Reader } from '../../base/bytes.ts'
import { AFI, type Family, SAFI_UNICAST } from '../../base/family.ts'
import type { AsSegment } from './as-path.ts'
import { readSegments, withoutConfederations, writeSegments } from './as-path.ts'
import { writeAttribute } from './attribute.ts'
import { ATTRIBUTE, FLAG, OPTIONAL, OPTIONAL_TRANSITIVE } from './attribute-rows.ts'
import { wrapMessage } from './header.ts'
import { AS_TRANS } from './open.ts'

/**
 * Whole message: all routes of the family have been advertised (RFC 4724 §2).
 * IPv4: an UPDATE without anything. Others: an MP_UNREACH_NLRI without routes.
 */
export function encodeEndOfRib(family: Family): Uint8Array {
  if (family === 'ipv4') return wrapMessage('update', Uint8Array.of(0, 0, 0, 0))
  const unreach = [OPTIONAL, ATTRIBUTE.mpUnreach, 3, 0, AFI[family], SAFI_UNICAST]
  return wrapMessage('update', Uint8Array.of(0, 0, 0, unreach.length, ...unreach))
}

const needsFour = (asn: number): boolean => asn > 0xffff
const inTwo = (asn: number): number => (needsFour(asn) ? AS_TRANS : asn)

/**
 * A canonical block for a peer without four-octet AS numbers (RFC 6793 §4.2.2): AS_TRANS where two octets do not do,
 * and the real numbers beside it in AS4_PATH and AS4_AGGREGATOR.
 */
export function flattenTo2Octets(canonical: Uint8Array): Uint8Array {
  const writer = new ByteWriter(canonical.length + 64)
  const late: { type: number; value: Uint8Array }[] = []
  const reader = new Reader(canonical)
  while (reader.left > 0) {
    const flags = reader.u8()
    const type = reader.u8()
    const value = reader.copy((flags & FLAG.extendedLength) !== 0 ? reader.u16() : reader.u8())
    while (late[0] !== undefined && late[0].type < type) writeLate(writer, late)
    writeAttribute(writer, type, flags & ~FLAG.extendedLength, flatten(type, value, late))
  }
  while (late.length > 0) writeLate(writer, late)
  return writer.finish()
}

/** The value with two-octet AS numbers; AS4_PATH or AS4_AGGREGATOR, if needed, are added to `late`. */
function flatten(type: number, value: Uint8Array, late: { type: number; value: Uint8Array }[]): Uint8Array {
  if (type === ATTRIBUTE.asPath) {
    const path = readSegments(value, 0, value.length, 4)
    const outside = withoutConfederations(path)
    if (outside.some(({ asns }) => asns.some(needsFour))) {
      late.push({ type: ATTRIBUTE.as4Path, value: writeSegments(outside, 4) })
    }
    return writeSegments(
      path.map(({ kind, asns }): AsSegment => ({ kind, asns: asns.map(inTwo) })),
      2,
    )
  }
  if (type === ATTRIBUTE.aggregator) {
    const asn = new Reader(value).u32()
    if (needsFour(asn)) late.push({ type: ATTRIBUTE.as4Aggregator, value })
    return new ByteWriter(6).u16(inTwo(asn)).raw(value.subarray(4)).finish()
  }
  return value
}

function writeLate(writer: ByteWriter, late: { type: number; value: Uint8Array }[]): void {
  const first = late.shift()
  if (first !== undefined) writeAttribute(writer, first.type, OPTIONAL_TRANSITIVE, first.value)
}
