import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { parseYaml } from '../../src/edge/yaml-text.ts'

const noBreak = async () => {}

test.each([
  ['nothing', ''],
  ['one document', 'a: 1\n'],
  ['a marker before the first', '---\na: 1\n---\nb: 2\n'],
  ['no marker before the first', 'a: 1\n---\nb: 2'],
  ['comments before the first', '# one\n\n  # two\n---\na: 1\n---\nb: 2\n'],
  ['comments only', '# one\n# two'],
  ['a comment between', 'a: 1\n---\n# nothing\n---\nb: 2\n'],
  ['empty documents', '---\n---\na: 1\n---\n'],
  ['a byte order mark', '\uFEFF---\na: 1\n'],
  ['Windows line ends', '---\r\na: 1\r\n---\r\nb: 2\r\n'],
  ['content on the line of the marker', '--- {a: 1}\n--- text\n'],
  ['a marker inside a block, away from the margin', 'a: |\n  ---\n  b\n---\nc: 3\n'],
  ['dashes that are no marker', 'a: 1\n----: 2\n'],
  ['document ends', 'a: 1\n...\n---\nb: 2\n...\n'],
  ['directives', '%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n'],
  ['anchors and merges', 'a: &x {b: 1}\nc:\n  <<: *x\n---\nd: 4\n'],
])('%s: the same values as from the text as a whole', async (_name, text) => {
  const whole = [...parseAllDocuments(text, { merge: true })].map((document) => document.toJS())
  expect(await parseYaml(text, noBreak)).toEqual(whole)
})

test.each([
  ['in the first document', 'a: [1\n', 2],
  ['in the third', 'a: 1\n---\nb: 2\n---\n\nc: {d: 1\n', 7],
  ['a quoted text that a marker cuts', 'a: 1\n---\nb: "x\n---\ny"\n', 4],
])('the line of a fault: %s', async (_name, text, line) => {
  expect(await parseYaml(text, noBreak)).toMatch(new RegExp(`^line ${line}: `))
})

test('a long text is read in slices', async () => {
  const text = Array.from({ length: 2000 }, (_, index) => `a: {b: ${index}, c: [1, 2, 3]}\n`).join('---\n')
  let breaths = 0
  const values = await parseYaml(text, async () => void breaths++)
  expect(values).toHaveLength(2000)
  expect(breaths).toBeGreaterThan(2)
})

test('who stops in the middle is not kept waiting', async () => {
  const text = 'a: {b: 1, c: [1, 2, 3]}\n---\n'.repeat(5000)
  await expect(parseYaml(text, () => Promise.reject(new Error('stopped')))).rejects.toThrow('stopped')
})
