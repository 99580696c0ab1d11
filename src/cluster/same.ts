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
