/** The instructions of classic BPF that our socket filters use. */
import type { Family } from '../../base/family.ts'
import type { FilterRow } from '../libc.ts'

// Instructions.
export const LOAD_OCTET = 0x30
export const LOAD_WORD = 0x20
export const COPY_TO_X = 0x07
export const XOR_X = 0xac
export const MULTIPLY = 0x24
export const SHIFT_RIGHT = 0x74
export const JUMP = 0x05
export const IF_EQUAL = 0x15
export const IF_AT_LEAST = 0x35
const RETURN = 0x06

/** SKF_NET_OFF: added to offsets that count from the IP header. */
export const IP_HEADER = 0xfff00000
/** Offset of the source address in the IP header. */
export const SOURCE_AT: Readonly<Record<Family, number>> = { ipv4: 12, ipv6: 8 }
/** BPF_MAXINSNS. */
export const MOST_INSTRUCTIONS = 4096
/** The farthest target of a conditional jump, in instructions. */
export const FARTHEST = 255

/** Keeps the whole packet: the returned value is the number of octets to keep. */
export const PASS: FilterRow = [RETURN, 0, 0, 0xffffffff]
export const DROP: FilterRow = [RETURN, 0, 0, 0]
