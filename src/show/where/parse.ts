/**
 * Parses `where` of `show route`, an expression of BIRD's filter language (BIRD User's Guide §5), into a predicate on
 * routes.
 *
 * In: a line and the position of the expression. Out: the predicate and the end of the expression, so that more words
 * may follow, or the error. A comparison with an attribute that a route does not have is false.
 */

import { parseAddress } from '../../base/address.ts'
import { ADDRESS_BITS } from '../../base/family.ts'
import { lookUp } from '../../base/look-up.ts'
import { parsePrefix } from '../../base/prefix.ts'
import type { RouteRow } from '../../bgp/rib/types.ts'
import { type Lexeme, lexemeAt } from './lexer.ts'
import { CONSTANTS, MEMBERS, NAMES, type Term } from './names.ts'
import {
  compare,
  KIND_NAMES,
  type MaskItem,
  type Operator,
  type Range,
  type SetItem,
  type WhereValue,
  whyNotComparable,
} from './values.ts'

export interface Where {
  (row: RouteRow): boolean
  /** Comparisons, and items of sets and masks: what it takes to ask it of one route. Default: one. */
  readonly questions?: number
}

export type ParsedWhere =
  | { readonly kind: 'where'; readonly where: Where; readonly end: number }
  | { readonly kind: 'wrong'; readonly text: string }

const OPERATORS: ReadonlySet<string> = new Set<Operator>(['=', '!=', '<', '<=', '>', '>=', '~', '!~'])
/** Parentheses and `!` inside each other; more is no question of a person. */
const DEEPEST = 64
/** Comparisons, and items that each AS number or community of a route is compared with. */
const MOST_QUESTIONS = 32
const ALL: Range = { low: 0, high: 0xffff_ffff }

export function parseWhere(line: string, from: number): ParsedWhere {
  try {
    const parser = new Parser(line, from)
    const term = parser.expression()
    if (term.type !== 'bool') return { kind: 'wrong', text: `expecting a comparison, not ${KIND_NAMES[term.type]}` }
    return {
      kind: 'where',
      where: Object.assign((row: RouteRow) => isTrue(term.read(row)), { questions: parser.questions }),
      end: parser.end,
    }
  } catch (error) {
    if (error instanceof Wrong) return { kind: 'wrong', text: error.message }
    throw error
  }
}

/** Thrown and caught inside this file only. */
class Wrong extends Error {}

const isTrue = (value: WhereValue): boolean => value.kind === 'bool' && value.value
const constant = (value: WhereValue): Term => ({ type: value.kind, read: () => value, constant: value })

class Parser {
  readonly #line: string
  #next: Lexeme
  #depth = 0
  questions = 0
  /** Where the last lexeme that belongs to the expression ended. */
  end: number

  constructor(line: string, from: number) {
    this.#line = line
    this.end = from
    this.#next = this.#lex(from)
  }

  /** `||` binds least, then `&&`, then a comparison. */
  expression(): Term {
    return this.#joined('||', () => this.#joined('&&', () => this.#comparison()))
  }

  #joined(sign: '||' | '&&', operand: () => Term): Term {
    let left = operand()
    while (this.#takeSign(sign)) {
      const [a, b] = [left, operand()]
      for (const { type } of [a, b])
        if (type !== 'bool') throw new Wrong(`"${sign}" needs comparisons, not ${KIND_NAMES[type]}`)
      const read = (row: RouteRow): boolean =>
        sign === '&&' ? isTrue(a.read(row)) && isTrue(b.read(row)) : isTrue(a.read(row)) || isTrue(b.read(row))
      left = { type: 'bool', read: (row) => ({ kind: 'bool', value: read(row) }) }
    }
    return left
  }

  #comparison(): Term {
    const left = this.#unary()
    const operator = this.#next.text as Operator
    if (this.#next.kind !== 'sign' || !OPERATORS.has(operator)) return left
    this.#advance()
    this.#ask()
    const right = this.#unary()
    const whyNot = whyNotComparable(operator, left.type, right.type)
    if (whyNot !== undefined) throw new Wrong(whyNot)
    const read: Term['read'] = (row) => ({ kind: 'bool', value: compare(operator, left.read(row), right.read(row)) })
    return { type: 'bool', read }
  }

  #unary(): Term {
    if (!this.#takeSign('!')) return this.#members(this.#primary())
    const term = this.#deeper(() => this.#unary())
    if (term.type !== 'bool') throw new Wrong(`"!" needs a comparison, not ${KIND_NAMES[term.type]}`)
    return { type: 'bool', read: (row) => ({ kind: 'bool', value: !isTrue(term.read(row)) }) }
  }

  #members(start: Term): Term {
    let term = start
    while (this.#takeSign('.')) {
      const name = this.#take('name').text
      const member = lookUp(MEMBERS[term.type] ?? {}, name)
      if (member === undefined) throw new Wrong(`${KIND_NAMES[term.type]} has no "${name}"`)
      const [type, read] = member
      const { read: before } = term
      term = { type, read: (row) => read(before(row)) }
    }
    return term
  }

  #primary(): Term {
    const { kind, text } = this.#next
    switch (kind) {
      case 'number':
        return constant({ kind: 'int', value: this.#number() })
      case 'address':
        return constant({ kind: 'ip', value: this.#address() })
      case 'prefix':
        return constant({ kind: 'prefix', value: this.#prefix() })
      case 'text':
        this.#advance()
        return constant({ kind: 'text', value: text })
      case 'name':
        this.#advance()
        return this.#named(text)
      case 'sign':
        if (text === '(') return this.#parenthesis()
        if (text === '[') return constant({ kind: 'set', value: this.#set() })
        if (text === '[=') return constant({ kind: 'mask', value: this.#mask() })
    }
    throw this.#unexpected()
  }

  #named(name: string): Term {
    if (name === 'true' || name === 'false') return constant({ kind: 'bool', value: name === 'true' })
    if (name === 'defined') return this.#defined()
    if (CONSTANTS.has(name)) return constant({ kind: 'enum', value: name })
    const term = lookUp(NAMES, name)
    if (term === undefined) throw new Wrong(`"${name}" is not an attribute of a route (put a text in double quotes)`)
    return term
  }

  #defined(): Term {
    this.#expect('(')
    const term = this.#deeper(() => this.expression())
    this.#expect(')')
    return { type: 'bool', read: (row) => ({ kind: 'bool', value: term.read(row).kind !== 'void' }) }
  }

  /** A pair or triple of numbers, or an expression. */
  #parenthesis(): Term {
    this.#advance()
    const first = this.#deeper(() => this.expression())
    if (!this.#isSign(',')) {
      this.#expect(')')
      return first
    }
    const value = [first.type === 'int' ? this.#constantOf(first) : this.#fail()]
    while (this.#takeSign(',')) value.push(this.#number())
    this.#expect(')')
    if (value.length > 3) throw new Wrong('a community has two numbers or three')
    return constant({ kind: 'tuple', value })
  }

  #constantOf(term: Term): number {
    const { constant: value } = term
    return value?.kind === 'int' ? value.value : this.#fail()
  }

  #set(): readonly SetItem[] {
    this.#advance()
    const items: SetItem[] = []
    if (this.#takeSign(']')) return items
    do items.push(this.#setItem())
    while (this.#takeSign(','))
    this.#expect(']')
    return items
  }

  #setItem(): SetItem {
    if (this.#next.kind === 'prefix') return this.#prefixItem()
    if (this.#next.kind === 'address') return this.#addressItem()
    this.#ask()
    if (CONSTANTS.has(this.#next.text)) return { kind: 'enum', value: this.#take('name').text }
    if (!this.#takeSign('(')) return { kind: 'int', range: this.#range() }
    const parts: Range[] = []
    do parts.push(this.#takeSign('*') ? ALL : this.#range())
    while (this.#takeSign(','))
    this.#expect(')')
    return { kind: 'tuple', parts }
  }

  /** `10.0.0.1`, or `10.0.0.1..10.0.0.9`. */
  #addressItem(): SetItem {
    const low = this.#address()
    return { kind: 'ip', low, high: this.#takeSign('..') ? this.#address() : low }
  }

  /** `10.0.0.0/8`, with `+` for all inside, `-` for all that contain it, `{24,32}` for these lengths, shorter ones around it. */
  #prefixItem(): SetItem {
    const prefix = this.#prefix()
    const bits = ADDRESS_BITS[prefix.family]
    const pattern = (low: number, high: number): SetItem => ({ kind: 'prefix', pattern: { prefix, low, high } })
    if (this.#takeSign('+')) return pattern(prefix.length, bits)
    if (this.#takeSign('-')) return pattern(0, prefix.length)
    if (!this.#takeSign('{')) return pattern(prefix.length, prefix.length)
    const low = this.#number()
    this.#expect(',')
    const high = this.#number()
    this.#expect('}')
    return pattern(low, high)
  }

  #mask(): readonly MaskItem[] {
    this.#advance()
    const items: MaskItem[] = []
    while (!this.#takeSign('=]')) {
      this.#ask()
      if (this.#takeSign('*')) items.push('*')
      else if (this.#takeSign('?')) items.push('?')
      else if (this.#isSign('['))
        items.push(this.#set().map((item) => (item.kind === 'int' ? item.range : this.#fail())))
      else items.push([this.#range()])
    }
    return items
  }

  #range(): Range {
    const low = this.#number()
    return { low, high: this.#takeSign('..') ? this.#number() : low }
  }

  #number(): number {
    const value = Number(this.#take('number').text)
    return value <= ALL.high ? value : this.#fail(`${value} is larger than ${ALL.high}`)
  }

  #address(): string {
    const { text } = this.#take('address')
    return parseAddress(text) ?? this.#fail(`"${text}" is not an address`)
  }

  #prefix() {
    const { text } = this.#take('prefix')
    return parsePrefix(text) ?? this.#fail(`"${text}" is not a prefix`)
  }

  /** A line may hold hundreds of them, an attribute of a route ten thousand members. */
  #ask(): void {
    if (++this.questions > MOST_QUESTIONS) throw new Wrong(`more than ${MOST_QUESTIONS} comparisons and items of sets`)
  }

  #deeper<Result>(read: () => Result): Result {
    if (++this.#depth > DEEPEST) throw new Wrong('too many parentheses')
    const result = read()
    this.#depth--
    return result
  }

  #lex(from: number): Lexeme {
    const lexeme = lexemeAt(this.#line, from)
    return lexeme ?? this.#fail(`unexpected "${this.#line.slice(from).trim().slice(0, 12)}"`)
  }

  #advance(): void {
    this.end = this.#next.end
    this.#next = this.#lex(this.end)
  }

  #isSign(text: string): boolean {
    return this.#next.kind === 'sign' && this.#next.text === text
  }

  #takeSign(text: string): boolean {
    if (!this.#isSign(text)) return false
    this.#advance()
    return true
  }

  #expect(text: string): void {
    if (!this.#takeSign(text)) throw this.#unexpected(text)
  }

  #take(kind: Lexeme['kind']): Lexeme {
    const lexeme = this.#next
    if (lexeme.kind !== kind) throw this.#unexpected(`a ${kind}`)
    this.#advance()
    return lexeme
  }

  #unexpected(expected?: string): Wrong {
    const found = this.#next.kind === 'end' ? 'unexpected end' : `unexpected "${this.#next.text}"`
    return new Wrong(expected === undefined ? found : `${found}, expecting ${expected}`)
  }

  #fail(text?: string): never {
    throw text === undefined ? this.#unexpected() : new Wrong(text)
  }
}
