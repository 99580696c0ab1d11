/**
 * libc's socket calls, for what Node's sockets lack: options before the first byte, filters, keys, raw packets, and an
 * `accept` that reports a shortage of descriptors. A TCP socket is handed over as `new net.Socket({ fd })`.
 *
 * Every call returns at once: all sockets here are non-blocking. A call that fails throws a `CallError`.
 */
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import {
  type Address,
  addressBytes,
  familyOfAddress,
  formatAddress,
  isLinkLocalAt,
  isMappedAt,
} from '../base/address.ts'
import type { Endpoint } from '../bgp/session/types.ts'
import { errnoText } from './error-text.ts'

// Numbers of Linux, the same on every architecture that we run on.
const AF_UNIX = 1
const AF_INET = 2
const AF_INET6 = 10
const AF_NETLINK = 16
const SOCK_STREAM = 1
export const SOCK_RAW = 3
const NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
export const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_PEERCRED = 17
const SO_BINDTODEVICE = 25
const SO_ATTACH_FILTER = 26
const SO_DETACH_FILTER = 27
const SO_RCVBUFFORCE = 33
const SO_MEMINFO = 55
/** The index of the drop count in the answer to SO_MEMINFO. */
const SK_MEMINFO_DROPS = 8
const MSG_DONTWAIT = 0x40
const SIOCGIFNAME = 0x8910
const SIOCGIFINDEX = 0x8933
const EAGAIN = 11
export const IPPROTO_IP = 0
const IP_TOS = 1
export const IP_TTL = 2
const IPV6_TCLASS = 67
/** DSCP CS6. */
const NETWORK_CONTROL = 0xc0
export const IPPROTO_TCP = 6
const TCP_NODELAY = 1
const TCP_SAVE_SYN = 27
const TCP_SAVED_SYN = 28
export const IPPROTO_IPV6 = 41
export const IPV6_V6ONLY = 26
export const IPV6_UNICAST_HOPS = 16

/** `sockaddr_in6`, the longest address that is read. */
const SOCKADDR_SIZE = 28
/** Octets of a path in `sockaddr_un`, with the final NUL. */
const PATH_SIZE = 108

// Symbols of the process itself, with whatever C library Node runs on.
const libc = koffi.load(null)
/** `struct sock_fprog`. */
const Program = koffi.struct({ length: 'uint16_t', rows: 'void *' })
const LENGTH = koffi.inout(koffi.pointer('uint32_t'))
const call = {
  socket: libc.func('socket', 'int', ['int', 'int', 'int']),
  close: libc.func('close', 'int', ['int']),
  bind: libc.func('bind', 'int', ['int', 'void *', 'uint32_t']),
  listen: libc.func('listen', 'int', ['int', 'int']),
  accept4: libc.func('accept4', 'int', ['int', 'void *', LENGTH, 'int']),
  getsockname: libc.func('getsockname', 'int', ['int', 'void *', LENGTH]),
  setsockopt: libc.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32_t']),
  getsockopt: libc.func('getsockopt', 'int', ['int', 'int', 'int', 'void *', LENGTH]),
  send: libc.func('send', 'intptr_t', ['int', 'void *', 'size_t', 'int']),
  recv: libc.func('recv', 'intptr_t', ['int', 'void *', 'size_t', 'int']),
  setFilter: libc.func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(Program), 'uint32_t']),
  sendto: libc.func('sendto', 'intptr_t', ['int', 'void *', 'size_t', 'int', 'void *', 'uint32_t']),
  ioctl: libc.func('ioctl', 'int', ['int', 'unsigned long', 'void *']),
}

/** A call that failed: `code` is `EMFILE` and the like, `message` the usual text for it. */
export class CallError extends Error {
  readonly code: string
  /** Below zero, as in errors of Node. */
  readonly errno: number

  constructor(errno: number) {
    super(errnoText(errno))
    this.code = getSystemErrorName(-errno)
    this.errno = -errno
  }
}

/** The process, or the machine, has no descriptor left, as a call of ours or Node reports it. */
export function isShortage(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EMFILE' || code === 'ENFILE'
}

/** The machine, or this network namespace, has no IPv6. */
export const isWithoutIpv6 = (error: unknown): boolean =>
  error instanceof CallError && (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL')

function must(answer: number): number {
  if (answer < 0) throw new CallError(koffi.errno())
  return answer
}

export function openSocket(family: 'ipv4' | 'ipv6', type: number = SOCK_STREAM, protocol = 0): number {
  return must(call.socket(family === 'ipv4' ? AF_INET : AF_INET6, type | NONBLOCK_CLOEXEC, protocol))
}

export function closeSocket(fd: number): void {
  call.close(fd)
}

export function setOption(fd: number, level: number, option: number, value: number | Uint8Array): void {
  const bytes = typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : value
  must(call.setsockopt(fd, level, option, bytes, bytes.length))
}

/** Octets for what has arrived and waits to be read; without NET_ADMIN up to the limit of the system (`net.core.rmem_max`). */
export function setReceiveBuffer(fd: number, octets: number): void {
  try {
    setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, octets)
  } catch {
    setOption(fd, SOL_SOCKET, SO_RCVBUF, octets)
  }
}

export const setNoDelay = (fd: number): void => setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1)

/**
 * Packets go out as network control (DSCP CS6, RFC 4594 §3.1), as those of FRR and BIRD do: a congested link drops others
 * first. An IPv6 socket also carries IPv4, as mapped addresses.
 */
export function setNetworkControl(fd: number, isIpv6: boolean): void {
  setOption(fd, IPPROTO_IP, IP_TOS, NETWORK_CONTROL)
  if (isIpv6) setOption(fd, IPPROTO_IPV6, IPV6_TCLASS, NETWORK_CONTROL)
}

/** Port 0: any free port. */
export function bindSocket(fd: number, { address, port }: Endpoint): void {
  const name = socketAddress(fd, address, port)
  must(call.bind(fd, name, name.length))
}

/** Listens; an IPv6 socket for all addresses also accepts IPv4. */
export function listenAt(fd: number, endpoint: Endpoint, backlog: number): void {
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
  if (familyOfAddress(endpoint.address) === 'ipv6') setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)
  bindSocket(fd, endpoint)
  must(call.listen(fd, backlog))
}

export interface AcceptedSocket {
  readonly fd: number
  readonly remote: Endpoint
}

/** Undefined if no connection is waiting, or it has ended again. */
export function acceptFrom(listener: number): AcceptedSocket | undefined {
  const name = new Uint8Array(SOCKADDR_SIZE)
  const fd = accept(listener, name)
  return fd === undefined ? undefined : { fd, remote: endpointOf(fd, name) }
}

function accept(listener: number, name: Uint8Array): number | undefined {
  const fd = call.accept4(listener, name, [name.length], NONBLOCK_CLOEXEC)
  if (fd >= 0) return fd
  const error = new CallError(koffi.errno())
  if (NOT_WAITING.has(error.code)) return undefined
  throw error
}

/** No connection is waiting, or it has ended before it was accepted; other errors (accept(2)) are of this machine. */
const NOT_WAITING = new Set([
  'EAGAIN',
  'ECONNABORTED',
  'EINTR',
  'EPROTO',
  'EPERM',
  'ENETDOWN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** A Unix stream socket that listens at a path that does not exist yet (unix(7)). */
export function listenAtPath(path: string, backlog: number): number {
  const text = new TextEncoder().encode(path)
  if (text.length >= PATH_SIZE) throw new Error(`the path is longer than ${PATH_SIZE - 1} octets`)
  const name = new Uint8Array(2 + text.length + 1)
  new DataView(name.buffer).setUint16(0, AF_UNIX, true)
  name.set(text, 2)
  const fd = must(call.socket(AF_UNIX, SOCK_STREAM | NONBLOCK_CLOEXEC, 0))
  try {
    must(call.bind(fd, name, name.length))
    must(call.listen(fd, backlog))
    return fd
  } catch (error) {
    closeSocket(fd)
    throw error
  }
}

/** Accepts a connection of a Unix socket; returns it with the user of its process. Undefined if none is waiting. */
export function acceptLocal(listener: number): { readonly fd: number; readonly uid: number } | undefined {
  const fd = accept(listener, new Uint8Array(2 + PATH_SIZE))
  if (fd === undefined) return undefined
  // `struct ucred`: process, user and group, four octets each.
  const credentials = new Uint8Array(12)
  must(call.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, [credentials.length]))
  return { fd, uid: new DataView(credentials.buffer).getUint32(4, true) }
}

export function localEndpoint(fd: number): Endpoint {
  const name = new Uint8Array(SOCKADDR_SIZE)
  must(call.getsockname(fd, name, [name.length]))
  return endpointOf(fd, name)
}

/** Calls back whenever a connection is waiting; `close` it before the socket. */
export function watchReadable(fd: number, callback: () => void): { close(): void } {
  return koffi.node.poll(fd, { readable: true }, callback)
}

export function sendTo(fd: number, bytes: Uint8Array, to: Address, port: number, index?: number): void {
  const name = socketAddress(fd, to, port, index)
  must(call.sendto(fd, bytes, bytes.length, 0, name, name.length))
}

/** A raw netlink socket, and the port that the kernel gives it. */
export function openNetlinkSocket(protocol: number): { readonly fd: number; readonly port: number } {
  const fd = must(call.socket(AF_NETLINK, SOCK_RAW | NONBLOCK_CLOEXEC, protocol))
  const name = new Uint8Array(12)
  const view = new DataView(name.buffer)
  view.setUint16(0, AF_NETLINK, true)
  try {
    must(call.bind(fd, name, name.length))
    must(call.getsockname(fd, name, [name.length]))
  } catch (error) {
    closeSocket(fd)
    throw error
  }
  return { fd, port: view.getUint32(4, true) }
}

/** Sends to the connected peer, or to the kernel. */
export function send(fd: number, bytes: Uint8Array): void {
  must(call.send(fd, bytes, bytes.length, 0))
}

/** The same on another thread, since the kernel may take long; the descriptor must stay open meanwhile. */
export function sendApart(fd: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    call.send.async(fd, bytes, bytes.length, 0, (fault: unknown, sent: number) => {
      if (fault === null && sent >= 0) resolve()
      else reject(fault ?? new CallError(koffi.errno()))
    })
  })
}

/** Receives one message into `into`, and returns its octets; undefined where none is waiting. */
export function receive(fd: number, into: Uint8Array): number | undefined {
  const length = call.recv(fd, into, into.length, MSG_DONTWAIT)
  if (length >= 0) return length
  const errno = koffi.errno()
  if (errno === EAGAIN) return undefined
  throw new CallError(errno)
}

/** Messages dropped for lack of room in the socket, since it was opened. */
export function droppedBy(fd: number): number {
  const info = new Uint32Array(16)
  must(call.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, [info.byteLength]))
  return info[SK_MEMINFO_DROPS] ?? 0
}

/** Classic BPF, one row of eight octets each: code, jump if true, jump if false, and a number. */
export type FilterRow = readonly [code: number, ifTrue: number, ifFalse: number, number: number]

export function attachFilter(fd: number, rows: readonly FilterRow[]): void {
  const bytes = new Uint8Array(rows.length * 8)
  const view = new DataView(bytes.buffer)
  for (const [index, [code, ifTrue, ifFalse, number]] of rows.entries()) {
    view.setUint16(index * 8, code, true)
    view.setUint8(index * 8 + 2, ifTrue)
    view.setUint8(index * 8 + 3, ifFalse)
    view.setUint32(index * 8 + 4, number, true)
  }
  must(call.setFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, { length: rows.length, rows: bytes }, koffi.sizeof(Program)))
}

/** Without a filter there is nothing to do. */
export function detachFilter(fd: number): void {
  call.setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, new Uint8Array(4), 4)
}

/** Only packets that arrive or leave by this interface. */
export const bindToInterface = (fd: number, name: string): void =>
  setOption(fd, SOL_SOCKET, SO_BINDTODEVICE, new TextEncoder().encode(name))

/** Another socket of ours, bound to an interface, may have the same port. */
export const sharePort = (fd: number, isShared: boolean): void =>
  setOption(fd, SOL_SOCKET, SO_REUSEPORT, isShared ? 1 : 0)

/** On a listener: keeps the headers of SYNs for `ttlOfSyn`. */
export const keepSyn = (fd: number, isKept: boolean): void => setOption(fd, IPPROTO_TCP, TCP_SAVE_SYN, isKept ? 1 : 0)

/** The headers of a SYN, which the kernel gives whole or not at all: extension headers of IPv6 may fill the packet. */
const SYN_HEADERS = new Uint8Array(65_536)

/** The TTL of the SYN from which an accepted connection began; undefined where it was not kept (SYN cookies). */
export function ttlOfSyn(fd: number): number | undefined {
  const length: [number] = [SYN_HEADERS.length]
  if (call.getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, SYN_HEADERS, length) < 0 || length[0] < 20) return undefined
  return (SYN_HEADERS[0] as number) >> 4 === 4 ? SYN_HEADERS[8] : SYN_HEADERS[7]
}

/** Octets of `struct ifreq`, and of the name in it, which the index follows. */
const IFREQ_SIZE = 40
const IFNAMSIZ = 16

/**
 * The index of an interface; 0 where none has this name. `fd` is any socket of ours: `if_nametoindex` would open another one, for
 * which a descriptor may be missing.
 */
export function interfaceIndex(fd: number, name: string): number {
  const octets = new TextEncoder().encode(name)
  if (octets.length >= IFNAMSIZ) return 0
  const request = new Uint8Array(IFREQ_SIZE)
  request.set(octets)
  return call.ioctl(fd, SIOCGIFINDEX, request) < 0 ? 0 : new DataView(request.buffer).getInt32(IFNAMSIZ, true)
}

/** The name of an interface; empty where none has this index. `fd`: any socket of ours. */
export function interfaceName(fd: number, index: number): string {
  const request = new Uint8Array(IFREQ_SIZE)
  new DataView(request.buffer).setInt32(IFNAMSIZ, index, true)
  if (call.ioctl(fd, SIOCGIFNAME, request) < 0) return ''
  return new TextDecoder().decode(request.subarray(0, request.indexOf(0)))
}

/** `sockaddr_in` or `sockaddr_in6`, for this socket; the interface of a zone by its name, or by `index`. */
function socketAddress(fd: number, address: Address, port: number, index?: number): Uint8Array {
  const [bare = '', zone] = address.split('%')
  const octets = addressBytes(bare)
  const bytes = new Uint8Array(octets.length === 4 ? 16 : SOCKADDR_SIZE)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, octets.length === 4 ? AF_INET : AF_INET6, true)
  view.setUint16(2, port)
  bytes.set(octets, octets.length === 4 ? 4 : 8)
  if (octets.length === 16) view.setUint32(24, index ?? (zone === undefined ? 0 : interfaceIndex(fd, zone)), true)
  return bytes
}

/** The address of this socket, or of its other end, as the kernel has written it. */
function endpointOf(fd: number, bytes: Uint8Array): Endpoint {
  const view = new DataView(bytes.buffer)
  const port = view.getUint16(2)
  if (view.getUint16(0, true) === AF_INET) return { address: formatAddress(bytes, 4, 4), port }
  // IPv4 that arrived on an IPv6 socket becomes IPv4 again.
  if (isMappedAt(bytes, 8)) return { address: formatAddress(bytes, 20, 4), port }
  const address = formatAddress(bytes, 8, 16)
  const zone = isLinkLocalAt(bytes, 8) ? interfaceName(fd, view.getUint32(24, true)) : ''
  return { address: zone === '' ? address : `${address}%${zone}`, port }
}
