/** Which interface a session runs over, and what interfaces there are: asked of the kernel when somebody needs it. */
import { readdirSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { type Address, isLinkLocal, parseAddress } from '../../base/address.ts'
import { FAMILIES, type Family } from '../../base/family.ts'
import { contains, hostPrefix, isHostPrefix, type Prefix, parsePrefix } from '../../base/prefix.ts'
import type { LocalInterface } from '../../engine/input.ts'
import type { InterfaceView, LinkView } from '../../show/view.ts'

interface Row {
  readonly interface: string
  readonly family: Family
  readonly address: Address
  readonly prefix: string
}

/** As they were when the system could last be asked: it cannot without a descriptor to ask by. */
let known: ReturnType<typeof networkInterfaces> = {}

function askInterfaces(): typeof known {
  try {
    known = networkInterfaces()
  } catch {
    // The shortage is told of where it is met first, at the sockets.
  }
  return known
}

function rows(): Row[] {
  const found: Row[] = []
  for (const [name, addresses] of Object.entries(askInterfaces())) {
    for (const one of addresses ?? []) {
      const address = parseAddress(one.address)
      if (address === undefined) continue
      const family = one.family === 'IPv6' ? 'ipv6' : 'ipv4'
      found.push({ interface: name, family, address, prefix: one.cidr ?? one.address })
    }
  }
  return found
}

/**
 * The interface that has `local`, with one address of each family: `local` itself, or a global one beside a link-local
 * one, and the best of the other.
 */
export function interfaceOf(local: Address): LocalInterface | undefined {
  const all = rows()
  const [bare, zone] = local.split('%')
  const home = all.find((row) => row.address === bare && (zone === undefined || row.interface === zone))
  if (home === undefined) return undefined
  const addresses: Partial<Record<Family, Address>> = {}
  for (const family of FAMILIES) {
    const best = bestOf(all, home.interface, family)
    const isOwn = family === home.family && !(isLinkLocal(local) && best !== undefined && !isLinkLocal(best))
    const address = isOwn ? local : best
    if (address !== undefined) addresses[family] = address
  }
  return { name: home.interface, addresses, subnets: subnetsOf(all, home.interface) }
}

/** False: `remote` is on a link of this machine, and that link does not have `local`. */
export function sharesLink(local: Address, remote: Address): boolean {
  const all = rows()
  const host = hostPrefix(remote)
  if (host === undefined || isLinkLocal(remote)) return true
  const links = all.filter(({ prefix }) => {
    const subnet = parsePrefix(prefix)
    return subnet !== undefined && !isHostPrefix(subnet) && contains(subnet, host)
  })
  const names = new Set(links.map((row) => row.interface))
  return names.size === 0 || all.some((row) => names.has(row.interface) && row.address === local)
}

function subnetsOf(all: readonly Row[], name: string): Prefix[] {
  const there = all.filter((row) => row.interface === name && !isLinkLocal(row.address))
  const subnets = there.flatMap(({ prefix }) => parsePrefix(prefix) ?? [])
  return [...new Map(subnets.map((subnet) => [subnet.text, subnet])).values()]
}

/** The first that others can reach; a link-local one only where there is no other; never the host talking to itself. */
function bestOf(all: readonly Row[], name: string, family: Family): Address | undefined {
  const usable = all.filter((row) => row.interface === name && row.family === family && !isLoopback(row.address))
  const global = usable.find((row) => !isLinkLocal(row.address) && !row.address.startsWith('169.254.'))
  return (global ?? usable[0])?.address
}

const isLoopback = (address: Address): boolean => address === '::1' || address.startsWith('127.')

const LINKS = '/sys/class/net'

/** Every interface with what the kernel says of its link, for `show interfaces`. Reads four small files for each. */
export function describeInterfaces(): InterfaceView[] {
  const addressed = new Map(listInterfaces().map((view) => [view.name, view]))
  const names = new Set([...linkNames(), ...addressed.keys()])
  const all = [...names].map((name): InterfaceView => {
    const { addresses } = addressed.get(name) ?? { addresses: [] }
    const link = linkOf(name)
    return link === undefined
      ? { name, up: addressed.has(name), addresses }
      : { name, up: (link.flags & UP_AND_RUNNING) === UP_AND_RUNNING, addresses, link }
  })
  return all.sort((a, b) => (a.link?.index ?? 0) - (b.link?.index ?? 0))
}

/** IFF_UP and IFF_RUNNING. */
const UP_AND_RUNNING = 0x41

function linkNames(): string[] {
  try {
    return readdirSync(LINKS)
  } catch {
    return []
  }
}

/** Undefined for one that went meanwhile, and for what is none (`bonding_masters`). */
function linkOf(name: string): LinkView | undefined {
  const read = (file: string): number => Number(readFileSync(`${LINKS}/${name}/${file}`, 'utf8'))
  try {
    return { index: read('ifindex'), mtu: read('mtu'), flags: read('flags') | runningFlag(name) }
  } catch {
    return undefined
  }
}

/** `flags` has only what was set; whether the link carries is told apart. It is `unknown` for lo and other virtual ones. */
function runningFlag(name: string): number {
  const state = readFileSync(`${LINKS}/${name}/operstate`, 'utf8').trim()
  return state === 'up' || state === 'unknown' ? 0x40 : 0
}

/** The interfaces with an address, and which: for whoever looks at routes. */
export function listInterfaces(): InterfaceView[] {
  const byName = new Map<string, string[]>()
  for (const row of rows()) {
    const prefixes = byName.get(row.interface)
    if (prefixes === undefined) byName.set(row.interface, [row.prefix])
    else prefixes.push(row.prefix)
  }
  return [...byName].map(([name, addresses]) => ({ name, up: true, addresses }))
}
