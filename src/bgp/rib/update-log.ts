/**
 * The log of an update group: chunks in the order of their encoding, from the first that some reader has not read. A reader
 * keeps its position, a number that only increases; a chunk is removed when its last reader has read it.
 */
import type { Chunk } from './chunk.ts'
import type { PrefixTable } from './prefix-table.ts'

/** The default bound of a log in octets, including what chunks hold besides their messages. */
export const LOG_LIMIT = 1 << 20
/** About what the objects of a chunk take beside its arrays of octets and prefixes. */
const CHUNK_OVERHEAD = 256

export class UpdateLog {
  /** Octets of all chunks, as `sizeOf` counts them. */
  size = 0
  readonly #prefixes: PrefixTable
  #chunks: Chunk[] = []
  /** Position of the first chunk. */
  #start = 0

  constructor(prefixes: PrefixTable) {
    this.#prefixes = prefixes
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0
  }

  /** The position behind the last chunk: a member there has read all. */
  get end(): number {
    return this.#start + this.#chunks.length
  }

  at(position: number): Chunk | undefined {
    return this.#chunks[position - this.#start]
  }

  /** `chunk.readers` must be the number of members that will read it. */
  append(chunk: Chunk): void {
    this.#chunks.push(chunk)
    this.size += sizeOf(chunk)
  }

  /** One reader has read the chunk there. */
  pass(position: number): void {
    const chunk = this.at(position)
    if (chunk === undefined) return
    chunk.readers--
    this.#trim()
  }

  /** A reader at this position leaves. */
  leave(position: number): void {
    for (const chunk of this.from(position)) chunk.readers--
    this.#trim()
  }

  from(position: number): readonly Chunk[] {
    return this.#chunks.slice(position - this.#start)
  }

  /** Releases the prefixes of a chunk. */
  dispose({ prefixes }: Chunk): void {
    for (let index = 0; index < prefixes.length; index++) this.#prefixes.release(prefixes[index] as number)
  }

  #trim(): void {
    let read = 0
    for (; this.#chunks[read]?.readers === 0; read++) {
      const chunk = this.#chunks[read] as Chunk
      this.size -= sizeOf(chunk)
      this.dispose(chunk)
    }
    if (read === 0) return
    this.#chunks.splice(0, read)
    this.#start += read
  }
}

const sizeOf = (chunk: Chunk): number => chunk.bytes.length + chunk.prefixes.byteLength + CHUNK_OVERHEAD
