/**
 * RFC 8092 §3: redundant values are silently removed on receipt, and never sent. Few routes have many values, and hardly
 * any has one twice, so looking for them allocates nothing where there are few.
 */

/** Octets of one value. */
const SIZE = 12
/** Up to this number, values are compared pairwise; for more, a set avoids quadratic time. */
const FEW = 8

/** The values in [start, end) of `bytes` without repetitions; undefined: there are none. */
export function withoutRepeats(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
  const few = end - start <= FEW * SIZE
  if (few && !anyTwice(bytes, start, end)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const seen = new Set<string>()
  const out = new Uint8Array(end - start)
  let length = 0
  for (let at = start; at < end; at += SIZE) {
    const key = `${view.getUint32(at)}:${view.getUint32(at + 4)}:${view.getUint32(at + 8)}`
    if (seen.has(key)) continue
    seen.add(key)
    out.set(bytes.subarray(at, at + SIZE), length)
    length += SIZE
  }
  return length === end - start ? undefined : out.subarray(0, length)
}

function anyTwice(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start + SIZE; at < end; at += SIZE) {
    for (let before = start; before < at; before += SIZE) if (same(bytes, before, at)) return true
  }
  return false
}

function same(bytes: Uint8Array, left: number, right: number): boolean {
  for (let octet = 0; octet < SIZE; octet++) if (bytes[left + octet] !== bytes[right + octet]) return false
  return true
}
