/**
 * The value under a name that comes from outside. Every record also answers to the names of `Object.prototype`:
 * `record['constructor']` is a function.
 */
export const lookUp = <Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined
