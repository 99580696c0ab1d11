/** Runs tools such as `nft`: one call with text in and text out, or a process that stays; and decides when to read again. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { inSeconds, type Millis } from '../../base/units.ts'
import { errorText } from '../error-text.ts'

export interface Outcome {
  /** Undefined where it could not be run, ran too long, printed too much, or was killed; `error` then says which. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
  readonly error: string | undefined
}

const TIME_LIMIT: Millis = 30_000
/** Enough for the rules of ten thousand pools. */
const OUTPUT_LIMIT = 16 * 1024 * 1024

/** Never rejects. */
export function runTool(command: readonly string[], input = ''): Promise<Outcome> {
  const [program = '', ...args] = command
  return new Promise((resolve) => {
    const out: Buffer[] = []
    const err: Buffer[] = []
    let size = 0
    let error: string | undefined
    const child = startTool(program, args, PLAIN_LOCALE, (reason) => {
      error ??= whyNotRun(program, reason)
      if (child === undefined) resolve({ code: undefined, stdout: '', stderr: '', error })
    })
    if (child === undefined) return
    const fail = (why: string) => {
      error ??= why
      child.kill('SIGKILL')
    }
    const timer = setTimeout(() => fail(`${program} did not end within ${inSeconds(TIME_LIMIT)} s`), TIME_LIMIT)
    const gather = (into: Buffer[]) => (chunk: Buffer) => {
      size += chunk.length
      if (size > OUTPUT_LIMIT) fail(`${program} says more than ${OUTPUT_LIMIT >> 20} MiB`)
      else into.push(chunk)
    }
    child.stdout.on('data', gather(out))
    child.stderr.on('data', gather(err))
    // A process that ends early does not read all its input: its output says why.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (code === null) error ??= `${program} was ended by ${signal}`
      const done = error === undefined && code !== null
      resolve({ code: done ? code : undefined, stdout: text(out), stderr: text(err), error })
    })
  })
}

/**
 * A process with three pipes. Undefined where the machine has none to give; `onError` then gets the reason, and otherwise
 * every error of the process.
 */
export function startTool(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onError: (reason: Error) => void,
): ChildProcessWithoutNullStreams | undefined {
  try {
    const child = spawn(program, args, { stdio: 'pipe', env })
    child.on('error', onError)
    // Without a free descriptor a process has no streams, and its `error` is the only event. Node's types do not say so.
    const streams: readonly unknown[] = [child.stdin, child.stdout, child.stderr]
    return streams.includes(undefined) || streams.includes(null) ? undefined : child
  } catch (error) {
    // Without memory Node throws in place of the event.
    process.nextTick(onError, error)
    return undefined
  }
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
  /** The last work of the queue, if it is a reading that has not begun. */
  #last: Promise<void> | undefined
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

  /** Reads after all work that began earlier. Who asks while a reading waits shares it: while a tool hangs, none pile up. */
  now(): Promise<void> {
    if (this.#last !== undefined) return this.#last
    const reading = this.run(async () => {
      if (this.#last === reading) this.#last = undefined
      const before = performance.now()
      await this.#options.look()
      this.#took = performance.now() - before
    })
    this.#last = reading
    return reading
  }

  run(work: () => Promise<void>): Promise<void> {
    this.#last = undefined
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
/** How often state is read without a hint: a table that loses its owner causes no event. */
const RECHECK: Millis = 60_000
