import { describe, expect, test } from 'vitest'
import { ByteWriter, equalBytes, hex, Reader, ShortRead } from '../../src/base/bytes.ts'

describe('Reader', () => {
  const bytes = Uint8Array.of(1, 2, 3, 0xff, 0xff, 0xff, 0xfe, 8, 9)

  test('walks from the first field to the last', () => {
    const reader = new Reader(bytes)
    expect([reader.u8(), reader.u16(), reader.u32(), reader.left]).toEqual([1, 0x0203, 0xfffffffe, 2])
    expect(reader.copy(2)).toEqual(Uint8Array.of(8, 9))
    expect(reader.left).toBe(0)
  })

  test.each<[string, (reader: Reader) => unknown]>([
    ['u8', (reader) => reader.u8()],
    ['u16', (reader) => reader.u16()],
    ['u32', (reader) => reader.u32()],
    ['copy', (reader) => reader.copy(1)],
    ['sub', (reader) => reader.sub(1)],
    ['skip', (reader) => reader.skip(1)],
  ])('%s past the end is refused, and nothing is taken', (_, read) => {
    const reader = new Reader(bytes, 4, 4)
    expect(() => read(reader)).toThrow(ShortRead)
    expect(reader.offset).toBe(4)
  })

  test('a part has walls of its own', () => {
    const reader = new Reader(bytes)
    const part = reader.sub(2)
    expect(part.u16()).toBe(0x0102)
    expect(() => part.u8()).toThrow('1 bytes wanted, 0 left')
    expect(reader.u8()).toBe(3)
  })

  test('a copy does not change with what it was taken from', () => {
    const source = Uint8Array.of(1, 2)
    const copy = new Reader(source).copy(2)
    source.fill(0)
    expect(copy).toEqual(Uint8Array.of(1, 2))
  })
})

describe('Writer', () => {
  test('writes what Reader reads', () => {
    const bytes = new ByteWriter(1).u8(1).u16(0xfffe).u32(0xfffffffe).raw([7, 8]).finish()
    expect([...bytes]).toEqual([1, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfe, 7, 8])
  })

  test('lengths are written before what they count, one within another', () => {
    const bytes = new ByteWriter(1)
      .sized(2, (outer) => outer.u8(9).sized(1, (inner) => inner.raw(new Uint8Array(200))))
      .finish()
    expect([...bytes.subarray(0, 4)]).toEqual([0, 202, 9, 200])
    expect(bytes).toHaveLength(204)
  })

  test('what was finished stays as it is', () => {
    const writer = new ByteWriter().u8(1)
    const bytes = writer.finish()
    writer.u8(2)
    expect([...bytes]).toEqual([1])
    expect(writer.length).toBe(2)
  })
})

test('equal bytes', () => {
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false)
})

test('bytes for people', () => {
  expect(hex(Uint8Array.of(0, 10, 255))).toBe('00 0a ff')
})
