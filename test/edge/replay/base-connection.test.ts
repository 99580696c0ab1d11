/** What the base of a recording keeps of a connection, after it was written to a file and read again. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EXTENDED_MESSAGE_SIZE, wrapMessage } from '../../../src/bgp/wire/header.ts'
import { KEEPALIVE } from '../../../src/bgp/wire/keepalive.ts'
import { Base } from '../../../src/edge/replay/base.ts'
import { readStory, writeValue } from '../../../src/edge/replay/story.ts'

const END = { address: '10.0.0.1', port: 179 }
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value)
const OPEN = wrapMessage('open', bytes(40, 7))

/** A base to which the stream came in these chunks. */
function baseOf(chunks: readonly Uint8Array[]): Base {
  const base = new Base('n')
  base.fold({ kind: 'accepted', conn: 1, local: END, remote: END })
  for (const chunk of chunks) base.fold({ kind: 'received', conn: 1, bytes: chunk })
  return base
}

/** All octets of the connection in the file. */
function keptOf(base: Base): number[] {
  const lines = base.inputs().map((input) => writeValue({ base: input }))
  const story = readStory([writeValue({ story: 's', options: {} }), ...lines].join('\n'))
  return story.base.flatMap((input) => (input.kind === 'received' ? [...input.bytes] : []))
}

function cut(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % stream.length))].sort((a, b) => a - b)
  return [...ends, stream.length].map((end, index) => stream.slice(ends[index - 1] ?? 0, end))
}

test('however the stream is cut: its messages up to the first KEEPALIVE, and the beginning of the last message', () => {
  const update = fc.nat(300).map((length) => wrapMessage('update', bytes(length, length)))
  const places = fc.array(fc.nat(5_000), { maxLength: 30 })
  const run = fc.property(
    fc.array(update, { maxLength: 12 }),
    update,
    fc.nat(),
    places,
    (updates, last, length, at) => {
      const rest = last.subarray(0, length % last.length)
      const stream = Uint8Array.from([OPEN, KEEPALIVE, ...updates, rest].flatMap((part) => [...part]))
      expect(keptOf(baseOf(cut(stream, at)))).toEqual([...OPEN, ...KEEPALIVE, ...rest])
    },
  )
  fc.assert(run, { numRuns: 100 })
})

test('the beginning of an extended message is kept, whatever its length', () => {
  const rest = wrapMessage('update', bytes(EXTENDED_MESSAGE_SIZE - 19, 0)).subarray(0, -1)
  const base = baseOf([OPEN, KEEPALIVE, ...cut(rest, [4_000, 20_000, 50_000])])
  expect([base.leftOut, keptOf(base).length]).toEqual([0, OPEN.length + KEEPALIVE.length + rest.length])
})

test.each([
  ['more before the first KEEPALIVE than a session begins with', wrapMessage('open', bytes(10_000, 0))],
  ['what is not BGP', bytes(40, 0)],
])('%s: the connection is left out, and counted', (_, stream) => {
  const base = baseOf([stream, KEEPALIVE])
  expect([base.leftOut, base.inputs()]).toEqual([1, []])
})

test('a Buffer is written as any bytes are', () => {
  expect(writeValue({ bytes: Buffer.of(1, 255) })).toBe('{"bytes":{"hex":"01ff"}}')
})
