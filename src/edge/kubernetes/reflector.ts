/**
 * Follows the objects of one kind: lists them, watches for changes, and starts again after each failure.
 *
 * Out, to the sink: the first list as `replace` (`list-report.ts`), then `upsert` and `delete`; `error` while the API does
 * not answer as it should. The last known objects stay in force meanwhile. An event that changes no field that we keep is
 * not passed on (`digests.ts`).
 */
import { inMillis, type Millis } from '../../base/units.ts'
import type { ObjectChange } from '../../cluster/source.ts'
import { errorText } from '../error-text.ts'
import { pathOf, type Resource } from '../resources.ts'
import { sleep } from '../sleep.ts'
import {
  isBefore,
  isExpired,
  isOfServer,
  isUnreached,
  mayConcernVersion,
  metadataOf,
  pageOf,
  watchError,
} from './answers.ts'
import { type Api, ApiError, Silence } from './api.ts'
import type { Contact } from './contact.ts'
import { Digests, type Listed } from './digests.ts'
import { ListReport, type NamedObject } from './list-report.ts'

export interface ReflectorTiming {
  /** First pause after a failure; doubles up to `longestPause`, with jitter. */
  readonly firstPause: Millis
  readonly longestPause: Millis
  /** A connection without data for this long is dead. The API sends a bookmark about every minute. */
  readonly silence: Millis
  /** How often to ask for a kind that the cluster does not have. */
  readonly absentPause: Millis
  /**
   * A kind that existed must be unknown for this long, by every answer, before its objects count as deleted: a server
   * that is starting also reports it as unknown.
   */
  readonly absentGrace: Millis
  /** The same for a kind that was never listed: until then nothing is known about its objects. */
  readonly absentAtStart: Millis
  /** Objects per page. */
  readonly pageSize: number
}

export const USUAL_TIMING: ReflectorTiming = {
  firstPause: 500,
  longestPause: 30_000,
  silence: 100_000,
  absentPause: 15_000,
  absentGrace: 60_000,
  absentAtStart: 10_000,
  pageSize: 500,
}

export interface Sink {
  change(change: ObjectChange): void
  /** The kind has been listed, or the cluster does not have it. */
  listed(): void
  /** The API does not answer as it should; undefined: it does. `ofServer`: the failure concerns every kind. */
  error(error: { readonly text: string; readonly ofServer: boolean } | undefined): void
  /** The server has an older state than it had: what was written to it since then is lost. */
  restored?(): void
}

/** After this many refusals in a row that may be due to the resourceVersion, it is no longer trusted. */
const MOST_REFUSALS = 3

export class Reflector {
  readonly #resource: Resource
  /** Where it is asked for, of the places where it may be. */
  #place: Resource
  /** How many API groups in a row did not have the kind. */
  #absentIn = 0
  readonly #api: Api
  readonly #sink: Sink
  readonly #timing: ReflectorTiming
  readonly #contact: Contact
  readonly #stop = new AbortController()
  /** The resourceVersion to watch from; undefined: list first. */
  #version: string | undefined
  readonly #known: Digests
  #listed = false
  /** Objects per page: more after pages expired while they were read, in time all in one page. */
  #pageSize: number
  /** The server supports our field selector, as far as we know. */
  #selects = true
  #failures = 0
  /** When the last watch failed or ended early: the server may have been restarted since, with an older state. */
  #endedAt: Millis | undefined
  /** Errors in a row that may be due to the resourceVersion. */
  #refusals = 0
  /** Since when every answer has been that the server does not know the kind. */
  #absentSince: Millis | undefined
  #hasError = false
  readonly #running: Promise<void>

  constructor(resource: Resource, api: Api, sink: Sink, timing: ReflectorTiming, contact: Contact) {
    this.#resource = resource
    this.#place = resource
    this.#known = new Digests(resource.kind)
    this.#contact = contact
    this.#pageSize = timing.pageSize
    this.#api = api
    this.#sink = sink
    this.#timing = timing
    this.#running = this.#run()
  }

  /** Where the objects are read now: Calico's may be in either of two API groups. */
  get place(): Resource {
    return this.#place
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (this.#contact.mustWait(this)) this.#forgetOwnTrouble()
      if (await this.#contact.awaitTurn(this, this.#stop.signal)) this.#failures = 0
      let pause: Millis
      try {
        const [version, endedAt] = [this.#version, this.#endedAt]
        if (version !== undefined && endedAt !== undefined) await this.#compareVersions(version, endedAt)
        if (this.#version === undefined) await this.#list()
        pause = await this.#watch()
      } catch (error) {
        pause = this.#stop.signal.aborted ? 0 : this.#afterFailure(error)
      }
      await this.#wait(pause)
    }
    this.#contact.left(this)
  }

  /** Another kind asks for all meanwhile: what we heard before it lost the server proves nothing afterwards. */
  #forgetOwnTrouble(): void {
    this.#clearError()
    this.#absentSince = undefined
  }

  /**
   * A server whose storage is restored from a backup counts versions from there again. A watch from our version would not
   * report what changes before that version is reached: all is listed anew.
   */
  async #compareVersions(ours: string, endedAt: Millis): Promise<void> {
    const shared = await this.#contact.versionAfter(endedAt, () => this.#readVersion())
    // Kinds usually share one storage; whether this one does, its own answer says.
    const isRestored = isBefore(shared, ours) && isBefore(await this.#readVersion(), ours)
    this.#endedAt = undefined
    if (!isRestored) return
    this.#version = undefined
    this.#sink.restored?.()
  }

  /** What the server is at. */
  async #readVersion(): Promise<string | undefined> {
    const query = { ...this.#selection(), limit: 1 }
    const silence = Math.min(this.#timing.silence, 60_000)
    const answer = await this.#api.list(pathOf(this.#place), query, { silence, signal: this.#stop.signal }, () => {})
    if (this.#contact.heard()) this.#failures = 0
    return pageOf(answer).version
  }

  async #list(): Promise<void> {
    let isSpread = !this.#listed
    const report = new ListReport(this.#resource, (change) => this.#sink.change(change), !this.#listed)
    const listed: Listed = new Map()
    let token: string | undefined
    let version: string | undefined
    do {
      // If all agents of a large cluster listed at once, a server that has just come back would fail again. While it is
      // lost, a first page shows whether it is back: all other kinds wait for this one.
      if (!isSpread && !this.#contact.isLost) {
        isSpread = true
        await this.#wait(this.#contact.spread * Math.random())
      }
      const fresh: NamedObject[] = []
      const onItem = (item: unknown): void => {
        const named = this.#known.takeListed(item, this.#place, listed)
        if (named !== undefined) fresh.push(named)
      }
      const page = pageOf(await this.#page(token, onItem))
      report.page(fresh, page.next === undefined)
      // What was passed on must be known also where a later page fails: the next list may not have it any more.
      if (this.#listed) this.#known.keep(fresh, listed)
      token = page.next
      version = page.version
    } while (token !== undefined)
    if (version === undefined) throw new Error('the list has no resourceVersion')
    this.#version = version
    this.#endedAt = undefined
    this.#pageSize = this.#timing.pageSize
    this.#refusals = 0
    this.#reportListed(listed)
  }

  /** Objects are trimmed as they arrive. */
  async #page(token: string | undefined, onItem: (item: unknown) => void): Promise<unknown> {
    const query = { ...this.#selection(), limit: this.#pageSize, continue: token }
    const silence = Math.min(this.#timing.silence, 60_000)
    try {
      const page = await this.#api.list(pathOf(this.#place), query, { silence, signal: this.#stop.signal }, onItem)
      this.#contact.heard()
      return page
    } catch (error) {
      if (token !== undefined && isExpired(error)) this.#pageSize *= 2
      throw error
    }
  }

  #selection(): Resource['selection'] {
    const { labelSelector, fieldSelector } = this.#resource.selection ?? {}
    return { labelSelector, fieldSelector: this.#selects ? fieldSelector : undefined }
  }

  /** The last page has arrived: an object on none of the pages has been deleted. */
  #reportListed(listed: Listed): void {
    for (const ref of this.#known.replace(listed)) this.#sink.change({ kind: 'delete', ref })
    this.#noteNodes()
    this.#absentSince = undefined
    this.#absentIn = 0
    this.#listed = true
    this.#clearError()
    this.#sink.listed()
  }

  #noteNodes(): void {
    if (this.#resource.kind === 'Node') this.#contact.nodes = this.#known.size
  }

  /** Watches until the server ends the watch; returns the pause before the next one. */
  async #watch(): Promise<Millis> {
    const timeoutSeconds = Math.round(240 + 240 * Math.random())
    const query = {
      ...this.#selection(),
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: this.#version,
      timeoutSeconds,
    }
    const { silence } = this.#timing
    let opened: Millis | undefined
    const onOpen = () => {
      opened = performance.now()
      this.#contact.heard()
      this.#clearError()
    }
    try {
      await this.#api.follow(pathOf(this.#place), query, { silence, signal: this.#stop.signal }, onOpen, (line) =>
        this.#event(line),
      )
    } catch (error) {
      this.#endedAt = performance.now()
      // A server without bookmarks looks like a dead connection: a new watch shows which it is.
      if (!(error instanceof Silence) || opened === undefined) throw error
    } finally {
      // A watch that lasted a while was good: the next failure counts as a first one.
      if (opened !== undefined && this.#livedLong(opened)) this.#failures = 0
    }
    if (opened !== undefined) this.#noteEnd(opened + inMillis(timeoutSeconds - 1))
    // A server that ends each watch at once must not be asked in a tight loop.
    return opened !== undefined && this.#livedLong(opened) ? 0 : this.#timing.firstPause
  }

  /** The server has ended the watch: that is usual when its time is over. */
  #noteEnd(due: Millis): void {
    const now = performance.now()
    if (now < due) this.#endedAt = now
  }

  #livedLong(opened: Millis): boolean {
    return performance.now() - opened > this.#timing.firstPause
  }

  #event(line: string): void {
    const { type, object } = JSON.parse(line) as { type?: unknown; object?: unknown }
    const meta = metadataOf(object)
    if (type === 'ERROR') throw watchError(object)
    this.#failures = 0
    this.#refusals = 0
    if (type === 'ADDED' || type === 'MODIFIED') this.#upsert(object)
    else if (type === 'DELETED') this.#delete(object)
    if (typeof meta.resourceVersion === 'string') this.#version = meta.resourceVersion
  }

  #upsert(object: unknown): void {
    const named = this.#known.take(object, this.#place)
    if (named !== undefined) this.#sink.change({ kind: 'upsert', ...named })
    this.#noteNodes()
  }

  #delete(object: unknown): void {
    const ref = this.#known.remove(object)
    if (ref === undefined) return
    this.#sink.change({ kind: 'delete', ref })
    this.#noteNodes()
  }

  /** Handles a failure; returns the pause before the next try. */
  #afterFailure(error: unknown): Millis {
    const isAbsent = error instanceof ApiError && error.status === 404 && this.#resource.custom
    if (!isAbsent) this.#absentSince = undefined
    if (isUnreached(error)) this.#contact.failed(this)
    // A server that is back and refuses is asked again soon: the earlier failures were those of the connection.
    else if (this.#contact.heard()) this.#failures = 0
    this.#failures++
    if (this.#isUnselectable(error)) return 0
    if (isExpired(error)) {
      this.#version = undefined
      return this.#failures > 1 ? this.#backoff() : 0
    }
    if (isAbsent) return this.#afterAbsence()
    if (mayConcernVersion(error)) this.#refusals++
    if (this.#refusals > MOST_REFUSALS) this.#version = undefined
    const kept = this.#listed ? '; the objects known so far stay in force' : ''
    const ofServer = isOfServer(error)
    const place = ofServer ? '' : pathOf(this.#place)
    this.#error(`${this.#api.server}${place}: ${errorText(error)}${kept}`, ofServer)
    return Math.max(this.#backoff(), error instanceof ApiError ? (error.retryAfter ?? 0) : 0)
  }

  /** The CRD is not installed. */
  #afterAbsence(): Millis {
    const now = performance.now()
    this.#version = undefined
    this.#absentSince ??= now
    const absentFor = now - this.#absentSince
    // Where it was known before, it is awaited first: elsewhere may be what a move has left behind.
    const isAwaited = this.#known.size > 0 && absentFor < this.#timing.absentGrace
    if (!isAwaited && this.#turnElsewhere()) return 0
    const { kind, apiVersion, elsewhere, plural } = this.#resource
    const places = [apiVersion, ...(elsewhere === undefined ? [] : [elsewhere])].join(' and ')
    this.#error(`${places} ${plural}: the cluster does not know ${kind}; install its CRD`)
    const grace = this.#listed ? this.#timing.absentGrace : this.#timing.absentAtStart
    if (absentFor < grace) return this.#backoff()
    if (!this.#listed || this.#known.size > 0) {
      this.#known.replace(new Map())
      this.#sink.change({ kind: 'replace', of: kind, objects: [] })
      this.#listed = true
      this.#sink.listed()
    }
    return this.#timing.absentPause * (0.75 + 0.5 * Math.random())
  }

  /** Whether there is a place that was not asked yet. */
  #turnElsewhere(): boolean {
    const { elsewhere } = this.#resource
    if (elsewhere === undefined) return false
    this.#place = this.#place === this.#resource ? { ...this.#resource, apiVersion: elsewhere } : this.#resource
    this.#absentIn++
    if (this.#absentIn % 2 === 0) return false
    this.#failures--
    return true
  }

  /** Older servers cannot select Services by cluster IP: from then on all are read. */
  #isUnselectable(error: unknown): boolean {
    const isRefused = error instanceof ApiError && error.status === 400 && this.#selects
    if (!isRefused || this.#resource.selection?.fieldSelector === undefined) return false
    // Without the selector, the objects of the whole cluster would be read.
    if (this.#resource.kind === 'Secret' || this.#resource.kind === 'Pod') return false
    this.#selects = false
    this.#version = undefined
    return true
  }

  #backoff(): Millis {
    const { firstPause } = this.#timing
    const longestPause = Math.min(this.#timing.longestPause, this.#contact.longestPause)
    const failures = Math.max(this.#failures, this.#contact.failures)
    const most = Math.min(firstPause * 2 ** Math.min(failures - 1, 20), longestPause)
    return most * (0.5 + 0.5 * Math.random())
  }

  #error(text: string, ofServer = false): void {
    this.#hasError = true
    this.#sink.error({ text, ofServer })
  }

  #clearError(): void {
    if (!this.#hasError) return
    this.#hasError = false
    this.#sink.error(undefined)
  }

  #wait(pause: Millis): Promise<void> {
    return sleep(pause, this.#stop.signal)
  }
}
