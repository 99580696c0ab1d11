import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Slots } from '../../../src/bgp/route/slots.ts'

/** As its owners look something up: first among the old slots. */
function find(slots: Slots, id: number, hash: number): { found: boolean; slot: number } {
  const { entries, mask, old, oldMask } = slots
  for (let slot = hash & oldMask; old.length > 0 && old[slot] !== 0; slot = (slot + 1) & oldMask)
    if (((old[slot] as number) & oldMask) === id) return { found: true, slot }
  let slot = hash & mask
  for (; entries[slot] !== 0; slot = (slot + 1) & mask)
    if (((entries[slot] as number) & mask) === id) return { found: true, slot }
  return { found: false, slot }
}

// Few hashes, so that runs are long and go round the end.
const anyHash = fc.oneof(fc.constantFrom(-1, -2, 0, 1, 62, 63, 64, 0x7fffffff), fc.integer())

test('what was added and not removed is found, while slots grow, shrink and move', () => {
  const step = fc.record({ hash: anyHash, what: fc.constantFrom('add', 'add', 'add', 'remove', 'tidy') })
  const runs = fc.array(fc.tuple(step, fc.nat(40)), { maxLength: 80 })
  const property = fc.property(runs, (all) => {
    const slots = new Slots()
    slots.grow(4000)
    const present = new Map<number, number>()
    const wrong: number[] = []
    let next = 1
    for (const [{ hash, what }, times] of all) {
      for (let time = 0; time < times; time++) {
        if (what === 'add') {
          const { found, slot } = find(slots, next, hash + time)
          if (found) wrong.push(next)
          present.set(next, hash + time)
          slots.add(next++, hash + time, slot, present.size)
        } else if (what === 'tidy') slots.tidy(present.size, next, 5)
        else {
          const [id] = [...present.keys()].slice(time % 2 === 0 ? 0 : -1)
          if (id === undefined) continue
          present.delete(id)
          slots.remove(id)
        }
      }
    }
    for (const [id, hash] of present) if (!find(slots, id, hash).found) wrong.push(id)
    expect(wrong).toEqual([])
    for (let id = 1; id < next; id++) if (!present.has(id)) expect(() => slots.remove(id)).toThrow()
  })
  fc.assert(property, { numRuns: 300 })
})

test('when few of many stay, the slots of the rest are given back', () => {
  const slots = new Slots()
  slots.grow(50_001)
  for (let id = 1; id <= 50_000; id++) slots.add(id, id * 77, find(slots, id, id * 77).slot, id)
  const full = slots.memory(0)
  for (let id = 101; id <= 50_000; id++) slots.remove(id)
  while (slots.isUntidy(100, 101)) slots.tidy(100, 101, 1000)
  for (let id = 1; id <= 100; id++) expect(find(slots, id, id * 77).found).toBe(true)
  expect(slots.memory(0)).toBeLessThan(full / 15)
})
