import { describe, expect, test } from 'vitest'
import { decodeCapabilities, describeCapability, encodeCapabilities } from '../../../src/bgp/wire/capability.ts'
import { CAPABILITIES } from '../../support/known-messages.ts'
import { fromHex } from '../../support/messages.ts'

describe.each(CAPABILITIES)('$name', ({ bytes, value, words }) => {
  test('is read', () => {
    expect(decodeCapabilities(Uint8Array.from(bytes))).toEqual([value])
  })

  test('is written', () => {
    expect([...encodeCapabilities([value])]).toEqual(bytes)
  })

  test('in words', () => {
    expect(describeCapability(value)).toBe(words)
  })
})

test('many, one behind the other', () => {
  const bytes = Uint8Array.from(CAPABILITIES.flatMap((known) => known.bytes))
  expect(decodeCapabilities(bytes)).toEqual(CAPABILITIES.map(({ value }) => value))
})

test.each([
  ['multiprotocol of 3 octets', '01 03 000200'],
  ['multiprotocol of 5 octets', '01 05 0002000100'],
  ['route refresh with a value', '02 01 00'],
  ['extended next hop cut in a tuple', '05 07 00010001000200'],
  ['extended message with a value', '06 01 00'],
  ['role without a value', '09 00'],
  ['graceful restart without flags', '40 01 00'],
  ['graceful restart cut in a family', '40 05 0078 000101'],
  ['four-octet AS of 2 octets', '41 02 fc00'],
  ['add-path cut in a family', '45 03 000101'],
  ['enhanced route refresh with a value', '46 01 00'],
  ['FQDN whose host reaches past the end', '49 02 0561'],
  ['FQDN with something behind it', '49 03 000000'],
  ['FQDN that is no UTF-8', '49 03 01ff00'],
  ['FQDN of nothing', '49 00'],
])('what cannot be read is kept as it came: %s', (_, text) => {
  const bytes = Uint8Array.from(fromHex(text))
  const read = decodeCapabilities(bytes)
  expect(read).toEqual([{ kind: 'unknown', code: bytes[0], value: bytes.slice(2) }])
  expect(encodeCapabilities(read ?? [])).toEqual(bytes)
})

test.each([
  ['graceful restart (RFC 4724 §3)', '40 06 1078 000101 7f', '40 06 0078 000101 00'],
  ['graceful restart with all that is said (RFC 4724 §3)', '40 06 ffff 000101 ff', '40 06 cfff 000101 80'],
  ['long-lived graceful restart (RFC 9494 §3.1)', '47 07 000101 ff 000e10', '47 07 000101 80 000e10'],
])('reserved bits are not read, and are sent as 0: %s', (_, came, goes) => {
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
  expect(encodeCapabilities(decodeCapabilities(bytes(came)) ?? [])).toEqual(bytes(goes))
})

test.each([
  ['a code alone', '02'],
  ['a value of 5 octets where there are 4', '41 05 00000000'],
])('a capability past the end of all: %s', (_, text) => {
  expect(decodeCapabilities(Uint8Array.from(fromHex(text)))).toBeUndefined()
})

test('[10] add-path with a mode outside 1 to 3 is ignored, family by family (RFC 7911 §4)', () => {
  const bytes = Uint8Array.from(fromHex('45 0c  0001 01 00  0002 01 02  0001 80 04'))
  expect(decodeCapabilities(bytes)).toEqual([{ kind: 'add-path', families: [{ afi: 2, safi: 1, mode: 2 }] }])
})

test('a host name too long for a capability is cut between characters', () => {
  const [read] = decodeCapabilities(encodeCapabilities([{ kind: 'fqdn', host: 'ä'.repeat(200), domain: 'rack' }])) ?? []
  expect(read).toEqual({ kind: 'fqdn', host: 'ä'.repeat(126), domain: 'r' })
})

test('a host name is shown without what a terminal would act on', () => {
  expect(describeCapability({ kind: 'fqdn', host: '\u001b[2Jx\u202e', domain: '' })).toBe(
    'host name "\\u{1b}[2Jx\\u{202e}"',
  )
})
