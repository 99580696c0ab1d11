/**
 * Capabilities (RFC 5492 §4): what a speaker supports, announced in its OPEN.
 *
 *     | code 1 | length 1 | value … | code 1 | length 1 | value … |
 *
 * One row per code we know. A value that cannot be read is kept as an unknown capability: never an error.
 */
import { ByteWriter, Reader, ShortRead } from '../../base/bytes.ts'
import { familyOfPair } from '../../base/family.ts'
import type { AddPathFamily, Capability, ExtendedNextHopTuple } from './message.ts'
import { ROLES } from './role.ts'
import { decodeUtf8, encodeUtf8Within, quote } from './utf8.ts'

type Known = Exclude<Capability, { kind: 'unknown' }>
type Of<Kind extends Known['kind']> = Extract<Known, { kind: Kind }>

interface Row<Kind extends Known['kind']> {
  readonly code: number
  /** Undefined, a read past the end, or octets that are left over mean that the value cannot be read. */
  readonly decode: (value: Reader) => Of<Kind> | undefined
  readonly encode: (writer: ByteWriter, capability: Of<Kind>) => void
  readonly describe: (capability: Of<Kind>) => string
}

/** A capability without a value. */
function flag<Kind extends 'route-refresh' | 'extended-message' | 'enhanced-refresh'>(
  code: number,
  kind: Kind,
  words: string,
): Row<Kind> {
  return { code, decode: () => ({ kind }) as Of<Kind>, encode: () => {}, describe: () => words }
}

const ROWS: { readonly [Kind in Known['kind']]: Row<Kind> } = {
  // RFC 4760 §8: AFI 2, reserved 1, SAFI 1.
  multiprotocol: {
    code: 1,
    decode: (value) => {
      const afi = value.u16()
      value.skip(1)
      return { kind: 'multiprotocol', afi, safi: value.u8() }
    },
    encode: (writer, { afi, safi }) => writer.u16(afi).u8(0).u8(safi),
    describe: ({ afi, safi }) => `multiprotocol ${describeFamily(afi, safi)}`,
  },
  // RFC 2918 §2: no value.
  'route-refresh': flag(2, 'route-refresh', 'route refresh'),
  // RFC 8950 §4: AFI 2, SAFI 2, next hop AFI 2, any number of times.
  'extended-next-hop': {
    code: 5,
    decode: (value) => {
      const tuples: ExtendedNextHopTuple[] = []
      while (value.left > 0) tuples.push({ afi: value.u16(), safi: value.u16(), nextHopAfi: value.u16() })
      return { kind: 'extended-next-hop', tuples }
    },
    encode: (writer, { tuples }) => {
      for (const { afi, safi, nextHopAfi } of tuples) writer.u16(afi).u16(safi).u16(nextHopAfi)
    },
    describe: ({ tuples }) =>
      `extended next hop ${list(tuples, (tuple) => `${describeFamily(tuple.afi, tuple.safi)} over AFI ${tuple.nextHopAfi}`)}`,
  },
  // RFC 8654 §3: no value.
  'extended-message': flag(6, 'extended-message', 'extended message'),
  // RFC 9234 §4.1: one octet, the role of the sender.
  role: {
    code: 9,
    decode: (value) => ({ kind: 'role', role: value.u8() }),
    encode: (writer, { role }) => writer.u8(role),
    describe: ({ role }) => `role ${ROLES[role] ?? role}`,
  },
  // RFC 4724 §3, RFC 8538 §2: restart flags and time 2, then AFI 2, SAFI 1, flags 1 by family.
  'graceful-restart': {
    code: 64,
    decode: (value) => {
      const word = value.u16()
      const families: { afi: number; safi: number; preserved: boolean }[] = []
      while (value.left > 0) {
        families.push({ afi: value.u16(), safi: value.u8(), preserved: (value.u8() & 0x80) !== 0 })
      }
      return {
        kind: 'graceful-restart',
        restarted: (word & 0x8000) !== 0,
        notification: (word & 0x4000) !== 0,
        restartTime: word & 0xfff,
        families,
      }
    },
    encode: (writer, { restarted, notification, restartTime, families }) => {
      writer.u16((restarted ? 0x8000 : 0) | (notification ? 0x4000 : 0) | (restartTime & 0xfff))
      for (const { afi, safi, preserved } of families) {
        writer
          .u16(afi)
          .u8(safi)
          .u8(preserved ? 0x80 : 0)
      }
    },
    describe: ({ restartTime, families }) =>
      `graceful restart ${restartTime} s ${list(families, ({ afi, safi }) => describeFamily(afi, safi))}`.trimEnd(),
  },
  // RFC 9494 §3: AFI 2, SAFI 1, flags 1, stale time 3, by family.
  'long-lived-graceful-restart': {
    code: 71,
    decode: (value) => {
      const families: { afi: number; safi: number; preserved: boolean; staleTime: number }[] = []
      while (value.left > 0) {
        const [afi, safi, flags] = [value.u16(), value.u8(), value.u8()]
        families.push({ afi, safi, preserved: (flags & 0x80) !== 0, staleTime: (value.u8() << 16) | value.u16() })
      }
      return { kind: 'long-lived-graceful-restart', families }
    },
    encode: (writer, { families }) => {
      for (const { afi, safi, preserved, staleTime } of families) {
        writer
          .u16(afi)
          .u8(safi)
          .u8(preserved ? 0x80 : 0)
          .u8(staleTime >> 16)
          .u16(staleTime & 0xffff)
      }
    },
    describe: ({ families }) =>
      `long-lived graceful restart ${list(families, ({ afi, safi, staleTime }) => `${describeFamily(afi, safi)} ${staleTime} s`)}`.trimEnd(),
  },
  // RFC 6793 §3: the AS number of the sender, four octets.
  'four-octet-as': {
    code: 65,
    decode: (value) => ({ kind: 'four-octet-as', asn: value.u32() }),
    encode: (writer, { asn }) => writer.u32(asn),
    describe: ({ asn }) => `four-octet AS ${asn}`,
  },
  // RFC 7911 §4: AFI 2, SAFI 1, send/receive 1, any number of times; a mode that is none of 1, 2, 3 is ignored.
  'add-path': {
    code: 69,
    decode: (value) => {
      const families: AddPathFamily[] = []
      while (value.left > 0) families.push({ afi: value.u16(), safi: value.u8(), mode: value.u8() })
      return { kind: 'add-path', families: families.filter(({ mode }) => MODES[mode] !== undefined) }
    },
    encode: (writer, { families }) => {
      for (const { afi, safi, mode } of families) writer.u16(afi).u8(safi).u8(mode)
    },
    describe: ({ families }) =>
      `add path ${list(families, ({ afi, safi, mode }) => `${describeFamily(afi, safi)} ${MODES[mode] ?? mode}`)}`,
  },
  // RFC 7313 §3.1: no value.
  'enhanced-refresh': flag(70, 'enhanced-refresh', 'enhanced route refresh'),
  // Host and domain name, each behind one octet of length, in UTF-8.
  fqdn: {
    code: 73,
    decode: (value) => {
      const host = decodeUtf8(value.copy(value.u8()))
      const domain = decodeUtf8(value.copy(value.u8()))
      return host === undefined || domain === undefined ? undefined : { kind: 'fqdn', host, domain }
    },
    encode: (writer, { host, domain }) => {
      // Both and their lengths share the 255 octets of one capability: a longer name is cut.
      const hostBytes = encodeUtf8Within(host, 253)
      const domainBytes = encodeUtf8Within(domain, 253 - hostBytes.length)
      writer.u8(hostBytes.length).raw(hostBytes).u8(domainBytes.length).raw(domainBytes)
    },
    describe: ({ host, domain }) => `host name ${quote(domain === '' ? host : `${host}.${domain}`)}`,
  },
}

const MODES: Readonly<Record<number, string>> = { 1: 'receive', 2: 'send', 3: 'both' }

type AnyRow = Row<Known['kind']>
const rowOf = (kind: Known['kind']): AnyRow => ROWS[kind] as unknown as AnyRow
const BY_CODE: ReadonlyMap<number, AnyRow> = new Map(
  Object.values(ROWS).map((row) => [row.code, row as unknown as AnyRow]),
)

/** All capabilities in [start, end); undefined where one reaches past the end. */
export function decodeCapabilities(bytes: Uint8Array, start = 0, end = bytes.length): Capability[] | undefined {
  const capabilities: Capability[] = []
  let at = start
  while (at < end) {
    if (end - at < 2) return undefined
    const code = bytes[at] as number
    const valueEnd = at + 2 + (bytes[at + 1] as number)
    if (valueEnd > end) return undefined
    capabilities.push(decodeKnown(code, bytes, at + 2, valueEnd) ?? unknown(code, bytes.slice(at + 2, valueEnd)))
    at = valueEnd
  }
  return capabilities
}

const unknown = (code: number, value: Uint8Array): Capability => ({ kind: 'unknown', code, value })

function decodeKnown(code: number, bytes: Uint8Array, start: number, end: number): Known | undefined {
  const row = BY_CODE.get(code)
  if (row === undefined) return undefined
  const value = new Reader(bytes, start, end)
  try {
    const capability = row.decode(value)
    return value.left === 0 ? capability : undefined
  } catch (error) {
    if (error instanceof ShortRead) return undefined
    throw error
  }
}

/** The concatenated bytes of all capabilities, for one optional parameter. */
export function encodeCapabilities(capabilities: readonly Capability[]): Uint8Array {
  const writer = new ByteWriter()
  for (const capability of capabilities) {
    if (capability.kind === 'unknown') {
      writer.u8(capability.code).sized(1, () => writer.raw(capability.value))
    } else {
      const row = rowOf(capability.kind)
      writer.u8(row.code).sized(1, () => row.encode(writer, capability))
    }
  }
  return writer.finish()
}

/** `multiprotocol ipv4 unicast`. */
export function describeCapability(capability: Capability): string {
  if (capability.kind === 'unknown') return `capability ${capability.code}`
  return rowOf(capability.kind).describe(capability)
}

function describeFamily(afi: number, safi: number): string {
  const family = familyOfPair(afi, safi)
  return family === undefined ? `AFI ${afi} SAFI ${safi}` : `${family} unicast`
}

const list = <Item>(items: readonly Item[], words: (item: Item) => string): string => items.map(words).join(', ')
