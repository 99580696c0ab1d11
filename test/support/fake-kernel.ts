/**
 * A kernel in memory: routes, links and our nftables table, as `edge/kernel/rtnetlink` and `edge/kernel/nft` show them. It refuses what
 * the real one refuses; test/contract/kernel.ts holds the two against each other.
 */
import { addressBytes, isLinkLocal } from '../../src/base/address.ts'
import { contains, makePrefix, type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import {
  type Failure,
  GODWIT_PROTOCOL,
  type Hop,
  type KernelRoute,
  MAIN_TABLE,
  ROUTE_METRIC,
  type RouteChange,
  routeKey,
  sortHops,
} from '../../src/dataplane/kernel.ts'
import type { Link } from '../../src/dataplane/links.ts'
import { renderChange } from '../../src/dataplane/nft-script.ts'
import { type NftTable, sameTable } from '../../src/dataplane/nft-table.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { Input } from '../../src/engine/input.ts'

interface FakeLink {
  readonly name: string
  readonly index: number
  /** `10.0.0.2/24`. */
  addresses: readonly string[]
  up: boolean
}

export interface FakeKernelOptions {
  readonly feed: (input: Input) => void
  /** Runs something a little later. */
  readonly later: (work: () => void) => void
}

export class FakeKernel {
  readonly #options: FakeKernelOptions
  readonly #routes = new Map<string, KernelRoute>()
  readonly #links: FakeLink[] = []
  #told: Map<string, KernelRoute> | undefined
  #toldKeys = new Map<string, string>()
  #toldLinks = new Map<number, string>()
  #table: NftTable | undefined
  #toldTable: { readonly table: NftTable | undefined } | undefined
  #isWaiting = false
  #isOpen = false
  /** Nothing can be written, for this reason. */
  locked: string | undefined
  /** What was asked for, for tests to count. */
  readonly written: RouteChange[] = []
  scripts = 0
  /** Takes every script and does nothing of it. */
  deaf = false

  constructor(options: FakeKernelOptions) {
    this.#options = options
  }

  /** All that is there, as a newcomer would be told. */
  read(feed: (input: Input) => void): void {
    feed({ kind: 'links', change: { full: true, gone: [], present: this.#shownLinks() } })
    feed({ kind: 'kernel', change: { full: true, more: false, gone: [], present: [...this.#routes.values()] } })
  }

  /** From now on the engine is told, from the beginning. */
  open(): void {
    this.#isOpen = true
    this.#told = undefined
    this.#toldLinks = new Map()
    this.#toldTable = undefined
    this.#hint()
    this.#reportTable()
  }

  addLink(name: string, ...addresses: string[]): void {
    this.#links.push({ index: this.#links.length + 1, name, addresses: [], up: true })
    for (const text of addresses) this.addAddress(name, text)
  }

  addAddress(name: string, text: string): void {
    const link = this.#link(name)
    link.addresses = [...link.addresses, text]
    const prefix = prefixOf(text)
    const metric = text.includes(':') ? 256 : 0
    this.#set({ prefix, type: 'unicast', protocol: 2, metric, table: MAIN_TABLE, hops: [hop(name)] })
    this.#hint()
  }

  /** With it goes the route of its network, unless another address is there. */
  removeAddress(name: string, text: string): void {
    const link = this.#link(name)
    link.addresses = link.addresses.filter((one) => one !== text)
    const network = prefixOf(text).text
    if (!link.addresses.some((one) => prefixOf(one).text === network)) this.remove(network, 2)
    this.#hint()
  }

  #link(name: string): FakeLink {
    const link = this.#links.find((one) => one.name === name)
    if (link === undefined) throw new Error(`no link ${name}`)
    return link
  }

  /** The carrier comes or goes: routes over the link are kept. */
  setCarrier(name: string, up: boolean): void {
    this.#link(name).up = up
    this.#hint()
  }

  /** Somebody else's route. */
  addForeign(text: string, gateway: string, protocol = 4, metric = 0): void {
    const [way] = this.#wayTo(gateway)
    if (way === undefined) throw new Error(`no way to ${gateway}`)
    this.#set({
      prefix: prefixOf(text),
      type: 'unicast',
      protocol,
      metric,
      table: MAIN_TABLE,
      hops: [{ ...way, gateway }],
    })
    this.#hint()
  }

  /** Somebody else's route of any other kind: over a link without a gateway, or to nowhere. */
  addOther(text: string, link: string | undefined, type: string, metric: number, protocol = 4): void {
    const hops = link === undefined ? [] : [hop(link)]
    this.#set({ prefix: prefixOf(text), type, protocol, metric, table: MAIN_TABLE, hops })
    this.#hint()
  }

  /** Somebody deletes all routes of a prefix and a writer. */
  remove(text: string, protocol: number): void {
    for (const [id, route] of [...this.#routes]) {
      if (route.prefix.text === text && route.protocol === protocol) this.#routes.delete(id)
    }
    this.#hint()
  }

  flushNat(): void {
    this.#table = undefined
    this.#options.later(() => this.#reportTable())
  }

  /** Somebody edits our table. */
  editNft(script: string): void {
    this.#load(script)
    this.#options.later(() => this.#reportTable())
  }

  /** Time passes in the kernel: flows from before NAT are spared for so many seconds more. */
  spareFor(seconds: number): void {
    if (this.#table !== undefined) this.#table = { ...this.#table, begun: seconds }
    this.#options.later(() => this.#reportTable(true))
  }

  /** Packets that the rule of a pool has matched. */
  count(pool: string, packets: number): void {
    if (this.#table === undefined) return
    const rules = this.#table.rules.map((rule) =>
      rule.comment.startsWith(`IPPool/${pool} `) ? { ...rule, packets } : rule,
    )
    this.#table = { ...this.#table, rules }
  }

  /** As `ip route` would list them. */
  list(): string[] {
    return [...this.#routes.values()].map(routeKey).sort()
  }

  /** The route that packets to an address take. */
  lookup(address: Uint8Array): KernelRoute | undefined {
    const host = makePrefix(address, address.length * 8)
    const found = [...this.#routes.values()].filter(({ prefix }) => contains(prefix, host))
    return found.sort((a, b) => b.prefix.length - a.prefix.length || a.metric - b.metric)[0]
  }

  get own(): string[] {
    return this.list().filter((key) => key.includes(` proto ${GODWIT_PROTOCOL} `))
  }

  get table(): NftTable | undefined {
    return this.#table
  }

  perform(effect: Extract<Effect, { kind: 'routes' | 'nft' }>): void {
    this.#options.later(() => {
      const { seq, kind: what } = effect
      this.#options.feed({
        kind: 'applied',
        what,
        seq,
        failed: effect.kind === 'nft' ? this.#load(renderChange(effect.change, false)) : this.#write(effect.changes),
      })
      if (what === 'nft') this.#reportTable(true)
    })
  }

  #write(changes: readonly RouteChange[]): Failure[] {
    const failed: Failure[] = []
    for (const [index, change] of changes.entries()) {
      const reason = this.locked ?? this.#change(change)
      if (reason !== undefined) failed.push({ index, reason })
      else this.#note(change)
      this.written.push(change)
    }
    this.#hint()
    return failed
  }

  #change({ action, route }: RouteChange): string | undefined {
    const id = idOf(route)
    // Whoever has this prefix and metric is replaced, in place.
    if (action === 'replace') for (const other of PROTOCOLS) this.#routes.delete(idOf({ ...route, protocol: other }))
    if (action === 'remove') {
      this.#routes.delete(id)
      return undefined
    }
    if (action === 'add' && this.#isTaken(route)) return 'File exists'
    const lost = route.hops.find((one) => !this.#isOnLink(one))
    if (lost !== undefined) return 'Nexthop has invalid gateway'
    this.#set({ ...route, protocol: GODWIT_PROTOCOL })
    return undefined
  }

  /** Anybody has a route of this prefix and metric. */
  #isTaken({ prefix, metric, table }: KernelRoute): boolean {
    return PROTOCOLS.some((protocol) => this.#routes.has(idOf({ prefix, metric, protocol, table })))
  }

  #isOnLink({ gateway, interface: name, onlink }: Hop): boolean {
    if (gateway === undefined || onlink || isLinkLocal(gateway)) return this.#links.some((link) => link.name === name)
    return this.#wayTo(gateway).some((way) => way.interface === name)
  }

  #wayTo(gateway: string): Hop[] {
    const bytes = addressBytes(gateway)
    const host = makePrefix(bytes, bytes.length * 8)
    return this.#links
      .filter(({ addresses }) => addresses.some((text) => contains(prefixOf(text), host)))
      .map(({ name }) => hop(name))
  }

  #set(told: KernelRoute): void {
    const route = { ...told, hops: sortHops(told.hops) }
    this.#routes.set(idOf(route), route)
  }

  /** What is written is known without a read. */
  #note({ route }: RouteChange): void {
    const id = idOf(route)
    const before = this.#toldKeys.get(id)
    if (before !== undefined) this.#told?.delete(before)
    this.#toldKeys.delete(id)
    const now = this.#routes.get(id)
    if (now === undefined) return
    const key = routeKey(now)
    this.#told?.set(key, now)
    this.#toldKeys.set(id, key)
  }

  #hint(): void {
    if (this.#isWaiting || !this.#isOpen) return
    this.#isWaiting = true
    this.#options.later(() => {
      this.#isWaiting = false
      this.#tell()
    })
  }

  #tell(): void {
    const before = this.#told
    const after = new Map([...this.#routes.values()].map((route) => [routeKey(route), route]))
    const gone = [...(before?.values() ?? [])].filter((route) => !after.has(routeKey(route)))
    const present = [...after.values()].filter((route) => before?.has(routeKey(route)) !== true)
    this.#told = after
    this.#toldKeys = new Map([...after].map(([key, route]) => [idOf(route), key]))
    this.#reportLinks(before === undefined)
    if (before !== undefined && gone.length + present.length === 0) return
    const deleted = gone.filter(({ protocol }) => protocol === GODWIT_PROTOCOL)
    this.#options.feed({ kind: 'kernel', change: { full: before === undefined, more: false, gone, present, deleted } })
  }

  #reportLinks(isFirst: boolean): void {
    const all = this.#shownLinks()
    const present = all.filter((link) => JSON.stringify(link) !== this.#toldLinks.get(link.index))
    if (present.length === 0 && !isFirst) return
    this.#toldLinks = new Map(all.map((link) => [link.index, JSON.stringify(link)]))
    this.#options.feed({ kind: 'links', change: { full: isFirst, gone: [], present } })
  }

  #shownLinks(): Link[] {
    return this.#links.map(({ index, name, up, addresses }) => linkOf(index, name, up, addresses))
  }

  #reportTable(always = false): void {
    if (this.#toldTable !== undefined && sameTable(this.#table, this.#toldTable.table) && !always) return
    this.#toldTable = { table: this.#table }
    this.#options.feed({ kind: 'nft-table', table: this.#table })
  }

  #edit(isAdded: boolean, name: string, elements: readonly string[]): void {
    if (this.#table === undefined) throw new Error('no table')
    const kept = (this.#table.sets.get(name) ?? []).filter((element) => !elements.includes(element))
    const sets = new Map(this.#table.sets).set(name, isAdded ? [...kept, ...elements] : kept)
    this.#table = { ...this.#table, sets }
  }

  #load(script: string): Failure[] {
    if (this.locked !== undefined) return [{ index: 0, reason: this.locked }]
    this.scripts++
    if (this.deaf) return []
    const [edits, whole] = [
      script.matchAll(/^(add|delete) element inet godwit (\w+) \{ (.*) \}$/gm),
      /\{$/m.test(script),
    ]
    // One transaction: without the table nothing of it is carried out.
    if (!whole && this.#table === undefined && script.includes(' element inet '))
      return [{ index: 0, reason: 'No such file or directory' }]
    for (const [, action, name = '', elements = ''] of edits) this.#edit(action === 'add', name, elements.split(', '))
    if (whole) this.#table = tableOf(script)
    else if (script.includes('delete table')) this.#table = undefined
    return []
  }
}

function tableOf(script: string): NftTable {
  const sets = new Map<string, readonly string[]>()
  for (const [, name = '', elements = ''] of script.matchAll(
    /set (\w+) \{[^}]*?flags (?:interval|timeout)(?:\s+elements = \{ ([^}]*) \})?\s/g,
  )) {
    sets.set(name, elements === '' ? [] : elements.split(', ').sort())
  }
  const begun = /expires (\d+)s/.exec(sets.get('begun')?.join() ?? '')?.[1]
  sets.delete('begun')
  const chains = [
    ...script.matchAll(/chain (\w+) \{\s+type (\w+) hook \w+ priority (\w+) \+ (\d+); policy accept;/g),
  ].map(([, name = '', type, base, offset]): [string, string] => [
    name,
    `${type} ${name} ${(base === 'srcnat' ? 100 : 0) + Number(offset)} accept`,
  ])
  const rules = [...script.matchAll(/^ {4}(\S.*) comment "(.*)"$/gm)].map(([, expression = '', comment = '']) => ({
    chain: comment.startsWith('service loops') ? 'forward' : 'postrouting',
    comment,
    expression,
    packets: 0,
    bytes: 0,
  }))
  return { isOwned: false, chains: new Map(chains), sets, begun: Number(begun ?? 0), rules }
}

/** Writers that tests know. */
const PROTOCOLS = [2, 3, 4, 9, 11, 12, 16, GODWIT_PROTOCOL]

const hop = (name: string): Hop => ({ gateway: undefined, interface: name, onlink: false, weight: 1 })

const idOf = ({ prefix, metric, protocol, table }: Omit<KernelRoute, 'hops' | 'type'>): string =>
  `${prefix.text} ${metric} ${protocol} ${table}`

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text)
  if (prefix === undefined) throw new Error(`not a prefix: ${text}`)
  return prefix
}

/** A link as the kernel shows it, with addresses as people write them. */
export function linkOf(index: number, name: string, up: boolean, addresses: readonly string[]): Link {
  const own = addresses.map((text) => {
    const [address = '', length = ''] = text.split('/')
    const scope = isLinkLocal(address) ? 253 : address === '127.0.0.1' || address === '::1' ? 254 : 0
    return { address, length: Number(length), peer: undefined, scope, flags: 0x80 }
  })
  return { index, name, up, mtu: 1500, flags: up ? 0x41 : 0x1, addresses: own }
}

/** A link with our address and the one at its other end, and more addresses. */
export function pointToPoint(index: number, name: string, address: string, peer: string, ...more: string[]): Link {
  const link = linkOf(index, name, true, more)
  return { ...link, addresses: [{ address, length: 32, peer, scope: 0, flags: 0x80 }, ...link.addresses] }
}

export const ownRoute = (text: string, ...hops: readonly Hop[]): KernelRoute => ({
  prefix: prefixOf(text),
  type: hops.length === 0 ? 'blackhole' : 'unicast',
  protocol: GODWIT_PROTOCOL,
  metric: ROUTE_METRIC[prefixOf(text).family],
  table: MAIN_TABLE,
  hops: sortHops(hops),
})
