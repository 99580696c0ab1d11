/**
 * What the pieces of a file say, by their text: a file is read again whenever it changes, and most of a large one is as
 * it was. Values are shared with whoever got them before, and so are known to be the same at a glance.
 */
import { createHash } from 'node:crypto'
import type { PieceKind, PieceReading } from './fault.ts'

export class Pieces {
  #before = new Map<string, PieceReading>()
  #now = new Map<string, PieceReading>()

  /** What a piece of this text said, in this reading or the last one. */
  get(kind: PieceKind, text: string): PieceReading | undefined {
    const key = keyOf(kind, text)
    const read = this.#now.get(key) ?? this.#before.get(key)
    if (read !== undefined) this.#now.set(key, read)
    return read
  }

  set(kind: PieceKind, text: string, read: PieceReading): void {
    this.#now.set(keyOf(kind, text), read)
  }

  /** The file has been read to its end: what it no longer says is forgotten. */
  keep(): void {
    this.#before = this.#now
    this.#now = new Map()
  }
}

const keyOf = (kind: PieceKind, text: string): string => `${kind} ${createHash('sha1').update(text).digest('base64')}`
