/**
 * Protects sockets of neighbors: keys of TCP-MD5 (RFC 2385), and the least TTL of received packets (RFC 5082). Keys
 * come from `edge/keys`. Where a socket cannot be protected an error is thrown, and nothing is sent unprotected.
 */
import { type Address, familyOfAddress } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
import { contains, hostPrefix, isHostPrefix, type Prefix } from '../../base/prefix.ts'
import type { Protection } from '../../engine/effect.ts'
import { errorText } from '../error-text.ts'
import type { Keys } from '../keys.ts'
import { CallError, setOption } from '../libc.ts'
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
/** Sets a socket back to the system's default. */
const USUAL_TTL = -1

/** The settings of a listener, which must be in force before the first connection. */
export interface Admission {
  /** Connections from these addresses must be signed with the key. */
  readonly keyed: readonly KeyFor[]
  /** The lowest least TTL of all neighbors of the family; undefined: some neighbor has none. */
  readonly leastTtl: Readonly<Record<Family, number | undefined>>
  /** Some neighbors have a least TTL and others have none: each connection is checked by the TTL of its SYN. */
  readonly judgesSyn: boolean
}

export class Protections {
  readonly #keys: Keys
  /** By address and zone. */
  #hosts = new Map<string, Protection>()
  #ranges: readonly Protection[] = []
  /**
   * Neighbors with the same address on different links: for keys the kernel compares only the address of a connection.
   */
  #ambiguous: ReadonlySet<string> = new Set()
  readonly #admissions = new Map<string, Admission>()
  /** Whether neighbors have been set: before that, no host counts as a stranger. */
  isTold = false

  constructor(keys: Keys) {
    this.#keys = keys
  }

  set(neighbors: readonly Protection[]): void {
    this.isTold = true
    this.#hosts = new Map()
    for (const one of neighbors) {
      if (!isHostPrefix(one.prefix)) continue
      // Several ports of one address: the kernel identifies a neighbor by its address alone.
      const before = this.#hosts.get(nameOf(one))
      if (before?.key === undefined) this.#hosts.set(nameOf(one), one)
    }
    this.#ranges = neighbors
      .filter(({ prefix }) => !isHostPrefix(prefix))
      .sort((a, b) => b.prefix.length - a.prefix.length)
    this.#ambiguous = ambiguous([...this.#hosts.values()])
    this.#admissions.clear()
  }

  /** The settings of neighbors that may connect from there. */
  of(address: Address): Protection | undefined {
    const [bare = '', zone] = address.split('%', 2)
    const host = hostPrefix(bare)
    if (host === undefined) return undefined
    const own =
      this.#hosts.get(nameOf({ prefix: host, zone })) ?? this.#hosts.get(nameOf({ prefix: host, zone: undefined }))
    return own ?? this.#ranges.find(({ prefix }) => contains(prefix, host))
  }

  /** Undefined where none is configured, or none has been read yet. */
  keyOf({ key }: Pick<Protection, 'key'>): Uint8Array | undefined {
    return key === undefined ? undefined : this.#keys.get(key)
  }

  /** A key is required and has not been read yet: no connection is made or accepted without it. */
  lacksKey(address: Address): boolean {
    const protection = this.of(address)
    return protection?.key !== undefined && this.keyOf(protection) === undefined
  }

  /** Whoever may connect: single addresses and ranges. */
  get callers(): readonly Prefix[] {
    return this.#all().map(({ prefix }) => prefix)
  }

  /**
   * Links that need a listener of their own: an address has another key, or another TTL, there than on another link.
   */
  get links(): readonly string[] {
    const zones = this.#all().flatMap(({ prefix, zone }) => (this.#ambiguous.has(prefix.text) ? [zone] : []))
    return [...new Set(zones.filter((zone) => zone !== undefined))].sort()
  }

  /** For the listener of this link, or for the one of all links. */
  admission(link: string | undefined): Admission {
    const known = this.#admissions.get(link ?? '')
    if (known !== undefined) return known
    const admission = this.#admit(link)
    this.#admissions.set(link ?? '', admission)
    return admission
  }

  #admit(link: string | undefined): Admission {
    const all = this.#all().filter(({ prefix, zone }) =>
      link === undefined ? !this.#ambiguous.has(prefix.text) : zone === undefined || zone === link,
    )
    const leastTtl = { ipv4: leastOf(all, 'ipv4'), ipv6: leastOf(all, 'ipv6') }
    return {
      keyed: keyPrefixes(all, (protection) => this.keyOf(protection)),
      leastTtl,
      judgesSyn: all.some(({ prefix, minTtl }) => minTtl !== leastTtl[prefix.family]),
    }
  }

  #all(): Protection[] {
    return [...this.#hosts.values(), ...this.#ranges]
  }
}

const nameOf = ({ prefix, zone }: Pick<Protection, 'prefix' | 'zone'>): string => `${prefix.text}%${zone ?? ''}`

/** Addresses that are protected differently on different links. */
function ambiguous(hosts: readonly Protection[]): Set<string> {
  const ways = new Map<string, Set<string>>()
  for (const { prefix, key, minTtl } of hosts) {
    const way = `${key === undefined ? '' : `${key.secret} ${key.key}`} ${minTtl ?? ''}`
    const known = ways.get(prefix.text)?.add(way)
    if (known === undefined) ways.set(prefix.text, new Set([way]))
  }
  return new Set([...ways].filter(([, { size }]) => size > 1).map(([text]) => text))
}

function leastOf(all: readonly Protection[], family: Family): number | undefined {
  let least: number | undefined
  for (const { prefix, minTtl } of all) {
    if (prefix.family !== family) continue
    if (minTtl === undefined) return undefined
    least = Math.min(least ?? minTtl, minTtl)
  }
  return least
}

/** `undefined` removes the key. `isIpv6`: of the socket, on which IPv4 addresses are mapped. */
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
  // Linux counts only the bits of the IPv4 address, also for mapped addresses.
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
  return errorText(error)
}

/**
 * On a listener: drops replies from hosts that are too far away as well, because it is not known which neighbor will
 * connect. IPv4 addresses on an IPv6 socket are mapped, and have a TTL of their own.
 */
export function sendFarthest(fd: number, isIpv6: boolean): void {
  setOption(fd, IPPROTO_IP, IP_TTL, FULL_TTL)
  if (isIpv6) setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, FULL_TTL)
}

/** On a listener: a host that is further away cannot begin a connection. */
export function setLeastTtl(fd: number, isIpv6: boolean, { ipv4, ipv6 }: Admission['leastTtl']): void {
  setOption(fd, IPPROTO_IP, IP_MINTTL, ipv4 ?? 0)
  if (isIpv6) setOption(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, ipv6 ?? 0)
}

/** On a socket that is about to connect, or was accepted. `wasSet`: it may have had another limit before. */
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
