/**
 * How this agent goes: it leaves, because objects or a person ask for it, and stays; it ends for a restart, at once, or
 * with a farewell (it leaves, and then ends). The stages of leaving are in `leave`.
 */
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import { CEASE } from '../bgp/wire/notification.ts'
import type { Input } from './input.ts'
import { logLine } from './log-line.ts'
import type { Parts } from './parts.ts'
import type { NodeActions } from './view.ts'

/**
 * How long routes that wait to be advertised may delay the end for a restart: a neighbor that never rests is no reason to stay.
 */
const RESTART_WAIT: Millis = 2_000

type Gone = Pick<Parts, 'facts' | 'leaving' | 'byHand' | 'restart' | 'bfd' | 'neighbors' | 'sessions' | 'rib' | 'out'>

export class AgentEnding {
  readonly #parts: Gone
  /** The reason for which objects ask this node to leave. */
  #leaveWanted: string | undefined
  /** The reason for which the process ends as soon as this node has left. */
  #farewell: string | undefined
  /** The process ends for a restart once what waits has been advertised, or at this time. */
  #restart: { readonly reason: string; readonly at: Millis } | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** This node leaves, and then the process ends. */
  get isFarewell(): boolean {
    return this.#farewell !== undefined
  }

  take({ reason, how }: Extract<Input, { kind: 'stop' }>, now: Millis): void {
    if (how === 'farewell') this.#beginFarewell(reason, now)
    else this.stop(reason, how, now)
  }

  /**
   * RFC 4724 §4.2: a route that is still stale when the session is lost again is deleted. So before the process ends for a
   * restart, what waits is selected and advertised, as far as `RESTART_WAIT` allows. A farewell is not turned into a restart:
   * no agent follows. Once sessions are being ended, how they end cannot be changed.
   */
  stop(reason: string, how: 'leave' | 'restart', now: Millis): void {
    const { facts, restart } = this.#parts
    if (facts.stopping) return
    if (how === 'leave') this.#stopNow(reason, how, now)
    else if (!this.isFarewell) {
      this.#restart ??= { reason, at: now + RESTART_WAIT }
      if (restart.isDeferring) restart.hurry(now)
    }
  }

  /** What commands may do. */
  actions(): NodeActions {
    const { facts, leaving, byHand } = this.#parts
    return {
      stop: (reason, how) => this.stop(reason, how, facts.now),
      leave: (reason) => leaving.begin(reason, facts.now) || leaving.takeOver(reason),
      stay: () => this.#stay(facts.now),
      leaving: () => ({ stage: leaving.stage, reason: leaving.reason, staying: byHand.staying }),
    }
  }

  /**
   * Objects ask this node to leave, or no longer do. A `leave` by command is not cancelled by objects, whichever came first,
   * and what was cancelled by command is not begun again for the same reason.
   */
  followObjects(wanted: string | undefined, now: Millis): void {
    const { leaving, byHand } = this.#parts
    if (wanted === this.#leaveWanted || this.isFarewell) return
    if (wanted === undefined && leaving.byObjects) leaving.cancel(now)
    this.#leaveWanted = wanted
    byHand.noteStaying(undefined)
    if (wanted !== undefined) leaving.begin(wanted, now, true)
  }

  /** The previous run left, or was about to, or stayed by hand. Objects that no longer ask for it are heard after this. */
  leaveAsBefore(now: Millis): void {
    const { byHand, leaving } = this.#parts
    this.#leaveWanted ??= byHand.staying
    const left = byHand.takeLeft()
    if (left === undefined || !leaving.goOn(left, now)) return
    if (left.byObjects) this.#leaveWanted = left.reason
  }

  deadline(): Millis | undefined {
    return earlier(this.#restart?.at, this.#parts.leaving.deadline())
  }

  /** In each turn: the next stage of leaving, and the end after the last. */
  step(now: Millis): void {
    const { leaving } = this.#parts
    if (this.#restart !== undefined && this.#restart.at <= now) this.#stopNow(this.#restart.reason, 'restart', now)
    leaving.step(now)
    if (this.#farewell !== undefined && leaving.stage === 'gone' && !leaving.isBusy)
      this.#stopNow(this.#farewell, 'leave', now)
  }

  /** Nothing waits to be decided or advertised: a restart that waited for that goes on. */
  endWhenQuiet(now: Millis): void {
    if (this.#restart !== undefined) this.#stopNow(this.#restart.reason, 'restart', now)
  }

  #stay(now: Millis): boolean {
    if (this.isFarewell) return false
    const { byHand, leaving } = this.#parts
    const left = byHand.takeLeft()
    if (left?.byObjects === true) this.#leaveWanted = left.reason
    byHand.noteStaying(this.#leaveWanted)
    leaving.cancel(now)
    return true
  }

  /** Leaves and then ends the process; it cannot be cancelled. Without a connection the process ends at once. */
  #beginFarewell(reason: string, now: Millis): void {
    const { facts, neighbors, leaving } = this.#parts
    if (facts.stopping) return
    this.#farewell = reason
    if (neighbors.connections === 0) this.#stopNow(reason, 'leave', now)
    else if (!leaving.begin(reason, now)) leaving.count(now)
  }

  #stopNow(reason: string, how: 'leave' | 'restart', now: Millis): void {
    const { facts, neighbors, sessions, bfd, out } = this.#parts
    facts.stopping = true
    this.#restart = undefined
    this.#farewell = undefined
    const means = how === 'leave' ? 'neighbors drop our routes' : 'neighbors with graceful restart keep our routes'
    out.log(logLine('info', 'stopping', `stopping: ${reason}; ${means}`, { reason, how }))
    if (how === 'leave') out.push({ kind: 'remember-restart', document: undefined })
    else bfd.freeze()
    const stop = { kind: 'stop', subcode: CEASE.adminShutdown, text: reason, reason } as const
    const event = how === 'leave' ? stop : ({ kind: 'vanish', reason } as const)
    for (const neighbor of neighbors.all()) sessions.handle(neighbor, event, now)
  }
}
