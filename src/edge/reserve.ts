/**
 * A few descriptors held back: when the process or the machine has none left, one of these is given up for
 * what must be opened, and taken back as soon as there is room. The last one is for callers who are turned away: one who
 * is never accepted would wait in the kernel for ever and wake us each round.
 */
import { closeSync, openSync } from 'node:fs'
import type { Millis } from '../base/units.ts'
import { errorText } from './error-text.ts'
import { isShortage } from './libc.ts'

const DEFAULT_SIZE = 8
/** It must have been whole this long before that is reported: at the limit it is short and whole again by turns. */
const PATIENCE: Millis = 10_000

/** In a container it may be the only thing that is surely there. */
const openRoot = (): number => openSync('/', 'r')

export class Reserve {
  readonly #report: (trouble: string | undefined) => void
  readonly #open: () => number
  #size: number
  #held: number[] = []
  #trouble: string | undefined
  #timer: NodeJS.Timeout | undefined

  /** `report` gets why it was needed, and `undefined` when it is whole again. */
  constructor(report: (trouble: string | undefined) => void, size = DEFAULT_SIZE, open = openRoot) {
    this.#report = report
    this.#size = size
    this.#open = open
    this.refill()
  }

  /** Some have been lent. */
  get isShort(): boolean {
    return this.#held.length < this.#size
  }

  /** The last one has been lent. */
  get isSpent(): boolean {
    return this.#held.length === 0 && this.#size > 0
  }

  /** Opens it, with a descriptor of the reserve given up where there is no other. Throws what `open` does. */
  lend<Value>(open: () => Value, mayTakeLast = false): Value {
    try {
      return open()
    } catch (error) {
      if (!isShortage(error)) throw error
      this.#note(errorText(error))
      if (this.#held.length <= (mayTakeLast ? 0 : 1)) throw error
      closeSync(this.#held.pop() as number)
      return open()
    }
  }

  /** Takes back what there is room for. */
  refill(): void {
    try {
      while (this.#held.length < this.#size) this.#held.push(this.#open())
    } catch (error) {
      if (isShortage(error)) this.#note(errorText(error))
      // What cannot be opened at all says nothing of descriptors: there is less of a reserve, or none.
      else this.#size = this.#held.length
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const fd of this.#held) closeSync(fd)
    this.#held = []
  }

  #note(trouble: string): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#lookAgain(), PATIENCE).unref()
    if (trouble === this.#trouble) return
    this.#trouble = trouble
    this.#report(trouble)
  }

  #lookAgain(): void {
    this.#timer = undefined
    this.refill()
    if (this.#timer !== undefined) return
    this.#trouble = undefined
    this.#report(undefined)
  }
}
