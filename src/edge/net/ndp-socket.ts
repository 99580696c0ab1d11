/**
 * A raw ICMPv6 socket for router discovery. A filter in the kernel passes only router advertisements and solicitations
 * with a hop limit of 255, which no packet from beyond the link can have (RFC 4861 §6.1).
 */
import { type Address, addressBytes } from '../../base/address.ts'
import { ICMP_TYPE } from '../../ndp/packet.ts'
import { errorText } from '../error-text.ts'
import {
  attachFilter,
  CallError,
  closeSocket,
  type FilterRow,
  IPPROTO_IPV6,
  IPV6_UNICAST_HOPS,
  openSocket,
  SOCK_RAW,
  sendTo,
  setOption,
  watchReadable,
} from '../libc.ts'
import { DROP, IF_EQUAL, IP_HEADER, LOAD_OCTET, PASS } from './bpf.ts'
import { askForInfo, receiveDatagram } from './datagram.ts'

export interface NdpSocket {
  /** Joins the all-routers group of a link. Returns the error. */
  join(index: number): string | undefined
  /** Returns the error. */
  send(bytes: Uint8Array, to: Address, index: number): string | undefined
  close(): void
}

/** `from` has no zone; `index` is that of the interface. */
export type Receive = (bytes: Uint8Array, from: Address, index: number) => void

export const ALL_NODES = 'ff02::1'
export const ALL_ROUTERS = 'ff02::2'

const IPPROTO_ICMPV6 = 58
const IPV6_MULTICAST_HOPS = 18
const IPV6_MULTICAST_LOOP = 19
const IPV6_JOIN_GROUP = 20

const HOP_LIMIT = 255
/** Longer than any useful advertisement; a truncated one fails to decode. */
const LARGEST = 2048
/** Packets taken in a row; the rest waits for the next round of the event loop. */
const AT_ONCE = 32

/** Throws with a reason for people. */
export async function openNdpSocket(receive: Receive): Promise<NdpSocket> {
  return new RawSocket(receive)
}

class RawSocket implements NdpSocket {
  readonly #fd: number
  readonly #receive: Receive
  readonly #watch: { close(): void }

  constructor(receive: Receive) {
    this.#receive = receive
    this.#fd = openRaw()
    try {
      attachFilter(this.#fd, FILTER)
      setOption(this.#fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, HOP_LIMIT)
      setOption(this.#fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, HOP_LIMIT)
      setOption(this.#fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0)
      askForInfo(this.#fd, 'ipv6')
    } catch (error) {
      closeSocket(this.#fd)
      throw new Error(`the socket for router advertisements cannot be set up: ${errorText(error)}`)
    }
    this.#watch = watchReadable(this.#fd, () => this.#read())
  }

  join(index: number): string | undefined {
    const group = new Uint8Array(20)
    group.set(addressBytes(ALL_ROUTERS))
    new DataView(group.buffer).setUint32(16, index, true)
    try {
      setOption(this.#fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, group)
    } catch (error) {
      // Unless it is a member already.
      if (!(error instanceof CallError && error.code === 'EADDRINUSE')) return errorText(error)
    }
    return undefined
  }

  send(bytes: Uint8Array, to: Address, index: number): string | undefined {
    try {
      sendTo(this.#fd, bytes, to, 0, index)
      return undefined
    } catch (error) {
      return errorText(error)
    }
  }

  close(): void {
    this.#watch.close()
    closeSocket(this.#fd)
  }

  #read(): void {
    for (let taken = 0; taken < AT_ONCE; taken++) {
      // An address such as `::` comes without its link: only the control message names that.
      const packet = receiveDatagram(this.#fd, 'ipv6', LARGEST)
      if (packet === undefined) return
      this.#receive(packet.bytes, packet.from, packet.index)
    }
  }
}

function openRaw(): number {
  try {
    return openSocket('ipv6', SOCK_RAW, IPPROTO_ICMPV6)
  } catch (error) {
    const lacks = error instanceof CallError && error.code === 'EPERM'
    const reason = lacks ? 'the agent lacks NET_RAW (securityContext.capabilities.add)' : errorText(error)
    throw new Error(`router advertisements can be neither sent nor heard: ${reason}`)
  }
}

const FILTER: readonly FilterRow[] = [
  // The type of the message …
  [LOAD_OCTET, 0, 0, 0],
  [IF_EQUAL, 1, 0, ICMP_TYPE.solicitation],
  [IF_EQUAL, 0, 3, ICMP_TYPE.advertisement],
  // … and octet 7 of the IPv6 header, which comes before the octets that the socket delivers.
  [LOAD_OCTET, 0, 0, IP_HEADER + 7],
  [IF_EQUAL, 0, 1, HOP_LIMIT],
  PASS,
  DROP,
]
