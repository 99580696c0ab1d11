/**
 * Writes lines to a descriptor without waiting for its reader. A slow reader gets them later. Lines beyond the queue are
 * lost, and so is what the system refuses with an error: the reader is gone, or the disk is full.
 *
 * pino has a writer of its own, but that one's last flush tries for ever after any error but EAGAIN.
 */
import { write, writeSync } from 'node:fs'
import type { Millis } from '../../base/units.ts'

/** Bytes queued for a reader that does not read; lines beyond are dropped. */
const MOST_HELD_BYTES = 4 * 1024 * 1024
/** Lines are handed over together, up to about so many bytes. */
const CHUNK_BYTES = 16 * 1024
/** After EAGAIN, the next attempt follows so much later. */
const RETRY: Millis = 100
/** At the end, so many attempts may find that the reader takes nothing for now: about a second of waiting. */
const LAST_TRIES = 10

export class LineWriter {
  readonly #fd: number
  #queue: Buffer[] = []
  /** Of the queue and of what is being written. */
  #heldBytes = 0
  /** What the system did not take of the last write: it is written next. */
  #refused: Buffer | undefined
  #isWriting = false
  #hasEnded = false

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#hasEnded || this.#heldBytes + bytes.length > MOST_HELD_BYTES) return
    this.#queue.push(bytes)
    this.#heldBytes += bytes.length
    if (!this.#isWriting) this.#writeOn()
  }

  /**
   * Writes what is queued, as far as the reader takes it within about a second. A write under way is
   * left to the system.
   */
  end(): void {
    this.#hasEnded = true
    const chunk = Buffer.concat([this.#refused ?? Buffer.alloc(0), ...this.#queue])
    this.#refused = undefined
    this.#queue = []
    let triesLeft = LAST_TRIES
    for (let at = 0; at < chunk.length && triesLeft > 0; ) {
      const written = this.#tryToWrite(chunk.subarray(at))
      if (written === undefined) return
      at += written
      if (written > 0) continue
      triesLeft--
      sleep(RETRY)
    }
  }

  /** How many bytes were taken; undefined: none will be any more. */
  #tryToWrite(chunk: Buffer): number | undefined {
    try {
      return writeSync(this.#fd, chunk)
    } catch (error) {
      return isForNow(error) ? 0 : undefined
    }
  }

  #writeOn(): void {
    const chunk = this.#refused ?? this.#takeChunk()
    this.#refused = undefined
    this.#isWriting = chunk.length > 0
    if (chunk.length > 0) write(this.#fd, chunk, (error, written) => this.#wrote(chunk, error, written))
  }

  #wrote(chunk: Buffer, error: Error | null, written: number): void {
    if (this.#hasEnded) return
    const isRefused = error !== null && isForNow(error)
    const done = isRefused ? 0 : error === null ? written : chunk.length
    this.#heldBytes -= done
    if (done < chunk.length) this.#refused = chunk.subarray(done)
    if (isRefused) setTimeout(() => this.#hasEnded || this.#writeOn(), RETRY)
    else this.#writeOn()
  }

  #takeChunk(): Buffer {
    let bytes = 0
    const end = this.#queue.findIndex(({ length }) => {
      bytes += length
      return bytes >= CHUNK_BYTES
    })
    return Buffer.concat(this.#queue.splice(0, end < 0 ? this.#queue.length : end + 1))
  }
}

const isForNow = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EAGAIN'

function sleep(millis: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}
