/** Typed arrays that grow. A column keeps one number per id; growing by half again wastes less than doubling. */

/** The size a column should have so that `wanted` fits: at least half again the present size. */
export const grownSize = (present: number, wanted: number): number =>
  Math.max(wanted, present + (present >>> 1), MINIMUM) | 1

const MINIMUM = 63

export function growU32(column: Uint32Array, size: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(size)
  grown.set(column)
  return grown
}

export function growU16(column: Uint16Array, size: number): Uint16Array<ArrayBuffer> {
  const grown = new Uint16Array(size)
  grown.set(column)
  return grown
}

export function growU8(column: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(size)
  grown.set(column)
  return grown
}

export function growI32(column: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(size)
  grown.set(column)
  return grown
}
