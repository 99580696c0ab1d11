/**
 * YAML text → plain values, one document after the other. Thousands of them take seconds: `breathe` is awaited in
 * between, so that sessions and lookers have their turns.
 */
import { LineCounter, parseAllDocuments } from 'yaml'

/** So long documents are read without a break. */
const SLICE_MILLIS = 10

/** The values of all documents, or what is wrong with the first that does not parse, and in which line. */
export async function parseYaml(text: string, breathe: () => Promise<void>): Promise<unknown[] | string> {
  const values: unknown[] = []
  let linesBefore = 0
  let since = performance.now()
  for (const piece of splitDocuments(text)) {
    const lines = new LineCounter()
    for (const document of parseAllDocuments(piece, { lineCounter: lines, prettyErrors: false, merge: true })) {
      const [fault] = document.errors
      if (fault !== undefined)
        return `line ${linesBefore + lines.linePos(fault.pos[0]).line}: ${firstLine(fault.message)}`
      values.push(document.toJS())
    }
    linesBefore += piece.split('\n').length - 1
    if (performance.now() - since < SLICE_MILLIS) continue
    await breathe()
    since = performance.now()
  }
  return values
}

export const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text

/**
 * A document begins at a line of `---`, and at the margin YAML lets that stand for nothing else. What stands before the
 * first one belongs to it when it is only comments; directives (`%YAML`) tie documents together, and are rare.
 */
function splitDocuments(text: string): string[] {
  if (/^%/m.test(text)) return [text]
  const starts = [...text.matchAll(/^---(?=\s|$)/gm)].map(({ index }) => index)
  const head = text.slice(0, starts[0] ?? text.length)
  const first = /^\uFEFF?(?:[ \t]*(?:#.*)?\r?\n)*$/.test(head) ? 1 : 0
  const cuts = [0, ...starts.slice(first), text.length]
  return cuts.slice(1).map((cut, index) => text.slice(cuts[index], cut))
}
