/**
 * Bounds the size of the status of a node: it stays under 32 KiB, because 5,000 of them are 160 MB, and etcd refuses an
 * object above 1.5 MiB. Each text has a largest length, and each list a share of the room. What is left out is counted
 * in the object.
 */
import { plainText } from '../base/plain-text.ts'
import type { NodeStatus } from './node-status.ts'

/** Octets of the lists, as JSON. To the rest of the object 32 KiB leave 3,768, and it needs less. */
const ROOM = { routers: 17_500, mesh: 6_500, problems: 5_000 } as const
/** The longest text, in octets. */
const LONGEST = 240

/** A text from outside, fit for a terminal, and cut to so many octets of UTF-8. */
export function shown(text: string, octets: number = LONGEST): string {
  return cut(plainText(start(text, octets)), octets, text.length <= octets)
}

/** Several texts, each on a line of its own, together at most `octets` octets of UTF-8. */
export function shownLines(texts: readonly string[], octets: number): string {
  const text = texts.map((one) => plainText(start(one, octets))).join('\n')
  const areWhole = texts.every(({ length }) => length <= octets)
  return cut(start(text, octets), octets, areWhole && text.length <= octets)
}

/** Bounds the work: a character takes at least one octet, so no more of them fit. */
const start = (text: string, octets: number): string => text.slice(0, octets)

/** `isWhole`: nothing has been cut off yet. */
function cut(plain: string, octets: number, isWhole: boolean): string {
  if (isWhole && octetsOf(plain) <= octets) return plain
  let left = octets - octetsOf(ELLIPSIS)
  let end = 0
  for (const character of plain) {
    left -= octetsOf(character)
    if (left < 0) break
    end += character.length
  }
  return plain.slice(0, end) + ELLIPSIS
}

const ELLIPSIS = '…'

/** Octets of a text in UTF-8. */
function octetsOf(text: string): number {
  let octets = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    octets += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return octets
}

/** The first of a list that fit into so many octets; each takes `extraOctets` more than its JSON. */
function firstThatFit<Item>(items: readonly Item[], octets: number, extraOctets = 0): readonly Item[] {
  let left = octets
  const end = items.findIndex((item) => {
    left -= jsonOctets(item) + extraOctets
    return left < 0
  })
  return end < 0 ? items : items.slice(0, end)
}

/** Octets of a value as JSON, with its comma. */
const jsonOctets = (value: unknown): number => octetsOf(JSON.stringify(value)) + 1

/** Octets by which `since` and `lastError.at` grow when `render.ts` writes them as RFC 3339. */
const TIMES_GROWTH = 45

/** The status with what fits. */
export function bounded(status: NodeStatus): NodeStatus {
  const { routers, mesh, problems } = status
  return {
    ...status,
    routers: firstThatFit(routers, ROOM.routers, TIMES_GROWTH),
    mesh: mesh && { ...mesh, notEstablished: firstThatFit(mesh.notEstablished, ROOM.mesh) },
    problems: firstThatFit(problems, ROOM.problems),
  }
}
