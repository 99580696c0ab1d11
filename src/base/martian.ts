/**
 * Destinations that no route may lead to, whoever advertises one: what lies inside the ranges that RFC 6890 and RFC 4291 keep
 * for a host itself, its link or a group. 0.0.0.0/0 and ::/0 lie in none of them. 240.0.0.0/4, 100.64.0.0/10 and
 * 169.254.0.0/16 are not among them: networks route all three, the last one to metadata servers (169.254.169.254).
 */
import type { Family } from './family.ts'

/** `bytes[at]` is the first octet of the address, as in NLRI; bits beyond `length` do not count. */
export function isMartianPrefix(family: Family, bytes: Uint8Array, at: number, length: number): boolean {
  // The shortest of them has four bits.
  if (length < 4) return false
  return family === 'ipv4' ? isMartian4(bytes, at, length) : isMartian6(bytes, at, length)
}

function isMartian4(bytes: Uint8Array, at: number, length: number): boolean {
  const first = bytes[at] as number
  // 224.0.0.0/4.
  if (first >>> 4 === 0xe) return true
  if (length < 8) return false
  // 0.0.0.0/8, 127.0.0.0/8.
  if (first === 0 || first === 127) return true
  // 255.255.255.255/32.
  return first === 255 && length === 32 && bytes[at + 1] === 255 && bytes[at + 2] === 255 && bytes[at + 3] === 255
}

function isMartian6(bytes: Uint8Array, at: number, length: number): boolean {
  if (length < 8) return false
  const first = bytes[at] as number
  // ff00::/8.
  if (first === 0xff) return true
  // fe80::/10.
  if (first === 0xfe) return length >= 10 && ((bytes[at + 1] as number) & 0xc0) === 0x80
  if (first !== 0 || length < 128) return false
  // ::/128 and ::1/128.
  for (let index = 1; index < 15; index++) if (bytes[at + index] !== 0) return false
  return (bytes[at + 15] as number) <= 1
}
