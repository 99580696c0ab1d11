/**
 * Decides when a status is written, and with what content: the status of this node, Events, and while the agent holds
 * the Lease the conditions of objects and the nodes whose startup taint is removed. Only changes are written, after the
 * delay that `status/pace` gives. A turn without a change only checks its effects.
 */
import type { Chance } from '../base/chance.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import { CostMeter, proceed, type Work } from '../base/work.ts'
import { KINDS } from '../cluster/source.ts'
import type { ObjectStore } from '../cluster/store.ts'
import type { View } from '../show/view.ts'
import { EventBook } from '../status/events.ts'
import { type NodeStatus, stateText } from '../status/node-status.ts'
import { allObjectConditions, conditionsRevision, type ObjectConditions } from '../status/object-conditions.ts'
import { COUNTERS_AFTER, EVENT_PACE, type NodeRank, Pace, STATUS_PACE, spreadOf } from '../status/pace.ts'
import { Survey } from '../status/survey.ts'
import type { LogLine } from './log-line.ts'
import type { Outbox } from './outbox.ts'

export interface StatusOptions {
  /** Objects have a status that conditions go to. */
  readonly conditions: boolean
  /** Key of the taint that nodes have until they are ready; undefined: none is ours. */
  readonly startupTaint?: string | undefined
}

interface Seen {
  readonly view: View
  readonly store: ObjectStore
  readonly out: Outbox
  readonly chance: Chance
}

/** The conditions of all objects, as text by name, and those that have changed. */
interface AllConditions {
  readonly texts: Map<string, string>
  readonly changed: readonly ObjectConditions[]
}

interface ConditionsWork {
  readonly revision: number
  readonly work: Work<AllConditions>
}

/** Budget for conditions in one turn, and cost of comparing one as text (measured: 1 to 3), in microseconds. */
const SHARE = 1_000
const TEXT_COST = 3
/** Pace of conditions: the holder of the Lease alone writes them, so it waits for no other node. */
const ALONE: NodeRank = { rank: 0, nodes: 0 }
/** A neighbor that cannot be reached changes its state all the time. */
const NO_NEWS = /^(?:session-transition|notification-(?:sent|received))$/

export class StatusKeeper {
  readonly #options: StatusOptions
  readonly #seen: Seen
  readonly #events: EventBook
  readonly #statusPace = new Pace(STATUS_PACE)
  readonly #eventPace = new Pace(EVENT_PACE)
  readonly #objectPace = new Pace({ delay: STATUS_PACE.delay, perNode: 0, gap: STATUS_PACE.gap })
  #ranked: (NodeRank & { readonly revision: number }) | undefined
  #survey: Survey | undefined
  #state = ''
  /** When it is written although only counts have changed. */
  #countersAt: Millis | undefined
  /** Problems of this node itself for which an Event was written. */
  #nodeProblems: ReadonlySet<string> = new Set()
  #isHolder = false
  /** The conditions written since the agent holds the Lease, by name of the object; undefined: none yet. */
  #objects: Map<string, string> | undefined
  /** The conditions of all objects are being computed, for this revision of what they depend on. */
  #conditionsWork: ConditionsWork | undefined
  /** The nodes of the last Effect `untaint`, by name and UID. */
  #tainted = ''

  constructor(options: StatusOptions, seen: Seen) {
    this.#options = options
    this.#seen = seen
    this.#events = new EventBook(seen.view.status().node)
  }

  deadline(): Millis | undefined {
    // No step does anything before that: what is due would be due all the time.
    if (!this.#seen.view.status().source.synced) return undefined
    if (this.#survey !== undefined || this.#conditionsWork !== undefined) return this.#seen.view.now
    const paces = earlier(this.#statusPace.due, this.#eventPace.due)
    return earlier(earlier(paces, this.#objectPace.due), this.#countersAt)
  }

  setHolder(held: boolean, now: Millis): void {
    if (held === this.#isHolder) return
    this.#isHolder = held
    this.#objects = undefined
    this.#conditionsWork = undefined
    this.#tainted = ''
    if (held) this.#objectPace.changed(ALONE, 0, now)
    else this.#objectPace.nothing()
  }

  objectsChanged(now: Millis): void {
    if (this.#isHolder && this.#objectPace.due === undefined) this.#objectPace.changed(ALONE, 0, now)
  }

  /** At the end of a turn: its effects show what happened. */
  step(now: Millis): void {
    const { view, out } = this.#seen
    if (!view.status().source.synced) return
    for (const effect of out.effects) if (effect.kind === 'log') this.#note(effect.line, now)
    if (this.#survey !== undefined) this.#goOn(this.#survey, now)
    else if (isDue(earlier(this.#statusPace.due, this.#countersAt), now)) this.#beginSurvey()
    if (isDue(this.#eventPace.due, now)) this.#emitEvents(now)
    if (this.#seen.store.isBetweenSteps) return
    if (isDue(this.#objectPace.due, now)) this.#beginConditions(now)
    if (this.#conditionsWork !== undefined) this.#continueConditions(this.#conditionsWork, now)
  }

  #note({ level, code, fields }: LogLine, now: Millis): void {
    if (level === 'debug' || NO_NEWS.test(code)) return
    const peer = String(fields.peer)
    // A lost node is not an Event for each session of the mesh.
    if (!peer.startsWith('Mesh_')) {
      if (code === 'session-up') this.#events.noteEstablished(peer)
      else if (code === 'session-down') this.#events.noteLost(peer, `${fields.class}: ${fields.error}`)
    }
    if (this.#statusPace.due === undefined) this.#plan(this.#statusPace, now)
    this.#planEvents(now)
  }

  #plan(pace: Pace, now: Millis): void {
    pace.changed(this.#rank(), this.#seen.view.epoch, now)
  }

  #planEvents(now: Millis): void {
    if (this.#events.isWaiting && this.#eventPace.due === undefined) this.#plan(this.#eventPace, now)
  }

  /** Counted again only after objects have changed. */
  #rank(): NodeRank {
    const { view, store } = this.#seen
    if (this.#ranked?.revision === store.revision) return this.#ranked
    const { node } = view.status()
    const nodes = store.table('Node')
    let rank = 0
    for (const name of nodes.keys()) if (name < node) rank++
    this.#ranked = { rank, nodes: nodes.size, revision: store.revision }
    return this.#ranked
  }

  /** What changes from here on is planned anew: the survey may have passed it. */
  #beginSurvey(): void {
    this.#statusPace.nothing()
    this.#survey = new Survey(this.#seen.view)
  }

  #goOn(survey: Survey, now: Millis): void {
    const status = survey.advance()
    if (status === undefined) return
    this.#survey = undefined
    this.#noteNodeProblems(now)
    this.#emitStatus(status, now)
  }

  /** An unchanged status is also written now and then: with its counts, and to show that the agent is alive. */
  #emitStatus(status: NodeStatus, now: Millis): void {
    const state = stateText(status)
    if (state === this.#state && !isDue(this.#countersAt, now)) return
    this.#state = state
    const { view, chance } = this.#seen
    const later = now + COUNTERS_AFTER * (1 + chance.next())
    this.#countersAt = this.#statusPace.moment(this.#rank(), view.epoch, later)
    const hasChanged = this.#statusPace.due !== undefined
    this.#statusPace.done(now)
    if (hasChanged) this.#plan(this.#statusPace, now)
    this.#seen.out.push({ kind: 'status', status, spread: spreadOf(this.#rank(), STATUS_PACE) })
  }

  /**
   * Events of errors (problems without a level) that belong to no object: the kernel, the port, BFD. Errors of the API could
   * not be written to it.
   */
  #noteNodeProblems(now: Millis): void {
    const own = this.#seen.view
      .problems()
      .filter(({ level, code, object }) => level === undefined && code !== 'source-trouble' && !isOfObject(object))
      .map(({ text }) => text)
    for (const text of own) if (!this.#nodeProblems.has(text)) this.#events.nodeProblem(text)
    this.#nodeProblems = new Set(own)
    this.#planEvents(now)
  }

  #emitEvents(now: Millis): void {
    const events = this.#events.take(now)
    this.#eventPace.done(now)
    if (events.length > 0) this.#seen.out.push({ kind: 'events', events, now })
  }

  #beginConditions(now: Millis): void {
    this.#objectPace.done(now)
    this.#conditionsWork = {
      revision: conditionsRevision(this.#seen.store),
      work: this.#computeConditions(this.#objects),
    }
  }

  /**
   * Where objects have changed meanwhile, the work is dropped and planned again, not begun at once: more such changes may
   * follow, and each would drop it again.
   */
  #continueConditions({ revision, work }: ConditionsWork, now: Millis): void {
    if (revision !== conditionsRevision(this.#seen.store)) {
      this.#conditionsWork = undefined
      this.#objectPace.changed(ALONE, 0, now)
      return
    }
    const done = proceed(work, SHARE)
    if (done === undefined) return
    this.#conditionsWork = undefined
    this.#emitConditions(done.result, now)
  }

  *#computeConditions(known: ReadonlyMap<string, string> | undefined): Work<AllConditions> {
    const all = yield* allObjectConditions(this.#seen.store)
    const texts = new Map<string, string>()
    const changed: ObjectConditions[] = []
    const meter = new CostMeter()
    for (const one of all) {
      const [key, text] = [`${one.kind}/${one.name}`, JSON.stringify(one)]
      texts.set(key, text)
      if (known?.get(key) !== text) changed.push(one)
      meter.add(TEXT_COST)
      if (meter.isDue) yield meter.take()
    }
    return { texts, changed }
  }

  #emitConditions({ texts, changed }: AllConditions, now: Millis): void {
    const whole = this.#objects === undefined
    this.#objects = texts
    if (this.#options.conditions && (whole || changed.length > 0)) {
      this.#seen.out.push({ kind: 'conditions', objects: changed, whole })
    }
    this.#noteErrors(changed, now)
    this.#emitUntaint()
  }

  #noteErrors(changed: readonly ObjectConditions[], now: Millis): void {
    for (const { kind, name, uid, errors } of changed) {
      if (errors.length > 0) this.#events.objectProblem({ kind, name, uid }, errors.join('\n'))
    }
    this.#planEvents(now)
  }

  /**
   * All nodes with the taint, ready or not: whether one is ready, its own agent writes to the API, and whoever removes the
   * taint reads it there (`edge/kubernetes/write/startup-taint`).
   */
  #emitUntaint(): void {
    const { startupTaint } = this.#options
    if (startupTaint === undefined) return
    const { store, out } = this.#seen
    const nodes = [...store.table('Node').values()]
      .filter(({ taints }) => taints.includes(startupTaint))
      .map(({ name }) => name)
      .sort()
    // One that is registered again under its name has the taint again, also where nobody saw it without.
    const tainted = nodes.map((name) => `${name} ${store.version('Node', name).uid}`).join()
    if (tainted === this.#tainted) return
    this.#tainted = tainted
    out.push({ kind: 'untaint', nodes })
  }
}

const isDue = (at: Millis | undefined, now: Millis): boolean => at !== undefined && at <= now

const isOfObject = (object: string): boolean => KINDS.some((kind) => object.startsWith(`${kind}/`))
