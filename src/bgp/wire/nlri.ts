/**
 * Prefixes on the wire (RFC 4271 §4.3, RFC 4760 §5; the path identifier: RFC 7911 §3).
 *
 *     | path identifier 4, with add-path only | length octet | as many octets as the bits of the length need | …
 */
import { ADDRESS_BITS, ADDRESS_BYTES, type Family } from '../../base/family.ts'
import { makePrefix } from '../../base/prefix.ts'

/**
 * RFC 7606 §5.3: −1 where every prefix in [start, end) is whole and none is longer than an address;
 * otherwise where the faulty one begins.
 */
export function checkNlri(bytes: Uint8Array, start: number, end: number, family: Family, addPath: boolean): number {
  const longest = ADDRESS_BITS[family]
  const identifier = addPath ? 4 : 0
  let at = start
  while (at < end) {
    const bitsAt = at + identifier
    if (bitsAt >= end) return at
    const bits = bytes[bitsAt] as number
    const next = bitsAt + 1 + ((bits + 7) >> 3)
    if (bits > longest || next > end) return at
    at = next
  }
  return -1
}

/** `10.1.0.0/16`; `at` is where its length octet lies. Bits beyond the length are cleared (RFC 4271 §4.3). */
export function formatNlri(bytes: Uint8Array, at: number, family: Family): string {
  const bits = bytes[at] as number
  const address = new Uint8Array(ADDRESS_BYTES[family])
  address.set(bytes.subarray(at + 1, at + 1 + ((bits + 7) >> 3)))
  return makePrefix(address, bits).text
}
