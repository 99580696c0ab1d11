/**
 * By what a link is recognized: a network on it, or its name for neighbors that are in none of its networks, as on unnumbered
 * links. A link may have several marks. Two links with one network count as one.
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
