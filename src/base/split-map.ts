/**
 * A map for tables of 100,000 entries and more. JavaScript's own moves all its entries in one step whenever it has doubled
 * or shrunk, which takes 4 ms at 65,536 entries and twice that at the next step. Here a table that is no longer small is
 * spread over many maps, each of which grows by itself.
 *
 * Entries may be added and deleted during iteration. Whether it visits one that is added is open, and it begins again when
 * the table is spread.
 */
export class SplitMap<Value> {
  #parts: Map<string, Value>[] = [new Map()]
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: string): Value | undefined {
    return this.#part(key).get(key)
  }

  has(key: string): boolean {
    return this.#part(key).has(key)
  }

  set(key: string, value: Value): this {
    const part = this.#part(key)
    const before = part.size
    part.set(key, value)
    this.#size += part.size - before
    if (this.#parts.length === 1 && part.size > SMALL) this.#spread(part)
    return this
  }

  delete(key: string): boolean {
    const isGone = this.#part(key).delete(key)
    if (isGone) this.#size--
    return isGone
  }

  /** Takes out at most `most` entries and returns their values. */
  take(most: number): Value[] {
    const taken: Value[] = []
    for (const [key, value] of this) {
      if (taken.length === most) break
      this.delete(key)
      taken.push(value)
    }
    return taken
  }

  clear(): void {
    for (const part of this.#parts) part.clear()
    this.#parts = [new Map()]
    this.#size = 0
  }

  keys(): Iterable<string> {
    return this.#each((part) => part.keys())
  }

  values(): Iterable<Value> {
    return this.#each((part) => part.values())
  }

  [Symbol.iterator](): Iterator<[string, Value]> {
    return this.#each((part) => part.entries())
  }

  /** Entries in the largest of the maps: what the next step may have to move. */
  get largest(): number {
    return Math.max(...this.#parts.map(({ size }) => size))
  }

  *#each<Item>(items: (part: Map<string, Value>) => Iterable<Item>): Generator<Item> {
    for (let parts = this.#parts, at = 0; at < parts.length; at++) {
      yield* items(parts[at] as Map<string, Value>)
      if (parts === this.#parts) continue
      parts = this.#parts
      at = -1
    }
  }

  #spread(only: Map<string, Value>): void {
    this.#parts = Array.from({ length: PARTS }, () => new Map())
    for (const [key, value] of only) this.#part(key).set(key, value)
    // An iteration over it ends here, and goes on in the new parts.
    only.clear()
  }

  #part(key: string): Map<string, Value> {
    const parts = this.#parts
    return parts[parts.length === 1 ? 0 : partOf(key)] as Map<string, Value>
  }
}

/** The most entries of a table in one map, and the number of maps beyond that: 100,000 entries are 6,250 in each. */
const SMALL = 1_024
/** As many as the four bits of `partOf` tell apart. */
const PARTS = 16

/** 2^32 over the golden ratio: the highest bits of a product with it depend on all bits (Knuth, volume 3, 6.4). */
const SPREAD = 0x9e3779b1

/** Packed addresses have 2 or 8 characters; few texts of prefixes are so short. */
const SHORT = 8

/**
 * Reads the characters that differ most in the text of a prefix, and only those: all of them take twice as long. What follows
 * a space, such as a table, is the same for many. Keys that someone chose so that
 * they fall into one part make one large map again, and no worse.
 */
function partOf(key: string): number {
  if (key.length <= SHORT) return partOfShort(key)
  const space = key.indexOf(' ')
  const length = space < 0 ? key.length : space
  let hash = (key.charCodeAt(0) * 31) ^ (key.charCodeAt(1) * 7)
  hash ^= (key.charCodeAt(3) * 961) ^ (key.charCodeAt(4) * 29_791) ^ (key.charCodeAt(5) * 923_521)
  hash ^= (key.charCodeAt(6) * 28_629_151) ^ (key.charCodeAt(length - 8) * 131) ^ (key.charCodeAt(length - 7) * 17_161)
  hash ^= (key.charCodeAt(length - 6) * 2_248_091) ^ (key.charCodeAt(length - 5) * 294_499_921)
  return Math.imul(hash, SPREAD) >>> 28
}

function partOfShort(key: string): number {
  let hash = (key.charCodeAt(0) * 31) ^ (key.charCodeAt(1) * 961)
  if (key.length > 2) {
    hash ^= (key.charCodeAt(2) * 29_791) ^ (key.charCodeAt(3) * 923_521) ^ (key.charCodeAt(4) * 28_629_151)
    hash ^= (key.charCodeAt(5) * 7) ^ (key.charCodeAt(6) * 131) ^ (key.charCodeAt(7) * 17_161)
  }
  return Math.imul(hash, SPREAD) >>> 28
}
