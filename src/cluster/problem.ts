/** Makes problems: one line each, with object, field and value, and without control characters. */

import { parseAddressBytes } from '../base/address.ts'
import { plainText } from '../base/plain-text.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Problem } from './intent.ts'

/** Characters of a value that are shown. */
const SHOWN = 80
/** The most problems of one object; further ones still refuse the object, but are not reported. */
export const MOST_PER_OBJECT = 20

/** A value as text for people: cut, with control characters escaped; of objects and lists only the kind. */
function showValue(value: unknown): string {
  if (typeof value === 'string') return escapeText(value)
  if (value === undefined) return 'nothing'
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value)
  return Array.isArray(value) ? 'a list' : 'an object'
}

function escapeText(text: string): string {
  const cut = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
  return JSON.stringify(cut).slice(1, -1)
}

/** Names of objects are input too: they are cut and escaped as well. */
const plain = (text: string): string => plainText(text.slice(0, 4 * SHOWN))

const quote = (value: unknown): string => (typeof value === 'string' ? `"${escapeText(value)}"` : showValue(value))

export interface ProblemParts {
  readonly code: string
  readonly object: string
  readonly field?: string
  /** Quoted in the line. Leave it out if it must not be shown. */
  readonly value?: unknown
  /** Follows the value: `is not an AS number`. */
  readonly says: string
  readonly level?: 'warning'
}

export function makeProblem({ code, object, field = '', value, says, level }: ProblemParts): Problem {
  const at = plain(field === '' ? object : `${object} ${field}`)
  const text = `${at}: ${value === undefined ? says : `${quote(value)} ${says}`}`
  const shown = value === undefined ? '' : showValue(value)
  return { code, object, field, value: shown, text, ...(level === undefined ? {} : { level }) }
}

/** Collects the problems of one object while it is parsed. */
export class Findings {
  /** Items of lists and entries of maps that were read and not charged yet. */
  items = 0
  readonly object: string
  readonly problems: Problem[] = []
  /** An error was found: this version of the object is not used. */
  refused = false
  /** All fields that are wrong or missing. */
  readonly faulty = new Set<string>()

  constructor(object: string) {
    this.object = object
  }

  /** Reports a wrong value and refuses the object. */
  wrong(field: string, value: unknown, says: string): undefined {
    this.refused = true
    this.faulty.add(field)
    this.#add({ code: 'value-wrong', object: this.object, field, value, says })
  }

  /** Reports a missing field and refuses the object. */
  missing(field: string, says = 'must be given'): undefined {
    this.refused = true
    this.faulty.add(field)
    this.#add({ code: 'field-missing', object: this.object, field, says })
  }

  /** Reports a field and accepts the object. The value is not shown: it may have been meant for a secret field. */
  say(code: string, field: string, says: string): void {
    this.#add({ code, object: this.object, field, says, level: 'warning' })
  }

  /** Reports a CIDR with host bits, such as `10.0.0.1/24`. It is read as its range, as in Kubernetes and Calico. */
  hostBits(field: string, value: unknown, { text, bytes, length }: Prefix): void {
    const [address = '', digits] = typeof value === 'string' ? value.split('/') : []
    const written = parseAddressBytes(address)
    if (written === undefined || digits === undefined || written.every((octet, index) => octet === bytes[index])) return
    const says = `has host bits set beyond its length of ${length}; ${text} is used`
    this.#add({ code: 'prefix-host-bits', object: this.object, field, value, says, level: 'warning' })
  }

  /** Reports a field that is not supported and that must not be left out: sessions of the object are held down. */
  holds(field: string, says: string): void {
    this.#add({ code: 'field-holds', object: this.object, field, says })
  }

  add(problems: readonly Problem[]): void {
    for (const problem of problems) {
      if (problem.level === undefined) this.refused = true
      this.#keep(problem)
    }
  }

  #add(parts: ProblemParts): void {
    this.#keep(makeProblem(parts))
  }

  /** Beyond the limit an error takes the place of a warning: a refused object always has a reason. */
  #keep(problem: Problem): void {
    if (this.problems.length < MOST_PER_OBJECT) this.problems.push(problem)
    else if (problem.level === undefined) {
      const warning = this.problems.findLastIndex(({ level }) => level !== undefined)
      if (warning !== -1) this.problems[warning] = problem
    }
  }
}
