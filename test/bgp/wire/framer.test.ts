import { describe, expect, test } from 'vitest'
import { Framer } from '../../../src/bgp/wire/framer.ts'
import { KEEPALIVE } from '../../../src/bgp/wire/keepalive.ts'
import { ALL_MESSAGES } from '../../support/known-messages.ts'
import { framed, join, MARKER, message, pieces } from '../../support/messages.ts'

describe.each(ALL_MESSAGES)('$name', ({ bytes }) => {
  test('[1, 2, 3] whole', () => {
    expect(framed([bytes])).toEqual({ messages: [bytes], error: undefined })
  })

  test('byte by byte', () => {
    expect(framed(pieces(bytes, 1))).toEqual({ messages: [bytes], error: undefined })
  })

  test('at every cut, with more behind it', () => {
    for (let cut = 1; cut < bytes.length; cut++) {
      const chunks = [bytes.subarray(0, cut), join([bytes.subarray(cut), KEEPALIVE])]
      expect(framed(chunks).messages, `cut at ${cut}`).toEqual([bytes, KEEPALIVE])
    }
  })
})

describe('a stream of many messages', () => {
  const messages = [...ALL_MESSAGES, ...ALL_MESSAGES].map(({ bytes }) => bytes)
  const stream = join(messages)

  test.each([1, 2, 3, 7, 18, 19, 20, 64, 1000, stream.length])('in chunks of %i octets', (size) => {
    expect(framed(pieces(stream, size))).toEqual({ messages, error: undefined })
  })
})

test('a message that lies whole in the chunk is handed out where it lies', () => {
  const framer = new Framer()
  const chunk = join([KEEPALIVE, KEEPALIVE])
  framer.push(chunk)
  expect(framer.next()).toMatchObject({ type: 4, start: 0, end: 19 })
  expect(framer.next()).toEqual({ type: 4, bytes: chunk, start: 19, end: 38 })
  expect(framer.next()).toBeUndefined()
})

test('what was not read before the next push is not lost', () => {
  const framer = new Framer()
  framer.push(join([KEEPALIVE, KEEPALIVE.subarray(0, 5)]))
  framer.push(KEEPALIVE.subarray(5))
  expect([framer.next(), framer.next(), framer.next()]).toMatchObject([{ type: 4 }, { type: 4 }, undefined])
})

describe('RFC 4271 §6.1', () => {
  const header = (length: number, type: number) => Uint8Array.from([...MARKER, length >> 8, length & 0xff, type])
  const spoilt = (at: number) => KEEPALIVE.map((byte, index) => (index === at ? 0xfe : byte))

  // The header alone: nobody may have to wait for a body of a length that cannot be.
  test.each<[string, Uint8Array, number, readonly number[]]>([
    ['[1] marker wrong in its first octet', spoilt(0), 1, []],
    ['[1] marker wrong in its last octet', spoilt(15), 1, []],
    ['[2] length 0', header(0, 4), 2, [0, 0]],
    ['[2] length 18', header(18, 4), 2, [0, 18]],
    ['[2] OPEN of 28 octets', header(28, 1), 2, [0, 28]],
    ['[2] UPDATE of 22 octets', header(22, 2), 2, [0, 22]],
    ['[2] NOTIFICATION of 20 octets', header(20, 3), 2, [0, 20]],
    ['[2] KEEPALIVE of 20 octets', header(20, 4), 2, [0, 20]],
    ['[4] OPEN of 4097 octets', header(4097, 1), 2, [0x10, 0x01]],
    ['[4] UPDATE of 4097 octets without RFC 8654', header(4097, 2), 2, [0x10, 0x01]],
    ['[3] type 0', header(19, 0), 3, [0]],
    ['[3] type 6', header(19, 6), 3, [6]],
    ['[3] type 255 of 4096 octets', header(4096, 255), 3, [255]],
    ['a wrong length is told before a wrong type', header(4097, 9), 2, [0x10, 0x01]],
  ])('%s', (name, bytes, subcode, data) => {
    for (const size of [1, 7, 19]) {
      const { messages, error } = framed([KEEPALIVE, ...pieces(bytes, size)])
      expect(messages, name).toEqual([KEEPALIVE])
      expect(error).toMatchObject({ kind: 'message-error', code: 1, subcode, data: Uint8Array.from(data) })
    }
  })

  test('nothing comes behind an error but the error', () => {
    const framer = new Framer()
    framer.push(join([spoilt(3), KEEPALIVE]))
    const error = framer.next()
    expect(error).toMatchObject({ code: 1, subcode: 1 })
    framer.push(KEEPALIVE)
    expect(framer.next()).toBe(error)
  })
})

describe('RFC 8654', () => {
  const long = message(2, ...new Array<number>(60_000).fill(0))

  test('[4] an UPDATE of 60,019 octets is taken once both agreed, in any chunks', () => {
    for (const size of [1460, 65_536]) {
      const framer = new Framer()
      framer.messageSize = 65_535
      expect(framed(pieces(join([long, KEEPALIVE, long]), size), framer).messages).toEqual([long, KEEPALIVE, long])
    }
  })

  test.each([
    ['OPEN', 1],
    ['KEEPALIVE', 4],
  ])('[4] §4: %s stays at 4096', (_, type) => {
    const framer = new Framer()
    framer.messageSize = 65_535
    const bytes = message(type, ...new Array<number>(4078).fill(0))
    expect(framed([bytes], framer).error).toMatchObject({ code: 1, subcode: 2 })
  })
})
