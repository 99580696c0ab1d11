/** Classic BPF instructions, as far as our socket filters need them. */
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

/** SKF_NET_OFF: offsets from here count from the IP header. */
export const IP_HEADER = 0xfff00000
/** BPF_MAXINSNS. */
export const MOST_INSTRUCTIONS = 4096
/** A conditional jump reaches no further. */
export const FARTHEST = 255

/** The whole packet: what is returned are the octets of it that are kept. */
export const PASS: FilterRow = [RETURN, 0, 0, 0xffffffff]
export const DROP: FilterRow = [RETURN, 0, 0, 0]
