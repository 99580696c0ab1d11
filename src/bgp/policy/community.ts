/** Communities as people write them: `64512:100` (standard, RFC 1997), `64512:1:2` (large, RFC 8092). */

/** Two numbers of 16 bits or three of 32. */
export type Community = readonly number[]

/** RFC 8326 §5: this path is about to go away; use any other first. */
export const GRACEFUL_SHUTDOWN: Community = [65535, 0]

const NUMBER = '(0|[1-9]\\d{0,9})'
const COMMUNITY = new RegExp(`^${NUMBER}:${NUMBER}(?::${NUMBER})?$`)

/** Undefined where the text is no community: wrong count, too large, leading zeros, anything else in it. */
export function parseCommunity(text: string): Community | undefined {
  const [, first, second, third] = COMMUNITY.exec(text) ?? []
  if (first === undefined || second === undefined) return undefined
  const numbers = third === undefined ? [Number(first), Number(second)] : [Number(first), Number(second), Number(third)]
  const largest = third === undefined ? 0xffff : 0xffffffff
  return numbers.every((number) => number <= largest) ? numbers : undefined
}
