/** Decides which address of a link may be advertised as next hop: a permanent one of this machine. */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import { contains, type Prefix } from '../base/prefix.ts'
import { addressesOf, type Link, type LinkAddress, networkOf } from '../dataplane/links.ts'

// `IFA_F_*` of rtnetlink(7).
/** IFA_F_SECONDARY of an IPv4 address: a further one of its network; of an IPv6 address: a temporary one (RFC 8981). */
const SECONDARY_OR_TEMPORARY = 0x01
const OPTIMISTIC = 0x04
const DAD_FAILED = 0x08
const DEPRECATED = 0x20
const TENTATIVE = 0x40
const PERMANENT = 0x80

export interface AddressNeeds {
  readonly family: Family
  /** The InternalIP of the Node. */
  readonly named: Address | undefined
  /** The next hop that is advertised now. */
  readonly advertised: Address | undefined
  /** An address that the neighbor has on the link. */
  readonly remote: Prefix | undefined
}

/**
 * RFC 4271 §5.1.3, RFC 2545 §3: where a link has several subnets, an address of one that the neighbor is in too. Of these it
 * chooses the InternalIP where the link has it; else the address that is advertised already, so that nothing changes
 * without need; else the first in an order that does not depend on the time of assignment: static addresses before
 * those from router advertisements.
 */
export function chooseAddress(link: Link, needs: AddressNeeds): Address | undefined {
  const usable = addressesOf(link, needs.family).filter((own) => whyNotUsableAddress(own, needs) === undefined)
  const beside = usable.filter((own) => isBeside(own, needs.remote))
  const candidates = beside.length > 0 ? beside : usable
  return candidates.sort((a, b) => rankOf(a, needs) - rankOf(b, needs) || (a.address < b.address ? -1 : 1))[0]?.address
}

function isBeside(own: LinkAddress, remote: Prefix | undefined): boolean {
  const network = networkOf(own)
  return remote !== undefined && network !== undefined && contains(network, remote)
}

function rankOf({ address, flags }: LinkAddress, { named, advertised }: AddressNeeds): number {
  if (address === named) return 0
  // RFC 4862 §5.5.4: a deprecated address stays in use, unless another one is there.
  if ((flags & DEPRECATED) !== 0) return 5
  if (address === advertised) return 1
  if (address.startsWith('169.254.')) return 4
  return (flags & PERMANENT) !== 0 ? 2 : 3
}

/**
 * Why an address does not last, or is not valid beyond its link, as the end of a sentence; undefined: it lasts and is valid
 * there, whatever the length of its prefix. A deprecated address still receives packets (RFC 4862 §5.5.4): keepalived adds every IPv6 VIP as one.
 */
export function whyNotSteady({ address, scope, flags }: LinkAddress): string | undefined {
  if (scope !== 0) return 'reaches no further than its link'
  if ((flags & DAD_FAILED) !== 0) return 'is a duplicate'
  if ((flags & TENTATIVE) !== 0 && (flags & OPTIMISTIC) === 0) return 'is tentative'
  if (address.includes(':') && (flags & SECONDARY_OR_TEMPORARY) !== 0) return 'is temporary'
  return undefined
}

/** Whether sessions may come from it: new ones should not from a deprecated address. */
export const isSource = (own: LinkAddress): boolean => whyNotSteady(own) === undefined && (own.flags & DEPRECATED) === 0

/** Why it may not be advertised as next hop, as the end of a sentence; undefined: it may. */
export function whyNotUsableAddress(own: LinkAddress, { family, named, advertised }: AddressNeeds): string | undefined {
  const why = whyNotSteady(own)
  if (why !== undefined) return why
  const { address, length, peer, flags } = own
  if ((flags & DEPRECATED) !== 0 && address !== named && address !== advertised) return 'is deprecated'
  if (address === named) return undefined
  if (family === 'ipv4' && (flags & SECONDARY_OR_TEMPORARY) !== 0) return 'is secondary'
  // A /32 or /128 that the Node does not name is a VIP, which may move to another node.
  if (length === (family === 'ipv4' ? 32 : 128) && peer === undefined) return 'is a single address'
  return undefined
}
