import { makePrefix, type Prefix } from '../base/prefix.ts'

/** Values by prefix, and the one of the longest prefix that an address lies in. Made for thousands, not for a full table. */
export class LongestMatch<Value> {
  readonly #byPrefix = new Map<string, Value>()
  /** Lengths there are, by octets of the address, with how many have each. */
  readonly #lengths: Readonly<Record<4 | 16, Map<number, number>>> = { 4: new Map(), 16: new Map() }

  get size(): number {
    return this.#byPrefix.size
  }

  clear(): void {
    this.#byPrefix.clear()
    this.#lengths[4].clear()
    this.#lengths[16].clear()
  }

  set(prefix: Prefix, value: Value): void {
    if (!this.#byPrefix.has(prefix.text)) this.#count(prefix, 1)
    this.#byPrefix.set(prefix.text, value)
  }

  delete(prefix: Prefix): boolean {
    const was = this.#byPrefix.delete(prefix.text)
    if (was) this.#count(prefix, -1)
    return was
  }

  values(): Iterable<Value> {
    return this.#byPrefix.values()
  }

  at(prefix: string): Value | undefined {
    return this.#byPrefix.get(prefix)
  }

  /** Of 4 octets or 16. */
  lookup(address: Uint8Array): Value | undefined {
    return this.#longest(address, address.length * 8)
  }

  /** Of the longest prefix that has all of this one in it. */
  around({ bytes, length }: Prefix): Value | undefined {
    return this.#longest(bytes, length)
  }

  #longest(address: Uint8Array, most: number): Value | undefined {
    const lengths = this.#lengths[address.length as 4 | 16]
    for (const length of [...lengths.keys()].sort((a, b) => b - a)) {
      if (length > most) continue
      const found = this.#byPrefix.get(makePrefix(address, length).text)
      if (found !== undefined) return found
    }
    return undefined
  }

  #count({ bytes, length }: Prefix, by: number): void {
    const lengths = this.#lengths[bytes.length as 4 | 16]
    const count = (lengths.get(length) ?? 0) + by
    if (count === 0) lengths.delete(length)
    else lengths.set(length, count)
  }
}
