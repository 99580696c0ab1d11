/**
 * Holds back some descriptors: open files that are not used. When the process or the machine has none left, one is closed, so
 * that what must be opened can be opened; it is opened again as soon as possible. The last one is for connections that are
 * refused: one that is never accepted would wait in the kernel, and wake us in each round.
 */
import { closeSync, openSync } from 'node:fs'
import type { Millis } from '../base/units.ts'
import { errorText } from './error-text.ts'
import { isShortage } from './libc.ts'

/** Descriptors that are held back. */
const DEFAULT_SIZE = 8
/** For so long the reserve must be complete before that is reported: near the limit it is used again and again. */
const PATIENCE: Millis = 10_000

/** A file that exists in every container. */
const openRoot = (): number => openSync('/', 'r')

export class Reserve {
  readonly #report: (error: string | undefined) => void
  readonly #open: () => number
  #size: number
  #held: number[] = []
  #error: string | undefined
  #timer: NodeJS.Timeout | undefined

  /** `report` gets the reason when the reserve is used, and `undefined` when it is complete again. */
  constructor(report: (error: string | undefined) => void, size = DEFAULT_SIZE, open = openRoot) {
    this.#report = report
    this.#size = size
    this.#open = open
    this.refill()
  }

  /** Some have been lent. */
  get hasLent(): boolean {
    return this.#held.length < this.#size
  }

  /** The last one has been lent. */
  get isSpent(): boolean {
    return this.#held.length === 0 && this.#size > 0
  }

  /**
   * Calls `open`; where no descriptor is left for it, one of the reserve is closed first, but not the last one. Throws what
   * `open` throws.
   */
  lend<Value>(open: () => Value): Value {
    return this.#lend(open, 1)
  }

  /** The same, with the last one too: for a connection that is refused if no other descriptor is left. */
  lendLast<Value>(open: () => Value): Value {
    return this.#lend(open, 0)
  }

  #lend<Value>(open: () => Value, least: number): Value {
    try {
      return open()
    } catch (error) {
      if (!isShortage(error)) throw error
      this.#note(errorText(error))
      if (this.#held.length <= least) throw error
      closeSync(this.#held.pop() as number)
      return open()
    }
  }

  /** Opens descriptors again, as far as possible. */
  refill(): void {
    try {
      while (this.#held.length < this.#size) this.#held.push(this.#open())
    } catch (error) {
      if (isShortage(error)) this.#note(errorText(error))
      // A path that cannot be opened says nothing about descriptors: the reserve is smaller, or empty.
      else this.#size = this.#held.length
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const fd of this.#held) closeSync(fd)
    this.#held = []
  }

  #note(error: string): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#lookAgain(), PATIENCE).unref()
    if (error === this.#error) return
    this.#error = error
    this.#report(error)
  }

  #lookAgain(): void {
    this.#timer = undefined
    this.refill()
    if (this.#timer !== undefined) return
    this.#error = undefined
    this.#report(undefined)
  }
}
