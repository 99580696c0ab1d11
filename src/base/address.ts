/**
 * IP addresses. Between rooms an address is its canonical text (IPv4 dotted quad, IPv6 as RFC 5952 writes it),
 * so that two are equal when their texts are; bytes are for the wire and the RIB.
 */
import type { Family } from './family.ts'

/** Canonical text of an address; a link-local one may end with `%zone`. */
export type Address = string & { readonly unit?: 'Address' }

/** The family of a canonical address. */
export const familyOfAddress = (address: Address): Family => (address.includes(':') ? 'ipv6' : 'ipv4')

/**
 * Reads an address as a person writes it.
 * Refused (undefined): leading zeros, wrong counts, anything trailing. A zone (`fe80::1%eth0`) is kept.
 */
export function parseAddress(text: string): Address | undefined {
  const [bare, zone] = splitZone(text)
  const bytes = bare === undefined ? undefined : parseAddressBytes(bare)
  if (bytes === undefined) return undefined
  return zone === undefined ? formatAddress(bytes) : `${formatAddress(bytes)}%${zone}`
}

function splitZone(text: string): [string | undefined, string | undefined] {
  const percent = text.indexOf('%')
  if (percent < 0) return [text, undefined]
  const zone = text.slice(percent + 1)
  return zone === '' || !text.includes(':') ? [undefined, undefined] : [text.slice(0, percent), zone]
}

/** The 4 or 16 bytes of an address without a zone, or undefined where the text is none. */
export function parseAddressBytes(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text)
}

/** The bytes of a canonical address; the zone, if any, is left out. */
export function addressBytes(address: Address): Uint8Array {
  const bytes = parseAddressBytes(bareAddress(address))
  if (bytes === undefined) throw new Error(`not an address: ${address}`)
  return bytes
}

const OCTET = /^(0|[1-9]\d{0,2})$/

function parseV4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (const [index, part] of parts.entries()) {
    if (!OCTET.test(part) || Number(part) > 255) return undefined
    bytes[index] = Number(part)
  }
  return bytes
}

const GROUP = /^[0-9a-fA-F]{1,4}$/

/** RFC 4291 §2.2: eight groups, one run of zeros as `::`, the last two groups perhaps as IPv4. */
function parseV6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  const bytes = new Uint8Array(16)
  for (const [index, group] of groups.entries()) {
    bytes[index * 2] = group >> 8
    bytes[index * 2 + 1] = group & 0xff
  }
  return bytes
}

function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [index, part] of parts.entries()) {
    if (last && index === parts.length - 1 && part.includes('.')) {
      const v4 = parseV4(part)
      if (v4 === undefined) return undefined
      groups.push(((v4[0] ?? 0) << 8) | (v4[1] ?? 0), ((v4[2] ?? 0) << 8) | (v4[3] ?? 0))
    } else if (GROUP.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}

/** Canonical text of 4 or 16 bytes found at `offset`. */
export function formatAddress(bytes: Uint8Array, offset = 0, length = bytes.length - offset): Address {
  return length === 4 ? formatV4(bytes, offset) : formatV6(bytes, offset)
}

function formatV4(bytes: Uint8Array, offset: number): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`
}

/**
 * RFC 5952 §4: lower case, no leading zeros, the longest run of two or more zero groups as `::`, the first of equals.
 * §5: an IPv4 address inside is written as one.
 */
function formatV6(bytes: Uint8Array, offset: number): string {
  if (isMappedAt(bytes, offset)) return `::ffff:${formatV4(bytes, offset + 12)}`
  const { start, length } = longestZeroRun(bytes, offset)
  let text = ''
  for (let group = 0; group < 8; group++) {
    if (group === start && length > 1) {
      text += '::'
      group += length - 1
    } else {
      if (group > 0 && !(length > 1 && group === start + length)) text += ':'
      text += groupAt(bytes, offset, group).toString(16)
    }
  }
  return text
}

const groupAt = (bytes: Uint8Array, offset: number, group: number): number =>
  ((bytes[offset + group * 2] ?? 0) << 8) | (bytes[offset + group * 2 + 1] ?? 0)

function longestZeroRun(bytes: Uint8Array, offset: number): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && groupAt(bytes, offset, end) === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
    if (end > start) start = end
  }
  return best
}

/** Whether the IPv6 address in the octets from `at` on is in `fe80::/10` (RFC 4291 §2.5.6). */
export const isLinkLocalAt = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0xfe && ((bytes[at + 1] ?? 0) & 0xc0) === 0x80

/**
 * Why no host has the address for itself, so that a session or a route could lead there; undefined where one may.
 * Loopback addresses are this machine's, and `240.0.0.0/4` is in use here and there. A zone does not count.
 */
export function whyNotOfHost(address: Address): string | undefined {
  const bytes = addressBytes(address)
  return bytes.length === 4 ? whyNotOfHostV4(bytes) : whyNotOfHostV6(bytes)
}

/** RFC 6890 §2.2.2, RFC 5771. */
function whyNotOfHostV4([first = 0, ...rest]: Uint8Array): string | undefined {
  if (first === 0) return 'belongs to no host (0.0.0.0/8)'
  if (first >= 224 && first < 240) return 'is a multicast address'
  return first === 255 && rest.every((octet) => octet === 255) ? 'is the broadcast address' : undefined
}

/** RFC 4291 §2.5.2, §2.5.5.2, §2.7. */
function whyNotOfHostV6(bytes: Uint8Array): string | undefined {
  if (bytes.every((octet) => octet === 0)) return 'belongs to no host (::)'
  if (bytes[0] === 0xff) return 'is a multicast address'
  return isMappedAt(bytes, 0) ? `is an IPv4 address inside IPv6; write ${formatAddress(bytes, 12)}` : undefined
}

/** Whether the IPv6 address in the octets from `at` on is in `::ffff:0:0/96` (RFC 4291 §2.5.5.2). */
export function isMappedAt(bytes: Uint8Array, at: number): boolean {
  for (let index = at; index < at + 10; index++) if (bytes[index] !== 0) return false
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff
}

/** Without its zone. */
export const bareAddress = (address: Address): Address => {
  const percent = address.indexOf('%')
  return percent < 0 ? address : address.slice(0, percent)
}

/** `fe80::/10`, as text. */
export const isLinkLocal = (address: Address): boolean => /^fe[89ab][0-9a-f]:/i.test(address)
