/**
 * Packets to an advertised service address that no service takes: routers send them here, this node has no route for them
 * but its default one, and they circle until their TTL is spent. They end here instead. A blackhole would take this host's
 * own traffic along, and what IPVS serves from its output; so they end in the kernel's forward hook, where what a service
 * takes has its endpoint's address already, and the destination alone decides.
 *
 * Spared is what does not circle: addresses of nodes, those that a load balancer takes (`ipMode: Proxy`), and whatever the
 * kernel has a route for that is more specific than the range: a VIP that a pod holds, a learned route.
 *
 * In: what is advertised, the cluster's addresses, the kernel's routes. Out: two lists of prefixes; `nft-script` words them.
 */
import { FAMILIES, type Family } from '../base/family.ts'
import { hostPrefix, isHostPrefix, type Prefix } from '../base/prefix.ts'
import type { DataplaneIntent, RouteIntent } from '../cluster/intent.ts'
import { cover } from '../cluster/pools.ts'
import type { KernelRoute } from './kernel.ts'
import { LongestMatch } from './longest-match.ts'

export interface LoopPlan {
  /** Undefined: nothing is dropped. */
  readonly verdict: 'drop' | 'reject' | undefined
  /** Disjoint. */
  readonly services: Readonly<Record<Family, readonly Prefix[]>>
  /** Inside of them, and left alone: disjoint. */
  readonly spared: Readonly<Record<Family, readonly Prefix[]>>
}

/** What the kernel holds, ours and others'. */
export interface HeldRoutes {
  at(prefix: Prefix): readonly KernelRoute[]
  all(): Iterable<KernelRoute>
  /** Packets are forwarded by it. */
  leadsOn(route: KernelRoute): boolean
  /** Prefixes whose routes have changed since last asked. */
  takeMoved(): Iterable<Prefix>
}

type LoopIntent = Pick<DataplaneIntent, 'serviceLoopPrevention' | 'serviceRanges' | 'nodeAddresses' | 'proxied'>

const VERDICTS = { Drop: 'drop', Reject: 'reject', Disabled: undefined } as const
const NOTHING = { ipv4: [], ipv6: [] }

export class ServiceLoops {
  readonly #held: HeldRoutes
  #intent: LoopIntent | undefined
  /** Advertised now: ranges, and single addresses. */
  readonly #ranges = new LongestMatch<Prefix>()
  readonly #hosts = new Map<string, Prefix>()
  /** Of the cluster, whether inside of what is advertised or not. */
  #addresses: readonly Prefix[] = []
  /** By prefix: routes of the kernel that are more specific than what is advertised around them. */
  readonly #routed = new Map<string, Prefix>()
  #changed = true

  constructor(held: HeldRoutes) {
    this.#held = held
  }

  setIntent(intent: LoopIntent): void {
    this.#intent = intent
    const nodes = intent.nodeAddresses.flatMap((address) => hostPrefix(address) ?? [])
    this.#addresses = cover([...nodes, ...intent.proxied])
    this.#changed = true
  }

  /** What is advertised from now on, and what is not any more. Pod CIDRs have a blackhole and are no matter of ours. */
  change(announce: readonly RouteIntent[], withdraw: readonly Prefix[]): void {
    const added = announce.filter(({ origin }) => origin !== 'pod-cidr').map(({ prefix }) => prefix)
    const removed = [...withdraw, ...announce.filter(({ origin }) => origin === 'pod-cidr').map(({ prefix }) => prefix)]
    for (const prefix of removed) this.#remove(prefix)
    for (const prefix of added) this.#add(prefix)
  }

  /** Undefined where nothing is different from what was taken last. */
  takePlan(): LoopPlan | undefined {
    const moved = this.#held.takeMoved()
    const isNone = this.#ranges.size + this.#hosts.size + this.#routed.size === 0
    if (!isNone) for (const prefix of moved) this.#judge(prefix)
    if (!this.#changed) return undefined
    this.#changed = false
    const { serviceLoopPrevention: words = 'Disabled', serviceRanges = [] } = this.#intent ?? {}
    const verdict = serviceRanges.length === 0 ? undefined : VERDICTS[words]
    if (verdict === undefined) return { verdict, services: NOTHING, spared: NOTHING }
    const bare = [...this.#hosts.values()].filter((host) => this.#ranges.around(host) === undefined)
    const inside = this.#addresses.filter((address) => this.#around(address) !== undefined)
    return {
      verdict,
      services: byFamily([...cover([...this.#ranges.values()]), ...bare]),
      spared: byFamily(cover([...inside, ...this.#routed.values()])),
    }
  }

  #add(prefix: Prefix): void {
    if (this.#has(prefix)) return
    if (isHostPrefix(prefix)) this.#hosts.set(prefix.text, prefix)
    else this.#ranges.set(prefix, prefix)
    this.#rejudge(prefix)
  }

  #remove(prefix: Prefix): void {
    if (!this.#has(prefix)) return
    if (isHostPrefix(prefix)) this.#hosts.delete(prefix.text)
    else this.#ranges.delete(prefix)
    this.#rejudge(prefix)
  }

  #has(prefix: Prefix): boolean {
    return this.#hosts.has(prefix.text) || this.#ranges.at(prefix) !== undefined
  }

  /** Single addresses come and go with services; a range comes with a configuration, and all routes are looked at. */
  #rejudge(prefix: Prefix): void {
    this.#changed = true
    if (isHostPrefix(prefix)) this.#judge(prefix)
    else for (const route of this.#held.all()) this.#judge(route.prefix)
  }

  /** The longest of what is advertised that has all of the prefix in it. */
  #around(prefix: Prefix): Prefix | undefined {
    return this.#hosts.get(prefix.text) ?? this.#ranges.around(prefix)
  }

  #judge(prefix: Prefix): void {
    const isRouted = this.#isMoreSpecific(prefix) && this.#held.at(prefix).some((route) => this.#held.leadsOn(route))
    if (isRouted === this.#routed.has(prefix.text)) return
    if (isRouted) this.#routed.set(prefix.text, prefix)
    else this.#routed.delete(prefix.text)
    this.#changed = true
  }

  /** A route to a single address is somebody's, also where it is that very address that is advertised. */
  #isMoreSpecific(prefix: Prefix): boolean {
    const around = this.#around(prefix)
    return around !== undefined && (around.length < prefix.length || isHostPrefix(prefix))
  }
}

function byFamily(prefixes: readonly Prefix[]): Record<Family, readonly Prefix[]> {
  const [ipv4 = [], ipv6 = []] = FAMILIES.map((family) => prefixes.filter((prefix) => prefix.family === family))
  return { ipv4, ipv6 }
}
