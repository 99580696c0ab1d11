/** `show memory`. What is counted is in use; overhead cannot be separated from it. */
import { CODE, type Row } from './reply.ts'
import type { MemoryView } from './view.ts'

export function* memoryRows(memory: readonly MemoryView[]): Iterable<Row> {
  const total = memory.reduce((sum, { bytes }) => sum + bytes, 0)
  const rows = [...memory, { what: 'Total', bytes: total }]
  const width = Math.max(17, ...rows.map(({ what }) => what.length + 1))
  yield { code: CODE.memory, text: 'BIRD memory usage' }
  yield { code: CODE.memory, text: `${''.padEnd(width)} Effective    Overhead` }
  for (const { what, bytes } of rows) {
    yield { code: CODE.memory, text: `${`${what}:`.padEnd(width)}${size(bytes)}  ${size(0)}` }
  }
  yield { code: CODE.ok, text: '' }
}

/** Four digits before the point at most; ten characters in all. */
function size(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 10_000 && unit < 3) {
    value /= 1024
    unit++
  }
  return `${value.toFixed(1).padStart(7)} ${[' B', 'kB', 'MB', 'GB'][unit]}`
}
