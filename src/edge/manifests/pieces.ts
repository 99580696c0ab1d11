/**
 * What the pieces of a file say, by their text: a file is read again whenever it changes, and most of a large one is as
 * it was. Values are shared with whoever got them before, and so are known to be the same at a glance.
 */
import { createHash } from 'node:crypto'

type Values = readonly unknown[]

export class Pieces {
  #before = new Map<string, Values>()
  #now = new Map<string, Values>()

  /** `read` is asked only where no piece had this text, in this reading or the last one. */
  values(text: string, read: (text: string) => Values): Values {
    const key = createHash('sha1').update(text).digest('base64')
    const values = this.#now.get(key) ?? this.#before.get(key) ?? read(text)
    this.#now.set(key, values)
    return values
  }

  /** The file has been read to its end: what it no longer says is forgotten. */
  keep(): void {
    this.#before = this.#now
    this.#now = new Map()
  }
}
