/**
 * `godwit bfd`: BFD in a process of its own, so that an agent can restart without a router noticing. It does what the
 * agent that connected last asks for, and continues when that agent has gone.
 *
 * SIGTERM means that another run follows: neighbors are asked to wait for half a minute, and a file beside the socket
 * holds what the next run must know. SIGINT means the end: neighbors are told that it is on purpose. The file holds the
 * sessions of a run that is killed, too: a neighbor whose Detection Time has not expired does not notice the next run. A run
 * that is started before the one before it has ended waits for that end.
 */

import type { Socket } from 'node:net'
import { counted } from './base/counted.ts'
import { inMicros, type Millis } from './base/units.ts'
import { readSavedSessions } from './bfd/saved-sessions.ts'
import { isFailure, reasonOf } from './bfd/text.ts'
import type { BfdNews, SavedSession } from './bfd/types.ts'
import { WantedSessions } from './bfd/wanted-sessions.ts'
import type { BfdProcessOptions } from './cli/agent-arguments.ts'
import { bootOfKernel } from './edge/boot.ts'
import { monotonicClock } from './edge/clock.ts'
import type { BfdRunner, StartBfd } from './edge/net/bfd.ts'
import { startBfdThread } from './edge/net/bfd-thread.ts'
import { type BfdLine, type Lines, speakLines } from './edge/net/bfd-wire.ts'
import { ignoreSignals } from './edge/operate/idle-signals.ts'
import { awaitBfd, type Lock } from './edge/operate/lock.ts'
import { type Log, openLog } from './edge/operate/log.ts'
import { SocketFile } from './edge/operate/socket-file.ts'
import { RunFile } from './edge/run-file.ts'
import { VERSION } from './edge/version.ts'
import { logLine } from './engine/log-line.ts'

/** What one run leaves for the next. */
interface Handover {
  /** After a reboot the sessions are lost: neighbors have noticed long ago. */
  readonly boot: string
  /** When neighbors were asked to wait; null: they were not asked, since the process was killed. */
  readonly savedAt: number | null
  readonly sessions: readonly SavedSession[]
}

/** Undefined where the value is none. */
function readHandover(value: unknown): Handover | undefined {
  const { boot, savedAt, sessions } = (value ?? {}) as Readonly<Record<string, unknown>>
  const saved = readSavedSessions(sessions)
  if (typeof boot !== 'string' || saved === undefined) return undefined
  return savedAt === null || typeof savedAt === 'number' ? { boot, savedAt, sessions: saved } : undefined
}

type Kept = Extract<BfdNews, { readonly kind: 'keep' }>
type FromAgent = Extract<BfdLine, { readonly kind: 'sessions' | 'ask' }>

const WAITS = 'another godwit bfd runs in this network namespace: this one goes on when that one has ended'
/** Neighbors wait for the next run for this long. */
const AWAY: Millis = 30_000
/** The engine gives neighbors three seconds to answer. */
const HANDOVER: Millis = 5_000
/** Sessions that change together are written together. */
const KEEP: Millis = 250
/** The most connections of which nothing has been heard; the oldest makes room. */
const MOST_SILENT = 8
/** Time for the neighbors of sessions that end on purpose to receive that. */
const FAREWELL: Millis = 1_200

/** Runs until told to stop. 0 after an orderly end, 1 where it could not begin. */
export async function runBfd(
  { control, logLevel }: BfdProcessOptions,
  startThread = startBfdThread(true),
): Promise<number> {
  const log = openLog({ level: logLevel })
  const daemon = new BfdProcess(control, log, startThread)
  try {
    const opened = daemon.open()
    daemon.followSignals()
    // A thread that fails ends it at any time.
    await Promise.race([opened, daemon.ended])
    await daemon.ended
    return 0
  } catch (error) {
    log.write(logLine('error', 'bfd-failed', error instanceof Error ? error.message : String(error)))
    return 1
  } finally {
    await daemon.close()
    log.end()
  }
}

class BfdProcess {
  readonly #log: Log
  readonly #startThread: StartBfd
  /** Settles when `open` has come to its end, whichever it is. */
  #opened: Promise<unknown> = Promise.resolve()
  readonly #file: RunFile
  readonly #socket: SocketFile
  readonly ended: Promise<void>
  #end: (error?: Error) => void = () => {}
  /** Held until all that the next run needs is written. */
  #lock: Lock | undefined
  #thread: BfdRunner | undefined
  #agent: { readonly socket: Socket; readonly lines: Lines<readonly BfdNews[]> } | undefined
  /** Those that are connected and have not said anything yet. */
  readonly #silent = new Set<Socket>()
  #priority: BfdNews | undefined
  #boot = ''
  readonly #wanted = new WantedSessions()
  #settling: NodeJS.Timeout | undefined
  /** What the next run must know. */
  readonly #kept = new Map<string, SavedSession>()
  #keeping: NodeJS.Timeout | undefined
  #isEnding = false
  readonly #toldToEnd = new AbortController()

  constructor(control: string, log: Log, startThread: StartBfd) {
    this.#log = log
    this.#startThread = startThread
    const path = `${control.replace(/\.sock$/, '')}.json`
    const report = (text: string | undefined) => {
      if (text !== undefined) log.write(logLine('warn', 'bfd-handover', `${path}: ${text}`))
    }
    this.#file = new RunFile({ path, report })
    this.#socket = new SocketFile({ path: control, mode: 0o600, serve: (socket) => this.#accept(socket) })
    this.ended = new Promise((resolve, reject) => {
      this.#end = (error) => (error === undefined ? resolve() : reject(error))
    })
  }

  open(): Promise<void> {
    const opened = this.#open()
    this.#opened = opened.catch(() => {})
    return opened
  }

  async #open(): Promise<void> {
    this.#log.write(logLine('info', 'starting', `godwit bfd ${VERSION}`, { version: VERSION }))
    const waits = () => this.#log.write(logLine('warn', 'bfd-waits', WAITS))
    this.#lock = await awaitBfd(waits, this.#toldToEnd.signal)
    if (this.#lock === undefined) {
      this.#end()
      return
    }
    // Before anything is sent or written: two runs would share discriminators and the file.
    await this.#socket.refuseIfTaken()
    this.#boot = bootOfKernel()
    this.#thread = this.#startThread(
      (news) => this.#hear(news),
      (reason) => this.#end(new Error(reason)),
    )
    await this.#resume()
    await this.#socket.open()
  }

  /**
   * The first process of a container gets no signal that it does not handle: one that comes early waits for `opened`, or ends
   * the wait for another process.
   */
  followSignals(): void {
    const follow = (signal: NodeJS.Signals, act: () => void) =>
      process.once(signal, () => {
        this.#toldToEnd.abort()
        void this.#opened.then(() => this.#thread && act())
      })
    follow('SIGTERM', () => this.#handOver())
    follow('SIGINT', () => this.#leave())
    ignoreSignals(['SIGHUP', 'SIGUSR1'], (line) => this.#log.write(line))
  }

  /** Not before `open` has ended: it would listen afterwards. */
  async close(): Promise<void> {
    await this.#opened
    for (const socket of this.#silent) socket.destroy()
    this.#agent?.socket.destroy()
    await this.#socket.close()
    clearTimeout(this.#keeping)
    await this.#file.close()
    await this.#thread?.stop()
    this.#lock?.release()
  }

  async #resume(): Promise<void> {
    const left = await this.#file.read(readHandover)
    const text = this.#whyContinue(left)
    if (left === undefined || text === undefined) {
      this.#file.write(null)
      return
    }
    const { sessions, savedAt } = left
    this.#log.write(
      logLine('info', 'bfd-resumed', `${counted(sessions.length, 'session continues', 'sessions continue')}, ${text}`, {
        sessions: sessions.length,
      }),
    )
    this.#wanted.resume(sessions.map(({ intent }) => intent))
    this.#thread?.post({ kind: 'resume', sessions, wasKilled: savedAt === null })
  }

  /** Undefined: there is no state, or one that is too old: neighbors have noticed, and sessions start again. */
  #whyContinue(left: Handover | undefined): string | undefined {
    if (left === undefined || left.sessions.length === 0 || left.boot !== this.#boot || left.boot === '')
      return undefined
    if (left.savedAt === null) return 'as far as neighbors have not missed them: the previous run was killed'
    const age = monotonicClock.now() - left.savedAt
    return age < 0 || age > AWAY ? undefined : `${Math.round(age)} ms after the previous run stopped`
  }

  #handOver(): void {
    this.#isEnding = true
    this.#log.write(logLine('info', 'stopping', 'another run takes over: neighbors are asked to wait for it'))
    this.#thread?.post({ kind: 'hand-over', away: inMicros(AWAY) })
    setTimeout(this.#end, HANDOVER).unref()
  }

  #leave(): void {
    this.#isEnding = true
    this.#file.write(null)
    this.#log.write(logLine('info', 'stopping', 'sessions are shut down, and neighbors are informed'))
    this.#thread?.post({ kind: 'sessions', sessions: [] })
    setTimeout(this.#end, FAREWELL).unref()
  }

  /** Whoever says nothing is no agent: another run may only look whether somebody answers here. */
  #accept(socket: Socket): void {
    const lines = speakLines<readonly BfdNews[], FromAgent>(socket, (line) => {
      if (this.#silent.delete(socket)) this.#follow(socket, lines)
      if (this.#agent?.socket === socket) this.#obey(line)
    })
    this.#silent.add(socket)
    const [oldest] = this.#silent
    if (oldest !== undefined && this.#silent.size > MOST_SILENT) {
      this.#silent.delete(oldest)
      oldest.destroy()
    }
    socket.on('error', (error) => this.#log.write(logLine('warn', 'bfd-agent', `agent: ${error.message}`)))
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      this.#silent.delete(socket)
      if (this.#agent?.socket === socket) this.#forgetAgent()
    })
  }

  /** If two agents are connected, the newer one counts: the older is about to end. */
  #follow(socket: Socket, lines: Lines<readonly BfdNews[]>): void {
    this.#agent?.socket.destroy()
    this.#agent = { socket, lines }
    this.#wanted.connect(monotonicClock.now())
    this.#awaitSettling()
    if (this.#priority !== undefined) lines.send([this.#priority])
    this.#log.write(logLine('info', 'bfd-agent', 'an agent is connected'))
  }

  #obey(line: FromAgent): void {
    if (line.kind === 'sessions') {
      this.#wanted.set(line.sessions, monotonicClock.now())
      this.#run()
    } else if (line.kind === 'ask') this.#thread?.post(line)
  }

  #forgetAgent(): void {
    this.#agent = undefined
    this.#wanted.disconnect()
    this.#awaitSettling()
  }

  #run(): void {
    this.#thread?.post({ kind: 'sessions', sessions: this.#wanted.all })
    // The agent may have been away: it gets the whole state, not only changes.
    this.#thread?.post({ kind: 'ask', id: 0 })
    this.#awaitSettling()
  }

  #awaitSettling(): void {
    clearTimeout(this.#settling)
    const { settleAt } = this.#wanted
    if (settleAt === undefined) return
    this.#settling = setTimeout(() => {
      this.#wanted.settle()
      this.#run()
    }, settleAt - monotonicClock.now()).unref()
  }

  #hear(news: readonly BfdNews[]): void {
    for (const one of news) this.#note(one)
    const forAgent = news.filter(({ kind }) => kind !== 'keep')
    // None at all says that the thread is alive.
    if (forAgent.length > 0 || news.length === 0) this.#agent?.lines.send(forAgent)
  }

  #keep({ remote, session }: Kept): void {
    if (session === undefined) this.#kept.delete(remote)
    else this.#kept.set(remote, session)
    if (this.#isEnding) return
    this.#keeping ??= setTimeout(() => {
      this.#keeping = undefined
      if (!this.#isEnding) this.#write([...this.#kept.values()], null)
    }, KEEP)
  }

  #write(sessions: readonly SavedSession[], savedAt: number | null): void {
    this.#file.write({ boot: this.#boot, savedAt, sessions } satisfies Handover)
  }

  #note(news: BfdNews): void {
    if (news.kind === 'priority') this.#priority = news
    else if (news.kind === 'keep') this.#keep(news)
    else if (news.kind === 'handed-over') {
      this.#write(news.sessions, monotonicClock.now())
      this.#end()
    } else if (news.kind === 'report' && news.from !== undefined) {
      const { session, from } = news
      const text = `${session.remote}: BFD ${from} to ${session.state}: ${reasonOf(session)}`
      const fields = { address: session.remote, from, to: session.state }
      this.#log.write(logLine(isFailure(from, session) ? 'warn' : 'info', 'bfd-transition', text, fields))
    }
  }
}
