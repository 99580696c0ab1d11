/**
 * Neighbors that are dialled from the address of an interface (`sourceInterface`), for example a loopback. Owns their intents.
 * The address is read from the links, and again when these change.
 */
import { type Address, familyOfAddress } from '../base/address.ts'
import { FAMILY_WORDS, type Family } from '../base/family.ts'
import { type PeerIntent, UNKNOWN_ADDRESS } from '../cluster/intent.ts'
import { addressesOf, concerns, type LinkTable, type TouchedLinks } from '../dataplane/links.ts'
import { isSource } from './own-address.ts'

export class SourceAddresses {
  readonly #links: LinkTable
  readonly #wanted = new Map<string, PeerIntent>()

  constructor(links: LinkTable) {
    this.#links = links
  }

  remove(name: string): void {
    this.#wanted.delete(name)
  }

  /** The intents of neighbors whose interface is among these links. */
  dependingOn(touched: TouchedLinks): PeerIntent[] {
    return [...this.#wanted.values()].filter(
      ({ sourceInterface: name }) => name !== undefined && concerns(touched, name),
    )
  }

  /**
   * The intent with the address of its interface, or held until there is one; without `sourceInterface` it is
   * unchanged.
   */
  resolve(intent: PeerIntent): PeerIntent {
    const { name, sourceInterface, address } = intent
    if (sourceInterface === undefined) {
      this.#wanted.delete(name)
      return intent
    }
    this.#wanted.set(name, intent)
    if (address === UNKNOWN_ADDRESS) return intent
    const family = familyOfAddress(address)
    const source = this.#addressOf(sourceInterface, family, intent.sourceAddress)
    if (source !== undefined) return { ...intent, sourceAddress: source, sourceMayYield: false }
    return { ...intent, held: intent.held ?? this.#whyNone(sourceInterface, family) }
  }

  /** The address of the Node if the interface has it, otherwise its first one in the order of their text. */
  #addressOf(name: string, family: Family, named: Address | undefined): Address | undefined {
    const link = this.#links.get(name)
    const usable =
      link === undefined
        ? []
        : addressesOf(link, family)
            .filter(isSource)
            .map(({ address }) => address)
    return usable.find((address) => address === named) ?? usable.sort()[0]
  }

  #whyNone(name: string, family: Family): string {
    if (!this.#links.isKnown) return 'the links of this node are not known yet'
    if (this.#links.get(name) === undefined) return `sourceInterface ${name} does not exist on this node`
    return `sourceInterface ${name} has no permanent ${FAMILY_WORDS[family]} address`
  }
}
