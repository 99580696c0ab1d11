import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ItemReader } from '../../../src/edge/kubernetes/item-reader.ts'

/** The list in pieces of so many octets: what was told of it, and the rest. */
function read(text: string, size: number): { items: unknown[]; rest: unknown } {
  const items: unknown[] = []
  const reader = new ItemReader((item) => items.push(item))
  const bytes = new TextEncoder().encode(text)
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size))
  return { items, rest: reader.end() }
}

describe('a list', () => {
  test.each<[string, string, unknown[]]>([
    [
      'as the API says it',
      '{"kind":"NodeList","metadata":{"continue":"x"},"items":[{"a":1},{"b":[2]}]}',
      [{ a: 1 }, { b: [2] }],
    ],
    ['with blanks, items first', '{ "items" : [ {"a":1} ,\n{} ] ,\n"metadata" : {} }', [{ a: 1 }, {}]],
    ['without items', '{"metadata":{},"items":[]}', []],
    ['with none at all', '{"metadata":{},"items":null}', []],
    [
      'signs in texts',
      String.raw`{"items":[{"a":"]}\"items\":[{\\"},{"ö":"😀"}]}`,
      [{ a: ']}"items":[{\\' }, { ö: '😀' }],
    ],
    [
      'items elsewhere',
      '{"metadata":{"items":[{"x":1}]},"other":[{"y":1}],"kind":"items","items":[{"z":1}]}',
      [{ z: 1 }],
    ],
  ])('%s', (_name, text, expected) => {
    const { items: _items, ...rest } = JSON.parse(text) as Record<string, unknown>
    for (let size = 1; size <= text.length; size++) {
      const found = read(text, size)
      expect(found.items).toEqual(expected)
      expect(found.rest).toMatchObject(rest)
    }
  })

  test.each(['', '{"items":[{"a":1}', '{"items":[{"a":1}]', '<html>'])('cut short or none: %s', (text) => {
    expect(() => read(text, 7)).toThrow(SyntaxError)
  })

  test('arrays that nobody reads are left empty, unless their name came in two pieces', () => {
    const node = {
      metadata: { name: 'a', managedFields: [{ fieldsV1: { 'f:images': [']'] } }], labels: { images: 'x' } },
      status: { images: [{ names: ['}]"', '[{'] }, {}], addresses: [{ address: '10.0.0.1' }] },
      images: ['kept'],
      spec: { deep: { images: ['kept'] }, text: '"images":[', images: { kept: [1] } },
    }
    const bare = {
      ...node,
      metadata: { ...node.metadata, managedFields: [] },
      status: { ...node.status, images: [] },
    }
    const text = JSON.stringify({ items: [node, node], metadata: {} })
    expect(read(text, text.length)).toEqual({ items: [bare, bare], rest: { items: [], metadata: {} } })
    const without = ({ metadata, status, ...rest }: typeof node) => ({
      ...rest,
      metadata: { ...metadata, managedFields: [] },
      status: { ...status, images: [] },
    })
    for (let size = 1; size < text.length; size++)
      expect(read(text, size).items.map((one) => without(one as typeof node))).toEqual([bare, bare])
  })

  test('whatever is in it', () => {
    const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()))
    fc.assert(
      fc.property(
        objects,
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.integer({ min: 1, max: 40 }),
        (items, more, size) => {
          const list = JSON.parse(JSON.stringify({ ...more, items })) as { items: unknown[] }
          const found = read(JSON.stringify(list), size)
          expect(found.items).toEqual(list.items)
          expect(found.rest).toEqual({ ...list, items: [] })
        },
      ),
      { numRuns: 200 },
    )
  })
})
