/**
 * Cuts a `where` expression into tokens as BIRD's lexer does: numbers, addresses, prefixes, names, strings and
 * operators.
 */

export interface Lexeme {
  readonly kind: 'number' | 'address' | 'prefix' | 'name' | 'text' | 'sign' | 'end'
  readonly text: string
  /** Where it begins and ends in the line. */
  readonly start: number
  readonly end: number
}

/** Tried in this order: prefixes and addresses before numbers, which begin the same way. */
const KINDS: readonly (readonly [Exclude<Lexeme['kind'], 'end'>, RegExp])[] = [
  ['prefix', /(?:\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]*:[0-9a-fA-F:]*[:.0-9a-fA-F]*)\/\d+/y],
  ['address', /\d+\.\d+\.\d+\.\d+|(?=[0-9a-fA-F]*:[0-9a-fA-F]*:)[0-9a-fA-F:]+(?:\d+\.\d+\.\d+\.\d+)?/y],
  ['number', /0x[0-9a-fA-F]+|\d+/y],
  ['name', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['text', /"[^"]*"/y],
  // BIRD's way to write a name that its lexer would take for something else.
  ['text', /'[^']*'/y],
  ['sign', /\.\.|&&|\|\||!=|!~|<=|>=|\[=|=\]|[-+~=<>!()[\]{},.*?]/y],
]

/** The lexeme at a place, white space passed over. Undefined where nothing fits. */
export function lexemeAt(line: string, from: number): Lexeme | undefined {
  let start = from
  while (line[start] === ' ' || line[start] === '\t') start++
  if (start >= line.length) return { kind: 'end', text: '', start, end: start }
  for (const [kind, pattern] of KINDS) {
    pattern.lastIndex = start
    const text = pattern.exec(line)?.[0]
    if (text === undefined) continue
    return { kind, text: kind === 'text' ? text.slice(1, -1) : text, start, end: start + text.length }
  }
  return undefined
}
