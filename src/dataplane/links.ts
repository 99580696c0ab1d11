/** The links of this host and their addresses, as the kernel reports them. Our next hops are chosen from them. */
import { type Address, addressBytes, familyOfAddress, isLinkLocal } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import { contains, hostPrefix, makePrefix, type Prefix } from '../base/prefix.ts'

/** An address of ours on a link. */
export interface LinkAddress {
  readonly address: Address
  /** Prefix length of the network on the link: 24 for `10.0.0.2/24`. */
  readonly length: number
  /** The address at the other end of a point-to-point link. */
  readonly peer: Address | undefined
  /** `RT_SCOPE_*` of rtnetlink(7), 0 for global. */
  readonly scope: number
  /** `IFA_F_*` of rtnetlink(7). */
  readonly flags: number
}

export interface Link {
  /** The kernel's interface index; names may change. */
  readonly index: number
  readonly name: string
  /** Administratively up, and with a carrier. */
  readonly up: boolean
  readonly mtu: number
  /** `IFF_*` of netdevice(7). */
  readonly flags: number
  readonly addresses: readonly LinkAddress[]
}

/** What has changed about links since the previous change. */
export interface LinkChange {
  /** A complete reading: everything known before is discarded. */
  readonly full: boolean
  /** Indexes of the removed links. */
  readonly gone: readonly number[]
  /** New and changed links, complete. */
  readonly present: readonly Link[]
}

/** The links and addresses that a change concerns. */
export interface TouchedLinks {
  readonly names: ReadonlySet<string>
  /** Addresses that were added or removed. */
  readonly addresses: ReadonlySet<Address>
}

export class LinkTable {
  readonly #byIndex = new Map<number, Link>()
  readonly #byName = new Map<string, Link>()
  /** The links of each address: several links may have the same one. */
  readonly #holders = new Map<Address, readonly Link[]>()
  #known = false

  /** The kernel has been read once. */
  get isKnown(): boolean {
    return this.#known
  }

  /** Sorted by index. */
  all(): Link[] {
    return [...this.#byIndex.values()].sort((a, b) => a.index - b.index)
  }

  get(name: string): Link | undefined {
    return this.#byName.get(name)
  }

  /** The link that has this address of ours; with a zone, only that one. */
  holder(address: Address): Link | undefined {
    const [bare = address, zone] = address.split('%')
    const holders = this.#holders.get(bare) ?? []
    return zone === undefined ? (holders.find(({ up }) => up) ?? holders[0]) : holders.find(({ name }) => name === zone)
  }

  isOwn(address: Address): boolean {
    return this.#holders.has(address)
  }

  isUp(name: string): boolean {
    return this.#byName.get(name)?.up === true
  }

  /** Whether the link has an IPv6 address of any scope: without one, there is no neighbor discovery on it. */
  hasIpv6(name: string): boolean {
    return this.#byName.get(name)?.addresses.some(({ address }) => familyOfAddress(address) === 'ipv6') === true
  }

  /** Whether `remote` is on a link of this machine, but on none that has the address `local`. */
  isBesideLink(local: Address, remote: Address): boolean {
    const around = isLinkLocal(remote) ? [] : [...this.#byIndex.values()].filter((link) => isOnLink(link, remote))
    return around.length > 0 && !around.some(({ addresses }) => addresses.some(({ address }) => address === local))
  }

  take({ full, gone, present }: LinkChange): TouchedLinks {
    const touched = new Touched()
    const lost = full ? [...this.#byIndex.keys()] : gone
    for (const index of lost) this.#remove(index, touched)
    for (const link of present) {
      this.#remove(link.index, touched)
      this.#add(link, touched)
    }
    this.#known = true
    return touched
  }

  #add(link: Link, touched: Touched): void {
    this.#byIndex.set(link.index, link)
    this.#byName.set(link.name, link)
    touched.names.add(link.name)
    for (const { address } of link.addresses) {
      const holders = this.#holders.get(address) ?? []
      if (!holders.includes(link)) this.#holders.set(address, [...holders, link])
      touched.toggle(address)
    }
  }

  #remove(index: number, touched: Touched): void {
    const link = this.#byIndex.get(index)
    if (link === undefined) return
    this.#byIndex.delete(index)
    if (this.#byName.get(link.name) === link) this.#byName.delete(link.name)
    touched.names.add(link.name)
    for (const { address } of link.addresses) {
      const left = (this.#holders.get(address) ?? []).filter((holder) => holder !== link)
      if (left.length === 0) this.#holders.delete(address)
      else this.#holders.set(address, left)
      touched.toggle(address)
    }
  }
}

/** Collects what a change concerns. An address that is removed and added again in one change has not changed. */
class Touched implements TouchedLinks {
  readonly names = new Set<string>()
  readonly addresses = new Set<Address>()

  toggle(address: Address): void {
    if (!this.addresses.delete(address)) this.addresses.add(address)
  }
}
/**
 * The networks on a link, without those of link-local addresses: hosts in them are reached without a router. A single
 * address is not a network, unless it is the other end of a point-to-point link.
 */
export function networksOf(link: Link): Prefix[] {
  const networks = link.addresses.filter(({ address }) => !isLinkLocal(address)).flatMap((own) => networkOf(own) ?? [])
  return [...new Map(networks.map((network) => [network.text, network])).values()]
}

function networkOf({ address, length, peer }: LinkAddress): Prefix | undefined {
  const bytes = addressBytes(peer ?? address)
  return peer === undefined && length === bytes.length * 8 ? undefined : makePrefix(bytes, length)
}

/** Whether this address is reached on the link without a router. */
export function isOnLink(link: Link, address: Address): boolean {
  const host = hostPrefix(address)
  return isLinkLocal(address) || (host !== undefined && networksOf(link).some((network) => contains(network, host)))
}

export const addressesOf = (link: Link, family: Family): readonly LinkAddress[] =>
  link.addresses.filter(({ address }) => familyOfAddress(address) === family)
