import { describe, expect, test } from 'vitest'
import type { Open } from '../../../src/bgp/wire/message.ts'
import { asnOf, decodeOpen, encodeOpen } from '../../../src/bgp/wire/open.ts'
import { CAPABILITIES, OPEN_HEAD, OPENS } from '../../support/known-messages.ts'
import { frameOf, fromHex, message } from '../../support/messages.ts'

const decode = (bytes: Uint8Array) => decodeOpen(frameOf(bytes))
const openWith = (parameters: string) => message(1, ...OPEN_HEAD, ...fromHex(parameters))

describe.each(OPENS)('$name', ({ bytes, value }) => {
  test('is read', () => {
    expect(decode(bytes)).toEqual(value)
  })

  test('is written', () => {
    expect(encodeOpen(value)).toEqual(bytes)
  })
})

describe('parameters as others write them', () => {
  const two = [{ kind: 'route-refresh' }, { kind: 'multiprotocol', afi: 1, safi: 1 }]

  test.each([
    ['[8] one parameter for each capability', '0c  02 02 0200  02 06 010400010001'],
    ['[8] both in one parameter', '0a  02 08 0200 010400010001'],
    ['[8] the extended form (RFC 9072), though short (§2)', 'ff ff 000b  02 0008 0200 010400010001'],
    ['the extended form whose first length is not 255 (RFC 9072 §2)', '0a ff 000b  02 0008 0200 010400010001'],
    ['an empty parameter among them', '0e  02 02 0200  02 00  02 06 010400010001'],
  ])('%s', (_, parameters) => {
    expect(decode(openWith(parameters))).toMatchObject({ kind: 'open', capabilities: two })
  })

  test('[10] the same capability twice comes out twice', () => {
    expect(decode(openWith('08 02 06 0200 0200 0200'))).toMatchObject({
      capabilities: [{ kind: 'route-refresh' }, { kind: 'route-refresh' }, { kind: 'route-refresh' }],
    })
  })

  test('[7] an unknown capability is no error (RFC 5492 §3)', () => {
    expect(decode(openWith('04 02 02 f000'))).toMatchObject({ capabilities: [{ kind: 'unknown', code: 0xf0 }] })
  })
})

describe('RFC 4271 §6.2', () => {
  const head = (text: string) => message(1, ...fromHex(text), 0)

  test.each<[string, Uint8Array, number, readonly number[]]>([
    ['[5] version 3', head('03 fc00 005a c0000201'), 1, [0, 4]],
    ['[5] version 5 with everything else wrong, too', head('05 0000 0001 00000000'), 1, [0, 4]],
    ['[6] AS 0', head('04 0000 005a c0000201'), 2, []],
    ['[6] AS 0 in the capability (RFC 7607)', openWith('08 02 06 41 04 00000000'), 2, []],
    ['[9] My Autonomous System is neither AS_TRANS nor the same number', openWith('08 02 06 41 04 0000fc01'), 2, []],
    ['[6] identifier 0.0.0.0', head('04 fc00 005a 00000000'), 3, []],
    ['[6] hold time 1', head('04 fc00 0001 c0000201'), 6, []],
    ['[6] hold time 2', head('04 fc00 0002 c0000201'), 6, []],
    ['[7] optional parameter 3', openWith('02 03 00'), 4, []],
    ['[7] optional parameter 1, authentication, which is no more', openWith('03 01 01 00'), 4, []],
    ['[7] a parameter past the end', openWith('04 02 08 0200'), 0, []],
    ['[7] a capability past its parameter', openWith('04 02 02 4104'), 0, []],
    ['fewer parameters than announced', openWith('08 02 02 0200'), 0, []],
    ['more parameters than announced', openWith('02 02 02 0200'), 0, []],
    ['parameters where none are announced', openWith('00 02 02 0200'), 0, []],
    ['the extended form cut short', openWith('ff ff 00'), 0, []],
  ])('%s', (_, bytes, subcode, data) => {
    expect(decode(bytes)).toMatchObject({ kind: 'message-error', code: 2, subcode, data: Uint8Array.from(data) })
  })

  test('[6] hold time 0 and 3 are legal', () => {
    expect(decode(head('04 fc00 0000 c0000201'))).toMatchObject({ holdTime: 0 })
    expect(decode(head('04 fc00 0003 c0000201'))).toMatchObject({ holdTime: 3 })
  })
})

describe('the AS number of the sender', () => {
  const open = OPENS[0]?.value as Open

  test('without the capability: My Autonomous System', () => {
    expect(asnOf(open)).toBe(64512)
  })

  test('[9] the capability wins (RFC 6793 §4.1)', () => {
    expect(asnOf({ ...open, myAs: 23456, capabilities: [{ kind: 'four-octet-as', asn: 70000 }] })).toBe(70000)
  })
})

test('254 octets of capabilities take the extended form, 253 do not (RFC 9072 §2)', () => {
  const open = (octets: number): Open => ({
    ...(OPENS[0]?.value as Open),
    capabilities: [{ kind: 'unknown', code: 200, value: new Uint8Array(octets - 2) }],
  })
  expect([...encodeOpen(open(253)).subarray(28, 31)]).toEqual([255, 2, 253])
  expect([...encodeOpen(open(254)).subarray(28, 34)]).toEqual([255, 255, 1, 1, 2, 0])
  expect(decode(encodeOpen(open(253)))).toEqual(open(253))
  expect(decode(encodeOpen(open(254)))).toEqual(open(254))
})

test('an OPEN beyond 4096 octets is our own fault', () => {
  const value = new Uint8Array(250)
  const capabilities = Array.from({ length: 17 }, () => ({ kind: 'unknown', code: 200, value }) as const)
  expect(() => encodeOpen({ ...(OPENS[0]?.value as Open), capabilities })).toThrow(/OPEN of/)
})

test('all capabilities fit in one OPEN', () => {
  const capabilities = CAPABILITIES.map(({ value }) => value)
  const open: Open = { ...(OPENS[0]?.value as Open), myAs: 23456, capabilities }
  expect(decode(encodeOpen(open))).toEqual(open)
})
