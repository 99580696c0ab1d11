/**
 * Addresses of interfaces that BGPAdvertisements name, for example those of a loopback. They are read from the links,
 * and again when these change.
 */
import { hostPrefix, type Prefix } from '../base/prefix.ts'
import type { InterfaceAddresses, LeftOutAddress } from '../cluster/advertisement-claims.ts'
import { same } from '../cluster/same.ts'
import { concerns, IFF_UP, type LinkTable, type TouchedLinks } from '../dataplane/links.ts'
import { whyNotSteady } from './own-address.ts'

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
    if (!this.#links.isKnown) return none('the links of this node are not known yet', false)
    const link = this.#links.get(name)
    if (link === undefined) return none('it does not exist on this node')
    if ((link.flags & IFF_UP) === 0) return none('it is switched off')
    const prefixes: Prefix[] = []
    const leftOut: LeftOutAddress[] = []
    for (const own of link.addresses) {
      const prefix = hostPrefix(own.address)
      const why = whyNotSteady(own)
      if (prefix === undefined) continue
      if (why === undefined) prefixes.push(prefix)
      else if (own.scope === 0) leftOut.push({ prefix, why: `interface ${name}: the address ${why}` })
    }
    if (prefixes.length === 0) return { ...none('it has no permanent address that reaches beyond its link'), leftOut }
    return { prefixes: prefixes.sort(byText), leftOut, why: undefined, isProblem: false }
  }
}

const none = (why: string, isProblem = true): InterfaceAddresses => ({ prefixes: [], leftOut: [], why, isProblem })

const byText = (a: Prefix, b: Prefix): number => (a.text < b.text ? -1 : 1)
