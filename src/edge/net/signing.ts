/**
 * How TCP segments are signed: with a key of TCP-MD5 (RFC 2385), or with the keys of a TCP-AO chain (RFC 5925). What is
 * asked for in names becomes octets here, and the octets become options of a socket.
 *
 * TCP-AO on an open connection: both sides name in each segment the key they want to receive (RNextKeyID), and each
 * changes to it once it has it (RFC 5925 §7.5.2, which the kernel does). So a chain is changed without a reset: a key is
 * added on both sides, in any order, and put first; later the old one is taken away.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { Prefix } from '../../base/prefix.ts'
import type { AoAlgorithm, KeyIntent, Signing } from '../../cluster/intent.ts'
import { errorText } from '../error-text.ts'
import { CallError, IPPROTO_TCP, setOption } from '../libc.ts'
import { TCP_AO_DEL_KEY, TCP_MD5SIG_EXT } from '../signatures.ts'

// Numbers of Linux, the same on every architecture that we run on.
const AF_INET = 2
const AF_INET6 = 10
const TCP_MD5SIG_FLAG_PREFIX = 1
const TCP_AO_ADD_KEY = 38
const TCP_AO_INFO = 40
/** Octets of `struct tcp_md5sig`, `tcp_ao_add`, `tcp_ao_del` and `tcp_ao_info_opt`. */
const MD5SIG = 216
const AO_ADD = 288
const AO_DEL = 144
const AO_INFO = 48
const SET_CURRENT = 1
const SET_RNEXT = 2
/** Octets of the code in each segment: all algorithms are cut to 96 bits, as RFC 5926 has it. */
const CODE_OCTETS = 12
/** As the kernel names them. */
const ALGORITHMS: Readonly<Record<AoAlgorithm, string>> = {
  'HMAC-SHA-1-96': 'hmac(sha1)',
  'AES-128-CMAC-96': 'cmac(aes128)',
  'HMAC-SHA-256-96': 'hmac(sha256)',
}

/** A key of a chain with its octets. */
interface AoKey {
  readonly sendId: number
  readonly receiveId: number
  readonly algorithm: AoAlgorithm
  readonly bytes: Uint8Array
}

/** `name` is the same for the same octets, in this process; they cannot be read from it. */
export type Signature =
  | { readonly kind: 'md5'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: 'ao'; readonly name: string; readonly keys: readonly AoKey[] }

/** Undefined while a key is not known: half a chain is none. */
export function signatureOf(
  signing: Signing<KeyIntent>,
  keyOf: (key: KeyIntent) => Uint8Array | undefined,
): Signature | undefined {
  if (signing.kind === 'md5') {
    const bytes = keyOf(signing.key)
    return bytes === undefined ? undefined : { kind: 'md5', name: `md5 ${markOf(bytes)}`, bytes }
  }
  const keys: AoKey[] = []
  for (const { sendId, receiveId, algorithm, key } of signing.keys) {
    const bytes = keyOf(key)
    if (bytes === undefined) return undefined
    keys.push({ sendId, receiveId, algorithm, bytes })
  }
  return chainOf(keys)
}

const chainOf = (keys: readonly AoKey[]): Signature => ({ kind: 'ao', name: `ao ${keys.map(nameOf).join(' ')}`, keys })

/** Of this process alone, so that a mark says nothing to whoever reads it. */
const SALT = randomBytes(32)
const marks = new WeakMap<Uint8Array, string>()

/** In place of a key where keys are compared: a string of it could get into a text, and octets would not. */
function markOf(bytes: Uint8Array): string {
  const known = marks.get(bytes)
  if (known !== undefined) return known
  const mark = createHmac('sha256', SALT).update(bytes).digest('base64')
  marks.set(bytes, mark)
  return mark
}

const idsOf = ({ sendId, receiveId }: AoKey): string => `${sendId}/${receiveId}`
const nameOf = (key: AoKey): string => `${idsOf(key)} ${key.algorithm} ${markOf(key.bytes)}`

/** A socket. On an IPv6 socket, IPv4 addresses are mapped ones. */
export interface Target {
  readonly fd: number
  readonly isIpv6: boolean
}

/** The signature for these addresses on a listener, in place of `before`. */
export function signListener(
  target: Target,
  prefix: Prefix,
  next: Signature | undefined,
  before: Signature | undefined,
): void {
  // The kernel takes one kind of key for an address at a time.
  if (before !== undefined && before.kind !== next?.kind) unsign(target, prefix, before)
  if (next?.kind === 'md5') setMd5(target, prefix, next.bytes)
  if (next?.kind !== 'ao') return
  const old = before?.kind === 'ao' ? before.keys : []
  // A new key whose ID is still taken is added after the old key is deleted; all other new keys come first, so that some
  // key always works.
  const ids = new Set(old.flatMap(({ sendId, receiveId }) => [`s${sendId}`, `r${receiveId}`]))
  const collides = ({ sendId, receiveId }: AoKey): boolean => ids.has(`s${sendId}`) || ids.has(`r${receiveId}`)
  const names = new Set(old.map(nameOf))
  const fresh = next.keys.filter((key) => !names.has(nameOf(key)))
  const wanted = new Set(next.keys.map(nameOf))
  for (const key of fresh) if (!collides(key)) addAo(target, prefix, key)
  for (const key of old) if (!wanted.has(nameOf(key))) deleteAo(target, prefix, key)
  for (const key of fresh) if (collides(key)) addAo(target, prefix, key)
}

function unsign(target: Target, prefix: Prefix, before: Signature): void {
  if (before.kind === 'md5') setMd5(target, prefix, undefined)
  else for (const key of before.keys) deleteAo(target, prefix, key)
}

/** On a socket that has not connected yet. The first key is the one that we begin with. */
export function signBeforeConnect(target: Target, host: Prefix, signature: Signature): void {
  if (signature.kind === 'md5') setMd5(target, host, signature.bytes)
  else {
    noteAge(signature.keys)
    for (const [index, key] of signature.keys.entries())
      addAo(target, host, key, index === 0 ? SET_CURRENT | SET_RNEXT : 0)
  }
}

/**
 * On an open connection, in place of `before`, which its listener put there for `prefix` or we did before we connected. The
 * neighbor is asked to sign with the first key, and we go on signing with the key that it asked for. Only if that one is
 * deleted do we choose another: the one that has been there longest, because the neighbor may not have a newer one yet.
 * Where another key stands under the same ID the old one stays until the session ends: two cannot have one ID.
 *
 * Gives back what is in force.
 */
export function signConnection(
  target: Target,
  prefix: Prefix,
  next: Signature,
  before: Signature | undefined,
): Signature {
  if (next.kind === 'md5') {
    setMd5(target, prefix, next.bytes)
    return next
  }
  const old = before?.kind === 'ao' ? before.keys : []
  const kept = keysInForce(next.keys, old)
  const preferred = kept[0]
  if (preferred === undefined) return next
  for (const key of kept) if (!old.includes(key)) addUnlessThere(target, prefix, key)
  askFor(target, preferred)
  noteAge(kept)
  const instead = kept.filter((key) => old.includes(key)).sort(byAge)[0] ?? preferred
  for (const key of old) if (!kept.includes(key)) deleteAo(target, prefix, key, instead)
  return chainOf(kept)
}

/** In the order in which keys came into force. Of those that came together, the last is the oldest: new ones are put first. */
const ages = new WeakMap<AoKey, number>()
let noted = 0
function noteAge(keys: readonly AoKey[]): void {
  for (const key of keys.toReversed()) if (!ages.has(key)) ages.set(key, ++noted)
}
const byAge = (a: AoKey, b: AoKey): number => (ages.get(a) ?? 0) - (ages.get(b) ?? 0)

/** Each new key, or the old one that has one of its IDs: that ID is not free before the session ends. */
export const keysInForce = (next: readonly AoKey[], old: readonly AoKey[]): readonly AoKey[] => [
  ...new Set(next.map((key) => old.find((one) => one.sendId === key.sendId || one.receiveId === key.receiveId) ?? key)),
]

/** `undefined` takes the key away. */
function setMd5({ fd, isIpv6 }: Target, prefix: Prefix, key: Uint8Array | undefined): void {
  const bytes = new Uint8Array(MD5SIG)
  writeAddress(bytes, isIpv6, prefix)
  bytes[128] = TCP_MD5SIG_FLAG_PREFIX
  bytes[129] = prefix.length
  new DataView(bytes.buffer).setUint16(130, key?.length ?? 0, true)
  if (key !== undefined) bytes.set(key, 136)
  try {
    setOption(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, bytes)
  } catch (error) {
    if (key === undefined) return
    throw new Error(`the kernel does not take the key of TCP-MD5: ${whyRefused(error, 'CONFIG_TCP_MD5SIG')}`)
  }
}

function addAo({ fd, isIpv6 }: Target, prefix: Prefix, key: AoKey, flags = 0): void {
  try {
    setOption(fd, IPPROTO_TCP, TCP_AO_ADD_KEY, aoAdd(isIpv6, prefix, key, flags))
  } catch (error) {
    const why = whyRefused(error, 'CONFIG_TCP_AO')
    throw new Error(`the kernel does not take a key of TCP-AO: ${why}`, { cause: error })
  }
}

/** `struct tcp_ao_add` of Linux. */
export function aoAdd(isIpv6: boolean, prefix: Prefix, key: AoKey, flags: number): Uint8Array {
  const bytes = new Uint8Array(AO_ADD)
  writeAddress(bytes, isIpv6, prefix)
  bytes.set(new TextEncoder().encode(ALGORITHMS[key.algorithm]), 128)
  new DataView(bytes.buffer).setUint32(196, flags, true)
  bytes.set([prefix.length, key.sendId, key.receiveId, CODE_OCTETS, 0, key.bytes.length], 202)
  bytes.set(key.bytes, 208)
  return bytes
}

/** An accepted connection has those of its listener. */
function addUnlessThere(target: Target, prefix: Prefix, key: AoKey): void {
  try {
    addAo(target, prefix, key)
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    if (!(cause instanceof CallError && cause.code === 'EEXIST')) throw error
  }
}

/**
 * `ifInUse`: the key that a connection goes on with if it signs with this one, which the kernel refuses to delete (EBUSY). It is
 * then asked again, with that key as `instead`.
 */
function deleteAo(target: Target, prefix: Prefix, key: AoKey, ifInUse?: AoKey, instead?: AoKey): void {
  try {
    setOption(target.fd, IPPROTO_TCP, TCP_AO_DEL_KEY, aoDelete(target.isIpv6, prefix, key, instead))
  } catch (error) {
    const code = error instanceof CallError ? error.code : ''
    // The connection or the key is gone.
    if (code === 'ENOENT') return
    if (code === 'EBUSY' && ifInUse !== undefined) deleteAo(target, prefix, key, undefined, ifInUse)
    else throw new Error(`the kernel does not give up a key of TCP-AO: ${errorText(error)}`)
  }
}

/** `struct tcp_ao_del` of Linux. `instead`: the key that the connection signs with from now on. */
export function aoDelete(isIpv6: boolean, prefix: Prefix, key: AoKey, instead: AoKey | undefined): Uint8Array {
  const bytes = new Uint8Array(AO_DEL)
  writeAddress(bytes, isIpv6, prefix)
  new DataView(bytes.buffer).setUint32(132, instead === undefined ? 0 : SET_CURRENT, true)
  bytes.set([prefix.length, key.sendId, key.receiveId, instead?.sendId ?? 0], 138)
  return bytes
}

/** The neighbor is asked to sign with this key from now on. */
function askFor({ fd }: Target, key: AoKey): void {
  const bytes = new Uint8Array(AO_INFO)
  new DataView(bytes.buffer).setUint32(0, SET_RNEXT, true)
  bytes[7] = key.receiveId
  setOption(fd, IPPROTO_TCP, TCP_AO_INFO, bytes)
}

/** `struct sockaddr_storage`, which all of these begin with. Of mapped addresses, too, Linux counts the bits of IPv4. */
function writeAddress(bytes: Uint8Array, isIpv6: boolean, { bytes: octets }: Prefix): void {
  new DataView(bytes.buffer).setUint16(0, isIpv6 ? AF_INET6 : AF_INET, true)
  if (!isIpv6) bytes.set(octets, 4)
  else if (octets.length === 16) bytes.set(octets, 8)
  else {
    bytes.fill(0xff, 18, 20)
    bytes.set(octets, 20)
  }
}

function whyRefused(error: unknown, setting: string): string {
  const code = error instanceof CallError ? error.code : ''
  if (code === 'ENOPROTOOPT') return `it has none (${setting})`
  if (code === 'EINVAL') return `it has none (${setting}), or the connection began without one`
  if (code === 'ENOMEM') return 'it has no room for more (net.core.optmem_max)'
  return errorText(error)
}
