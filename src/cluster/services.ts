/**
 * Decides which service addresses this node advertises, and gives the reason for each that it does not.
 *
 * - Every node advertises the configured ranges, with or without endpoints.
 * - An address inside a range is advertised as /32 or /128 where traffic must reach this node: the traffic policy is
 *   Local and an endpoint of the address's family is ready here.
 * - A range of a single address is not advertised as a range; it allows that address. With the policy Cluster every
 *   node advertises it, with or without endpoints.
 * - A LoadBalancer IP with `ipMode: Proxy` is not advertised as an address: kube-proxy does not accept packets to it.
 * - With serviceLoadBalancerAggregation Disabled the LoadBalancer ranges are not advertised. Addresses with the policy
 *   Cluster are then advertised one by one, by every node, while the service has a ready endpoint on any node.
 */
import { FAMILY_WORDS, type Family } from '../base/family.ts'
import { contains, isHostPrefix, type Prefix } from '../base/prefix.ts'
import { advertisementsOfRange, type ChosenByKind, type NodeAdvertisement } from './advertisements.ts'
import { nameRoute } from './aggregation.ts'
import type { EndpointSliceObject, ServiceAddressKind, ServiceObject } from './objects.ts'
import type { Claim } from './route-book.ts'
import type { Labels } from './selector.ts'
import { SERVICE_FIELDS, type Settings } from './settings.ts'

/** A node with this label advertises no service. As in Kubernetes, its presence matters, not its value. */
export const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers'
/** A service with this label belongs to another proxy, whatever its value; a source in the API serves no endpoints of it. */
export const PROXY_LABEL = 'service.kubernetes.io/service-proxy-name'
const TYPES_WITH_ADDRESSES = ['ClusterIP', 'NodePort', 'LoadBalancer']

/** Everything that a decision depends on besides the service and its endpoints. */
export interface ServiceSettings {
  readonly node: string
  /** Why this node advertises no service at all; undefined: it does. */
  readonly whyExcluded: string | undefined
  readonly cidrs: Settings['serviceCidrs']
  /**
   * `serviceLoadBalancerAggregation` is Enabled: an address with the policy Cluster is covered by its range. Where it is
   * Disabled, such addresses of all kinds are advertised one by one, as by Calico; of the ranges, only those of LoadBalancer
   * IPs are not advertised.
   */
  readonly aggregatesLoadBalancers: boolean
  /** LoadBalancer IPs are advertised for these classes only; undefined: for all. */
  readonly loadBalancerClasses: readonly string[] | undefined
  /** Only services with `godwit.dev/advertise: "true"` are advertised. */
  readonly optIn: boolean
  /** The BGPAdvertisements that select this node. */
  readonly advertising: readonly NodeAdvertisement[]
  /** Why no address of this kind is advertised. */
  readonly held: Settings['heldServices']
}

export interface ServiceDecision {
  readonly claims: readonly Claim[]
  /** Why no address of the service is advertised by itself; undefined where one is. */
  readonly whyNotAdvertised: string | undefined
}

/** `unhealthy`: why the service health check of this node fails. */
export function serviceSettings(
  node: string,
  labels: Labels,
  settings: Settings,
  unhealthy: string | undefined,
  advertising: readonly NodeAdvertisement[],
): ServiceSettings {
  const whyExcluded = Object.hasOwn(labels, EXCLUDE_LABEL) ? `Node/${node} has the label ${EXCLUDE_LABEL}` : unhealthy
  return {
    node,
    whyExcluded,
    cidrs: settings.serviceCidrs,
    aggregatesLoadBalancers: settings.loadBalancerAggregation,
    loadBalancerClasses: settings.loadBalancerClasses,
    optIn: settings.serviceOptIn,
    advertising,
    held: settings.heldServices,
  }
}

/** The claims of the configured ranges themselves. */
export function rangeClaims({
  cidrs,
  aggregatesLoadBalancers,
  whyExcluded,
  held,
  advertising,
}: ServiceSettings): Claim[] {
  const claim = (kind: ServiceAddressKind, refused: string | undefined): Claim[] =>
    withoutHosts(cidrs[kind]).map((prefix) => ({
      prefix,
      origin: 'service-cidr',
      refused: refused ?? held[kind],
      named: advertisementsOfRange(advertising, kind),
    }))
  const whyOneByOne = aggregatesLoadBalancers ? undefined : 'serviceLoadBalancerAggregation is Disabled'
  return [
    ...claim('cluster', whyExcluded),
    ...claim('external', whyExcluded),
    ...claim('load-balancer', whyExcluded ?? whyOneByOne),
  ]
}

const withoutHosts = (cidrs: readonly Prefix[]): Prefix[] => cidrs.filter((prefix) => !isHostPrefix(prefix))

export function decideService(
  service: ServiceObject,
  slices: Iterable<EndpointSliceObject>,
  chosen: ChosenByKind,
  settings: ServiceSettings,
): ServiceDecision {
  const whyNone = settings.whyExcluded ?? whyNotService(service, settings)
  const serving = new ServingEndpoints(slices, settings.node)
  const proxied = new Set(service.proxiedIps.map(({ text }) => text))
  const claims: Claim[] = []
  const claim = (kind: ServiceAddressKind, prefixes: readonly Prefix[]) => {
    const keepsSpecific = localPolicyField(service, kind) !== undefined
    const coverOptions = { ranges: settings.cidrs[kind], origin: 'service-cidr', keepsSpecific } as const
    for (const prefix of prefixes) {
      const refused = whyNone ?? whyNotAddress(prefix, kind, { service, serving, proxied }, settings)
      claims.push({ prefix, origin: 'service', refused, ...nameRoute(chosen[kind], prefix, coverOptions) })
    }
  }
  claim('cluster', service.clusterIps)
  claim('external', service.externalIps)
  if (service.type === 'LoadBalancer') claim('load-balancer', service.loadBalancerIps)
  return { claims, whyNotAdvertised: whyNone ?? whyNothing(claims) }
}

function whyNotService(
  { type, clusterIps, advertise, labels }: ServiceObject,
  { optIn }: ServiceSettings,
): string | undefined {
  if (advertise === false) return 'godwit.dev/advertise is "false"'
  if (optIn && advertise !== true) return 'serviceOptIn is set, and godwit.dev/advertise is not "true"'
  if (Object.hasOwn(labels, PROXY_LABEL)) return `${PROXY_LABEL} is set: kube-proxy does not accept packets to it`
  if (!TYPES_WITH_ADDRESSES.includes(type)) return `a service of type ${type} has no addresses`
  return clusterIps.length === 0 ? 'it has no ClusterIP: it is headless, or none is assigned yet' : undefined
}

function whyNothing(claims: readonly Claim[]): string | undefined {
  if (claims.some(({ refused }) => refused === undefined)) return undefined
  return [...new Set(claims.map(({ refused }) => refused))].join('; ')
}

/** What each address of a service is judged by. */
interface ServiceFacts {
  readonly service: ServiceObject
  readonly serving: ServingEndpoints
  readonly proxied: ReadonlySet<string>
}

function whyNotAddress(
  prefix: Prefix,
  kind: ServiceAddressKind,
  { service, serving, proxied }: ServiceFacts,
  { cidrs, aggregatesLoadBalancers, loadBalancerClasses, held }: ServiceSettings,
): string | undefined {
  if (held[kind] !== undefined) return held[kind]
  if (kind === 'load-balancer') {
    // KEP-1860: the external load balancer forwards to another address; kube-proxy has no rule for this one.
    if (proxied.has(prefix.text)) return 'its ipMode is Proxy: kube-proxy does not accept packets to it'
    if (loadBalancerClasses?.includes(service.loadBalancerClass) === false)
      return whyNotClass(service.loadBalancerClass)
  }
  const ranges = cidrs[kind].filter((range) => contains(range, prefix))
  if (ranges.length === 0) return `it is outside ${SERVICE_FIELDS[kind]} of BGPConfiguration/default`
  const policy = localPolicyField(service, kind)
  if (policy !== undefined) {
    if (serving.areHere(prefix.family)) return undefined
    return `${policy} is Local and no ${FAMILY_WORDS[prefix.family]} endpoint on this node is ready`
  }
  if (ranges.some(isHostPrefix)) return undefined
  if (aggregatesLoadBalancers) return `it is covered by ${ranges[0]?.text}, which every node advertises`
  return serving.areAnywhere(prefix.family) ? undefined : `no ${FAMILY_WORDS[prefix.family]} endpoint is ready`
}

const whyNotClass = (name: string): string =>
  `${name === '' ? 'a service without a loadBalancerClass' : `the loadBalancerClass ${name}`} is not among loadBalancerClasses`

/** The field whose value Local keeps traffic to this address on the node; undefined where neither is Local. */
function localPolicyField(
  { internalLocal, externalLocal }: ServiceObject,
  kind: ServiceAddressKind,
): string | undefined {
  if (externalLocal) return 'externalTrafficPolicy'
  return kind === 'cluster' && internalLocal ? 'internalTrafficPolicy' : undefined
}

/**
 * Whether an endpoint of the service takes traffic, on this node or on any node. As in kube-proxy, a terminating endpoint
 * that still serves counts where no endpoint is ready. Computed once for all addresses of the service.
 */
class ServingEndpoints {
  readonly #endpoints: readonly EndpointSliceObject[]
  readonly #node: string
  readonly #answers = new Map<string, boolean>()

  constructor(slices: Iterable<EndpointSliceObject>, node: string) {
    this.#endpoints = [...slices]
    this.#node = node
  }

  /** There is one on this node. */
  areHere(family: Family): boolean {
    return this.#has(`${family} here`, family, (nodes) => nodes.includes(this.#node))
  }

  /** There is one on some node. */
  areAnywhere(family: Family): boolean {
    return this.#has(family, family, (nodes) => nodes.length > 0)
  }

  #has(question: string, family: Family, has: (nodes: readonly string[]) => boolean): boolean {
    const known = this.#answers.get(question)
    if (known !== undefined) return known
    const ofFamily = this.#endpoints.filter((slice) => slice.family === family)
    const found = ofFamily.some(({ ready }) => has(ready)) || ofFamily.some(({ draining }) => has(draining))
    this.#answers.set(question, found)
    return found
  }
}
