/**
 * What this run leaves for the next one, as documents that the edge keeps: the last good objects, what a restart must
 * know, and what people asked for by command. Each is sent when it has changed.
 */
import type { AgentEnding } from './ending.ts'
import type { Parts } from './parts.ts'

export class NextRun {
  readonly #parts: Pick<Parts, 'facts' | 'store' | 'sessions' | 'restart' | 'byHand' | 'leaving' | 'out'>
  readonly #ending: AgentEnding
  readonly #keepsLastGood: boolean
  /** The revision of the last good versions when they were sent last. */
  #sentRevision = 0

  constructor(parts: Parts, ending: AgentEnding, keepsLastGood: boolean) {
    this.#parts = parts
    this.#ending = ending
    this.#keepsLastGood = keepsLastGood
  }

  /**
   * Objects were read: sends their last good versions, for a next run in which the source has them with errors or not at all.
   */
  rememberObjects(): void {
    const { store, out } = this.#parts
    const { lastGood } = store
    if (!this.#keepsLastGood || lastGood.revision === this.#sentRevision) return
    this.#sentRevision = lastGood.revision
    out.push({ kind: 'remember', objects: lastGood.toKeep() })
  }

  /** At the end of a turn. `isActing`: a command is not over yet; what it asks of neighbors is sent once. */
  remember(isActing: boolean): void {
    if (this.#parts.facts.stopping) return
    this.#rememberRestart()
    if (!isActing) this.#rememberByHand()
  }

  #rememberRestart(): void {
    const { facts, sessions, restart, out } = this.#parts
    const node = facts.intent?.node
    if (node === undefined) return
    const { advertisedFamilies: families, rangeMembers: members } = sessions
    const document = restart.remember({ routerId: node.routerId, families, members }, facts.now)
    if (document !== undefined) out.push({ kind: 'remember-restart', document })
  }

  /** A farewell is not kept: an agent that starts here later is a new one. */
  #rememberByHand(): void {
    if (this.#ending.isFarewell) return
    const { byHand, leaving, out } = this.#parts
    const { stage, reason, byObjects } = leaving
    byHand.noteLeaving(stage === 'here' ? undefined : { reason, isGone: stage === 'gone', byObjects })
    const document = byHand.remember()
    if (document !== undefined) out.push({ kind: 'remember-by-hand', document })
  }
}
