/** The history of the interactive shell as a file: the newest line is the last. It is created readable only for its owner. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

export const HISTORY_LENGTH = 1000

/** In the user's state folder, as the XDG base directory specification has it. */
export function historyPath(environment: NodeJS.ProcessEnv = process.env): string {
  const state = environment.XDG_STATE_HOME
  return join(state?.startsWith('/') ? state : join(homedir(), '.local', 'state'), 'godwit', 'history')
}

/** Newest first; empty if there is no file or it cannot be read. */
export async function readHistory(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .reverse()
    .slice(0, HISTORY_LENGTH)
}

/** Errors are ignored: the shell works without a history. */
export async function writeHistory(path: string, newestFirst: readonly string[]): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const lines = newestFirst.slice(0, HISTORY_LENGTH).toReversed()
    await writeFile(path, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 })
  } catch {
    // A home that cannot be written to.
  }
}
