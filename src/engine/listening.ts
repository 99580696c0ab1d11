/** The addresses that we listen on, and errors of listening: each is logged once, and shown while it lasts. */
import type { Problem } from '../cluster/intent.ts'
import { makeProblem } from '../cluster/problem.ts'
import type { ListenInput } from './input.ts'
import { type LogLine, logLine } from './log-line.ts'

/** What happened to one listener. */
type ListenerChange = Extract<ListenInput, { kind: 'listening' | 'listen-ended' | 'listen-failed' }>

export class Listening {
  /** By address: `undefined` for all of them. */
  readonly #failed = new Map<string | undefined, Problem>()
  #descriptors: Problem | undefined

  take(input: ListenerChange): LogLine {
    const { address, port } = input
    const place = `${address ?? 'all addresses'} port ${port}`
    const fields = { address: address ?? null, port }
    if (input.kind !== 'listen-failed') {
      const hadFailed = this.#failed.delete(address)
      if (input.kind === 'listening') return logLine('info', 'listening', `listening on ${place}`, fields)
      const text = hadFailed ? `no longer trying to listen on ${place}` : `no longer listening on ${place}`
      return logLine('info', 'listen-ended', text, fields)
    }
    const { reason } = input
    const says = `cannot listen on ${place}: ${reason}; neighbors cannot connect to this node; this node still connects to them`
    this.#failed.set(address, makeProblem({ code: 'listen-failed', object: 'listener', says }))
    return logLine('error', 'listen-failed', `cannot listen on ${place}: ${reason}`, { ...fields, reason })
  }

  takeDescriptors({ error }: Extract<ListenInput, { kind: 'descriptors' }>): LogLine {
    if (error === undefined) {
      this.#descriptors = undefined
      return logLine('info', 'descriptors-enough', 'file descriptors for sockets are available again')
    }
    const says = `no file descriptor is left for sockets: ${error}; connections of neighbors come first, others are refused`
    this.#descriptors = makeProblem({ code: 'descriptors-short', object: 'agent', says })
    return logLine('error', 'descriptors-short', says, { reason: error })
  }

  /** The addresses have changed: errors of former ones are over. */
  startOver(): void {
    this.#failed.clear()
  }

  problems(): readonly Problem[] {
    if (this.#failed.size === 0 && this.#descriptors === undefined) return NONE
    return [...this.#failed.values(), ...(this.#descriptors === undefined ? [] : [this.#descriptors])]
  }
}

const NONE: readonly Problem[] = []
