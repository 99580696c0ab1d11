import type { Work } from '../base/work.ts'

/** Items of a long list that are compared in one step, and about what one takes, in microseconds. */
const ITEMS_PER_STEP = 32
const ITEM_COST = 2
const DEEPEST_LIST = 4

/**
 * `before` where both are equal, else `value` with the equal parts of `before` in it: whoever compares those again sees at
 * once that they are the same. In steps, as the lists of an object that a person wrote may be long.
 */
export function* keepSame<Value>(before: unknown, value: Value): Work<Value> {
  if (Object.is(before, value)) return value
  if (isHeavyList(before) && isHeavyList(value)) return (yield* keepSameItems(before, value)) as Value
  if (!isPlainObject(before) || !isPlainObject(value)) return same(before, value) ? (before as Value) : value
  const fields: [string, unknown][] = []
  for (const [key, part] of Object.entries(value)) fields.push([key, yield* keepSame(fieldIn(before, key), part)])
  const kept = Object.fromEntries(fields)
  const keys = [...Object.keys(before), ...Object.keys(kept)]
  const isKept = keys.every((key) => Object.is(fieldIn(before, key), fieldIn(kept, key)))
  return (isKept ? before : kept) as Value
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

const isHeavyList = (value: unknown): value is unknown[] => Array.isArray(value) && isHeavy(value)

/** There is a long list in it: a selector of alternatives in an entry of `routes` is the deepest. */
function isHeavy(value: unknown, depth = DEEPEST_LIST): boolean {
  if (depth < 0) return false
  if (Array.isArray(value)) return value.length > ITEMS_PER_STEP || value.some((part) => isHeavy(part, depth - 1))
  return isPlainObject(value) && Object.values(value).some((part) => isHeavy(part, depth - 1))
}

function* keepSameItems(before: readonly unknown[], list: readonly unknown[]): Work<readonly unknown[]> {
  const kept: unknown[] = []
  for (const [index, item] of list.entries()) {
    if (isHeavy(item)) kept.push(yield* keepSame(before[index], item))
    else kept.push(same(before[index], item) ? before[index] : item)
    if (kept.length % ITEMS_PER_STEP === 0) yield ITEMS_PER_STEP * ITEM_COST
  }
  const isKept = before.length === kept.length && kept.every((item, index) => Object.is(item, before[index]))
  return isKept ? before : kept
}

/** Deep equality of configuration values: plain objects, lists, maps and bytes. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || a instanceof Uint8Array) return sameList(a, b)
  if (a instanceof Map) return sameMap(a, b)
  if (Array.isArray(b) || b instanceof Uint8Array || b instanceof Map) return false
  return sameRecord(a as Record<string, unknown>, b as Record<string, unknown>)
}

function sameList(a: ArrayLike<unknown>, b: object): boolean {
  if (!(Array.isArray(b) || b instanceof Uint8Array) || a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (!same(a[index], b[index])) return false
  return true
}

function sameMap(a: ReadonlyMap<unknown, unknown>, b: object): boolean {
  if (!(b instanceof Map) || a.size !== b.size) return false
  for (const [key, value] of a) if (!b.has(key) || !same(value, b.get(key))) return false
  return true
}

/** An absent field equals an undefined one. */
function sameRecord(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  for (const key in a) if (!same(a[key], fieldIn(b, key))) return false
  for (const key in b) if (b[key] !== undefined && fieldIn(a, key) === undefined) return false
  return true
}

/** A label may be named `constructor`: what every object inherits from `Object.prototype` is no field. */
const fieldIn = (record: Record<string, unknown>, name: string): unknown =>
  name in Object.prototype && !Object.hasOwn(record, name) ? undefined : record[name]
