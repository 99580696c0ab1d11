/**
 * A Unix stream socket that knows who connects: the kernel names the user at the other end (`SO_PEERCRED`, unix(7)),
 * which Node does not report.
 */
import { Socket } from 'node:net'
import { acceptLocal, listenAtPath } from '../libc.ts'
import { ReservedListener } from './reserved-listener.ts'

/** The connection and its user. It is half-open: the end of its input is not the end of the connection. */
export type ServeCaller = (socket: Socket, uid: number) => void

const BACKLOG = 128

export class LocalListener {
  readonly #listener: ReservedListener<{ readonly fd: number; readonly uid: number }>

  /** Listens at a path that does not exist yet. Throws one line where that fails. */
  constructor(path: string, serve: ServeCaller) {
    this.#listener = new ReservedListener({
      fd: listenAtPath(path, BACKLOG),
      accept: acceptLocal,
      serve: ({ fd, uid }) => serve(new Socket({ fd, allowHalfOpen: true, readable: true, writable: true }), uid),
      reserve: 1,
      hasPriority: () => false,
    })
  }

  close(): void {
    this.#listener.close()
  }
}
