/**
 * A list read item by item as it comes: of thousands of objects one at a time is held as text and parsed, so that no answer
 * is as large as the list, and no parse as long.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const isOpening = (code: number): boolean => code === 0x7b || code === 0x5b
const isClosing = (code: number): boolean => code === 0x7d || code === 0x5d

/** How deep the list itself is, and its items in it: `{"items":[{`. */
const LIST = 1
const ITEMS = 2

export class ItemReader {
  readonly #onItem: (item: unknown) => void
  readonly #decoder = new TextDecoder()
  /** The list without its items. */
  #rest = ''
  /** What has come of the item that is being read. */
  #item = ''
  /** The last text that stood in the list itself: before its items stands their name. */
  #name = ''
  #depth = 0
  #inText = false
  #isEscaped = false
  #inItems = false

  constructor(onItem: (item: unknown) => void) {
    this.#onItem = onItem
  }

  push(chunk: Uint8Array): void {
    const text = this.#decoder.decode(chunk, { stream: true })
    /** What is before this has been put where it belongs. */
    let taken = 0
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (this.#inText) at = this.#readText(text, at)
      else if (code === QUOTE) this.#beginText()
      else if (isOpening(code)) {
        if (this.#inItems && this.#depth === ITEMS) taken = at
        this.#depth++
        if (this.#depth !== ITEMS || this.#name !== 'items') continue
        this.#inItems = true
        this.#rest += text.slice(taken, at + 1)
        taken = at + 1
      } else if (isClosing(code)) {
        this.#depth--
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
    else if (this.#depth > ITEMS) this.#item += left
  }

  /** The list, all items told. Throws where it was no JSON. */
  end(): unknown {
    return JSON.parse(this.#rest)
  }

  #beginText(): void {
    this.#inText = true
    if (this.#depth === LIST) this.#name = ''
  }

  /** Where it ends, or where what has come of it does. */
  #readText(text: string, from: number): number {
    let at = from
    for (; this.#inText && at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (this.#isEscaped) this.#isEscaped = false
      else if (code === BACKSLASH) this.#isEscaped = true
      else this.#inText = code !== QUOTE
    }
    if (this.#depth === LIST) this.#name += text.slice(from, this.#inText ? at : at - 1)
    return at - 1
  }

  #emit(end: string): void {
    const text = this.#item + end
    this.#item = ''
    this.#onItem(JSON.parse(text))
  }
}
