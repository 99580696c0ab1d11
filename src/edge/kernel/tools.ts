/**
 * Runs `ip` and `nft`: one call with text in and text out, and one process that is watched as long as the agent runs.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Millis } from '../../base/units.ts'
import { errorText } from '../error-text.ts'

export interface Outcome {
  /** Undefined where it could not be run, ran too long, or printed too much; `error` then says which. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
  readonly error: string | undefined
}

const TIME_LIMIT: Millis = 30_000
/** Enough for a million routes as JSON. */
const OUTPUT_LIMIT = 256 * 1024 * 1024

/** Never rejects. */
export function runTool(command: readonly string[], input = ''): Promise<Outcome> {
  const [program = '', ...args] = command
  return new Promise((resolve) => {
    const out: Buffer[] = []
    const err: Buffer[] = []
    let size = 0
    let error: string | undefined
    const child = spawn(program, args, { stdio: 'pipe', env: PLAIN_LOCALE })
    const fail = (why: string) => {
      error ??= why
      child.kill('SIGKILL')
    }
    const timer = setTimeout(() => fail(`${program} did not end within ${TIME_LIMIT / 1000} s`), TIME_LIMIT)
    const gather = (into: Buffer[]) => (chunk: Buffer) => {
      size += chunk.length
      if (size > OUTPUT_LIMIT) fail(`${program} says more than ${OUTPUT_LIMIT >> 20} MiB`)
      else into.push(chunk)
    }
    child.stdout.on('data', gather(out))
    child.stderr.on('data', gather(err))
    child.on('error', (reason) => {
      error ??= whyNotRun(program, reason)
    })
    // A process that ends early does not read all its input: its output says why.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    child.on('close', (code) => {
      clearTimeout(timer)
      const done = error === undefined && code !== null
      resolve({ code: done ? code : undefined, stdout: text(out), stderr: text(err), error })
    })
  })
}

const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString()

/** Messages of tools are parsed and shown: they must be in English, without colors. */
export const PLAIN_LOCALE = { ...process.env, LC_ALL: 'C', NO_COLOR: '1' }

export const whyNotRun = (program: string, reason: Error): string =>
  (reason as NodeJS.ErrnoException).code === 'ENOENT'
    ? `${program} is not installed`
    : `${program}: ${errorText(reason)}`

/** The most informative line of a failure. */
export function whyFailed({ error, stderr, code }: Outcome): string {
  const line = stderr.split('\n').find((one) => one.trim() !== '' && !one.startsWith('Command failed'))
  return (
    error ?? line?.replace(/^(?:RTNETLINK answers|Error|\/dev\/stdin:[\d:-]+ Error): /, '') ?? `it ended with ${code}`
  )
}

export interface MonitorOptions {
  readonly command: readonly string[]
  /** Whether a piece of its output concerns us. */
  readonly concerns?: (output: string) => boolean
  /** Called when something may have changed. Also when the process ends, since later changes are not reported. */
  readonly hint: () => void
  readonly restartDelay?: Millis
}

/**
 * Ends the child together with the agent: a monitor left behind would stay until it has something to print, which may
 * be never. `setpriv` (util-linux) asks the kernel for that, however the agent ends.
 */
const LEASH = ['setpriv', '--pdeathsig', 'KILL']

/**
 * A process that reports changes. Its output is only a hint to read again; the process is started again when it ends.
 */
export class Monitor {
  readonly #options: MonitorOptions
  /** Empty where this machine has no `setpriv`. */
  #leash: readonly string[] = LEASH
  #child: ChildProcess | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: MonitorOptions) {
    this.#options = options
    this.#start()
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#child?.kill()
  }

  #start(): void {
    const { command, concerns = () => true, hint } = this.#options
    const [program = '', ...args] = [...this.#leash, ...command]
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], env: PLAIN_LOCALE })
    this.#child = child
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.#stopped && concerns(chunk.toString())) hint()
    })
    child.once('error', () => {
      this.#leash = []
      this.#startAgain()
    })
    child.once('exit', () => this.#startAgain())
    // Changes before it was listening were not reported.
    child.once('spawn', () => setTimeout(hint, SETTLING).unref())
  }

  #startAgain(): void {
    this.#child = undefined
    if (this.#stopped || this.#timer !== undefined) return
    this.#options.hint()
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (!this.#stopped) this.#start()
    }, this.#options.restartDelay ?? RESTART_DELAY).unref()
  }
}

const RESTART_DELAY: Millis = 1_000
/** The time until a monitor has joined its groups. */
const SETTLING: Millis = 100

export interface PollerOptions {
  /** One reading, or one piece of work; the next begins when it is over. */
  readonly look: () => Promise<void>
  readonly quiet?: Millis
  readonly recheck?: Millis
}

/**
 * Decides when to read: soon after a hint, but not after each of a thousand; rarely without a hint; and never during a
 * write, so that a reading shows the state before or after it.
 */
export class Poller {
  readonly #options: PollerOptions
  readonly #recheck: NodeJS.Timeout
  #timer: NodeJS.Timeout | undefined
  #queue: Promise<void> = Promise.resolve()
  #stopped = false
  #took: Millis = 0

  constructor(options: PollerOptions) {
    this.#options = options
    this.#recheck = setInterval(() => this.hint(), options.recheck ?? RECHECK).unref()
  }

  hint(): void {
    if (this.#stopped || this.#timer !== undefined) return
    const wait = Math.max(this.#options.quiet ?? QUIET, Math.min(this.#took * 3, LONGEST_QUIET))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.now()
    }, wait).unref()
  }

  /** Reads after all work that began earlier. */
  now(): Promise<void> {
    return this.run(async () => {
      const before = performance.now()
      await this.#options.look()
      this.#took = performance.now() - before
    })
  }

  run(work: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(() => (this.#stopped ? undefined : work()))
    return this.#queue
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#recheck)
    clearTimeout(this.#timer)
    await this.#queue
  }
}

const QUIET: Millis = 50
const LONGEST_QUIET: Millis = 2_000
/** How often state is read without a hint, because netlink drops messages when there are too many. */
const RECHECK: Millis = 60_000
