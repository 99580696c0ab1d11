/**
 * Parses YAML into the values of its documents. Text that YAML accepts although a person meant something else is a
 * fault: an unknown tag (`nodeSelector: !all()` without quotes loses its value, `! all()` its `!`), a key twice, a
 * fraction where a whole number belongs, a number that kubectl reads as another one (`0177`).
 */
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  parseAllDocuments,
  type Scalar,
  type YAMLMap,
} from 'yaml'
import {
  DEEPEST,
  type Fault,
  faultAt,
  joinField,
  KEY_TWICE,
  notWhole,
  type PieceKind,
  type PieceReading,
  TOO_DEEP,
} from './fault.ts'

/** Keys are compared below: the package compares each with each, which takes 10 s for 20,000 keys. */
const OPTIONS = { prettyErrors: false, merge: true, uniqueKeys: false, resolveKnownTags: false } as const

/** A document may have this many values once its aliases are followed. */
const MOST_VALUES = 200_000

/** `kind`: an item of a List is a sequence of one, and its fields are named from that item on. */
export function readYaml(text: string, kind: PieceKind): PieceReading {
  try {
    const values: unknown[] = []
    for (const document of parseAllDocuments(text, OPTIONS)) {
      const { contents } = document
      const root = kind === 'item' && isSeq(contents) ? contents.items[0] : contents
      const fault = faultOf(document, root)
      if (fault !== undefined) return { values: [...values, headValue(document, root, text)], fault }
      const value = makeValue(document)
      if ('fault' in value) return { values: [...values, headValue(document, root, text)], fault: value.fault }
      values.push(value.value)
    }
    return { values }
  } catch (error) {
    // The package recurses for every level.
    if (error instanceof RangeError) return { values: [], fault: { text: TOO_DEEP, at: 0 } }
    throw error
  }
}

/** Some errors show only when values are made: a merge key (`<<`) without a map. */
function makeValue(document: Document.Parsed): { readonly value: unknown } | { readonly fault: Fault } {
  try {
    return { value: document.toJS({ maxAliasCount: -1 }) }
  } catch (error) {
    if (error instanceof RangeError) throw error
    return { fault: { text: error instanceof Error ? error.message : String(error), at: document.range[0] } }
  }
}

function faultOf(document: Document.Parsed, root: unknown): Fault | undefined {
  const [error] = [...document.errors, ...document.warnings]
  const found = error === undefined ? new Check().fault(root, 1) : { text: errorText(error), at: error.pos[0] }
  return found === undefined ? undefined : { ...found, ...faultAt(fieldAt(root, found.at), found.text, found.at) }
}

const errorText = ({
  code,
  message,
}: Document.Parsed['errors'][number] | Document.Parsed['warnings'][number]): string =>
  code === 'TAG_RESOLVE_FAILED' ? unknownTag(message.replace(/^Unresolved tag: /, '').slice(0, 40)) : firstLine(message)

const unknownTag = (tag: string): string => `the tag ${tag} is not known (put a text that begins with ! in quotes)`

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text

/**
 * For a document with a fault: its `apiVersion` and `kind`, which tell whether it is read at all. Nothing where a marker
 * may be missing between two objects: the other one may be of another kind.
 */
function headValue(document: Document.Parsed, root: unknown, text: string): unknown {
  if (!isMap(root) || hasTwoHeads(root) || hasMoreBehind(document, root, text)) return {}
  return { apiVersion: root.get('apiVersion'), kind: root.get('kind') }
}

const hasTwoHeads = ({ items }: YAMLMap): boolean =>
  ['apiVersion', 'kind'].some((field) => items.filter(({ key }) => isScalar(key) && key.value === field).length > 1)

/** `{…}{…}`: parsing ends behind the first. */
function hasMoreBehind({ errors }: Document.Parsed, { flow, range }: YAMLMap, text: string): boolean {
  const [, end] = range ?? [0, text.length]
  return flow === true && errors.some(({ pos: [at] }) => at >= end && at < text.trimEnd().length)
}

class Check {
  #values = 0
  /** The deepest level of what is being looked at. */
  #deepest = 0
  /** Of what has an anchor: its values, and the levels below it. */
  readonly #anchored = new Map<string, { readonly values: number; readonly levels: number }>()

  fault(node: unknown, depth: number): Fault | undefined {
    const [values, deepest] = [this.#values, this.#deepest]
    this.#deepest = depth
    const found = this.#look(node, depth)
    if (isAnchored(node)) {
      this.#anchored.set(node.anchor, { values: this.#values - values, levels: this.#deepest - depth })
    }
    this.#deepest = Math.max(this.#deepest, deepest)
    return found
  }

  #look(node: unknown, depth: number): Fault | undefined {
    if (isAlias(node)) return this.#alias(node.source, depth, startOf(node))
    this.#values++
    if (hasBareTag(node)) return { text: unknownTag('!'), at: startOf(node) }
    if (isScalar(node)) return numberFault(node)
    if (!isCollection(node)) return undefined
    if (depth > DEEPEST) return { text: TOO_DEEP, at: startOf(node) }
    return isMap(node) ? this.#map(node.items, depth) : this.#sequence(node.items, depth)
  }

  #alias(anchor: string, depth: number, at: number): Fault | undefined {
    const known = this.#anchored.get(anchor)
    if (known === undefined)
      return { text: `the alias *${anchor.slice(0, 40)} has no anchor before it`, at, isAlias: true }
    this.#deepest = depth + known.levels
    if (this.#deepest > DEEPEST) return { text: TOO_DEEP, at }
    this.#values += known.values
    return this.#values <= MOST_VALUES ? undefined : { text: `aliases make more than ${MOST_VALUES} values`, at }
  }

  #map(pairs: readonly { readonly key: unknown; readonly value: unknown }[], depth: number): Fault | undefined {
    const keys = new Set<string>()
    for (const { key, value } of pairs) {
      if (!isScalar(key)) return { text: 'a key is not a text', at: startOf(key) }
      if (hasBareTag(key)) return { text: unknownTag('!'), at: startOf(key) }
      if (key.anchor !== undefined) this.#anchored.set(key.anchor, { values: 1, levels: 0 })
      // The merge key may occur several times.
      const name = typeof key.value === 'symbol' || key.value === '<<' ? undefined : String(key.value)
      if (name !== undefined && keys.has(name)) return { text: KEY_TWICE, at: startOf(key) }
      if (name !== undefined) keys.add(name)
      const found = this.fault(value, depth + 1)
      if (found !== undefined) return found
    }
    return undefined
  }

  #sequence(items: readonly unknown[], depth: number): Fault | undefined {
    for (const item of items) {
      const found = isPair(item) ? this.fault(item.value, depth + 1) : this.fault(item, depth + 1)
      if (found !== undefined) return found
    }
    return undefined
  }
}

const isAnchored = (node: unknown): node is Node & { anchor: string } =>
  (isScalar(node) || isCollection(node)) && node.anchor !== undefined

/** YAML 1.2.2 §6.9.1: a `!` alone makes a value a string. A person who writes it before a selector means "not". */
const hasBareTag = (node: unknown): boolean => isScalar(node) && node.tag === '!'

const startOf = (node: unknown): number => (node as Node | null)?.range?.[0] ?? 0

/** Written with a point or an exponent; `.inf` and `.nan` too. */
function numberFault(node: Scalar): Fault | undefined {
  const { value, source = '' } = node
  if (typeof value !== 'number') return undefined
  const at = startOf(node)
  if (/^[^x]*[.eE]/.test(source)) return { text: notWhole(source), at }
  return /^[+-]?0[0-9o]/.test(source) ? { text: twoNumbers(source), at } : undefined
}

/** 0177 is 127 in YAML 1.1, which kubectl reads, and 177 in YAML 1.2; for 0o177 it is the reverse. */
const twoNumbers = (source: string): string =>
  `${source.slice(0, 40)} is another number in YAML 1.1 (write it without the leading zero, or a text in quotes)`

/** The package does not parse the merge key as a string. */
const nameOf = (key: unknown): string => (typeof key === 'symbol' ? '<<' : String(key))

/** The field that a position in the text belongs to. */
function fieldAt(node: unknown, at: number, path = ''): string {
  if (isMap(node)) {
    const pair = node.items.findLast(({ key }) => startOf(key) <= at)
    return isScalar(pair?.key) ? fieldAt(pair.value, at, joinField(path, nameOf(pair.key.value))) : path
  }
  if (!isSeq(node)) return path
  const index = node.items.findLastIndex((item) => startOf(item) <= at)
  return index < 0 ? path : fieldAt(node.items[index], at, joinField(path, index))
}
