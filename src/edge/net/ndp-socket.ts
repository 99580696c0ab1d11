/**
 * A raw ICMPv6 socket for router discovery, which Node lacks: opened with libc's own calls. Only advertisements and
 * solicitations come through, and only with a hop limit of 255, which no packet from beyond the link can have
 * (RFC 4861 §6.1): a filter in the kernel drops the rest.
 */
import { type Address, addressBytes, formatAddress } from '../../base/address.ts'
import { ICMP_TYPE } from '../../ndp/packet.ts'
import { wordsOfErrno } from '../os-words.ts'

/** Loaded only by agents that have a neighbor without an address: it costs megabytes. */
type Koffi = typeof import('koffi')['default']

export interface NdpSocket {
  /** Takes part in what is sent to all routers on a link. Says why not. */
  join(index: number): string | undefined
  /** Says why not. */
  send(bytes: Uint8Array, to: Address, index: number): string | undefined
  close(): void
}

/** `from` has no zone; `index` is that of the interface. */
export type Receive = (bytes: Uint8Array, from: Address, index: number) => void

export const ALL_NODES = 'ff02::1'
export const ALL_ROUTERS = 'ff02::2'

// Numbers of Linux, the same on every architecture that we run on.
const AF_INET6 = 10
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000
const IPPROTO_IPV6 = 41
const IPPROTO_ICMPV6 = 58
const SOL_SOCKET = 1
const SO_ATTACH_FILTER = 26
const IPV6_UNICAST_HOPS = 16
const IPV6_MULTICAST_HOPS = 18
const IPV6_MULTICAST_LOOP = 19
const IPV6_JOIN_GROUP = 20
const EPERM = 1
const EADDRINUSE = 98

const HOP_LIMIT = 255
const SOCKADDR_SIZE = 28
/** Longer than any advertisement that makes sense; what is cut off fails to decode. */
const LARGEST = 2048
/** Packets taken at once; the rest waits for the next round of the event loop. */
const AT_ONCE = 32

/** Throws with a reason for people. */
export async function openNdpSocket(receive: Receive): Promise<NdpSocket> {
  const { default: koffi } = await import('koffi')
  return new RawSocket(koffi, receive)
}

class RawSocket implements NdpSocket {
  readonly #koffi: Koffi
  readonly #libc: ReturnType<typeof bindLibc>
  readonly #fd: number
  readonly #receive: Receive
  readonly #poll: ReturnType<Koffi['node']['poll']>
  readonly #packet = new Uint8Array(LARGEST)
  readonly #from = new Uint8Array(SOCKADDR_SIZE)

  constructor(koffi: Koffi, receive: Receive) {
    this.#koffi = koffi
    this.#libc = bindLibc(koffi)
    this.#receive = receive
    this.#fd = this.#libc.socket(AF_INET6, SOCK_RAW_NONBLOCK_CLOEXEC, IPPROTO_ICMPV6)
    if (this.#fd < 0) throw new Error(whyNoSocket(koffi))
    const trouble =
      this.#attachFilter() ??
      this.#set(IPV6_MULTICAST_HOPS, int32(HOP_LIMIT)) ??
      this.#set(IPV6_UNICAST_HOPS, int32(HOP_LIMIT)) ??
      this.#set(IPV6_MULTICAST_LOOP, int32(0))
    if (trouble !== undefined) {
      this.#libc.close(this.#fd)
      throw new Error(`the socket for router advertisements cannot be set up: ${trouble}`)
    }
    this.#poll = koffi.node.poll(this.#fd, { readable: true }, () => this.#read())
  }

  join(index: number): string | undefined {
    const group = new Uint8Array(20)
    group.set(addressBytes(ALL_ROUTERS))
    new DataView(group.buffer).setUint32(16, index, true)
    const trouble = this.#set(IPV6_JOIN_GROUP, group)
    // Already in it.
    return this.#koffi.errno() === EADDRINUSE ? undefined : trouble
  }

  send(bytes: Uint8Array, to: Address, index: number): string | undefined {
    const sent = this.#libc.sendto(this.#fd, bytes, bytes.length, 0, socketAddress(to, index), SOCKADDR_SIZE)
    return sent < 0 ? errnoWord(this.#koffi) : undefined
  }

  close(): void {
    this.#poll.close()
    this.#libc.close(this.#fd)
  }

  #read(): void {
    for (let taken = 0; taken < AT_ONCE; taken++) {
      const size = [SOCKADDR_SIZE]
      const length = this.#libc.recvfrom(this.#fd, this.#packet, LARGEST, 0, this.#from, size)
      if (length < 0) return
      const index = new DataView(this.#from.buffer).getUint32(24, true)
      this.#receive(this.#packet.slice(0, length), formatAddress(this.#from, 8, 16), index)
    }
  }

  #set(option: number, value: Uint8Array): string | undefined {
    const done = this.#libc.setsockopt(this.#fd, IPPROTO_IPV6, option, value, value.length)
    return done < 0 ? errnoWord(this.#koffi) : undefined
  }

  #attachFilter(): string | undefined {
    const done = this.#libc.setFilter(
      this.#fd,
      SOL_SOCKET,
      SO_ATTACH_FILTER,
      { length: FILTER.length / 8, rows: FILTER },
      16,
    )
    return done < 0 ? errnoWord(this.#koffi) : undefined
  }
}

function bindLibc(koffi: Koffi) {
  // The process itself: whatever C library Node runs on.
  const libc = koffi.load(null)
  const program = koffi.struct({ length: 'uint16_t', rows: 'void *' })
  return {
    socket: libc.func('socket', 'int', ['int', 'int', 'int']),
    close: libc.func('close', 'int', ['int']),
    setsockopt: libc.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32_t']),
    setFilter: libc.func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(program), 'uint32_t']),
    sendto: libc.func('sendto', 'intptr_t', ['int', 'void *', 'size_t', 'int', 'void *', 'uint32_t']),
    recvfrom: libc.func('recvfrom', 'intptr_t', [
      'int',
      'void *',
      'size_t',
      'int',
      'void *',
      koffi.inout(koffi.pointer('uint32_t')),
    ]),
  }
}

/** Classic BPF, one row of eight octets each: code, jump if true, jump if false, and a number. */
const FILTER = bpf([
  // The type of the message …
  [0x30, 0, 0, 0],
  [0x15, 1, 0, ICMP_TYPE.solicitation],
  [0x15, 0, 3, ICMP_TYPE.advertisement],
  // … and octet 7 of the IPv6 header, which stands before what the socket gets.
  [0x30, 0, 0, 0xfff00000 + 7],
  [0x15, 0, 1, HOP_LIMIT],
  [0x06, 0, 0, 0xffff],
  [0x06, 0, 0, 0],
])

function bpf(rows: readonly (readonly [number, number, number, number])[]): Uint8Array {
  const bytes = new Uint8Array(rows.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [index, [code, ifTrue, ifFalse, number]] of rows.entries()) {
    view.setUint16(index * 8, code, true)
    view.setUint8(index * 8 + 2, ifTrue)
    view.setUint8(index * 8 + 3, ifFalse)
    view.setUint32(index * 8 + 4, number, true)
  }
  return bytes
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value, true)
  return bytes
}

/** `sockaddr_in6` of this link. */
function socketAddress(address: Address, index: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, AF_INET6, true)
  bytes.set(addressBytes(address), 8)
  view.setUint32(24, index, true)
  return bytes
}

function whyNoSocket(koffi: Koffi): string {
  if (koffi.errno() === EPERM) {
    return 'router advertisements can be neither sent nor heard: the agent lacks NET_RAW (securityContext.capabilities.add)'
  }
  return `router advertisements can be neither sent nor heard: ${errnoWord(koffi)}`
}

const errnoWord = (koffi: Koffi): string => wordsOfErrno(koffi.errno())
