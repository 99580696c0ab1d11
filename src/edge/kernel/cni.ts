/**
 * Keeps the CNI configuration file as the engine wants it.
 *
 * In: the Effect `cni`, with the text, or without one where there must be no file. Out: the Input `cni`, when the file
 * is as wanted, and when it cannot be written.
 *
 * A container runtime never sees half a file: it is written under another name and renamed. A file of our name that
 * another program wrote is left alone. A file that was removed or changed is written again at the next check. The file
 * stays when the process ends, so that pods can start while there is no agent.
 */
import { constants } from 'node:fs'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Millis } from '../../base/units.ts'
import { CNI_FILE, whyNotOurs } from '../../dataplane/cni.ts'
import type { Effect } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'
import { errorText } from '../error-text.ts'

export interface CniFileOptions {
  readonly directory: string
  readonly feed: (input: Input) => void
  /** The file is checked this often. */
  readonly recheck?: Millis
}

type Cni = Extract<Input, { kind: 'cni' }>

const LARGEST_FILE = 1024 * 1024
/** No symbolic link is followed, and a named pipe does not make us wait for a writer. */
const AS_IT_STANDS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
/** Readable by root alone, as the benchmarks for clusters ask of these files. */
const MODE = 0o600

export class CniFile {
  readonly #directory: string
  readonly #path: string
  readonly #feed: (input: Input) => void
  readonly #timer: NodeJS.Timeout
  /** Undefined until the engine has sent the first effect. */
  #wanted: { readonly config: string | undefined } | undefined
  #reported: Cni | undefined
  #working: Promise<void> | undefined

  constructor({ directory, feed, recheck = 10_000 }: CniFileOptions) {
    this.#directory = directory
    this.#path = join(directory, CNI_FILE)
    this.#feed = feed
    this.#timer = setInterval(() => this.#look(), recheck).unref()
  }

  perform({ config }: Extract<Effect, { kind: 'cni' }>): void {
    this.#wanted = { config }
    this.#reported = undefined
    this.#look()
  }

  /** Stops checking. The file stays. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#working
  }

  /** One check at a time; a change that arrives during a check is written after it. */
  #look(): void {
    this.#working ??= this.#settle().finally(() => {
      this.#working = undefined
    })
  }

  async #settle(): Promise<void> {
    for (let done: unknown; this.#wanted !== undefined && done !== this.#wanted; ) {
      const wanted = this.#wanted
      const error = await this.#make(wanted.config)
      if (wanted === this.#wanted) this.#report({ kind: 'cni', path: this.#path, config: wanted.config, error })
      done = wanted
    }
  }

  #report(input: Cni): void {
    const reported = this.#reported
    if (reported !== undefined && reported.config === input.config && reported.error === input.error) return
    this.#reported = input
    this.#feed(input)
  }

  /** Undefined when the file is as wanted; otherwise the error. */
  async #make(config: string | undefined): Promise<string | undefined> {
    try {
      const present = await this.#read()
      if (present === config) return undefined
      const why = present === undefined ? undefined : whyNotOurs(present)
      if (why !== undefined) return `${this.#path} is not ours (${why}); it is not changed`
      if (config === undefined) await rm(this.#path, { force: true })
      else await this.#write(config, present === undefined)
      return undefined
    } catch (error) {
      return `cannot ${config === undefined ? 'remove' : 'write'} ${this.#path}: ${errorText(error)}`
    }
  }

  /**
   * The text of the file; '' for something that is not a regular file. The file is opened first and checked afterwards,
   * so that a file that is removed or replaced meanwhile is not an error.
   */
  async #read(): Promise<string | undefined> {
    const file = await open(this.#path, AS_IT_STANDS).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      // A symbolic link, a socket.
      if (error.code === 'ELOOP' || error.code === 'ENXIO') return null
      throw error
    })
    if (file === undefined) return undefined
    if (file === null) return ''
    try {
      const stats = await file.stat()
      return stats.isFile() && stats.size <= LARGEST_FILE ? await file.readFile('utf8') : ''
    } finally {
      await file.close()
    }
  }

  async #write(config: string, fresh: boolean): Promise<void> {
    await mkdir(this.#directory, { recursive: true })
    // Runtimes read *.conf, *.conflist and *.json.
    const beside = `${this.#path}.tmp`
    await rm(beside, { force: true })
    const file = await open(beside, 'wx', MODE)
    try {
      await file.writeFile(config)
      await file.sync()
    } finally {
      await file.close()
    }
    // A hard link fails if another program created the file first; a rename would replace that file.
    if (fresh) {
      await link(beside, this.#path)
      await rm(beside)
    } else await rename(beside, this.#path)
  }
}
