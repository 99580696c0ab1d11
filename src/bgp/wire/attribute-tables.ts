/** The rows of `attribute-rows.ts` by type code, as the walk over an UPDATE needs them: one load each. */
import { ATTRIBUTE_ROWS, type AttributeRow } from './attribute-rows.ts'

function table(none: number, value: (row: AttributeRow) => number): Uint8Array {
  const bytes = new Uint8Array(256).fill(none)
  for (const row of ATTRIBUTE_ROWS) bytes[row.code] = value(row)
  return bytes
}

/** No exact length is required. */
export const ANY = 255
/** Bits of `IGNORED`. */
export const IGNORED_FROM = { nobody: 0, external: 1, 'four-octet': 2 } as const

/** Optional and Transitive as they must be; 0: no row. */
export const FLAGS = table(0, (row) => row.flags)
export const EXACTLY = table(ANY, ({ length }) => (length.kind === 'exactly' ? length.octets : ANY))
/** From a peer with two-octet AS numbers. */
export const EXACTLY_OLD = table(ANY, ({ length }) => (length.kind === 'exactly' ? length.old : ANY))
/** The length must be a multiple of this, and not zero; 0: not required. */
export const TIMES = table(0, ({ length }) => (length.kind === 'times' ? length.octets : 0))
/** The kinds of peers whose attribute is dropped unread. */
export const IGNORED = table(0, (row) => IGNORED_FROM[row.ignoredFrom])

const ROWS: readonly (AttributeRow | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  ATTRIBUTE_ROWS.find((row) => row.code === code),
)

export const rowOf = (code: number): AttributeRow | undefined => ROWS[code]
