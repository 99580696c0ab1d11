/** Cuts the text of a file into its documents without parsing them, so that a fault in one does not reach the others. */

export interface DocumentText {
  readonly text: string
  /** Where it begins in the file. */
  readonly at: number
}

/** At the start of a line YAML gives these no other meaning, and JSON has no such lines. */
const MARKER = /(?:^|\n)(---|\.\.\.)(?![^ \t\r\n])/g
/** What may stand before a `---` and belongs to its document: directives (`%YAML`) and comments. */
const PRELUDE = /^\uFEFF?(?:(?:%.*|[ \t]*(?:#.*)?)\r?\n)*/
/** YAML 1.1 lets them hold for the documents behind as well; in 1.2 they end with their own. */
const LASTING = /(?:^\uFEFF?|\n)%YAML[ \t]+1\.1\b/
const DIRECTIVE = /(?:^\uFEFF?|\n)%/

/** A document begins at a line of `---`, or behind a line of `...`. */
export function cutDocuments(text: string): DocumentText[] {
  const cuts = cutsIn(text)
  let lasting = ''
  return cuts.map((cut, index) => {
    const own = text.slice(cut, cuts[index + 1])
    const prelude = preludeOf(own)
    if (DIRECTIVE.test(prelude)) lasting = LASTING.test(prelude) ? prelude : ''
    else if (own.startsWith('---', prelude.length)) return { text: lasting + own, at: cut - lasting.length }
    return { text: own, at: cut }
  })
}

const preludeOf = (text: string): string => PRELUDE.exec(text)?.[0] ?? ''

function cutsIn(text: string): number[] {
  const cuts = [0]
  for (const { index, 0: found, 1: marker } of text.matchAll(MARKER)) {
    const at = index + found.length - 3
    if (marker === '...') cuts.push(lineAfter(text, at))
    else if (!isPrelude(text.slice(cuts.at(-1), at))) cuts.push(at)
  }
  return cuts.filter((cut) => cut < text.length)
}

const isPrelude = (text: string): boolean => preludeOf(text).length === text.length

function lineAfter(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end + 1
}
