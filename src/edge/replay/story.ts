/**
 * The history of one agent as a file, in JSON lines; bytes in hex.
 *
 *     {"story": "…", "options": {…}}
 *     {"base": {"kind": "objects", …}}
 *     {"at": 12, "in": {"kind": "received", "conn": 1, "bytes": {"hex": "ffff…"}}}
 *     {"out": [ … ]}
 *     {"error": {"during": "turn", "text": "…"}}
 *
 * `base`: inputs that lead to the state before the first recorded turn. `out` is in stories that tests keep, `error` in
 * those of an agent that failed.
 */
import type { Millis } from '../../base/units.ts'
import type { EngineOptions } from '../../engine/engine.ts'
import type { Input } from '../../engine/input.ts'

interface StoryHead {
  readonly story: string
  readonly options: EngineOptions
  /** The file begins with the agent's first turn. */
  readonly whole?: boolean
  /** The time of the first recorded turn. */
  readonly from?: Millis
  /** How many objects, routes of the kernel and connections are missing in the base. */
  readonly leftOut?: number
}

export interface StoryError {
  /** An error outside of turns is not one of the engine's, and does not come back with its inputs. */
  readonly during: 'turn' | 'deadline' | 'outside'
  readonly text: string
}

interface StoryTurn {
  readonly at: Millis
  readonly in: Input
}

export interface Story {
  readonly head: StoryHead
  readonly base: readonly Input[]
  readonly turns: readonly StoryTurn[]
  readonly error: StoryError | undefined
}

export const writeValue = (value: unknown): string =>
  JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, key, part: unknown) {
    // `part` of a Buffer is what its `toJSON` made of it.
    const raw = this[key]
    if (raw instanceof Uint8Array) return { hex: Buffer.from(raw).toString('hex') }
    return raw instanceof Map ? { map: [...raw] } : part
  })

const readValue = (line: string): unknown =>
  JSON.parse(line, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null) return part
    // One of our marks is the only key: a label may have such a name.
    if (Object.keys(part).length !== 1) return part
    if ('hex' in part && typeof part.hex === 'string') return Uint8Array.from(Buffer.from(part.hex, 'hex'))
    return 'map' in part && Array.isArray(part.map) ? new Map(part.map) : part
  })

export const turnLine = (at: Millis, input: string): string => `{"at":${at},"in":${input}}`

/** Throws if the text is not a recording. */
export function readStory(text: string): Story {
  const [first = '', ...lines] = text.trimEnd().split('\n')
  const head = readValue(first) as StoryHead
  if (typeof head?.options !== 'object') throw new Error('the first line has no options of an engine: this is no story')
  const base: Input[] = []
  const turns: StoryTurn[] = []
  let error: StoryError | undefined
  for (const line of lines) {
    const one = readValue(line) as { base?: Input; error?: StoryError } & Partial<StoryTurn>
    if (one.base !== undefined) base.push(one.base)
    if (one.at !== undefined && one.in !== undefined) turns.push({ at: one.at, in: one.in })
    error = one.error ?? error
  }
  return { head, base, turns, error }
}
