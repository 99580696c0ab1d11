/**
 * Typed arrays that grow. A column keeps one number per id. What of a large array was never written takes no memory from
 * the system, so columns grow in large steps: copying is what costs. Fill none with anything but zero.
 */

/** The size a column should have so that `wanted` fits. */
export const grownSize = (present: number, wanted: number): number =>
  Math.max(wanted, present * (present < LARGE ? 4 : 2), MINIMUM) | 1

const MINIMUM = 63
const LARGE = 1 << 20

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
