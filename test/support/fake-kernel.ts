/**
 * A kernel in memory: routes, links and our nftables table, as `edge/kernel/routes` and `edge/kernel/nft` show them. It refuses what
 * the real one refuses; test/contract/kernel.ts holds the two against each other.
 */
import { addressBytes, isLinkLocal } from '../../src/base/address.ts'
import { contains, makePrefix, type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import {
  type Failure,
  GODWIT_PROTOCOL,
  type Hop,
  type KernelRoute,
  type Link,
  type OwnRoute,
  type RouteChange,
  routeKey,
  sortHops,
} from '../../src/dataplane/kernel.ts'
import { type NftTable, tableText } from '../../src/dataplane/nft-table.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { Input } from '../../src/engine/input.ts'

interface FakeLink {
  readonly name: string
  /** `10.0.0.2/24`. */
  readonly addresses: readonly string[]
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
  #toldLinks = ''
  #table: NftTable | undefined
  #toldTable: string | undefined
  #isWaiting = false
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
    const links = this.#shownLinks()
    feed({ kind: 'kernel', change: { full: true, gone: [], present: [...this.#routes.values()], links } })
  }

  /** From now on the engine is told, from the beginning. */
  open(): void {
    this.#told = undefined
    this.#toldLinks = ''
    this.#toldTable = undefined
    this.#hint()
    this.#tellTable()
  }

  addLink(name: string, ...addresses: string[]): void {
    this.#links.push({ name, addresses, up: true })
    for (const text of addresses) {
      const prefix = prefixOf(text)
      this.#set({
        prefix,
        type: 'unicast',
        protocol: 2,
        metric: text.includes(':') ? 256 : 0,
        hops: [hop(name)],
        dead: false,
      })
    }
  }

  /** The carrier comes or goes: routes over the link are kept, and dead. */
  setCarrier(name: string, up: boolean): void {
    const link = this.#links.find((one) => one.name === name)
    if (link === undefined) throw new Error(`no link ${name}`)
    link.up = up
    for (const [id, route] of [...this.#routes]) this.#routes.set(id, this.#judged(route))
    this.#hint()
  }

  /** Somebody else's route. */
  addForeign(text: string, gateway: string, protocol = 4, metric = 0): void {
    const [way] = this.#wayTo(gateway)
    if (way === undefined) throw new Error(`no way to ${gateway}`)
    this.#set({ prefix: prefixOf(text), type: 'unicast', protocol, metric, hops: [{ ...way, gateway }], dead: false })
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
    this.#options.later(() => this.#tellTable())
  }

  /** Somebody edits our table. */
  editNft(script: string): void {
    this.#load(script)
    this.#options.later(() => this.#tellTable())
  }

  /** Time passes in the kernel: flows from before NAT are spared for so many seconds more. */
  spareFor(seconds: number): void {
    if (this.#table !== undefined) this.#table = { ...this.#table, begun: seconds }
    this.#options.later(() => this.#tellTable(true))
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
    return [...this.#routes.values()].map(({ key }) => key).sort()
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
        failed: effect.kind === 'nft' ? this.#load(effect.script) : this.#write(effect.changes),
      })
      if (what === 'nft') this.#tellTable(true)
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
    const id = idOf({ ...route, protocol: GODWIT_PROTOCOL })
    if (action === 'remove') {
      this.#routes.delete(id)
      return undefined
    }
    if (action === 'add' && this.#isTaken(route)) return 'File exists'
    const lost = route.hops.find((one) => !this.#isOnLink(one))
    if (lost !== undefined) return 'Nexthop has invalid gateway.'
    this.#set({ ...route, protocol: GODWIT_PROTOCOL, dead: false })
    return undefined
  }

  /** Anybody has a route of this prefix and metric. */
  #isTaken({ prefix, metric }: OwnRoute): boolean {
    return PROTOCOLS.some((protocol) => this.#routes.has(idOf({ prefix, metric, protocol })))
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

  #set(route: Omit<KernelRoute, 'key'>): void {
    this.#routes.set(idOf(route), this.#judged({ ...route, hops: sortHops(route.hops), key: '' }))
  }

  #judged(route: KernelRoute): KernelRoute {
    const isUp = (name: string) => this.#links.some((link) => link.name === name && link.up)
    const judged = { ...route, dead: route.hops.length > 0 && !route.hops.some((one) => isUp(one.interface)) }
    return { ...judged, key: routeKey(judged) }
  }

  /** What is written is known without a read. */
  #note({ route }: RouteChange): void {
    const id = idOf({ ...route, protocol: GODWIT_PROTOCOL })
    const before = this.#toldKeys.get(id)
    if (before !== undefined) this.#told?.delete(before)
    this.#toldKeys.delete(id)
    const now = this.#routes.get(id)
    if (now === undefined) return
    const key = routeKey({ ...now, dead: false })
    this.#told?.set(key, now)
    this.#toldKeys.set(id, key)
  }

  #hint(): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#options.later(() => {
      this.#isWaiting = false
      this.#tell()
    })
  }

  #tell(): void {
    const before = this.#told
    const after = new Map([...this.#routes.values()].map((route) => [route.key, route]))
    const gone = [...(before?.keys() ?? [])].filter((key) => !after.has(key))
    const present = [...after.values()].filter(({ key }) => before?.has(key) !== true)
    const links = this.#shownLinks()
    const changed = JSON.stringify(links) === this.#toldLinks ? undefined : links
    this.#told = after
    this.#toldKeys = new Map([...after].map(([key, route]) => [idOf(route), key]))
    this.#toldLinks = JSON.stringify(links)
    if (before !== undefined && gone.length + present.length === 0 && changed === undefined) return
    this.#options.feed({ kind: 'kernel', change: { full: before === undefined, gone, present, links: changed } })
  }

  #shownLinks(): Link[] {
    return this.#links.map(({ name, up, addresses }) => ({
      name,
      up,
      addresses: addresses.map((text) => text.slice(0, text.indexOf('/'))),
    }))
  }

  #tellTable(always = false): void {
    const text = this.#table === undefined ? '' : tableText(this.#table)
    if (text === this.#toldTable && !always) return
    this.#toldTable = text
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
  return { chains: new Map(chains), sets, begun: Number(begun ?? 0), rules }
}

/** Writers that tests know. */
const PROTOCOLS = [2, 3, 4, 9, 11, 12, 16, GODWIT_PROTOCOL]

const hop = (name: string): Hop => ({ gateway: undefined, interface: name, onlink: false })

const idOf = ({ prefix, metric, protocol }: Pick<KernelRoute, 'prefix' | 'metric' | 'protocol'>): string =>
  `${prefix.text} ${metric} ${protocol}`

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text)
  if (prefix === undefined) throw new Error(`not a prefix: ${text}`)
  return prefix
}

export const ownRoute = (text: string, ...hops: readonly Hop[]): OwnRoute => ({
  prefix: prefixOf(text),
  type: hops.length === 0 ? 'blackhole' : 'unicast',
  metric: 1024,
  hops: sortHops(hops),
})
