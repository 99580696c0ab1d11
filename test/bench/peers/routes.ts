/**
 * The routes of the benchmark, the same each time: disjoint prefixes with the lengths of a full table, about seven to an
 * attribute set. A set has its number in its origin AS, so that a collector can tell whether each prefix arrived with its own.
 */
import type { Family } from './job.ts'
import { type Attributes, announce, withdraw } from './wire.ts'

export const GROUP_AS = 100_000
const MOST_PER_UPDATE = 200

/** Length and weight. */
const MIX: Readonly<Record<Family, readonly (readonly [number, number])[]>> = {
  v4: [
    [24, 60],
    [23, 10],
    [22, 11],
    [21, 5],
    [20, 5],
    [19, 3],
    [18, 2],
    [17, 1],
    [16, 2],
  ],
  v6: [
    [48, 50],
    [44, 8],
    [40, 9],
    [36, 6],
    [32, 16],
    [29, 5],
    [64, 1],
    [46, 5],
  ],
}

/** mulberry32. */
function chance(from: number): () => number {
  let seed = from
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** First octets with an address in them that is no route. */
const SKIPPED = new Set([0, 10, 100, 127, 169, 172, 192, 198, 203])

export interface Sender {
  readonly as: number
  readonly nextHop: readonly number[]
  /** Another number makes other attributes of the same set. */
  readonly variant?: number
}

export class RouteSet {
  readonly family: Family
  readonly size: number
  readonly group: Uint32Array
  groups = 0
  readonly #high: Uint32Array
  readonly #low: Uint32Array
  readonly #lengths: Uint8Array
  readonly #table: Int32Array
  readonly #mask: number

  constructor(family: Family, size: number) {
    this.family = family
    this.size = size
    this.group = new Uint32Array(size)
    this.#high = new Uint32Array(size)
    this.#low = new Uint32Array(size)
    this.#lengths = new Uint8Array(size)
    this.#choose(chance(family === 'v6' ? 78 : 1))
    const slots = 2 ** Math.ceil(Math.log2(Math.max(1024, size * 2)))
    this.#mask = slots - 1
    this.#table = new Int32Array(slots).fill(-1)
    for (let index = 0; index < size; index++) this.#place(index)
  }

  #choose(random: () => number): void {
    const { family } = this
    const mix = MIX[family].flatMap(([length, weight]) => new Array<number>(weight).fill(length))
    // The next free address: of IPv4 as a number, of IPv6 in /64 behind 2a00::.
    let next = family === 'v4' ? 2 ** 24 : 0
    let left = 0
    for (let index = 0; index < this.size; index++) {
      const length = mix[Math.floor(random() * mix.length)] as number
      const room = 2 ** ((family === 'v4' ? 32 : 64) - length)
      next = Math.ceil(next / room) * room
      if (family === 'v4') {
        while (SKIPPED.has(Math.floor(next / 2 ** 24))) next = (Math.floor(next / 2 ** 24) + 1) * 2 ** 24
        if (next >= 224 * 2 ** 24) throw new Error(`no room for ${this.size} IPv4 routes`)
        this.#high[index] = next
      } else {
        this.#high[index] = 0x2a000000 + Math.floor(next / 2 ** 32)
        this.#low[index] = next % 2 ** 32
      }
      this.#lengths[index] = length
      next += room
      if (left-- <= 0) {
        this.groups++
        left = Math.floor(-Math.log(1 - random()) * 6.5)
      }
      this.group[index] = this.groups - 1
    }
  }

  #hash(high: number, low: number, length: number): number {
    let hash = Math.imul(high ^ Math.imul(low, 0x9e3779b1) ^ (length << 3), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35)
    return (hash ^ (hash >>> 13)) & this.#mask
  }

  #place(index: number): void {
    let slot = this.#hash(this.#high[index] as number, this.#low[index] as number, this.#lengths[index] as number)
    while ((this.#table[slot] as number) >= 0) slot = (slot + 1) & this.#mask
    this.#table[slot] = index
  }

  /** −1 for a stranger. */
  find(high: number, low: number, length: number): number {
    let slot = this.#hash(high, low, length)
    for (let index = this.#table[slot] as number; index >= 0; index = this.#table[slot] as number) {
      if (this.#high[index] === high && this.#low[index] === low && this.#lengths[index] === length) return index
      slot = (slot + 1) & this.#mask
    }
    return -1
  }

  texts(): string[] {
    return Array.from({ length: this.size }, (_, index) => {
      const [high, low] = [this.#high[index] as number, this.#low[index] as number]
      const address =
        this.family === 'v4'
          ? [high >>> 24, (high >>> 16) & 255, (high >>> 8) & 255, high & 255].join('.')
          : `${[high >>> 16, high & 0xffff, low >>> 16, low & 0xffff].map((word) => word.toString(16)).join(':')}::`
      return `${address}/${this.#lengths[index]}`
    })
  }

  /** UPDATEs for routes [from, to), one per attribute set. */
  encode(from: number, to: number, sender: Sender, withdrawn = false): Buffer[] {
    const messages: Buffer[] = []
    for (let index = from; index < to; ) {
      const group = this.group[index] as number
      const nlri: number[] = []
      for (let count = 0; index < to && count < MOST_PER_UPDATE; count++) {
        if (!withdrawn && this.group[index] !== group) break
        this.#writeNlri(index++, nlri)
      }
      messages.push(
        withdrawn ? withdraw(this.family, nlri) : announce(this.family, nlri, this.#attributes(group, sender)),
      )
    }
    return messages
  }

  /** All routes, the sets in no order: a real feed is not sorted. */
  feed(sender: Sender): Buffer {
    const messages = this.encode(0, this.size, sender)
    const random = chance(4242)
    for (let index = messages.length - 1; index > 0; index--) {
      const other = Math.floor(random() * (index + 1))
      const moved = messages[index] as Buffer
      messages[index] = messages[other] as Buffer
      messages[other] = moved
    }
    return Buffer.concat(messages)
  }

  #writeNlri(index: number, out: number[]): void {
    const length = this.#lengths[index] as number
    const [high, low] = [this.#high[index] as number, this.#low[index] as number]
    out.push(length)
    for (let octet = 0; octet < (length + 7) >> 3; octet++) {
      out.push((octet < 4 ? high >>> (24 - 8 * octet) : low >>> (56 - 8 * octet)) & 255)
    }
  }

  /** Communities come back in other sets, some far more often than others: one set of them on about 24 routes. */
  #attributes(group: number, { as, nextHop, variant }: Sender): Attributes {
    const random = chance(group * 2654435761)
    const asPath = [as, 3000 + Math.floor(random() * 400)]
    for (let hops = Math.floor(random() * 3); hops > 0; hops--) asPath.push(20_000 + Math.floor(random() * 9000))
    asPath.push(GROUP_AS + group)
    const tag = chance(1 + Math.floor(Math.ceil(this.groups / 3) * random() ** 2))
    const tagger = 3000 + Math.floor(tag() * 400)
    const communities: number[] = []
    for (let count = Math.floor(tag() * 5); count >= 0; count--) {
      communities.push(tagger * 0x10000 + Math.floor(tag() * 2000))
    }
    if (variant !== undefined) communities.push(tagger * 0x10000 + 60_000 + variant)
    return { asPath, nextHop, communities }
  }
}
