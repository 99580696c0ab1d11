/**
 * Classic BPF filters that drop BFD packets in the kernel: on single-hop sessions packets without a TTL of 255 (RFC
 * 5881 §5), and in a flood packets that do not come from a neighbor.
 */
import { type Address, addressBytes } from '../../base/address.ts'
import { readU32 } from '../../base/bytes.ts'
import type { Family } from '../../base/family.ts'
import type { FilterRow } from '../libc.ts'
import {
  COPY_TO_X,
  DROP,
  IF_AT_LEAST,
  IF_EQUAL,
  IP_HEADER,
  JUMP,
  LOAD_OCTET,
  LOAD_WORD,
  MOST_INSTRUCTIONS,
  MULTIPLY,
  PASS,
  SOURCE_AT,
  XOR_X,
} from './bpf.ts'

export interface FilterOptions {
  readonly family: Family
  /** Drop packets without a TTL of 255. */
  readonly oneHop: boolean
  /** Accept only these senders; undefined: any. */
  readonly senders: readonly Address[] | undefined
  /** Instructions that fit; the kernel's limit by default. */
  readonly most?: number
}

const TTL_AT: Readonly<Record<Family, number>> = { ipv4: 8, ipv6: 7 }
const HOP_LIMIT = 255

/** The kernel takes 4,096 instructions (BPF_MAXINSNS), of which a sender needs less than two. */
export const MOST_SENDERS = 2_000
/** Senders that are compared one after the other at each leaf of the tree. */
const LEAF = 8

/** Where the senders do not fit, packets of any sender pass, where `oneHop` with a TTL of 255 only. */
export function makeFilter({ family, oneHop, senders, most = MOST_INSTRUCTIONS }: FilterOptions): FilterRow[] {
  const hops: FilterRow[] = oneHop
    ? [[LOAD_OCTET, 0, 0, IP_HEADER + TTL_AT[family]], [IF_EQUAL, 1, 0, HOP_LIMIT], DROP]
    : []
  if (senders === undefined) return [...hops, PASS]
  const keys = [...new Set(senders.map(keyOf))].sort((a, b) => a - b)
  if (keys.length > MOST_SENDERS) return [...hops, PASS]
  const rows = [...hops, ...loadKey(family), ...tree(keys)]
  return rows.length > most ? [...hops, PASS] : rows
}

/** A multiplier that spreads similar addresses; any odd number with many bits will do. */
const SPREAD = 0x9e3779b1

/** An address as one word: for IPv6 a hash. A stranger with the same hash is dropped by the engine's own check. */
function keyOf(address: Address): number {
  const bytes = addressBytes(address)
  let key = readU32(bytes, 0)
  for (let at = 4; at < bytes.length; at += 4) key = Math.imul(key, SPREAD) ^ readU32(bytes, at)
  return key >>> 0
}

function loadKey(family: Family): FilterRow[] {
  const word = (at: number): FilterRow => [LOAD_WORD, 0, 0, IP_HEADER + SOURCE_AT[family] + at]
  if (family === 'ipv4') return [word(0)]
  const fold = (at: number): FilterRow[] => [[MULTIPLY, 0, 0, SPREAD], [COPY_TO_X, 0, 0, 0], word(at), [XOR_X, 0, 0, 0]]
  return [word(0), ...fold(4), ...fold(8), ...fold(12)]
}

/**
 * Halves until few are left. Offsets of a jump count instructions from the one after it. A conditional jump reaches only 255
 * of them, so a long jump leads to the upper half.
 */
function tree(keys: readonly number[]): FilterRow[] {
  if (keys.length <= LEAF) {
    // To PASS: over the comparisons that follow, and DROP.
    const tests = keys.map((key, index): FilterRow => [IF_EQUAL, keys.length - index, 0, key])
    return [...tests, DROP, PASS]
  }
  const middle = keys.length >> 1
  const below = tree(keys.slice(0, middle))
  return [
    // At least `middle`: the next instruction, which jumps over the lower half. Below it: one further, to the lower half.
    [IF_AT_LEAST, 0, 1, keys[middle] as number],
    [JUMP, 0, 0, below.length],
    ...below,
    ...tree(keys.slice(middle)),
  ]
}
