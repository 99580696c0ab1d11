/**
 * Router advertisements and solicitations (RFC 4861 §4.1, §4.2) as bytes, from the ICMPv6 header on. The kernel fills in
 * the checksum, and has checked it. The receiver checks that the hop limit was 255.
 */

export const ICMP_TYPE = { solicitation: 133, advertisement: 134 } as const

export type NdpMessage =
  | { readonly kind: 'solicitation' }
  /** Router lifetime in seconds. 0: a router, but not a default router, as is usual between BGP neighbors. */
  | { readonly kind: 'advertisement'; readonly lifetime: number }

const HEADER = { solicitation: 8, advertisement: 16 } as const
/** RFC 4861 §4.6.1. */
const SOURCE_LINK_LAYER = 1

/** Undefined: not one of the two, or one that must be dropped (RFC 4861 §6.1.1, §6.1.2). */
export function decodeNdp(bytes: Uint8Array): NdpMessage | undefined {
  const [type, code] = bytes
  if (code !== 0) return undefined
  if (type === ICMP_TYPE.solicitation && hasWholeOptions(bytes, HEADER.solicitation)) return { kind: 'solicitation' }
  if (type !== ICMP_TYPE.advertisement || !hasWholeOptions(bytes, HEADER.advertisement)) return undefined
  return { kind: 'advertisement', lifetime: ((bytes[6] as number) << 8) | (bytes[7] as number) }
}

/** RFC 4861 §6.1: every option has a length, in units of eight octets, and ends inside the message. */
function hasWholeOptions(bytes: Uint8Array, header: number): boolean {
  if (bytes.length < header) return false
  let at = header
  while (at < bytes.length) {
    const length = (bytes[at + 1] ?? 0) * 8
    if (length === 0) return false
    at += length
  }
  return at === bytes.length
}

/**
 * Ours: a router is here, but no default router; no prefix, no hop limit, no timers. `linkLayer` is the
 * interface's own address, where it has one of six octets.
 */
export function encodeAdvertisement(linkLayer: Uint8Array | undefined): Uint8Array {
  return withLinkLayer(ICMP_TYPE.advertisement, HEADER.advertisement, linkLayer)
}

export function encodeSolicitation(linkLayer: Uint8Array | undefined): Uint8Array {
  return withLinkLayer(ICMP_TYPE.solicitation, HEADER.solicitation, linkLayer)
}

function withLinkLayer(type: number, header: number, linkLayer: Uint8Array | undefined): Uint8Array {
  const option = linkLayer?.length === 6 ? [SOURCE_LINK_LAYER, 1, ...linkLayer] : []
  const bytes = new Uint8Array(header + option.length)
  bytes[0] = type
  bytes.set(option, header)
  return bytes
}
