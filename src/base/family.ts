/** The two address families Godwit routes, and the numbers IANA gave them. */
export type Family = 'ipv4' | 'ipv6'

export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6']

/** For people. */
export const FAMILY_WORDS = { ipv4: 'IPv4', ipv6: 'IPv6' } as const

/** Address Family Identifiers (IANA "Address Family Numbers"). */
export const AFI = { ipv4: 1, ipv6: 2 } as const
/** Subsequent Address Family Identifier of unicast forwarding (RFC 4760 §6). */
export const SAFI_UNICAST = 1

/** Octets of an address. */
export const ADDRESS_BYTES = { ipv4: 4, ipv6: 16 } as const
/** Bits of an address: the longest prefix. */
export const ADDRESS_BITS = { ipv4: 32, ipv6: 128 } as const

/** The family of a pair from the wire, or undefined for one that is not ours. */
export function familyOfPair(afi: number, safi: number): Family | undefined {
  if (safi !== SAFI_UNICAST) return undefined
  return afi === AFI.ipv4 ? 'ipv4' : afi === AFI.ipv6 ? 'ipv6' : undefined
}
