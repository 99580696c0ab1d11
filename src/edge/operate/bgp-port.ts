/** Whether another program has the port of BGP on this machine: found out by listening there for a moment. */
import { createServer } from 'node:net'
import type { Millis } from '../../base/units.ts'
import { errorText } from '../error-text.ts'
import { sleep } from '../sleep.ts'

/** Short, since this node has no sessions between the end of the speaker before us and the next try. */
const RETRY: Millis = 500

/** Undefined where the port is free; otherwise the error of listening on it, as code and text. */
export function whyNotListen(port: number): Promise<{ readonly code: string; readonly text: string } | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve({ code: error.code ?? '', text: errorText(error) }))
    server.listen(port, () => server.close(() => resolve(undefined)))
  })
}

/**
 * Waits until no other program listens there: two speakers of one node would end each other's sessions. Calls `onWait` once
 * if there is one. Ends as soon as the signal is aborted.
 */
export async function awaitPort(port: number, onWait: () => void, signal: AbortSignal): Promise<void> {
  for (let tries = 0; !signal.aborted; tries++) {
    if ((await whyNotListen(port))?.code !== 'EADDRINUSE') return
    if (tries === 0) onWait()
    await sleep(RETRY, signal)
  }
}
