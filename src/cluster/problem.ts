/** Making problems: one line each, naming object, field and value, with nothing in them that could break a line. */

import { parseAddressBytes } from '../base/address.ts'
import { plainText } from '../base/plain-text.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Problem } from './intent.ts'

/** Longest piece of a value that is shown. */
const SHOWN = 80
/** One object cannot fill the log: what lies beyond this many is only counted as wrong. */
const MOST_PER_OBJECT = 20

/** A value as text for people: control characters escaped, cut, objects only by their kind. */
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

/** Names come from outside too. */
const plain = (text: string): string => plainText(text.slice(0, 4 * SHOWN))

const quote = (value: unknown): string => (typeof value === 'string' ? `"${escapeText(value)}"` : showValue(value))

export interface ProblemParts {
  readonly code: string
  readonly object: string
  readonly field?: string
  /** Quoted at the head of the line; leave it out where it must not be shown. */
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

/** What is found while one object is read. */
export class Findings {
  readonly object: string
  readonly problems: Problem[] = []
  /** Something is so wrong that this version of the object is not taken. */
  refused = false
  /** The fields that are wrong or missing, all of them. */
  readonly faulty = new Set<string>()

  constructor(object: string) {
    this.object = object
  }

  /** The object is refused. */
  wrong(field: string, value: unknown, says: string): undefined {
    this.refused = true
    this.faulty.add(field)
    this.#add({ code: 'value-wrong', object: this.object, field, value, says })
  }

  /** A field that must be there is not: the object is refused. */
  missing(field: string, says = 'must be given'): undefined {
    this.refused = true
    this.faulty.add(field)
    this.#add({ code: 'field-missing', object: this.object, field, says })
  }

  /** Said, and the object is taken all the same. The value stays untold: it may be what was meant for a secret field. */
  say(code: string, field: string, says: string): void {
    this.#add({ code, object: this.object, field, says, level: 'warning' })
  }

  /** A CIDR as a person writes that of an interface: it is read as the range around it, as Kubernetes and Calico do. */
  hostBits(field: string, value: unknown, { text, bytes, length }: Prefix): void {
    const [address = '', digits] = typeof value === 'string' ? value.split('/') : []
    const written = parseAddressBytes(address)
    if (written === undefined || digits === undefined || written.every((octet, index) => octet === bytes[index])) return
    const says = `has host bits set beyond its length of ${length}; ${text} is used`
    this.#add({ code: 'prefix-host-bits', object: this.object, field, value, says, level: 'warning' })
  }

  /** A field whose meaning is not carried out and may not be left out: what the object asks for is held down. */
  holds(field: string, says: string): void {
    this.#add({ code: 'field-holds', object: this.object, field, says })
  }

  add(problems: readonly Problem[]): void {
    for (const problem of problems) {
      if (problem.level === undefined) this.refused = true
      if (this.problems.length < MOST_PER_OBJECT) this.problems.push(problem)
    }
  }

  #add(parts: ProblemParts): void {
    if (this.problems.length < MOST_PER_OBJECT) this.problems.push(makeProblem(parts))
  }
}
