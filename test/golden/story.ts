/**
 * One agent's history as a file: what came in and what went out, turn by turn, as JSON lines; bytes in hex.
 *
 *     {"story": "…", "options": {…}}
 *     {"at": 12, "in": {"kind": "received", "conn": 1, "bytes": {"hex": "ffff…"}}}
 *     {"out": [ … ]}
 *
 * A long one ends with `{"turns": …, "hash": "…"}` in place of what went out.
 */
import { createHash } from 'node:crypto'
import type { Effect } from '../../src/engine/effect.ts'
import { Engine, type EngineOptions } from '../../src/engine/engine.ts'
import type { Input } from '../../src/engine/input.ts'

/** Above this many turns what went out is kept as a hash. */
const LONG = 200

interface Turn {
  readonly at: number
  readonly input: string
  readonly effects: string
}

export class Recorder {
  readonly #turns: Turn[] = []

  turn(input: Input, at: number, effects: readonly Effect[]): void {
    this.#turns.push({ at, input: write(input), effects: write(effects) })
  }

  /** Before the turn: an input's bytes are gone after it, and the turn may throw. */
  begin(input: Input, at: number): void {
    this.#turns.push({ at, input: write(input), effects: '' })
  }

  end(effects: readonly Effect[]): void {
    const last = this.#turns.pop()
    if (last !== undefined) this.#turns.push({ ...last, effects: write(effects) })
  }

  text(story: string, options: EngineOptions): string {
    return format(story, options, this.#turns)
  }
}

function format(story: string, options: EngineOptions, turns: readonly Turn[]): string {
  const lines = [write({ story, options })]
  const long = turns.length > LONG
  for (const { at, input, effects } of turns) {
    lines.push(`{"at":${at},"in":${input}}`)
    if (!long) lines.push(`{"out":${effects}}`)
  }
  if (long) lines.push(write({ turns: turns.length, hash: hashOf(turns.map(({ effects }) => effects)) }))
  return `${lines.join('\n')}\n`
}

const hashOf = (parts: readonly string[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\n')
  return hash.digest('hex').slice(0, 32)
}

/** The same story as it goes today. */
export function replay(text: string): string {
  const [head, ...lines] = text.trimEnd().split('\n')
  const { story, options } = read(head ?? '{}') as { story: string; options: EngineOptions }
  const engine = new Engine(options)
  const turns: Turn[] = []
  for (const line of lines) {
    if (!line.startsWith('{"at":')) continue
    const { at, in: input } = read(line) as { at: number; in: Input }
    const known = write(input)
    turns.push({ at, input: known, effects: write(engine.handle(input, at)) })
  }
  return format(story, options, turns)
}

const write = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part instanceof Uint8Array ? { hex: Buffer.from(part).toString('hex') } : part,
  )

const read = (line: string): unknown =>
  JSON.parse(line, (_, part: unknown) =>
    typeof part === 'object' && part !== null && 'hex' in part && typeof part.hex === 'string'
      ? Uint8Array.from(Buffer.from(part.hex, 'hex'))
      : part,
  )
