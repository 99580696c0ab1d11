/**
 * Keeps up with one kind: lists it, watches from there, and begins again as often as needed, for ever.
 *
 * Out, to the sink: `replace` after the first list, then `upsert` and `delete`; trouble while the API does not answer as it
 * should. What was known stays in force meanwhile. Nothing is told twice: an event that changes nothing we keep is none.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Millis } from '../../base/units.ts'
import type { ObjectChange, ObjectRef } from '../../cluster/source.ts'
import { wordsOf } from '../os-words.ts'
import { pathOf, type Resource } from '../resources.ts'
import { type Api, ApiError, Silence } from './api.ts'
import { trimObject } from './trim.ts'

export interface ReflectorTiming {
  /** First pause after a failure; doubles up to `longestPause`, with jitter. */
  readonly firstPause: Millis
  readonly longestPause: Millis
  /** A connection on which nothing comes for this long is dead. The API sends a bookmark about every minute. */
  readonly silence: Millis
  /** How often to ask for a kind the cluster does not know. */
  readonly absentPause: Millis
  /** A kind that was there must be unknown for this long before its objects count as gone: servers say so while starting. */
  readonly absentGrace: Millis
  /** Objects asked for at once. */
  readonly pageSize: number
}

export const USUAL_TIMING: ReflectorTiming = {
  firstPause: 500,
  longestPause: 30_000,
  silence: 100_000,
  absentPause: 15_000,
  absentGrace: 60_000,
  pageSize: 500,
}

export interface Sink {
  change(change: ObjectChange): void
  /** The kind has been listed, or is known not to exist. */
  listed(): void
  /** The API does not answer as it should; undefined: it does. `ofServer`: that concerns every kind. */
  trouble(trouble: { readonly text: string; readonly ofServer: boolean } | undefined): void
}

interface Named {
  readonly ref: ObjectRef
  readonly object: unknown
  readonly from: undefined
}

/** The place we stand at is too old: list anew (HTTP 410). */
class Expired extends Error {}

/** So often in a row the server says no, and we doubt the place we stand at. */
const MOST_REFUSALS = 3

export class Reflector {
  readonly #resource: Resource
  readonly #api: Api
  readonly #sink: Sink
  readonly #timing: ReflectorTiming
  readonly #stop = new AbortController()
  /** The resourceVersion we stand at; undefined: list first. */
  #version: string | undefined
  #known = new Map<string, Named>()
  #listed = false
  #paged = true
  #failures = 0
  #refusals = 0
  #absentSince: Millis | undefined
  #troubled = false
  readonly #running: Promise<void>

  constructor(resource: Resource, api: Api, sink: Sink, timing: ReflectorTiming) {
    this.#resource = resource
    this.#api = api
    this.#sink = sink
    this.#timing = timing
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      let pause: Millis
      try {
        if (this.#version === undefined) await this.#list()
        pause = await this.#watch()
      } catch (error) {
        pause = this.#stop.signal.aborted ? 0 : this.#afterFailure(error)
      }
      await this.#wait(pause)
    }
  }

  async #list(): Promise<void> {
    const next = new Map<string, Named>()
    let token: string | undefined
    let version: string | undefined
    do {
      const page = pageOf(await this.#page(token))
      for (const item of page.items) this.#putListed(next, item)
      token = page.next
      version = page.version
    } while (token !== undefined)
    if (version === undefined) throw new Error('the list has no resourceVersion')
    this.#version = version
    this.#paged = true
    this.#refusals = 0
    this.#tellListed(next)
  }

  async #page(token: string | undefined): Promise<unknown> {
    const { silence, pageSize } = this.#timing
    const query = { limit: this.#paged ? pageSize : undefined, continue: token }
    try {
      return await this.#api.get(pathOf(this.#resource), query, Math.min(silence, 60_000), this.#stop.signal)
    } catch (error) {
      if (!isExpired(error)) throw error
      // The pages went stale while we read them: next time all at once.
      this.#paged = false
      throw new Expired()
    }
  }

  /** What is as it was stays the very object: nobody has to look into it again. */
  #putListed(next: Map<string, Named>, item: unknown): void {
    const named = this.#put(next, item)
    const before = this.#known.get(keyOf(item))
    if (named !== undefined && before !== undefined && isSame(before.object, named.object))
      next.set(keyOf(item), before)
  }

  /** The first list is told whole. Of a later one only what is new: ten thousand objects would hold up all sessions. */
  #tellListed(next: Map<string, Named>): void {
    const before = this.#known
    this.#known = next
    this.#absentSince = undefined
    if (this.#listed) this.#tellDifference(before, next)
    else this.#sink.change({ kind: 'replace', of: this.#resource.kind, objects: [...next.values()] })
    this.#listed = true
    this.#clearTrouble()
    this.#sink.listed()
  }

  #tellDifference(before: ReadonlyMap<string, Named>, next: ReadonlyMap<string, Named>): void {
    for (const [key, { ref }] of before) if (!next.has(key)) this.#sink.change({ kind: 'delete', ref })
    for (const [key, named] of next) if (before.get(key) !== named) this.#sink.change({ kind: 'upsert', ...named })
  }

  /** Follows changes until the server ends it; the pause before the next watch. */
  async #watch(): Promise<Millis> {
    const query = {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: this.#version,
      timeoutSeconds: Math.round(240 + 240 * Math.random()),
    }
    const { silence } = this.#timing
    let opened: Millis | undefined
    const onOpen = () => {
      opened = performance.now()
      this.#clearTrouble()
    }
    try {
      await this.#api.follow(pathOf(this.#resource), query, silence, this.#stop.signal, onOpen, (line) =>
        this.#event(line),
      )
    } catch (error) {
      // A server that sends no bookmarks looks just like one that is gone: a new watch finds out which it is.
      if (!(error instanceof Silence) || opened === undefined) throw error
    } finally {
      // One that lived a while was a good one: the next failure is a first one again.
      if (opened !== undefined && this.#livedLong(opened)) this.#failures = 0
    }
    // A server that hangs up at once must not be asked in a circle.
    return opened !== undefined && this.#livedLong(opened) ? 0 : this.#timing.firstPause
  }

  #livedLong(opened: Millis): boolean {
    return performance.now() - opened > this.#timing.firstPause
  }

  #event(line: string): void {
    const { type, object } = JSON.parse(line) as { type?: unknown; object?: unknown }
    const meta = metaOf(object)
    if (type === 'ERROR') throw watchError(object)
    this.#failures = 0
    this.#refusals = 0
    if (type === 'ADDED' || type === 'MODIFIED') this.#upsert(object)
    else if (type === 'DELETED') this.#delete(object)
    if (typeof meta.resourceVersion === 'string') this.#version = meta.resourceVersion
  }

  #upsert(object: unknown): void {
    const key = keyOf(object)
    const before = this.#known.get(key)
    const named = this.#put(this.#known, object)
    if (named === undefined) return
    // The store holds the old one: keeping a twin of it would cost its memory twice.
    if (before !== undefined && isSame(before.object, named.object)) this.#known.set(key, before)
    else this.#sink.change({ kind: 'upsert', ...named })
  }

  #delete(object: unknown): void {
    const before = this.#known.get(keyOf(object))
    if (before === undefined) return
    this.#known.delete(keyOf(object))
    this.#sink.change({ kind: 'delete', ref: before.ref })
  }

  /** An object without a name is none. */
  #put(into: Map<string, Named>, object: unknown): Named | undefined {
    const { name, namespace } = metaOf(object)
    if (typeof name !== 'string' || name === '') return undefined
    const ref = { kind: this.#resource.kind, namespace: typeof namespace === 'string' ? namespace : '', name }
    const named: Named = { ref, object: trimObject(this.#resource, object), from: undefined }
    into.set(keyOf(object), named)
    return named
  }

  /** Judges what went wrong; the pause before the next try. */
  #afterFailure(error: unknown): Millis {
    this.#failures++
    if (error instanceof Expired || isExpired(error)) {
      this.#version = undefined
      return this.#failures > 1 ? this.#backoff() : 0
    }
    if (error instanceof ApiError && error.status === 404 && this.#resource.custom) return this.#afterAbsence()
    if (error instanceof ApiError || error instanceof SyntaxError) this.#refusals++
    if (this.#refusals > MOST_REFUSALS) this.#version = undefined
    const kept = this.#listed ? '; what was known stays in force' : ''
    const ofServer = isOfServer(error)
    const place = ofServer ? '' : pathOf(this.#resource)
    this.#trouble(`${this.#api.server}${place}: ${wordsOf(error)}${kept}`, ofServer)
    return Math.max(this.#backoff(), error instanceof ApiError ? (error.retryAfter ?? 0) : 0)
  }

  /** The CRD is not installed. */
  #afterAbsence(): Millis {
    const now = performance.now()
    this.#version = undefined
    this.#absentSince ??= now
    const { kind, apiVersion, plural } = this.#resource
    this.#trouble(`${apiVersion} ${plural}: the cluster does not know ${kind}; install its CRD`)
    if (this.#listed && now - this.#absentSince < this.#timing.absentGrace) return this.#backoff()
    if (!this.#listed || this.#known.size > 0) {
      this.#known = new Map()
      this.#sink.change({ kind: 'replace', of: kind, objects: [] })
      this.#listed = true
      this.#sink.listed()
    }
    return this.#timing.absentPause * (0.75 + 0.5 * Math.random())
  }

  #backoff(): Millis {
    const { firstPause, longestPause } = this.#timing
    const most = Math.min(firstPause * 2 ** Math.min(this.#failures - 1, 20), longestPause)
    return most * (0.5 + 0.5 * Math.random())
  }

  #trouble(text: string, ofServer = false): void {
    this.#troubled = true
    this.#sink.trouble({ text, ofServer })
  }

  #clearTrouble(): void {
    if (!this.#troubled) return
    this.#troubled = false
    this.#sink.trouble(undefined)
  }

  async #wait(pause: Millis): Promise<void> {
    const { signal } = this.#stop
    if (pause <= 0 || signal.aborted) return
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, pause)
      signal.addEventListener('abort', done)
    })
  }
}

type Fields = Readonly<Record<string, unknown>>

const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {})
const metaOf = (object: unknown): Fields => fields(fields(object).metadata)

function keyOf(object: unknown): string {
  const { name, namespace } = metaOf(object)
  return `${namespace ?? ''}/${name}`
}

function pageOf(answer: unknown): { items: readonly unknown[]; next: string | undefined; version: string | undefined } {
  const { items } = fields(answer)
  const { continue: next, resourceVersion } = metaOf(answer)
  return {
    items: Array.isArray(items) ? items : [],
    next: typeof next === 'string' && next !== '' ? next : undefined,
    version: typeof resourceVersion === 'string' ? resourceVersion : undefined,
  }
}

/** It did not come to an answer, or we are a stranger to the server: no other kind will fare better. */
function isOfServer(error: unknown): boolean {
  if (error instanceof ApiError) return error.status === 401
  return error instanceof Silence || typeof (error as NodeJS.ErrnoException | undefined)?.code === 'string'
}

const isExpired = (error: unknown): boolean => error instanceof ApiError && error.status === 410

/** A watch that fails after it began says so with a Status object in the stream. */
function watchError(status: unknown): Error {
  const { code, message } = fields(status)
  if (code === 410) return new Expired()
  return new ApiError(typeof code === 'number' ? code : 500, String(message ?? 'the watch failed'), undefined)
}

function isSame(old: unknown, next: unknown): boolean {
  try {
    return isDeepStrictEqual(old, next)
  } catch {
    // Nested too deep to compare.
    return false
  }
}
