import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Owners } from '../../src/cluster/owners.ts'

test('the same as a Set of owners for each thing, whatever comes and goes', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.constantFrom('a', 'b'), fc.constantFrom('x', 'y', 'z')))
  fc.assert(
    fc.property(steps, (all) => {
      const [owners, model] = [new Owners(), { a: new Set<string>(), b: new Set<string>() }]
      for (const [isAdded, thing, owner] of all) {
        const of = model[thing as 'a' | 'b']
        if (isAdded) owners.add(thing, owner)
        else expect(owners.remove(thing, owner)).toBe(of.has(owner))
        if (isAdded) of.add(owner)
        else of.delete(owner)
        expect(owners.of(thing)).toEqual([...of])
        expect(owners.has(thing)).toBe(of.size > 0)
      }
    }),
    { numRuns: 200 },
  )
})
