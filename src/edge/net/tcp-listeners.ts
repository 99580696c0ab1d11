/**
 * The sockets that listen. Told what is wanted, it closes what is not, leaves what is, and tries the rest until it works.
 * Connections that were accepted live on when their listener goes.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { Address } from '../../base/address.ts'
import type { Millis } from '../../base/units.ts'
import type { Input } from '../../engine/input.ts'
import { wordsOf } from '../os-words.ts'

/** Waiting between two tries never gets longer than this. */
const LONGEST_RETRY: Millis = 30_000
/** Connections the kernel holds ready for us. */
const BACKLOG = 128

class Listener {
  readonly #address: Address | undefined
  readonly #port: number
  readonly #feed: (input: Input) => void
  readonly #accept: (socket: Socket) => void
  #server: Server | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #firstPause: Millis
  #pause: Millis
  #lastReason: string | undefined
  /** The port it listens on, as was told. */
  #listensOn: number | undefined

  constructor(
    address: Address | undefined,
    port: number,
    feed: (input: Input) => void,
    accept: (socket: Socket) => void,
    pause: Millis,
  ) {
    this.#address = address
    this.#port = port
    this.#feed = feed
    this.#accept = accept
    this.#firstPause = pause
    this.#pause = pause
    this.#try(address ?? '::')
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#server?.close()
    this.#server = undefined
    if (this.#listensOn === undefined) return
    this.#feed({ kind: 'listen-ended', address: this.#address, port: this.#listensOn })
    this.#listensOn = undefined
  }

  #try(host: string): void {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, this.#accept)
    this.#server = server
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#server !== server) return
      this.#server = undefined
      server.close(() => {})
      // A host without IPv6 still has every IPv4 address.
      const noIpv6 = error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL'
      if (host === '::' && noIpv6 && this.#address === undefined) this.#try('0.0.0.0')
      else this.#failed(wordsOf(error))
    })
    server.on('listening', () => {
      if (this.#server !== server) {
        // Given up while it was still starting.
        server.close()
        return
      }
      this.#lastReason = undefined
      this.#pause = this.#firstPause
      const bound = server.address()
      const port = bound !== null && typeof bound === 'object' ? bound.port : this.#port
      this.#listensOn = port
      this.#feed({ kind: 'listening', address: this.#address, port })
    })
    try {
      server.listen({ host, port: this.#port, backlog: BACKLOG })
    } catch (error) {
      this.#server = undefined
      this.#failed(wordsOf(error))
    }
  }

  /** Tells a reason once, not at every try. */
  #failed(reason: string): void {
    if (reason !== this.#lastReason) {
      this.#lastReason = reason
      this.#feed({ kind: 'listen-failed', address: this.#address, port: this.#port, reason })
    }
    this.#timer = setTimeout(() => this.#try(this.#address ?? '::'), this.#pause)
    this.#pause = Math.min(this.#pause * 2, LONGEST_RETRY)
  }
}

export class Listeners {
  readonly #feed: (input: Input) => void
  readonly #accept: (socket: Socket) => void
  readonly #retry: Millis
  readonly #listeners = new Map<string, Listener>()

  constructor(feed: (input: Input) => void, accept: (socket: Socket) => void, retry: Millis) {
    this.#feed = feed
    this.#accept = accept
    this.#retry = retry
  }

  /** No address means every address. */
  want(port: number, addresses: readonly Address[]): void {
    const wanted = new Map<string, Address | undefined>()
    if (addresses.length === 0) wanted.set(`* ${port}`, undefined)
    for (const address of addresses) wanted.set(`${address} ${port}`, address)
    for (const [key, listener] of this.#listeners) {
      if (wanted.has(key)) continue
      listener.close()
      this.#listeners.delete(key)
    }
    for (const [key, address] of wanted) {
      if (this.#listeners.has(key)) continue
      this.#listeners.set(key, new Listener(address, port, this.#feed, this.#accept, this.#retry))
    }
  }

  stop(): void {
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
  }
}
