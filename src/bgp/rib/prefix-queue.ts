/** A queue of prefixes, each at most once, first in first out. It holds each prefix (prefix-table.ts) until it is taken. */
import type { Octets } from '../../base/units.ts'
import { growU8, growU32, usedBytes } from '../route/columns.ts'
import type { PrefixTable } from './prefix-table.ts'

export class PrefixQueue {
  size = 0
  /** How many were ever added. */
  added = 0
  readonly #prefixes: PrefixTable
  #isIn = new Uint8Array(0)
  /** A ring; its length is a power of two. */
  #queue = new Uint32Array(1024)
  #first = 0

  constructor(prefixes: PrefixTable) {
    this.#prefixes = prefixes
  }

  grow(capacity: number): void {
    this.#isIn = growU8(this.#isIn, capacity)
  }

  add(prefix: number): void {
    if (this.#isIn[prefix] === 1) return
    this.#isIn[prefix] = 1
    this.added++
    this.#prefixes.retain(prefix)
    if (this.size === this.#queue.length) this.#double()
    this.#queue[(this.#first + this.size++) & (this.#queue.length - 1)] = prefix
  }

  /** The next prefix; the caller must release it. The queue must not be empty. */
  take(): number {
    const prefix = this.#queue[this.#first] as number
    this.#first = (this.#first + 1) & (this.#queue.length - 1)
    this.size--
    this.#isIn[prefix] = 0
    return prefix
  }

  /** All that were in it when `added` was `mark` have been taken. */
  hasTaken(mark: number): boolean {
    return this.added - this.size >= mark
  }

  memory(): Octets {
    return usedBytes(this.#prefixes.end, this.#isIn) + this.#queue.byteLength
  }

  #double(): void {
    const longer = growU32(this.#queue.subarray(this.#first), this.#queue.length * 2)
    longer.set(this.#queue.subarray(0, this.#first), this.#queue.length - this.#first)
    this.#queue = longer
    this.#first = 0
  }
}
