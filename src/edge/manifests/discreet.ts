/**
 * What is wrong with a text often quotes it: a password may begin with `*` or `!`, be a fraction, or stand where a broken text
 * has a key or a name. Of a text that may hold one, only the place of the fault and words of our own are said.
 */
import { type Fault, KEY_TWICE, TOO_DEEP } from './fault.ts'

/**
 * The text of a Secret, of what was meant as one, and of an object that has the password itself where a reference to a Secret
 * belongs. A broken text has no fields, and any of its signs may be the broken one: so the words count wherever they stand.
 */
const HOLDS_KEY = [
  /\bSecret\b/,
  /\bkind["']?\s*(?::\s*)?["']?secrets?\b/i,
  /\b(?:string)?data["']?[ \t]*(?::|$)/im,
  // The lookahead refuses white space, so that a search that went too far cannot begin in the middle of it.
  /password["']?\s*(?::\s*)?(?![\s:]|\{?\s*["']?secretKeyRef\b)/i,
]
/** Where its values stand; in a List too. */
const VALUES = /^((?:items\[\d+\]\.)?(?:stringData|data))(?:[.:[]|$)/
/** Where people put a password that belongs in a Secret. */
const PASSWORD = /^((?:items\[\d+\]\.)?spec\.(?:password|nodeMeshPassword))(?:[.:[]|$)/

const NOT_PLAIN = 'is not plain text (put it in quotes)'
const UNSAID = 'is not well-formed (more is not said, because the text may hold a key)'
/** The keys below a field are not named: one of them may be a password. */
const BELOW_TWICE = 'a key is given twice'

export function discreet(fault: Fault, piece: string): Fault {
  const field = VALUES.exec(fault.text)?.[1] ?? PASSWORD.exec(fault.text)?.[1]
  if (field !== undefined) return { ...fault, text: `${field}: ${ownWords(fault.text, field) ?? NOT_PLAIN}` }
  return HOLDS_KEY.some((one) => one.test(piece)) ? { ...fault, text: ownWords(fault.text) ?? UNSAID } : fault
}

/** What is wrong, where our words for it quote nothing. */
function ownWords(text: string, field?: string): string | undefined {
  if (text === `${field}: ${KEY_TWICE}`) return KEY_TWICE
  if (text.endsWith(KEY_TWICE)) return BELOW_TWICE
  return text.endsWith(TOO_DEEP) ? TOO_DEEP : undefined
}
