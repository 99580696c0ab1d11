/**
 * The listening sockets. Closes listeners that are no longer wanted, keeps those that are, and retries the missing ones
 * until they work. Accepted connections stay open when their listener is closed.
 */
import { type Address, familyOfAddress } from '../../base/address.ts'
import type { Millis } from '../../base/units.ts'
import type { Input } from '../../engine/input.ts'
import { errorText } from '../error-text.ts'
import {
  type Accepted,
  acceptFrom,
  attachFilter,
  bindToInterface,
  closeSocket,
  detachFilter,
  droppedBy,
  type FilterRow,
  interfaceIndex,
  isWithoutIpv6,
  keepSyn,
  listenAt,
  localEndpoint,
  openSocket,
  setNetworkControl,
  sharePort,
  watchReadable,
} from '../libc.ts'
import type { Reserve } from '../reserve.ts'
import type { SignatureFor } from './key-prefixes.ts'
import { type Admission, sendWithFullTtl, setLeastTtl } from './protection.ts'
import { signListener } from './signing.ts'

/** The longest pause between two tries. */
const LONGEST_RETRY: Millis = 30_000
/** The backlog: connections that the kernel holds for us. */
const BACKLOG = 128
/** Connections accepted from one listener before other sockets have their turn. */
const AT_ONCE = 32
/** Or for this long; at least one. */
const SHARE: Millis = 2
/** No connection is accepted for this long after even the last descriptor was used. */
const SHORTAGE_PAUSE: Millis = 100

/** `isIpv6`: the listening socket is IPv6; IPv4 addresses are then mapped ones. */
export interface Called extends Accepted {
  readonly isIpv6: boolean
}

export interface ListenerOptions {
  readonly feed: (input: Input) => void
  readonly accept: (caller: Called) => void
  /** The protection that applies at the listener of a link, or at the one for all links. */
  readonly admission: (link: string | undefined) => Admission
  /** Links that need a listener of their own beside the one for all addresses. */
  readonly links: () => readonly string[]
  /** What the kernel drops before we see it. */
  readonly filter: () => readonly FilterRow[] | undefined
  readonly reserve: Reserve
  /** First pause before a retry; doubles. */
  readonly retry: Millis
}

/** The place of a listener: one address or all of them, on one link or on all. */
interface Place {
  readonly address: Address | undefined
  readonly port: number
  readonly link: string | undefined
}

class Listener {
  readonly #place: Place
  readonly #options: ListenerOptions
  /** The listener for all links, beside one of a link. */
  readonly #beside: Listener | undefined
  #fd: number | undefined
  /** The index of the link when the socket was bound: a link that is created anew has another one. */
  #index = 0
  #isIpv6 = false
  /** Signatures in force, by prefix. */
  readonly #signed = new Map<string, SignatureFor>()
  #watch: { close(): void } | undefined
  #timer: NodeJS.Timeout | undefined
  #pause: Millis
  #lastReason: string | undefined
  /** The port that was reported. */
  #listensOn: number | undefined

  constructor(place: Place, options: ListenerOptions, beside: Listener | undefined) {
    this.#place = place
    this.#options = options
    this.#beside = beside
    this.#pause = options.retry
    this.#try()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watch?.close()
    if (this.#fd !== undefined) closeSocket(this.#fd)
    this.#fd = undefined
    this.#signed.clear()
    if (this.#listensOn === undefined && this.#lastReason === undefined) return
    this.#options.feed({ kind: 'listen-ended', address: this.#name, port: this.#listensOn ?? this.#place.port })
    this.#listensOn = undefined
    this.#lastReason = undefined
  }

  #try(): void {
    try {
      this.#fd = this.#open()
      this.#listensOn = localEndpoint(this.#fd).port
    } catch (error) {
      this.#failed(errorText(error))
      return
    }
    this.#lastReason = undefined
    this.#pause = this.#options.retry
    this.#watch = watchReadable(this.#fd, this.#acceptSome)
    this.#options.feed({ kind: 'listening', address: this.#name, port: this.#listensOn })
  }

  /** As it is shown to people. */
  get #name(): Address | undefined {
    const { address, link } = this.#place
    return link === undefined ? address : `::%${link}`
  }

  /** Packets that the filter has dropped, and connections that found no room. */
  get dropped(): number {
    return this.#fd === undefined ? 0 : droppedBy(this.#fd)
  }

  #open(): number {
    const { address, link } = this.#place
    if (address !== undefined) return this.#openAt(address)
    if (link !== undefined) return this.#openOn(link)
    try {
      return this.#openAt('::')
    } catch (error) {
      // A host without IPv6 still has every IPv4 address.
      if (!isWithoutIpv6(error)) throw error
      return this.#openAt('0.0.0.0')
    }
  }

  #openAt(address: Address): number {
    const fd = this.#options.reserve.lend(() => openSocket(familyOfAddress(address)))
    this.#isIpv6 = familyOfAddress(address) === 'ipv6'
    const { port, link } = this.#place
    try {
      this.#protect(fd)
      this.#filter(fd)
      sendWithFullTtl(fd, this.#isIpv6)
      setNetworkControl(fd, this.#isIpv6)
      if (link !== undefined) {
        bindToInterface(fd, link)
        sharePort(fd, true)
      }
      listenAt(fd, { address, port }, BACKLOG)
      return fd
    } catch (error) {
      this.#signed.clear()
      closeSocket(fd)
      throw error
    }
  }

  /** For that interface the kernel prefers the listener of the link to the one for all links. */
  #openOn(link: string): number {
    const beside = this.#beside
    const all = beside === undefined ? undefined : beside.#fd
    if (all === undefined) throw new Error('the listener for all links is not open')
    this.#index = interfaceIndex(link)
    // Only during the bind: no other process may share the port.
    sharePort(all, true)
    try {
      return this.#openAt('::')
    } finally {
      sharePort(all, false)
    }
  }

  /** The protection of neighbors has changed. Where the new one cannot be set, no connection is accepted. */
  protect(): void {
    if (this.#fd === undefined) return
    const { link } = this.#place
    try {
      if (link !== undefined && interfaceIndex(link) !== this.#index) throw new Error(`${link} was removed`)
      this.#protect(this.#fd)
    } catch (error) {
      this.close()
      this.#failed(errorText(error))
    }
  }

  #protect(fd: number): void {
    const { signed, leastTtl, checksSyn } = this.#options.admission(this.#place.link)
    this.#sign(fd, signed)
    setLeastTtl(fd, this.#isIpv6, leastTtl)
    keepSyn(fd, checksSyn)
  }

  refilter(): void {
    if (this.#fd !== undefined) this.#filter(this.#fd)
  }

  #filter(fd: number): void {
    const rows = this.#options.filter()
    if (rows === undefined) detachFilter(fd)
    else attachFilter(fd, rows)
  }

  #sign(fd: number, signed: readonly SignatureFor[]): void {
    const target = { fd, isIpv6: this.#isIpv6 }
    const wanted = signed.filter(({ prefix }) => this.#isIpv6 || prefix.family === 'ipv4')
    const texts = new Set(wanted.map(({ prefix }) => prefix.text))
    for (const [text, { prefix, signature }] of this.#signed) {
      if (texts.has(text)) continue
      signListener(target, prefix, undefined, signature)
      this.#signed.delete(text)
    }
    for (const one of wanted) {
      const before = this.#signed.get(one.prefix.text)?.signature
      if (before?.name === one.signature.name) continue
      signListener(target, one.prefix, one.signature, before)
      this.#signed.set(one.prefix.text, one)
    }
  }

  /** Reports a reason once, not at every retry. */
  #failed(reason: string): void {
    if (reason !== this.#lastReason) {
      this.#lastReason = reason
      this.#options.feed({ kind: 'listen-failed', address: this.#name, port: this.#place.port, reason })
    }
    this.#timer = setTimeout(() => this.#try(), this.#pause)
    this.#pause = Math.min(this.#pause * 2, LONGEST_RETRY)
  }

  readonly #acceptSome = (): void => {
    const until = performance.now() + SHARE
    for (let taken = 0; taken < AT_ONCE && this.#fd !== undefined; taken++) {
      const caller = this.#acceptOne(this.#fd)
      if (caller === undefined) break
      this.#options.accept({ ...caller, isIpv6: this.#isIpv6 })
      if (performance.now() >= until) break
    }
    // Linux reports the shortage before it reports that nobody is waiting: the descriptor that was lent for this is
    // free again.
    this.#options.reserve.refill()
  }

  #acceptOne(fd: number): Accepted | undefined {
    try {
      return this.#options.reserve.lend(() => acceptFrom(fd), true)
    } catch {
      // A waiting connection would wake us in each round: it waits until a descriptor has been freed.
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
  #wanted: { readonly port: number; readonly addresses: readonly Address[] } | undefined

  constructor(options: ListenerOptions) {
    this.#options = options
  }

  /** No address means every address. */
  want(port: number, addresses: readonly Address[]): void {
    this.#wanted = { port, addresses }
    this.#settle()
  }

  #settle(): void {
    if (this.#wanted === undefined) return
    const { port, addresses } = this.#wanted
    const places = addresses.map((address): Place => ({ address, port, link: undefined }))
    // A listener for single addresses needs none for links.
    const links = addresses.length === 0 ? [undefined, ...this.#options.links()] : []
    for (const link of links) places.push({ address: undefined, port, link })
    const wanted = new Map(places.map((place) => [`${place.address ?? '*'} ${port} ${place.link ?? ''}`, place]))
    for (const [key, listener] of this.#listeners) {
      if (wanted.has(key)) continue
      listener.close()
      this.#listeners.delete(key)
    }
    for (const [key, place] of wanted) {
      if (this.#listeners.has(key)) continue
      const beside = place.link === undefined ? undefined : this.#listeners.get(`* ${port} `)
      this.#listeners.set(key, new Listener(place, this.#options, beside))
    }
  }

  protect(): void {
    for (const listener of this.#listeners.values()) listener.protect()
    this.#settle()
  }

  /** The filter has changed. */
  refilter(): void {
    for (const listener of this.#listeners.values()) listener.refilter()
  }

  get dropped(): number {
    let sum = 0
    for (const listener of this.#listeners.values()) sum += listener.dropped
    return sum
  }

  stop(): void {
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
    this.#wanted = undefined
  }
}
