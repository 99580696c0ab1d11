/**
 * Writes the conditions of objects while this agent holds the Lease. Few objects are read one by one, many as a list,
 * and only differences are written.
 */

import type { Millis } from '../../../base/units.ts'
import { type ObjectConditions, STATUS_KINDS, type StatusKind } from '../../../status/object-conditions.ts'
import { formatSeconds, timed } from '../../../status/render.ts'
import { systemClock } from '../../clock.ts'
import { sleep } from '../../sleep.ts'
import { ApiError } from '../api.ts'
import { type ApiFields, fields } from '../trim.ts'
import type { JobTiming, RefusedInPart } from './job.ts'
import { metaOf, type ObjectClient, type ObjectPath } from './object-client.ts'

/** More objects of one kind than this are read as a list. */
const FEW = 10
/** Status codes that may concern all objects of a kind, and those that may concern one. */
const OF_KIND: readonly number[] = [403, 404]
const OF_OBJECT: readonly number[] = [400, 403, 404, 413, 422]
/** After so many objects in a row that are forbidden, the kind is: no others of it are tried. */
const MOST_FORBIDDEN = 10

export class ObjectStatusWriter {
  readonly #client: ObjectClient
  readonly #place: (kind: StatusKind) => ObjectPath
  readonly #timing: Pick<JobTiming, 'pause' | 'refusedPause'>
  readonly #waiting = new Map<string, ObjectConditions>()
  /** What the API did not take, of an object or of all of a kind: not tried again before its time, whatever else is written. */
  readonly #refused = new Map<ObjectConditions | StatusKind, { readonly refusal: ApiError; readonly until: Millis }>()
  /** How many objects of one kind were forbidden since one was written. */
  #forbidden = 0

  constructor(
    client: ObjectClient,
    place: (kind: StatusKind) => ObjectPath,
    timing: Pick<JobTiming, 'pause' | 'refusedPause'>,
  ) {
    this.#client = client
    this.#place = place
    this.#timing = timing
  }

  set(objects: readonly ObjectConditions[], whole: boolean): void {
    if (whole) this.clear()
    for (const one of objects) this.#waiting.set(keyOf(one), one)
  }

  /** Another agent holds the Lease. */
  clear(): void {
    this.#waiting.clear()
    this.#refused.clear()
  }

  /** A refusal of one object or kind holds up no other, and is tried again less often. Returns the first. */
  async write(signal: AbortSignal): Promise<RefusedInPart | undefined> {
    this.#forgetRefusals()
    for (const kind of STATUS_KINDS) {
      if (this.#refused.has(kind)) continue
      try {
        await this.#writeKind(kind, signal)
      } catch (error) {
        if (!(error instanceof ApiError) || !OF_KIND.includes(error.status)) throw error
        // A kind that the cluster does not know has no objects.
        if (error.status !== 404) this.#noteRefusal(kind, error)
      }
    }
    const [first] = this.#refused.values()
    return first && { refusal: first.refusal }
  }

  #noteRefusal(of: ObjectConditions | StatusKind, refusal: ApiError): void {
    this.#refused.set(of, { refusal, until: systemClock.now() + this.#timing.refusedPause })
  }

  /** Those whose time has come, and of conditions that are not wanted any more. */
  #forgetRefusals(): void {
    const now = systemClock.now()
    for (const [of, { until }] of this.#refused) {
      const isWanted = typeof of === 'string' || this.#waiting.get(keyOf(of)) === of
      if (until <= now || !isWanted) this.#refused.delete(of)
    }
  }

  async #writeKind(kind: StatusKind, signal: AbortSignal): Promise<void> {
    this.#forbidden = 0
    const waiting = [...this.#waiting.values()].filter((one) => one.kind === kind && !this.#refused.has(one))
    if (waiting.length > FEW) await this.#writeMany(kind, signal)
    else for (const one of waiting) await this.#writeOne(one, await this.#find(one, signal), signal)
  }

  #find({ kind, name }: ObjectConditions, signal: AbortSignal): Promise<ApiFields | undefined> {
    return this.#client.find(this.#place(kind), name, signal)
  }

  async #writeMany(kind: StatusKind, signal: AbortSignal): Promise<void> {
    const before = [...this.#waiting].filter(([, one]) => one.kind === kind)
    for await (const object of this.#client.list(this.#place(kind), signal)) {
      const one = this.#waiting.get(`${kind}/${metaOf(object).name}`)
      if (one !== undefined && !this.#refused.has(one)) await this.#writeOne(one, object, signal)
    }
    // Objects that were not on the list have been deleted. What was set meanwhile is written by the next run.
    for (const [key, one] of before)
      if (this.#waiting.get(key) === one && !this.#refused.has(one)) this.#waiting.delete(key)
  }

  async #writeOne(one: ObjectConditions, object: ApiFields | undefined, signal: AbortSignal): Promise<void> {
    const key = keyOf(one)
    const change = object === undefined ? undefined : changeOf(one, object)
    try {
      if (change !== undefined) {
        await this.#client.patch(this.#place(one.kind), one.name, change, signal, { part: '/status' })
        this.#forbidden = 0
        await sleep(this.#timing.pause, signal)
      }
    } catch (error) {
      if (!(error instanceof ApiError) || !OF_OBJECT.includes(error.status)) throw error
      if (error.status === 403 && ++this.#forbidden === MOST_FORBIDDEN) throw error
      // Deleted meanwhile: nothing is left to write.
      if (error.status !== 404) {
        this.#noteRefusal(one, error)
        await sleep(this.#timing.pause, signal)
        return
      }
    }
    if (this.#waiting.get(key) === one) this.#waiting.delete(key)
  }
}

const keyOf = ({ kind, name }: ObjectConditions): string => `${kind}/${name}`

/** Undefined where the object has these conditions already. */
function changeOf({ conditions, generation }: ObjectConditions, object: ApiFields): ApiFields | undefined {
  const before = fields(object.status).conditions
  const now = formatSeconds(Date.now())
  const wanted = timed(conditions, before, now, generation)
  if (sameConditions(wanted, before)) return undefined
  const { resourceVersion } = metaOf(object)
  return { metadata: { resourceVersion }, status: { conditions: wanted } }
}

function sameConditions(wanted: readonly object[], before: unknown): boolean {
  if (!Array.isArray(before) || before.length !== wanted.length) return false
  const texts = new Set(before.map(textOf))
  return wanted.every((one) => texts.has(textOf(one)))
}

const textOf = (condition: unknown): string =>
  JSON.stringify(Object.entries(fields(condition)).sort(([a], [b]) => (a < b ? -1 : 1)))
