/**
 * Bounds the size of the status of a node: it stays under 32 KiB, because 5,000 of them are 160 MB, and etcd refuses an
 * object above 1.5 MiB. Each text has a largest length, and each list a share of the room. What is left out is counted
 * in the object.
 */
import { plainText } from '../base/plain-text.ts'
import type { NodeStatus } from './node-status.ts'

/** Octets of the lists, as JSON. The rest of the object has less than 4 KiB. */
const ROOM = { routers: 17_500, mesh: 6_500, problems: 5_000 } as const
/** The longest text, in octets. */
const LONGEST = 240

/** A text from outside, fit for a terminal, and cut to so many octets of UTF-8. */
export function shown(text: string, octets: number = LONGEST): string {
  return cut(plainText(text.slice(0, octets)), octets, text.length <= octets)
}

/** Several texts, each on a line of its own. */
export function shownLines(texts: readonly string[], octets: number): string {
  const text = texts.map((one) => plainText(one.slice(0, octets))).join('\n')
  const areWhole = texts.every(({ length }) => length <= octets)
  return cut(text.slice(0, octets), octets, areWhole && text.length <= octets)
}

/** `isWhole`: nothing has been cut off yet. */
function cut(plain: string, octets: number, isWhole: boolean): string {
  let left = octets - ELLIPSIS.octets
  let end = 0
  let fits = isWhole
  for (const character of plain) {
    left -= octetsOf(character)
    if (left < 0) fits &&= left + ELLIPSIS.octets >= 0
    else end += character.length
    if (left + ELLIPSIS.octets < 0) break
  }
  return fits ? plain : plain.slice(0, end) + ELLIPSIS.text
}

const ELLIPSIS = { text: '…', octets: 3 } as const

/** Octets of one character as JSON. */
function octetsOf(character: string): number {
  const code = character.codePointAt(0) ?? 0
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
}

/** The first of a list that fit into so many octets. */
function firstThatFit<Item>(items: readonly Item[], octets: number, writtenOut = 0): readonly Item[] {
  let left = octets
  const end = items.findIndex((item) => {
    left -= jsonOctets(item) + writtenOut
    return left < 0
  })
  return end < 0 ? items : items.slice(0, end)
}

/** Octets of a value as JSON, with its comma. */
function jsonOctets(value: unknown): number {
  let octets = 1
  for (const character of JSON.stringify(value)) octets += octetsOf(character)
  return octets
}
/** What two times become longer as text. */
const WRITTEN_OUT = 45

/** The status with what fits. */
export function bounded(status: NodeStatus): NodeStatus {
  const { routers, mesh, problems } = status
  return {
    ...status,
    routers: firstThatFit(routers, ROOM.routers, WRITTEN_OUT),
    mesh: mesh && { ...mesh, notEstablished: firstThatFit(mesh.notEstablished, ROOM.mesh) },
    problems: firstThatFit(problems, ROOM.problems),
  }
}
