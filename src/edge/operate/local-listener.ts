/**
 * A Unix stream socket that knows who connects: the kernel names the user at the other end (`SO_PEERCRED`, unix(7)), which
 * Node does not ask for.
 */
import { Socket } from 'node:net'
import type { Millis } from '../../base/units.ts'
import { acceptLocal, closeSocket, listenAtPath, watchReadable } from '../libc.ts'
import { Reserve } from '../reserve.ts'

/** The caller's connection and user. It is half-open: its end of input is not its end. */
export type TakeCaller = (socket: Socket, uid: number) => void

const BACKLOG = 128
/** Callers accepted before other sockets have their turn. */
const AT_ONCE = 16
/** Nobody is accepted for so long when even the last descriptor is gone: who waits would wake us each round. */
const SHORTAGE_PAUSE: Millis = 100

export class LocalListener {
  readonly #take: TakeCaller
  readonly #fd: number
  /** With it a caller is taken and closed at once, instead of waiting in the kernel. */
  readonly #reserve = new Reserve(() => {}, 1)
  #watch: { close(): void } | undefined
  #timer: NodeJS.Timeout | undefined

  /** Listens at a path that does not exist yet. Throws one line of words where that cannot be. */
  constructor(path: string, take: TakeCaller) {
    this.#take = take
    this.#fd = listenAtPath(path, BACKLOG)
    this.#watchCallers()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watch?.close()
    closeSocket(this.#fd)
    this.#reserve.close()
  }

  #watchCallers(): void {
    this.#watch = watchReadable(this.#fd, () => this.#acceptSome())
  }

  #acceptSome(): void {
    for (let taken = 0; taken < AT_ONCE && this.#acceptOne(); taken++);
    this.#reserve.refill()
  }

  #acceptOne(): boolean {
    try {
      const caller = this.#reserve.lend(() => acceptLocal(this.#fd), true)
      if (caller === undefined) return false
      const { fd, uid } = caller
      if (this.#reserve.isSpent) closeSocket(fd)
      else this.#take(new Socket({ fd, allowHalfOpen: true, readable: true, writable: true }), uid)
      return true
    } catch {
      this.#watch?.close()
      this.#watch = undefined
      this.#timer = setTimeout(() => this.#watchCallers(), SHORTAGE_PAUSE)
      return false
    }
  }
}
