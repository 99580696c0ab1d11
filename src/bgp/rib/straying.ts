/**
 * Learned prefixes whose packets this node does not forward by the route that it learned, because another program's route is
 * in its place or the kernel has none. If this node advertised such a route with itself as next hop, packets would end here, or
 * go back over the link they came by.
 *
 * One family. Only the prefixes that stray are kept.
 */
import { ADDRESS_BYTES, type Family } from '../../base/family.ts'
import { isOneLink, type LinkMark, markText } from '../../base/link-mark.ts'
import type { Prefix } from '../../base/prefix.ts'
import { SplitMap } from '../../base/split-map.ts'

/** Packets are dropped or take a wider route; or they leave over these links. */
export type Straying = 'nowhere' | readonly LinkMark[]

export class StrayingPrefixes {
  /** Increases with every change that may change an answer of `strays`. */
  revision = 0
  readonly #octets: number
  readonly #byPrefix = new SplitMap<Straying>()

  constructor(family: Family) {
    this.#octets = ADDRESS_BYTES[family]
  }

  get isEmpty(): boolean {
    return this.#byPrefix.size === 0
  }

  /** Undefined: packets follow the learned route. Returns whether that is new. */
  set({ bytes, length }: Prefix, straying: Straying | undefined): boolean {
    const key = this.#keyOf(bytes, length)
    if (textOf(this.#byPrefix.get(key)) === textOf(straying)) return false
    if (straying === undefined) this.#byPrefix.delete(key)
    else this.#byPrefix.set(key, straying)
    this.revision++
    return true
  }

  /**
   * Whether packets to a prefix from neighbors on this link end here, or go back to this link. `bytes` may be longer than an
   * address.
   */
  strays(bytes: Uint8Array, length: number, link: readonly LinkMark[]): boolean {
    const straying = this.#byPrefix.get(this.#keyOf(bytes, length))
    if (straying === undefined || straying === 'nowhere') return straying !== undefined
    return straying.some((one) => link.some((other) => isOneLink(one, other)))
  }

  #keyOf(bytes: Uint8Array, length: number): string {
    let key = String.fromCharCode(length)
    for (let at = 0; at < this.#octets; at++) key += String.fromCharCode(bytes[at] as number)
    return key
  }
}

const textOf = (straying: Straying | undefined): string | undefined =>
  typeof straying === 'object' ? straying.map(markText).join() : straying
