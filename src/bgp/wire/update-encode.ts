/** Encodes the parts of UPDATE that need no RIB. `rib/pack` packs routes into messages. */
import { ByteWriter, Reader } from '../../base/bytes.ts'
import { AFI, type Family, SAFI_UNICAST } from '../../base/family.ts'
import { type AsSegment, readSegments, withoutConfederations, writeSegments } from './as-path.ts'
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

interface Attribute {
  readonly type: number
  readonly value: Uint8Array
}

const needsFour = (asn: number): boolean => asn > 0xffff
const inTwo = (asn: number): number => (needsFour(asn) ? AS_TRANS : asn)

/**
 * A canonical block for a peer without four-octet AS numbers (RFC 6793 §4.2.2): AS_TRANS where two octets do not do,
 * and the real numbers beside it in AS4_PATH and AS4_AGGREGATOR.
 */
export function flattenTo2Octets(canonical: Uint8Array): Uint8Array {
  const writer = new ByteWriter(canonical.length + 64)
  // AS4_PATH and AS4_AGGREGATOR, until it is their turn: attributes are written by ascending type code.
  const waiting: Attribute[] = []
  const reader = new Reader(canonical)
  while (reader.left > 0) {
    const flags = reader.u8()
    const type = reader.u8()
    const value = reader.copy((flags & FLAG.extendedLength) !== 0 ? reader.u16() : reader.u8())
    while (waiting[0] !== undefined && waiting[0].type < type) writeFirst(writer, waiting)
    writeAttribute(writer, type, flags & ~FLAG.extendedLength, flatten(type, value, waiting))
  }
  while (waiting.length > 0) writeFirst(writer, waiting)
  return writer.finish()
}

/** The value with two-octet AS numbers; AS4_PATH or AS4_AGGREGATOR, if needed, are added to `waiting`. */
function flatten(type: number, value: Uint8Array, waiting: Attribute[]): Uint8Array {
  if (type === ATTRIBUTE.asPath) {
    const path = readSegments(value, 0, value.length, 4)
    const outside = withoutConfederations(path)
    if (outside.some(({ asns }) => asns.some(needsFour))) {
      waiting.push({ type: ATTRIBUTE.as4Path, value: writeSegments(outside, 4) })
    }
    return writeSegments(
      path.map(({ kind, asns }): AsSegment => ({ kind, asns: asns.map(inTwo) })),
      2,
    )
  }
  if (type === ATTRIBUTE.aggregator) {
    const asn = new Reader(value).u32()
    if (needsFour(asn)) waiting.push({ type: ATTRIBUTE.as4Aggregator, value })
    return new ByteWriter(6).u16(inTwo(asn)).raw(value.subarray(4)).finish()
  }
  return value
}

function writeFirst(writer: ByteWriter, waiting: Attribute[]): void {
  const first = waiting.shift()
  if (first !== undefined) writeAttribute(writer, first.type, OPTIONAL_TRANSITIVE, first.value)
}
