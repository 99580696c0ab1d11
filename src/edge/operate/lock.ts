/**
 * Allows one agent per network namespace: two would remove each other's routes and NAT rules, whatever sockets and
 * folders they use. The lock is an abstract Unix socket (unix(7)), which belongs to the network namespace, as routes
 * do. It is held while the process is stopped, and freed when the process dies.
 */
import { createServer, type Server } from 'node:net'

const NAME = '\0godwit/dataplane'

export interface Lock {
  release(): void
}

/** Throws an error of one line if another agent holds the lock. Without abstract sockets there is no lock. */
export function lockDataplane(): Promise<Lock> {
  if (process.platform !== 'linux') return Promise.resolve({ release: () => {} })
  const server: Server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const text = 'another agent writes routes and NAT of this machine; end it first, or use --dataplane none'
      reject(error.code === 'EADDRINUSE' ? new Error(text, { cause: error }) : error)
    })
    server.listen({ path: NAME, backlog: 1 }, () => {
      server.unref()
      server.on('error', () => {})
      resolve({ release: () => void server.close() })
    })
  })
}
