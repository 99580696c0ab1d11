/**
 * Calico's selector language for labels: parses text to a value, and matches labels against it.
 *
 *   expression = term { '||' term }             term = operation { '&&' operation }
 *   operation  = { '!' } ( '(' expression ')' | 'all()' | 'global()' | 'has(' label ')' | label comparison )
 *   comparison = ( '==' | '!=' | 'contains' | 'starts with' | 'ends with' ) value
 *              | ( 'in' | 'not in' ) '{' [ value { ',' value } [ ',' ] ] '}'
 *   value      = "text" | 'text', without escapes
 *
 * An empty text selects everything.
 */
import { lookUp } from '../base/look-up.ts'

export type Selector =
  /** `global()` differs from `all()` only for workloads, which have namespaces; nodes have none. */
  | { readonly kind: 'all' | 'global' }
  | { readonly kind: 'has'; readonly label: string }
  | { readonly kind: 'compare'; readonly label: string; readonly operator: Operator; readonly value: string }
  | {
      readonly kind: 'in'
      readonly label: string
      readonly operator: 'in' | 'not in'
      readonly values: readonly string[]
    }
  | { readonly kind: 'not'; readonly of: Selector }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Selector[] }

type Operator = '==' | '!=' | 'contains' | 'starts with' | 'ends with'

export interface SelectorError {
  /** `at character 7: expected a quoted value, found "&&"` */
  readonly error: string
  /** Counted from 1. */
  readonly position: number
  readonly expected: string
}

/** What it asks of labels: about what it takes to match it. */
export function questionsOf(selector: Selector | undefined): number {
  switch (selector?.kind) {
    case undefined:
    case 'all':
    case 'global':
      return 0
    case 'has':
    case 'compare':
      return 1
    case 'in':
      return 1 + selector.values.length / 16
    case 'not':
      return questionsOf(selector.of)
    case 'and':
    case 'or':
      return questionsOfParts(selector.of)
  }
}

/** Counted once for each list: an object may have thousands of alternatives, and is asked about often. */
function questionsOfParts(parts: readonly Selector[]): number {
  const known = QUESTIONS.get(parts)
  if (known !== undefined) return known
  const sum = parts.reduce((total, part) => total + questionsOf(part), 0)
  QUESTIONS.set(parts, sum)
  return sum
}

const QUESTIONS = new WeakMap<readonly Selector[], number>()

export type Labels = Readonly<Record<string, string>>

/** Whether the labels satisfy the selector. An absent label is unequal to every value and in no set. */
export function matches(selector: Selector, labels: Labels): boolean {
  switch (selector.kind) {
    case 'all':
    case 'global':
      return true
    case 'has':
      return lookUp(labels, selector.label) !== undefined
    case 'compare':
      return compare(lookUp(labels, selector.label), selector.operator, selector.value)
    case 'in':
      return selector.values.includes(lookUp(labels, selector.label) as string) === (selector.operator === 'in')
    case 'not':
      return !matches(selector.of, labels)
    case 'and':
      return selector.of.every((part) => matches(part, labels))
    case 'or':
      return selector.of.some((part) => matches(part, labels))
  }
}

/** The labels that the selector names: no other label can change its result. */
export function labelsNamedBy(selector: Selector): readonly string[] {
  switch (selector.kind) {
    case 'all':
    case 'global':
      return []
    case 'has':
    case 'compare':
    case 'in':
      return [selector.label]
    case 'not':
      return labelsNamedBy(selector.of)
    case 'and':
    case 'or':
      return selector.of.flatMap(labelsNamedBy)
  }
}

function compare(actual: string | undefined, operator: Operator, value: string): boolean {
  switch (operator) {
    case '==':
      return actual === value
    case '!=':
      return actual !== value
    case 'contains':
      return actual?.includes(value) ?? false
    case 'starts with':
      return actual?.startsWith(value) ?? false
    case 'ends with':
      return actual?.endsWith(value) ?? false
  }
}

/** One text per meaning: single spaces, double quotes, parentheses only where they are needed. */
export function formatSelector(selector: Selector): string {
  switch (selector.kind) {
    case 'all':
    case 'global':
      return `${selector.kind}()`
    case 'has':
      return `has(${selector.label})`
    case 'compare':
      return `${selector.label} ${selector.operator} ${quote(selector.value)}`
    case 'in':
      return `${selector.label} ${selector.operator} {${selector.values.map(quote).join(', ')}}`
    case 'not':
      return `!${formatPart(selector.of)}`
    case 'and':
      return selector.of.map(formatPart).join(' && ')
    case 'or':
      return selector.of.map((part) => (part.kind === 'and' ? formatSelector(part) : formatPart(part))).join(' || ')
  }
}

const formatPart = (part: Selector): string =>
  part.kind === 'and' || part.kind === 'or' ? `(${formatSelector(part)})` : formatSelector(part)

const quote = (value: string): string => (value.includes('"') ? `'${value}'` : `"${value}"`)

/** Never throws; an error has its position. */
export function parseSelector(text: string): Selector | SelectorError {
  try {
    return new Parser(text).parse()
  } catch (fault) {
    if (fault instanceof Unexpected) return fault.error
    throw fault
  }
}

/** Thrown by the parser and caught by `parseSelector`. */
class Unexpected extends Error {
  readonly error: SelectorError
  constructor(error: SelectorError) {
    super(error.error)
    this.error = error
  }
}

const SPACE = /\s*/y
const LABEL = /[a-zA-Z0-9_./-]+/y
const VALUE = /"([^"]*)"|'([^']*)'/y
const COMPARISON = /(==|!=|contains|starts\s*with|ends\s*with|not\s*in|in)/y
const FUNCTION = /(all|global|has)\(/y
/** The next word or sign, quoted in errors. */
const FOUND = /&&|\|\||[=!]=|[a-zA-Z0-9_./-]+|./suy

/** The deepest nesting of parentheses: it bounds the stack. */
const DEPTH_MAX = 100
/** To read so many takes about as long as an item of a list. */
export const CHARACTERS_PER_ITEM = 16
/** It is asked of each node. */
const LONGEST = 16_384

/** Two negations cancel each other. */
const negate = (selector: Selector): Selector => (selector.kind === 'not' ? selector.of : { kind: 'not', of: selector })

class Parser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): Selector {
    if (this.#text.length > LONGEST) this.#fail(`no more than ${LONGEST} characters`)
    this.#space()
    if (this.#at === this.#text.length) return { kind: 'all' }
    const selector = this.#expression()
    if (this.#at < this.#text.length) this.#fail('"&&", "||" or the end')
    // Its reader pays for it.
    questionsOf(selector)
    return selector
  }

  #expression(): Selector {
    return this.#joined('or', '||', () => this.#joined('and', '&&', () => this.#operation()))
  }

  #joined(kind: 'and' | 'or', sign: string, part: () => Selector): Selector {
    const first = part()
    const parts = [first]
    while (this.#take(sign)) parts.push(part())
    return parts.length === 1 ? first : { kind, of: parts }
  }

  #operation(): Selector {
    let negated = false
    while (this.#take('!')) negated = !negated
    const bare = this.#bare()
    return negated ? negate(bare) : bare
  }

  #bare(): Selector {
    if (this.#take('(')) return this.#nested()
    const called = this.#match(FUNCTION)
    if (called !== undefined) return this.#called(called[1] as 'all' | 'global' | 'has')
    const label = this.#match(LABEL)
    if (label === undefined) this.#fail('a label, "has(", "all()", "global()", "!" or "("')
    return this.#comparison(label[0])
  }

  #nested(): Selector {
    if (++this.#depth > DEPTH_MAX) this.#fail(`no more than ${DEPTH_MAX} parentheses inside one another`)
    const selector = this.#expression()
    this.#need(')')
    this.#depth--
    return selector
  }

  #called(name: 'all' | 'global' | 'has'): Selector {
    const label = name === 'has' ? (this.#match(LABEL) ?? this.#fail('a label'))[0] : ''
    this.#need(')')
    return name === 'has' ? { kind: 'has', label } : { kind: name }
  }

  #comparison(label: string): Selector {
    const sign =
      this.#match(COMPARISON) ?? this.#fail('"==", "!=", "in", "not in", "contains", "starts with" or "ends with"')
    const operator = sign[0].replace(/\s+/g, '').replace(/^(starts|ends|not)/, '$1 ')
    return operator === 'in' || operator === 'not in'
      ? { kind: 'in', label, operator, values: this.#set() }
      : { kind: 'compare', label, operator: operator as Operator, value: this.#value() ?? this.#fail('a quoted value') }
  }

  #set(): string[] {
    this.#need('{')
    const values: string[] = []
    for (let value = this.#value(); value !== undefined; value = this.#take(',') ? this.#value() : undefined) {
      values.push(value)
    }
    if (!this.#take('}')) this.#fail(values.length === 0 ? 'a quoted value or "}"' : '"," or "}"')
    return values
  }

  #value(): string | undefined {
    const found = this.#match(VALUE)
    return found && (found[1] ?? found[2])
  }

  #need(sign: string): void {
    if (!this.#take(sign)) this.#fail(`"${sign}"`)
  }

  #take(sign: string): boolean {
    if (!this.#text.startsWith(sign, this.#at)) return false
    this.#at += sign.length
    this.#space()
    return true
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return undefined
    this.#at += found[0].length
    this.#space()
    return found
  }

  #space(): void {
    SPACE.lastIndex = this.#at
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0
  }

  #fail(expected: string): never {
    const position = this.#at + 1
    const found = this.#match(FOUND)?.[0]
    const actual = found === undefined ? 'the end' : `"${found.slice(0, 40)}"`
    throw new Unexpected({
      position,
      expected,
      error: `at character ${position}: expected ${expected}, found ${actual}`,
    })
  }
}
