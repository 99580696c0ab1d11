/** A table that is bounded in rows and in octets. */
interface Row<Value> {
  readonly value: Value
  readonly weight: number
}

export interface ShelfBounds {
  readonly rows: number
  readonly octets: number
}

export class Shelf<Key, Value> {
  readonly #bounds: ShelfBounds
  readonly #rows = new Map<Key, Row<Value>>()
  #octets = 0

  constructor(bounds: ShelfBounds) {
    this.#bounds = bounds
  }

  /**
   * False: there is no room, and the key has no value any more. `share`: up to which part of the bounds there is room for this value.
   * `weigh` gives its octets; it is called only where there is a row for it, since it takes long.
   */
  put(key: Key, value: Value, weigh: () => number, share = 1): boolean {
    const before = this.#rows.get(key)?.weight
    const { rows, octets } = this.#bounds
    if (before === undefined && this.#rows.size >= rows * share) return false
    const weight = weigh()
    if (this.#octets - (before ?? 0) + weight > octets * share) {
      this.delete(key)
      return false
    }
    this.#octets += weight - (before ?? 0)
    this.#rows.set(key, { value, weight })
    return true
  }

  delete(key: Key): void {
    this.#octets -= this.#rows.get(key)?.weight ?? 0
    this.#rows.delete(key)
  }

  clear(): void {
    this.#rows.clear()
    this.#octets = 0
  }

  *entries(): Iterable<readonly [Key, Value]> {
    for (const [key, { value }] of this.#rows) yield [key, value]
  }

  values(): Value[] {
    return Array.from(this.#rows.values(), ({ value }) => value)
  }
}
