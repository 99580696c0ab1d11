/** Neighbors for a RIB under test: what they send, and what they hold of what they were told. */
import { addressBytes, formatAddress } from '../../src/base/address.ts'
import { AFI, FAMILIES, type Family } from '../../src/base/family.ts'
import { type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import { ACCEPT_ALL } from '../../src/bgp/policy/defaults.ts'
import type { Rib } from '../../src/bgp/rib/rib.ts'
import type { OriginatedRoute, RibPeer } from '../../src/bgp/rib/types.ts'
import { decodeAttributes, encodeAttributes, type PathAttributes } from '../../src/bgp/wire/attribute.ts'
import type { WireContext } from '../../src/bgp/wire/context.ts'
import { writeHeader } from '../../src/bgp/wire/header.ts'
import { formatNlri } from '../../src/bgp/wire/nlri.ts'
import { UpdateDecoder } from '../../src/bgp/wire/update.ts'
import { BARE } from './attributes.ts'
import { context } from './messages.ts'

const LOCAL_AS = 65_000
export const OUR_V4 = '192.0.2.1'
export const OUR_V6 = '2001:db8:ffff::1'

export const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`)
  return parsed
}

/** Neighbor `number`, in AS 65000 + number unless internal, at 192.0.2.(10 + number). */
export function neighbor(number: number, over: Partial<RibPeer> = {}): RibPeer {
  const peerType = over.peerType ?? 'external'
  return {
    name: `peer-${number}`,
    peerType,
    localAs: LOCAL_AS,
    remoteAs: peerType === 'internal' ? LOCAL_AS : LOCAL_AS + number,
    localRouterId: 0x01010101,
    remoteRouterId: 0x0a000000 + number,
    remoteAddress: `192.0.2.${10 + number}`,
    families: FAMILIES,
    receive: context(peerType),
    send: context(peerType),
    nextHops: { ipv4: addressBytes(OUR_V4), ipv6: addressBytes(OUR_V6) },
    importPolicy: ACCEPT_ALL,
    exportPolicy: ACCEPT_ALL,
    maxPrefixes: {},
    ...over,
  }
}

export const attributes = (over: Partial<PathAttributes> = {}): PathAttributes => ({
  ...BARE,
  ...over,
})

export const path = (...asns: number[]): Pick<PathAttributes, 'asPath'> => ({
  asPath: asns.length === 0 ? [] : [{ kind: 'sequence', asns }],
})

export const originatedRoute = (text: string, communities: readonly (readonly number[])[] = []): OriginatedRoute => ({
  prefix: prefix(text),
  origin: 'service',
  object: `Service/test/${text}`,
  communities,
})

/** `pathId` only where add-path was agreed on. */
const nlri = (prefixes: readonly Prefix[], pathId: number | undefined): number[] =>
  prefixes.flatMap(({ length, bytes }) => [
    ...(pathId === undefined ? [] : [0, 0, 0, pathId]),
    length,
    ...bytes.subarray(0, (length + 7) >> 3),
  ])

const u16 = (value: number): number[] => [value >> 8, value & 0xff]

function message(body: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(19 + body.length)
  writeHeader(bytes, 0, bytes.length, 'update')
  bytes.set(body, 19)
  return bytes
}

/** An UPDATE with both families in MP attributes: enough for a test to send. `nextHop` may be two, a blank between. */
export function announcement(
  texts: readonly string[],
  carried: PathAttributes,
  nextHop: string,
  pathId?: number,
): Uint8Array {
  const prefixes = texts.map(prefix)
  const family = prefixes[0]?.family ?? 'ipv4'
  const hop = nextHop.split(' ').flatMap((address) => [...addressBytes(address)])
  const reach = [...u16(AFI[family]), 1, hop.length, ...hop, 0, ...nlri(prefixes, pathId)]
  const rest = encodeAttributes(carried)
  const head = [0x90, 14, ...u16(reach.length), ...reach]
  return message(Buffer.concat([Uint8Array.of(0, 0, ...u16(head.length + rest.length), ...head), rest]))
}

export function withdrawal(texts: readonly string[], pathId?: number): Uint8Array {
  const prefixes = texts.map(prefix)
  if (prefixes[0]?.family === 'ipv6') {
    const unreach = [...u16(AFI.ipv6), 1, ...nlri(prefixes, pathId)]
    return message([0, 0, ...u16(unreach.length + 4), 0x90, 15, ...u16(unreach.length), ...unreach])
  }
  const withdrawn = nlri(prefixes, pathId)
  return message([...u16(withdrawn.length), ...withdrawn, 0, 0])
}

export function settle(rib: Rib, budget = 1000): void {
  while (rib.busy) rib.advance(budget, 0)
}

/** What a neighbor holds of what it was told: `prefix`, or `prefix #path` with add-path → next hop and attributes, as text. */
export class Listener {
  readonly routes = new Map<string, string>()
  readonly #context: WireContext
  readonly #decoder = new UpdateDecoder()
  endOfRib: Family[] = []
  messages = 0
  /** Subtypes of ROUTE-REFRESH, in order. */
  refreshes: number[] = []
  /** Withdrawals of what it did not have. */
  needless = 0
  longest = 0
  /** What UPDATEs were about, and what they withdrew, until a test clears it. */
  readonly touched = new Set<string>()
  readonly withdrawn = new Set<string>()

  constructor({ send, peerType }: Pick<RibPeer, 'send' | 'peerType'>) {
    this.#context = { ...send, peerType }
  }

  /** Takes all there is. */
  drain(rib: Rib, name: string, maxBytes = 65_536): this {
    for (let told = rib.pull(name, maxBytes); told !== undefined; told = rib.pull(name, maxBytes)) this.take(told.bytes)
    return this
  }

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const end = at + (((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number))
      this.longest = Math.max(this.longest, end - at)
      this.messages++
      if (bytes[at + 18] === 2) this.#take(bytes, at, end)
      else this.refreshes.push(bytes[at + 21] as number)
      at = end
    }
  }

  #take(bytes: Uint8Array, start: number, end: number): void {
    const decoder = this.#decoder
    const error = decoder.decode(bytes, start, end, this.#context)
    if (error !== undefined) throw new Error(error.text)
    if (decoder.treatAsWithdraw || decoder.problems.length > 0) throw new Error(decoder.problems[0]?.text)
    if (decoder.endOfRib !== undefined) this.endOfRib.push(decoder.endOfRib)
    this.#withdraw(bytes, decoder.withdrawnStart, decoder.withdrawnEnd, 'ipv4')
    if (decoder.unreachFamily) this.#withdraw(bytes, decoder.unreachStart, decoder.unreachEnd, decoder.unreachFamily)
    const carried = decodeAttributes(decoder.attributes, 0, decoder.attributesLength)
    const { nextHopStart, reachFamily, reachNextHopStart, reachNextHopLength } = decoder
    this.#announce(bytes, decoder.nlriStart, decoder.nlriEnd, 'ipv4', carried, nextHopStart, 4)
    if (reachFamily === undefined) return
    const { reachStart, reachEnd } = decoder
    this.#announce(bytes, reachStart, reachEnd, reachFamily, carried, reachNextHopStart, reachNextHopLength)
  }

  #withdraw(bytes: Uint8Array, start: number, end: number, family: Family): void {
    for (const text of readNlri(bytes, start, end, family, this.#context.addPath.includes(family))) {
      this.touched.add(text)
      this.withdrawn.add(text)
      if (!this.routes.delete(text)) this.needless++
    }
  }

  #announce(
    bytes: Uint8Array,
    start: number,
    end: number,
    family: Family,
    carried: PathAttributes,
    nextHop: number,
    length: number,
  ): void {
    for (const text of readNlri(bytes, start, end, family, this.#context.addPath.includes(family))) {
      this.touched.add(text)
      this.routes.set(text, describe(formatAddress(bytes, nextHop, length), carried))
    }
  }
}

export const describe = (nextHop: string, carried: PathAttributes): string =>
  `via ${nextHop} ${JSON.stringify(carried)}`

function* readNlri(bytes: Uint8Array, start: number, end: number, family: Family, addPath: boolean): Generator<string> {
  for (let at = start; at < end; at += 1 + (((bytes[at] as number) + 7) >> 3)) {
    const id = addPath ? bytes[at + 3] : undefined
    if (addPath) at += 4
    yield `${formatNlri(bytes, at, family)}${addPath ? ` #${id}` : ''}`
  }
}
