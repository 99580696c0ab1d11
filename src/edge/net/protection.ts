/**
 * What neighbors are protected by, on sockets: keys of TCP-MD5 (RFC 2385) and the least TTL of what is taken (RFC 5082).
 * Keys come from `edge/keys`; what cannot be put on a socket is told by a throw, and nothing goes out unprotected.
 */
import { type Address, familyOfAddress } from '../../base/address.ts'
import { contains, hostPrefix, isHostPrefix, type Prefix } from '../../base/prefix.ts'
import type { Protection } from '../../engine/effect.ts'
import type { Keys } from '../keys.ts'
import { CallError, setOption } from '../libc.ts'
import { wordsOf } from '../os-words.ts'
import { type KeyFor, keyPrefixes } from './key-prefixes.ts'

// Numbers of Linux, the same on every architecture that we run on.
const AF_INET = 2
const AF_INET6 = 10
const IPPROTO_IP = 0
const IP_TTL = 2
const IP_MINTTL = 21
const IPPROTO_TCP = 6
const TCP_MD5SIG_EXT = 32
const TCP_MD5SIG_FLAG_PREFIX = 1
const IPPROTO_IPV6 = 41
const IPV6_UNICAST_HOPS = 16
const IPV6_MINHOPCOUNT = 73

const FULL_TTL = 255
/** Gives a socket back what the system has. */
const USUAL_TTL = -1

export class Protections {
  readonly #keys: Keys
  #hosts = new Map<string, Protection>()
  #ranges: readonly Protection[] = []
  #keyed: readonly KeyFor[] = []

  constructor(keys: Keys) {
    this.#keys = keys
  }

  set(neighbors: readonly Protection[]): void {
    this.#hosts = new Map()
    for (const one of neighbors) {
      if (!isHostPrefix(one.prefix)) continue
      // Several ports of one address: the kernel knows a neighbor by its address alone.
      const before = this.#hosts.get(one.prefix.text)
      if (before?.key === undefined) this.#hosts.set(one.prefix.text, one)
    }
    this.#ranges = neighbors
      .filter(({ prefix }) => !isHostPrefix(prefix))
      .sort((a, b) => b.prefix.length - a.prefix.length)
    this.#keyed = keyPrefixes(this.#all(), (protection) => this.keyOf(protection))
  }

  /** Those of whoever may call from there. */
  of(address: Address): Protection | undefined {
    const host = hostPrefix(address.split('%', 1)[0] ?? '')
    if (host === undefined) return undefined
    return this.#hosts.get(host.text) ?? this.#ranges.find(({ prefix }) => contains(prefix, host))
  }

  /** Undefined where none is asked for, or none has been seen yet. */
  keyOf({ key }: Protection): Uint8Array | undefined {
    return key === undefined ? undefined : this.#keys.get(key)
  }

  /** A key is asked for, and none has been seen: nobody is spoken to without. */
  lacksKey(address: Address): boolean {
    const protection = this.of(address)
    return protection?.key !== undefined && this.keyOf(protection) === undefined
  }

  /** What a listener has to know: whoever calls is asked for the key before the connection stands. */
  get keyed(): readonly KeyFor[] {
    return this.#keyed
  }

  #all(): Protection[] {
    return [...this.#hosts.values(), ...this.#ranges]
  }
}

/** `undefined` takes the key away. `isIpv6`: of the socket, on which IPv4 stands as mapped addresses. */
export function setKey(fd: number, isIpv6: boolean, prefix: Prefix, key: Uint8Array | undefined): void {
  const bytes = new Uint8Array(216)
  const view = new DataView(bytes.buffer)
  const octets = prefix.bytes
  view.setUint16(0, isIpv6 ? AF_INET6 : AF_INET, true)
  if (!isIpv6) bytes.set(octets, 4)
  else if (octets.length === 16) bytes.set(octets, 8)
  else {
    bytes.fill(0xff, 18, 20)
    bytes.set(octets, 20)
  }
  bytes[128] = TCP_MD5SIG_FLAG_PREFIX
  // Of mapped addresses, too, Linux counts the bits of the IPv4 address alone.
  bytes[129] = prefix.length
  view.setUint16(130, key?.length ?? 0, true)
  if (key !== undefined) bytes.set(key, 136)
  try {
    setOption(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, bytes)
  } catch (error) {
    if (key === undefined) return
    throw new Error(`the kernel does not take the key of TCP-MD5: ${whyRefused(error)}`)
  }
}

function whyRefused(error: unknown): string {
  const code = error instanceof CallError ? error.code : ''
  if (code === 'ENOPROTOOPT' || code === 'EINVAL') return 'it has none (CONFIG_TCP_MD5SIG)'
  if (code === 'ENOMEM') return 'it has no room for more (net.core.optmem_max)'
  return wordsOf(error)
}

/**
 * On a listener: a neighbor that calls drops answers from afar, too, and which neighbor that will be is not known.
 * IPv4 stands on an IPv6 socket as mapped addresses, and has its own TTL there.
 */
export function sendFarthest(fd: number, isIpv6: boolean): void {
  setOption(fd, IPPROTO_IP, IP_TTL, FULL_TTL)
  if (isIpv6) setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, FULL_TTL)
}

/** On a socket that is about to call, or has been called. `wasSet`: it may have had another limit before. */
export function setTtl(fd: number, remote: Address, minTtl: number | undefined, wasSet = false): void {
  if (minTtl === undefined && !wasSet) return
  const [ttl, least] = minTtl === undefined ? [USUAL_TTL, 0] : [FULL_TTL, minTtl]
  if (familyOfAddress(remote) === 'ipv4') {
    setOption(fd, IPPROTO_IP, IP_TTL, ttl)
    setOption(fd, IPPROTO_IP, IP_MINTTL, least)
  } else {
    setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl)
    setOption(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, least)
  }
}

/** The address alone, as a prefix. */
export function hostOf(address: Address): Prefix {
  const host = hostPrefix(address.split('%', 1)[0] ?? '')
  if (host === undefined) throw new Error(`${address} is no address`)
  return host
}
