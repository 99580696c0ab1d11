/**
 * A Unix stream socket that knows who connects: the kernel names the user at the other end (`SO_PEERCRED`, unix(7)),
 * which Node does not report.
 */
import { Socket } from 'node:net'
import { acceptLocal, listenAtPath } from '../libc.ts'
import { Listener } from './listener.ts'

/** The connection and its user. It is half-open: the end of its input is not the end of the connection. */
export type TakeCaller = (socket: Socket, uid: number) => void

const BACKLOG = 128

export class LocalListener {
  readonly #listener: Listener<{ readonly fd: number; readonly uid: number }>

  /** Listens at a path that does not exist yet. Throws one line where that fails. */
  constructor(path: string, take: TakeCaller) {
    this.#listener = new Listener({
      fd: listenAtPath(path, BACKLOG),
      accept: acceptLocal,
      take: ({ fd, uid }) => take(new Socket({ fd, allowHalfOpen: true, readable: true, writable: true }), uid),
      reserve: 1,
      comesFirst: () => false,
    })
  }

  close(): void {
    this.#listener.close()
  }
}
