import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AddressOrder } from '../../src/base/address-order.ts'
import { contains, makePrefix } from '../../src/base/prefix.ts'

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
  )
})
