/**
 * One agent's history as a file (`src/edge/replay/story.ts`) with what went out, turn by turn. A long one ends with
 * `{"turns": …, "hash": "…"}` in place of what went out.
 */
import { createHash } from 'node:crypto'
import { readStory, turnLine, writeValue } from '../../src/edge/replay/story.ts'
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
    this.#turns.push({ at, input: writeValue(input), effects: writeValue(effects) })
  }

  /** Before the turn: an input's bytes are gone after it, and the turn may throw. */
  begin(input: Input, at: number): void {
    this.#turns.push({ at, input: writeValue(input), effects: '' })
  }

  end(effects: readonly Effect[]): void {
    const last = this.#turns.pop()
    if (last !== undefined) this.#turns.push({ ...last, effects: writeValue(effects) })
  }

  text(story: string, options: EngineOptions): string {
    return format(story, options, this.#turns)
  }
}

function format(story: string, options: EngineOptions, turns: readonly Turn[]): string {
  const lines = [writeValue({ story, options })]
  const long = turns.length > LONG
  for (const { at, input, effects } of turns) {
    lines.push(turnLine(at, input))
    if (!long) lines.push(`{"out":${effects}}`)
  }
  if (long) lines.push(writeValue({ turns: turns.length, hash: hashOf(turns.map(({ effects }) => effects)) }))
  return `${lines.join('\n')}\n`
}

const hashOf = (parts: readonly string[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\n')
  return hash.digest('hex').slice(0, 32)
}

/** The same story as it goes today. */
export function replay(text: string): string {
  const { head, turns: kept } = readStory(text)
  const engine = new Engine(head.options)
  const turns: Turn[] = []
  for (const { at, in: input } of kept) {
    const known = writeValue(input)
    turns.push({ at, input: known, effects: writeValue(engine.handle(input, at)) })
  }
  return format(head.story, head.options, turns)
}
