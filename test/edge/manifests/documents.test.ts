import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { readDocuments } from '../../../src/edge/manifests/documents.ts'
import type { PieceKind } from '../../../src/edge/manifests/fault.ts'
import { readPiece } from '../../../src/edge/manifests/piece.ts'
import { Pieces } from '../../../src/edge/manifests/pieces.ts'
import { resourcesOf } from '../../../src/edge/resources.ts'

const resources = resourcesOf('godwit.dev')
const inPlace = async (text: string, kind: PieceKind) => readPiece(text, kind, resources)

const read = (text: string, breathe = async () => {}, pieces = new Pieces(), apart = inPlace) =>
  readDocuments(text, { breathe, pieces, resources, apart })

/** The values, or what is wrong with the first that is wrong. */
async function parse(text: string, breathe?: () => Promise<void>, pieces?: Pieces): Promise<unknown[] | string> {
  const documents = await read(text, breathe, pieces)
  const [fault] = documents.flatMap(({ fault, itemFaults }) => [
    ...(fault === undefined ? [] : [fault]),
    ...(itemFaults?.values() ?? []),
  ])
  return fault ?? documents.map(({ value }) => value)
}

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
  ['nothing between ends', 'a: 1\n...\n...\nb: 2\n... # end\nc: 3'],
  ['JSON and YAML', '{"a": 1}\n---\nb: 2\n---\n{"c": 3}\n...\n{"d": 4}\n'],
  ['JSON with dashes in a text', '{"a": "\u2028---", "b":\n"---"}'],
  ['directives that last', '# one\n%YAML 1.1\n---\na: yes\n---\nb: yes\n...\n%YAML 1.2\n---\nc: yes\n---\nd: yes\n'],
  ['directives that last, over a comment', '\uFEFF%YAML 1.1\n---\na: yes\n...\n# 50%\n---\nb: yes\n'],
  ['directives', '%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n'],
  ['anchors and merges', 'a: &x {b: 1}\nc:\n  <<: *x\n---\nd: 4\n'],
])('%s: the same values as from the text as a whole', async (_name, text) => {
  const whole = [...parseAllDocuments(text, { merge: true })].map((document) => document.toJS())
  expect(await parse(text)).toEqual(whole)
})

test('any sequence of lines: the same values as from the text as a whole', async () => {
  const LINES = ['a: 1', '{"b": 2}', '---', '...', '# comment', '%YAML 1.2']
  for (let number = 0; number < LINES.length ** 4; number++) {
    const text = [0, 1, 2, 3]
      .map((place) => LINES[Math.floor(number / LINES.length ** place) % LINES.length])
      .join('\n')
    const whole = [...parseAllDocuments(text)]
    if (whole.some(({ errors }) => errors.length > 0)) continue
    expect(await parse(text), text).toEqual(whole.map((document) => document.toJS()))
  }
})

const FOREIGN = 'apiVersion: apps/v1\nkind: Deployment\nspec: {cpu: 0.5}\n'
const FOREIGN_JSON = '{"apiVersion":"apps/v1","kind":"Deployment","spec":{"cpu":0.5}}\n'
const POOL = 'apiVersion: godwit.dev/v1\nkind: IPPool\nmetadata: {name: p}\n'
const WRONG = 'apiVersion: godwit.dev/v1\nkind: BGPPeer\nmetadata: {}\nmetadata: {}\n'

test.each([
  ['JSON of a kind that is not read', `${FOREIGN_JSON}---\n${POOL}`, []],
  ['JSON first', `${JSON.stringify({ a: 1 })}\n---\n${WRONG}---\n${POOL}`, ['BGPPeer']],
  ['JSON that is cut off', `{"apiVersion":"apps/v1","kind":"Deployment","spec":{\n---\n${POOL}`, []],
  ['behind directives', `%YAML 1.2\n---\n${FOREIGN}...\n%YAML 1.2\n---\n${POOL}---\n${WRONG}`, ['BGPPeer']],
  ['behind directives that last', `%YAML 1.1\n---\n${FOREIGN}---\n${WRONG}---\n${POOL}`, ['BGPPeer']],
  ['ends only', `${FOREIGN}...\n${WRONG}...\n${POOL}`, ['BGPPeer']],
  ['a text without its end', `apiVersion: apps/v1\nkind: Deployment\nspec: "x\n...\n${POOL}`, []],
])('a fault in one document does not reach another: %s', async (_name, text, faulty) => {
  const documents = await read(text)
  expect(documents.map(({ value }) => value)).toContainEqual(
    expect.objectContaining({ kind: 'IPPool', metadata: { name: 'p' } }),
  )
  expect(documents.flatMap(({ value, fault }) => (fault === undefined ? [] : [value]))).toEqual(
    faulty.map((kind) => expect.objectContaining({ kind })),
  )
})

const POOL_JSON = '{"apiVersion":"godwit.dev/v1","kind":"IPPool","metadata":{"name":"p"}}\n'

test.each([
  ['JSON', FOREIGN_JSON + POOL_JSON],
  ['JSON with a fault', `${FOREIGN_JSON.replace('{', '{"a":1,"a":1,')}${POOL_JSON}...\n`],
  ['YAML', FOREIGN + POOL],
  ['YAML of a kind that is read', WRONG + POOL],
  [
    'an item',
    `apiVersion: v1\nkind: List\nitems:\n${[FOREIGN + POOL, POOL].map((one) => `- ${one.trimEnd().replaceAll('\n', '\n  ')}\n`).join('')}`,
  ],
])('where no marker stands between two objects, either may be meant: %s', async (_name, text) => {
  const [document, ...more] = await read(text)
  expect(more).toEqual([])
  const { value, fault, itemFaults } = document ?? {}
  expect(fault ?? itemFaults?.get(0)).toMatch(/^line \d+: /)
  expect(fault === undefined ? (value as { items: unknown[] }).items[0] : value).toEqual({})
})

test.each([
  ['cut off', FOREIGN_JSON.slice(0, -2)],
  ['with an end', FOREIGN_JSON.replace('}}', '},}\n...')],
  ['YAML that is cut off', 'apiVersion: apps/v1\nkind: Deployment\nspec: {cpu: [1\n'],
])('a fault in a kind that is not read is not reported: %s', async (_name, text) => {
  expect(await read(text)).toEqual([{ value: { apiVersion: 'apps/v1', kind: 'Deployment' } }])
})

test.each([
  ['in the first document', 'a: [1\n', 2],
  ['in the third', 'a: 1\n---\nb: 2\n---\n\nc: {d: 1\n', 7],
  ['behind JSON', '{"a": 1}\n---\nb: [2\n', 4],
  ['behind directives that last', '%YAML 1.1\n---\na: 1\n---\nb: 2\nb: 3\n', 6],
  ['a quoted text that a marker cuts', 'a: 1\n---\nb: "x\n---\ny"\n', 4],
])('the line of a fault: %s', async (_name, text, line) => {
  expect(await parse(text)).toMatch(new RegExp(`^line ${line}: `))
})

test('a long text is read in slices', async () => {
  const text = Array.from({ length: 2000 }, (_, index) => `a: {b: ${index}, c: [1, 2, 3]}\n`).join('---\n')
  let breaths = 0
  const values = await parse(text, async () => void breaths++)
  expect(values).toHaveLength(2000)
  expect(breaths).toBeGreaterThan(2)
})

test('a fault of the machine, not of the text, is not kept', async () => {
  const pieces = new Pieces()
  const long = `a: 1\n${'# more\n'.repeat(5_000)}`
  const [failed] = await read(long, undefined, pieces, async () => ({
    values: [],
    fault: { text: 'cannot be read: it takes longer than 30 s', at: 0, isPassing: true },
  }))
  expect(failed?.fault).toBe('line 1: cannot be read: it takes longer than 30 s')
  expect(await read(long, undefined, pieces)).toEqual([{ value: { a: 1 } }])
})

test('pieces of a reading that did not end are forgotten with the next', async () => {
  const pieces = new Pieces()
  const kept = { values: [] }
  pieces.set('document', 'kept', kept)
  pieces.keep()
  pieces.set('document', 'a: 1', { values: [{ a: 1 }] })
  pieces.begin()
  expect(pieces.get('document', 'a: 1')).toBeUndefined()
  expect(pieces.get('document', 'kept')).toBe(kept)
})

test('who stops in the middle is not kept waiting', async () => {
  const text = 'a: {b: 1, c: [1, 2, 3]}\n---\n'.repeat(5000)
  await expect(parse(text, () => Promise.reject(new Error('stopped')))).rejects.toThrow('stopped')
})

const LISTS: readonly (readonly [name: string, text: string])[] = [
  ['items at the margin', 'apiVersion: v1\nitems:\n- a: 1\n  b:\n  - x\n  - y\n- c: 2\nkind: List\nmetadata: {}\n'],
  ['items further in', 'kind: List\nitems:\n  - a: 1\n  -\n    b: 2\n  - [1, 2]\n'],
  ['comments and empty lines', 'kind: List\nitems: # all\n\n# one\n- a: 1\n\n  # two\n- b: 2\n# end\nmetadata: {}\n'],
  ['dashes in a block of text', 'kind: List\nitems:\n- a: |\n    - b\n    - c\n- d: >-\n    - e\n'],
  ['text on several lines', 'kind: List\nitems:\n- a: "one\n    - two"\n- b: three\n    - four\n'],
  ['anchors within an item', 'kind: List\nitems:\n- a: &x {b: 1}\n  c: *x\n- d: 2\n'],
  ['anchors across items', 'kind: List\nitems:\n- a: &x {b: 1}\n- c: *x\n'],
  ['an item that is nothing', 'kind: List\nitems:\n-\n- a: 1\n- ~\n'],
  ['a flow', 'kind: List\nitems: [{a: 1}, {b: 2}]\n'],
  ['no items', 'kind: List\nitems:\n'],
  ['one item', 'kind: List\nitems:\n- a: 1\n'],
  ['what is no List', 'kind: Menu\nitems:\n- a: 1\n- b: 2\n'],
  ['a List behind a marker', '---\nkind: BGPPeerList\nitems:\n- a: 1\n- b: 2\n---\nc: 3\n'],
  ['Windows line ends', 'kind: List\r\nitems:\r\n- a: 1\r\n- b: 2\r\nmetadata: {}\r\n'],
  ['no line end', 'kind: List\nitems:\n- a: 1\n- b: 2'],
  ['JSON', JSON.stringify({ kind: 'List', items: [{ a: '],"\\' }, { b: [1, { items: [2] }] }, 3], metadata: {} })],
  ['JSON on many lines', JSON.stringify({ items: [{ a: 1 }, { b: [] }, 'x'], kind: 'List' }, undefined, 2)],
  ['JSON with items further in', '{"kind": "List", "spec": {"items": [1, 2]}, "items": [3, 4]}'],
  ['JSON with a text that looks like items', '{"kind": "List", "a": "\\"items\\": [1, 2", "items": [3, 4]}'],
  ['JSON with no items', '{"kind": "List", "items": []}'],
  ['JSON that YAML reads', '{"kind": "List", "items": [{a: 1}, {"b": 2,}]}'],
]

describe('a List is read item by item', () => {
  test.each(LISTS)('%s: the same values as from the text as a whole', async (_name, text) => {
    const whole = [...parseAllDocuments(text, { merge: true })].map((document) => document.toJS())
    expect(await parse(text)).toEqual(whole)
  })

  test.each([
    ['in an item', 'kind: List\nitems:\n- a: 1\n- b: [1\n- c: 1\n', 5],
    ['behind the items', 'kind: List\nitems:\n- a: 1\n- b: 2\nc: {d: 1\n', 6],
    ['a line too far out', 'kind: List\nitems:\n  - a: 1\n  - b: 2\n - c: 3\n', 5],
    ['in an item of JSON', '{"kind": "List",\n"items": [\n{"a": 1},\n{"b": ]},\n{"c": 1}]}', 4],
  ])('the line of a fault %s', async (_name, text, line) => {
    expect(await parse(text)).toMatch(new RegExp(`^line ${line}: `))
  })

  test.each([
    [
      'YAML',
      `kind: List\nitems:\n${Array.from({ length: 3000 }, (_, at) => `- {a: {b: ${at}, c: [1, 2, 3]}}\n`).join('')}`,
    ],
    ['JSON', `{"kind": "List", "items": [${Array(30_000).fill('{"a": {"b": 1, "c": [1, 2, 3]}}').join()}]}`],
  ])('one that is long in slices: %s', async (_name, text) => {
    let breaths = 0
    await parse(text, async () => void breaths++)
    expect(breaths).toBeGreaterThan(1)
  })

  test('what did not change is the very value it was', async () => {
    const pieces = new Pieces()
    const text = (second: number) => `kind: List\nitems:\n- a: {b: 1}\n- a: {b: ${second}}\n---\nc: 3\n`
    const [before, end] = (await parse(text(2), undefined, pieces)) as [{ items: unknown[] }, unknown]
    const [after, same] = (await parse(text(9), undefined, pieces)) as [{ items: unknown[] }, unknown]
    expect(after.items).toEqual([{ a: { b: 1 } }, { a: { b: 9 } }])
    expect([after.items[0] === before.items[0], same === end]).toEqual([true, true])
  })
})
