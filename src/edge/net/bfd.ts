/**
 * Connects the engine to BFD, which runs in a thread of its own or in a process that outlives the agent.
 *
 * In: the Effect `bfd`. Out: the Input `bfd` for each report about sessions, and `bfd-error` when BFD cannot be
 * reached or can be reached again.
 */
import type { Millis } from '../../base/units.ts'
import type { BfdInput, BfdIntent, BfdNews, BfdView } from '../../bfd/types.ts'
import type { Effect } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'
import { fromMonotonicTime } from '../clock.ts'
import { errorText } from '../error-text.ts'

export type WatchEffect = Extract<Effect, { readonly kind: 'bfd' }>

/** BFD, wherever it runs. */
export interface BfdRunner {
  post(input: BfdInput): void
  stop(): Promise<void>
}

/**
 * Throws where it cannot be started. `hear` gets its reports, and while it is alive an empty list: at once, and then each
 * second. `ended` is called once, with the reason.
 */
export type StartBfd = (hear: (news: readonly BfdNews[]) => void, ended: (reason: string) => void) => BfdRunner

export interface BfdOptions {
  readonly feed: (input: Input) => void
  readonly start: StartBfd
  /** It runs on without us: it is told also that no session is wanted, since an earlier agent may have asked for some. */
  readonly outlivesUs: boolean
}

/** The pause before BFD is started again. */
const PAUSE: Millis = 1_000
/** A `show` command, and `stop`, wait this long for an answer of BFD. */
const TIMEOUT: Millis = 500

/** How often it is checked whether BFD is alive, and after how many checks without a word of it that is said. */
const CHECK: Millis = 1_000
const MOST_MISSED = 5
/** News in one Input: with a link, thousands of neighbors may be lost in one moment. */
const NEWS_AT_ONCE = 64
const SILENT = `it stands still: nothing has been heard of it for ${MOST_MISSED} s`

export class BfdEdge {
  readonly #feed: (input: Input) => void
  readonly #start: StartBfd
  readonly #outlivesUs: boolean
  readonly #asking = new Map<number, () => void>()
  #sessions: readonly BfdIntent[] = []
  #runner: BfdRunner | undefined
  #restart: NodeJS.Timeout | undefined
  #asked = 0
  /** Runs from the first sign of life: a process of an older version gives none. */
  #watch: NodeJS.Timeout | undefined
  /** Checks since it was heard. */
  #missed = 0
  #isSilenceTold = false
  #isStopped = false

  constructor({ feed, start, outlivesUs }: BfdOptions) {
    this.#feed = feed
    this.#start = start
    this.#outlivesUs = outlivesUs
  }

  perform({ sessions }: WatchEffect): void {
    if (this.#isStopped) return
    this.#sessions = sessions
    const isNeeded = sessions.length > 0 || this.#outlivesUs
    if (isNeeded && this.#runner === undefined && this.#restart === undefined) this.#run()
    else this.#post()
  }

  /** Resolves when BFD has reported everything, or after a time limit. */
  ask(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.#runner === undefined) return Promise.resolve()
    const id = ++this.#asked
    const timer = setTimeout(() => this.#asking.get(id)?.(), TIMEOUT)
    this.#asking.set(id, () => {
      clearTimeout(timer)
      this.#asking.delete(id)
      resolve()
    })
    this.#runner.post({ kind: 'ask', id })
    return promise
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#restart)
    clearInterval(this.#watch)
    // A reply means that the last list has been carried out: AdminDown has been sent.
    await this.ask()
    await this.#runner?.stop()
  }

  #run(): void {
    this.#restart = undefined
    try {
      this.#runner = this.#start(
        (news) => this.#hear(news),
        (reason) => this.#ended(reason),
      )
    } catch (error) {
      // The machine has no descriptor or no thread left.
      this.#ended(errorText(error))
    }
    this.#post()
  }

  #hear(news: readonly BfdNews[]): void {
    if (this.#missed >= MOST_MISSED) this.#wake()
    this.#missed = 0
    this.#isSilenceTold = false
    if (news.length === 0 && !this.#isStopped) this.#watch ??= setInterval(() => this.#check(), CHECK).unref()
    if (news.length === 0) return
    this.#feed({ kind: 'bfd-error', text: undefined })
    for (let at = 0; at < news.length; at += NEWS_AT_ONCE) {
      this.#feed({ kind: 'bfd', news: news.slice(at, at + NEWS_AT_ONCE).map(inOurTime) })
    }
    for (const one of news) if (one.kind === 'answer') this.#asking.get(one.id)?.()
  }

  /** After a long turn of our own its messages are read before the next check. */
  #check(): void {
    this.#missed++
    if (this.#missed < MOST_MISSED || this.#isSilenceTold || this.#sessions.length === 0) return
    this.#isSilenceTold = true
    this.#feed({ kind: 'bfd-error', text: SILENT })
  }

  /** It goes on: what it knew before counts no more, and it tells all anew. */
  #wake(): void {
    this.#feed({ kind: 'bfd-error', text: undefined })
    this.#runner?.post({ kind: 'ask', id: 0 })
  }

  #ended(reason: string): void {
    this.#runner = undefined
    clearInterval(this.#watch)
    this.#watch = undefined
    this.#missed = 0
    this.#isSilenceTold = false
    for (const answered of [...this.#asking.values()]) answered()
    if (this.#isStopped) return
    // Where no session is wanted, it need not be there.
    if (this.#sessions.length > 0) this.#feed({ kind: 'bfd-error', text: reason })
    this.#restart = setTimeout(() => this.#run(), PAUSE)
  }

  #post(): void {
    this.#runner?.post({ kind: 'sessions', sessions: this.#sessions })
  }
}

/** BFD counts time from the start of the machine, so that its times mean the same in every process. */
function inOurTime(news: BfdNews): BfdNews {
  const dated = (session: BfdView): BfdView => ({ ...session, since: fromMonotonicTime(session.since) })
  if (news.kind === 'report') return { ...news, session: dated(news.session) }
  return news.kind === 'answer' ? { ...news, sessions: news.sessions.map(dated) } : news
}
