/** A line cut into words. */
export interface Token {
  readonly text: string
  readonly quoted: boolean
  readonly start: number
  readonly end: number
}

/** Words, "quoted texts" and { groups }, which are one word each. `open`: the last one lacks its closing sign. */
export function cut(line: string): { readonly tokens: readonly Token[]; readonly open: '"' | '}' | undefined } {
  const tokens: Token[] = []
  let at = 0
  while (at < line.length) {
    if (isSpace(line[at])) {
      at++
      continue
    }
    const closing = line[at] === '"' ? '"' : line[at] === '{' ? '}' : undefined
    if (closing === undefined) {
      const start = at
      while (at < line.length && !isSpace(line[at]) && line[at] !== '"' && line[at] !== '{') at++
      tokens.push({ text: line.slice(start, at), quoted: false, start, end: at })
      continue
    }
    const found = line.indexOf(closing, at + 1)
    const end = found < 0 ? line.length : found + 1
    const quoted = closing === '"'
    const text = quoted ? line.slice(at + 1, found < 0 ? end : end - 1) : line.slice(at, end)
    tokens.push({ text, quoted, start: at, end })
    if (found < 0) return { tokens, open: closing }
    at = end
  }
  return { tokens, open: undefined }
}

const isSpace = (character: string | undefined): boolean => character === ' ' || character === '\t'
