// Running other programs: one-shot commands with their output, and daemons that are ended by their pid.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly timeout?: number
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Runs a program to its end. A program that cannot start or runs over its time gives code -1 and words in `stderr`. */
export const run = (argv: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
  new Promise((resolve) => {
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    let stdout = ''
    let stderr = ''
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, options.timeout ?? 20_000)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.stdin.on('error', () => {}).end(options.input ?? '')
    child.on('error', (error) => {
      clearTimeout(timer)
      resolve({ code: -1, stdout, stderr: error.message })
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code: late ? -1 : (code ?? -1), stdout, stderr: late ? `${stderr}over its time` : stderr })
    })
  })

/** Like `run`, but a non-zero end throws with what the program said. */
export const must = async (argv: readonly string[], options: RunOptions = {}): Promise<string> => {
  const outcome = await run(argv, options)
  if (outcome.code !== 0) {
    throw new Error(`${argv.join(' ')} ended with ${outcome.code}: ${(outcome.stderr || outcome.stdout).trim()}`)
  }
  return outcome.stdout
}

/** For the last moments of this process: waits, and answers with what the program said. */
export const runNow = (argv: readonly string[]): string =>
  spawnSync(argv[0] ?? '', argv.slice(1), { encoding: 'utf8' }).stdout ?? ''

/** Is there a program of this name on the path or where daemons live? */
export const has = async (program: string): Promise<boolean> =>
  (await run(['sh', '-c', 'PATH="$PATH:/usr/sbin:/sbin:/usr/lib/frr" command -v -- "$1"', 'sh', program])).code === 0

/** A program that stays up, its output in a log file. It ends by its own pid, never by name. */
export class Daemon {
  readonly pid: number
  readonly log: string
  private readonly child: ChildProcess
  private readonly ended: Promise<void>

  constructor(argv: readonly string[], log: string, options: { cwd?: string; env?: Record<string, string> } = {}) {
    const output = openSync(log, 'a')
    this.log = log
    this.child = spawn(argv[0] ?? '', argv.slice(1), {
      stdio: ['ignore', output, output],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    this.ended = new Promise((resolve) => {
      this.child.on('error', () => resolve())
      this.child.on('exit', () => resolve())
    })
    this.pid = this.child.pid ?? -1
  }

  get running(): boolean {
    return this.pid > 0 && this.child.exitCode === null && this.child.signalCode === null
  }

  get exit(): string {
    return this.running ? 'running' : `code ${this.child.exitCode} signal ${this.child.signalCode}`
  }

  /** Asks it to end, and after a while insists. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.running) return
    this.child.kill(signal)
    const insist = setTimeout(() => this.child.kill('SIGKILL'), 5_000)
    await this.ended
    clearTimeout(insist)
  }

  kill(): Promise<void> {
    return this.stop('SIGKILL')
  }

  /** For the last moments of this process, when nothing may be awaited. */
  killNow(): void {
    if (this.running) this.child.kill('SIGKILL')
  }
}
