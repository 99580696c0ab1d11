/** Prints answers in the chosen format; a reader that has ended, or a full disk, becomes one ClientError. */
import type { Writable } from 'node:stream'
import { ClientError } from './connection.ts'
import type { Format } from './option-values.ts'

/** Formats that are made of the JSON answer. */
export const isMadeOfJson = (format: Format): boolean => format === 'yaml' || format === 'name' || format === 'json'

/** A stream whose error is kept until the next write or the end. Without this it would end the process with a stack. */
export class Output {
  static readonly #known = new WeakMap<Writable, Output>()
  readonly #stream: Writable
  #error: Error | undefined

  /** One for each stream: an error is remembered, and a stream written to again and again gets no second listener. */
  static of(stream: Writable): Output {
    const known = Output.#known.get(stream) ?? new Output(stream)
    Output.#known.set(stream, known)
    return known
  }

  private constructor(stream: Writable) {
    this.#stream = stream
    stream.on('error', (error) => {
      this.#error ??= error
    })
  }

  /** False from the first error on. Node itself takes a stdout with a closed pipe for writable. */
  get isOpen(): boolean {
    return this.#error === undefined && !this.#stream.destroyed && this.#stream.writable
  }

  /** Resolves when there is room for more. Throws ClientError if the reader is gone. */
  async write(text: string): Promise<void> {
    this.#check()
    if (!this.#stream.write(text)) await this.#room()
    this.#check()
  }

  /** Resolves when the system has taken everything. */
  async flush(): Promise<void> {
    this.#check()
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()))
    this.#check()
  }

  /** A stream that fails while it is full never drains: its end is waited for as well. */
  #room(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        for (const event of ['drain', 'close', 'error']) this.#stream.off(event, done)
        resolve()
      }
      for (const event of ['drain', 'close', 'error']) this.#stream.on(event, done)
    })
  }

  #check(): void {
    if (this.isOpen) return
    const isPipe = this.#error === undefined || ('code' in this.#error && this.#error.code === 'EPIPE')
    if (isPipe) throw new ClientError('E_PIPE', 'the reader closed the pipe')
    throw new ClientError('E_OUTPUT', `the answer cannot be written: ${this.#error?.message ?? ''}`)
  }
}

/** An answer in the format that was asked for; for formats made of JSON, `text` is the JSON. */
export async function inFormat(text: string, format: Format): Promise<string> {
  if (format === 'yaml') return toYaml(text)
  return format === 'name' ? toNames(text) : text
}

/** The JSON text of an answer as YAML. */
async function toYaml(json: string): Promise<string> {
  const { stringify } = await import('yaml')
  return stringify(JSON.parse(json))
}

/** What the items of an answer are called, one on each line, each once where it comes several times in a row. */
function toNames(json: string): string {
  const value: unknown = JSON.parse(json)
  const names = itemsOf(value)
    .map(nameOf)
    .filter((name) => name !== undefined)
  return names
    .filter((name, index) => name !== names[index - 1])
    .map((name) => `${name}\n`)
    .join('')
}

/** An answer is a list, one item, or an object around a list (`services`, `rules`, `problems`). */
function itemsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  if (typeof value !== 'object' || value === null || nameOf(value) !== undefined) return [value]
  return Object.values(value).find(Array.isArray) ?? [value]
}

/** The first of these that an item has is its name. */
const NAME_FIELDS = ['name', 'prefix', 'peer', 'what', 'node', 'usage', 'subject', 'address', 'pool', 'object'] as const

function nameOf(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const fields = item as Readonly<Record<string, unknown>>
  const field = NAME_FIELDS.find((name) => typeof fields[name] === 'string')
  return field === undefined ? undefined : String(fields[field])
}
