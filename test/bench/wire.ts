/** How fast UPDATEs are read: the same few hundred messages, over and over. */
import type { WireContext } from '../../src/bgp/wire/context.ts'
import { wrapMessage } from '../../src/bgp/wire/header.ts'
import { UpdateDecoder } from '../../src/bgp/wire/update.ts'

const CONTEXT: WireContext = {
  fourOctetAs: true,
  families: ['ipv4', 'ipv6'],
  addPath: [],
  extendedNextHop: false,
  messageSize: 4096,
  peerType: 'external',
}

/** An UPDATE of `routes` IPv4 /24s with a path of four and two communities. */
function sample(seed: number, routes: number): Uint8Array {
  const path = [2, 4, 0, 0, 0xfc, 0, 0, 0, 1, seed, 0, 3, seed, 7, 0, 0, 0x33, seed + 1]
  const attributes = [
    [0x40, 1, 1, 0],
    [0x40, 2, path.length, ...path],
    [0x40, 3, 4, 10, 0, 0, 1],
    [0x80, 4, 4, 0, 0, 0, seed],
    [0xc0, 8, 8, 0xfc, 0, 0, seed, 0xfc, 0, 1, seed],
  ].flat()
  const nlri = Array.from({ length: routes }, (_, index) => [24, 100, seed, index]).flat()
  return wrapMessage(
    'update',
    Uint8Array.from([0, 0, attributes.length >> 8, attributes.length & 0xff, ...attributes, ...nlri]),
  )
}

/** UPDATEs read per second of wall-clock time, best of some rounds. */
export function decodeRate(routes = 7, rounds = 20): number {
  const messages = Array.from({ length: 250 }, (_, seed) => sample(seed, routes))
  const decoder = new UpdateDecoder()
  let best = 0
  for (let round = 0; round < rounds; round++) {
    const began = performance.now()
    for (let again = 0; again < 200; again++) {
      for (const message of messages) {
        if (decoder.decode(message, 0, message.length, CONTEXT) !== undefined) throw new Error('a sample is wrong')
      }
    }
    best = Math.max(best, (200 * messages.length * 1000) / (performance.now() - began))
  }
  return best
}
