/** The links of this host and their addresses, as the kernel reports them. Our next hops are chosen from them. */
import { type Address, addressBytes, familyOfAddress, isLinkLocal } from '../base/address.ts'
import { ADDRESS_BITS, type Family } from '../base/family.ts'
import type { LinkMark } from '../base/link-mark.ts'
import { contains, hostPrefix, makePrefix, type Prefix } from '../base/prefix.ts'

/**
 * Of netdevice(7): switched on, with or without a carrier. While a link is off, the kernel accepts no packets to its
 * addresses.
 */
export const IFF_UP = 0x1

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

interface Addresses extends Iterable<Address> {
  readonly size: number
  has(address: Address): boolean
}

/** The links and addresses that a change concerns. */
export interface TouchedLinks {
  readonly names: ReadonlySet<string>
  /** Addresses that were added to links or removed from them. */
  readonly addresses: Addresses
  /** No link was known before: also of a name that no link has, more is known now. */
  readonly isFirst: boolean
}

/** Whether what depends on a link of this name must look again. */
export const concerns = ({ names, isFirst }: TouchedLinks, name: string): boolean => isFirst || names.has(name)

export class LinkTable {
  readonly #byIndex = new Map<number, Link>()
  readonly #byName = new Map<string, Link>()
  /** The links of each address: several links may have the same one. */
  readonly #holders = new LinksOf()
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

  /**
   * The link that has this address of ours; with a zone, only that one. Several may have it, such as point-to-point links that
   * lend one address: then the one that `remote` is on, and of those one that is up.
   */
  holder(address: Address, remote?: Address): Link | undefined {
    const holders = this.#holdersOf(address)
    const around = remote === undefined ? [] : holders.filter((link) => isOnLink(link, remote))
    const among = around.length > 0 ? around : holders
    return among.find(({ up }) => up) ?? among[0]
  }

  /** Whether one of these links has this address of ours; with a zone, only that one counts. */
  isHeldBy(names: ReadonlySet<string>, address: Address): boolean {
    return this.#holdersOf(address).some(({ name }) => names.has(name))
  }

  #holdersOf(address: Address): readonly Link[] {
    const [bare = address, zone] = address.split('%')
    const holders = this.#holders.get(bare).flatMap((index) => this.#byIndex.get(index) ?? [])
    return zone === undefined ? holders : holders.filter(({ name }) => name === zone)
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

  /**
   * Whether `remote` is in a subnet of this machine, but in none that has the address `local`. A single address on the link of
   * such a subnet belongs to all its subnets.
   */
  isBesideSubnet(local: Address, remote: Address): boolean {
    const around = isLinkLocal(remote) ? [] : [...this.#byIndex.values()].filter((link) => isOnLink(link, remote))
    return around.length > 0 && !around.some((link) => isSourceFor(link, local, remote))
  }

  take({ full, gone, present }: LinkChange): TouchedLinks {
    const touched = new Touched(!this.#known)
    const lost = full ? [...this.#byIndex.keys()] : gone
    for (const index of lost) this.#remove(index, touched)
    for (const link of present) this.#set(link, touched)
    this.#known = true
    return touched
  }

  #set(link: Link, touched: Touched): void {
    const before = this.#byIndex.get(link.index)
    if (before !== undefined) this.#unname(before, touched)
    this.#byIndex.set(link.index, link)
    this.#byName.set(link.name, link)
    touched.names.add(link.name)
    const { gone, come } = difference(before?.addresses ?? [], link.addresses)
    for (const address of gone) this.#drop(address, link.index, touched)
    for (const address of come) {
      this.#holders.add(address, link.index)
      touched.toggle(address, link.index)
    }
  }

  #remove(index: number, touched: Touched): void {
    const link = this.#byIndex.get(index)
    if (link === undefined) return
    this.#byIndex.delete(index)
    this.#unname(link, touched)
    for (const address of new Set(link.addresses.map((own) => own.address))) this.#drop(address, index, touched)
  }

  #unname(link: Link, touched: Touched): void {
    if (this.#byName.get(link.name) === link) this.#byName.delete(link.name)
    touched.names.add(link.name)
  }

  #drop(address: Address, index: number, touched: Touched): void {
    this.#holders.delete(address, index)
    touched.toggle(address, index)
  }
}

/**
 * The links of addresses. Nearly all have one, and a link may have 20,000 addresses: a set for each would take most of the time
 * that the first look at such a link takes.
 */
class LinksOf implements Addresses {
  readonly #links = new Map<Address, number | readonly number[]>()

  get size(): number {
    return this.#links.size
  }

  has(address: Address): boolean {
    return this.#links.has(address)
  }

  [Symbol.iterator](): Iterator<Address> {
    return this.#links.keys()
  }

  get(address: Address): readonly number[] {
    const links = this.#links.get(address) ?? []
    return typeof links === 'number' ? [links] : links
  }

  add(address: Address, link: number): void {
    const links = this.#links.get(address)
    if (links === undefined) this.#links.set(address, link)
    else if (!this.get(address).includes(link)) this.#links.set(address, [...this.get(address), link])
  }

  /** Returns whether the link had it. */
  delete(address: Address, link: number): boolean {
    if (!this.#links.has(address)) return false
    const before = this.get(address)
    const links = before.filter((one) => one !== link)
    if (links.length === 0) this.#links.delete(address)
    else this.#links.set(address, links)
    return links.length < before.length
  }
}

/**
 * Which addresses a link has no longer, and which are new. With kube-proxy in its mode IPVS a link has those of all
 * services, and mostly one of them changes: what is the same at both ends is only compared.
 */
function difference(
  before: readonly LinkAddress[],
  after: readonly LinkAddress[],
): { readonly gone: readonly Address[]; readonly come: readonly Address[] } {
  const least = Math.min(before.length, after.length)
  let [head, tail] = [0, 0]
  while (head < least && before[head]?.address === after[head]?.address) head++
  while (tail < least - head && before.at(-1 - tail)?.address === after.at(-1 - tail)?.address) tail++
  if (before.length === 0) return { gone: [], come: [...new Set(after.map(({ address }) => address))] }
  const middle = (all: readonly LinkAddress[]) =>
    new Set(all.slice(head, all.length - tail).map(({ address }) => address))
  const [old, now] = [middle(before), middle(after)]
  // An address may stand there twice, with two lengths.
  const [had, has] = [finder(before, now.size), finder(after, old.size)]
  return { gone: [...old].filter((one) => !has(one)), come: [...now].filter((one) => !had(one)) }
}

/** A function that tells whether an address is among these. `questions`: how often it will be asked. */
function finder(all: readonly LinkAddress[], questions: number): (address: Address) => boolean {
  if (questions < FEW) return (address) => all.some((own) => own.address === address)
  const addresses = new Set(all.map(({ address }) => address))
  return (address) => addresses.has(address)
}

/** For fewer questions than this, searching the list costs less than making a set of it. */
const FEW = 8

/**
 * Collects what a change concerns. An address that is removed from a link and added to it again in one change has not
 * changed. This is counted for each link: if two links lose an address together, nobody has it any more.
 */
class Touched implements TouchedLinks {
  readonly names = new Set<string>()
  readonly addresses = new LinksOf()
  readonly isFirst: boolean

  constructor(isFirst: boolean) {
    this.isFirst = isFirst
  }

  toggle(address: Address, link: number): void {
    if (!this.addresses.delete(address, link)) this.addresses.add(address, link)
  }
}

/**
 * The networks on a link, without those of link-local addresses: hosts in them are reached without a router. A single
 * address is not a network, unless it is the other end of a point-to-point link.
 */
export function networksOf(link: Link): readonly Prefix[] {
  const known = NETWORKS.get(link)
  if (known !== undefined) return known
  const networks = link.addresses.flatMap((own) => networkOf(own) ?? [])
  const unique = [...new Map(networks.map((network) => [network.text, network])).values()]
  NETWORKS.set(link, unique)
  return unique
}

/** The link, as a way that packets take. */
export const marksOf = (link: Link): readonly LinkMark[] => [link.name, ...networksOf(link)]

/** Whether the link has this address, in a subnet with `remote` or in none. */
function isSourceFor({ addresses }: Link, local: Address, remote: Address): boolean {
  const host = hostPrefix(remote)
  return addresses.some((own) => {
    const network = networkOf(own)
    return own.address === local && (network === undefined || (host !== undefined && contains(network, host)))
  })
}

/** The network that this address of ours is in. */
export const networkOf = (own: LinkAddress): Prefix | undefined =>
  isAlone(own) ? undefined : makePrefix(addressBytes(own.peer ?? own.address), own.length)

/** Asked for each neighbor and each link. */
const NETWORKS = new WeakMap<Link, readonly Prefix[]>()

const isAlone = ({ address, length, peer }: LinkAddress): boolean =>
  isLinkLocal(address) || (peer === undefined && length === ADDRESS_BITS[familyOfAddress(address)])

/** Whether this address is reached on the link without a router. */
export function isOnLink(link: Link, address: Address): boolean {
  const host = hostPrefix(address)
  return isLinkLocal(address) || (host !== undefined && networksOf(link).some((network) => contains(network, host)))
}

export const addressesOf = (link: Link, family: Family): readonly LinkAddress[] =>
  link.addresses.filter(({ address }) => familyOfAddress(address) === family)
