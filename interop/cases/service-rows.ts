// Services as rows: what they are, where their endpoints stand, and which pods answer somebody outside at each kind of
// address. A pod is named by the number of its node.

import type { ServiceShape } from '../lab/manifests.ts'

type State = 'ready' | 'draining' | 'failing'

interface EndpointRow {
  /** Of the pod behind it. */
  readonly at: number
  readonly state?: State
  /** Both families, if not said. */
  readonly only?: 'ipv4' | 'ipv6'
}

export const ADDRESS_KINDS = ['cluster', 'external', 'balancer'] as const
export type AddressKind = (typeof ADDRESS_KINDS)[number]

/** Pods that may answer; nobody may where there are none. */
type Reached = readonly number[] | { readonly ipv4: readonly number[]; readonly ipv6: readonly number[] }

export interface ServiceRow {
  readonly name: string
  /** Whether ranges of the configuration hold its addresses, or each of them stands there by itself, or none. */
  readonly allowed?: 'range' | 'single' | 'none'
  readonly type?: ServiceShape['type'] | 'ExternalName'
  readonly external?: 'Local'
  readonly internal?: 'Local'
  readonly ipMode?: 'VIP' | 'Proxy'
  readonly headless?: true
  readonly spec?: Readonly<Record<string, unknown>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly endpoints?: readonly EndpointRow[]
  /** By each kind of address. */
  readonly reaches: Readonly<Record<AddressKind, Reached>>
}

/** The class that the configuration names, beside none. */
export const NAMED_CLASS = 'lab.example/named'

const every = (...pods: readonly number[]) => ({ cluster: pods, external: pods, balancer: pods })
const NOBODY = every()
const ready = (...nodes: readonly number[]): readonly EndpointRow[] => nodes.map((at) => ({ at }))
const draining = (at: number): EndpointRow => ({ at, state: 'draining' })
const failing = (at: number): EndpointRow => ({ at, state: 'failing' })
const LOCAL = { external: 'Local' } as const
const SINGLE = { allowed: 'single' } as const
const OPTED_OUT = { annotations: { 'godwit.dev/advertise': 'false' } }
const PER_FAMILY = { ipv4: [1], ipv6: [3] }

export const SERVICE_ROWS: readonly ServiceRow[] = [
  { name: 'Cluster, one ready', endpoints: ready(1), reaches: every(1) },
  { name: 'Cluster, ready on two nodes', endpoints: ready(1, 3), reaches: every(1, 3) },
  { name: 'Cluster, no endpoints', reaches: NOBODY },
  { name: 'Cluster, failing', endpoints: [failing(1)], reaches: NOBODY },
  { name: 'Cluster, draining', endpoints: [draining(2)], reaches: every(2) },
  { name: 'Cluster, draining, and ready elsewhere', endpoints: [draining(2), ...ready(3)], reaches: every(3) },
  { name: 'Local, ready on one node', ...LOCAL, endpoints: ready(1), reaches: every(1) },
  { name: 'Local, ready in the other rack', ...LOCAL, endpoints: ready(3), reaches: every(3) },
  { name: 'Local, ready on two nodes', ...LOCAL, endpoints: ready(1, 3), reaches: every(1, 3) },
  { name: 'Local, ready everywhere', ...LOCAL, endpoints: ready(1, 2, 3), reaches: every(1, 2, 3) },
  { name: 'Local, no endpoints', ...LOCAL, reaches: NOBODY },
  { name: 'Local, failing', ...LOCAL, endpoints: [failing(1)], reaches: NOBODY },
  { name: 'Local, failing, and ready elsewhere', ...LOCAL, endpoints: [failing(1), ...ready(2)], reaches: every(2) },
  { name: 'Local, draining', ...LOCAL, endpoints: [draining(2)], reaches: every(2) },
  {
    name: 'Local, draining, and ready elsewhere',
    ...LOCAL,
    endpoints: [draining(2), ...ready(3)],
    reaches: { cluster: [3], external: [2, 3], balancer: [2, 3] },
  },
  {
    name: 'Local, each family on another node',
    ...LOCAL,
    endpoints: [
      { at: 1, only: 'ipv4' },
      { at: 3, only: 'ipv6' },
    ],
    reaches: { cluster: PER_FAMILY, external: PER_FAMILY, balancer: PER_FAMILY },
  },
  {
    name: 'Local, IPv4 alone has an endpoint',
    ...LOCAL,
    endpoints: [{ at: 1, only: 'ipv4' }],
    reaches: {
      cluster: { ipv4: [1], ipv6: [] },
      external: { ipv4: [1], ipv6: [] },
      balancer: { ipv4: [1], ipv6: [] },
    },
  },
  { name: 'internal Local, ready here', internal: 'Local', endpoints: ready(1), reaches: every(1) },
  { name: 'internal Local, ready in the other rack', internal: 'Local', endpoints: ready(3), reaches: every(3) },
  { name: 'internal Local, no endpoints', internal: 'Local', reaches: NOBODY },
  { name: 'both Local', ...LOCAL, internal: 'Local', endpoints: ready(1, 2), reaches: every(1, 2) },
  {
    name: 'ClusterIP with ExternalIPs',
    type: 'ClusterIP',
    endpoints: ready(2),
    reaches: { ...every(2), balancer: [] },
  },
  {
    name: 'NodePort, Local',
    type: 'NodePort',
    ...LOCAL,
    endpoints: ready(2),
    reaches: { ...every(2), balancer: [] },
  },
  { name: 'headless', headless: true, endpoints: ready(1), reaches: NOBODY },
  { name: 'ExternalName', type: 'ExternalName', endpoints: ready(1), reaches: NOBODY },
  { name: 'ipMode VIP', ...LOCAL, ipMode: 'VIP', endpoints: ready(1), reaches: every(1) },
  { name: 'ipMode Proxy', ...LOCAL, ipMode: 'Proxy', endpoints: ready(1), reaches: { ...every(1), balancer: [] } },
  {
    name: 'ipMode Proxy, its address alone allowed',
    ...SINGLE,
    ipMode: 'Proxy',
    endpoints: ready(1),
    reaches: { ...every(1), balancer: [] },
  },
  { name: 'single addresses, Cluster', ...SINGLE, endpoints: ready(3), reaches: every(3) },
  { name: 'single addresses, Cluster, no endpoints', ...SINGLE, reaches: NOBODY },
  { name: 'single addresses, Local', ...SINGLE, ...LOCAL, endpoints: ready(2), reaches: every(2) },
  { name: 'single addresses, Local, no endpoints', ...SINGLE, ...LOCAL, reaches: NOBODY },
  { name: 'opted out, single addresses', ...SINGLE, ...OPTED_OUT, endpoints: ready(1), reaches: NOBODY },
  { name: 'opted out, but its range is advertised', ...OPTED_OUT, endpoints: ready(1), reaches: every(1) },
  {
    name: 'a class that is named',
    ...SINGLE,
    ...LOCAL,
    spec: { loadBalancerClass: NAMED_CLASS },
    endpoints: ready(1),
    reaches: every(1),
  },
  {
    name: 'a class that is not named',
    ...SINGLE,
    ...LOCAL,
    spec: { loadBalancerClass: 'lab.example/other' },
    endpoints: ready(1),
    reaches: { ...every(1), balancer: [] },
  },
  {
    name: 'trafficDistribution',
    ...LOCAL,
    spec: { trafficDistribution: 'PreferClose' },
    endpoints: ready(1, 2),
    reaches: every(1, 2),
  },
  { name: 'addresses that no list names', allowed: 'none', ...LOCAL, endpoints: ready(1), reaches: NOBODY },
]
