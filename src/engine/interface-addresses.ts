/**
 * Addresses of interfaces that BGPAdvertisements name, for example those of a loopback. They are read from the links,
 * and again when these change.
 */
import { hostPrefix } from '../base/prefix.ts'
import type { InterfaceAddresses } from '../cluster/advertisements.ts'
import { same } from '../cluster/same.ts'
import { concerns, IFF_UP, type LinkTable, type TouchedLinks } from '../dataplane/links.ts'
import { isSteady } from './own-address.ts'

export class InterfaceAddressBook {
  readonly #links: LinkTable
  #names: readonly string[] = []
  addresses: ReadonlyMap<string, InterfaceAddresses> = new Map()

  constructor(links: LinkTable) {
    this.#links = links
  }

  /** Whether `addresses` have changed. */
  set(names: readonly string[]): boolean {
    if (same(names, this.#names)) return false
    this.#names = names
    return this.#read()
  }

  /** Links have changed. Whether `addresses` have changed with them. */
  follow(touched: TouchedLinks): boolean {
    return this.#names.some((name) => concerns(touched, name)) && this.#read()
  }

  #read(): boolean {
    const addresses = new Map(this.#names.map((name) => [name, this.#addressesOf(name)]))
    if (same(addresses, this.addresses)) return false
    this.addresses = addresses
    return true
  }

  #addressesOf(name: string): InterfaceAddresses {
    if (!this.#links.isKnown) return { prefixes: [], why: 'the links of this node are not known yet', isProblem: false }
    const link = this.#links.get(name)
    if (link === undefined) return { prefixes: [], why: `it does not exist on this node`, isProblem: true }
    if ((link.flags & IFF_UP) === 0) return { prefixes: [], why: 'it is switched off', isProblem: true }
    const prefixes = link.addresses.filter(isSteady).flatMap(({ address }) => hostPrefix(address) ?? [])
    const why = prefixes.length === 0 ? 'it has no address that stays and reaches beyond its link' : undefined
    return { prefixes: prefixes.sort((a, b) => (a.text < b.text ? -1 : 1)), why, isProblem: why !== undefined }
  }
}
