/**
 * Addresses of nodes among those of services: who looks for the node finds the service. Everything is carried out all the
 * same, and named.
 */
import { FAMILIES } from '../base/family.ts'
import { contains, hostPrefix, type Prefix } from '../base/prefix.ts'
import type { Problem, RouteIntent } from './intent.ts'
import type { ClusterNode, ClusterNodes } from './node.ts'
import type { ServiceAddressKind } from './objects.ts'
import { makeProblem } from './problem.ts'
import type { RouteChanges } from './route-book.ts'
import { same } from './same.ts'
import { FIELDS } from './services.ts'
import type { Settings } from './settings.ts'

const KINDS = Object.keys(FIELDS) as ServiceAddressKind[]
/** So many services are named. */
const MOST = 10

/** A node keeps its addresses from one frame to the next: they are read once. */
const PREFIXES = new WeakMap<ClusterNode['addresses'], readonly Prefix[]>()

function prefixesOf({ addresses }: ClusterNode): readonly Prefix[] {
  const known = PREFIXES.get(addresses)
  if (known !== undefined) return known
  const prefixes = FAMILIES.flatMap((family) => hostPrefix(addresses[family] ?? '') ?? [])
  PREFIXES.set(addresses, prefixes)
  return prefixes
}

/** A change of labels is none here. */
const sameHosts = (a: readonly ClusterNode[], b: readonly ClusterNode[]): boolean =>
  a.length === b.length &&
  a.every(({ name, addresses }, index) => name === b[index]?.name && same(addresses, b[index]?.addresses))

export class Hosts {
  /** Names of nodes by their addresses as /32 and /128. */
  #nodes: ReadonlyMap<string, string> = new Map()
  readonly #services = new Map<string, Problem>()
  /** Of services whose addresses are those of nodes; the same list until it changes. */
  problems: readonly Problem[] = []
  #known:
    | {
        readonly hosts: readonly ClusterNode[]
        readonly cidrs: Settings['serviceCidrs']
        readonly problems: readonly Problem[]
      }
    | undefined

  /** Another set of nodes: the names of service ranges that hold one. */
  setNodes(
    nodes: ClusterNodes,
    cidrs: Settings['serviceCidrs'],
    routes: ReadonlyMap<string, RouteIntent>,
  ): readonly Problem[] {
    const hosts = [...nodes.values()]
    const known = this.#known
    if (known !== undefined && sameHosts(known.hosts, hosts) && same(known.cidrs, cidrs)) return known.problems
    const problems = this.#judge(nodes, cidrs, routes)
    this.#known = { hosts, cidrs, problems }
    return problems
  }

  #judge(nodes: ClusterNodes, cidrs: Settings['serviceCidrs'], routes: ReadonlyMap<string, RouteIntent>): Problem[] {
    const all = [...nodes.values()].flatMap((node) => prefixesOf(node).map((prefix) => ({ prefix, name: node.name })))
    this.#nodes = new Map(all.map(({ prefix, name }) => [prefix.text, name]))
    this.#services.clear()
    for (const text of this.#nodes.keys()) this.#note(routes.get(text))
    this.#list()
    return KINDS.flatMap((kind) =>
      cidrs[kind].flatMap((cidr) => {
        const inside = all.find(({ prefix }) => contains(cidr, prefix))
        return inside === undefined ? [] : rangeProblem(kind, cidr, inside.prefix, inside.name)
      }),
    )
  }

  takeChanges({ announce, withdraw }: Pick<RouteChanges, 'announce' | 'withdraw'>): void {
    const before = this.#services.size
    for (const { text } of withdraw) this.#services.delete(text)
    const noted = announce.filter((route) => this.#note(route))
    if (noted.length > 0 || this.#services.size !== before) this.#list()
  }

  #note(route: RouteIntent | undefined): boolean {
    const node = route?.origin === 'service' ? this.#nodes.get(route.prefix.text) : undefined
    if (route === undefined || node === undefined) return false
    const value = addressOf(route.prefix)
    const says = `is also the address of Node/${node}, and is advertised as a service address`
    const [object = ''] = route.objects
    const problem = makeProblem({ code: 'service-address-of-node', object, value, says, level: 'warning' })
    this.#services.set(route.prefix.text, problem)
    return true
  }

  #list(): void {
    this.problems = [...this.#services.values()].slice(0, MOST)
  }
}

function rangeProblem(kind: ServiceAddressKind, cidr: Prefix, host: Prefix, node: string): Problem {
  const says = `contains ${addressOf(host)}, the address of Node/${node}: traffic to the node may follow this range instead`
  return makeProblem({
    code: 'service-range-holds-node',
    object: 'BGPConfiguration/default',
    field: `spec.${FIELDS[kind]}`,
    value: cidr.text,
    says,
    level: 'warning',
  })
}

const addressOf = ({ text }: Prefix): string => text.replace(/\/.*/, '')
