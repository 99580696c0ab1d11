/**
 * Cuts the text of a `List` into its items without parsing them: of ten thousand objects in one document each is then
 * parsed by itself, and those whose text has not changed are not parsed at all.
 */

export interface ListText {
  /** The document, with an empty list of items. */
  readonly frame: string
  readonly items: readonly ItemText[]
}

export interface ItemText {
  readonly text: string
  /** The item's position in the document. */
  readonly at: number
}

/** Yields after each item, so that a long text does not block. Returns undefined where the text cannot be cut. */
export type Cutting = Generator<void, ListText | undefined>

/**
 * A block sequence under `items:` in the first column, as `kubectl get -o yaml` writes it. An item begins at a dash in
 * the column of the first dash and ends before the next one: its content is indented deeper. Undefined where the text
 * is laid out otherwise: the document is then parsed as a whole.
 */
export function* cutYamlList(text: string): Cutting {
  const head = /^items:[ \t]*(?:#.*)?\r?\n/m.exec(text)
  if (head === null) return undefined
  const cuts: number[] = []
  let column: number | undefined
  let end = text.length
  for (let at = head.index + head[0].length; at < text.length; at = lineAfter(text, at)) {
    const indent = indentOf(text, at)
    const sign = text[at + indent]
    if (isBreak(sign) || sign === '#') continue
    if (sign === '-' && isBreak(text[at + indent + 1]) && indent === (column ?? indent)) {
      column = indent
      cuts.push(at)
      yield
    } else if (column === undefined || indent <= column) {
      if (column === undefined || indent > 0) return undefined
      // The next key of the document.
      end = at
      break
    }
  }
  if (cuts.length < 2) return undefined
  const frame = `${text.slice(0, head.index)}items: []\n${text.slice(end)}`
  return { frame, items: itemsBetween(text, [...cuts, end]) }
}

function lineAfter(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end + 1
}

function indentOf(text: string, at: number): number {
  let indent = 0
  while (text[at + indent] === ' ') indent++
  return indent
}

/** White space, or the end of the text. */
const isBreak = (sign: string | undefined): boolean =>
  sign === undefined || sign === ' ' || sign === '\n' || sign === '\t' || sign === '\r'

const itemsBetween = (text: string, cuts: readonly number[]): ItemText[] =>
  cuts.slice(1).map((cut, index) => ({ text: text.slice(cuts[index], cut), at: cuts[index] as number }))

/** `"items": [ … ]` of an object in JSON text. Undefined where there are fewer than two items. */
export function* cutJsonList(text: string): Cutting {
  const cuts: number[] = []
  let depth = 0
  for (let at = nextSign(text, 0); at >= 0; at = nextSign(text, at + 1)) {
    const sign = text[at]
    const inItems = cuts.length > 0 && depth === 2
    if (sign === '[' && depth === 1 && cuts.length === 0 && isItems(text, at)) cuts.push(at + 1)
    if (sign === '{' || sign === '[') depth++
    else if (sign === ',') {
      if (inItems) {
        cuts.push(at + 1)
        yield
      }
    } else if (!inItems) depth--
    else if (cuts.length < 2) return undefined
    else
      return { frame: text.slice(0, cuts[0]) + text.slice(at), items: itemsBetween(text, [...cuts, at + 1]).map(bare) }
  }
  return undefined
}

/** The item without the comma or bracket after it. */
const bare = ({ text, at }: ItemText): ItemText => ({ text: text.slice(0, -1), at })

const isItems = (text: string, at: number): boolean => /"items"\s*:\s*$/.test(text.slice(Math.max(0, at - 32), at))

const QUOTE = 0x22
const COMMA = 0x2c
/** `[` and `]` with this bit are `{` and `}`. */
const CURLY = 0x20
const OPEN = 0x7b
const CLOSE = 0x7d

/** The next bracket, brace or comma outside of strings, from `at` on; -1 where there is none. */
function nextSign(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === COMMA || (code | CURLY) === OPEN || (code | CURLY) === CLOSE) return at
    if (code !== QUOTE) continue
    at = endOfString(text, at)
    if (at < 0) return -1
  }
  return -1
}

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text[end - 1 - slashes] === '\\') slashes++
    if (slashes % 2 === 0) return end
  }
  return -1
}
