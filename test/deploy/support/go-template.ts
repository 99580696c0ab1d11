/**
 * Go's text/template with the functions of Helm that our chart calls, for tests on machines without Helm. It is stricter
 * than the original: what it does not know, and what would print as nothing, is an error.
 */
import { parse, stringify } from 'yaml'

type Value = unknown
type Fields = Record<string, Value>

/** An expression: gives its value, with `input` as the last argument where it stands behind a bar. */
type Term = (scope: Scope, input?: readonly Value[]) => Value
type Node = (scope: Scope) => string

interface Scope {
  readonly dot: Value
  /** Innermost last; an assignment changes the variable where it was declared. */
  readonly variables: readonly Map<string, Value>[]
}

const isFields = (value: Value): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map)

/** Empty values are false. */
const isTrue = (value: Value): boolean =>
  Array.isArray(value) ? value.length > 0 : isFields(value) ? Object.keys(value).length > 0 : Boolean(value)

function fieldsOf(value: Value, why: string): Fields {
  if (!isFields(value)) throw new Error(`${why}: ${JSON.stringify(value)} has no fields`)
  return value
}
function listOf(value: Value, why: string): readonly Value[] {
  if (!Array.isArray(value)) throw new Error(`${why}: ${JSON.stringify(value)} is no list`)
  return value
}
function textOf(value: Value, why: string): string {
  if (typeof value !== 'string') throw new Error(`${why}: ${JSON.stringify(value)} is no text`)
  return value
}

function compare(left: Value, right: Value): boolean {
  if (typeof left !== typeof right || typeof left === 'object') {
    throw new Error(`incompatible types for comparison: ${JSON.stringify(left)}, ${JSON.stringify(right)}`)
  }
  return left === right
}

function at(value: Value, key: Value): Value {
  if (Array.isArray(value) && typeof key === 'number' && key in value) return value[key]
  if (isFields(value) && typeof key === 'string') return value[key]
  throw new Error(`index ${JSON.stringify(key)} of ${JSON.stringify(value)}`)
}

function format(pattern: Value, values: readonly Value[]): string {
  const left = [...values]
  const text = textOf(pattern, 'printf').replaceAll(/%(.)/g, (_, verb: string) => {
    const value = textOf(left.shift(), 'printf')
    if (verb === 's') return value
    if (verb === 'q') return JSON.stringify(value)
    throw new Error(`printf: no %${verb} here`)
  })
  if (left.length > 0) throw new Error('printf: too many values')
  return text
}

/** JSON as Go writes it: fields in order of their names. */
function toJson(value: Value): string {
  const sorted = (_: string, inner: Value) =>
    isFields(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner
  return JSON.stringify(value, sorted)
}

type Call = (...values: Value[]) => Value
const FUNCTIONS: Readonly<Record<string, Call>> = {
  and: (...values) => values.find((value) => !isTrue(value)) ?? values.at(-1),
  append: (list, value) => [...listOf(list, 'append'), value],
  atoi: (text) => Number.parseInt(textOf(text, 'atoi'), 10) || 0,
  concat: (...lists) => lists.flatMap((list) => listOf(list, 'concat')),
  default: (other, value) => (isTrue(value) ? value : other),
  dict: (...pairs) =>
    Object.fromEntries(pairs.flatMap((key, index) => (index % 2 === 0 ? [[key, pairs[index + 1]]] : []))),
  eq: compare,
  fail: (text) => {
    throw new Error(textOf(text, 'fail'))
  },
  first: (list) => listOf(list, 'first')[0],
  fromYaml: (text) => fieldsOf(parse(textOf(text, 'fromYaml')), 'fromYaml'),
  fromYamlArray: (text) => listOf(parse(textOf(text, 'fromYamlArray')), 'fromYamlArray'),
  has: (value, list) => listOf(list, 'has').includes(value),
  hasPrefix: (prefix, text) => textOf(text, 'hasPrefix').startsWith(textOf(prefix, 'hasPrefix')),
  index: (value, ...keys) => keys.reduce(at, value),
  initial: (list) => listOf(list, 'initial').slice(0, -1),
  kindIs: (kind, value) => kind === (Array.isArray(value) ? 'slice' : isFields(value) ? 'map' : typeof value),
  last: (list) => listOf(list, 'last').at(-1),
  list: (...values) => values,
  // Earlier ones win.
  merge: (into, ...others) => Object.assign(fieldsOf(into, 'merge'), ...others.reverse(), { ...(into as Fields) }),
  ne: (left, right) => !compare(left, right),
  not: (value) => !isTrue(value),
  or: (...values) => values.find(isTrue) ?? values.at(-1),
  printf: (pattern, ...values) => format(pattern, values),
  replace: (from, to, text) => textOf(text, 'replace').replaceAll(textOf(from, 'replace'), textOf(to, 'replace')),
  required: (why, value) => {
    if (value === undefined || value === null || value === '') throw new Error(textOf(why, 'required'))
    return value
  },
  set: (fields, name, value) => Object.assign(fieldsOf(fields, 'set'), { [textOf(name, 'set')]: value }),
  splitList: (by, text) => textOf(text, 'splitList').split(textOf(by, 'splitList')),
  ternary: (yes, no, which) => (which === true ? yes : no),
  toJson,
  toYaml: (value) => stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 }).trimEnd(),
  trimPrefix: (prefix, text) => {
    const [start, whole] = [textOf(prefix, 'trimPrefix'), textOf(text, 'trimPrefix')]
    return whole.startsWith(start) ? whole.slice(start.length) : whole
  },
}

/** Words of an action: texts, numbers, names with their fields, brackets, bars. */
const WORD = /\s*("(?:[^"\\]|\\.)*"|-?\d+|:=|[=|]|\(|\)(?:\.[\w.]+)?|\$?\w*(?:\.\w+)*\.?)/y

function wordsOf(action: string): string[] {
  const words: string[] = []
  WORD.lastIndex = 0
  while (WORD.lastIndex < action.trimEnd().length) {
    const from = WORD.lastIndex
    const word = WORD.exec(action)?.[1] ?? ''
    if (word === '') throw new Error(`what is ${action.slice(from)}?`)
    words.push(word)
  }
  return words
}

type Segment = { readonly text: string } | { readonly action: string }

/** `{{-` and `-}}` take the white space before and behind. */
function segmentsOf(source: string): Segment[] {
  const segments: Segment[] = []
  let trims = false
  let from = 0
  for (const match of source.matchAll(/\{\{(-\s)?\s*(\/\*[\s\S]*?\*\/|(?:"(?:[^"\\]|\\.)*"|[^"])*?)\s*(\s-)?\}\}/g)) {
    const [whole, before, action = '', behind] = match
    const text = source.slice(from, match.index)
    const start = trims ? text.trimStart() : text
    segments.push({ text: before === undefined ? start : start.trimEnd() })
    if (!action.startsWith('/*')) segments.push({ action })
    trims = behind !== undefined
    from = match.index + whole.length
  }
  const rest = source.slice(from)
  return [...segments, { text: trims ? rest.trimStart() : rest }]
}

/** The templates of a chart: `render` gives one of its files. */
export class GoTemplates {
  readonly #defined = new Map<string, Node>()
  #segments: Segment[] = []

  constructor(sources: ReadonlyMap<string, string>) {
    for (const [name, source] of sources) {
      this.#segments = segmentsOf(source)
      const { node, end } = this.#body()
      if (end !== '') throw new Error(`${name}: ${end} ends nothing`)
      this.#defined.set(name, node)
    }
  }

  render(name: string, data: Value): string {
    const node = this.#defined.get(name)
    if (node === undefined) throw new Error(`no template ${name}`)
    return node({ dot: data, variables: [new Map([['$', data]])] })
  }

  /** Up to `end` or `else`, which is given too. */
  #body(): { readonly node: Node; readonly end: string } {
    const nodes: Node[] = []
    const node: Node = (scope) => nodes.map((one) => one(scope)).join('')
    for (let next = this.#segments.shift(); next !== undefined; next = this.#segments.shift()) {
      if ('text' in next) {
        const { text } = next
        nodes.push(() => text)
        continue
      }
      const [word = '', ...rest] = wordsOf(next.action)
      if (word === 'end' || word === 'else') return { node, end: next.action }
      nodes.push(this.#action(word, rest, next.action))
    }
    return { node, end: '' }
  }

  #action(word: string, rest: readonly string[], whole: string): Node {
    if (word === 'if') return this.#if(rest)
    if (word === 'range') return this.#range(rest)
    if (word === 'define') return this.#define(rest)
    if (rest[0] === ':=' || rest[0] === '=') return assignment(word, rest[0], this.#pipeline(rest.slice(1)))
    const pipeline = this.#pipeline([word, ...rest])
    return (scope) => {
      const value = pipeline(scope)
      if (typeof value !== 'string') throw new Error(`{{ ${whole} }} prints ${JSON.stringify(value)}`)
      return value
    }
  }

  #if(words: readonly string[]): Node {
    const condition = this.#pipeline(words)
    const { node: yes, end } = this.#body()
    const no = end === 'end' ? () => '' : this.#else(end)
    return (scope) => (isTrue(condition(scope)) ? yes : no)(inner(scope))
  }

  #else(end: string): Node {
    const [, word, ...rest] = wordsOf(end)
    if (word === 'if') return this.#if(rest)
    const { node, end: last } = this.#body()
    if (word !== undefined || last !== 'end') throw new Error(`{{ ${end} }} has no end`)
    return node
  }

  #range(words: readonly string[]): Node {
    const name = words[1] === ':=' ? words[0] : undefined
    const pipeline = this.#pipeline(name === undefined ? words : words.slice(2))
    const { node, end } = this.#body()
    if (end !== 'end') throw new Error(`range ends with ${end}`)
    return (scope) =>
      listOf(pipeline(scope) ?? [], 'range')
        .map((one) => node(inner({ ...scope, dot: one }, name === undefined ? [] : [[name, one]])))
        .join('')
  }

  #define([name = '']: readonly string[]): Node {
    const { node, end } = this.#body()
    if (end !== 'end') throw new Error(`${name} ends with ${end}`)
    this.#defined.set(JSON.parse(name) as string, node)
    return () => ''
  }

  /** Commands with bars between them: the value of one is the last argument of the next. */
  #pipeline(words: readonly string[]): Term {
    const left = [...words]
    const term = this.#commands(left)
    if (left.length > 0) throw new Error(`what is ${left.join(' ')}?`)
    return term
  }

  #commands(words: string[]): Term {
    let term = this.#command(words)
    while (words[0] === '|') {
      words.shift()
      const [before, next] = [term, this.#command(words)]
      term = (scope) => next(scope, [before(scope)])
    }
    return term
  }

  #command(words: string[]): Term {
    const terms: Term[] = []
    const called = /^[a-z]\w*$/i.test(words[0] ?? '') ? words.shift() : undefined
    while (words.length > 0 && words[0] !== '|' && !words[0]?.startsWith(')')) terms.push(this.#operand(words))
    if (called !== undefined && called !== 'true' && called !== 'false') return this.#call(called, terms)
    const [term, ...given] = terms
    if (term === undefined) return () => called === 'true'
    return (scope, input = []) => {
      const value = term(scope)
      const values = [...given.map((one) => one(scope)), ...input]
      if (typeof value === 'function') return value(...values)
      if (values.length > 0) throw new Error(`${JSON.stringify(value)} is called`)
      return value
    }
  }

  #call(name: string, terms: readonly Term[]): Term {
    const call = name === 'include' ? this.#include : FUNCTIONS[name]
    if (call === undefined) throw new Error(`function "${name}" not defined`)
    // `and` and `or` need no more than the first that settles it.
    if (name === 'and' || name === 'or') return (scope) => settle(name, terms, scope)
    return (scope, input = []) => call(...terms.map((term) => term(scope)), ...input)
  }

  readonly #include: Call = (name, data) => this.render(textOf(name, 'include'), data)

  #operand(words: string[]): Term {
    const word = words.shift() ?? ''
    if (word.startsWith('"')) return () => JSON.parse(word) as string
    if (/^-?\d+$/.test(word)) return () => Number(word)
    if (word === 'true' || word === 'false') return () => word === 'true'
    if (word === '(') {
      const term = this.#commands(words)
      const close = words.shift() ?? ''
      return (scope) => walk(term(scope), close.slice(2))
    }
    if (word.startsWith('.')) return (scope) => walk(scope.dot, word.slice(1))
    if (word.startsWith('$')) {
      const [name = '', ...path] = word.split('.')
      return (scope) => walk(holderOf(scope, name).get(name), path.join('.'))
    }
    const call = FUNCTIONS[word]
    if (call === undefined) throw new Error(`what is ${word}?`)
    return () => call()
  }
}

function settle(name: 'and' | 'or', terms: readonly Term[], scope: Scope): Value {
  let value: Value
  for (const term of terms) {
    value = term(scope)
    if (isTrue(value) === (name === 'or')) return value
  }
  return value
}

const inner = ({ dot, variables }: Scope, own: readonly [string, Value][] = []): Scope => ({
  dot,
  variables: [...variables, new Map(own)],
})

function holderOf({ variables }: Scope, name: string): Map<string, Value> {
  const holder = variables.findLast((one) => one.has(name))
  if (holder === undefined) throw new Error(`undefined variable ${name}`)
  return holder
}

function assignment(name: string, how: ':=' | '=', pipeline: Term): Node {
  return (scope) => {
    const holder = how === '=' ? holderOf(scope, name) : scope.variables.at(-1)
    holder?.set(name, pipeline(scope))
    return ''
  }
}

const walk = (value: Value, path: string): Value =>
  path === '' ? value : path.split('.').reduce<Value>((from, name) => fieldsOf(from, path)[name], value)
