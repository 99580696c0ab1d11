/**
 * A file that one run of a process leaves for the next. One JSON value, replaced as a whole.
 *
 * It is never half-written (a new file is renamed over the old one), readable only for its owner, and bounded. A file
 * that cannot be read counts as absent: the process then starts as in its first run. Nothing here throws; `report` gets
 * the error.
 */
import { lstat, readFile } from 'node:fs/promises'
import { errorText, isMissing } from './error-text.ts'
import { NewestFile } from './newest-file.ts'
import { sweepHalves } from './replace-file.ts'

export interface RunFileOptions {
  readonly path: string
  /** The error; undefined when it is over. */
  readonly report: (text: string | undefined) => void
}

/** A file with another version is not read. */
const FORMAT = 1
const MOST_BYTES = 16 * 1024 * 1024

export class RunFile {
  readonly #path: string
  readonly #report: RunFileOptions['report']
  readonly #file: NewestFile

  constructor({ path, report }: RunFileOptions) {
    this.#path = path
    this.#report = report
    this.#file = new NewestFile({
      path,
      mode: 0o600,
      report: (error) =>
        report(error === undefined ? undefined : `the file for the next run cannot be written: ${errorText(error)}`),
    })
  }

  /**
   * Undefined where there is none that can be used, or where nothing is left (null). `parse` gives undefined for what no run
   * leaves: another version may have. Called before the first write.
   */
  async read<Value>(parse: (value: unknown) => Value | undefined): Promise<Value | undefined> {
    await sweepHalves(this.#path)
    try {
      const stats = await lstat(this.#path)
      if (!stats.isFile()) throw new Error('it is not a file')
      if (stats.size > MOST_BYTES) throw new Error(`it is larger than ${MOST_BYTES} bytes`)
      const content: unknown = JSON.parse(await readFile(this.#path, 'utf8'))
      const { format, value } = (content ?? {}) as { readonly format?: unknown; readonly value?: unknown }
      if (format !== FORMAT) throw new Error(`its format is not ${FORMAT}`)
      if (value === null) return undefined
      const parsed = parse(value)
      if (parsed === undefined) throw new Error('it holds something else')
      return parsed
    } catch (error) {
      if (!isMissing(error))
        this.#report(`the file of an earlier run cannot be read: ${errorText(error)}; it is not used`)
      return undefined
    }
  }

  write(value: unknown): void {
    this.#file.write(() => textOf(value))
  }

  /** Resolves when everything has been written, or the error has been reported. */
  close(): Promise<void> {
    return this.#file.close()
  }
}

function textOf(value: unknown): string {
  const text = JSON.stringify({ format: FORMAT, value })
  if (Buffer.byteLength(text) > MOST_BYTES) throw new Error(`it would be larger than ${MOST_BYTES} bytes`)
  return text
}
