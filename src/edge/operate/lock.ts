/**
 * Locks of which each network namespace has one. A lock is an abstract Unix socket (unix(7)), which belongs to the network
 * namespace, as routes and ports do. It is held while the process is stopped, and freed when the process dies.
 */
import { createServer, type Server } from 'node:net'
import type { Millis } from '../../base/units.ts'
import { sleep } from '../sleep.ts'

const DATAPLANE = '\0godwit/dataplane'
const BFD = '\0godwit/bfd'
/** How often a process that waits tries again: BFD of this node is not there meanwhile. */
const RETRY: Millis = 50

export interface Lock {
  release(): void
}

/**
 * Allows one agent: two would remove each other's routes and NAT rules, whatever sockets and folders they use. Throws an
 * error of one line if another agent holds the lock. Without abstract sockets there is no lock.
 */
export async function lockDataplane(): Promise<Lock> {
  const lock = await take(DATAPLANE)
  if (lock !== undefined) return lock
  throw new Error('another agent writes routes and NAT of this machine; end it first, or use --dataplane none')
}

/**
 * Waits until no other BFD process runs: what it leaves is complete only at its end, and the ports of BFD are its own
 * until then. `waits`: called once where there is one. Undefined: `signal` has ended the wait.
 */
export async function awaitBfd(waits: () => void, signal: AbortSignal): Promise<Lock | undefined> {
  for (let tries = 0; !signal.aborted; tries++) {
    const lock = await take(BFD)
    if (lock !== undefined) return lock
    if (tries === 0) waits()
    await sleep(RETRY, signal)
  }
  return undefined
}

/** Undefined: another process holds it. */
function take(path: string): Promise<Lock | undefined> {
  if (process.platform !== 'linux') return Promise.resolve({ release: () => {} })
  const server: Server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen({ path, backlog: 1 }, () => {
      server.unref()
      server.on('error', () => {})
      resolve({ release: () => void server.close() })
    })
  })
}
