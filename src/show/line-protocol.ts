/**
 * BIRD's line protocol, both ways.
 *
 *     2002-Name       Proto …     a code and a hyphen: more follows
 *     1002-Mesh_10_0_0_2 BGP …
 *      Mesh_10_0_0_3 BGP …        a space instead: the code is that of the line before
 *     0000                        a code and a space: the answer ends here
 *     +Mesh_10_0_0_2: …           sent without being asked
 */
import { plainText } from '../base/plain-text.ts'
import type { ReplyLine } from './reply.ts'

export type { ReplyLine }

/** In the first line of every connection, after the word BIRD: exporters expect a plain version number there. */
export const BIRD_VERSION = '2.0.12'
/** On the sockets of BIRD 1.6, written as Calico's build of it does. */
export const BIRD1_VERSION = 'v1.6.8'

/** One line with its newline. What would break the framing, or steer a terminal, becomes `?`. */
export function encodeReply(line: ReplyLine): string {
  return `${prefixOf(line)}${plainText(line.text)}\n`
}

function prefixOf({ code, place }: ReplyLine): string {
  if (place === 'same') return ' '
  return `${String(code).padStart(4, '0')}${place === 'last' ? ' ' : '-'}`
}

/** A line without its newline, read back. */
export type DecodedLine =
  | { readonly kind: 'line'; readonly code: number; readonly text: string; readonly last: boolean }
  | { readonly kind: 'spontaneous'; readonly text: string }
  | { readonly kind: 'garbled'; readonly text: string }

/** `before` is the code of the line before, for one that continues it. */
export function decodeReply(line: string, before: number): DecodedLine {
  if (line.startsWith('+')) return { kind: 'spontaneous', text: line.slice(1) }
  if (line.startsWith(' ')) return { kind: 'line', code: before, text: line.slice(1), last: false }
  if (!/^\d{4}[ -]/.test(line)) return { kind: 'garbled', text: line }
  return { kind: 'line', code: Number(line.slice(0, 4)), text: line.slice(5), last: line[4] === ' ' }
}

/** Whether text made of whole lines ends with the last line of an answer. */
export function endsReply(text: string): boolean {
  const start = text.lastIndexOf('\n', text.length - 2) + 1
  return text.endsWith('\n') && /^\d{4} $/.test(text.slice(start, start + 5))
}
