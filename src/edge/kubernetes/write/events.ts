/**
 * Writes Events (events.k8s.io/v1), one after the other. Events about objects without a namespace must be in `default`,
 * where `kubectl describe` looks for them. A repeated Event raises the count of the existing one. The queue is bounded; the
 * oldest are dropped.
 */
import { createHash } from 'node:crypto'
import type { Millis } from '../../../base/units.ts'
import type { EventPlan, Regarding } from '../../../status/events.ts'
import { systemClock } from '../../clock.ts'
import { EVENT_RESOURCE } from '../../resources.ts'
import { sleep } from '../../sleep.ts'
import { ApiError } from '../api.ts'
import type { ApiFields } from '../trim.ts'
import type { RefusedInPart } from './job.ts'
import { microTime } from './micro-time.ts'
import { metaOf, type ObjectClient, type ObjectPath } from './object-client.ts'

const MOST_WAITING = 32
const MOST_KNOWN = 64
const CONTROLLER = 'godwit.dev/agent'
const IN_DEFAULT: ObjectPath = { ...EVENT_RESOURCE, namespace: 'default' }

export class EventWriter {
  readonly #client: ObjectClient
  readonly #node: string
  readonly #place: (regarding: Regarding) => ObjectPath | undefined
  readonly #pause: Millis
  readonly #waiting: EventPlan[] = []
  /** Names of existing Events, by their content. */
  readonly #known = new Map<string, string>()
  #made = 0

  constructor(
    client: ObjectClient,
    node: string,
    place: (regarding: Regarding) => ObjectPath | undefined,
    pause: Millis,
  ) {
    this.#client = client
    this.#node = node
    this.#place = place
    this.#pause = pause
  }

  add(events: readonly EventPlan[]): void {
    this.#waiting.push(...events)
    this.#waiting.splice(0, this.#waiting.length - MOST_WAITING)
  }

  /** An Event that the API refuses for itself is dropped, so that it holds up no other. Returns the first refusal. */
  async write(signal: AbortSignal): Promise<RefusedInPart | undefined> {
    let refusal: ApiError | undefined
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        await this.#write(next, signal)
      } catch (error) {
        if (!isOfThisEvent(error)) throw error
        refusal ??= error
      }
      // `add` may have dropped it meanwhile.
      const at = this.#waiting.indexOf(next)
      if (at >= 0) this.#waiting.splice(at, 1)
      if (this.#waiting.length > 0) await sleep(this.#pause, signal)
      if (signal.aborted) break
    }
    return refusal && { refusal }
  }

  async #write(plan: EventPlan, signal: AbortSignal): Promise<void> {
    const key = JSON.stringify([plan.reason, plan.regarding, plan.note])
    const known = this.#known.get(key)
    if (known !== undefined && plan.count > 1 && (await this.#count(known, plan, signal))) {
      this.#know(key, known)
      return
    }
    const place = this.#place(plan.regarding)
    if (place === undefined) return
    // Where it is known which object is meant: there may be another one of its name by now.
    const uid = plan.regarding.uid ?? metaOf(await this.#client.find(place, plan.regarding.name, signal)).uid
    const name = this.#nameOf(plan)
    try {
      await this.#client.create(IN_DEFAULT, this.#eventOf(plan, name, place, uid), signal)
    } catch (error) {
      // One that is written once: the previous holder of the Lease has written it.
      if (!(error instanceof ApiError) || error.status !== 409) throw error
    }
    if (!plan.once) this.#know(key, name)
  }

  /** The one that was used longest ago is forgotten first. */
  #know(key: string, name: string): void {
    this.#known.delete(key)
    this.#known.set(key, name)
    const [oldest] = this.#known.keys()
    if (this.#known.size > MOST_KNOWN && oldest !== undefined) this.#known.delete(oldest)
  }

  /** False: the API has deleted it. */
  async #count(name: string, plan: EventPlan, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#client.patch(IN_DEFAULT, name, { series: seriesOf(plan) }, signal)
      return true
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false
      throw error
    }
  }

  /** An Event that is written once has the same name whichever agent writes it. */
  #nameOf({ once, reason, note, regarding }: EventPlan): string {
    const base = regarding.name.slice(0, 200).replace(/[-.]+$/, '')
    if (once)
      return `${base}.${createHash('sha256').update([reason, regarding.kind, regarding.uid, note].join('\n')).digest('hex').slice(0, 16)}`
    return `${base}.${Date.now().toString(16)}${(this.#made++ % 256).toString(16).padStart(2, '0')}`
  }

  #eventOf(plan: EventPlan, name: string, { apiVersion, kind }: ObjectPath, uid: unknown): ApiFields {
    const { first, type, reason, action, note, regarding } = plan
    return {
      apiVersion: EVENT_RESOURCE.apiVersion,
      kind: EVENT_RESOURCE.kind,
      metadata: { name, namespace: IN_DEFAULT.namespace },
      eventTime: microTime(systemClock.epoch + first),
      ...(plan.count > 1 && { series: seriesOf(plan) }),
      reportingController: CONTROLLER,
      reportingInstance: this.#node.slice(0, 128),
      type,
      reason,
      action,
      note,
      regarding: { apiVersion, kind, name: regarding.name, ...(typeof uid === 'string' && { uid }) },
    }
  }
}

/** The API takes at least 2. */
const seriesOf = ({ count, last }: EventPlan) => ({
  count,
  lastObservedTime: microTime(systemClock.epoch + last),
})

/** Its kind is not served, or its content is not accepted: another Event may pass. */
const isOfThisEvent = (error: unknown): error is ApiError =>
  error instanceof ApiError && [400, 404, 413, 422].includes(error.status)
