/**
 * Finds services whose address or range contains the address of a node: packets to the node then go to the service. It
 * is reported as a problem, and everything is still advertised.
 */
import { isHostPrefix, type Prefix } from '../base/prefix.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { Problem, RouteIntent } from './intent.ts'
import type { ServiceAddressKind } from './objects.ts'
import type { PrefixIndex } from './prefix-index.ts'
import { makeProblem } from './problem.ts'
import type { RouteChanges } from './route-book.ts'
import type { RangeSettings } from './service-ranges.ts'
import { SERVICE_FIELDS } from './settings.ts'

const KINDS = Object.keys(SERVICE_FIELDS) as ServiceAddressKind[]
/** The most services that are named in problems. */
const MOST = 10
/** Approximate cost of looking for the service with an address, in microseconds. */
const HOST_COST = 0.3

export class AddressClashes {
  readonly #hosts: PrefixIndex
  readonly #services = new Map<string, Problem>()
  #revision = 0
  /** A problem for each service that has the address of a node; the same list until it changes. */
  problems: readonly Problem[] = []

  /** `hosts`: addresses of nodes as /32 and /128. */
  constructor(hosts: PrefixIndex) {
    this.#hosts = hosts
  }

  /** A problem for each service range that contains the address of a node. */
  rangeProblems(settings: RangeSettings): Problem[] {
    return KINDS.flatMap((kind) =>
      advertisedRanges(settings, kind).flatMap((cidr) => {
        const inside = this.#hosts.firstInside(cidr)
        const owner = inside === undefined ? undefined : this.#hosts.ownerOf(inside.text)
        return inside === undefined || owner === undefined ? [] : rangeProblem(kind, cidr, inside, owner)
      }),
    )
  }

  /** The addresses of nodes may have changed: compares them with the services again. */
  *follow(routes: ReadonlyMap<string, RouteIntent>): Work {
    if (this.#revision === this.#hosts.revision) return
    this.#revision = this.#hosts.revision
    this.#services.clear()
    const meter = new CostMeter()
    for (const { text } of routes.size === 0 ? [] : this.#hosts.values()) {
      this.#note(routes.get(text))
      meter.add(HOST_COST)
      if (meter.isDue) yield meter.take()
    }
    this.#list()
  }

  takeChanges({ announce, withdraw }: Pick<RouteChanges, 'announce' | 'withdraw'>): void {
    const gone = withdraw.filter(({ prefix }) => this.#services.delete(prefix.text))
    const changed = announce.filter((route) => this.#services.delete(route.prefix.text) || this.#note(route))
    for (const route of changed) this.#note(route)
    if (gone.length + changed.length > 0) this.#list()
  }

  #note(route: RouteIntent | undefined): boolean {
    const node = route?.origin === 'service' ? this.#hosts.ownerOf(route.prefix.text) : undefined
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

/** A LoadBalancer range that is not advertised as a whole takes no traffic of nodes. */
const advertisedRanges = ({ serviceCidrs, loadBalancerAggregation }: RangeSettings, kind: ServiceAddressKind) =>
  kind === 'load-balancer' && !loadBalancerAggregation ? serviceCidrs[kind].filter(isHostPrefix) : serviceCidrs[kind]

function rangeProblem(kind: ServiceAddressKind, cidr: Prefix, host: Prefix, node: string): Problem {
  const says = `contains ${addressOf(host)}, the address of Node/${node}: traffic to the node may follow this range instead`
  return makeProblem({
    code: 'service-range-holds-node',
    object: 'BGPConfiguration/default',
    field: `spec.${SERVICE_FIELDS[kind]}`,
    value: cidr.text,
    says,
    level: 'warning',
  })
}

const addressOf = ({ text }: Prefix): string => text.replace(/\/.*/, '')
