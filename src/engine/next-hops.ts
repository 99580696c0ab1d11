/**
 * Chooses the next hop that we advertise on a session, per family. For the session's own family it is our address on
 * the session. For the other family it is an address of the interface that the session uses (RFC 4271 §5.1.3, RFC 2545
 * §3); if there is none, and the neighbor is internal or not on that link, it is this node's InternalIP. It is never a
 * v4-mapped address, and always an address of this machine.
 */
import { type Address, addressBytes, familyOfAddress, isLinkLocal } from '../base/address.ts'
import { FAMILIES, FAMILY_WORDS, type Family } from '../base/family.ts'
import { type LinkMark, markText } from '../base/link-mark.ts'
import { contains, hostPrefix, type Prefix } from '../base/prefix.ts'
import type { HeardNextHops } from '../bgp/rib/peers.ts'
import type { Session } from '../bgp/session/types.ts'
import type { NodeIntent } from '../cluster/intent.ts'
import { addressesOf, isOnLink, type Link, type LinkTable, networksOf } from '../dataplane/links.ts'
import { type AddressNeeds, chooseAddress, whyNotUsableAddress } from './own-address.ts'

export interface NextHopChoice {
  readonly bytes: Readonly<Partial<Record<Family, Uint8Array>>>
  readonly text: Readonly<Partial<Record<Family, string>>>
  /** Why nothing of a family is advertised in the session. */
  readonly held: Readonly<Partial<Record<Family, string>>>
  /** The interface the session runs over, as last known. */
  readonly link: string | undefined
  /** The neighbor is on it too. */
  readonly isOnLink: boolean
  /** `sourceInterface` names it: next hops in its networks are reached over no other link. */
  readonly isBound: boolean
  /** It is in none of the link's networks, but the kernel has a route to it over the link without a gateway. */
  readonly isBeside: boolean
  /** The networks of that link, or else its name, if the neighbor is on it or beside it; otherwise empty. */
  readonly shared: readonly LinkMark[]
  /** Its networks that the neighbor has an address in. Where that is not known: the network of our next hop. */
  readonly subnets: readonly Prefix[]
  /** Link-local next hops of the neighbor cannot be reached: it is on no link of ours, or that is down or has no IPv6. */
  readonly lacksLink: boolean
  /** Our addresses that were chosen as next hops, by family. */
  readonly chosen: Readonly<Partial<Record<Family, Address>>>
}

export interface NextHopInputs {
  readonly node: NodeIntent
  readonly links: LinkTable
  /** The interface of the session, as last known. */
  readonly link: string | undefined
  /** The interface that a socket to the neighbor is bound to. */
  readonly bound: string | undefined
  /** Whether a kernel route leads to an address over this link without a gateway. */
  isBeside(link: string, remote: Address): boolean
  /** The next hop for neighbors over a link. */
  chosen(link: string): NextHopChoice['chosen'] | undefined
  /**
   * By family: a next hop on the shared link that the neighbor, an external one, has sent. It has an address in that network.
   */
  readonly heard: HeardNextHops
}

export function nextHopsFor(session: Session, place: NextHopInputs): NextHopChoice {
  return new Choice(session, place).make()
}

/** What is advertised, or why not, as a text that changes with it. */
export const nextHopsKey = (choice: NextHopChoice): string => {
  const { text, held, link, isBound, isBeside, lacksLink, shared, subnets } = choice
  return JSON.stringify([text, held, link, isBound, isBeside, lacksLink, shared.map(markText), subnets.map(textOf)])
}

const textOf = ({ text }: Prefix): string => text

class Choice {
  readonly #session: Session
  readonly #place: NextHopInputs
  readonly #link: Link | undefined
  /** The neighbor is on the link too. */
  readonly #isOnLink: boolean
  readonly #isBeside: boolean
  readonly #chosen: Partial<Record<Family, Address>> = {}

  constructor(session: Session, place: NextHopInputs) {
    const { links, link } = place
    this.#session = session
    this.#place = place
    // An address that was removed does not remove the link: its other addresses stay.
    const holder = links.holder(session.local.address, session.remote.address)
    this.#link = holder ?? (link === undefined ? undefined : links.get(link))
    this.#isOnLink = this.#link !== undefined && isOnLink(this.#link, session.remote.address)
    this.#isBeside =
      this.#link !== undefined && !this.#isOnLink && place.isBeside(this.#link.name, session.remote.address)
    for (const family of FAMILIES) {
      const address = this.#choose(family)
      if (address !== undefined) this.#chosen[family] = address
    }
  }

  make(): NextHopChoice {
    const bytes: Partial<Record<Family, Uint8Array>> = {}
    const text: Partial<Record<Family, string>> = {}
    const held: Partial<Record<Family, string>> = {}
    for (const family of FAMILIES) {
      if (!this.#session.families.includes(family)) continue
      const addresses = this.#addresses(this.#isThroughIpv6(family) ? 'ipv6' : family)
      if (addresses.length === 0) held[family] = this.#whyNone(family)
      else {
        bytes[family] = joinBytes(addresses.map(addressBytes))
        text[family] = [...new Set(addresses)].join(' ')
      }
    }
    const link = this.#link?.name ?? this.#place.link
    const networks = this.#link !== undefined && this.#isOnLink ? networksOf(this.#link) : []
    const shared = networks.length > 0 ? networks : this.#byName()
    const subnets = this.#subnets(networks)
    const isBound = link !== undefined && link === this.#place.bound
    const where = { link, isBound, isOnLink: this.#isOnLink, isBeside: this.#isBeside, lacksLink: this.#lacksLink }
    return { bytes, text, held, ...where, shared, subnets, chosen: this.#chosen }
  }

  /**
   * RFC 8950: IPv4 goes by IPv6 next hops where both agreed to that, and the session runs over IPv6 or we have no IPv4.
   */
  #isThroughIpv6(family: Family): boolean {
    if (family !== 'ipv4' || !this.#session.send.extendedNextHop) return false
    return familyOfAddress(this.#session.local.address) === 'ipv6' || this.#chosen.ipv4 === undefined
  }

  /**
   * RFC 2545 §3: on a link-local session the global address of the link is followed by the link-local one; where there
   * is no global one, it stands in both halves, as FRR writes it and everybody reads it.
   */
  #addresses(family: Family): Address[] {
    const own = this.#session.local.address
    const chosen = this.#chosen[family]
    if (familyOfAddress(own) !== family) return chosen === undefined ? [] : [chosen]
    return isLinkLocal(own) ? [chosen ?? own, own] : [own]
  }

  #choose(family: Family): Address | undefined {
    const needs = this.#needs(family)
    const onLink = this.#link === undefined ? undefined : chooseAddress(this.#link, needs)
    return onLink ?? (this.#isDirect ? undefined : this.#internalIp(needs))
  }

  #needs(family: Family): AddressNeeds {
    const { node, chosen } = this.#place
    const advertised = this.#link === undefined ? undefined : chosen(this.#link.name)?.[family]
    return { family, named: node.addresses[family], advertised, remote: this.#remote(family) }
  }

  /** An address of the neighbor on the link. */
  #remote(family: Family): Prefix | undefined {
    const { address } = this.#session.remote
    const isKnown = familyOfAddress(address) === family && !isLinkLocal(address)
    return isKnown ? hostPrefix(address) : this.#place.heard[family]
  }

  /** A link that the neighbor is on, or beside, and in none of its networks. */
  #byName(): readonly LinkMark[] {
    return this.#link !== undefined && (this.#isOnLink || this.#isBeside) ? [this.#link.name] : []
  }

  #subnets(networks: readonly Prefix[]): readonly Prefix[] {
    const hosts = FAMILIES.map((family) => this.#remote(family) ?? hostPrefix(this.#chosen[family] ?? ''))
    return networks.filter((network) => hosts.some((host) => host !== undefined && contains(network, host)))
  }

  /** An external neighbor on the link expects our next hop there. */
  get #isDirect(): boolean {
    return this.#session.peerType === 'external' && this.#isOnLink
  }

  /**
   * Only where this machine has it. A session of 127.0.0.0/8 does not leave the machine (RFC 1122 §3.2.1.3), for
   * example where agents play nodes of a cluster: there is no link to check, and the address is the Node's.
   */
  #internalIp(needs: AddressNeeds): Address | undefined {
    if (this.#session.local.address.startsWith('127.')) return needs.named
    const holder = needs.named === undefined ? undefined : this.#place.links.holder(needs.named)
    const own = holder?.addresses.find(({ address }) => address === needs.named)
    return own !== undefined && whyNotUsableAddress(own, needs) === undefined ? own.address : undefined
  }

  get #lacksLink(): boolean {
    const { links } = this.#place
    const name = this.#link?.name
    // RFC 2545 §3: a link-local address is for those on the link. On ours it would be that of a stranger.
    const isThere = name !== undefined && (this.#isOnLink || this.#isBeside)
    return links.isKnown && (!isThere || !links.isUp(name) || !links.hasIpv6(name))
  }

  #whyNone(family: Family): string {
    const label = FAMILY_WORDS[family]
    const { node, links } = this.#place
    if (!links.isKnown) return `no ${label} next hop: the links of this node are not known yet`
    const named = node.addresses[family]
    const internalIp = this.#isDirect
      ? `${this.#session.remote.address} is on that link and could not reach another next hop`
      : named === undefined
        ? `Node/${node.name} has no ${label} InternalIP`
        : `this machine does not have the InternalIP ${named}`
    return `no ${label} next hop: ${this.#whyNotOnLink(family, label)}, and ${internalIp}`
  }

  #whyNotOnLink(family: Family, label: string): string {
    if (this.#link === undefined) return `no interface has the address ${this.#session.local.address} of the session`
    const needs = this.#needs(family)
    const flaws = addressesOf(this.#link, family)
      .slice(0, MOST_FLAWS)
      .flatMap((own) => {
        const why = whyNotUsableAddress(own, needs)
        return why === undefined ? [] : [`${own.address}/${own.length} ${why}`]
      })
    const reason = `interface ${this.#link.name} has no permanent ${label} address`
    return flaws.length === 0
      ? `interface ${this.#link.name} has no ${label} address`
      : `${reason} (${flaws.join(', ')})`
  }
}

/** All reasons as one text. */
const MOST_FLAWS = 4

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
