/** Messages laid out field by field, and streams cut to pieces. */
import { FAMILIES } from '../../src/base/family.ts'
import type { PeerType, WireContext } from '../../src/bgp/wire/context.ts'
import type { MessageError } from '../../src/bgp/wire/error.ts'
import { Framer } from '../../src/bgp/wire/framer.ts'
import type { MessageFrame } from '../../src/bgp/wire/header.ts'
import { UpdateDecoder } from '../../src/bgp/wire/update.ts'

export const MARKER: readonly number[] = new Array(16).fill(0xff)

/** Bytes written as `0a 1b`, blanks as you like. */
export const fromHex = (text: string): number[] =>
  (text.match(/[0-9a-f]{2}/gi) ?? []).map((pair) => Number.parseInt(pair, 16))

const u16 = (value: number): number[] => [value >> 8, value & 0xff]

/** A whole message; written here without the code under test. */
export function message(type: number, ...body: readonly number[]): Uint8Array {
  const length = 19 + body.length
  const bytes = new Uint8Array(length).fill(0xff, 0, 16)
  bytes.set([length >> 8, length & 0xff, type], 16)
  bytes.set(body, 19)
  return bytes
}

export const frameOf = (bytes: Uint8Array): MessageFrame => ({
  type: bytes[18] ?? 0,
  bytes,
  start: 0,
  end: bytes.length,
})

/** One attribute as its bytes. The extended length bit decides how the length is written. */
export const attribute = (flags: number, type: number, ...value: readonly number[]): number[] => [
  flags,
  type,
  ...((flags & 0x10) !== 0 ? u16(value.length) : [value.length]),
  ...value,
]

export interface UpdateParts {
  readonly withdrawn?: readonly number[]
  readonly attributes?: readonly (readonly number[])[]
  readonly nlri?: readonly number[]
}

export function update({ withdrawn = [], attributes = [], nlri = [] }: UpdateParts): Uint8Array {
  const flat = attributes.flat()
  return message(2, ...u16(withdrawn.length), ...withdrawn, ...u16(flat.length), ...flat, ...nlri)
}

export const context = (peerType: PeerType, over: Partial<WireContext> = {}): WireContext => ({
  fourOctetAs: true,
  families: FAMILIES,
  addPath: [],
  extendedNextHop: false,
  messageSize: 4096,
  peerType,
  ...over,
})

/** What a decoder says of one message, copied out of it. */
export function read(bytes: Uint8Array, wire: WireContext, decoder = new UpdateDecoder()) {
  const error = decoder.decode(bytes, 0, bytes.length, wire)
  return {
    error,
    withdrawn: [...bytes.subarray(decoder.withdrawnStart, decoder.withdrawnEnd)],
    nlri: [...bytes.subarray(decoder.nlriStart, decoder.nlriEnd)],
    nextHop: decoder.nextHopStart < 0 ? [] : [...bytes.subarray(decoder.nextHopStart, decoder.nextHopStart + 4)],
    unreach: [decoder.unreachFamily, [...bytes.subarray(decoder.unreachStart, decoder.unreachEnd)]] as const,
    reach: [decoder.reachFamily, [...bytes.subarray(decoder.reachStart, decoder.reachEnd)]] as const,
    reachNextHop: [
      ...bytes.subarray(decoder.reachNextHopStart, decoder.reachNextHopStart + decoder.reachNextHopLength),
    ],
    attributes: [...decoder.attributes.subarray(0, decoder.attributesLength)],
    treatAsWithdraw: decoder.treatAsWithdraw,
    actions: decoder.problems.map(({ action, attribute: type }) => [action, type] as const),
    texts: decoder.problems.map(({ text }) => text),
    endOfRib: decoder.endOfRib,
  }
}

/** Everything a framer makes of these chunks: whole messages, and the error that ends them. */
export function framed(
  chunks: Iterable<Uint8Array>,
  framer = new Framer(),
): { readonly messages: Uint8Array[]; readonly error: MessageError | undefined } {
  const messages: Uint8Array[] = []
  for (const chunk of chunks) {
    // A copy that is spoilt afterwards: nothing may be read from a chunk once it is used up.
    const lent = chunk.slice()
    framer.push(lent)
    const frames: MessageFrame[] = []
    for (let next = framer.next(); next !== undefined; next = framer.next()) {
      if ('kind' in next) return { messages: [...messages, ...copies(frames)], error: next }
      frames.push(next)
    }
    messages.push(...copies(frames))
    lent.fill(0)
  }
  return { messages, error: undefined }
}

const copies = (frames: readonly MessageFrame[]): Uint8Array[] =>
  frames.map(({ bytes, start, end }) => bytes.slice(start, end))

export function* pieces(bytes: Uint8Array, size: number): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export const join = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))
