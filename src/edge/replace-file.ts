/** Replaces a file by a text: a reader sees the old text or the new one, whole. */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const fresh = `${path}.${process.pid}`
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(fresh, text, { mode, flush: true })
    await rename(fresh, path)
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => {})
    throw error
  }
}

/**
 * Removes temporary files of writers that were killed. Only for the one program that writes the file, and while it does
 * not write.
 */
export async function sweepHalves(path: string): Promise<void> {
  const whole = basename(path)
  const names = await readdir(dirname(path)).catch(() => [])
  const halves = names.filter((name) => name.startsWith(`${whole}.`) && /^\d+$/.test(name.slice(whole.length + 1)))
  for (const name of halves) await rm(join(dirname(path), name), { force: true }).catch(() => {})
}
