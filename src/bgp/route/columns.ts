/**
 * Typed arrays that grow. A column has one number for each id. The parts of a large array that were never written take no
 * memory of the system, so columns grow in large steps, which saves copying. They must not be filled with any value but
 * zero, since that would write to all of them.
 */

/** The size a column should have so that `wanted` fits. */
export function grownSize(present: number, wanted: number): number {
  const next = present < MODEST || present >= LARGE ? present * 4 : LARGE
  return Math.max(wanted, next, MINIMUM)
}

const MINIMUM = 64
/** Up to this size columns grow in small steps: one process may have a thousand small tables (test/sim). */
const MODEST = 1 << 13
/** The size for a full Internet table: most columns never grow beyond it. */
const LARGE = 1 << 20

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array

/** Bytes that columns take in memory; the part from `end` on was never written. */
export function usedBytes(end: number, ...columns: readonly Column[]): number {
  let bytes = 0
  for (const column of columns) bytes += Math.min(column.length, end) * column.BYTES_PER_ELEMENT
  return bytes
}

// Each returns a column of the new size; a smaller one loses the values beyond its end.

export const growU32 = (column: Uint32Array, size: number) => copied(column, new Uint32Array(size))
export const growU16 = (column: Uint16Array, size: number) => copied(column, new Uint16Array(size))
export const growU8 = (column: Uint8Array, size: number) => copied(column, new Uint8Array(size))
export const growI32 = (column: Int32Array, size: number) => copied(column, new Int32Array(size))

function copied<Grown extends Column>(column: Column, to: Grown): Grown {
  to.set(column.length > to.length ? column.subarray(0, to.length) : column)
  return to
}
