/**
 * The folder of manifests on disk: its watch, and of each file a signature, which changes when the file does, and the text.
 * Symbolic links are followed. What changes outside of the folder, behind one, gives no event: the next look finds it.
 */
import { type BigIntStats, type FSWatcher, watch } from 'node:fs'
import { lstat, opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorText, isMissing } from '../error-text.ts'
import { readUpTo } from './read-up-to.ts'

/** Files of other names are not read. */
export const isManifestName = (name: string): boolean => /^[^.].*\.(ya?ml|json)$/.test(name)
export const LARGEST_FILE = 16 * 1024 * 1024
export const TOO_LARGE = `is larger than ${LARGEST_FILE} bytes`
/** A folder with more is refused as a whole: it is probably the wrong one, and each look asks for the status of every file. */
const MOST_FILES = 10_000
/** The beginning of the signature of a file whose status cannot be read; why follows. */
const UNREACHABLE = 'unreachable: '

export class Folder {
  readonly path: string
  readonly #onEvent: () => void
  #watcher: FSWatcher | undefined
  /** Identifies the folder that is watched; undefined: none is. */
  #watched: string | undefined
  #isClosed = false

  /** `onEvent`: called when something in the folder may have changed. */
  constructor(path: string, onEvent: () => void) {
    this.path = path
    this.#onEvent = onEvent
  }

  close(): void {
    this.#isClosed = true
    this.#watcher?.close()
  }

  /** Watches the folder, if it is not watched yet. Returns the signatures of its files by name; throws if it cannot be read. */
  async look(): Promise<Map<string, string>> {
    try {
      await this.#watch()
      return await this.#signatures()
    } catch (error) {
      this.#watched = undefined
      throw error
    }
  }

  /**
   * The watch follows the folder itself: a folder put in its place needs a watch of its own. Such a one often has the inode of
   * the removed one, but not its time of birth.
   */
  async #watch(): Promise<void> {
    const { dev, ino, birthtimeNs } = await stat(this.path, { bigint: true })
    const folder = `${dev}:${ino}:${birthtimeNs}`
    if (folder === this.#watched || this.#isClosed) return
    this.#watcher?.close()
    this.#watcher = undefined
    try {
      this.#watcher = watch(this.path, () => this.#onEvent())
      this.#watcher.on('error', () => {
        this.#watched = undefined
      })
      this.#watched = folder
    } catch {
      // The machine has no watches left: the folder is checked every few seconds instead, and each check tries again.
    }
  }

  async #signatures(): Promise<Map<string, string>> {
    const names = await this.#names()
    const seen = new Map<string, string>()
    for (const name of names.sort()) {
      // A part would look as if the other files had been deleted.
      if (this.#isClosed) throw new Error('the folder is closed')
      const signature = await this.#signature(name)
      if (signature !== undefined) seen.set(name, signature)
    }
    return seen
  }

  async #names(): Promise<string[]> {
    const names: string[] = []
    for await (const { name } of await opendir(this.path, { bufferSize: 256 })) {
      if (isManifestName(name)) names.push(name)
      if (names.length > MOST_FILES) throw new Error(`it holds more than ${MOST_FILES} manifests`)
    }
    return names
  }

  /**
   * Undefined for a file that vanished meanwhile, and for anything but a regular file. Only what does not exist has vanished:
   * everything else that keeps the status from being read may pass, and the file is still there.
   */
  async #signature(name: string): Promise<string | undefined> {
    try {
      const stats = await this.#stat(name)
      return stats.isFile() ? signatureOf(stats) : undefined
    } catch (error) {
      const whyNotItself = await lstat(join(this.path, name)).then(
        () => undefined,
        (why: unknown) => why,
      )
      if (isMissing(whyNotItself)) return undefined
      const why = whyNotItself ?? error
      return (
        UNREACHABLE + (isMissing(why) ? 'is a link to a file that does not exist' : `cannot be read: ${errorText(why)}`)
      )
    }
  }

  #stat(name: string): Promise<BigIntStats> {
    return stat(join(this.path, name), { bigint: true })
  }

  /**
   * The text of a file that had this signature; undefined where it has another one by now. A string says why the file cannot be
   * read.
   */
  async read(name: string, signature: string): Promise<{ readonly text: string } | string | undefined> {
    if (signature.startsWith(UNREACHABLE)) return signature.slice(UNREACHABLE.length)
    try {
      const stats = await this.#stat(name)
      if (signatureOf(stats) !== signature) return undefined
      if (stats.size > LARGEST_FILE) return TOO_LARGE
      const text = await readUpTo(join(this.path, name), LARGEST_FILE)
      if (signatureOf(await this.#stat(name)) !== signature) return undefined
      return text === undefined ? TOO_LARGE : { text }
    } catch (error) {
      return (await this.#signature(name)) === signature ? `cannot be read: ${errorText(error)}` : undefined
    }
  }
}

/** The size comes first, so that `isEmpty` sees it. */
const signatureOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${size}:${dev}:${ino}:${mtimeNs}:${ctimeNs}`

export const isEmpty = (signature: string): boolean => signature.startsWith('0:')
