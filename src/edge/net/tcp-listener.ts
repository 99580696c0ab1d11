/**
 * One listening socket: opened again and again until that works, protected as its neighbors need it, and closed without an
 * effect on connections that it has accepted.
 */
import { type Address, familyOfAddress } from '../../base/address.ts'
import type { Millis } from '../../base/units.ts'
import type { Input } from '../../engine/input.ts'
import { errorText } from '../error-text.ts'
import {
  type AcceptedSocket,
  acceptFrom,
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
import { attachFitting } from './fitting-filter.ts'
import type { SignatureFor } from './key-prefixes.ts'
import { type Admission, sendWithFullTtl, setLeastTtl } from './protection.ts'
import { signListener } from './signing.ts'

/** The longest pause before it is opened again. */
const LONGEST_RETRY: Millis = 30_000
/** The backlog: connections that the kernel holds for us. */
const BACKLOG = 128
/** Connections accepted from one listener before other sockets have their turn. */
const AT_ONCE = 32
/** They have it also after this long, but not before one connection has been accepted. */
const SHARE_TIME: Millis = 2
/** How long no connection is accepted when there is no descriptor for one, not even in the reserve. */
const SHORTAGE_PAUSE: Millis = 100

const NO_LISTENER_FOR_ALL = 'the listener for all links is not open'

/** A connection that was accepted. `isIpv6`: by an IPv6 socket, which has IPv4 addresses as mapped ones. */
export interface Caller extends AcceptedSocket {
  readonly isIpv6: boolean
}

export interface TcpListenerOptions {
  readonly feed: (input: Input) => void
  readonly accept: (caller: Caller) => void
  /** The protection that applies at the listener of a link, or at the one for all links. */
  readonly admission: (link: string | undefined) => Admission
  /** Links that need a listener of their own beside the one for all addresses. */
  readonly links: () => readonly string[]
  /** Makes the filter of what the kernel drops unseen, of so many instructions at most; undefined: nothing is dropped. */
  readonly filter: () => ((most: number) => readonly FilterRow[]) | undefined
  readonly reserve: Reserve
  /** The pause before it is opened again; it doubles with each failure. */
  readonly retry: Millis
}

/** The place of a listener: one address or all of them, on one link or on all. */
export interface ListenerPlace {
  readonly address: Address | undefined
  readonly port: number
  readonly link: string | undefined
}

export class TcpListener {
  readonly #place: ListenerPlace
  readonly #options: TcpListenerOptions
  /** For a listener of one link: the one for all links, which has the same port. */
  readonly #allLinks: TcpListener | undefined
  #fd: number | undefined
  /** The index of the link when the socket was bound: a link that is created anew has another one. */
  #linkIndex = 0
  #isIpv6 = false
  /** Signatures in force, by prefix. */
  readonly #signed = new Map<string, SignatureFor>()
  #watch: { close(): void } | undefined
  #timer: NodeJS.Timeout | undefined
  #pause: Millis
  /** The reason that was reported last, while it cannot be opened. */
  #reportedReason: string | undefined
  /** The port that was reported as open. */
  #reportedPort: number | undefined

  constructor(place: ListenerPlace, options: TcpListenerOptions, allLinks: TcpListener | undefined) {
    this.#place = place
    this.#options = options
    this.#allLinks = allLinks
    this.#pause = options.retry
    this.#tryListening()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watch?.close()
    if (this.#fd !== undefined) closeSocket(this.#fd)
    this.#fd = undefined
    this.#signed.clear()
    if (this.#reportedPort === undefined && this.#reportedReason === undefined) return
    this.#options.feed({ kind: 'listen-ended', address: this.#name, port: this.#reportedPort ?? this.#place.port })
    this.#reportedPort = undefined
    this.#reportedReason = undefined
  }

  #tryListening(): void {
    try {
      this.#fd = this.#open()
      this.#reportedPort = localEndpoint(this.#fd).port
    } catch (error) {
      this.#retryLater(errorText(error))
      return
    }
    this.#reportedReason = undefined
    this.#pause = this.#options.retry
    this.#watch = watchReadable(this.#fd, this.#acceptSome)
    this.#options.feed({ kind: 'listening', address: this.#name, port: this.#reportedPort })
  }

  /** The descriptor; undefined: it is not open. */
  get fd(): number | undefined {
    return this.#fd
  }

  /** As it is shown to people. */
  get #name(): Address | undefined {
    const { address, link } = this.#place
    return link === undefined ? address : `::%${link}`
  }

  /** How many packets its filter has dropped, and connections that found the backlog full, since it was opened. */
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
      this.#applyAdmission(fd)
      this.#applyFilter(fd)
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

  /** The kernel gives connections over this link to its own listener, not to the one for all links. */
  #openOn(link: string): number {
    const all = this.#allLinks?.fd
    if (all === undefined) throw new Error(NO_LISTENER_FOR_ALL)
    this.#linkIndex = interfaceIndex(all, link)
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
    this.#keepIf((fd) => {
      this.#checkLink(fd)
      this.#applyAdmission(fd)
    })
  }

  /** The socket is bound to a link by its index: where that is another link's by now, or nobody's, another socket is opened. */
  lookAtLink(): void {
    this.#keepIf((fd) => this.#checkLink(fd))
  }

  /** Where `check` throws, the socket is closed and opened again later. */
  #keepIf(check: (fd: number) => void): void {
    if (this.#fd === undefined) return
    try {
      check(this.#fd)
    } catch (error) {
      this.close()
      this.#retryLater(errorText(error))
    }
  }

  /** While a listener of a link is open, one for all links cannot be opened again: the port is taken. */
  #checkLink(fd: number): void {
    const { link } = this.#place
    if (link === undefined) return
    if (this.#allLinks?.fd === undefined) throw new Error(NO_LISTENER_FOR_ALL)
    if (interfaceIndex(fd, link) !== this.#linkIndex) throw new Error(`${link} was removed`)
  }

  #applyAdmission(fd: number): void {
    const { signed, leastTtl, checksSyn } = this.#options.admission(this.#place.link)
    this.#sign(fd, signed)
    setLeastTtl(fd, this.#isIpv6, leastTtl)
    keepSyn(fd, checksSyn)
  }

  /** The filter has changed. */
  refilter(): void {
    if (this.#fd !== undefined) this.#applyFilter(this.#fd)
  }

  #applyFilter(fd: number): void {
    const make = this.#options.filter()
    if (make === undefined) detachFilter(fd)
    else attachFitting(fd, make)
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

  /** Reports a new reason; the same one is not reported at every try. */
  #retryLater(reason: string): void {
    if (reason !== this.#reportedReason) {
      this.#reportedReason = reason
      this.#options.feed({ kind: 'listen-failed', address: this.#name, port: this.#place.port, reason })
    }
    this.#timer = setTimeout(() => this.#tryListening(), this.#pause)
    this.#pause = Math.min(this.#pause * 2, LONGEST_RETRY)
  }

  readonly #acceptSome = (): void => {
    const until = performance.now() + SHARE_TIME
    for (let taken = 0; taken < AT_ONCE && this.#fd !== undefined; taken++) {
      const caller = this.#acceptOne(this.#fd)
      if (caller === undefined) break
      this.#options.accept({ ...caller, isIpv6: this.#isIpv6 })
      if (performance.now() >= until) break
    }
    // With no descriptor left, `accept` fails before Linux looks whether a connection is waiting. So the reserve may have lent
    // a descriptor for nothing, which is free again.
    this.#options.reserve.refill()
  }

  #acceptOne(fd: number): AcceptedSocket | undefined {
    try {
      return this.#options.reserve.lendLast(() => acceptFrom(fd))
    } catch {
      // The socket stays readable while a connection waits: it would wake us in each round.
      this.#watch?.close()
      this.#watch = undefined
      this.#timer = setTimeout(() => {
        this.#watch = watchReadable(fd, this.#acceptSome)
      }, SHORTAGE_PAUSE)
      return undefined
    }
  }
}
