import { describe, expect, test } from 'vitest'
import { Reader, ShortRead, Writer } from '../../src/base/bytes.ts'

describe('Writer', () => {
  test.each([
    ['a word of one octet', (writer: Writer) => writer.u8(0x01), [0x01]],
    ['a word of two', (writer: Writer) => writer.u16(0x0102), [0x01, 0x02]],
    ['a word of four', (writer: Writer) => writer.u32(0x01020304), [0x01, 0x02, 0x03, 0x04]],
    ['bytes', (writer: Writer) => writer.raw([0x01, 0x02, 0x03]), [0x01, 0x02, 0x03]],
    ['a sized part', (writer: Writer) => writer.sized(2, (part) => part.u32(1)), [0, 4, 0, 0, 0, 1]],
  ])('%s written while the buffer grows is whole', (_, write, expected) => {
    for (let before = 0; before < 6; before++) {
      const writer = new Writer(4)
      for (let count = 0; count < before; count++) writer.u8(0xff)
      write(writer)
      expect([...writer.finish()]).toEqual([...new Array<number>(before).fill(0xff), ...expected])
    }
  })
})

describe('Reader', () => {
  test('a part cannot read its neighbor', () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3))
    const part = reader.sub(1)
    expect(part.u8()).toBe(1)
    expect(() => part.u8()).toThrow(ShortRead)
    expect(reader.u16()).toBe(0x0203)
    expect(reader.left).toBe(0)
  })
})
