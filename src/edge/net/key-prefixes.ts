/**
 * A listener takes about a thousand keys, and a mesh has more neighbors than that. Neighbors with the same signature share
 * prefixes: the shortest that contain no neighbor with another one or without one. Other hosts inside such a prefix are
 * strangers: their connections need the key, which they do not have.
 *
 * Of two keys of TCP-MD5 the one with the longer prefix counts. Keys of TCP-AO may not overlap: two with one ID are an
 * error, and with different IDs both would be good.
 */
import { contains, isHostPrefix, makePrefix, type Prefix } from '../../base/prefix.ts'
import type { Protection } from '../../engine/effect.ts'
import type { Signature } from './signing.ts'

/** A signature for all addresses of a prefix. */
export interface SignatureFor {
  readonly prefix: Prefix
  readonly signature: Signature
}

/** Above this number, a signature that several neighbors have is set for prefixes. */
const HOSTS = 256

export function keyPrefixes(
  all: readonly Protection[],
  signatureOf: (protection: Protection) => Signature | undefined,
): SignatureFor[] {
  const groups = new Map<string, { signature: Signature; prefixes: Prefix[] }>()
  const signatures: (Signature | undefined)[] = []
  for (const protection of all) {
    const signature = signatureOf(protection)
    signatures.push(signature)
    if (signature === undefined) continue
    const name = `${protection.prefix.family} ${signature.name}`
    const group = groups.get(name) ?? { signature, prefixes: [] }
    groups.set(name, group)
    group.prefixes.push(protection.prefix)
  }
  return [...groups.values()].flatMap(({ signature, prefixes }) => {
    const isOther = (other: Signature | undefined): boolean => other?.name !== signature.name
    const isShared = prefixes.length > HOSTS
    const others = all.filter(({ prefix }, index) => {
      const other = signatures[index]
      if (prefix.family !== prefixes[0]?.family || !isOther(other)) return false
      // A longer prefix is enough between two keys of TCP-MD5.
      return isShared || other === undefined || other.kind === 'ao' || signature.kind === 'ao'
    })
    const outside = others.map(({ prefix }) => prefix)
    const found = isShared ? cover(prefixes, outside) : prefixes.flatMap((prefix) => without(prefix, outside))
    return found.map((prefix) => ({ prefix, signature }))
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

/** A range without the neighbors inside that must not have its signature. */
function without(prefix: Prefix, others: readonly Prefix[]): Prefix[] {
  const inside = isHostPrefix(prefix) ? [] : others.filter((other) => contains(prefix, other))
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
