/** A TABLE_DUMP_V2 file (RFC 6396) with one neighbor and one path of our own to each prefix: what GoBGP can be fed with. */
import { parsePrefix } from '../../../src/base/prefix.ts'
import { u16s, u32s } from './wire.ts'

const record = (subtype: number, body: readonly number[]): Buffer =>
  Buffer.from([...u32s(0), ...u16s(13), ...u16s(subtype), ...u32s(body.length), ...body])

export function mrtTable(routerId: string, prefixes: readonly string[]): Buffer {
  const id = routerId.split('.').map(Number)
  const records = prefixes.map((text, sequence) => {
    const prefix = parsePrefix(text)
    if (prefix === undefined) throw new Error(`not a prefix: ${text}`)
    const { family, bytes, length } = prefix
    const nlri = [length, ...bytes.subarray(0, (length + 7) >> 3)]
    // RFC 6396 §4.3.4 cuts MP_REACH_NLRI down to the next hop; GoBGP 3.10 reads the whole form only.
    const reach = [0x80, 14, 21 + nlri.length, 0, 2, 1, 16, ...new Array<number>(16).fill(0), 0, ...nlri]
    const nextHop = family === 'ipv6' ? reach : [0x40, 3, 4, 0, 0, 0, 0]
    const attributes = [0x40, 1, 1, 0, 0x40, 2, 0, ...nextHop]
    const path = [...u16s(1), ...u16s(0), ...u32s(0), ...u16s(attributes.length), ...attributes]
    return record(family === 'ipv6' ? 4 : 2, [...u32s(sequence), ...nlri, ...path])
  })
  return Buffer.concat([record(1, [...id, 0, 0, 0, 1, 2, ...id, ...id, ...u32s(0)]), ...records])
}
