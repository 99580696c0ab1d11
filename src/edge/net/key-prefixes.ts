/**
 * A listener takes about a thousand keys, and a mesh has more neighbors than that. Neighbors with the same key share
 * prefixes: the shortest that contain no neighbor with another key or without one. Other hosts inside such a prefix are
 * strangers: their connections need the key, which they do not have.
 */
import { contains, isHostPrefix, makePrefix, type Prefix } from '../../base/prefix.ts'
import type { Protection } from '../../engine/effect.ts'

/** A key for all addresses of a prefix. */
export interface KeyFor {
  readonly prefix: Prefix
  readonly bytes: Uint8Array
}

/** Above this number, a key that several neighbors have is set for prefixes. */
const HOSTS = 256

export function keyPrefixes(
  all: readonly Protection[],
  keyOf: (protection: Protection) => Uint8Array | undefined,
): KeyFor[] {
  const groups = new Map<string, { bytes: Uint8Array; prefixes: Prefix[] }>()
  const names: string[] = []
  for (const protection of all) {
    const bytes = keyOf(protection)
    const name = bytes === undefined ? '' : `${protection.prefix.family} ${Buffer.from(bytes).toString('base64')}`
    names.push(name)
    if (bytes === undefined) continue
    const group = groups.get(name) ?? { bytes, prefixes: [] }
    groups.set(name, group)
    group.prefixes.push(protection.prefix)
  }
  const unkeyed = all.filter((_, index) => names[index] === '').map(({ prefix }) => prefix)
  return [...groups].flatMap(([name, { bytes, prefixes }]) => {
    if (prefixes.length <= HOSTS) {
      return prefixes.flatMap((prefix) => without(prefix, unkeyed)).map((prefix) => ({ prefix, bytes }))
    }
    const others = all.filter((_, index) => names[index] !== name).map(({ prefix }) => prefix)
    const ofFamily = others.filter(({ family }) => family === prefixes[0]?.family)
    return cover(prefixes, ofFamily).map((prefix) => ({ prefix, bytes }))
  })
}

/** The shortest prefixes around `inside` that neither contain one of `outside` nor lie in one. */
function cover(inside: readonly Prefix[], outside: readonly Prefix[]): Prefix[] {
  const [first] = inside
  if (first === undefined) return []
  const around = commonPrefix(inside)
  const within = outside.filter((other) => contains(around, other) || contains(other, around))
  if (within.length === 0 || inside.length === 1) return [around]
  const bit = around.length
  const half = (value: number) => (prefix: Prefix) => bitAt(prefix.bytes, bit) === value
  return [0, 1].flatMap((value) => cover(inside.filter(half(value)), within))
}

/** A range without the neighbors inside that have no key. Neighbors with another key have it by a longer prefix. */
function without(prefix: Prefix, unkeyed: readonly Prefix[]): Prefix[] {
  const inside = isHostPrefix(prefix) ? [] : unkeyed.filter((other) => contains(prefix, other))
  if (inside.length === 0) return [prefix]
  if (inside.some(({ length }) => length === prefix.length)) return []
  const upper = prefix.bytes.slice()
  upper[prefix.length >> 3] = (upper[prefix.length >> 3] ?? 0) | (0x80 >> (prefix.length & 7))
  return [prefix.bytes, upper].flatMap((bytes) => {
    const half = makePrefix(bytes, prefix.length + 1)
    return isHostPrefix(half) && inside.some(({ text }) => text === half.text) ? [] : without(half, inside)
  })
}

function commonPrefix(prefixes: readonly Prefix[]): Prefix {
  const [first] = prefixes as [Prefix]
  let length = Math.min(...prefixes.map((prefix) => prefix.length))
  for (const { bytes } of prefixes) {
    let same = 0
    while (same < length && bitAt(bytes, same) === bitAt(first.bytes, same)) same++
    length = same
  }
  return makePrefix(first.bytes, length)
}

const bitAt = (bytes: Uint8Array, bit: number): number => ((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1
