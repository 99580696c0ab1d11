/**
 * Parses the text of a file of manifests into the values of its documents. A long text is cut into pieces, a document
 * or an item of a List each, and `breathe` is awaited in between, so that sessions and clients have their turns. A
 * fault affects its own document or item only.
 */
import type { Millis } from '../../base/units.ts'
import type { Resource } from '../resources.ts'
import { cutDocuments } from './document-text.ts'
import type { Fault, PieceKind, PieceReading } from './fault.ts'
import { headOfText, isForeign } from './kinds.ts'
import { Lines } from './lines.ts'
import { type Cutting, cutJsonList, cutYamlList, type ItemText, type ListText } from './list-text.ts'
import { isJson, readPiece } from './piece.ts'
import type { Pieces } from './pieces.ts'

/** Parsing pauses after this long. */
const SLICE: Millis = 5

/** With what the documents of a file are read. */
export interface ReadingOptions {
  readonly resources: readonly Resource[]
  readonly breathe: () => Promise<void>
  /** The values of the file when it was last read. */
  readonly pieces: Pieces
  /** Parses a piece that takes longer than a slice, on another thread. */
  readonly apart: (text: string, kind: PieceKind, resources: readonly Resource[]) => Promise<PieceReading>
}

export interface ReadDocument {
  readonly value: unknown
  /** If set, nothing of the value may be used but its kind. Says why: `line 4: spec.asNumber: is given twice`. */
  readonly fault?: string | undefined
  /** For a List: why items must not be used, by their index. */
  readonly itemFaults?: ReadonlyMap<number, string>
}

export async function readDocuments(text: string, reading: ReadingOptions): Promise<ReadDocument[]> {
  const reader = new DocumentReader(text, reading)
  reading.pieces.begin()
  const documents: ReadDocument[] = []
  for (const { text: document, at } of cutDocuments(text)) documents.push(...(await reader.document(document, at)))
  reading.pieces.keep()
  return documents
}

class DocumentReader {
  readonly #lines: Lines
  readonly #reading: ReadingOptions
  #since = performance.now()

  constructor(text: string, reading: ReadingOptions) {
    this.#lines = new Lines(text)
    this.#reading = reading
  }

  /** None where the text holds only comments. */
  async document(text: string, begin: number): Promise<readonly ReadDocument[]> {
    // A List of a kind that is not read is not cut into items: as one piece it is not even parsed.
    const list = this.#isForeign(text)
      ? undefined
      : await this.#cut(isJson(text) ? cutJsonList(text) : cutYamlList(text))
    const whole = list === undefined ? undefined : await this.#list(list, begin)
    if (whole !== undefined) return [whole]
    const { values, fault } = await this.#piece(text, 'document')
    // Cut at every marker, the text has one value at most.
    if (fault !== undefined) return [{ value: values.at(-1), fault: this.#textOf(fault, begin) }]
    return values.map((value) => ({ value }))
  }

  #isForeign(text: string): boolean {
    const head = isJson(text) ? undefined : headOfText(text)
    return head !== undefined && isForeign(head, this.#reading.resources)
  }

  async #cut(cutting: Cutting): Promise<ListText | undefined> {
    for (;;) {
      const { done, value } = cutting.next()
      if (done === true) return value
      if (this.#isLong) await this.#pause()
    }
  }

  /** Undefined: it is not a List, or its items cannot be parsed one by one. */
  async #list({ frame, items }: ListText, begin: number): Promise<ReadDocument | undefined> {
    const { values, fault } = await this.#piece(frame, 'document')
    const [outside] = values
    if (fault !== undefined || !isEmptyList(outside)) return undefined
    const read: unknown[] = []
    const itemFaults = new Map<number, string>()
    for (const [index, item] of items.entries()) {
      const { values, fault } = await this.#item(item)
      if (fault?.isAlias) return undefined
      if (fault !== undefined) itemFaults.set(index, this.#textOf(fault, begin + item.at))
      else if (values.length !== 1) return undefined
      read.push(values[0])
    }
    return { value: { ...outside, items: read }, itemFaults }
  }

  #item({ text }: ItemText): Promise<PieceReading> {
    return this.#piece(text, 'item')
  }

  async #piece(text: string, kind: PieceKind): Promise<PieceReading> {
    if (this.#isLong) await this.#pause()
    const { pieces, resources, apart } = this.#reading
    const known = pieces.get(kind, text)
    if (known !== undefined) return known
    const read = isSlow(text) ? await apart(text, kind, resources) : readPiece(text, kind, resources)
    if (read.fault?.isPassing !== true) pieces.set(kind, text, read)
    return read
  }

  #textOf({ text, at }: Fault, begin: number): string {
    return `line ${this.#lines.at(begin + at)}: ${text}`
  }

  get #isLong(): boolean {
    return performance.now() - this.#since >= SLICE
  }

  async #pause(): Promise<void> {
    await this.#reading.breathe()
    this.#since = performance.now()
  }
}

/** Whether parsing takes longer than a slice: YAML takes 0.3 ms for each kilobyte, JSON a tenth of that. */
const isSlow = (text: string): boolean => text.length > (isJson(text) ? 128 : 16) * 1024

function isEmptyList(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const { kind, items } = value as { readonly kind?: unknown; readonly items?: unknown }
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items) && items.length === 0
}
