/**
 * Reads from each socket a bounded amount before all other sockets are polled. A neighbor that floods us delays its own
 * messages, not those of others. libuv would read 32 chunks from one socket first, half a megabyte.
 */
import type { Socket } from 'node:net'
import type { Millis } from '../../base/units.ts'

/**
 * Bytes of one read, and so of one turn of the engine: halved for a socket whose turns take longer than its share of
 * time.
 */
const CHUNK = 16_384
const SMALLEST_CHUNK = 2_048
/** What one socket may pass in before all others have been polled: so many bytes at most, and none more after this time. */
const SHARE_BYTES = 65_536
const SHARE_TIME: Millis = 2

/** The buffer for all sockets: a chunk is processed before the next is read. */
const BUFFER = new Uint8Array(CHUNK)
/** The buffer's beginning, by size. */
const CHUNKS = new Map([CHUNK, 8_192, 4_096, SMALLEST_CHUNK].map((size) => [size, BUFFER.subarray(0, size)] as const))

/** How far the reading of one socket is. */
export interface ReadProgress {
  /** Bytes of one read: one of the sizes in `CHUNKS`. */
  chunk: number
  /** Bytes passed in since all other sockets were polled, and since when. */
  share: number
  shareSince: Millis
}

export const newReading = (): ReadProgress => ({ chunk: CHUNK, share: 0, shareSince: 0 })

/** Where the next read of a socket goes. */
export const bufferFor = ({ chunk }: ReadProgress): Uint8Array | undefined => CHUNKS.get(chunk)

interface Reader {
  readonly socket: Socket
  readonly reading: ReadProgress
}

export class FairReading<Connection extends Reader> {
  /** They had their share, and wait until all others have been polled. */
  readonly #paused = new Set<Connection>()
  /** They may be read again, and have not been polled since. */
  readonly #resumed = new Set<Connection>()
  #resuming: NodeJS.Immediate | undefined

  /** Connections that may have unread bytes: they had their share, and were not polled again. */
  unread(): readonly Connection[] {
    return [...this.#paused, ...this.#resumed]
  }

  /** Passes in the bytes of one read, which are gone afterwards. False: the socket is read no further for now. */
  take(connection: Connection, length: number, pass: (bytes: Uint8Array) => void): boolean {
    const { reading } = connection
    // It is being polled: if something is left unread, it pauses again.
    this.#resumed.delete(connection)
    const before = performance.now()
    if (reading.share === 0) reading.shareSince = before
    pass(BUFFER.subarray(0, length))
    const after = performance.now()
    // Less than was asked for: nothing more is there.
    const isAll = length < reading.chunk
    const fitting = fittingChunk(reading.chunk, after - before)
    // A turn with fewer bytes does not show that one with more would be as quick.
    reading.chunk = isAll ? Math.min(fitting, reading.chunk) : fitting
    reading.share = isAll ? 0 : reading.share + length
    if (isAll) return true
    if (reading.share + reading.chunk <= SHARE_BYTES && after - reading.shareSince < SHARE_TIME) return true
    reading.share = 0
    this.#paused.add(connection)
    this.#resuming ??= setImmediate(this.#resume)
    return false
  }

  forget(connection: Connection): void {
    this.#paused.delete(connection)
    this.#resumed.delete(connection)
  }

  stop(): void {
    clearImmediate(this.#resuming)
  }

  /** All sockets have been polled: those that had their share get the next one. */
  readonly #resume = (): void => {
    this.#resumed.clear()
    for (const connection of this.#paused) {
      this.#resumed.add(connection)
      connection.socket.resume()
    }
    this.#paused.clear()
    this.#resuming = this.#resumed.size === 0 ? undefined : setImmediate(this.#resume)
  }
}

/** The size of the next read, where one of this size took so long. */
function fittingChunk(size: number, took: Millis): number {
  if (took > SHARE_TIME) return Math.max(size >> 1, SMALLEST_CHUNK)
  // Twice the bytes take twice as long: that is well below the share, so that the size does not go to and fro.
  return took * 4 < SHARE_TIME ? Math.min(size * 2, CHUNK) : size
}
