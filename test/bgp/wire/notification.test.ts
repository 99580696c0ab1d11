import { describe, expect, test } from 'vitest'
import {
  decodeNotification,
  describeNotification,
  encodeNotification,
  encodeShutdownCommunication,
} from '../../../src/bgp/wire/notification.ts'
import { NOTIFICATIONS } from '../../support/known-messages.ts'
import { frameOf, fromHex, message } from '../../support/messages.ts'

describe.each(NOTIFICATIONS)('$name', ({ bytes, value }) => {
  test('is read', () => {
    expect(decodeNotification(frameOf(bytes))).toEqual(value)
  })

  test('is written', () => {
    expect(encodeNotification(value)).toEqual(bytes)
  })
})

test('without a subcode it is too short', () => {
  expect(decodeNotification(frameOf(message(3, 6)))).toMatchObject({ code: 1, subcode: 2, data: Uint8Array.of(0, 20) })
})

test('data that does not fit in 4096 octets is cut (RFC 8654 §5)', () => {
  expect(encodeNotification({ code: 3, subcode: 9, data: new Uint8Array(60_000) })).toHaveLength(4096)
})

describe('words', () => {
  test.each([
    [1, 0, 'Message Header Error'],
    [1, 1, 'Message Header Error: Connection Not Synchronized'],
    [1, 2, 'Message Header Error: Bad Message Length'],
    [1, 3, 'Message Header Error: Bad Message Type'],
    [2, 0, 'OPEN Message Error'],
    [2, 1, 'OPEN Message Error: Unsupported Version Number'],
    [2, 2, 'OPEN Message Error: Bad Peer AS'],
    [2, 3, 'OPEN Message Error: Bad BGP Identifier'],
    [2, 4, 'OPEN Message Error: Unsupported Optional Parameter'],
    [2, 5, 'OPEN Message Error: Authentication Failure'],
    [2, 6, 'OPEN Message Error: Unacceptable Hold Time'],
    [2, 7, 'OPEN Message Error: Unsupported Capability'],
    [2, 11, 'OPEN Message Error: Role Mismatch'],
    [3, 1, 'UPDATE Message Error: Malformed Attribute List'],
    [3, 2, 'UPDATE Message Error: Unrecognized Well-known Attribute'],
    [3, 3, 'UPDATE Message Error: Missing Well-known Attribute'],
    [3, 4, 'UPDATE Message Error: Attribute Flags Error'],
    [3, 5, 'UPDATE Message Error: Attribute Length Error'],
    [3, 6, 'UPDATE Message Error: Invalid ORIGIN Attribute'],
    [3, 7, 'UPDATE Message Error: AS Routing Loop'],
    [3, 8, 'UPDATE Message Error: Invalid NEXT_HOP Attribute'],
    [3, 9, 'UPDATE Message Error: Optional Attribute Error'],
    [3, 10, 'UPDATE Message Error: Invalid Network Field'],
    [3, 11, 'UPDATE Message Error: Malformed AS_PATH'],
    [4, 0, 'Hold Timer Expired'],
    [5, 0, 'Finite State Machine Error'],
    [5, 1, 'Finite State Machine Error: Unexpected Message in OpenSent State'],
    [5, 2, 'Finite State Machine Error: Unexpected Message in OpenConfirm State'],
    [5, 3, 'Finite State Machine Error: Unexpected Message in Established State'],
    [6, 0, 'Cease'],
    [6, 1, 'Cease: Maximum Number of Prefixes Reached'],
    [6, 2, 'Cease: Administrative Shutdown'],
    [6, 3, 'Cease: Peer De-configured'],
    [6, 4, 'Cease: Administrative Reset'],
    [6, 5, 'Cease: Connection Rejected'],
    [6, 6, 'Cease: Other Configuration Change'],
    [6, 7, 'Cease: Connection Collision Resolution'],
    [6, 8, 'Cease: Out of Resources'],
    [6, 9, 'Cease: Hard Reset'],
    [6, 10, 'Cease: BFD Down'],
    [7, 0, 'ROUTE-REFRESH Message Error'],
    [7, 1, 'ROUTE-REFRESH Message Error: Invalid Message Length'],
    [8, 0, 'Send Hold Timer Expired'],
    [3, 99, 'UPDATE Message Error: subcode 99'],
    [99, 3, 'Error 99/3'],
    [0, 0, 'Error 0/0'],
  ])('%i/%i is %s', (code, subcode, words) => {
    expect(describeNotification(code, subcode)).toBe(words)
    expect(describeNotification(code, subcode, new Uint8Array(0))).toBe(words)
  })

  test.each([
    ['the length that was wrong', 1, 2, '0011', 'Message Header Error: Bad Message Length: length 17'],
    ['the type that was wrong', 1, 3, '09', 'Message Header Error: Bad Message Type: type 9'],
    ['the version spoken', 2, 1, '0004', 'OPEN Message Error: Unsupported Version Number: version 4 is supported'],
    ['any other data', 3, 4, '40 01', 'UPDATE Message Error: Attribute Flags Error: 40 01'],
    [
      'the limit of prefixes (RFC 4486 §4)',
      6,
      1,
      '0002 01 000003e8',
      'Cease: Maximum Number of Prefixes Reached: AFI 2, SAFI 1, at most 1000 prefixes',
    ],
    [
      'what a Hard Reset stands for (RFC 8538 §3.1)',
      6,
      9,
      '06 02 02 6f6b',
      'Cease: Hard Reset: Cease: Administrative Shutdown: "ok"',
    ],
    ['a Hard Reset inside a Hard Reset', 6, 9, '06 09 06 09', 'Cease: Hard Reset: 06 09 06 09'],
  ])('data: %s', (_, code, subcode, data, words) => {
    expect(describeNotification(code, subcode, Uint8Array.from(fromHex(data)))).toBe(words)
  })

  test('long data is shown in part', () => {
    expect(describeNotification(3, 9, new Uint8Array(4000)).length).toBeLessThan(200)
  })
})

describe('shutdown communication (RFC 9003 §2)', () => {
  const shown = (text: string) => describeNotification(6, 2, encodeShutdownCommunication(text))

  test.each([
    ['moving racks', 'Cease: Administrative Shutdown: "moving racks"'],
    ['zwölf\nBFD ok', 'Cease: Administrative Shutdown: "zwölf\\u{a}BFD ok"'],
    ['"\u001b[31m\\\u2028', 'Cease: Administrative Shutdown: "\\"\\u{1b}[31m\\\\\\u{2028}"'],
  ])('[22] %j is shown escaped', (text, words) => {
    expect(shown(text)).toBe(words)
  })

  test('an administrative reset has one, too', () => {
    expect(describeNotification(6, 4, encodeShutdownCommunication('x'))).toBe('Cease: Administrative Reset: "x"')
  })

  test.each([
    ['255 octets stay', 'x'.repeat(255), 255],
    ['256 octets are cut', 'x'.repeat(256), 255],
    ['no character is cut in two', '€'.repeat(86), 255],
    ['… also where the limit lies inside one', `x${'€'.repeat(86)}`, 253],
    ['… of four octets', `xx${'🐦'.repeat(70)}`, 254],
  ])('%s', (_, text, octets) => {
    const data = encodeShutdownCommunication(text)
    expect([data[0], data.length]).toEqual([octets, octets + 1])
    expect(new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(1)).length).toBeGreaterThan(0)
  })

  test('one without text is as none (a length of 0)', () => {
    expect(shown('')).toBe('Cease: Administrative Shutdown')
    expect(describeNotification(6, 9, Uint8Array.of(6, 2, 0))).toBe('Cease: Hard Reset: Cease: Administrative Shutdown')
  })

  test.each([
    ['octets behind a length of 0', '00 6f6b', '00 6f 6b'],
    ['[22] no UTF-8', '02 c328', '02 c3 28'],
    ['a length beyond the end', '05 6f6b', '05 6f 6b'],
    ['a length before the end', '01 6f6b', '01 6f 6b'],
  ])('%s is shown in hex', (_, data, words) => {
    expect(describeNotification(6, 2, Uint8Array.from(fromHex(data)))).toBe(`Cease: Administrative Shutdown: ${words}`)
  })
})
