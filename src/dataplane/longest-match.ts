import { addressKey } from '../base/address-order.ts'
import type { Prefix } from '../base/prefix.ts'
import { SplitMap } from '../base/split-map.ts'

/** Values by prefix, with longest match. A search looks once at each prefix length in use, from the longest on. */
export class LongestMatch<Value extends object> {
  /** By address size in octets, then by prefix length, the longest first. */
  readonly #byLength: Readonly<Record<4 | 16, Map<number, SplitMap<Value>>>> = { 4: new Map(), 16: new Map() }
  /** By the text of the prefix. */
  readonly #exact = new SplitMap<Value>()

  get size(): number {
    return this.#exact.size
  }

  clear(): void {
    this.#byLength[4].clear()
    this.#byLength[16].clear()
    this.#exact.clear()
  }

  set({ bytes, length, text }: Prefix, value: Value): void {
    const values = this.#lengthsOf(bytes).get(length) ?? this.#addLength(bytes, length)
    values.set(addressKey(bytes), value)
    this.#exact.set(text, value)
  }

  /** Whether there was a value. */
  delete({ bytes, length, text }: Prefix): boolean {
    if (!this.#exact.delete(text)) return false
    const lengths = this.#lengthsOf(bytes)
    const values = lengths.get(length)
    values?.delete(addressKey(bytes))
    if (values?.size === 0) lengths.delete(length)
    return true
  }

  values(): Iterable<Value> {
    return this.#exact.values()
  }

  /** The value of exactly this prefix. */
  at({ text }: Pick<Prefix, 'text'>): Value | undefined {
    return this.#exact.get(text)
  }

  /** The value of the longest match. `address` has 4 or 16 octets. */
  lookup(address: Uint8Array): Value | undefined {
    return this.#longest(address, address.length * 8)
  }

  /** The value of the longest prefix that contains this one. */
  covering({ bytes, length }: Prefix): Value | undefined {
    return this.#longest(bytes, length)
  }

  /** All that contain an address, the longest match first. */
  *matches(address: Uint8Array): Iterable<Value> {
    for (const [length, values] of this.#lengthsOf(address)) {
      const found = values.get(addressKey(address, length))
      if (found !== undefined) yield found
    }
  }

  #longest(address: Uint8Array, most: number): Value | undefined {
    for (const [length, values] of this.#lengthsOf(address)) {
      if (length > most) continue
      const found = values.get(addressKey(address, length))
      if (found !== undefined) return found
    }
    return undefined
  }

  #lengthsOf({ length }: Uint8Array): Map<number, SplitMap<Value>> {
    return this.#byLength[length as 4 | 16]
  }

  /**
   * Adds a prefix length, and keeps all in order: a Map has no other way, but few lengths are in use, and new ones are rare.
   */
  #addLength(bytes: Uint8Array, length: number): SplitMap<Value> {
    const lengths = this.#lengthsOf(bytes)
    const values = new SplitMap<Value>()
    const all = [...lengths, [length, values] as const].sort(([a], [b]) => b - a)
    lengths.clear()
    for (const [one, ofLength] of all) lengths.set(one, ofLength)
    return values
  }
}
