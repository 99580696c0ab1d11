/**
 * The listening sockets, and the connections of neighbors: which neighbor a connection belongs to, or why it is refused.
 * What comes in on a connection goes to the session of its neighbor.
 */
import type { Address } from '../base/address.ts'
import type { Millis } from '../base/units.ts'
import type { ConnectionInput, Input, ListenInput } from './input.ts'
import { logLine } from './log-line.ts'
import type { Neighbor } from './neighbors.ts'
import type { Parts } from './parts.ts'

export class ConnectionInputs {
  readonly #parts: Pick<Parts, 'facts' | 'neighbors' | 'sessions' | 'objects' | 'out'>

  constructor(parts: Parts) {
    this.#parts = parts
  }

  takeListener(input: ListenInput): void {
    const { facts, out } = this.#parts
    switch (input.kind) {
      case 'listening':
      case 'listen-ended':
      case 'listen-failed':
        out.log(facts.listening.take(input))
        return
      case 'turned-away':
        this.#noteRefused(input.address, input.reason)
        return
      case 'callers-filtered': {
        const line = facts.refusedCallers.noteFiltered(input)
        if (line !== undefined) out.log(line)
        return
      }
      case 'descriptors':
        out.log(facts.listening.takeDescriptors(input))
        return
    }
  }

  take(input: ConnectionInput, now: Millis): void {
    const { neighbors, sessions } = this.#parts
    switch (input.kind) {
      case 'accepted':
        this.#accept(input, now)
        return
      case 'connected':
        this.#connected(input, now)
        return
      case 'dial-failed':
      case 'closed':
        this.#closed(input, now)
        return
      case 'received': {
        const neighbor = neighbors.connectedBy(input.conn)
        if (neighbor !== undefined) sessions.handle(neighbor, input, now)
        return
      }
      case 'drained':
        sessions.drained(input.conn, now)
        return
    }
  }

  #accept({ conn, local, remote }: Extract<Input, { kind: 'accepted' }>, now: Millis): void {
    const { neighbors, sessions, out } = this.#parts
    const neighbor = this.#caller(remote.address, now)
    if (typeof neighbor === 'string') {
      out.push({ kind: 'refuse', conn })
      this.#noteRefused(remote.address, neighbor)
      return
    }
    neighbors.connect(conn, neighbor)
    sessions.handle(neighbor, { kind: 'connected', conn, dialled: false, local, remote }, now)
  }

  /** The neighbor that connects from this address, or why the connection is refused. */
  #caller(address: Address, now: Millis): Neighbor | string {
    const { facts, neighbors, objects } = this.#parts
    const node = facts.intent?.node
    if (facts.stopping || node === undefined) return 'the agent is not ready'
    return neighbors.calledBy(address) ?? objects.callFrom(address, node, now)
  }

  #noteRefused(address: Address, reason: string): void {
    const { facts, out } = this.#parts
    facts.refusedCallers.note(address, reason, facts.now)
    out.log(logLine('debug', 'connection-refused', `connection from ${address} refused: ${reason}`, { address }))
  }

  #connected({ conn, local, remote }: Extract<Input, { kind: 'connected' }>, now: Millis): void {
    const { neighbors, sessions } = this.#parts
    const neighbor = neighbors.connectedBy(conn)
    if (neighbor === undefined) return
    sessions.handle(neighbor, { kind: 'connected', conn, dialled: true, local, remote }, now)
  }

  #closed(input: Extract<Input, { kind: 'dial-failed' | 'closed' }>, now: Millis): void {
    const { neighbors, sessions, objects } = this.#parts
    const neighbor = neighbors.connectedBy(input.conn)
    if (neighbor !== undefined) sessions.handle(neighbor, input, now)
    neighbors.disconnect(input.conn)
    if (neighbor !== undefined) objects.forgetCaller(neighbor, now)
  }
}
