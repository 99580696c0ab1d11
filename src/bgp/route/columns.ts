/**
 * Typed arrays that grow. A column keeps one number per id. What of a large array was never written takes no memory from
 * the system, so columns grow in large steps: copying is what costs, in time and in memory that was touched in vain. Fill
 * none with anything but zero.
 */

/** The size a column should have so that `wanted` fits. */
export function grownSize(present: number, wanted: number): number {
  const next = present < MODEST || present >= LARGE ? present * 4 : LARGE
  return Math.max(wanted, next, MINIMUM) | 1
}

const MINIMUM = 63
/** Up to here there may be a thousand tables in one process (test/sim), and small arrays do take what they ask for. */
const MODEST = 1 << 13
/** The table of a router: the step to it is the last one that most ever take. */
const LARGE = 1 << 20

/** Bytes that columns take whose ids end before `end`: what lies behind was never written. */
export function usedBytes(
  end: number,
  ...columns: readonly (Uint8Array | Uint16Array | Uint32Array | Int32Array)[]
): number {
  let bytes = 0
  for (const column of columns) bytes += Math.min(column.length, end) * column.BYTES_PER_ELEMENT
  return bytes
}

// Each gives a column of another size; a smaller one loses what lies behind its end.

export function growU32(column: Uint32Array, size: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(size)
  grown.set(column.length > size ? column.subarray(0, size) : column)
  return grown
}

export function growU16(column: Uint16Array, size: number): Uint16Array<ArrayBuffer> {
  const grown = new Uint16Array(size)
  grown.set(column.length > size ? column.subarray(0, size) : column)
  return grown
}

export function growU8(column: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(size)
  grown.set(column.length > size ? column.subarray(0, size) : column)
  return grown
}

export function growI32(column: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(size)
  grown.set(column.length > size ? column.subarray(0, size) : column)
  return grown
}
