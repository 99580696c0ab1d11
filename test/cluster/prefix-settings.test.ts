import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contains, makePrefix, type Prefix } from '../../src/base/prefix.ts'
import { PrefixSettingsTable } from '../../src/cluster/prefix-settings.ts'
import type { ResolvedAdvertisement } from '../../src/cluster/settings.ts'

/** Few values, so that prefixes lie inside each other. */
const prefix: fc.Arbitrary<Prefix> = fc
  .tuple(fc.constantFrom(4, 16), fc.array(fc.constantFrom(0, 1, 128, 255), { minLength: 16, maxLength: 16 }))
  .chain(([size, bytes]) =>
    fc
      .oneof(fc.nat(16), fc.nat(size * 8), fc.constant(size * 8))
      .map((length) => makePrefix(Uint8Array.from(bytes.slice(0, size)), length)),
  )
const advertisement: fc.Arbitrary<ResolvedAdvertisement> = fc.record({
  prefix,
  communities: fc.array(fc.tuple(fc.constant(64_512), fc.nat(5)), { maxLength: 3 }),
  held: fc.constantFrom(undefined, undefined, 'a', 'b'),
})

test('a route has what all prefixAdvertisements around it say, in the order of the list', () => {
  fc.assert(
    fc.property(fc.array(advertisement, { maxLength: 30, size: 'max' }), fc.array(prefix), (all, others) => {
      const table = new PrefixSettingsTable(all)
      for (const one of [...others, ...all.map((entry) => entry.prefix)]) {
        const around = all.filter((entry) => contains(entry.prefix, one))
        const texts = new Set(around.flatMap(({ communities }) => communities.map((community) => community.join(':'))))
        const { communities, held } = table.of(one)
        expect(communities.map((community) => community.join(':'))).toEqual([...texts])
        expect(held).toBe(around.find((entry) => entry.held !== undefined)?.held)
      }
    }),
  )
})
