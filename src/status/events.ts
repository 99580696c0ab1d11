/**
 * Kubernetes Events, as `kubectl describe` shows them. Sessions that went up or down since the last Event share one. An
 * Event that repeats within 50 minutes (`COUNTED_FOR`) raises the count of the existing one. The number of Events per hour is
 * limited, so that a repeated fault does not fill the API.
 */
import type { Millis } from '../base/units.ts'
import { shownLines } from './bounds.ts'

/** What an Event is about: `Node/worker-1`, `BGPPeer/rack-1`. */
export interface Regarding {
  readonly kind: string
  readonly name: string
  /** Of this very object, where it is known: one that is created again has Events of its own. */
  readonly uid?: string | undefined
}

export interface EventPlan {
  readonly regarding: Regarding
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly action: string
  readonly note: string
  /** First and last time it happened, and how often. */
  readonly first: Millis
  readonly last: Millis
  readonly count: number
  /**
   * True: the Event is written once, by whichever agent is first, and not again while the API keeps it. False: each agent
   * writes one of its own, and counts its repetitions.
   */
  readonly once: boolean
}

/** For how long after the last one a repetition is counted in the same Event. The API keeps Events for an hour. */
const COUNTED_FOR: Millis = 3_000_000
/** How many Events may be written at once. */
const MOST_AT_ONCE = 10
/** The time after which one more may be written. */
const REFILL: Millis = 120_000
/** How many different Events are remembered; and how many sessions, faults and problems, until an Event tells of them. */
const MOST_KNOWN = 64
/** Octets of a note: the API takes a kilobyte. */
const LONGEST_NOTE = 1_000
/** How many sessions one Event names. */
const MOST_NAMED = 10

/** A session that was lost since the last Event. */
interface Lost {
  readonly why: string
  /** It was Established again before this was written. */
  isBack: boolean
}

type Fresh = Pick<EventPlan, 'regarding' | 'type' | 'reason' | 'action' | 'note' | 'once'>

export class EventBook {
  readonly #node: Regarding
  readonly #lost = new Map<string, Lost>()
  readonly #established = new Set<string>()
  readonly #waiting: Fresh[] = []
  readonly #known = new Map<string, EventPlan>()
  #tokens = MOST_AT_ONCE
  #filledAt: Millis = 0
  #dropped = 0

  constructor(node: string) {
    this.#node = { kind: 'Node', name: node }
  }

  /** An Event is to be written. */
  get isWaiting(): boolean {
    return this.#lost.size + this.#established.size + this.#waiting.length > 0
  }

  noteLost(peer: string, why: string): void {
    this.#established.delete(peer)
    if (this.#lost.size < MOST_KNOWN) this.#lost.set(peer, { why, isBack: false })
  }

  noteEstablished(peer: string): void {
    const lost = this.#lost.get(peer)
    if (lost !== undefined) lost.isBack = true
    else if (this.#established.size < MOST_KNOWN) this.#established.add(peer)
  }

  /** A problem of this node, not of an object. */
  nodeProblem(text: string): void {
    this.#wait({
      regarding: this.#node,
      type: 'Warning',
      reason: 'NodeProblem',
      action: 'Run',
      note: text,
      once: false,
    })
  }

  /** An object has a fault. */
  objectProblem(regarding: Regarding, text: string): void {
    this.#wait({
      regarding,
      type: 'Warning',
      reason: 'ConfigurationError',
      action: 'Configure',
      note: text,
      once: true,
    })
  }

  /** Events beyond the first `MOST_KNOWN` are only counted. */
  #wait(event: Fresh): void {
    if (this.#waiting.length < MOST_KNOWN) this.#waiting.push(event)
    else this.#dropped++
  }

  /** The Events to write now. */
  take(now: Millis): readonly EventPlan[] {
    const fresh = [...this.#sessionEvents(), ...this.#waiting]
    this.#lost.clear()
    this.#established.clear()
    this.#waiting.length = 0
    this.#refill(now)
    for (const [key, { last }] of this.#known) if (now - last > COUNTED_FOR) this.#known.delete(key)
    return fresh.flatMap((event) => this.#plan(event, now) ?? [])
  }

  *#sessionEvents(): Iterable<Fresh> {
    const common = { regarding: this.#node, once: false, action: 'Peer' } as const
    if (this.#lost.size > 0) {
      const lost = [...this.#lost].map(([peer, { why, isBack }]) => `${peer}${isBack ? ' (back)' : ''}: ${why}`)
      yield { ...common, type: 'Warning', reason: 'SessionLost', note: listed(lost) }
    }
    if (this.#established.size > 0)
      yield { ...common, type: 'Normal', reason: 'SessionEstablished', note: listed([...this.#established]) }
  }

  #plan(event: Fresh, now: Millis): EventPlan | undefined {
    const note = shownLines(event.note.split('\n'), LONGEST_NOTE)
    const key = [event.reason, event.regarding.kind, event.regarding.name, event.regarding.uid, note].join('\n')
    const known = this.#known.get(key)
    // It is reported again for the same object: its Event exists already.
    if (known !== undefined && event.once) return undefined
    if (this.#tokens < 1) {
      this.#dropped++
      return undefined
    }
    this.#tokens--
    const plan = { ...event, note, first: known?.first ?? now, last: now, count: (known?.count ?? 0) + 1 }
    this.#known.delete(key)
    this.#known.set(key, plan)
    for (const [oldest] of this.#known) {
      if (this.#known.size <= MOST_KNOWN) break
      this.#known.delete(oldest)
    }
    return plan
  }

  #refill(now: Millis): void {
    this.#tokens = Math.min(MOST_AT_ONCE, this.#tokens + (now - this.#filledAt) / REFILL)
    this.#filledAt = now
  }

  /** The Events that were not written because of the limit. */
  get dropped(): number {
    return this.#dropped
  }
}

/** Where `texts` are as many as are remembered, there may be others. */
function listed(texts: readonly string[]): string {
  const least = texts.length < MOST_KNOWN ? '' : 'at least '
  const more = texts.length > MOST_NAMED ? `; ${least}${texts.length - MOST_NAMED} more` : ''
  return `${texts.slice(0, MOST_NAMED).join('; ')}${more}`
}
