/** Services as a table: type × policies × family × conditions of endpoints × lists × aggregation × label × ipMode. */
import { describe, expect, test } from 'vitest'
import { intentOf, routesOf } from '../support/cluster.ts'
import { type ApiObject, bgpConfiguration, endpointSlice, service } from '../support/objects.ts'
import {
  ADDRESSES,
  at,
  bare,
  both,
  FAMILIES,
  KINDS,
  nodeWith,
  RANGES,
  type ServiceSpec,
  SINGLES,
  slicesOf,
  web,
} from '../support/service-cases.ts'
import type { EndpointFacts } from '../support/service-opinions.ts'

/** By kind, `4` and `6` for the addresses that go out one by one. */
type Out = { readonly [kind in (typeof KINDS)[number]]?: '4' | '6' | '46' }
const ALL: Out = { cluster: '46', external: '46', 'load-balancer': '46' }
const V4: Out = { cluster: '4', external: '4', 'load-balancer': '4' }
const NONE: Out = {}

interface Row {
  readonly service?: ServiceSpec
  readonly endpoints?: readonly EndpointFacts[]
  readonly spec?: object
  readonly excluded?: string
  readonly out: Out
}

const LOCAL: ServiceSpec = { external: 'Local' }
const APART = { ...RANGES, serviceLoadBalancerAggregation: 'Disabled' }
const hints = { trafficDistribution: 'PreferClose' }
const optedOut = { annotations: { 'godwit.dev/advertise': 'false' } }
const optedIn = { labels: { 'godwit.dev/advertise': 'true' } }

const othersProxy = { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } }

const ROWS: Readonly<Record<string, Row>> = {
  'Local, another proxy’s, ready here': {
    service: { ...LOCAL, metadata: othersProxy },
    endpoints: both(true),
    out: NONE,
  },
  'Cluster, another proxy’s, each address a range': {
    service: { metadata: othersProxy },
    spec: SINGLES,
    endpoints: both(true),
    out: NONE,
  },
  'Cluster: the ranges cover all': { endpoints: both(true), out: NONE },
  'Local, ready here': { service: LOCAL, endpoints: both(true), out: ALL },
  'Local, ready there': { service: LOCAL, endpoints: both(false), out: NONE },
  'Local, nothing anywhere': { service: LOCAL, out: NONE },
  'Local, one family here, one there': { service: LOCAL, endpoints: [at('ipv4', true), at('ipv6', false)], out: V4 },
  'Local, not ready here': { service: LOCAL, endpoints: both(true, 'failing'), out: NONE },
  'Local, draining here': { service: LOCAL, endpoints: both(true, 'draining'), out: ALL },
  'Local, draining here, ready there': {
    service: LOCAL,
    endpoints: [...both(true, 'draining'), ...both(false)],
    out: ALL,
  },
  'Local, draining and ready here': { service: LOCAL, endpoints: [...both(true, 'draining'), ...both(true)], out: ALL },
  'internal Local: ClusterIP alone': { service: { internal: 'Local' }, endpoints: both(true), out: { cluster: '46' } },
  'internal Local, ready there': { service: { internal: 'Local' }, endpoints: both(false), out: NONE },
  'internal Local of one family': {
    service: { internal: 'Local' },
    endpoints: [at('ipv4', true)],
    out: { cluster: '4' },
  },
  'both Local': { service: { external: 'Local', internal: 'Local' }, endpoints: both(true), out: ALL },
  'ClusterIP has no LoadBalancer IP': {
    service: { ...LOCAL, type: 'ClusterIP' },
    endpoints: both(true),
    out: { cluster: '46', external: '46' },
  },
  'NodePort has none either': {
    service: { ...LOCAL, type: 'NodePort' },
    endpoints: both(true),
    out: { cluster: '46', external: '46' },
  },
  ExternalName: { service: { ...LOCAL, type: 'ExternalName' }, endpoints: both(true), out: NONE },
  headless: { service: { ...LOCAL, headless: true }, endpoints: both(true), out: NONE },
  'ipMode VIP': { service: { ...LOCAL, ipMode: 'VIP' }, endpoints: both(true), out: ALL },
  'ipMode Proxy': {
    service: { ...LOCAL, ipMode: 'Proxy' },
    endpoints: both(true),
    out: { cluster: '46', external: '46' },
  },
  'ipMode Proxy, its address alone allowed': {
    service: { ipMode: 'Proxy' },
    spec: SINGLES,
    out: { cluster: '46', external: '46' },
  },
  'ipMode Proxy, aggregation Disabled': {
    service: { ipMode: 'Proxy' },
    endpoints: both(true),
    spec: APART,
    out: { cluster: '46', external: '46' },
  },
  'single addresses, Cluster, no endpoints': { spec: SINGLES, out: ALL },
  'single addresses, Local, ready there': { service: LOCAL, endpoints: both(false), spec: SINGLES, out: NONE },
  'single addresses, Local, ready here': { service: LOCAL, endpoints: both(true), spec: SINGLES, out: ALL },
  'lists that name none of them': {
    service: LOCAL,
    endpoints: both(true),
    spec: { serviceClusterIPs: [{ cidr: '10.97.0.0/16' }] },
    out: NONE,
  },
  'no lists': { service: LOCAL, endpoints: both(true), spec: {}, out: NONE },
  'aggregation Disabled, ready there': { endpoints: both(false), spec: APART, out: ALL },
  'aggregation Disabled, one family': { endpoints: [at('ipv4', false)], spec: APART, out: V4 },
  'aggregation Disabled, none ready': { endpoints: both(false, 'failing'), spec: APART, out: NONE },
  'aggregation Disabled, all draining': { endpoints: both(false, 'draining'), spec: APART, out: ALL },
  'aggregation Disabled, Local, ready there': { service: LOCAL, endpoints: both(false), spec: APART, out: NONE },
  'excluded by value true': { service: LOCAL, endpoints: both(true), excluded: 'true', out: NONE },
  'excluded by presence': { service: LOCAL, endpoints: both(true), excluded: '', out: NONE },
  'excluded, single addresses': { spec: SINGLES, excluded: 'true', out: NONE },
  'trafficDistribution changes nothing: without hints for this zone all endpoints count': {
    service: { ...LOCAL, spec: hints },
    endpoints: both(true),
    out: ALL,
  },
  'trafficDistribution, aggregation Disabled': {
    service: { spec: hints },
    endpoints: both(false),
    spec: APART,
    out: ALL,
  },
  'a class, all of them allowed': {
    service: { ...LOCAL, spec: { loadBalancerClass: 'a/b' } },
    endpoints: both(true),
    out: ALL,
  },
  'a class that is named': {
    service: { ...LOCAL, spec: { loadBalancerClass: 'a/b' } },
    endpoints: both(true),
    spec: { ...RANGES, loadBalancerClasses: ['c/d', 'a/b'] },
    out: ALL,
  },
  'a class that is not named': {
    service: { ...LOCAL, spec: { loadBalancerClass: 'a/b' } },
    endpoints: both(true),
    spec: { ...RANGES, loadBalancerClasses: ['c/d'] },
    out: { cluster: '46', external: '46' },
  },
  'no class where classes are named': {
    service: LOCAL,
    endpoints: both(true),
    spec: { ...RANGES, loadBalancerClasses: ['c/d'] },
    out: { cluster: '46', external: '46' },
  },
  'no class, named by the empty text': {
    service: LOCAL,
    endpoints: both(true),
    spec: { ...RANGES, loadBalancerClasses: [''] },
    out: ALL,
  },
  'opted out': { service: { ...LOCAL, metadata: optedOut }, endpoints: both(true), out: NONE },
  'opted out, single addresses': { service: { metadata: optedOut }, spec: SINGLES, out: NONE },
  'opt-in, and not asked for': {
    service: LOCAL,
    endpoints: both(true),
    spec: { ...RANGES, serviceOptIn: true },
    out: NONE,
  },
  'opt-in, and asked for': {
    service: { ...LOCAL, metadata: optedIn },
    endpoints: both(true),
    spec: { ...RANGES, serviceOptIn: true },
    out: ALL,
  },
}

const wanted = (out: Out): string[] =>
  KINDS.flatMap((kind) =>
    FAMILIES.flatMap((family) => (out[kind]?.includes(family === 'ipv4' ? '4' : '6') ? [ADDRESSES[kind][family]] : [])),
  ).sort()

describe('rows', () => {
  test.each(Object.entries(ROWS))('%s', (_, { service: of = {}, endpoints = [], spec = RANGES, excluded, out }) => {
    const objects = [nodeWith(excluded), bgpConfiguration(spec), web(of), ...slicesOf(endpoints)]
    const intent = intentOf('here', objects)
    expect(routesOf(intent).filter((prefix) => /\/(32|128)$/.test(prefix))).toEqual(wanted(out))
    // What is not told has its reason.
    for (const prefix of wanted(ALL)) {
      if (intent.routes.has(prefix) || (of.headless && prefix.includes('96'))) continue
      const isKnown = of.type !== 'ClusterIP' && of.type !== 'NodePort' && of.type !== 'ExternalName'
      if (isKnown || !Object.values(ADDRESSES['load-balancer']).includes(prefix as never))
        expect([prefix, intent.refusals.get(prefix)]).toEqual([prefix, expect.any(String)])
    }
  })
})

// Two services with one LoadBalancer IP, on ports of their own: whichever takes packets here is enough.
describe('one address of two services', () => {
  const shared = (name: string, external: 'Cluster' | 'Local', isHere: boolean | undefined): ApiObject[] => {
    const loadBalancerIPs = FAMILIES.map((family) => bare(ADDRESSES['load-balancer'][family]))
    const clusterIPs = name.endsWith('web') ? ['10.96.0.10', 'fd00:96::10'] : ['10.96.0.11', 'fd00:96::11']
    const made = service(name, { type: 'LoadBalancer', clusterIPs, loadBalancerIPs, externalTrafficPolicy: external })
    const endpoints = isHere === undefined ? [] : [{ node: isHere ? 'here' : 'there', ready: true }]
    return [made, endpointSlice(name, 'IPv4', endpoints), endpointSlice(name, 'IPv6', endpoints)]
  }

  test.each<[string, boolean, ['Cluster' | 'Local', boolean?], ['Cluster' | 'Local', boolean?], object?]>([
    ['both Local, both here', true, ['Local', true], ['Local', true]],
    ['both Local, one here', true, ['Local', true], ['Local', false]],
    ['both Local, both there', false, ['Local', false], ['Local', false]],
    ['both Local, nothing anywhere', false, ['Local'], ['Local']],
    ['one Local and here, one Cluster', true, ['Local', true], ['Cluster', false]],
    ['one Local and there, one Cluster: its range covers it', false, ['Local', false], ['Cluster', false]],
    ['the same without aggregation', true, ['Local', false], ['Cluster', false], APART],
    ['no endpoint of either, without aggregation', false, ['Local'], ['Cluster'], APART],
  ])('%s: told %j', (_name, isTold, [first, here], [second, there], spec = RANGES) => {
    const both = [...shared('shop/web', first, here), ...shared('shop/api', second, there)]
    for (const services of [both, [...both].reverse()]) {
      const { routes, refusals } = intentOf('here', [nodeWith(undefined), bgpConfiguration(spec), ...services])
      for (const prefix of Object.values(ADDRESSES['load-balancer'])) {
        expect(routes.has(prefix)).toBe(isTold)
        if (isTold) expect(routes.get(prefix)?.objects.length).toBeGreaterThan(0)
        else expect(refusals.get(prefix)).toEqual(expect.any(String))
      }
    }
  })
})

test('hints for zones change nothing: kube-proxy leaves them where a zone has too few endpoints, and nobody outside sees that', () => {
  const objects = (hint: object) =>
    [nodeWith(undefined), bgpConfiguration(RANGES), web(LOCAL), ...slicesOf(both(true))].map((object) =>
      object.kind !== 'EndpointSlice'
        ? object
        : { ...object, endpoints: (object.endpoints as object[]).map((one) => ({ ...one, ...hint })) },
    )
  const routes = (hint: object) => routesOf(intentOf('here', objects(hint)))
  expect(routes({ zone: 'a', hints: { forZones: [{ name: 'b' }] } })).toEqual(routes({}))
})
