/** What `ip -j` prints, as values. What makes no sense is left out: it is never ours. */
import { type Address, parseAddress } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
import { hostPrefix, type Prefix, parsePrefix } from '../../base/prefix.ts'
import { type Hop, type KernelRoute, type Link, routeKey, sortHops } from '../../dataplane/kernel.ts'

type Json = Readonly<Record<string, unknown>>

/** Numbers of route types (RTN_*), since names are asked for nowhere else. */
const TYPES: Readonly<Record<string, string>> = {
  1: 'unicast',
  2: 'local',
  3: 'broadcast',
  4: 'anycast',
  5: 'multicast',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
  9: 'throw',
}

/** `ip -N -j -d [-6] route show table …`. */
export function readRoutes(text: string, family: Family): KernelRoute[] {
  return readList(text).flatMap((row) => readRoute(row, family) ?? [])
}

function readRoute(row: Json, family: Family): KernelRoute | undefined {
  const prefix = readPrefix(row.dst, family)
  const type = TYPES[String(row.type)]
  if (prefix === undefined || type === undefined) return undefined
  const rows = type !== 'unicast' ? [] : Array.isArray(row.nexthops) ? row.nexthops.filter(isJson) : [row]
  const route = {
    prefix,
    type,
    protocol: Number(row.protocol ?? 0),
    metric: Number(row.metric ?? 0),
    hops: sortHops(rows.flatMap((hop) => readHop(hop) ?? [])),
    dead: rows.length > 0 && rows.every(isDead),
  }
  return { ...route, key: routeKey(route) }
}

function readPrefix(dst: unknown, family: Family): Prefix | undefined {
  if (dst === 'default') return parsePrefix(family === 'ipv4' ? '0.0.0.0/0' : '::/0')
  const text = String(dst)
  return parsePrefix(text) ?? hostPrefix(text)
}

function readHop({ gateway, via, dev, flags }: Json): Hop | undefined {
  if (typeof dev !== 'string') return undefined
  const text = isJson(via) ? via.host : gateway
  const address = typeof text === 'string' ? parseAddress(text) : undefined
  return { gateway: address, interface: dev, onlink: Array.isArray(flags) && flags.includes('onlink') }
}

const isDead = ({ flags }: Json): boolean =>
  Array.isArray(flags) && (flags.includes('linkdown') || flags.includes('dead'))

/** `ip -j addr show`. */
export function readLinks(text: string): Link[] {
  return readList(text).flatMap(({ ifname, flags, operstate, addr_info: addresses }) => {
    if (typeof ifname !== 'string') return []
    const isUp = Array.isArray(flags) && flags.includes('UP') && !flags.includes('NO-CARRIER')
    const found = Array.isArray(addresses) ? addresses.filter(isJson).flatMap(readAddress) : []
    return [{ name: ifname, up: isUp && !DOWN.has(String(operstate)), addresses: found }]
  })
}

const DOWN = new Set(['DOWN', 'LOWERLAYERDOWN', 'NOTPRESENT'])

function readAddress({ local }: Json): Address[] {
  const address = typeof local === 'string' ? parseAddress(local) : undefined
  return address === undefined ? [] : [address]
}

/** Throws where it is no JSON. Nothing at all stands for an empty list. */
function readList(text: string): Json[] {
  const value: unknown = text.trim() === '' ? [] : JSON.parse(text)
  return Array.isArray(value) ? value.filter(isJson) : []
}

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
