/**
 * RFC 4271 §5.1.3: a route is not advertised to the neighbor whose own address is its next hop. An encoded block
 * (export.ts) is compared with that address; where many are compared at once, a hash of 32 bits stands for either.
 *
 * The address is that of the session. BGP does not carry a router's address of the other family; if a route with that
 * next hop is advertised, the receiver rejects it by the same section.
 */
import type { ByteTable } from '../route/byte-table.ts'
import { OURS } from './pack.ts'

/** Different addresses may have the same hash: compare the addresses if hashes are equal. */
export function addressHash(bytes: Uint8Array, at = 0, length = bytes.length): number {
  let hash = length
  for (let index = 0; index < length; index += 4) {
    const word =
      ((bytes[at + index] as number) << 24) |
      ((bytes[at + index + 1] as number) << 16) |
      ((bytes[at + index + 2] as number) << 8) |
      (bytes[at + index + 3] as number)
    hash = Math.imul(hash, 31) ^ word
  }
  return hash
}

/** The hash of the next hop in a block; undefined if it is this node. */
export function nextHopHash(blocks: ByteTable, block: number): number | undefined {
  const [segment, offset] = [blocks.segment(block), blocks.offset(block)]
  const length = segment[offset] as number
  return (length & OURS) === 0 ? addressHash(segment, offset + 1, length) : undefined
}

/** Whether the next hop in a block is this address. */
export function leadsTo(blocks: ByteTable, block: number, address: Uint8Array): boolean {
  const segment = blocks.segment(block)
  const offset = blocks.offset(block)
  if (segment[offset] !== address.length) return false
  for (let index = 0; index < address.length; index++) {
    if (segment[offset + 1 + index] !== address[index]) return false
  }
  return true
}
