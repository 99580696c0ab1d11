/** Addresses and prefixes against ip-num, which was written by others. */
import fc from 'fast-check'
import { IPv4, IPv4CidrRange, IPv6, IPv6CidrRange } from 'ip-num'
import { expect, test } from 'vitest'
import { formatAddress, parseAddress, parseAddressBytes } from '../../src/base/address.ts'
import { contains, parsePrefix } from '../../src/base/prefix.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 500)
const check = (property: fc.IRawProperty<unknown>) => fc.assert(property, { numRuns: RUNS })

const numberOf = (bytes: Uint8Array): bigint => bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n)

/** What ip-num reads, or undefined. */
function oracle(text: string): bigint | undefined {
  try {
    return (text.includes(':') ? new IPv6(text) : new IPv4(text)).value
  } catch {
    return undefined
  }
}

const v4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 })
/** Groups of zeros are what addresses differ in when written. */
const v6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])))

test('what we write, ip-num reads as the same address, and so do we', () => {
  check(
    fc.property(fc.oneof(v4Bytes, v6Bytes), (bytes) => {
      const text = formatAddress(bytes)
      expect(oracle(text)).toBe(numberOf(bytes))
      expect(parseAddressBytes(text)).toEqual(bytes)
      expect(parseAddress(text)).toBe(text)
    }),
  )
})

test('what ip-num writes, we read as the same address', () => {
  check(
    fc.property(fc.oneof(v4Bytes, v6Bytes), (bytes) => {
      const number = numberOf(bytes)
      const text = bytes.length === 4 ? IPv4.fromNumber(number).toString() : IPv6.fromBigInt(number).toString()
      expect(parseAddressBytes(text)).toEqual(bytes)
    }),
  )
})

/** Nearly addresses: the right characters, often in the wrong places. */
const nearly = fc.oneof(
  fc
    .array(fc.oneof(fc.integer({ min: 0, max: 300 }).map(String), fc.constantFrom('', '00', '1e1')), { maxLength: 6 })
    .map((parts) => parts.join('.')),
  fc
    .array(
      fc.oneof(
        fc.integer({ min: 0, max: 0x1ffff }).map((group) => group.toString(16)),
        fc.constantFrom('', '0', 'g'),
      ),
      { maxLength: 10 },
    )
    .map((parts) => parts.join(':')),
  fc.tuple(v6Bytes, fc.nat(40), fc.constantFrom(':', '::', '0', 'f', '', '1.2.3.4')).map(([bytes, at, piece]) => {
    const text = formatAddress(bytes)
    return text.slice(0, at) + piece + text.slice(at + 1)
  }),
)

test('we and ip-num agree on what is an address', () => {
  check(
    fc.property(nearly, (text) => {
      const bytes = parseAddressBytes(text)
      expect(bytes === undefined ? undefined : numberOf(bytes)).toBe(oracle(text))
    }),
  )
})

test('any text is an address or none, and never a fault', () => {
  check(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const address = parseAddress(text)
      if (address !== undefined) expect(parseAddress(address)).toBe(address)
      const prefix = parsePrefix(text)
      if (prefix !== undefined) expect(parsePrefix(prefix.text)).toEqual(prefix)
    }),
  )
})

const v4Prefix = fc.tuple(v4Bytes, fc.integer({ min: 0, max: 32 }))
const v6Prefix = fc.tuple(v6Bytes, fc.integer({ min: 0, max: 128 }))

test('the first address of a prefix is the one ip-num finds', () => {
  check(
    fc.property(fc.oneof(v4Prefix, v6Prefix), ([bytes, length]) => {
      const text = `${formatAddress(bytes)}/${length}`
      const range = bytes.length === 4 ? IPv4CidrRange.fromCidr(text) : IPv6CidrRange.fromCidr(text)
      const prefix = parsePrefix(text)
      expect(prefix === undefined ? undefined : numberOf(prefix.bytes)).toBe(range.getFirst().value)
    }),
  )
})

test('one prefix contains another where ip-num says so', () => {
  // Related more often than by chance: the second is cut from the first, or differs in one byte.
  const pair = fc.tuple(
    v4Bytes,
    fc.integer({ min: 0, max: 32 }),
    fc.integer({ min: 0, max: 32 }),
    fc.nat(3),
    fc.nat(255),
  )
  check(
    fc.property(pair, ([bytes, one, two, at, byte]) => {
      const changed = bytes.with(at, byte)
      const outer = `${formatAddress(bytes)}/${one}`
      const inner = `${formatAddress(changed)}/${two}`
      const [outerPrefix, innerPrefix] = [parsePrefix(outer), parsePrefix(inner)]
      if (outerPrefix === undefined || innerPrefix === undefined) throw new Error(`${outer} ${inner}`)
      const [outerRange, innerRange] = [IPv4CidrRange.fromCidr(outer), IPv4CidrRange.fromCidr(inner)]
      expect(contains(outerPrefix, innerPrefix)).toBe(
        outerRange.contains(innerRange) || outerRange.isEquals(innerRange),
      )
    }),
  )
})
