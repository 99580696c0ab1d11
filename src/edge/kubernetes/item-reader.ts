/**
 * Parses a list item by item while it arrives. Only one object of thousands is held as text at a time, so that memory
 * and the time of one parse do not grow with the list.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const isOpening = (code: number): boolean => code === 0x7b || code === 0x5b
const isClosing = (code: number): boolean => code === 0x7d || code === 0x5d

/** Depth of brackets in the list, in its items, and in a field of one: `{"items":[{"status":{`. */
const LIST = 1
const ITEMS = 2
const FIELD = 4

/**
 * Arrays that nobody here reads, half of what a server says of a Node: each is left empty before it is parsed. A text
 * in an object cannot be mistaken for one, because its quotes are escaped.
 */
const UNREAD = ['"managedFields":', '"images":'] as const

export class ItemReader {
  readonly #onItem: (item: unknown) => void
  readonly #decoder = new TextDecoder()
  /** The list without its items. */
  #rest = ''
  /** The part of the current item that has arrived. */
  #item = ''
  /** The last string at the level of the list object: the name of the field whose value follows. */
  #name = ''
  #depth = 0
  #inText = false
  #isEscaped = false
  #inItems = false
  /** In an array that nobody reads. */
  #inUnread = false

  constructor(onItem: (item: unknown) => void) {
    this.#onItem = onItem
  }

  /**
   * Follows the brackets outside of strings: an item begins and ends at depth `ITEMS`. Its text goes to `#item`, without unread
   * arrays, and that of the list around the items to `#rest`.
   */
  push(chunk: Uint8Array): void {
    const text = this.#decoder.decode(chunk, { stream: true })
    /** Everything before this position has been used. */
    let taken = 0
    for (let at = this.#inText ? this.#readText(text, 0) + 1 : 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        if (this.#depth === LIST) this.#name = ''
        at = this.#readText(text, at + 1)
      } else if (isOpening(code)) {
        if (this.#inItems && this.#depth === ITEMS) taken = at
        if (this.#inItems && this.#depth === FIELD && isUnread(text, at)) {
          this.#item += text.slice(taken, at + 1)
          this.#inUnread = true
        }
        this.#depth++
        if (this.#depth !== ITEMS || this.#name !== 'items') continue
        this.#inItems = true
        this.#rest += text.slice(taken, at + 1)
        taken = at + 1
      } else if (isClosing(code)) {
        this.#depth--
        if (this.#inUnread && this.#depth === FIELD) {
          this.#inUnread = false
          taken = at
        }
        if (!this.#inItems || this.#depth > ITEMS) continue
        if (this.#depth === ITEMS) {
          this.#emit(text.slice(taken, at + 1))
          taken = at + 1
        } else {
          this.#inItems = false
          taken = at
        }
      }
    }
    const left = text.slice(taken)
    if (!this.#inItems) this.#rest += left
    else if (this.#depth > ITEMS && !this.#inUnread) this.#item += left
  }

  /** The list without its items. Throws if the text is not JSON. */
  end(): unknown {
    return JSON.parse(this.#rest)
  }

  /** The last character of the string, or of the part that has arrived. */
  #readText(text: string, from: number): number {
    let at = from
    if (this.#isEscaped) at++
    this.#isEscaped = false
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) break
      if (code === BACKSLASH) at++
    }
    this.#inText = at >= text.length
    this.#isEscaped = at > text.length
    if (this.#depth === LIST) this.#name += text.slice(from, at)
    return at
  }

  #emit(end: string): void {
    const text = this.#item + end
    this.#item = ''
    this.#onItem(JSON.parse(text))
  }
}

const isUnread = (text: string, bracket: number): boolean =>
  text[bracket] === '[' && UNREAD.some((name) => text.startsWith(name, bracket - name.length))
