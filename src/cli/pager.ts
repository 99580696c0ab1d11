/** Shows a long answer in a pager where stdout is a terminal, as git and systemctl do. */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'

export interface Paged {
  readonly out: Writable
  /** Resolves when the person has seen enough. */
  readonly end: () => Promise<void>
}

/** `F`: an answer of one screen goes straight through. `R`: colors stay. `X`: the screen stays. */
const LESS = 'FRX'

/** Undefined where no pager is to be used, or none is there. */
export function openPager(out: Writable & { readonly isTTY?: boolean }): Paged | undefined {
  if (out !== process.stdout || out.isTTY !== true) return undefined
  const words = (process.env.GODWIT_PAGER ?? process.env.PAGER ?? 'less').trim().split(/\s+/)
  const [program = ''] = words
  if (program === '' || program === 'cat' || !isThere(program)) return undefined
  const child = spawn(program, words.slice(1), {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { LESS, ...process.env },
  })
  // The terminal sends Ctrl-C to both; what it means is for the pager to say, which must not lose its terminal to a shell.
  process.on('SIGINT', leaveToPager)
  const ended = new Promise<void>((resolve) => {
    const done = () => {
      process.off('SIGINT', leaveToPager)
      resolve()
    }
    child.once('close', done)
    child.once('error', done)
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

function isThere(program: string): boolean {
  const folders = program.includes('/') ? [''] : (process.env.PATH ?? '').split(':')
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
