import { describe, expect, test } from 'vitest'
import { decodeNdp, encodeAdvertisement, encodeSolicitation } from '../../src/ndp/packet.ts'

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
const bytes = (...octets: number[]): Uint8Array => Uint8Array.from(octets)
const zeros = (count: number): number[] => new Array<number>(count).fill(0)
const OPTION = [1, 1, 2, 0, 0, 0, 0, 1]
/** A default router: hop limit 64, lifetime 30 s, an interval (RFC 6275 §7.3), its own address. */
const DEFAULT_ROUTER = bytes(134, 0, 0x12, 0x34, 64, 0, 0, 30, ...zeros(8), 7, 1, 0, 0, 0, 0, 0x27, 0x10, ...OPTION)

describe('ours', () => {
  test('an advertisement says that a router is here, and nothing that a host would follow', () => {
    expect(encodeAdvertisement(MAC)).toEqual(bytes(134, ...zeros(15), ...OPTION))
    expect(encodeAdvertisement(undefined)).toEqual(bytes(134, ...zeros(15)))
  })

  test('a solicitation', () => {
    expect(encodeSolicitation(MAC)).toEqual(bytes(133, ...zeros(7), ...OPTION))
    expect(encodeSolicitation(new Uint8Array(20))).toEqual(bytes(133, ...zeros(7)))
  })

  test('are read as what they are', () => {
    expect(decodeNdp(encodeAdvertisement(MAC))).toEqual({ kind: 'advertisement', lifetime: 0 })
    expect(decodeNdp(encodeSolicitation(MAC))).toEqual({ kind: 'solicitation' })
  })
})

test('a router with a lifetime, and with options we have no use for', () => {
  expect(decodeNdp(DEFAULT_ROUTER)).toEqual({ kind: 'advertisement', lifetime: 30 })
})

/** RFC 4861 §6.1.1 and §6.1.2: to be dropped in silence. */
test.each<[string, Uint8Array]>([
  ['nothing', bytes()],
  ['a neighbor solicitation', bytes(135, ...zeros(23))],
  ['another code', bytes(134, 1, ...zeros(14))],
  ['an advertisement that is too short', bytes(134, ...zeros(14))],
  ['a solicitation that is too short', bytes(133, ...zeros(6))],
  ['an option of no length', bytes(134, ...zeros(15), 1, 0, ...zeros(6))],
  ['an option that goes on beyond the end', bytes(134, ...zeros(15), 1, 2, ...zeros(6))],
  ['half an option', bytes(134, ...zeros(15), 1)],
])('%s is dropped', (_, packet) => expect(decodeNdp(packet)).toBeUndefined())

test('cut anywhere, it is dropped or still whole', () => {
  for (let end = 0; end < DEFAULT_ROUTER.length; end++) {
    const whole = end === 16 || end === 24
    expect(decodeNdp(DEFAULT_ROUTER.subarray(0, end)) !== undefined, `${end} octets`).toBe(whole)
  }
})
