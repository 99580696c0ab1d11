/** Services in every form that decides who gets their addresses, for the tables of them. */
import { type ApiObject, type Endpoint, endpointSlice, node, service } from './objects.ts'
import type { EndpointFacts, Question } from './service-opinions.ts'

const EXCLUDE = 'node.kubernetes.io/exclude-from-external-load-balancers'
export const RANGES = {
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd00:96::/112' }],
  serviceExternalIPs: [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8:1::/112' }],
  serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }, { cidr: '2001:db8:2::/112' }],
}
export const SINGLES = {
  serviceClusterIPs: [{ cidr: '10.96.0.10/32' }, { cidr: 'fd00:96::10/128' }],
  serviceExternalIPs: [{ cidr: '192.0.2.10/32' }, { cidr: '2001:db8:1::10/128' }],
  serviceLoadBalancerIPs: [{ cidr: '198.51.100.10/32' }, { cidr: '2001:db8:2::10/128' }],
}
export const ADDRESSES = {
  cluster: { ipv4: '10.96.0.10/32', ipv6: 'fd00:96::10/128' },
  external: { ipv4: '192.0.2.10/32', ipv6: '2001:db8:1::10/128' },
  'load-balancer': { ipv4: '198.51.100.10/32', ipv6: '2001:db8:2::10/128' },
} as const
export const FAMILIES = ['ipv4', 'ipv6'] as const
export const KINDS = ['cluster', 'external', 'load-balancer'] as const

export interface ServiceSpec {
  readonly type?: Question['type']
  readonly external?: 'Cluster' | 'Local'
  readonly internal?: 'Cluster' | 'Local'
  readonly headless?: boolean
  readonly ipMode?: 'VIP' | 'Proxy'
  readonly spec?: object
  readonly metadata?: object
}

export const bare = (prefix: string): string => prefix.slice(0, prefix.indexOf('/'))

/** `shop/web`, with an address of each kind and family. */
export function web({
  type = 'LoadBalancer',
  external,
  internal,
  headless = false,
  ipMode,
  spec = {},
  metadata = {},
}: ServiceSpec): ApiObject {
  const base = service('shop/web', {
    type,
    clusterIPs: headless ? ['None'] : FAMILIES.map((family) => bare(ADDRESSES.cluster[family])),
    externalIPs: FAMILIES.map((family) => bare(ADDRESSES.external[family])),
    ...(external && { externalTrafficPolicy: external }),
    ...(internal && { internalTrafficPolicy: internal }),
  })
  const ingress = FAMILIES.map((family) => ({
    ip: bare(ADDRESSES['load-balancer'][family]),
    ...(ipMode && { ipMode }),
  }))
  return {
    ...base,
    metadata: { ...base.metadata, ...metadata },
    spec: { ...(base.spec as object), ...spec },
    status: { loadBalancer: { ingress } },
  }
}

const STATES: Readonly<Record<EndpointFacts['state'], Omit<Endpoint, 'node'>>> = {
  ready: { ready: true },
  draining: { ready: false, serving: true, terminating: true },
  failing: { ready: false, serving: false },
}

export const slicesOf = (endpoints: readonly EndpointFacts[]): ApiObject[] =>
  FAMILIES.flatMap((family) => {
    const ours = endpoints.filter((one) => one.family === family)
    const made = ours.map(({ isHere, state }) => ({ node: isHere ? 'here' : 'there', ...STATES[state] }))
    return ours.length === 0 ? [] : [endpointSlice('shop/web', family === 'ipv4' ? 'IPv4' : 'IPv6', made)]
  })

export const nodeWith = (excluded: string | undefined): ApiObject =>
  node('here', { addresses: ['10.0.0.1', 'fd00::1'], labels: excluded === undefined ? {} : { [EXCLUDE]: excluded } })

export const at = (
  family: 'ipv4' | 'ipv6',
  isHere: boolean,
  state: EndpointFacts['state'] = 'ready',
): EndpointFacts => ({
  family,
  isHere,
  state,
})
export const both = (isHere: boolean, state: EndpointFacts['state'] = 'ready') =>
  FAMILIES.map((family) => at(family, isHere, state))
