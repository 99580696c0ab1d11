/**
 * The sockets that listen. Told what is wanted, it closes what is not, leaves what is, and tries the rest until it works.
 * Connections that were accepted live on when their listener goes.
 */
import { type Address, familyOfAddress } from '../../base/address.ts'
import type { Millis } from '../../base/units.ts'
import type { Input } from '../../engine/input.ts'
import {
  type Accepted,
  acceptFrom,
  CallError,
  closeSocket,
  listenAt,
  localEndpoint,
  openSocket,
  watchReadable,
} from '../libc.ts'
import { wordsOf } from '../os-words.ts'
import type { Reserve } from '../reserve.ts'

/** Waiting between two tries never gets longer than this. */
const LONGEST_RETRY: Millis = 30_000
/** Connections the kernel holds ready for us. */
const BACKLOG = 128
/** Callers taken from one listener before other sockets have their turn. */
const AT_ONCE = 32
/** Nobody is accepted for so long when even the last descriptor is gone. */
const SHORTAGE_PAUSE: Millis = 100

export interface ListenerOptions {
  readonly feed: (input: Input) => void
  readonly accept: (caller: Accepted) => void
  readonly reserve: Reserve
  /** First pause before trying again; doubles. */
  readonly retry: Millis
}

class Listener {
  readonly #address: Address | undefined
  readonly #port: number
  readonly #options: ListenerOptions
  #fd: number | undefined
  #watch: { close(): void } | undefined
  #timer: NodeJS.Timeout | undefined
  #pause: Millis
  #lastReason: string | undefined
  /** The port it listens on, as was told. */
  #listensOn: number | undefined

  constructor(address: Address | undefined, port: number, options: ListenerOptions) {
    this.#address = address
    this.#port = port
    this.#options = options
    this.#pause = options.retry
    this.#try()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watch?.close()
    if (this.#fd !== undefined) closeSocket(this.#fd)
    this.#fd = undefined
    if (this.#listensOn === undefined) return
    this.#options.feed({ kind: 'listen-ended', address: this.#address, port: this.#listensOn })
    this.#listensOn = undefined
  }

  #try(): void {
    try {
      this.#fd = this.#open()
      this.#listensOn = localEndpoint(this.#fd).port
    } catch (error) {
      this.#failed(wordsOf(error))
      return
    }
    this.#lastReason = undefined
    this.#pause = this.#options.retry
    this.#watch = watchReadable(this.#fd, this.#acceptSome)
    this.#options.feed({ kind: 'listening', address: this.#address, port: this.#listensOn })
  }

  #open(): number {
    if (this.#address !== undefined) return this.#openAt(this.#address)
    try {
      return this.#openAt('::')
    } catch (error) {
      // A host without IPv6 still has every IPv4 address.
      const noIpv6 = error instanceof CallError && (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL')
      if (!noIpv6) throw error
      return this.#openAt('0.0.0.0')
    }
  }

  #openAt(address: Address): number {
    const fd = this.#options.reserve.lend(() => openSocket(familyOfAddress(address)))
    try {
      listenAt(fd, { address, port: this.#port }, BACKLOG)
      return fd
    } catch (error) {
      closeSocket(fd)
      throw error
    }
  }

  /** Tells a reason once, not at every try. */
  #failed(reason: string): void {
    if (reason !== this.#lastReason) {
      this.#lastReason = reason
      this.#options.feed({ kind: 'listen-failed', address: this.#address, port: this.#port, reason })
    }
    this.#timer = setTimeout(() => this.#try(), this.#pause)
    this.#pause = Math.min(this.#pause * 2, LONGEST_RETRY)
  }

  readonly #acceptSome = (): void => {
    for (let taken = 0; taken < AT_ONCE && this.#fd !== undefined; taken++) {
      const caller = this.#acceptOne(this.#fd)
      if (caller === undefined) break
      this.#options.accept(caller)
    }
    // Linux says that it is short before it says that nobody waits: what was lent for that is free.
    this.#options.reserve.refill()
  }

  #acceptOne(fd: number): Accepted | undefined {
    try {
      return this.#options.reserve.lend(() => acceptFrom(fd), true)
    } catch {
      // Whoever waits would wake us each round: they wait until somebody has given up a descriptor.
      this.#watch?.close()
      this.#watch = undefined
      this.#timer = setTimeout(() => {
        this.#watch = watchReadable(fd, this.#acceptSome)
      }, SHORTAGE_PAUSE)
      return undefined
    }
  }
}

export class Listeners {
  readonly #options: ListenerOptions
  readonly #listeners = new Map<string, Listener>()

  constructor(options: ListenerOptions) {
    this.#options = options
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
      this.#listeners.set(key, new Listener(address, port, this.#options))
    }
  }

  stop(): void {
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
  }
}
