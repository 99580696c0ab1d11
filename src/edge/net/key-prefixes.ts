/**
 * A listener takes 150 to a thousand keys, and a mesh has more neighbors than that. Neighbors with the same signature share
 * prefixes: the shortest that contain no neighbor that has another signature or none. Other hosts inside such a prefix are
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

/**
 * Above this number of hosts of a family, a signature that they share is set for prefixes. Before Linux 6.7 a socket has room for 150
 * keys by default (`net.core.optmem_max` of 20 KiB).
 */
const MOST_SEPARATE_KEYS = 64

/** The neighbors of one family that have one signature. */
interface Group {
  readonly signature: Signature
  readonly prefixes: Prefix[]
}

/** The neighbors of the same family that have another signature, or none. */
interface Others {
  readonly all: Prefix[]
  /** Those that a range must leave out: between two keys of TCP-MD5 a longer prefix is enough. */
  readonly mustBeCutOut: Prefix[]
}

export function keyPrefixes(
  all: readonly Protection[],
  signatureOf: (protection: Protection) => Signature | undefined,
): SignatureFor[] {
  const signatures = all.map(signatureOf)
  return groupsOf(all, signatures).flatMap((group) => prefixesOf(group, othersOf(group, all, signatures)))
}

function groupsOf(all: readonly Protection[], signatures: readonly (Signature | undefined)[]): Group[] {
  const groups = new Map<string, Group>()
  for (const [index, { prefix }] of all.entries()) {
    const signature = signatures[index]
    if (signature === undefined) continue
    const name = `${prefix.family} ${signature.name}`
    const group = groups.get(name) ?? { signature, prefixes: [] }
    groups.set(name, group)
    group.prefixes.push(prefix)
  }
  return [...groups.values()]
}

function othersOf(
  { signature, prefixes }: Group,
  all: readonly Protection[],
  signatures: readonly (Signature | undefined)[],
): Others {
  const others: Others = { all: [], mustBeCutOut: [] }
  for (const [index, { prefix }] of all.entries()) {
    const other = signatures[index]
    if (prefix.family !== prefixes[0]?.family || other?.name === signature.name) continue
    others.all.push(prefix)
    if (other?.kind !== 'md5' || signature.kind === 'ao') others.mustBeCutOut.push(prefix)
  }
  return others
}

function prefixesOf({ signature, prefixes }: Group, others: Others): SignatureFor[] {
  const hosts = distinct(prefixes.filter(isHostPrefix))
  const ranges = prefixes.filter((prefix) => !isHostPrefix(prefix)).flatMap((range) => withoutOthers(range, others))
  const found = distinct([...ranges, ...(hosts.length > MOST_SEPARATE_KEYS ? cover(hosts, others.all) : hosts)])
  return (signature.kind === 'ao' ? outermost(found) : found).map((prefix) => ({ prefix, signature }))
}

/** What is left of a range may be as long as a neighbor inside, which then would not count. */
function withoutOthers(range: Prefix, others: Others): Prefix[] {
  const narrowerInside = others.all.filter((other) => other.length > range.length && contains(range, other))
  return without(range, others.mustBeCutOut).filter((rest) => !narrowerInside.some((other) => contains(other, rest)))
}

const distinct = (prefixes: readonly Prefix[]): Prefix[] => [
  ...new Map(prefixes.map((prefix) => [prefix.text, prefix])).values(),
]

/** Without those that lie in another one. */
function outermost(prefixes: readonly Prefix[]): Prefix[] {
  const texts = new Set(prefixes.map(({ text }) => text))
  const lengths = [...new Set(prefixes.map(({ length }) => length))]
  return prefixes.filter(
    ({ bytes, length }) => !lengths.some((shorter) => shorter < length && texts.has(makePrefix(bytes, shorter).text)),
  )
}

/**
 * The shortest prefixes around `hosts` that neither contain one of `outside` nor lie in one. No host is there twice, so
 * each half has fewer of them.
 */
function cover(hosts: readonly Prefix[], outside: readonly Prefix[]): Prefix[] {
  const around = commonPrefix(hosts)
  const within = outside.filter((other) => contains(around, other) || contains(other, around))
  if (within.length === 0 || hosts.length === 1) return [around]
  return [0, 1].flatMap((value) =>
    cover(
      hosts.filter(({ bytes }) => bitAt(bytes, around.length) === value),
      within,
    ),
  )
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
