/** Signatures as octets of socket options, and which addresses of a listener they are for. TCP-AO itself: interop `key chain`. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contains, hostPrefix, isHostPrefix, type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import type { KeyIntent, Signing } from '../../../src/cluster/intent.ts'
import { Keys } from '../../../src/edge/keys.ts'
import { keyPrefixes } from '../../../src/edge/net/key-prefixes.ts'
import { SocketProtection } from '../../../src/edge/net/protection.ts'
import { aoAdd, aoDelete, keysInForce, type Signature, signatureOf } from '../../../src/edge/net/signing.ts'
import type { Protection } from '../../../src/engine/effect.ts'

const octets = (text: string): Uint8Array => new TextEncoder().encode(text)
const named = (key: string): KeyIntent => ({ secret: 'bgp', key, version: 1 })
const chain = (...ids: readonly number[]): Signing<KeyIntent> => ({
  kind: 'ao',
  keys: ids.map((id) => ({ sendId: id, receiveId: id + 100, algorithm: 'HMAC-SHA-1-96', key: named(`k${id}`) })),
})
const made = (signing: Signing<KeyIntent>): Signature => signatureOf(signing, ({ key }) => octets(key)) as Signature
const prefixOf = (text: string): Prefix => (text.includes('/') ? parsePrefix(text) : hostPrefix(text)) as Prefix
const neighbor = (where: string, signing: Signing<KeyIntent> | undefined): Protection => ({
  prefix: prefixOf(where),
  zone: undefined,
  signing,
  minTtl: undefined,
})

describe('struct tcp_ao_add and tcp_ao_del of Linux', () => {
  const key = { sendId: 7, receiveId: 9, algorithm: 'AES-128-CMAC-96', bytes: octets('hunter2') } as const

  test('an IPv4 neighbor on a socket for IPv4', () => {
    const bytes = aoAdd(false, prefixOf('10.0.0.254'), key, 3)
    expect(bytes.length).toBe(288)
    expect([...bytes.subarray(0, 8)]).toEqual([2, 0, 0, 0, 10, 0, 0, 254])
    expect(new TextDecoder().decode(bytes.subarray(128, 141))).toBe('cmac(aes128)\0')
    // Flags, then: bits of the prefix, SendID, RecvID, octets of the code, flags of the key, octets of the key.
    expect([...bytes.subarray(192, 208)]).toEqual([0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 32, 7, 9, 12, 0, 7])
    expect(new TextDecoder().decode(bytes.subarray(208, 216))).toBe('hunter2\0')
  })

  test('an IPv4 neighbor on a socket for both families stands there as a mapped address', () => {
    const bytes = aoAdd(true, prefixOf('10.0.0.0/8'), key, 0)
    expect([...bytes.subarray(0, 24)]).toEqual([
      10,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      ...new Array(10).fill(0),
      255,
      255,
      10,
      0,
      0,
      0,
    ])
    expect(bytes[202]).toBe(8)
  })

  test('a key is taken away, and the connection goes on with another', () => {
    const bytes = aoDelete(true, prefixOf('2001:db8::1'), key, { ...key, sendId: 8, receiveId: 10 })
    expect(bytes.length).toBe(144)
    expect([...bytes.subarray(8, 24)]).toEqual([...prefixOf('2001:db8::1').bytes])
    expect([...bytes.subarray(132, 144)]).toEqual([1, 0, 0, 0, 0, 0, 128, 7, 9, 8, 0, 0])
  })
})

test('an open connection keeps an old key as long as a new one has either of its IDs', () => {
  const key = (sendId: number, receiveId: number, text: string) =>
    ({ sendId, receiveId, algorithm: 'HMAC-SHA-1-96', bytes: octets(text) }) as const
  const [one, two, other] = [key(1, 1, 'a'), key(2, 2, 'b'), key(3, 3, 'c')]
  expect(keysInForce([other, one], [one, two])).toEqual([other, one])
  expect(keysInForce([key(1, 1, 'z')], [one])).toEqual([one])
  expect(keysInForce([key(1, 9, 'z'), other], [one])).toEqual([one, other])
  expect(keysInForce([key(9, 1, 'z'), key(1, 9, 'z')], [one])).toEqual([one])
})

test('a name stands for the octets of its keys, and holds none of them', () => {
  const md5 = (text: string) => signatureOf({ kind: 'md5', key: named('a') }, () => octets(text))?.name
  const ao = (text: string) => signatureOf(chain(1), () => octets(text))?.name
  for (const name of [md5, ao]) {
    expect(name('hunter2')).toBe(name('hunter2'))
    expect(name('hunter3')).not.toBe(name('hunter2'))
    const text = Buffer.from('hunter2')
    for (const form of ['hunter', text.toString('base64').slice(0, 8), text.toString('hex')])
      expect(name('hunter2')).not.toContain(form)
  }
})

test('half a chain is none', () => {
  expect(signatureOf(chain(1, 2), ({ key }) => (key === 'k2' ? undefined : octets(key)))).toBeUndefined()
})

describe('which addresses have a signature at a listener', () => {
  const at = (...all: Protection[]) =>
    keyPrefixes(all, ({ signing }) => signing && made(signing)).map(({ prefix, signature }) => [
      prefix.text,
      signature.kind,
    ])

  test('of two keys of TCP-MD5 the longer prefix counts, so they may overlap', () => {
    const [one, two] = [{ kind: 'md5', key: named('a') } as const, { kind: 'md5', key: named('b') } as const]
    expect(at(neighbor('10.0.0.0/30', one), neighbor('10.0.0.2', two))).toEqual([
      ['10.0.0.0/30', 'md5'],
      ['10.0.0.2/32', 'md5'],
    ])
  })

  test.each<[string, Signing<KeyIntent> | undefined]>([
    ['another chain', chain(2)],
    ['TCP-MD5', { kind: 'md5', key: named('a') }],
    ['none', undefined],
  ])('a range with a chain leaves out a neighbor inside that has %s', (_, other) => {
    const found = at(neighbor('10.0.0.0/30', chain(1)), neighbor('10.0.0.2', other))
    expect(found.filter(([text]) => text !== '10.0.0.2/32')).toEqual([
      ['10.0.0.0/31', 'ao'],
      ['10.0.0.3/32', 'ao'],
    ])
  })
})

describe('any set of neighbors', () => {
  const SIGNINGS: readonly (Signing<KeyIntent> | undefined)[] = [
    { kind: 'md5', key: named('a') },
    { kind: 'md5', key: named('b') },
    chain(1),
    chain(1, 2),
    undefined,
  ]
  const signings = fc.constantFrom(...SIGNINGS)
  const address = (value: number) => `10.0.${value >> 8}.${value & 255}`
  const host = fc.tuple(fc.nat(2047).map(address), signings)
  const range = fc.tuple(
    fc.tuple(fc.nat(2047), fc.integer({ min: 20, max: 30 })).map(([value, length]) => `${address(value)}/${length}`),
    signings,
  )
  /** As many as share prefixes, and fewer. */
  const many = fc
    .tuple(fc.constantFrom(0, 40, 257, 300), fc.constantFrom(1, 2, 3), fc.nat(400), signings)
    .map(([count, step, first, signing]) =>
      Array.from({ length: count }, (_, index) => [address(first + index * step), signing] as const),
    )
  const zones = fc.constantFrom(['', ''], ['%eth0', '%eth1'])

  test('each has its own signature at a listener or none, and no two prefixes of TCP-AO overlap', () => {
    fc.assert(
      fc.property(
        many,
        fc.array(host, { maxLength: 12 }),
        fc.array(range, { maxLength: 5 }),
        zones,
        (crowd, hosts, ranges, [one, two]) => {
          const byText = new Map(
            [...ranges, ...crowd, ...hosts].map(([text, signing]) => [prefixOf(text).text, signing]),
          )
          const all = [...byText].flatMap(([text, signing]) => {
            const neighborAt = (zone: string | undefined) => ({ ...neighbor(text, signing), zone })
            // A link-local host may be on two links.
            return text.endsWith('/32') && one !== two ? [neighborAt(one), neighborAt(two)] : [neighborAt(undefined)]
          })
          const found = keyPrefixes(all, ({ signing }) => signing && made(signing))
          const inForce = (prefix: Prefix): string | undefined => {
            const keys = found.filter((one) => contains(one.prefix, prefix))
            return keys.sort((a, b) => b.prefix.length - a.prefix.length)[0]?.signature.name
          }
          const wrong = all.filter(
            ({ prefix, signing }) => isHostPrefix(prefix) && inForce(prefix) !== (signing && made(signing).name),
          )
          expect(wrong).toEqual([])
          expect(new Set(found.map(({ prefix }) => prefix.text)).size).toBe(found.length)
          for (const { prefix, signature } of found) {
            if (signature.kind !== 'ao') continue
            expect(
              found.filter((other) => contains(other.prefix, prefix) || contains(prefix, other.prefix)).length,
            ).toBe(1)
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  test('a stranger in a range has the signature of the range', () => {
    const found = keyPrefixes(
      [
        neighbor('10.0.0.0/24', chain(1)),
        ...Array.from({ length: 300 }, (_, index) => neighbor(address(256 + index), chain(1))),
        neighbor('10.0.0.9', chain(2)),
      ],
      ({ signing }) => signing && made(signing),
    )
    for (let value = 0; value < 256; value++) {
      const names = found.flatMap((one) => (contains(one.prefix, prefixOf(address(value))) ? [one.signature.name] : []))
      expect([value, names]).toEqual([value, [made(chain(value === 9 ? 2 : 1)).name]])
    }
  })
})

test('of several ports of one address none gets less than it asks', () => {
  const md5 = { kind: 'md5', key: named('a') } as const
  const all = [
    { ...neighbor('10.0.0.1', undefined), minTtl: 254 },
    neighbor('10.0.0.1', md5),
    { ...neighbor('10.0.0.1', undefined), minTtl: 255 },
    neighbor('10.0.0.1', undefined),
  ]
  for (const neighbors of [all, all.toReversed()]) {
    const protection = new SocketProtection(new Keys())
    protection.set(neighbors)
    expect(protection.of('10.0.0.1')).toMatchObject({ signing: md5, minTtl: 255 })
    expect(protection.admission(undefined).leastTtl.ipv4).toBe(255)
  }
})

describe('a kernel without TCP-AO', () => {
  const without = new SocketProtection(new Keys(), { md5: true, ao: false })

  test('holds that neighbor, says why, and asks its listener for nothing', () => {
    without.set([neighbor('10.0.0.1', chain(1)), neighbor('10.0.0.2', undefined)])
    expect(without.whyUnsigned('10.0.0.1')).toBe('this kernel has no TCP-AO (CONFIG_TCP_AO)')
    expect(without.whyUnsigned('10.0.0.2')).toBeUndefined()
    expect(without.admission(undefined).signed).toEqual([])
  })
})
