/**
 * The protocol between an agent and a BFD process over a Unix socket: one line of JSON per message, the first in each
 * direction with the version of the protocol. The two are upgraded separately, so that one may be older than the other.
 */
import type { Socket } from 'node:net'
import type { BfdInput, BfdNews } from '../../bfd/types.ts'

/** The version of the protocol, raised with every change that an older side would misread. */
const VERSION = 1
/** A line with thousands of sessions is a megabyte; a longer line is an error. */
const LONGEST = 16 * 1024 * 1024

/** From the agent: the wanted sessions, or a question. From the process: reports. */
export type BfdLine = Extract<BfdInput, { readonly kind: 'sessions' | 'ask' }> | readonly BfdNews[]

export interface Lines<Line extends BfdLine> {
  send(line: Line): void
}

/**
 * Sends and receives over a socket. `hear` gets each message. The socket is destroyed, with the reason as its error,
 * where the other side has another version, sends no JSON, or does not read.
 */
export function speakLines<Out extends BfdLine, In extends BfdLine>(
  socket: Socket,
  hear: (line: In) => void,
): Lines<Out> {
  let text = ''
  let isGreeted = false
  socket.setEncoding('utf8')
  socket.write(`${JSON.stringify({ godwitBfd: VERSION })}\n`)
  const take = (line: string): In | undefined => {
    const value: unknown = JSON.parse(line)
    if (typeof value !== 'object' || value === null) throw new Error('the other side sends no object')
    if (isGreeted) return value as In
    const { godwitBfd: version } = value as { godwitBfd?: unknown }
    if (version !== VERSION) throw new Error(`the other side has version ${version}, this one ${VERSION}`)
    isGreeted = true
    return undefined
  }
  socket.on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n')
    text = lines.pop() ?? ''
    const messages: In[] = []
    try {
      if (text.length > LONGEST) throw new Error('a line is too long')
      for (const line of lines) {
        const message = take(line)
        if (message !== undefined) messages.push(message)
      }
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)))
    }
    // An error in here is one of our own.
    for (const message of messages) hear(message)
  })
  return {
    send(line) {
      if (socket.writableLength > LONGEST) socket.destroy(new Error('the other side does not read'))
      else socket.write(`${JSON.stringify(line)}\n`)
    },
  }
}
