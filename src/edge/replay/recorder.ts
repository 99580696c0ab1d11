/**
 * Keeps the engine's recent inputs, so that an internal error can be reproduced: all of them while they are few, later
 * the last part and a base (`base.ts`). After an error they are written to one file, which replaces the one before.
 *
 * Bounded in inputs and in octets, in memory and in the file; without keys (`bare.ts`), readable only for its owner.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Millis } from '../../base/units.ts'
import type { EngineOptions } from '../../engine/engine.ts'
import type { Input } from '../../engine/input.ts'
import type { DrivenEngine } from '../driver.ts'
import { errorText } from '../error-text.ts'
import { bareInput } from './bare.ts'
import { Base } from './base.ts'
import { type StoryError, turnLine, writeValue } from './story.ts'
import { weightOf } from './weight.ts'

export interface RecorderBounds {
  /** Inputs that are kept one by one. */
  readonly inputs: number
  /** Octets that they may take in memory, as estimated (`weight.ts`). The newest one is always kept. */
  readonly weight: number
  /** Octets of the file. */
  readonly file: number
}

const MOST_INPUTS = 16_384
const MOST_WEIGHT = 4 * 1024 * 1024
const MOST_FILE = 16 * 1024 * 1024
const BOUNDS: RecorderBounds = { inputs: MOST_INPUTS, weight: MOST_WEIGHT, file: MOST_FILE }

interface Kept {
  readonly at: Millis
  readonly input: Input
  readonly weight: number
}

export class Recorder implements DrivenEngine {
  readonly #engine: DrivenEngine
  readonly #options: EngineOptions
  readonly #bounds: RecorderBounds
  readonly #base: Base
  #kept: Kept[] = []
  /** The index of the oldest input that is kept; earlier ones are in the base. */
  #first = 0
  #weight = 0
  #isWhole = true
  #during: StoryError['during'] = 'outside'

  constructor(engine: DrivenEngine, options: EngineOptions, bounds: RecorderBounds = BOUNDS) {
    this.#engine = engine
    this.#options = options
    this.#base = new Base(options.node)
    this.#bounds = bounds
  }

  get size(): { readonly inputs: number; readonly weight: number } {
    return { inputs: this.#kept.length - this.#first, weight: this.#weight }
  }

  handle(input: Input, now: Millis): ReturnType<DrivenEngine['handle']> {
    this.#keep(input, now)
    return this.#watch('turn', () => this.#engine.handle(input, now))
  }

  deadline(): Millis | undefined {
    return this.#watch('deadline', () => this.#engine.deadline())
  }

  /** After an exception `#during` says in which call it was thrown. */
  #watch<T>(during: StoryError['during'], call: () => T): T {
    this.#during = during
    const result = call()
    this.#during = 'outside'
    return result
  }

  #keep(input: Input, at: Millis): void {
    const { inputs, weight } = this.#bounds
    // The sender uses the bytes again.
    const own = input.kind === 'received' ? { ...input, bytes: input.bytes.slice() } : input
    const one = { at, input: own, weight: weightOf(input) }
    this.#kept.push(one)
    this.#weight += one.weight
    while (this.size.inputs > 1 && (this.size.inputs > inputs || this.#weight > weight)) this.#foldOldest()
    if (this.#first <= inputs) return
    this.#kept = this.#kept.slice(this.#first)
    this.#first = 0
  }

  #foldOldest(): void {
    const { input, weight } = this.#kept[this.#first] as Kept
    this.#base.fold(input)
    this.#weight -= weight
    this.#isWhole = false
    // Inputs that are in the base need no reference.
    this.#kept[this.#first++] = NOTHING
  }

  /** The recording as a file holds it, with the error at its end. */
  text(error: unknown): string {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const end = `${writeValue({ error: { during: this.#during, text: stack.slice(0, 16_384) } })}\n`
    const turns = this.#turnLines(this.#bounds.file / 2)
    const room = this.#bounds.file / 2 - end.length - 4_096
    const { lines, leftOut } = this.#baseLines(room)
    const from = this.#kept[this.#first]?.at
    const whole = this.#isWhole
    const head = { story: 'An error of the agent itself', options: this.#options, whole, from, leftOut }
    return `${[writeValue(head), ...lines, ...turns].join('\n')}\n${end}`
  }

  /** Keeps the newest inputs that fit, and moves earlier ones into the base. */
  #turnLines(room: number): string[] {
    const lines: string[] = []
    let left = room
    for (let index = this.#kept.length - 1; index >= this.#first; index--) {
      const { at, input } = this.#kept[index] as Kept
      const line = turnLine(at, writeValue(bareInput(input)))
      left -= Buffer.byteLength(line) + 1
      if (left < 0) break
      lines.push(line)
    }
    while (this.size.inputs > lines.length) this.#foldOldest()
    return lines.reverse()
  }

  #baseLines(room: number): { readonly lines: readonly string[]; readonly leftOut: number } {
    if (this.#isWhole) return { lines: [], leftOut: 0 }
    const lines: string[] = []
    let left = room
    let leftOut = this.#base.leftOut
    for (const input of this.#base.inputs()) {
      const line = writeValue({ base: bareInput(input) })
      const length = Buffer.byteLength(line) + 1
      if (length > left) leftOut++
      else {
        left -= length
        lines.push(line)
      }
    }
    return { lines, leftOut }
  }

  /** Writes at once, before the process ends. Returns a line that says where the file is, or why there is none. */
  write(path: string, error: unknown): string {
    const fresh = `${path}.${process.pid}`
    try {
      mkdirSync(dirname(path), { recursive: true })
      // An earlier process with this id may have left one.
      removeQuietly(fresh)
      const fd = openSync(fresh, 'wx', 0o600)
      try {
        writeAll(fd, Buffer.from(this.text(error)))
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(fresh, path)
      return `the recent inputs are in ${path}`
    } catch (failure) {
      removeQuietly(fresh)
      return `the recent inputs cannot be written: ${errorText(failure)}`
    }
  }
}

const NOTHING: Kept = { at: 0, input: { kind: 'tick' }, weight: 0 }

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // The path is not below a folder.
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
}
