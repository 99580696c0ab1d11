/**
 * What we write as next hop on a session, per family. The session's own family: the address the neighbor reaches us at.
 * The other one: this node's InternalIP, else an address of the interface the session runs over. Never a v4-mapped one.
 */
import { type Address, addressBytes, familyOfAddress, isLinkLocal } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import type { Session } from '../bgp/session/types.ts'
import type { NodeIntent } from '../cluster/intent.ts'
import type { LocalInterface } from './input.ts'

export interface NextHops {
  readonly bytes: Readonly<Partial<Record<Family, Uint8Array>>>
  readonly text: Readonly<Partial<Record<Family, string>>>
  /** Why a family of the session is not told anything. */
  readonly held: Readonly<Partial<Record<Family, string>>>
}

export function nextHopsFor(session: Session, node: NodeIntent, local: LocalInterface | undefined): NextHops {
  const bytes: Partial<Record<Family, Uint8Array>> = {}
  const text: Partial<Record<Family, string>> = {}
  const held: Partial<Record<Family, string>> = {}
  for (const family of FAMILIES) {
    if (!session.families.includes(family)) continue
    const written = throughIpv6(family, session, node, local) ? 'ipv6' : family
    const addresses = nextHopAddresses(written, session.local.address, node, local)
    if (addresses.length === 0) held[family] = whyNoNextHop(family, node, local)
    else {
      bytes[family] = joinBytes(addresses.map(addressBytes))
      text[family] = [...new Set(addresses)].join(' ')
    }
  }
  return { bytes, text, held }
}

/** RFC 8950: IPv4 goes by IPv6 next hops where both agreed to that, and the session runs over IPv6 or we have no IPv4. */
function throughIpv6(family: Family, session: Session, node: NodeIntent, local: LocalInterface | undefined): boolean {
  if (family !== 'ipv4' || !session.send.extendedNextHop) return false
  if (familyOfAddress(session.local.address) === 'ipv6') return true
  return (node.addresses.ipv4 ?? local?.addresses.ipv4) === undefined
}

/**
 * RFC 2545 §3: on a link-local session the global address of the link is followed by the link-local one; where there is
 * no global one, it stands in both halves, as FRR writes it and everybody reads it.
 */
function nextHopAddresses(
  family: Family,
  sessionAddress: Address,
  node: NodeIntent,
  local: LocalInterface | undefined,
): Address[] {
  const onLink = local?.addresses[family]
  const own = node.addresses[family] ?? onLink
  if (familyOfAddress(sessionAddress) !== family) return own === undefined ? [] : [own]
  return isLinkLocal(sessionAddress) ? [onLink ?? sessionAddress, sessionAddress] : [sessionAddress]
}

function whyNoNextHop(family: Family, node: NodeIntent, local: LocalInterface | undefined): string {
  const label = family === 'ipv4' ? 'IPv4' : 'IPv6'
  const place =
    local === undefined ? 'no interface of the session is known' : `there is none on interface ${local.name}`
  return `no ${label} next hop: Node/${node.name} has no ${label} InternalIP and ${place}`
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
