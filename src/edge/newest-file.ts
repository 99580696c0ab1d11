/**
 * A file of which only the newest content counts: one write at a time, and what comes meanwhile replaces what waits. A
 * write that fails, as on a full disk, is tried again from time to time: until then the file says what no longer holds.
 */
import type { Millis } from '../base/units.ts'
import { replaceFile } from './replace-file.ts'

/** How long after a failure. */
const RETRY: Millis = 30_000

interface NewestFileOptions {
  readonly path: string
  readonly mode: number
  /** The error; undefined when a write has succeeded. */
  readonly report: (error: unknown) => void
}

type Content = () => string | Promise<string>

export class NewestFile {
  readonly #options: NewestFileOptions
  /** What is not written yet. */
  #next: Content | undefined
  #writing: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined

  constructor(options: NewestFileOptions) {
    this.#options = options
  }

  /** `content` is called when its turn comes, and again for another attempt. */
  write(content: Content): void {
    this.#next = content
    this.#start()
  }

  /** Resolves when everything has been written, or the error has been reported. What has failed before is tried once more. */
  async close(): Promise<void> {
    if (this.#next !== undefined) this.#start()
    await this.#writing
    clearTimeout(this.#retry)
  }

  #start(): void {
    clearTimeout(this.#retry)
    this.#writing ??= this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    for (let next = this.#next; next !== undefined; next = this.#next) {
      this.#next = undefined
      if (await this.#isWritten(next)) continue
      // What came meanwhile is newer, and may be written all the same.
      if (this.#next !== undefined) continue
      this.#next = next
      this.#retry = setTimeout(() => this.#start(), RETRY).unref()
      break
    }
    this.#writing = undefined
  }

  async #isWritten(content: Content): Promise<boolean> {
    const { path, mode, report } = this.#options
    try {
      await replaceFile(path, await content(), mode)
      report(undefined)
      return true
    } catch (error) {
      report(error)
      return false
    }
  }
}
