/**
 * From changes of objects to the intent: they are put into the store, the intent is built of all of them, and its
 * difference to the one before is carried out. What changes an answer of the intent from outside the objects (health
 * checks, addresses of interfaces) goes the same way.
 */
import type { Millis } from '../base/units.ts'
import type { Work } from '../base/work.ts'
import type { ObjectChange } from '../cluster/source.ts'
import { logLine, problemLines } from './log-line.ts'
import type { NextRun } from './next-run.ts'
import type { ObjectInput } from './object-work.ts'
import type { Parts } from './parts.ts'
import type { Reconciler } from './reconciler.ts'
import type { StatusKeeper } from './status.ts'

type Followed = Pick<Parts, 'bfd' | 'facts' | 'store' | 'intents' | 'interfaces' | 'objectWork' | 'out'>

export class ObjectFollower {
  readonly #parts: Followed
  readonly #reconciler: Reconciler
  readonly #nextRun: NextRun
  readonly #status: StatusKeeper | undefined

  constructor(parts: Parts, reconciler: Reconciler, nextRun: NextRun, status: StatusKeeper | undefined) {
    this.#parts = parts
    this.#reconciler = reconciler
    this.#nextRun = nextRun
    this.#status = status
  }

  change(changes: readonly ObjectChange[], now: Millis): void {
    this.#parts.objectWork.add({ kind: 'objects', changes, at: now })
  }

  /** Every kind has been listed once. */
  synced(now: Millis): void {
    this.#parts.objectWork.add({ kind: 'synced', changes: [], at: now })
  }

  healthChanged(now: Millis): void {
    this.#parts.intents.serviceHealthChanged()
    this.change([], now)
  }

  interfacesChanged(now: Millis): void {
    const { intents, interfaces } = this.#parts
    intents.setInterfaceAddresses(interfaces.addresses)
    this.change([], now)
  }

  /** A slice of what waits. */
  advance(): void {
    const { facts, objectWork } = this.#parts
    if (facts.stopping) objectWork.drop()
    objectWork.advance((inputs) => this.#follow(inputs))
  }

  *#follow(inputs: readonly ObjectInput[]): Work {
    const { facts, store, intents, interfaces, out } = this.#parts
    for (const input of inputs) {
      yield* store.steps(input.changes)
      if (input.kind === 'synced') this.#setSynced()
    }
    const before = facts.intent?.problems ?? facts.sourceProblems
    if (!facts.synced) {
      this.#reportErrors()
      return
    }
    yield* store.settleSteps()
    const { intent, diff } = yield* intents.steps(store)
    facts.intent = intent
    for (const line of problemLines(before, intent.problems)) out.log(line)
    const [oldest] = inputs
    yield* this.#reconciler.carryOut(intent, diff, oldest?.at)
    this.#parts.bfd.objectsKnown()
    if (interfaces.set(intent.interfaces)) this.interfacesChanged(facts.now)
    this.#nextRun.rememberObjects()
    this.#status?.objectsChanged(facts.now)
  }

  #setSynced(): void {
    this.#parts.facts.synced = true
    this.#parts.out.log(logLine('info', 'synced', 'all objects are known'))
  }

  /**
   * Until all objects have been listed once, a missing object may only be unread: nothing is changed, but errors that
   * delay the listing are reported.
   */
  #reportErrors(): void {
    const { facts, store, out } = this.#parts
    const before = facts.sourceProblems
    facts.sourceProblems = store.sourceProblems()
    for (const line of problemLines(before, facts.sourceProblems)) out.log(line)
  }
}
