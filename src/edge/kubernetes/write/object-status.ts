/**
 * Writes the conditions of objects while this agent holds the Lease. Few objects are read one by one, many as a list,
 * and only differences are written.
 */

import type { Millis } from '../../../base/units.ts'
import { type ObjectConditions, STATUS_KINDS, type StatusKind } from '../../../status/object-conditions.ts'
import { formatSeconds, timed } from '../../../status/render.ts'
import { sleep } from '../../sleep.ts'
import { ApiError } from '../api.ts'
import { type ApiFields, fields } from '../trim.ts'
import type { RefusedInPart } from './job.ts'
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
  readonly #pause: Millis
  readonly #waiting = new Map<string, ObjectConditions>()
  /** What the API did not take of one kind. */
  readonly #refused = new Set<ObjectConditions>()
  /** The first refusal of this run. */
  #refusal: ApiError | undefined
  /** How many objects of one kind were forbidden since one was written. */
  #forbidden = 0

  constructor(client: ObjectClient, place: (kind: StatusKind) => ObjectPath, pause: Millis) {
    this.#client = client
    this.#place = place
    this.#pause = pause
  }

  set(objects: readonly ObjectConditions[], whole: boolean): void {
    if (whole) this.#waiting.clear()
    for (const one of objects) this.#waiting.set(`${one.kind}/${one.name}`, one)
  }

  /** Another agent holds the Lease. */
  clear(): void {
    this.#waiting.clear()
  }

  /** A refusal of one object or kind holds up no other. Returns the first. */
  async write(signal: AbortSignal): Promise<RefusedInPart | undefined> {
    this.#refusal = undefined
    for (const kind of STATUS_KINDS) {
      try {
        await this.#writeKind(kind, signal)
      } catch (error) {
        if (!(error instanceof ApiError) || !OF_KIND.includes(error.status)) throw error
        // A kind that the cluster does not know has no objects.
        if (error.status !== 404) this.#refusal ??= error
      }
    }
    return this.#refusal && { refusal: this.#refusal }
  }

  async #writeKind(kind: StatusKind, signal: AbortSignal): Promise<void> {
    this.#forbidden = 0
    const waiting = [...this.#waiting.values()].filter((one) => one.kind === kind)
    if (waiting.length > FEW) await this.#writeMany(kind, signal)
    else for (const one of waiting) await this.#writeOne(one, await this.#find(one, signal), signal)
  }

  #find({ kind, name }: ObjectConditions, signal: AbortSignal): Promise<ApiFields | undefined> {
    return this.#client.find(this.#place(kind), name, signal)
  }

  async #writeMany(kind: StatusKind, signal: AbortSignal): Promise<void> {
    const before = [...this.#waiting].filter(([, one]) => one.kind === kind)
    this.#refused.clear()
    for await (const object of this.#client.list(this.#place(kind), signal)) {
      const one = this.#waiting.get(`${kind}/${metaOf(object).name}`)
      if (one !== undefined) await this.#writeOne(one, object, signal)
    }
    // Objects that were not on the list have been deleted. What was set meanwhile is written by the next run.
    for (const [key, one] of before)
      if (this.#waiting.get(key) === one && !this.#refused.has(one)) this.#waiting.delete(key)
  }

  async #writeOne(one: ObjectConditions, object: ApiFields | undefined, signal: AbortSignal): Promise<void> {
    const key = `${one.kind}/${one.name}`
    const change = object === undefined ? undefined : changeOf(one, object)
    try {
      if (change !== undefined) {
        await this.#client.patch(this.#place(one.kind), one.name, change, signal, { part: '/status' })
        this.#forbidden = 0
        await sleep(this.#pause, signal)
      }
    } catch (error) {
      if (!(error instanceof ApiError) || !OF_OBJECT.includes(error.status)) throw error
      if (error.status === 403 && ++this.#forbidden === MOST_FORBIDDEN) throw error
      // Deleted meanwhile: nothing is left to write.
      if (error.status !== 404) {
        this.#refusal ??= error
        this.#refused.add(one)
        await sleep(this.#pause, signal)
        return
      }
    }
    if (this.#waiting.get(key) === one) this.#waiting.delete(key)
  }
}

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
