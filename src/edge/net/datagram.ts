/**
 * Receives datagrams and raw packets with their TTL and interface, which Node's sockets do not report (ip(7), ipv6(7), recvmsg(2)). One
 * piece of native memory is laid out once and used for every packet.
 */
import koffi from 'koffi'
import { type Address, formatAddress } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
import { IPPROTO_IP, IPPROTO_IPV6, setOption } from '../libc.ts'

export interface Datagram {
  /** A copy; of a longer packet the octets that were asked for. */
  readonly bytes: Uint8Array
  /** Without a zone. */
  readonly from: Address
  /** The index of the interface; 0 where the kernel did not report it. */
  readonly index: number
  readonly ttl: number
}

const libc = koffi.load(null)
const recvmsg = libc.func('recvmsg', 'intptr_t', ['int', 'void *', 'int'])

// Numbers of Linux, the same on every architecture that we run on.
const LEVEL: Readonly<Record<Family, number>> = { ipv4: IPPROTO_IP, ipv6: IPPROTO_IPV6 }
/** IP_PKTINFO and IP_RECVTTL; IPV6_RECVPKTINFO and IPV6_RECVHOPLIMIT: each asks for a control message. */
const ASK: Readonly<Record<Family, readonly [number, number]>> = { ipv4: [8, 12], ipv6: [49, 51] }
/** Their types: IP_PKTINFO and IP_TTL; IPV6_PKTINFO and IPV6_HOPLIMIT. */
const INFO: Readonly<Record<Family, { readonly interface: number; readonly ttl: number }>> = {
  ipv4: { interface: 8, ttl: 2 },
  ipv6: { interface: 50, ttl: 52 },
}
/** Offset of the interface index: after the address in `in6_pktinfo`, 0 in `in_pktinfo`. */
const INDEX_AT: Readonly<Record<Family, number>> = { ipv4: 0, ipv6: 16 }

/** Octets that can be asked for. */
const LARGEST = 2048
const NAME_SIZE = 28
const CONTROL_SIZE = 128

/** `struct msghdr`, `struct iovec`, the name, the control messages and the packet, in this order in one buffer. */
const AT = { header: 0, vector: 56, name: 72, control: 104, packet: 232 }
const SIZE = AT.packet + LARGEST
/** Offsets in `struct msghdr`. */
const MESSAGE = { name: 0, nameLength: 8, vector: 16, vectorLength: 24, control: 32, controlLength: 40 }

const memory = koffi.alloc('uint8_t', SIZE)
const bytes = new Uint8Array(koffi.view(memory, SIZE))
const view = new DataView(bytes.buffer)
const base = koffi.address(memory)
view.setBigUint64(AT.header + MESSAGE.name, base + BigInt(AT.name), true)
view.setBigUint64(AT.header + MESSAGE.vector, base + BigInt(AT.vector), true)
view.setBigUint64(AT.header + MESSAGE.vectorLength, 1n, true)
view.setBigUint64(AT.header + MESSAGE.control, base + BigInt(AT.control), true)
view.setBigUint64(AT.vector, base + BigInt(AT.packet), true)

/** From now on `receiveDatagram` reports TTL and interface. */
export function askForInfo(fd: number, family: Family): void {
  for (const option of ASK[family]) setOption(fd, LEVEL[family], option, 1)
}

/** Receives up to `most` octets of a packet, `LARGEST` at most; undefined where none is waiting. */
export function receiveDatagram(fd: number, family: Family, most: number): Datagram | undefined {
  view.setBigUint64(AT.vector + 8, BigInt(Math.min(most, LARGEST)), true)
  view.setUint32(AT.header + MESSAGE.nameLength, NAME_SIZE, true)
  view.setUint32(AT.header + MESSAGE.controlLength, CONTROL_SIZE, true)
  const length = recvmsg(fd, memory, 0)
  if (length < 0) return undefined
  const from = family === 'ipv4' ? formatAddress(bytes, AT.name + 4, 4) : formatAddress(bytes, AT.name + 8, 16)
  let [index, ttl] = [0, 0]
  const end = AT.control + view.getUint32(AT.header + MESSAGE.controlLength, true)
  // `struct cmsghdr`: length with the header, level, type; the next one is aligned to eight octets.
  for (let at = AT.control; at + 16 <= end; at += (view.getUint32(at, true) + 7) & ~7) {
    const type = view.getInt32(at + 12, true)
    if (view.getUint32(at, true) < 16) break
    if (type === INFO[family].interface) index = view.getUint32(at + 16 + INDEX_AT[family], true)
    else if (type === INFO[family].ttl) ttl = view.getInt32(at + 16, true)
  }
  return { bytes: bytes.slice(AT.packet, AT.packet + Number(length)), from, index, ttl }
}
