/** The values of terms in a `where` expression, and how two values compare, as in BIRD's filter language. */
import { addressBytes, familyOfAddress } from '../../base/address.ts'
import { contains, type Prefix } from '../../base/prefix.ts'
import type { AsSegment } from '../../bgp/wire/as-path.ts'
import { matchesItems, matchesPattern } from '../pattern.ts'

/** Both ends belong to it. */
export interface Range {
  readonly low: number
  readonly high: number
}

/** Prefixes with a length from `low` to `high` that lie inside `prefix` or contain it. */
interface PrefixPattern {
  readonly prefix: Prefix
  readonly low: number
  readonly high: number
}

export type SetItem =
  | { readonly kind: 'int'; readonly range: Range }
  | { readonly kind: 'prefix'; readonly pattern: PrefixPattern }
  | { readonly kind: 'ip'; readonly low: string; readonly high: string }
  | { readonly kind: 'enum'; readonly value: string }
  | { readonly kind: 'tuple'; readonly parts: readonly Range[] }

/** `*` is any number of ASes, `?` one, a list one whose number is in one of the ranges. */
export type MaskItem = '*' | '?' | readonly Range[]

export type WhereValue =
  /** An attribute that the route does not have: no comparison holds. */
  | { readonly kind: 'void' }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'enum'; readonly value: string }
  | { readonly kind: 'ip'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: Prefix }
  | { readonly kind: 'tuple'; readonly value: readonly number[] }
  | { readonly kind: 'tuples'; readonly value: readonly (readonly number[])[] }
  | { readonly kind: 'path'; readonly value: readonly AsSegment[] }
  | { readonly kind: 'set'; readonly value: readonly SetItem[] }
  | { readonly kind: 'mask'; readonly value: readonly MaskItem[] }

export type WhereValueKind = WhereValue['kind']

export const VOID: WhereValue = { kind: 'void' }

/** Kinds of values in errors. */
export const KIND_NAMES: Readonly<Record<WhereValueKind, string>> = {
  void: 'nothing',
  int: 'a number',
  bool: 'a comparison',
  text: 'a text',
  enum: 'a constant',
  ip: 'an address',
  prefix: 'a prefix',
  tuple: 'a community',
  tuples: 'a list of communities',
  path: 'an AS path',
  set: 'a set',
  mask: 'a path mask',
}

const ORDERED: ReadonlySet<WhereValueKind> = new Set<WhereValueKind>(['int', 'ip'])
const EQUATED: ReadonlySet<WhereValueKind> = new Set<WhereValueKind>([
  'int',
  'bool',
  'text',
  'enum',
  'ip',
  'prefix',
  'tuple',
])

/** Pairs of kinds that `~` and `!~` compare: `left right`. */
const MATCHED: ReadonlySet<string> = new Set([
  'text text',
  'int set',
  'ip set',
  'enum set',
  'ip prefix',
  'prefix set',
  'prefix prefix',
  'tuple set',
  'tuples set',
  'tuple tuples',
  'tuples tuple',
  'path mask',
  'path set',
  'int path',
])

export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=' | '~' | '!~'

/** Why an operator cannot compare two kinds; undefined: it can. */
export function whyNotComparable(operator: Operator, left: WhereValueKind, right: WhereValueKind): string | undefined {
  const known = operator.endsWith('~')
    ? MATCHED.has(`${left} ${right}`)
    : left === right && (operator.length === 1 && operator !== '=' ? ORDERED : EQUATED).has(left)
  const ordered = operator === '<=' || operator === '>='
  const fits = ordered ? left === right && ORDERED.has(left) : known
  return fits ? undefined : `"${operator}" cannot compare ${KIND_NAMES[left]} with ${KIND_NAMES[right]}`
}

export function compare(operator: Operator, left: WhereValue, right: WhereValue): boolean {
  if (left.kind === 'void' || right.kind === 'void') return false
  switch (operator) {
    case '~':
      return matches(left, right)
    case '!~':
      return !matches(left, right)
    case '=':
      return order(left, right) === 0
    case '!=':
      return order(left, right) !== 0
    case '<':
      return order(left, right) < 0
    case '<=':
      return order(left, right) <= 0
    case '>':
      return order(left, right) > 0
    case '>=':
      return order(left, right) >= 0
  }
}

/** Below, at or above 0; for kinds without an order only whether it is 0 means something. */
function order(left: WhereValue, right: WhereValue): number {
  if (left.kind === 'int' && right.kind === 'int') return left.value - right.value
  if (left.kind === 'ip' && right.kind === 'ip') return compareAddresses(left.value, right.value)
  return textOf(left) === textOf(right) ? 0 : 1
}

function textOf(value: WhereValue): string {
  if (value.kind === 'prefix') return value.value.text
  return value.kind === 'void' ? '' : String(value.value)
}

function compareAddresses(left: string, right: string): number {
  if (familyOfAddress(left) !== familyOfAddress(right)) return left < right ? -1 : 1
  const [a, b] = [addressBytes(left), addressBytes(right)]
  for (const [index, byte] of a.entries()) if (byte !== b[index]) return byte - (b[index] ?? 0)
  return 0
}

function matches(left: WhereValue, right: WhereValue): boolean {
  if (left.kind === 'text' && right.kind === 'text') return matchesPattern(right.value, left.value)
  if (left.kind === 'path' && right.kind === 'set') return isAnyIn(asesOf(left.value).flat(), right.value)
  if (left.kind === 'path' && right.kind === 'mask') return matchesMask(asesOf(left.value), right.value)
  if (left.kind === 'int' && right.kind === 'path') return asesOf(right.value).flat().includes(left.value)
  if (right.kind === 'prefix') return isInside(left, right.value)
  if (left.kind === 'tuple' && right.kind === 'tuples') return matches(right, left)
  if (left.kind === 'tuples' && right.kind === 'tuple') return left.value.some((one) => sameTuple(one, right.value))
  return right.kind === 'set' && right.value.some((item) => isIn(left, item))
}

function isIn(value: WhereValue, item: SetItem): boolean {
  switch (item.kind) {
    case 'int':
      return value.kind === 'int' && inRange(value.value, item.range)
    case 'prefix':
      return matchesPrefix(value, item.pattern)
    case 'ip':
      return (
        value.kind === 'ip' &&
        familyOfAddress(value.value) === familyOfAddress(item.low) &&
        compareAddresses(value.value, item.low) >= 0 &&
        compareAddresses(value.value, item.high) <= 0
      )
    case 'enum':
      return value.kind === 'enum' && value.value === item.value
    case 'tuple': {
      const tuples = value.kind === 'tuples' ? value.value : value.kind === 'tuple' ? [value.value] : []
      return tuples.some((tuple) => inTuple(tuple, item.parts))
    }
  }
}

const isAnyIn = (asns: readonly number[], items: readonly SetItem[]): boolean =>
  items.some((item) => item.kind === 'int' && asns.some((asn) => inRange(asn, item.range)))

const inRange = (value: number, { low, high }: Range): boolean => value >= low && value <= high

const inTuple = (tuple: readonly number[], parts: readonly Range[]): boolean =>
  tuple.length === parts.length && parts.every((part, index) => inRange(tuple[index] ?? -1, part))

const sameTuple = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((part, index) => part === b[index])

function matchesPrefix(value: WhereValue, { prefix, low, high }: PrefixPattern): boolean {
  if (value.kind !== 'prefix') return isInside(value, prefix)
  const net = value.value
  return (contains(prefix, net) || contains(net, prefix)) && net.length >= low && net.length <= high
}

/** Whether a prefix or an address is inside this prefix. */
function isInside(value: WhereValue, prefix: Prefix): boolean {
  if (value.kind === 'prefix') return contains(prefix, value.value)
  if (value.kind !== 'ip' || familyOfAddress(value.value) !== prefix.family) return false
  const bytes = addressBytes(value.value)
  return contains(prefix, { family: prefix.family, bytes, length: bytes.length * 8, text: '' })
}

/** The positions of a path with the possible AS numbers of each: a set is one position. Confederation segments are skipped. */
function asesOf(path: readonly AsSegment[]): readonly (readonly number[])[] {
  return path.flatMap(({ kind, asns }) => {
    if (kind === 'sequence') return asns.map((asn) => [asn])
    return kind === 'set' ? [asns] : []
  })
}

const matchesMask = (places: readonly (readonly number[])[], mask: readonly MaskItem[]): boolean =>
  matchesItems(mask, places.length, (wanted, index) => fitsPlace(wanted, places[index] ?? []))

const fitsPlace = (wanted: MaskItem, asns: readonly number[]): boolean =>
  wanted === '?' || (wanted !== '*' && asns.some((asn) => wanted.some((range) => inRange(asn, range))))
