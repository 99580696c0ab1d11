/**
 * Caches the values of a file's pieces by their text: a file is read again whenever it changes, and most of a large one
 * has not changed. An unchanged piece has the very value of the last reading, so that callers recognize it by identity. What a
 * value is depends on the kinds that are read too: they stay the same for as long as a file has its pieces.
 */
import { createHash } from 'node:crypto'
import type { PieceKind, PieceReading } from './fault.ts'

export class Pieces {
  #before = new Map<string, PieceReading>()
  #now = new Map<string, PieceReading>()

  /** A reading begins. What one found that did not come to its end is forgotten. */
  begin(): void {
    this.#now.clear()
  }

  /** The value of a piece with this text, from this reading or the last one. */
  get(kind: PieceKind, text: string): PieceReading | undefined {
    const key = keyOf(kind, text)
    const read = this.#now.get(key) ?? this.#before.get(key)
    if (read !== undefined) this.#now.set(key, read)
    return read
  }

  set(kind: PieceKind, text: string, read: PieceReading): void {
    this.#now.set(keyOf(kind, text), read)
  }

  /** The file has been read to its end: pieces that it no longer contains are forgotten. */
  keep(): void {
    this.#before = this.#now
    this.#now = new Map()
  }
}

const keyOf = (kind: PieceKind, text: string): string => `${kind} ${createHash('sha1').update(text).digest('base64')}`
