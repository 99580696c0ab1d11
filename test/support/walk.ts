/**
 * Nodes and a router on one link, each with a kernel in memory: where a packet goes, from kernel to kernel. What kube-proxy and our
 * nftables rules do with packets that arrive is done here.
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

const addressOf = (host: string): string => `10.0.0.${HOSTS.indexOf(host) + 1}`
const address6Of = (host: string): string => `fd00:10::${HOSTS.indexOf(host) + 1}`
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
    kernel.addLink('eth0', `${addressOf(name)}/24`, `${address6Of(name)}/64`)
    kernel.addLink(PODS)
    const isNode = name !== ROUTER
    if (isNode && this.#plan.hasDefault) kernel.addForeign('0.0.0.0/0', addressOf(ROUTER))
    for (const pod of isNode ? this.#plan.pods[name as NodeName] : [])
      kernel.addOther(prefixOf(pod).text, PODS, 'unicast', 0)
    this.#kernels.set(name, kernel)
    const options = { dataplane: 'linux', calico: isNode, namespace: 'godwit' } as const
    const host = this.#world.add(name, [addressOf(name), address6Of(name)], undefined, options)
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
    if ([addressOf(name), address6Of(name)].includes(address)) return [`host ${name}`]
    const proxied = name === ROUTER ? undefined : this.#proxied(name as NodeName, address)
    if (proxied !== undefined) return [`${proxied} ${name}`]
    const route = (this.#kernels.get(name) as FakeKernel).lookup(addressBytes(address))
    if (route?.type !== 'unicast' || this.#isDropped(name, prefixOf(address))) return [`nowhere ${name}`]
    return route.hops.flatMap((hop) => {
      if (hop.interface === PODS) return [`pod ${name}`]
      const via = hop.gateway ?? address
      const next = HOSTS.find((host) => [addressOf(host), address6Of(host)].includes(via))
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
  node(ROUTER, { addresses: [addressOf(ROUTER), address6Of(ROUTER)] }),
  bgpConfiguration({ asNumber: ROUTER_AS, nodeToNodeMeshEnabled: false }),
  bgpFilter('all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] }),
  bgpPeer('nodes', { peerRange: '10.0.0.0/24', remoteAS: 'external', filters: ['all'] }),
]

export const toRouter = (spec: object): ApiObject =>
  bgpPeer('router', { peerIP: addressOf(ROUTER), asNumber: ROUTER_AS, ...spec })

export const workerOf = (name: NodeName, podCIDRs: readonly string[], labels: Record<string, string>): ApiObject =>
  node(name, { addresses: [addressOf(name), address6Of(name)], podCIDRs: [...podCIDRs], labels })
