/** Next hops as they stand in a message: whether they can be the address of a host at all (RFC 4271 §6.3). */

/** `length` is 4, 16 or 32 (a global and a link-local address, RFC 2545 §3). Runs for every UPDATE. */
export function whyNotNextHop(bytes: Uint8Array, at: number, length: number): string | undefined {
  if (length === 4) return whyNotV4(bytes[at] as number)
  const why = whyNotV6(bytes, at)
  // Some speakers write `::` beside a link-local address when they have no other.
  if (why !== undefined && length === 32 && isZero(bytes, at, at + 16)) return whyNotLinkLocal(bytes, at + 16)
  return why
}

function whyNotV4(first: number): string | undefined {
  if (first === 0) return 'has next hop 0.0.0.0/8'
  if (first === 127) return 'has a loopback next hop'
  // Class D and E.
  return first >= 224 ? 'has a multicast or reserved next hop' : undefined
}

function whyNotV6(bytes: Uint8Array, at: number): string | undefined {
  if (bytes[at] === 0xff) return 'has a multicast next hop'
  if (bytes[at] !== 0 || !isZero(bytes, at, at + 15)) return undefined
  const last = bytes[at + 15] as number
  return last === 0 ? 'has next hop ::' : last === 1 ? 'has a loopback next hop' : undefined
}

function whyNotLinkLocal(bytes: Uint8Array, at: number): string | undefined {
  return bytes[at] === 0xfe && ((bytes[at + 1] as number) & 0xc0) === 0x80 ? undefined : 'has next hop ::'
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false
  return true
}
