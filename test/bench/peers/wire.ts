/**
 * Just enough BGP-4 (RFC 4271, 4760, 6793) to feed and to collect, written apart from the code under test. Every session
 * is expected to agree on four-octet AS numbers.
 */
import type { Family } from './job.ts'

export const TYPE = { open: 1, update: 2, notification: 3, keepalive: 4 } as const
const AFI = { v4: 1, v6: 2 } as const

export const u16s = (value: number): number[] => [(value >>> 8) & 255, value & 255]
export const u32s = (...values: number[]): number[] =>
  values.flatMap((value) => [...u16s(value >>> 16), ...u16s(value)])

function message(type: number, body: readonly number[] = []): Buffer {
  return Buffer.from([...new Array(16).fill(0xff), ...u16s(19 + body.length), type, ...body])
}

export const KEEPALIVE = message(TYPE.keepalive)

/** Multiprotocol, route refresh, four-octet AS, and an empty graceful restart: "I understand End-of-RIB" (RFC 4724). */
export function open(as: number, routerId: string, families: readonly Family[], holdTime = 180): Buffer {
  const multiprotocol = families.flatMap((family) => [1, 4, 0, AFI[family], 0, 1])
  const capabilities = [...multiprotocol, 2, 0, 64, 2, 0, 0, 65, 4, ...u32s(as)]
  const id = routerId.split('.').map(Number)
  const parameters = [capabilities.length + 2, 2, capabilities.length, ...capabilities]
  return message(TYPE.open, [4, ...u16s(as > 0xffff ? 23456 : as), ...u16s(holdTime), ...id, ...parameters])
}

export const END_OF_RIB: Readonly<Record<Family, Buffer>> = {
  v4: message(TYPE.update, [0, 0, 0, 0]),
  v6: message(TYPE.update, [0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1]),
}

export interface Attributes {
  readonly asPath: readonly number[]
  readonly nextHop: readonly number[]
  readonly communities: readonly number[]
}

function attribute(flags: number, type: number, value: readonly number[]): number[] {
  if (value.length > 255) return [flags | 0x10, type, ...u16s(value.length), ...value]
  return [flags, type, value.length, ...value]
}

/** One UPDATE that announces NLRI. */
export function announce(family: Family, nlri: readonly number[], attributes: Attributes): Buffer {
  const { asPath, nextHop, communities } = attributes
  const block = [
    ...attribute(0x40, 1, [0]),
    ...attribute(0x40, 2, [2, asPath.length, ...u32s(...asPath)]),
    ...(family === 'v4' ? attribute(0x40, 3, nextHop) : []),
    ...attribute(0xc0, 8, u32s(...communities)),
    ...(family === 'v6' ? attribute(0x80, 14, [0, 2, 1, 16, ...nextHop, 0, ...nlri]) : []),
  ]
  return message(TYPE.update, [0, 0, ...u16s(block.length), ...block, ...(family === 'v4' ? nlri : [])])
}

export function withdraw(family: Family, nlri: readonly number[]): Buffer {
  if (family === 'v4') return message(TYPE.update, [...u16s(nlri.length), ...nlri, 0, 0])
  const block = attribute(0x80, 15, [0, 2, 1, ...nlri])
  return message(TYPE.update, [0, 0, ...u16s(block.length), ...block])
}

const at16 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
const at32 = (bytes: Uint8Array, at: number): number => at16(bytes, at) * 0x10000 + at16(bytes, at + 2)

/** Splits a stream into messages. */
export class Framer {
  #rest: Buffer | undefined

  push(chunk: Buffer, take: (bytes: Uint8Array, start: number, end: number) => void): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    let start = 0
    while (bytes.length - start >= 19) {
      const length = at16(bytes, start + 16)
      if (length < 19 || length > 4096) throw new Error(`message length ${length}`)
      if (bytes.length - start < length) break
      take(bytes, start, start + length)
      start += length
    }
    this.#rest = start < bytes.length ? bytes.subarray(start) : undefined
  }
}

/** Told what an UPDATE says: the attributes before the routes. */
export interface UpdateSink {
  path(firstAs: number, originAs: number, communities: number): void
  /** `high` and `low`: the first 64 bits. */
  route(family: Family, high: number, low: number, length: number, withdrawn: boolean): void
  endOfRib(): void
}

export function walkUpdate(bytes: Uint8Array, start: number, end: number, sink: UpdateSink): void {
  const withdrawn = start + 21
  const attributes = withdrawn + at16(bytes, start + 19) + 2
  const nlri = attributes + at16(bytes, attributes - 2)
  if (nlri > end) throw new Error('an UPDATE whose lengths exceed the message')
  if (end - start === 23) {
    sink.endOfRib()
    return
  }
  const found = walkAttributes(bytes, attributes, nlri)
  if (found.path >= 0) {
    const { firstAs, originAs } = endsOf(bytes, found.path, found.pathEnd)
    sink.path(firstAs, originAs, found.communities)
  }
  walkNlri(bytes, withdrawn, attributes - 2, 'v4', true, sink)
  walkNlri(bytes, nlri, end, 'v4', false, sink)
  if (found.unreachEnd - found.unreach === 3) sink.endOfRib()
  else walkNlri(bytes, found.unreach + 3, found.unreachEnd, 'v6', true, sink)
  if (found.reachEnd > 0) {
    walkNlri(bytes, found.reach + 5 + (bytes[found.reach + 3] as number), found.reachEnd, 'v6', false, sink)
  }
}

const found = { path: -1, pathEnd: 0, communities: 0, reach: 0, reachEnd: 0, unreach: 0, unreachEnd: 0 }

function walkAttributes(bytes: Uint8Array, start: number, end: number): typeof found {
  found.path = -1
  found.communities = found.reach = found.reachEnd = found.unreach = found.unreachEnd = 0
  for (let at = start; at < end; ) {
    const extended = ((bytes[at] as number) & 0x10) !== 0
    const type = bytes[at + 1]
    const value = at + (extended ? 4 : 3)
    at = value + (extended ? at16(bytes, at + 2) : (bytes[at + 2] as number))
    if (at > end) throw new Error(`attribute ${type} reaches too far`)
    if (type === 2) [found.path, found.pathEnd] = [value, at]
    else if (type === 8) found.communities = (at - value) >> 2
    else if (type === 14) [found.reach, found.reachEnd] = [value, at]
    else if (type === 15) [found.unreach, found.unreachEnd] = [value, at]
  }
  return found
}

function endsOf(bytes: Uint8Array, start: number, end: number): { firstAs: number; originAs: number } {
  return { firstAs: end - start < 6 ? 0 : at32(bytes, start + 2), originAs: end - start < 6 ? 0 : at32(bytes, end - 4) }
}

function walkNlri(
  bytes: Uint8Array,
  start: number,
  end: number,
  family: Family,
  withdrawn: boolean,
  sink: UpdateSink,
): void {
  for (let at = start; at < end; ) {
    const length = bytes[at++] as number
    const octets = (length + 7) >> 3
    if (at + octets > end || length > (family === 'v4' ? 32 : 128)) throw new Error('broken NLRI')
    const octet = (index: number): number => (index < octets ? (bytes[at + index] as number) : 0)
    const high = (octet(0) << 24) | (octet(1) << 16) | (octet(2) << 8) | octet(3)
    const low = octets <= 4 ? 0 : (octet(4) << 24) | (octet(5) << 16) | (octet(6) << 8) | octet(7)
    at += octets
    sink.route(family, high >>> 0, low >>> 0, length, withdrawn)
  }
}
