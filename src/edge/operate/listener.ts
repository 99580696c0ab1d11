/**
 * A listening socket that works during a shortage of descriptors. One descriptor is held back, so that a connection is
 * accepted and closed at once instead of waiting in the kernel; more are held back where some callers must be answered
 * all the same.
 */
import type { Millis } from '../../base/units.ts'
import { closeSocket, watchReadable } from '../libc.ts'
import { Reserve } from '../reserve.ts'

/** Connections accepted before other sockets have their turn. */
const AT_ONCE = 16
/**
 * No connection is accepted for this long after even the last descriptor was used: a waiting one would wake us in each
 * round.
 */
const SHORTAGE_PAUSE: Millis = 100

export interface ListenerOptions<Caller> {
  /** The descriptor of the socket, which is closed with this. */
  readonly fd: number
  /** The next connection; undefined where none is waiting. */
  readonly accept: (fd: number) => Caller | undefined
  readonly take: (caller: Caller) => void
  /** Descriptors held back; the last one is for connections that are refused. */
  readonly reserve: number
  /** Whether the caller may be answered with a descriptor that was held back. */
  readonly comesFirst: (caller: Caller) => boolean
}

export class Listener<Caller extends { readonly fd: number }> {
  readonly #options: ListenerOptions<Caller>
  readonly #reserve: Reserve
  #watch: { close(): void } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: ListenerOptions<Caller>) {
    this.#options = options
    this.#reserve = new Reserve(() => {}, options.reserve)
    this.#watchCallers()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watch?.close()
    closeSocket(this.#options.fd)
    this.#reserve.close()
  }

  #watchCallers(): void {
    this.#watch = watchReadable(this.#options.fd, () => this.#acceptSome())
  }

  #acceptSome(): void {
    for (let taken = 0; taken < AT_ONCE && this.#acceptOne(); taken++);
    this.#reserve.refill()
  }

  #acceptOne(): boolean {
    const { take, comesFirst } = this.#options
    const caller = this.#next()
    if (caller === undefined) return false
    const isRefused = this.#reserve.isSpent || (this.#reserve.isShort && !comesFirst(caller))
    if (isRefused) closeSocket(caller.fd)
    else take(caller)
    this.#reserve.refill()
    return true
  }

  /** The next caller; undefined where none is waiting, or where there is no descriptor for it even in the reserve. */
  #next(): Caller | undefined {
    const { fd, accept } = this.#options
    try {
      return this.#reserve.lend(() => accept(fd), true)
    } catch {
      this.#watch?.close()
      this.#watch = undefined
      this.#timer = setTimeout(() => this.#watchCallers(), SHORTAGE_PAUSE)
      return undefined
    }
  }
}
