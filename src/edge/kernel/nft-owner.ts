/**
 * One `nft -i` process that runs as long as the agent. It owns the table that it makes with the flag `owner`, so that
 * `nft flush ruleset` of another program does not remove it; with `persist` the table stays when the agent ends. nft
 * 1.1 and Linux 6.9 have both flags.
 *
 * In: scripts. Out: nft's errors for each. nft reads one line at a time and prints nothing on success. An unknown word
 * is sent after each script: the error about that word marks the end of the answer.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { inSeconds, type Millis } from '../../base/units.ts'
import { PLAIN_LOCALE, startTool, whyNotRun } from './tools.ts'

const TIME_LIMIT: Millis = 30_000
/** nft keeps every line that it reads: after this much text the process is replaced. */
const MEMORY = 8 * 1024 * 1024

export interface NftOwnerOptions {
  readonly enter: readonly string[]
  /** Called when the process has ended by itself. */
  readonly lost: () => void
}

export class NftOwner {
  readonly #command: readonly string[]
  readonly #onLost: () => void
  #child: ChildProcessWithoutNullStreams | undefined
  #said = ''
  #given = 0
  #mark = 0
  #settle: ((why: string | undefined) => void) | undefined

  constructor({ enter, lost }: NftOwnerOptions) {
    this.#command = [...enter, 'nft', '-i']
    this.#onLost = lost
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Undefined when it is done; otherwise the error. One script at a time. */
  run(script: string): Promise<string | undefined> {
    if (this.#given > MEMORY) this.stop()
    const child = this.#child ?? this.#start()
    const mark = `godwit${++this.#mark}`
    const line = `${oneLine(script)}\n`
    this.#said = ''
    this.#given += line.length
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#end(`nft did not answer within ${inSeconds(TIME_LIMIT)} s`), TIME_LIMIT)
      this.#settle = (why) => {
        clearTimeout(timer)
        this.#settle = undefined
        resolve(why)
      }
      // Otherwise the error is the answer.
      if (child === undefined) return
      this.#listen(child, mark)
      child.stdin.write(`${line}${mark}\n`)
    })
  }

  /** Ends the process that owned the table: the table stays. */
  stop(): void {
    this.#end('nft was stopped')
  }

  #start(): ChildProcessWithoutNullStreams | undefined {
    const [program = '', ...args] = this.#command
    const env = { ...PLAIN_LOCALE, HOME: '/nonexistent', TERM: 'dumb' }
    const child = startTool(program, args, env, (reason) => this.#lost(child, whyNotRun('nft', reason)))
    this.#child = child
    this.#given = 0
    if (child === undefined) return undefined
    child.stdin.on('error', () => {})
    child.stdout.resume()
    child.once('exit', (code) => this.#lost(child, `nft ended with ${code}: ${firstError(this.#said)}`))
    return child
  }

  #listen(child: ChildProcessWithoutNullStreams, mark: string): void {
    const end = new RegExp(`^${mark}$`, 'm')
    child.stderr.removeAllListeners('data')
    child.stderr.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString()
      const at = this.#said.search(end)
      if (at >= 0) this.#settle?.(whyRefused(this.#said.slice(0, at)))
    })
  }

  #lost(child: ChildProcessWithoutNullStreams | undefined, why: string): void {
    if (this.#child !== child) return
    this.#child = undefined
    this.#settle?.(why)
    this.#onLost()
  }

  #end(why: string): void {
    const child = this.#child
    this.#child = undefined
    child?.kill()
    this.#settle?.(why)
  }
}

/** Puts a script for `nft -f` on one line. */
const oneLine = (script: string): string =>
  script
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => (line.endsWith('{') ? line : `${line};`))
    .join(' ')

/**
 * The last error is the one about our own marker. nft writes a `^` under each unknown word, and may write the one under the marker
 * of the script before only now.
 */
function whyRefused(said: string): string | undefined {
  const before = said.slice(0, said.lastIndexOf('Error:'))
  return hasText(before) ? firstError(before) : undefined
}

const firstError = (said: string): string =>
  said
    .split('\n')
    .find(hasText)
    ?.replace(/^.*Error: /, '') ?? 'no error message'

const hasText = (said: string): boolean => /[^\s^]/.test(said)
