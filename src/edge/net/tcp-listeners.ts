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
import type { KeyFor } from './key-prefixes.ts'
import { sendFarthest, setKey } from './protection.ts'

/** Waiting between two tries never gets longer than this. */
const LONGEST_RETRY: Millis = 30_000
/** Connections the kernel holds ready for us. */
const BACKLOG = 128
/** Callers taken from one listener before other sockets have their turn. */
const AT_ONCE = 32
/** Nobody is accepted for so long when even the last descriptor is gone. */
const SHORTAGE_PAUSE: Millis = 100

/** `isIpv6`: of the socket that listens; IPv4 stands there as mapped addresses. */
export interface Called extends Accepted {
  readonly isIpv6: boolean
}

export interface ListenerOptions {
  readonly feed: (input: Input) => void
  readonly accept: (caller: Called) => void
  /** Keys that callers are asked for. */
  readonly keyed: () => readonly KeyFor[]
  readonly reserve: Reserve
  /** First pause before trying again; doubles. */
  readonly retry: Millis
}

class Listener {
  readonly #address: Address | undefined
  readonly #port: number
  readonly #options: ListenerOptions
  #fd: number | undefined
  #isIpv6 = false
  /** Keys in force, by prefix. */
  readonly #keys = new Map<string, KeyFor>()
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
    this.#keys.clear()
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
    this.#isIpv6 = familyOfAddress(address) === 'ipv6'
    try {
      this.#setKeys(fd)
      sendFarthest(fd, this.#isIpv6)
      listenAt(fd, { address, port: this.#port }, BACKLOG)
      return fd
    } catch (error) {
      this.#keys.clear()
      closeSocket(fd)
      throw error
    }
  }

  /** Keys are others than before. Where one cannot be put in force, nobody is let in. */
  rekey(): void {
    if (this.#fd === undefined) return
    try {
      this.#setKeys(this.#fd)
    } catch (error) {
      this.close()
      this.#failed(wordsOf(error))
    }
  }

  #setKeys(fd: number): void {
    const wanted = this.#options.keyed().filter(({ prefix }) => this.#isIpv6 || prefix.family === 'ipv4')
    const texts = new Set(wanted.map(({ prefix }) => prefix.text))
    for (const [text, { prefix }] of this.#keys) {
      if (texts.has(text)) continue
      setKey(fd, this.#isIpv6, prefix, undefined)
      this.#keys.delete(text)
    }
    for (const one of wanted) {
      const before = this.#keys.get(one.prefix.text)
      if (before !== undefined && Buffer.compare(before.bytes, one.bytes) === 0) continue
      setKey(fd, this.#isIpv6, one.prefix, one.bytes)
      this.#keys.set(one.prefix.text, one)
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
      this.#options.accept({ ...caller, isIpv6: this.#isIpv6 })
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

  rekey(): void {
    for (const listener of this.#listeners.values()) listener.rekey()
  }

  stop(): void {
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
  }
}
