/**
 * What tells whether packets leave over the link on which a neighbor is: its networks, and its name for neighbors in none of
 * them, as on unnumbered links. Two links with one network count as one.
 */
import { contains, type Prefix } from './prefix.ts'

export type LinkMark = Prefix | string

/** Whether both may be on one link. */
export function isOneLink(a: LinkMark, b: LinkMark): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return contains(a, b) || contains(b, a)
}

/** Equal for equal marks. */
export const markText = (mark: LinkMark): string => (typeof mark === 'string' ? `%${mark}` : mark.text)
