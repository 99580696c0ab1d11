/** The table of bounds in ARCHITECTURE.md says what the code has. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const SRC = new URL('../src/', import.meta.url)
const page = readFileSync(new URL('ARCHITECTURE.md', SRC), 'utf8')
const rows = [...page.matchAll(/^\| [^|]+ \| ([\d,]+)[^|]* \| [^|]*\| `([^`]+)` (\w+) \|$/gm)].map(
  ([, value = '', file = '', name = '']) => [name, file, value] as const,
)

/** `4 * 1024 * 1024` and the like. */
const numberOf = (text: string): number =>
  text
    .split('*')
    .map((part) => Number(part.trim().replace(/_|n$/g, '')))
    .reduce((product, factor) => product * factor, 1)

test('there are bounds', () => {
  expect(rows.length).toBeGreaterThan(25)
})

test.each(rows)('%s of %s is %s', (name, file, value) => {
  const code = readFileSync(new URL(file, SRC), 'utf8')
  const [, text = ''] = new RegExp(`const ${name}(?:: \\w+)? = ([\\d_* n]+)`).exec(code) ?? []
  expect(numberOf(text)).toBe(Number(value.replaceAll(',', '')))
})
