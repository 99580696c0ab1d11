import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BFD_STATES, type ControlPacket, decodeControl, encodeControl } from '../../src/bfd/packet.ts'
import { control } from './support.ts'

const bytes = (change: Partial<Record<number, number>> = {}, length = 24): Uint8Array => {
  const packet = new Uint8Array(length)
  packet.set(encodeControl(control({ state: 'Up', yourDiscriminator: 9 })))
  for (const [at, value] of Object.entries(change)) packet[Number(at)] = value as number
  return packet
}

test('[79] a packet octet by octet (RFC 5880 §4.1)', () => {
  const packet = control({
    diagnostic: 3,
    state: 'Up',
    poll: true,
    controlPlaneIndependent: true,
    multiplier: 5,
    myDiscriminator: 0xfedcba98,
    yourDiscriminator: 0x01020304,
    desiredMinTx: 100_000,
    requiredMinRx: 300_000,
  })
  const wire = '23e80518fedcba9801020304000186a0000493e000000000'
  expect(Buffer.from(encodeControl(packet)).toString('hex')).toBe(wire)
  expect(decodeControl(Uint8Array.from(Buffer.from(wire, 'hex')))).toEqual(packet)
})

const bit = fc.boolean()
const word = fc.integer({ min: 0, max: 0xffffffff })
const packets: fc.Arbitrary<ControlPacket> = fc.record({
  diagnostic: fc.integer({ min: 0, max: 31 }),
  state: fc.constantFrom(...BFD_STATES),
  poll: bit,
  final: bit,
  controlPlaneIndependent: bit,
  demand: bit,
  multiplier: fc.integer({ min: 1, max: 255 }),
  myDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
  yourDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
  desiredMinTx: word,
  requiredMinRx: word,
  requiredMinEchoRx: word,
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(packets, (packet) => {
      expect(decodeControl(encodeControl(packet))).toEqual(packet)
    }),
  )
})

test('no bytes whatever are read without a verdict', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (any) => {
      const verdict = decodeControl(any)
      expect(typeof verdict === 'string' || verdict.myDiscriminator !== 0).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

describe('RFC 5880 §6.8.6: a packet MUST be discarded', () => {
  test.each([
    ['[79] version 0', bytes({ 0: 0 }), 'version'],
    ['version 2', bytes({ 0: 2 << 5 }), 'version'],
    ['a Length below 24', bytes({ 3: 23 }), 'length'],
    ['with A, a Length below 26', bytes({ 1: 0xc4, 3: 25 }, 40), 'length'],
    ['a Length beyond the payload', bytes({ 3: 25 }), 'length'],
    ['a payload below 24', bytes().subarray(0, 23), 'length'],
    ['an empty payload', new Uint8Array(0), 'length'],
    ['a Detect Mult of zero', bytes({ 2: 0 }), 'multiplier'],
    ['the Multipoint bit', bytes({ 1: 0xc1 }), 'multipoint'],
    ['a My Discriminator of zero', bytes({ 4: 0, 5: 0, 6: 0, 7: 0 }), 'my-discriminator'],
    ['a Your Discriminator of zero in state Up', bytes({ 8: 0, 9: 0, 10: 0, 11: 0 }), 'state'],
    ['… and in state Init', bytes({ 1: 2 << 6, 8: 0, 9: 0, 10: 0, 11: 0 }), 'state'],
    ['the A bit, as no authentication is in use', bytes({ 1: 0xc4, 3: 26 }, 26), 'authentication'],
  ])('%s', (_name, packet, reason) => expect(decodeControl(packet)).toBe(reason))

  test('but not for a payload longer than Length: what follows is not of BFD', () => {
    expect(decodeControl(bytes({}, 60))).toMatchObject({ state: 'Up' })
  })

  test('nor for a Your Discriminator of zero in Down and AdminDown', () => {
    const first = { 8: 0, 9: 0, 10: 0, 11: 0 }
    expect(decodeControl(bytes({ ...first, 1: 1 << 6 }))).toMatchObject({ state: 'Down' })
    expect(decodeControl(bytes({ ...first, 1: 0 }))).toMatchObject({ state: 'AdminDown' })
  })
})
