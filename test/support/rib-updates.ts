/** UPDATEs with everything that one may have at once: routes withdrawn and announced, in the fields of RFC 4271 and in MP attributes. */
import { addressBytes } from '../../src/base/address.ts'
import { AFI, type Family } from '../../src/base/family.ts'
import { encodeAttributes, type PathAttributes } from '../../src/bgp/wire/attribute.ts'
import { writeHeader } from '../../src/bgp/wire/header.ts'
import { prefix } from './rib.ts'

interface Nlri {
  readonly texts: readonly string[]
  readonly pathId: number | undefined
}

export interface Parts {
  /** IPv4, in the fields of RFC 4271. */
  readonly withdrawn?: Nlri
  readonly announced?: Nlri & { readonly nextHop: string }
  readonly unreach?: Nlri & { readonly family: Family }
  readonly reach?: Nlri & { readonly family: Family; readonly nextHop: string }
  readonly carried?: PathAttributes
  /** ORIGIN has no valid value: what is announced counts as withdrawn (RFC 7606 §7.1). */
  readonly isBroken?: boolean
}

export function updateOf({ withdrawn, announced, unreach, reach, carried, isBroken = false }: Parts): Uint8Array {
  const attributes = [
    ...(unreach === undefined ? [] : attribute(0x80, 15, [0, AFI[unreach.family], 1, ...octets(unreach)])),
    ...(reach === undefined ? [] : attribute(0x80, 14, reachValue(reach))),
    ...(announced === undefined ? [] : attribute(0x40, 3, [...addressBytes(announced.nextHop)])),
    ...(carried === undefined ? [] : spoilt(encodeAttributes(carried), isBroken)),
  ]
  const before = withdrawn === undefined ? [] : octets(withdrawn)
  const after = announced === undefined ? [] : octets(announced)
  const body = [...u16(before.length), ...before, ...u16(attributes.length), ...attributes, ...after]
  const bytes = new Uint8Array(19 + body.length)
  writeHeader(bytes, 0, bytes.length, 'update')
  bytes.set(body, 19)
  return bytes
}

const reachValue = (reach: NonNullable<Parts['reach']>): number[] => {
  const hop = addressBytes(reach.nextHop)
  return [0, AFI[reach.family], 1, hop.length, ...hop, 0, ...octets(reach)]
}

/** ORIGIN is the first attribute. */
const spoilt = (attributes: Uint8Array, isBroken: boolean): number[] =>
  [...attributes].map((octet, index) => (isBroken && index === 3 ? 9 : octet))

const u16 = (value: number): number[] => [value >> 8, value & 0xff]

const attribute = (flags: number, type: number, value: readonly number[]): number[] => [
  flags | 0x10,
  type,
  ...u16(value.length),
  ...value,
]

const octets = ({ texts, pathId }: Nlri): number[] =>
  texts
    .map(prefix)
    .flatMap(({ length, bytes }) => [
      ...(pathId === undefined ? [] : [0, 0, 0, pathId]),
      length,
      ...bytes.subarray(0, (length + 7) >> 3),
    ])
