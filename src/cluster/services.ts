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
import { advertisementsOfRange, advertisementsOfService, type NodeAdvertisement } from './advertisements.ts'
import { nameRoute } from './aggregation.ts'
import type { EndpointSliceObject, ServiceAddressKind, ServiceObject } from './objects.ts'
import type { Claim } from './route-book.ts'
import type { Labels } from './selector.ts'
import { SERVICE_FIELDS, type Settings } from './settings.ts'

/** In Kubernetes only the label's presence matters, not its value. */
export const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers'
/** A service with this label belongs to another proxy, whatever its value; a source in the API serves no endpoints of it. */
export const PROXY_LABEL = 'service.kubernetes.io/service-proxy-name'
const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer']
/** Everything that a decision depends on besides the service and its endpoints. */
export interface ServiceSettings {
  readonly node: string
  /** Why this node advertises no service at all. */
  readonly excluded: string | undefined
  readonly cidrs: Settings['serviceCidrs']
  readonly aggregation: boolean
  /** LoadBalancer IPs are advertised for these classes only; undefined: for all. */
  readonly classes: readonly string[] | undefined
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
  readonly why: string | undefined
}

/** `unhealthy`: why the service health check of this node fails. */
export function serviceSettings(
  node: string,
  labels: Labels,
  settings: Settings,
  unhealthy: string | undefined,
  advertising: readonly NodeAdvertisement[],
): ServiceSettings {
  const excluded = Object.hasOwn(labels, EXCLUDE_LABEL) ? `Node/${node} has the label ${EXCLUDE_LABEL}` : unhealthy
  return {
    node,
    excluded,
    cidrs: settings.serviceCidrs,
    aggregation: settings.loadBalancerAggregation,
    classes: settings.loadBalancerClasses,
    optIn: settings.serviceOptIn,
    advertising,
    held: settings.heldServices,
  }
}

/** The claims of the configured ranges themselves. */
export function rangeClaims({ cidrs, aggregation, excluded, held, advertising }: ServiceSettings): Claim[] {
  const claim = (kind: ServiceAddressKind, refused: string | undefined): Claim[] =>
    ranges(cidrs[kind]).map((prefix) => ({
      prefix,
      origin: 'service-cidr',
      refused: refused ?? held[kind],
      named: advertisementsOfRange(advertising, kind),
    }))
  const disabled = aggregation ? undefined : 'serviceLoadBalancerAggregation is Disabled'
  return [
    ...claim('cluster', excluded),
    ...claim('external', excluded),
    ...claim('load-balancer', excluded ?? disabled),
  ]
}

const ranges = (cidrs: readonly Prefix[]): Prefix[] => cidrs.filter((prefix) => !isHostPrefix(prefix))

export function decideService(
  service: ServiceObject,
  slices: Iterable<EndpointSliceObject>,
  settings: ServiceSettings,
): ServiceDecision {
  const whole = settings.excluded ?? whyNotService(service, settings)
  const served = new Served(slices, settings.node)
  const proxied = new Set(service.proxiedIps.map(({ text }) => text))
  const claims: Claim[] = []
  const claim = (kind: ServiceAddressKind, prefixes: readonly Prefix[]) => {
    const chosenBy = advertisementsOfService(settings.advertising, service, kind)
    const keepsSpecific = localPolicy(service, kind) !== undefined
    const around = { ranges: settings.cidrs[kind], origin: 'service-cidr', keepsSpecific } as const
    for (const prefix of prefixes) {
      const refused = whole ?? whyNotAddress(prefix, kind, { service, served, proxied }, settings)
      claims.push({ prefix, origin: 'service', refused, ...nameRoute(chosenBy, prefix, around) })
    }
  }
  claim('cluster', service.clusterIps)
  claim('external', service.externalIps)
  if (service.type === 'LoadBalancer') claim('load-balancer', service.loadBalancerIps)
  return { claims, why: whole ?? whyNothing(claims) }
}

function whyNotService(
  { type, clusterIps, advertise, labels }: ServiceObject,
  { optIn }: ServiceSettings,
): string | undefined {
  if (advertise === false) return 'godwit.dev/advertise is "false"'
  if (optIn && advertise !== true) return 'serviceOptIn is set, and godwit.dev/advertise is not "true"'
  if (Object.hasOwn(labels, PROXY_LABEL)) return `${PROXY_LABEL} is set: kube-proxy does not accept packets to it`
  if (!TYPES.includes(type)) return `a service of type ${type} has no addresses`
  return clusterIps.length === 0 ? 'it has no ClusterIP: it is headless, or none is assigned yet' : undefined
}

function whyNothing(claims: readonly Claim[]): string | undefined {
  if (claims.some(({ refused }) => refused === undefined)) return undefined
  return [...new Set(claims.map(({ refused }) => refused))].join('; ')
}

/** What is asked about an address of a service. */
interface Asked {
  readonly service: ServiceObject
  readonly served: Served
  readonly proxied: ReadonlySet<string>
}

function whyNotAddress(
  prefix: Prefix,
  kind: ServiceAddressKind,
  { service, served, proxied }: Asked,
  { cidrs, aggregation, classes, held }: ServiceSettings,
): string | undefined {
  if (held[kind] !== undefined) return held[kind]
  if (kind === 'load-balancer') {
    // KEP-1860: the external load balancer forwards to another address; kube-proxy has no rule for this one.
    if (proxied.has(prefix.text)) return 'its ipMode is Proxy: kube-proxy does not accept packets to it'
    if (classes?.includes(service.loadBalancerClass) === false) return whyNotClass(service.loadBalancerClass)
  }
  const around = cidrs[kind].filter((cidr) => contains(cidr, prefix))
  if (around.length === 0) return `it is outside ${SERVICE_FIELDS[kind]} of BGPConfiguration/default`
  const policy = localPolicy(service, kind)
  if (policy !== undefined) {
    if (served.here(prefix.family)) return undefined
    return `${policy} is Local and no ${FAMILY_WORDS[prefix.family]} endpoint on this node is ready`
  }
  if (around.some(isHostPrefix)) return undefined
  if (aggregation) return `it is covered by ${around[0]?.text}, which every node advertises`
  return served.anywhere(prefix.family) ? undefined : `no ${FAMILY_WORDS[prefix.family]} endpoint is ready`
}

const whyNotClass = (name: string): string =>
  `${name === '' ? 'a service without a loadBalancerClass' : `the loadBalancerClass ${name}`} is not among loadBalancerClasses`

/** The field whose value Local keeps traffic to this address on the node; undefined where neither is Local. */
function localPolicy({ internalLocal, externalLocal }: ServiceObject, kind: ServiceAddressKind): string | undefined {
  if (externalLocal) return 'externalTrafficPolicy'
  return kind === 'cluster' && internalLocal ? 'internalTrafficPolicy' : undefined
}

/**
 * Whether an endpoint takes traffic, on this node or on any node. As in kube-proxy, a terminating endpoint that still
 * serves counts where no endpoint is ready. Looked for once, however many addresses the service has.
 */
class Served {
  readonly #endpoints: readonly EndpointSliceObject[]
  readonly #node: string
  readonly #known = new Map<string, boolean>()

  constructor(slices: Iterable<EndpointSliceObject>, node: string) {
    this.#endpoints = [...slices]
    this.#node = node
  }

  here(family: Family): boolean {
    return this.#ask(`${family} here`, family, (nodes) => nodes.includes(this.#node))
  }

  anywhere(family: Family): boolean {
    return this.#ask(family, family, (nodes) => nodes.length > 0)
  }

  #ask(question: string, family: Family, has: (nodes: readonly string[]) => boolean): boolean {
    const known = this.#known.get(question)
    if (known !== undefined) return known
    const ofFamily = this.#endpoints.filter((slice) => slice.family === family)
    const found = ofFamily.some(({ ready }) => has(ready)) || ofFamily.some(({ draining }) => has(draining))
    this.#known.set(question, found)
    return found
  }
}
