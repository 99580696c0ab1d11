/**
 * A host with a raw socket for router discovery, run inside a network namespace: one line of JSON in for everything it
 * shall do, one out for everything it did or heard. Tests steer it (test/contract/ndp-linux.test.ts).
 */
import { networkInterfaces } from 'node:os'
import { createInterface } from 'node:readline'
import koffi from 'koffi'
import { addressBytes } from '../../src/base/address.ts'
import { closeSocket, openSocket, SOCK_RAW, sendTo } from '../../src/edge/libc.ts'
import { ALL_ROUTERS, openNdpSocket } from '../../src/edge/net/ndp-socket.ts'

export type Order =
  | { readonly do: 'join'; readonly index: number }
  | { readonly do: 'send'; readonly hex: string; readonly to: string; readonly index: number }
  /** Of the next messages; 255 is what the socket sets itself. */
  | { readonly do: 'send-from-afar'; readonly hex: string; readonly to: string; readonly index: number }
  /** From `::` to all routers, as a host without an address asks. */
  | { readonly do: 'ask-from-nowhere'; readonly index: number }
  | { readonly do: 'close' }

export type Answer =
  | { readonly kind: 'ready'; readonly address: string; readonly index: number }
  | { readonly kind: 'heard'; readonly hex: string; readonly from: string; readonly index: number }
  | { readonly kind: 'done'; readonly error: string | null }

const say = (answer: Answer) => process.stdout.write(`${JSON.stringify(answer)}\n`)
const unhex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

const socket = await openNdpSocket((bytes, from, index) =>
  say({ kind: 'heard', hex: Buffer.from(bytes).toString('hex'), from, index }),
)

function obey(order: Order): string | undefined {
  if (order.do === 'join') return socket.join(order.index)
  if (order.do === 'send') return socket.send(unhex(order.hex), order.to, order.index)
  if (order.do === 'send-from-afar') return sendFromAfar(order)
  if (order.do === 'ask-from-nowhere') return askFromNowhere(order.index)
  socket.close()
  return undefined
}

/** With the kernel's usual hop limit, as a packet from beyond the link would have at best. */
function sendFromAfar({ hex, to, index }: Extract<Order, { do: 'send-from-afar' }>): string | undefined {
  const libc = koffi.load(null)
  const fd = libc.func('int socket(int, int, int)')(10, 3, 58)
  const address = Buffer.alloc(28)
  address.writeUInt16LE(10, 0)
  Buffer.from(to === 'ff02::1' ? `ff02${'0'.repeat(27)}1` : '', 'hex').copy(address, 8)
  address.writeUInt32LE(index, 24)
  const hops = Buffer.from([254, 0, 0, 0])
  libc.func('int setsockopt(int, int, int, void *, uint32_t)')(fd, 41, 18, hops, 4)
  const bytes = unhex(hex)
  const sent = libc.func('intptr_t sendto(int, void *, size_t, int, void *, uint32_t)')(
    fd,
    bytes,
    bytes.length,
    0,
    address,
    28,
  )
  libc.func('int close(int)')(fd)
  return sent < 0 ? 'not sent' : undefined
}

/** A raw socket of IPPROTO_RAW sends a header of our own, with any source. */
function askFromNowhere(index: number): undefined {
  const ICMPV6 = 58
  const solicitation = Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0)
  const packet = new Uint8Array(40 + solicitation.length)
  packet.set([0x60, 0, 0, 0, 0, solicitation.length, ICMPV6, 255])
  packet.set(addressBytes(ALL_ROUTERS), 24)
  packet.set(solicitation, 40)
  // The checksum is over a pseudo-header too: the addresses, the length and the protocol (RFC 8200 §8.1).
  let sum = solicitation.length + ICMPV6
  const view = new DataView(packet.buffer)
  for (let at = 8; at < packet.length; at += 2) sum += view.getUint16(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  view.setUint16(42, ~sum & 0xffff)
  const fd = openSocket('ipv6', SOCK_RAW, 255)
  sendTo(fd, packet, ALL_ROUTERS, 0, index)
  closeSocket(fd)
}

const own = networkInterfaces().e0?.find(({ family, scopeid }) => family === 'IPv6' && scopeid !== 0)
say({ kind: 'ready', address: own?.address ?? '', index: own?.scopeid ?? 0 })
for await (const line of createInterface({ input: process.stdin })) {
  say({ kind: 'done', error: obey(JSON.parse(line) as Order) ?? null })
}
process.exit(0)
