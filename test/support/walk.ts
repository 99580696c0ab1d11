/**
 * Nodes and a router, each with a kernel in memory: where a packet goes, from kernel to kernel. What kube-proxy and our nftables
 * rules do with packets that arrive is done here. The last node may be on another link of the router than the others.
 */
import { addressBytes } from '../../src/base/address.ts'
import { contains, hostPrefix, type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import { FakeKernel } from './fake-kernel.ts'
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, node, upsert } from './objects.ts'
import { type Host, World } from './world.ts'

export const NODES = ['a', 'b', 'c'] as const
export type NodeName = (typeof NODES)[number]
/** Everybody's link to their pods. */
const PODS = 'pods'
const ROUTER = 'router'
const HOSTS = [ROUTER, ...NODES]
const ROUTER_AS = 65000

/** Links of the router: the second one is that of the last node, where that is `apart`. */
const LINKS = [
  { name: 'eth0', ipv4: '10.0.0', ipv6: 'fd00:10:' },
  { name: 'eth1', ipv4: '10.0.1', ipv6: 'fd00:11:' },
] as const
const LAST = 'c'
const linkOf = (host: string, isApart: boolean) => LINKS[isApart && host === LAST ? 1 : 0]

function addressesOf(host: string, isApart: boolean): string[] {
  const links = host === ROUTER ? LINKS : [linkOf(host, isApart)]
  const number = HOSTS.indexOf(host) + 1
  return links.flatMap(({ ipv4, ipv6 }) => [`${ipv4}.${number}`, `${ipv6}:${number}`])
}
export const prefixOf = (text: string): Prefix => (parsePrefix(text) ?? hostPrefix(text)) as Prefix

/** A service as kube-proxy sees it. */
export interface Served {
  /** Addresses, each with whether only endpoints of the node count. */
  readonly addresses: ReadonlyMap<string, boolean>
  /** Nodes with endpoints. */
  readonly nodes: readonly NodeName[]
}

export interface ScenePlan {
  readonly objects: readonly ApiObject[]
  /** Addresses of pods that are there. */
  readonly pods: Readonly<Record<NodeName, readonly string[]>>
  readonly services: readonly Served[]
  /** The router is the default gateway of the nodes. */
  readonly hasDefault: boolean
  /** The last node is on a link of its own. */
  readonly isApart: boolean
}

export class WalkLab {
  readonly #world: World
  readonly #kernels = new Map<string, FakeKernel>()
  readonly #hosts = new Map<string, Host>()
  readonly #plan: ScenePlan

  constructor(plan: ScenePlan) {
    this.#plan = plan
    this.#world = new World({
      watch: (host, _, effects) => {
        for (const effect of effects)
          if (effect.kind === 'routes' || effect.kind === 'nft') this.#kernels.get(host.name)?.perform(effect)
      },
    })
    this.#add(ROUTER, ROUTER_OBJECTS)
    for (const name of NODES) this.#add(name, plan.objects)
    this.#world.pass(90_000)
  }

  #add(name: string, objects: readonly ApiObject[]): void {
    const kernel = new FakeKernel({
      feed: (input) => this.#world.feed(this.#hosts.get(name) as Host, input),
      later: (work) => this.#world.at(this.#world.now + 1, work),
    })
    const isNode = name !== ROUTER
    const { isApart } = this.#plan
    const addresses = addressesOf(name, isApart)
    for (const [at, link] of LINKS.entries()) {
      const [ipv4, ipv6] = addresses.slice(2 * at, 2 * at + 2)
      if (ipv4 !== undefined) kernel.addLink(link.name, `${ipv4}/24`, `${ipv6}/64`)
    }
    kernel.addLink(PODS)
    // A node that is apart reaches the others by the router alone.
    if (isNode && (this.#plan.hasDefault || isApart)) {
      kernel.addForeign('0.0.0.0/0', `${linkOf(name, isApart).ipv4}.1`)
      kernel.addForeign('::/0', `${linkOf(name, isApart).ipv6}:1`)
    }
    for (const pod of isNode ? this.#plan.pods[name as NodeName] : [])
      kernel.addOther(prefixOf(pod).text, PODS, 'unicast', 0)
    this.#kernels.set(name, kernel)
    const options = { dataplane: 'linux', calico: isNode, namespace: 'godwit' } as const
    const host = this.#world.add(name, addresses, undefined, options)
    this.#hosts.set(name, host)
    kernel.open()
    const changes = objects.map((one) => upsert(one))
    this.#world.change(host, changes)
    this.#world.feed(host, { kind: 'synced' })
  }

  /** Where packets that everybody sends to an address end: each end once, `pod a` or `loop router a router`. */
  ends(address: string, from: readonly string[] = HOSTS): string[] {
    return [...new Set(from.flatMap((name) => this.#walk(name, address, [])))].sort()
  }

  #walk(name: string, address: string, before: readonly string[]): string[] {
    const path = [...before, name]
    if (before.includes(name)) return [`loop ${path.join(' ')}`]
    const { isApart } = this.#plan
    if (addressesOf(name, isApart).includes(address)) return [`host ${name}`]
    const proxied = name === ROUTER ? undefined : this.#proxied(name as NodeName, address)
    if (proxied !== undefined) return [`${proxied} ${name}`]
    const route = (this.#kernels.get(name) as FakeKernel).lookup(addressBytes(address))
    if (route?.type !== 'unicast' || this.#isDropped(name, prefixOf(address))) return [`nowhere ${name}`]
    return route.hops.flatMap((hop) => {
      if (hop.interface === PODS) return [`pod ${name}`]
      const via = hop.gateway ?? address
      const next = HOSTS.find((host) => addressesOf(host, isApart).includes(via))
      return next === undefined ? [`nowhere ${name}`] : this.#walk(next, address, path)
    })
  }

  #proxied(name: NodeName, address: string): 'service' | 'no endpoint' | undefined {
    const all = this.#plan.services.filter(({ addresses }) => addresses.has(address))
    if (all.length === 0) return undefined
    const isServed = ({ addresses, nodes }: Served) =>
      addresses.get(address) === true ? nodes.includes(name) : nodes.length > 0
    return all.some(isServed) ? 'service' : 'no endpoint'
  }

  /** By the chain `forward` of our table. */
  #isDropped(name: string, address: Prefix): boolean {
    const { sets } = this.#kernels.get(name)?.table ?? {}
    const has = (set: string) => (sets?.get(set) ?? []).some((element) => contains(prefixOf(element), address))
    const which = address.family === 'ipv4' ? 4 : 6
    return has(`services${which}`) && !has(`spared${which}`)
  }
}

const ROUTER_OBJECTS = [
  node(ROUTER, { addresses: addressesOf(ROUTER, true) }),
  bgpConfiguration({ asNumber: ROUTER_AS, nodeToNodeMeshEnabled: false }),
  bgpFilter('all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] }),
  bgpPeer('nodes', { peerRange: '10.0.0.0/23', remoteAS: 'external', filters: ['all'] }),
]

/** Each node has the router by its address on their link. */
export const toRouter = (isApart: boolean, spec: object): ApiObject[] =>
  LINKS.slice(0, isApart ? 2 : 1).map(({ name, ipv4 }, at) => {
    const nodeSelector = isApart ? { nodeSelector: `name ${at === 0 ? '!=' : '=='} '${LAST}'` } : {}
    return bgpPeer(`router-${name}`, { peerIP: `${ipv4}.1`, asNumber: ROUTER_AS, ...nodeSelector, ...spec })
  })
/** The names of those. */
export const ROUTERS = LINKS.map(({ name }) => `router-${name}`)

export const workerOf = (name: NodeName, isApart: boolean, podCIDRs: readonly string[]): ApiObject =>
  node(name, { addresses: addressesOf(name, isApart), podCIDRs: [...podCIDRs], labels: { name } })
