/**
 * What protects each neighbor: a signature (`signing.ts`), and the least TTL of received packets (RFC 5082). Keys come from
 * `edge/keys`. Where a socket cannot be protected an error is thrown, and nothing is sent unprotected.
 */
import { type Address, familyOfAddress } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
import { contains, hostPrefix, isHostPrefix, type Prefix } from '../../base/prefix.ts'
import type { Protection } from '../../engine/effect.ts'
import type { Keys } from '../keys.ts'
import { IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPV6_UNICAST_HOPS, setOption } from '../libc.ts'
import { type Signatures, signatures } from '../signatures.ts'
import { keyPrefixes, type SignatureFor } from './key-prefixes.ts'
import { type Signature, signatureOf } from './signing.ts'

// Numbers of Linux, the same on every architecture that we run on.
const IP_MINTTL = 21
const IPV6_MINHOPCOUNT = 73

const FULL_TTL = 255
/** Sets a socket back to the system's default. */
const USUAL_TTL = -1

/** The settings of a listener, which must be in force before the first connection. */
export interface Admission {
  /** Connections from these addresses must be signed so. */
  readonly signed: readonly SignatureFor[]
  /** The lowest least TTL of all neighbors of the family; undefined: some neighbor has none. */
  readonly leastTtl: Readonly<Record<Family, number | undefined>>
  /** Some neighbors have a least TTL and others have none: each connection is checked by the TTL of its SYN. */
  readonly checksSyn: boolean
}

export class SocketProtection {
  readonly #keys: Keys
  /** What the kernel can sign with; undefined: not known, and it is tried. */
  readonly #able: Signatures | undefined
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

  constructor(keys: Keys, able = signatures()) {
    this.#keys = keys
    this.#able = able
  }

  set(neighbors: readonly Protection[]): void {
    this.isTold = true
    this.#hosts = new Map()
    for (const one of neighbors) {
      if (!isHostPrefix(one.prefix)) continue
      const before = this.#hosts.get(nameOf(one))
      this.#hosts.set(nameOf(one), before === undefined ? one : both(before, one))
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

  /** Undefined where none is configured, or none is possible: see `whyUnsigned`. */
  signatureOf({ signing }: Pick<Protection, 'signing'>): Signature | undefined {
    if (signing === undefined || this.#able?.[signing.kind] === false) return undefined
    return signatureOf(signing, (key) => this.#keys.get(key))
  }

  /** A signature is required and cannot be made: no connection is made or accepted without it. */
  whyUnsigned(address: Address): string | undefined {
    const protection = this.of(address)
    if (protection?.signing === undefined || this.signatureOf(protection) !== undefined) return undefined
    const { kind } = protection.signing
    if (this.#able?.[kind] === false) return `this kernel has no ${WORDS[kind].name} (${WORDS[kind].setting})`
    return `its ${WORDS[kind].name} key is not known yet`
  }

  /** The addresses that the listener has the signature of this caller for. */
  signedFor(address: Address): Prefix {
    const host = hostOf(address)
    const [, zone = ''] = address.split('%', 2)
    const { signed } = this.admission(this.links.includes(zone) ? zone : undefined)
    return signed.find(({ prefix }) => contains(prefix, host))?.prefix ?? host
  }

  /** The hosts that may connect: single addresses and ranges. */
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
      signed: keyPrefixes(all, (protection) => this.signatureOf(protection)),
      leastTtl,
      checksSyn: all.some(({ prefix, minTtl }) => minTtl !== leastTtl[prefix.family]),
    }
  }

  #all(): Protection[] {
    return [...this.#hosts.values(), ...this.#ranges]
  }
}

const WORDS = {
  md5: { name: 'TCP-MD5', setting: 'CONFIG_TCP_MD5SIG' },
  ao: { name: 'TCP-AO', setting: 'CONFIG_TCP_AO' },
} as const

/** Several ports of one address: the kernel identifies a neighbor by its address alone, and none gets less than it asks. */
const both = (a: Protection, b: Protection): Protection => ({
  ...a,
  signing: a.signing ?? b.signing,
  minTtl: a.minTtl === undefined || b.minTtl === undefined ? (a.minTtl ?? b.minTtl) : Math.max(a.minTtl, b.minTtl),
})

const nameOf = ({ prefix, zone }: Pick<Protection, 'prefix' | 'zone'>): string => `${prefix.text}%${zone ?? ''}`

/** Addresses that are protected differently on different links. */
function ambiguous(hosts: readonly Protection[]): Set<string> {
  const settings = new Map<string, Set<string>>()
  for (const { prefix, signing, minTtl } of hosts) {
    const setting = `${JSON.stringify(signing, (name, value) => (name === 'version' ? undefined : value)) ?? ''} ${minTtl ?? ''}`
    const known = settings.get(prefix.text)?.add(setting)
    if (known === undefined) settings.set(prefix.text, new Set([setting]))
  }
  return new Set([...settings].filter(([, { size }]) => size > 1).map(([text]) => text))
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

/**
 * On a listener: sends with TTL 255, because a neighbor with TTL security drops a SYN-ACK with less, and it is not known
 * which neighbor will connect. IPv4 addresses on an IPv6 socket are mapped, and have a TTL of their own.
 */
export function sendWithFullTtl(fd: number, isIpv6: boolean): void {
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
