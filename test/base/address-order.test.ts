import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { AddressOrder } from '../../src/base/address-order.ts'
import { contains, makePrefix } from '../../src/base/prefix.ts'
import { isLong, runs } from '../support/long.ts'

/** Few values, so that addresses are equal and lie at the ends of prefixes. */
const bytes = fc
  .tuple(
    fc.constantFrom(4, 16),
    fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), { minLength: 16, maxLength: 16, size: 'max' }),
  )
  .map(([size, all]) => Uint8Array.from(all.slice(-size)))
const prefix = bytes.chain((address) => fc.nat(address.length * 8).map((length) => makePrefix(address, length)))
const host = (address: Uint8Array) => makePrefix(address, address.length * 8)

test('those inside a prefix are the rows whose address it contains', () => {
  fc.assert(
    fc.property(
      fc.array(bytes, { maxLength: 40, size: 'max' }),
      fc.nat(10),
      fc.array(prefix),
      (all, gone, prefixes) => {
        const order = new AddressOrder<number>()
        for (const [row, address] of all.entries()) order.add(address, row)
        for (const [row, address] of all.slice(0, gone).entries()) order.remove(address, row)
        const left = [...all.entries()].slice(gone)
        for (const one of [...prefixes, ...all.map(host)]) {
          const inside = left.filter(([, address]) => contains(one, host(address))).map(([row]) => row)
          expect(order.inside(one).sort((a, b) => a - b)).toEqual(inside)
          expect(order.countInside(one)).toBe(inside.length)
          expect(order.firstInside(one) !== undefined).toBe(inside.length > 0)
        }
      },
    ),
    { numRuns: runs(50, 1_000) },
  )
})

const numbered = (number: number) => Uint8Array.of(10, number >> 16, (number >> 8) & 255, number & 255)
const numberOf = (address: Uint8Array) => Buffer.from(address).readUInt32BE()

test('that is so of thousands too, of which many have one address', () => {
  const order = new AddressOrder<number>()
  /** Addresses as numbers, because each is compared with hundreds of prefixes. */
  const left = new Map<number, number>()
  const check = () => {
    for (const length of [8, 20, 22, 24, 27, 30, 32]) {
      for (let number = 0; number < 4_096; number += 1_023) {
        const around = makePrefix(numbered(number), length)
        const lowest = numberOf(around.bytes)
        const end = lowest + 2 ** (32 - length)
        const inside = [...left].filter(([, address]) => address >= lowest && address < end)
        expect(order.countInside(around)).toBe(inside.length)
        expect(new Set(order.inside(around))).toEqual(new Set(inside.map(([row]) => row)))
        const first = order.firstInside(around)
        const least = inside.reduce<number | undefined>((a, [, b]) => (a === undefined ? b : Math.min(a, b)), undefined)
        expect(first && left.get(first)).toBe(least)
      }
    }
  }
  const rows = isLong ? 6_000 : 2_000
  for (let row = 1; row <= rows; row++) {
    const address = numbered(row % 3 === 0 ? 1_000 : Math.imul(row, 2_654_435_761) & 4_095)
    order.add(address, row)
    left.set(row, numberOf(address))
  }
  check()
  for (const [row, address] of [...left].sort(([a], [b]) => (a % 7) - (b % 7) || a - b)) {
    order.remove(numbered(address & 0xffffff), row)
    left.delete(row)
    if (left.size === rows / 2 || left.size === 20) check()
  }
  expect(order.isEmpty).toBe(true)
})

test('one more or less moves a bounded number of others, however many there are', () => {
  const order = new AddressOrder<number>()
  const all = Array.from({ length: isLong ? 8_000 : 3_000 }, (_, row) =>
    numbered(Math.imul(row, 2_654_435_761) & 0xffffff),
  )
  let longest = 0
  const { splice } = Array.prototype
  const spy = vi.spyOn(Array.prototype, 'splice').mockImplementation(function (this: unknown[], ...words) {
    longest = Math.max(longest, this.length)
    return splice.apply(this, words as [number, number])
  })
  for (const [row, address] of all.entries()) order.add(address, row)
  for (const [row, address] of all.entries()) order.remove(address, row)
  spy.mockRestore()
  expect(longest).toBeLessThan(1_000)
})
