import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makePrefix, type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import { PrefixTable } from '../../../src/bgp/rib/prefix-table.ts'
import { KNOWN_KEY } from '../../../src/bgp/route/hash.ts'

// Few different addresses, so that prefixes meet each other.
const anyPrefix = (width: 4 | 16): fc.Arbitrary<Prefix> =>
  fc
    .tuple(fc.array(fc.constantFrom(0, 1, 128, 255), { minLength: width, maxLength: width }), fc.nat(width * 8))
    .map(([bytes, length]) => makePrefix(Uint8Array.from(bytes), length))

const textOf = (table: PrefixTable, id: number): string => {
  const bytes = new Uint8Array(table.width * 4)
  table.writeAddress(id, bytes)
  return makePrefix(bytes, table.lengths[id] ?? 0).text
}

test.each(['ipv4', 'ipv6'] as const)('%s: holds prefixes as a Map would', (family) => {
  const steps = fc.array(fc.tuple(fc.boolean(), anyPrefix(family === 'ipv4' ? 4 : 16)), { maxLength: 500, size: 'max' })
  const property = fc.property(steps, (all) => {
    const table = new PrefixTable(family, KNOWN_KEY)
    const model = new Map<string, number>()
    // Asked once at the end: an `expect` for each step took most of the time.
    const wrong: string[] = []
    for (const [add, { bytes, length, text }] of all) {
      const known = model.get(text) ?? 0
      if (table.find(bytes, 0, length) !== known) wrong.push(`${text} is not found`)
      if (add) {
        const id = table.insert(bytes, 0, length)
        if (known === 0) table.retain(id)
        else if (id !== known) wrong.push(`${text} has two ids`)
        model.set(text, id)
      } else if (known !== 0) {
        table.release(known)
        model.delete(text)
      }
    }
    expect(table.size).toBe(model.size)
    for (const [text, id] of model) if (textOf(table, id) !== text) wrong.push(`${text} is another prefix`)
    expect(wrong).toEqual([])
  })
  fc.assert(property, { numRuns: 200 })
})

test.each(['ipv4', 'ipv6'] as const)('%s: matches an address as a walk over all prefixes does', (family) => {
  const width = family === 'ipv4' ? 4 : 16
  const property = fc.property(
    fc.array(anyPrefix(width), { maxLength: 60, size: 'max' }),
    anyPrefix(width),
    (all, target) => {
      const table = new PrefixTable(family, KNOWN_KEY)
      for (const { bytes, length } of all) table.insert(bytes, 0, length)
      const found = [...table.matches(target.bytes, target.length)].map((id) => textOf(table, id))
      const containing = all.filter(
        ({ bytes, length }) =>
          length <= target.length && makePrefix(target.bytes, length).bytes.join() === bytes.join(),
      )
      containing.sort((a, b) => b.length - a.length)
      expect(found).toEqual([...new Set(containing.map(({ text }) => text))])
    },
  )
  fc.assert(property, { numRuns: 200 })
})

test('bits beyond the length do not count, and nothing behind the NLRI is read', () => {
  const table = new PrefixTable('ipv4', KNOWN_KEY)
  const id = table.insert(Uint8Array.of(10, 0xff), 0, 9)
  expect(textOf(table, id)).toBe('10.128.0.0/9')
  expect(table.find(Uint8Array.of(10, 0x80, 1, 2), 0, 9)).toBe(id)
})

test('an id of the dead is used again', () => {
  const table = new PrefixTable('ipv6', KNOWN_KEY)
  const { bytes, length } = parsePrefix('2001:db8::/32') as Prefix
  const id = table.insert(bytes, 0, length)
  table.retain(id)
  table.release(id)
  expect(table.find(bytes, 0, length)).toBe(0)
  expect(table.insert(bytes, 0, 48)).toBe(id)
  expect(table.end).toBe(2)
})
