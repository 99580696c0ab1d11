/** Sorted prefixes, each with the names of its owners. */
import type { Family } from '../base/family.ts'
import { contains, makePrefix, type Prefix } from '../base/prefix.ts'
import { Owners } from './owners.ts'

/** Approximate costs in microseconds: to find a place, and to move one of the places behind it. */
const CHANGE_COST = 2
const MOVE_COST = 0.0005

export class PrefixIndex {
  readonly #sorted: Readonly<Record<Family, Prefix[]>> = { ipv4: [], ipv6: [] }
  readonly #owners = new Owners()
  /** Increases with every change. */
  revision = 0

  add(prefix: Prefix, owner: string): void {
    const isKnown = this.#owners.has(prefix.text)
    this.revision++
    this.#owners.add(prefix.text, owner)
    if (isKnown) return
    const sorted = this.#sorted[prefix.family]
    sorted.splice(placeOf(prefix, sorted), 0, prefix)
  }

  remove(prefix: Prefix, owner: string): void {
    if (!this.#owners.remove(prefix.text, owner)) return
    this.revision++
    if (this.#owners.has(prefix.text)) return
    const sorted = this.#sorted[prefix.family]
    sorted.splice(placeOf(prefix, sorted), 1)
  }

  /** About what it takes to insert or remove one, in microseconds: the sorted list moves. */
  get changeCost(): number {
    return CHANGE_COST + Math.max(this.#sorted.ipv4.length, this.#sorted.ipv6.length) * MOVE_COST
  }

  /** The owner of the prefix; of several the first by name. */
  ownerOf(prefix: string): string | undefined {
    const [first, ...others] = this.#owners.of(prefix)
    return others.reduce((least, one) => (least !== undefined && least < one ? least : one), first)
  }

  /** The first by name of the owners other than this one. */
  otherOwner(prefix: string, owner: string): string | undefined {
    return this.#owners
      .of(prefix)
      .filter((other) => other !== owner)
      .sort()[0]
  }

  /** The most specific prefix that contains it. */
  covering({ bytes, length, family }: Prefix): Prefix | undefined {
    const sorted = this.#sorted[family]
    for (let shorter = length; shorter >= 0 && sorted.length > 0; shorter--) {
      const prefix = makePrefix(bytes, shorter)
      if (this.#owners.has(prefix.text)) return prefix
    }
    return undefined
  }

  /** The prefixes inside `around`, in order. The index must not change in between. */
  *inside(around: Prefix): Iterable<Prefix> {
    const sorted = this.#sorted[around.family]
    for (let place = placeOf(around, sorted); place < sorted.length; place++) {
      const prefix = sorted[place] as Prefix
      if (!contains(around, prefix)) return
      yield prefix
    }
  }

  firstInside(around: Prefix): Prefix | undefined {
    return firstInside(around, this.#sorted[around.family])
  }

  *values(): Iterable<Prefix> {
    yield* this.#sorted.ipv4
    yield* this.#sorted.ipv6
  }
}

/** The first prefix inside `around`. `sorted` are prefixes of the same family. */
export function firstInside(around: Prefix, sorted: readonly Prefix[]): Prefix | undefined {
  const first = sorted[placeOf(around, sorted)]
  return first !== undefined && contains(around, first) ? first : undefined
}

/** Whether one of the prefixes in `sorted`, which are disjoint, contains the prefix. */
export function isInsideOne(prefix: Prefix, sorted: readonly Prefix[]): boolean {
  const place = placeOf(prefix, sorted)
  return [sorted[place], sorted[place - 1]].some((one) => one !== undefined && contains(one, prefix))
}

/** The index of the prefix in `sorted`, or where it would be inserted. */
function placeOf(prefix: Prefix, sorted: readonly Prefix[]): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (byPosition(sorted[middle] as Prefix, prefix) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** IPv4 first, then by address; a prefix comes before the prefixes inside it. */
export function byPosition(a: Prefix, b: Prefix): number {
  if (a.family !== b.family) return a.family === 'ipv4' ? -1 : 1
  for (let index = 0; index < a.bytes.length; index++) {
    const difference = (a.bytes[index] ?? 0) - (b.bytes[index] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
