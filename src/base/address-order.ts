/** Sorted addresses: those inside a prefix are adjacent and are found by binary search. */
import { FAMILIES, type Family } from './family.ts'
import type { Prefix } from './prefix.ts'

/**
 * The octets of an address as a string of 16-bit numbers; the bits beyond `length` are those of `fill`. These strings sort
 * as the addresses do, and serve as keys of maps.
 */
export function addressKey(bytes: Uint8Array, length = bytes.length * 8, fill = 0): string {
  let key = ''
  for (let at = 0; at < bytes.length; at += 2) {
    const number = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
    const kept = Math.min(16, Math.max(0, length - at * 8))
    const mask = (0xffff0000 >> kept) & 0xffff
    key += String.fromCharCode((number & mask) | (fill & ~mask))
  }
  return key
}

export class AddressOrder<Row> {
  /** For each family two parallel lists: the sorted keys, and the row of each. */
  readonly #keys: Readonly<Record<Family, string[]>> = { ipv4: [], ipv6: [] }
  readonly #rows: Readonly<Record<Family, Row[]>> = { ipv4: [], ipv6: [] }

  get isEmpty(): boolean {
    return FAMILIES.every((family) => this.#keys[family].length === 0)
  }

  /** Several rows may have the same address. */
  add(address: Uint8Array, row: Row): void {
    const family = familyOf(address)
    const at = this.#firstFrom(family, addressKey(address))
    this.#keys[family].splice(at, 0, addressKey(address))
    this.#rows[family].splice(at, 0, row)
  }

  remove(address: Uint8Array, row: Row): void {
    const family = familyOf(address)
    const key = addressKey(address)
    const keys = this.#keys[family]
    for (let at = this.#firstFrom(family, key); keys[at] === key; at++) {
      if (this.#rows[family][at] !== row) continue
      keys.splice(at, 1)
      this.#rows[family].splice(at, 1)
      return
    }
  }

  firstInside(prefix: Prefix): Row | undefined {
    const { from, to } = this.#rangeOf(prefix)
    return from < to ? this.#rows[prefix.family][from] : undefined
  }

  countInside(prefix: Prefix): number {
    const { from, to } = this.#rangeOf(prefix)
    return to - from
  }

  /** The rows inside a prefix, as a copy: rows may be added and removed meanwhile. */
  inside(prefix: Prefix): Row[] {
    const { from, to } = this.#rangeOf(prefix)
    return this.#rows[prefix.family].slice(from, to)
  }

  /** `to` is behind the last one. */
  #rangeOf({ family, bytes, length }: Prefix): { readonly from: number; readonly to: number } {
    const from = this.#firstFrom(family, addressKey(bytes, length))
    const last = addressKey(bytes, length, 0xffff)
    const key = this.#keys[family][from]
    // Most prefixes contain none or few.
    if (key === undefined || key > last) return { from, to: from }
    const to = this.#firstFrom(family, last)
    const keys = this.#keys[family]
    return { from, to: keys[to] === last ? this.#firstFrom(family, `${last}\0`) : to }
  }

  /** The index of the first key that is not below this one. */
  #firstFrom(family: Family, key: string): number {
    const keys = this.#keys[family]
    let [low, high] = [0, keys.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((keys[middle] as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

const familyOf = ({ length }: Uint8Array): Family => (length === 4 ? 'ipv4' : 'ipv6')
