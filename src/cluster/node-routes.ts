/**
 * Plans direct routes to the pods of other nodes from the objects (`nodeRoutes: Direct`): each prefix with its node and the
 * address of that node. Whether that address is on a link of this node, the kernel decides later.
 *
 * Each prefix has one owner: of nodes with the same pod CIDR this node, else the first by name of those that have an
 * address of its family. A prefix that must not be written is left out and reported. A pod CIDR inside another node's pod
 * CIDR is written and reported, since the longest match decides; single addresses there are not reported, because pods
 * borrow them in Calico IPAM.
 */
import { counted } from '../base/counted.ts'
import { FAMILY_WORDS } from '../base/family.ts'
import { isMartianPrefix } from '../base/martian.ts'
import { contains, hostPrefix, isHostPrefix, type Prefix } from '../base/prefix.ts'
import { sorted } from '../base/sort.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { PrefixMatch } from '../bgp/policy/rule.ts'
import type { NodeRoute, PodlessNodes, Problem } from './intent.ts'
import type { ClusterNode, ClusterNodes } from './node.ts'
import { byPosition } from './prefix-index.ts'
import { makeProblem } from './problem.ts'
import { same } from './same.ts'
import { serviceRangeAround } from './service-ranges.ts'

/** The most problems of one kind that are named one by one. */
const MOST = 10
/** The codes of a problem with one pod CIDR, and of that which counts the pod CIDRs beyond `MOST`. */
const CODES = {
  refused: { one: 'node-route-refused', many: 'node-routes-refused' },
  gap: { one: 'node-route-gap', many: 'node-routes-gap' },
  overlap: { one: 'node-route-overlap', many: 'node-routes-overlap' },
} as const
type Fault = keyof typeof CODES

/** Approximate cost of looking at one pod CIDR, in microseconds. */
const PLACE_COST = 2

interface Plan {
  readonly routes: readonly NodeRoute[]
  readonly problems: readonly Problem[]
  readonly podless: PodlessNodes
}

const NONE: PodlessNodes = { first: [], count: 0 }
export const NO_NODE_ROUTES: Plan = { routes: [], problems: [], podless: NONE }

/** What the routes depend on besides the nodes. */
export interface NodeRouteFrame {
  /** kube-proxy handles packets to addresses inside: no route is written there. */
  readonly serviceRanges: readonly PrefixMatch[]
  /** Pods may have single addresses from the blocks of other nodes (Calico IPAM). */
  readonly borrows: boolean
}

/** A pod CIDR or an address, and the node that has it. */
interface NodePrefix {
  readonly prefix: Prefix
  readonly node: ClusterNode
}

const sameNodes = (a: readonly ClusterNode[], b: readonly ClusterNode[]): boolean =>
  a.length === b.length && a.every((node, index) => isSameNode(node, b[index] as ClusterNode))

const isSameNode = (a: ClusterNode, b: ClusterNode): boolean =>
  a === b || (a.name === b.name && same(a.addresses, b.addresses) && same(a.podCidrs, b.podCidrs))

export class NodeRouteSurvey {
  #known: { readonly me: string; readonly nodes: readonly ClusterNode[]; readonly frame: NodeRouteFrame } | undefined
  #plan: Plan = NO_NODE_ROUTES
  /** By prefix. A route that has not changed stays the same value. */
  #routes = new Map<string, NodeRoute>();

  /** Returns the same plan while addresses and pod CIDRs of all nodes stay: heartbeats, labels and conditions do not matter. */
  *plan(me: ClusterNode, nodes: ClusterNodes, frame: NodeRouteFrame): Work<Plan> {
    const all = [...nodes.values()]
    const known = this.#known
    const isKnown = known?.me === me.name && same(known.frame, frame) && sameNodes(known.nodes, all)
    if (isKnown) return this.#plan
    const found = yield* survey(me, all, frame)
    const routes: NodeRoute[] = []
    const byPrefix = new Map<string, NodeRoute>()
    const meter = new CostMeter()
    for (const one of found.routes) {
      const route = this.#kept(one)
      routes.push(route)
      byPrefix.set(route.prefix.text, route)
      meter.add(PLACE_COST)
      if (meter.isDue) yield meter.take()
    }
    this.#known = { me: me.name, nodes: all, frame }
    this.#routes = byPrefix
    this.#plan = { ...found, routes }
    return this.#plan
  }

  #kept(route: NodeRoute): NodeRoute {
    const before = this.#routes.get(route.prefix.text)
    return before !== undefined && same(before, route) ? before : route
  }
}

/** Looks at all pod CIDRs once, sorted by position. */
function* survey(me: ClusterNode, nodes: readonly ClusterNode[], frame: NodeRouteFrame): Work<Plan> {
  const rank = ({ prefix, node }: NodePrefix) => (node === me ? 0 : hasNextHop({ prefix, node }) ? 1 : 2)
  const podCidrs = yield* sorted(
    nodes.flatMap((node) => node.podCidrs.map((prefix) => ({ prefix, node }))),
    (a, b) => byPosition(a.prefix, b.prefix) || rank(a) - rank(b) || (a.node.name < b.node.name ? -1 : 1),
  )
  const addresses: NodePrefix[] = []
  const meter = new CostMeter()
  for (const node of nodes) {
    for (const address of Object.values(node.addresses)) addresses.push(...hostsOf(node, address))
    meter.add(PLACE_COST)
    if (meter.isDue) yield meter.take()
  }
  const hosts = yield* sorted(addresses, (a, b) => byPosition(a.prefix, b.prefix))
  const found = yield* new RoutePlanner(me, podCidrs, hosts, frame).make()
  return { ...found, podless: podlessOf(me, nodes) }
}

function podlessOf(me: ClusterNode, nodes: readonly ClusterNode[]): PodlessNodes {
  const names = nodes.filter((node) => node !== me && node.podCidrs.length === 0).map(({ name }) => name)
  return names.length === 0 ? NONE : { first: names.sort().slice(0, MOST), count: names.length }
}

class RoutePlanner {
  readonly #me: ClusterNode
  readonly #podCidrs: readonly NodePrefix[]
  readonly #hosts: readonly NodePrefix[]
  readonly #frame: NodeRouteFrame
  readonly #problems = new Map<Fault, Problem[]>()

  constructor(me: ClusterNode, podCidrs: readonly NodePrefix[], hosts: readonly NodePrefix[], frame: NodeRouteFrame) {
    this.#me = me
    this.#podCidrs = podCidrs
    this.#hosts = hosts
    this.#frame = frame
  }

  *make(): Work<Omit<Plan, 'podless'>> {
    const meter = new CostMeter()
    const routes: NodeRoute[] = []
    /** The pod CIDRs that contain the current one, the widest first. */
    const around: NodePrefix[] = []
    for (const place of this.#podCidrs) {
      while (around.length > 0 && !contains((around.at(-1) as NodePrefix).prefix, place.prefix)) around.pop()
      const route = place.node === this.#me ? undefined : this.#routeTo(place, around)
      if (route !== undefined) routes.push(route)
      around.push(place)
      meter.add(PLACE_COST)
      if (meter.isDue) yield meter.take()
    }
    return { routes, problems: [...this.#problems].flatMap(([fault, problems]) => bounded(fault, problems)) }
  }

  #routeTo(place: NodePrefix, around: readonly NodePrefix[]): NodeRoute | undefined {
    const { prefix, node } = place
    const last = around.at(-1)
    // One node lists the same prefix twice.
    if (last?.node === node && last.prefix.text === prefix.text) return undefined
    const refusal = this.#whyNone(place) ?? this.#whyNotInside(place, around)
    if (refusal !== undefined) {
      this.#report('refused', place, `${refusal}; no route to it is written`)
      return undefined
    }
    const gateway = node.addresses[prefix.family]
    if (gateway !== undefined) return { prefix, node: node.name, gateway }
    const says = `has no next hop: Node/${node.name} has no ${FAMILY_WORDS[prefix.family]} address; its pods are reached only by routes learned over BGP`
    this.#report('gap', place, says)
    return undefined
  }

  /** Why no route may be written for this prefix; undefined: it may. */
  #whyNone({ prefix }: NodePrefix): string | undefined {
    const { family, bytes, length } = prefix
    if (length === 0) return 'contains every address'
    if (isMartianPrefix(family, bytes, 0, length))
      return 'is not a range for pods: it is reserved for hosts, links or multicast'
    const range = serviceRangeAround(this.#frame.serviceRanges, prefix)
    if (range !== undefined) return `lies inside the service range ${range.text}`
    const host = this.#hostInside(prefix)
    return host && `contains ${addressOf(host.prefix)}, the address of Node/${host.node.name}`
  }

  #whyNotInside(place: NodePrefix, around: readonly NodePrefix[]): string | undefined {
    const { prefix, node } = place
    // Of several nodes with the same pod CIDR the first one gets the route, if it can have one.
    const twin = around.find((one) => one.prefix.text === prefix.text && one.node !== node)
    const mine = around.find((one) => one.node === this.#me)
    // Inside a pod CIDR of this node neither of them gets it.
    const mayHave =
      twin !== undefined && (twin === mine || mine === undefined || this.#frame.borrows) && hasNextHop(twin)
    const isTaken = twin?.node === this.#me || mayHave
    if (twin !== undefined && isTaken) return `is also a pod CIDR of Node/${twin.node.name}, which gets the route`
    if (this.#frame.borrows && isHostPrefix(prefix)) return undefined
    if (mine !== undefined) return `lies inside ${mine.prefix.text}, a pod CIDR of this node (Node/${this.#me.name})`
    // The closest pod CIDR of another node that contains this one.
    const outer = around.findLast((one) => one.node !== node && one.prefix.length < prefix.length)
    if (outer === undefined) return undefined
    const says = `lies inside ${outer.prefix.text}, a pod CIDR of Node/${outer.node.name}; the longer prefix decides`
    this.#report('overlap', place, says, 'warning')
    return undefined
  }

  /** The first node address inside the prefix, by binary search. */
  #hostInside(prefix: Prefix): NodePrefix | undefined {
    let [low, high] = [0, this.#hosts.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (byPosition((this.#hosts[middle] as NodePrefix).prefix, prefix) < 0) low = middle + 1
      else high = middle
    }
    const host = this.#hosts[low]
    return host !== undefined && contains(prefix, host.prefix) ? host : undefined
  }

  #report(fault: Fault, { prefix, node }: NodePrefix, says: string, level?: 'warning'): void {
    const object = `Node/${node.name}`
    const problem = makeProblem({
      code: CODES[fault].one,
      object,
      field: 'spec.podCIDRs',
      value: prefix.text,
      says,
      ...(level && { level }),
    })
    const known = this.#problems.get(fault)
    if (known === undefined) this.#problems.set(fault, [problem])
    else known.push(problem)
  }
}

const hasNextHop = ({ prefix, node }: NodePrefix): boolean => node.addresses[prefix.family] !== undefined

/** The first problems of each kind, and one that counts the others. */
function bounded(fault: Fault, problems: readonly Problem[]): readonly Problem[] {
  const [first] = problems
  if (problems.length <= MOST || first === undefined) return problems
  const { level } = first
  const { one, many } = CODES[fault]
  const says = `${counted(problems.length - MOST, 'more pod CIDR has', 'more pod CIDRs have')} the same fault: ${one}`
  const rest = makeProblem({
    code: many,
    object: 'Node',
    field: 'spec.podCIDRs',
    says,
    ...(level && { level }),
  })
  return [...problems.slice(0, MOST), rest]
}

const hostsOf = (node: ClusterNode, address: string): NodePrefix[] => {
  const prefix = hostPrefix(address)
  return prefix === undefined ? [] : [{ prefix, node }]
}

const addressOf = ({ text }: Prefix): string => text.replace(/\/.*/, '')
