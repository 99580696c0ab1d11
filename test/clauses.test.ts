/** Each row of `support/clauses/` is held by a test that is there and names the section, or says why there is none. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { CLAUSES } from './support/clauses/all.ts'

const ROOT = new URL('../', import.meta.url).pathname
const read = (path: string): string => readFileSync(ROOT + path, 'utf8')

interface Title {
  readonly text: string
  /** With those of the blocks around it. */
  readonly whole: string
}

const LITERAL = /(['"`])((?:\\.|(?!\1).)+)\1/g
/** Numbers of `support/pitfalls.ts`. */
const NUMBERS = /^\[[^\]]*\] /

/** Every text of a file that may be a title: what stands in quotes. The indentation says which blocks are around it. */
function titlesOf(file: string): readonly Title[] {
  const titles: Title[] = []
  const around: { readonly indent: number; readonly text: string }[] = []
  for (const line of read(file).split('\n')) {
    const indent = line.search(/\S/)
    if (indent < 0) continue
    while (around.length > 0 && (around.at(-1)?.indent ?? 0) >= indent) around.pop()
    const texts = [...line.matchAll(LITERAL)].map(([, , text]) => text as string)
    const whole = (text: string) => [...around.map((block) => block.text), text].join(' > ')
    for (const text of texts) titles.push({ text: text.replace(NUMBERS, ''), whole: whole(text) })
    if (/^\s*describe[.(]/.test(line)) around.push({ indent, text: texts.join(' ') })
  }
  return titles
}

const rows = Object.entries(CLAUSES).flatMap(([rfc, clauses]) => clauses.map((clause) => ({ rfc, ...clause })))
const titles = new Map([...new Set(rows.flatMap(({ held }) => held?.file ?? []))].map((file) => [file, titlesOf(file)]))

const names = (title: string, section: string): boolean =>
  new RegExp(`§${section.replaceAll('.', '\\.')}(?!\\.?\\d)`).test(title)

describe.each(Object.keys(CLAUSES))('RFC %s', (rfc) => {
  const held = rows.filter((row) => row.rfc === rfc && row.held !== undefined)

  test.each(held)('§$at, $must: a test holds it, and names the section', ({ at, held }) => {
    const { file = '', title = '' } = held ?? {}
    const found = titles.get(file)?.filter(({ text }) => text.startsWith(title)) ?? []
    expect(found.length, `no test of ${file} is named “${title}…”`).toBeGreaterThan(0)
    expect(found.map(({ whole }) => whole).filter((whole) => names(whole, at))).not.toEqual([])
    expect(read(file)).toContain(rfc)
  })

  test('it has a row in the table of RFCs', () => {
    expect(read('interop/RFCS.md')).toMatch(new RegExp(`^\\| [^|]*\\b${rfc}\\b`, 'm'))
  })
})

test('no clause is there twice, and each is held by a test or says why not', () => {
  const keys = rows.map(({ rfc, at, must }) => `RFC ${rfc} §${at} ${must}`)
  expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([])
  expect(rows.filter(({ held, aside }) => (held === undefined) === (aside === undefined))).toEqual([])
})

test('a title that is not there is noticed, and one of another section', () => {
  const [first] = titles.values()
  expect(first?.some(({ text }) => text.startsWith('a test that nobody wrote'))).toBe(false)
  expect([names('RFC 4724 §4: x', '4'), names('§4.1: x', '4'), names('§4: x', '4.1')]).toEqual([true, false, false])
})
