/** UPDATEs of a router with a large table, in chunks as sockets hand them over. */
import { attribute, update } from './messages.ts'

const CHUNK = 65_536
const PER_SET = 7

/** What seven routes share: a path of two, one of them their own. */
const attributesOf = (route: number): readonly number[] => [
  ...attribute(0x40, 1, 0),
  ...attribute(0x40, 2, 2, 2, 0, 0, 0xfd, 0xe9, 0, 1 + (route >> 16), (route >> 8) & 255, route & 255),
]

const nlriOf = (route: number): number[] => [24, 0x40 + (route >> 16), (route >> 8) & 255, route & 255]
const nlri6Of = (route: number): number[] => [64, 0x20, 1, 0x0d, 0xb8, 0, route >> 16, (route >> 8) & 255, route & 255]

/** Routes [first, first + count) by the next hop 10.0.0.1. */
export const ipv4Feed = (first: number, count: number): Iterable<Uint8Array> =>
  chunks(first, count, (routes) =>
    update({
      attributes: [attributesOf(routes[0] as number), attribute(0x40, 3, 10, 0, 0, 1)],
      nlri: routes.flatMap(nlriOf),
    }),
  )

/** By the next hop fd00::1. */
export const ipv6Feed = (first: number, count: number): Iterable<Uint8Array> =>
  chunks(first, count, (routes) => {
    const reach = [0, 2, 1, 16, 0xfd, ...new Array<number>(14).fill(0), 1, 0, ...routes.flatMap(nlri6Of)]
    return update({ attributes: [attributesOf(routes[0] as number), attribute(0x80, 14, ...reach)] })
  })

function* chunks(
  first: number,
  count: number,
  messageOf: (routes: readonly number[]) => Uint8Array,
): Generator<Uint8Array> {
  let chunk: Uint8Array[] = []
  let size = 0
  for (let at = first; at < first + count; at += PER_SET) {
    const routes = Array.from({ length: Math.min(PER_SET, first + count - at) }, (_, index) => at + index)
    const message = messageOf(routes)
    if (size + message.length > CHUNK) {
      yield Uint8Array.from(Buffer.concat(chunk))
      chunk = []
      size = 0
    }
    chunk.push(message)
    size += message.length
  }
  if (size > 0) yield Uint8Array.from(Buffer.concat(chunk))
}
