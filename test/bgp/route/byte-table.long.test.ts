import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteTable } from '../../../src/bgp/route/byte-table.ts'
import { KNOWN_KEY } from '../../../src/bgp/route/hash.ts'
import { IdCache, NO_ID } from '../../../src/bgp/route/id-cache.ts'

const block = (kind: number): Uint8Array => new Uint8Array(1 + (kind % 40)).fill(kind)

test('keeps each byte string once, as long as somebody holds it, like a Map would', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(120)), { maxLength: 600, size: 'max' })
  const property = fc.property(steps, (all) => {
    const table = new ByteTable(KNOWN_KEY, 64)
    const held = new Map<string, { id: number; count: number }>()
    const wrong: string[] = []
    for (const [add, kind] of all) {
      const bytes = block(kind)
      const key = bytes.join()
      const known = held.get(key)
      if (add) {
        const id = table.intern(bytes, 0, bytes.length)
        if (known === undefined) held.set(key, { id, count: 1 })
        else {
          if (id !== known.id) wrong.push(`${key} has two ids`)
          known.count++
        }
      } else if (known !== undefined) {
        table.release(known.id)
        known.count--
        if (known.count === 0) held.delete(key)
      }
    }
    expect(table.size).toBe(held.size)
    for (const [key, { id, count }] of held) {
      if (table.copy(id).join() !== key) wrong.push(`${key} is other bytes`)
      if (table.refs[id] !== count) wrong.push(`${key} is held by ${table.refs[id]}, not ${count}`)
    }
    expect(wrong).toEqual([])
  })
  fc.assert(property, { numRuns: 300 })
})

test('churn leaves no memory behind: the holes are used again', () => {
  const table = new ByteTable(KNOWN_KEY)
  const bytes = new Uint8Array(64)
  const kept: number[] = []
  let high = 0
  for (let round = 0; round < 50_000; round++) {
    bytes[0] = round
    bytes[1] = round >> 8
    bytes[2] = round >> 16
    kept.push(table.intern(bytes, 0, 20 + (round % 44)))
    if (kept.length > 100) table.release(kept.shift() as number)
    if (round === 1000) high = table.memory()
  }
  expect(table.memory()).toBe(high)
})

test('what comes and goes in the same lengths stays where it is: nothing is moved', () => {
  const table = new ByteTable(KNOWN_KEY)
  const bytes = new Uint8Array(64)
  const intern = (number: number): number => {
    bytes[0] = number
    bytes[1] = number >> 8
    return table.intern(bytes, 0, 20 + (number % 44))
  }
  const kept = Array.from({ length: 440 }, (_, number) => intern(number))
  const places = kept.map((id) => table.offset(id))
  for (let number = 440; number < 20_000; number++) {
    table.release(kept.shift() as number)
    kept.push(intern(number))
  }
  expect(new Set(kept.map((id) => table.offset(id)))).toEqual(new Set(places))
  expect([table.size, table.end]).toEqual([440, 441])
  for (const [index, id] of kept.entries()) {
    const number = 20_000 - 440 + index
    expect([...table.copy(id).subarray(0, 2)]).toEqual([number & 0xff, number >> 8])
  }
})

test('an id released more often than retained is our own fault', () => {
  const table = new ByteTable(KNOWN_KEY)
  const id = table.intern(block(5), 0, 5)
  table.release(id)
  expect(() => table.release(id)).toThrow('more often')
})

test('no bytes have no place, and too many have no room: neither is a string', () => {
  const table = new ByteTable(KNOWN_KEY)
  expect(() => table.intern(block(5), 3, 3)).toThrow('0 bytes')
  expect(() => table.intern(new Uint8Array(65_536), 0, 65_536)).toThrow('65536 bytes')
  expect(table.size).toBe(0)
})

test('a cache forgets when either side has another meaning', () => {
  const [from, to] = [new ByteTable(KNOWN_KEY), new ByteTable(KNOWN_KEY)]
  const cache = new IdCache(from, to)
  const id = from.intern(block(3), 0, 3)
  const result = to.intern(block(4), 0, 4)
  expect(cache.get(id, 1)).toBe(0)
  cache.set(id, 1, result)
  expect(cache.get(id, 1)).toBe(result)
  expect(cache.get(id, 2)).toBe(0)
  to.release(result)
  expect(cache.get(id, 1)).toBe(0)
  expect(to.intern(block(9), 0, 9)).toBe(result)
  expect(cache.get(id, 1)).toBe(0)
  cache.set(id, 1, NO_ID)
  expect(cache.get(id, 1)).toBe(NO_ID)
  from.release(id)
  from.intern(block(8), 0, 8)
  expect(cache.get(id, 1)).toBe(0)
})

/** What is put in stays readable while segments are emptied under it, and what is given back is given back. */
test('when few of many strings stay, the rest of the arena is given back, and every string is still there', () => {
  const table = new ByteTable(KNOWN_KEY)
  const bytes = new Uint8Array(700)
  const stamp = (number: number): Uint8Array => {
    bytes[0] = number
    bytes[1] = number >> 8
    bytes[2] = number >> 16
    return bytes.subarray(0, 500 + (number % 200))
  }
  const ids = Array.from({ length: 20_000 }, (_, number) => table.intern(stamp(number), 0, stamp(number).length))
  const full = table.memory()
  const kept = new Map(ids.map((id, number) => [number, id] as const).filter(([number]) => number % 20 === 0))
  for (const [number, id] of ids.entries()) if (!kept.has(number)) table.release(id)
  // Others come and go while it is tidied.
  for (let number = 20_000; table.isUntidy; number++) {
    table.tidy(100)
    const id = table.intern(stamp(number), 0, stamp(number).length)
    if (number % 50 === 0) kept.set(number, id)
    else table.release(id)
  }
  for (const [number, id] of kept) expect(table.copy(id)).toEqual(Uint8Array.from(stamp(number)))
  expect(table.size).toBe(kept.size)
  expect(table.memory()).toBeLessThan(full / 6)
})
