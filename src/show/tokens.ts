/** Cuts a line into words, quoted or not. */
export interface Token {
  readonly text: string
  /** In double quotes: a text or a pattern. */
  readonly quoted: boolean
  /** In single quotes, as BIRD writes a name that could be taken for something else: a name and nothing else. */
  readonly named: boolean
  readonly start: number
  readonly end: number
}

const CLOSING: Readonly<Record<string, string>> = { '"': '"', "'": "'", '{': '}' }

/** Words, "quoted texts", 'names' and { groups }, which are one word each. `open`: the last one lacks this closing sign. */
export function cut(line: string, from = 0): { readonly tokens: readonly Token[]; readonly open: string | undefined } {
  const tokens: Token[] = []
  let at = from
  while (at < line.length) {
    if (isSpace(line[at])) {
      at++
      continue
    }
    const closing = CLOSING[line[at] ?? '']
    if (closing === undefined) {
      const start = at
      while (at < line.length && !isSpace(line[at]) && CLOSING[line[at] ?? ''] === undefined) at++
      tokens.push({ text: line.slice(start, at), quoted: false, named: false, start, end: at })
      continue
    }
    const found = line.indexOf(closing, at + 1)
    const end = found < 0 ? line.length : found + 1
    const text = closing === '}' ? line.slice(at, end) : line.slice(at + 1, found < 0 ? end : end - 1)
    tokens.push({ text, quoted: closing === '"', named: closing === "'", start: at, end })
    if (found < 0) return { tokens, open: closing }
    at = end
  }
  return { tokens, open: undefined }
}

const isSpace = (character: string | undefined): boolean => character === ' ' || character === '\t'
