/**
 * The text of a file of manifests → plain values, one document after the other. Thousands of objects take seconds:
 * `breathe` is awaited in between, inside of a long `List` too, so that sessions and lookers have their turns.
 */
import { parseAllDocuments } from 'yaml'
import { type Cutting, cutJsonList, cutYamlList, type ItemText, type ListText } from './list-text.ts'
import type { Pieces } from './pieces.ts'

/** So long it is read without a break. */
const SLICE_MILLIS = 10

export interface Reading {
  readonly breathe: () => Promise<void>
  /** What the file said when it was last read. */
  readonly pieces: Pieces
}

/** What is wrong with a piece of text, and where in it. */
class Fault extends Error {
  readonly at: number

  constructor(text: string, at: number) {
    super(text)
    this.at = at
  }
}

/** The values of all documents, or what is wrong with the first that does not parse, and in which line. */
export async function parseDocuments(text: string, reading: Reading): Promise<unknown[] | string> {
  const reader = new Reader(reading)
  const values: unknown[] = []
  let begin = 0
  try {
    for (const document of isJson(text) ? [text] : splitDocuments(text)) {
      for (const value of await reader.document(document)) values.push(value)
      begin += document.length
    }
  } catch (error) {
    if (error instanceof Fault) return `line ${lineAt(text, begin + error.at)}: ${error.message}`
    throw error
  }
  reading.pieces.keep()
  return values
}

class Reader {
  readonly #breathe: () => Promise<void>
  readonly #pieces: Pieces
  #since = performance.now()

  constructor({ breathe, pieces }: Reading) {
    this.#breathe = breathe
    this.#pieces = pieces
  }

  /** The value of one document; several where they cannot be told apart by their text alone. */
  async document(text: string): Promise<readonly unknown[]> {
    const list = await this.#cut(isJson(text) ? cutJsonList(text) : cutYamlList(text))
    const whole = list === undefined ? undefined : await this.#list(list)
    return whole === undefined ? this.#piece(text, readDocuments) : [whole]
  }

  async #cut(cutting: Cutting): Promise<ListText | undefined> {
    for (;;) {
      const { done, value } = cutting.next()
      if (done === true) return value
      if (this.#isLong) await this.#pause()
    }
  }

  /** Undefined where it is no list, or its items cannot be read each by itself. */
  async #list({ frame, items }: ListText): Promise<unknown> {
    const outside = orUndefined(() => readDocuments(frame)[0])
    if (!isEmptyList(outside)) return undefined
    const values: unknown[] = []
    for (const item of items) {
      const value = await this.#item(item)
      if (value.length !== 1) return undefined
      values.push(value[0])
    }
    return { ...outside, items: values }
  }

  async #item({ text, at }: ItemText): Promise<readonly unknown[]> {
    try {
      return await this.#piece(text, readItem)
    } catch (error) {
      if (error instanceof Fault) throw new Fault(error.message, at + error.at)
      // An alias of what stands in another item.
      if (error instanceof ReferenceError) return []
      throw error
    }
  }

  async #piece(text: string, read: (text: string) => readonly unknown[]): Promise<readonly unknown[]> {
    if (this.#isLong) await this.#pause()
    return this.#pieces.values(text, read)
  }

  get #isLong(): boolean {
    return performance.now() - this.#since >= SLICE_MILLIS
  }

  async #pause(): Promise<void> {
    await this.#breathe()
    this.#since = performance.now()
  }
}

const isJson = (text: string): boolean => text.trimStart().startsWith('{')

/** JSON is the quick way, and YAML says where it goes wrong; several JSON documents are YAML as well. */
function readDocuments(text: string): readonly unknown[] {
  return (isJson(text) ? orUndefined(() => [JSON.parse(text) as unknown]) : undefined) ?? readYaml(text)
}

/** `{…}`, or `- …` of a block sequence. */
function readItem(text: string): readonly unknown[] {
  if (isJson(text)) return readDocuments(text)
  const [sequence, ...more] = readYaml(text)
  return more.length === 0 && Array.isArray(sequence) ? sequence : []
}

function readYaml(text: string): readonly unknown[] {
  return parseAllDocuments(text, { prettyErrors: false, merge: true }).map((document) => {
    const [fault] = document.errors
    if (fault !== undefined) throw new Fault(firstLine(fault.message), fault.pos[0])
    return document.toJS() as unknown
  })
}

function orUndefined<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function isEmptyList(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const { kind, items } = value as { readonly kind?: unknown; readonly items?: unknown }
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items) && items.length === 0
}

const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length

export const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text

/**
 * A document begins at a line of `---`, and at the margin YAML lets that stand for nothing else. What stands before the
 * first one belongs to it when it is only comments; directives (`%YAML`) tie documents together, and are rare.
 */
function splitDocuments(text: string): string[] {
  if (/^%/m.test(text)) return [text]
  const starts = [...text.matchAll(/^---(?=\s|$)/gm)].map(({ index }) => index)
  const head = text.slice(0, starts[0] ?? text.length)
  const first = /^\uFEFF?(?:[ \t]*(?:#.*)?\r?\n)*$/.test(head) ? 1 : 0
  const cuts = [0, ...starts.slice(first), text.length]
  return cuts.slice(1).map((cut, index) => text.slice(cuts[index], cut))
}
