import fc from 'fast-check'
import { expect, test } from 'vitest'
import { finish } from '../../src/base/work.ts'
import { keepSame, same } from '../../src/cluster/same.ts'

const leaf = fc.oneof(fc.nat(2), fc.constantFrom('', 'a', undefined, null))
const list = fc.oneof(fc.array(leaf, { maxLength: 2 }), fc.array(leaf, { minLength: 60, maxLength: 70, size: 'max' }))
const inner = fc.dictionary(fc.constantFrom('a', 'b', 'constructor'), fc.oneof(leaf, list))
const value = fc.oneof(
  leaf,
  list,
  fc.dictionary(fc.constantFrom('a', 'b', 'c', 'toString', '__proto__'), fc.oneof(leaf, list, inner)),
)

test('what is kept equals the new value, and is the one before where both are equal', () => {
  fc.assert(
    fc.property(value, value, (before, now) => {
      const kept = finish(keepSame(before, now))
      expect(same(kept, now)).toBe(true)
      expect(Object.is(kept, before)).toBe(same(before, now))
    }),
    { numRuns: 300 },
  )
  fc.assert(
    fc.property(value, (one) => {
      expect(finish(keepSame(one, structuredClone(one)))).toBe(one)
    }),
  )
})

test('equal parts are those of before, item by item in long lists', () => {
  const items = (changed: number) => Array.from({ length: 100 }, (_, index) => ({ at: index === changed ? -1 : index }))
  const before = { rules: items(-1), other: { list: items(-1) } }
  const kept = finish(keepSame(before, { rules: items(7), other: { list: items(-1) } }))
  expect(kept.other).toBe(before.other)
  expect(kept.rules.filter((item, index) => item !== before.rules[index])).toEqual([{ at: -1 }])
})
