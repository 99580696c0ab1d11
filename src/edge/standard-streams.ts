/**
 * Standard output and error that never block the process: their reader (a container runtime, a pager, a full disk) may
 * stop reading, and a write that waits for it would stop the agent's timers and its end.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'

const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK

/** Sockets that were set to non-blocking; held, since one that is collected closes its descriptor. */
const sockets: Socket[] = []

/**
 * A descriptor of stdout (1) or stderr (2) whose writes fail with EAGAIN instead of waiting. Opened anew, so that other
 * processes that share the stream keep theirs as it is. A socket (systemd's) cannot be opened again: it is set to
 * non-blocking.
 */
export function openWithoutWaiting(fd: 1 | 2): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, FLAGS)
  } catch {
    if (isSocket(fd)) sockets.push(new Socket({ fd, readable: false, writable: true }).unref())
    return fd
  }
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

/** Writes as much to stderr as fits at once. For the end of the process. */
export function writeLastLine(text: string): void {
  try {
    writeSync(openWithoutWaiting(2), text)
  } catch {
    // The reader is gone, or takes nothing now: the line is lost, and nobody is left to be told.
  }
}
