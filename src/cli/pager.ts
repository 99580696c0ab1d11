/** Shows a long answer in a pager where stdout is a terminal. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Writable } from 'node:stream'

export interface Paged {
  /** It fails once the pager has ended, as a pipe does: to be written to through `Output`, which expects that. */
  readonly out: Writable
  /** Resolves when the pager has ended. */
  readonly end: () => Promise<void>
}

/** `F`: an answer of one screen goes straight through. `R`: colors stay. `X`: the screen stays. */
const LESS = 'FRX'

/**
 * Undefined where no pager is to be used, or it cannot be started. The command of the environment is split at blanks; no shell
 * reads it.
 */
export async function openPager(out: Writable & { readonly isTTY?: boolean }): Promise<Paged | undefined> {
  if (out !== process.stdout || out.isTTY !== true) return undefined
  const [program = '', ...words] = (process.env.GODWIT_PAGER ?? process.env.PAGER ?? 'less').trim().split(/\s+/)
  if (program === '' || program === 'cat') return undefined
  const child = await start(program, words)
  if (child === undefined) return undefined
  // Ctrl-C reaches both processes, and the pager decides what it does. If this process ended of it, the shell would read from
  // the terminal while the pager still does.
  process.on('SIGINT', leaveToPager)
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      process.off('SIGINT', leaveToPager)
      resolve()
    })
  })
  return {
    out: child.stdin,
    end: async () => {
      child.stdin.end()
      await ended
    },
  }
}

const leaveToPager = (): void => {}

type Pager = ChildProcessByStdio<Writable, null, null>

/** Undefined where the program is not there or the system cannot run it: only the attempt tells. */
function start(program: string, words: readonly string[]): Promise<Pager | undefined> {
  return new Promise((resolve) => {
    try {
      const env = { LESS, ...process.env }
      const child = spawn(program, words, { stdio: ['pipe', 'inherit', 'inherit'], env })
      child.once('spawn', () => resolve(child))
      child.once('error', () => resolve(undefined))
    } catch {
      // Errors that are rare here, such as ENOTDIR, are thrown.
      resolve(undefined)
    }
  })
}
