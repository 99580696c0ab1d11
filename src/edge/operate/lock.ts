/**
 * One agent for each network namespace: two would each sweep the other's routes and NAT rules, whatever sockets and
 * folders they were given. The lock is an abstract Unix socket (unix(7)), which is scoped to the network namespace as
 * routes are, held while the process is stopped, and freed by its death.
 */
import { createServer, type Server } from 'node:net'

const NAME = '\0godwit/dataplane'

export interface Lock {
  release(): void
}

/** Throws one line of text where another agent holds it. Where the system has no abstract sockets there is no lock. */
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
