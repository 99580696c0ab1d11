/**
 * A listening socket that works during a shortage of descriptors, because it has a reserve of them. The last one of the
 * reserve accepts connections only to close them at once, so that they do not wait in the kernel. Further ones answer callers
 * that have priority.
 */
import type { Millis } from '../../base/units.ts'
import { closeSocket, watchReadable } from '../libc.ts'
import { Reserve } from '../reserve.ts'

/** Connections accepted before other sockets have their turn. */
const AT_ONCE = 16
/**
 * How long no connection is accepted when there is no descriptor for one, not even in the reserve: the socket stays readable
 * while a connection waits, and would wake us in each round.
 */
const SHORTAGE_PAUSE: Millis = 100

export interface ReservedListenerOptions<Caller> {
  /** The descriptor of the socket, which is closed with this. */
  readonly fd: number
  /** The next connection; undefined where none is waiting. */
  readonly accept: (fd: number) => Caller | undefined
  /** Gets each connection that is not refused. */
  readonly serve: (caller: Caller) => void
  /** How many descriptors are held back; the last one is for connections that are refused. */
  readonly reserve: number
  /** Whether the caller is answered also with a descriptor that was held back. */
  readonly hasPriority: (caller: Caller) => boolean
}

export class ReservedListener<Caller extends { readonly fd: number }> {
  readonly #options: ReservedListenerOptions<Caller>
  readonly #reserve: Reserve
  #watch: { close(): void } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: ReservedListenerOptions<Caller>) {
    this.#options = options
    // A shortage is reported by the reserve of BGP's sockets (`edge/net/tcp`).
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
    for (let accepted = 0; accepted < AT_ONCE && this.#acceptOne(); accepted++);
    // With no descriptor left, `accept` fails before Linux looks whether a connection is waiting: one may have been lent for
    // nothing.
    this.#reserve.refill()
  }

  /** False where no connection can be accepted now. */
  #acceptOne(): boolean {
    const { serve, hasPriority } = this.#options
    const caller = this.#next()
    if (caller === undefined) return false
    const isRefused = this.#reserve.isSpent || (this.#reserve.hasLent && !hasPriority(caller))
    if (isRefused) closeSocket(caller.fd)
    else serve(caller)
    this.#reserve.refill()
    return true
  }

  /** The next caller; undefined where none is waiting, or where there is no descriptor for it even in the reserve. */
  #next(): Caller | undefined {
    const { fd, accept } = this.#options
    try {
      return this.#reserve.lendLast(() => accept(fd))
    } catch {
      this.#watch?.close()
      this.#watch = undefined
      this.#timer = setTimeout(() => this.#watchCallers(), SHORTAGE_PAUSE)
      return undefined
    }
  }
}
