import { describe, expect, test } from 'vitest'
import { KEEPALIVE } from '../../../src/bgp/wire/keepalive.ts'
import { decodeRouteRefresh, encodeRouteRefresh } from '../../../src/bgp/wire/route-refresh.ts'
import { REFRESHES } from '../../support/known-messages.ts'
import { frameOf, message } from '../../support/messages.ts'

const decode = (bytes: Uint8Array) => decodeRouteRefresh(frameOf(bytes), true)

describe.each(REFRESHES)('$name', ({ bytes, value }) => {
  test('is read', () => {
    expect(decode(bytes)).toEqual(value)
  })

  test('is written', () => {
    expect(value.family === undefined ? undefined : encodeRouteRefresh(value.family, value.subtype)).toEqual(bytes)
  })
})

test('[68] a family that is not ours is named by its numbers', () => {
  expect(decode(message(5, 0, 25, 0, 70))).toMatchObject({ afi: 25, safi: 70, family: undefined })
})

test.each([1, 2, 3, 255])(
  'without enhanced refresh on both sides the reserved octet %i means nothing (RFC 2918 §3)',
  (octet) => {
    const bytes = message(5, 0, 1, octet, 1)
    expect(decodeRouteRefresh(frameOf(bytes), false)).toMatchObject({ family: 'ipv4', subtype: 0 })
  },
)

test('[68] an unknown subtype is to be ignored (RFC 7313 §5)', () => {
  expect(decode(message(5, 0, 1, 3, 1))).toBeUndefined()
})

test.each([1, 2])('[68] subtype %i of another length: 7/1 with the whole message (RFC 7313 §5)', (subtype) => {
  for (const bytes of [message(5, 0, 1, subtype), message(5, 0, 1, subtype, 1, 0)]) {
    expect(decode(bytes)).toMatchObject({ code: 7, subcode: 1, data: bytes })
  }
})

test.each([[[]], [[0]], [[0, 1]], [[0, 1, 0]]])('a request of %j is too short: 1/2', (body) => {
  expect(decode(message(5, ...body))).toMatchObject({ code: 1, subcode: 2, data: Uint8Array.of(0, 19 + body.length) })
})

test('route filters behind a request (RFC 5291) are left aside', () => {
  expect(decode(message(5, 0, 1, 0, 1, 1, 64, 0, 1, 0x80))).toMatchObject({ family: 'ipv4', subtype: 0 })
})

test('KEEPALIVE is a header', () => {
  expect(KEEPALIVE).toEqual(message(4))
})
