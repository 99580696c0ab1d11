/**
 * Services as a table (11.4): type × policies × family × conditions of endpoints × lists × aggregation × label × ipMode. Rows by
 * hand say what must be; the whole product is compared with what four other products do, and each difference has its reason.
 */
import { describe, expect, test } from 'vitest'
import { intentOf, routesOf } from '../support/cluster.ts'
import { type ApiObject, bgpConfiguration, type Endpoint, endpointSlice, node, service } from '../support/objects.ts'
import {
  calico,
  cilium,
  type EndpointFacts,
  kubeRouter,
  metallb,
  type Opinion,
  type Question,
} from '../support/service-opinions.ts'

const EXCLUDE = 'node.kubernetes.io/exclude-from-external-load-balancers'
const RANGES = {
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd00:96::/112' }],
  serviceExternalIPs: [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8:1::/112' }],
  serviceLoadBalancerIPs: [{ cidr: '198.51.100.0/24' }, { cidr: '2001:db8:2::/112' }],
}
const SINGLES = {
  serviceClusterIPs: [{ cidr: '10.96.0.10/32' }, { cidr: 'fd00:96::10/128' }],
  serviceExternalIPs: [{ cidr: '192.0.2.10/32' }, { cidr: '2001:db8:1::10/128' }],
  serviceLoadBalancerIPs: [{ cidr: '198.51.100.10/32' }, { cidr: '2001:db8:2::10/128' }],
}
const ADDRESSES = {
  cluster: { ipv4: '10.96.0.10/32', ipv6: 'fd00:96::10/128' },
  external: { ipv4: '192.0.2.10/32', ipv6: '2001:db8:1::10/128' },
  'load-balancer': { ipv4: '198.51.100.10/32', ipv6: '2001:db8:2::10/128' },
} as const
const FAMILIES = ['ipv4', 'ipv6'] as const
const KINDS = ['cluster', 'external', 'load-balancer'] as const

interface ServiceSpec {
  readonly type?: Question['type']
  readonly external?: 'Cluster' | 'Local'
  readonly internal?: 'Cluster' | 'Local'
  readonly headless?: boolean
  readonly ipMode?: 'VIP' | 'Proxy'
  readonly spec?: object
  readonly metadata?: object
}

const bare = (prefix: string): string => prefix.slice(0, prefix.indexOf('/'))

/** `shop/web`, with an address of each kind and family. */
function web({
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

const slicesOf = (endpoints: readonly EndpointFacts[]): ApiObject[] =>
  FAMILIES.flatMap((family) => {
    const ours = endpoints.filter((one) => one.family === family)
    const made = ours.map(({ isHere, state }) => ({ node: isHere ? 'here' : 'there', ...STATES[state] }))
    return ours.length === 0 ? [] : [endpointSlice('shop/web', family === 'ipv4' ? 'IPv4' : 'IPv6', made)]
  })

const nodeWith = (excluded: string | undefined): ApiObject =>
  node('here', { addresses: ['10.0.0.1', 'fd00::1'], labels: excluded === undefined ? {} : { [EXCLUDE]: excluded } })

const at = (family: 'ipv4' | 'ipv6', isHere: boolean, state: EndpointFacts['state'] = 'ready'): EndpointFacts => ({
  family,
  isHere,
  state,
})
const both = (isHere: boolean, state: EndpointFacts['state'] = 'ready') =>
  FAMILIES.map((family) => at(family, isHere, state))

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

const ROWS: Readonly<Record<string, Row>> = {
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
  '(8.D23) ipMode Proxy': {
    service: { ...LOCAL, ipMode: 'Proxy' },
    endpoints: both(true),
    out: { cluster: '46', external: '46' },
  },
  '(8.D23) ipMode Proxy, its address alone allowed': {
    service: { ipMode: 'Proxy' },
    spec: SINGLES,
    out: { cluster: '46', external: '46' },
  },
  '(8.D23) ipMode Proxy, aggregation Disabled': {
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
  '(8.D23) aggregation Disabled, one family': { endpoints: [at('ipv4', false)], spec: APART, out: V4 },
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

// ── The product, and what others say of it ───────────────────────────────────────────────────────────────────────────

const ENDPOINTS: readonly (readonly EndpointFacts[])[] = [
  [],
  both(true),
  both(false),
  [at('ipv4', true)],
  both(true, 'draining'),
  both(true, 'failing'),
  [...both(true, 'failing'), ...both(false)],
]

interface Case {
  readonly of: Required<Pick<ServiceSpec, 'type' | 'external' | 'internal' | 'headless' | 'ipMode'>>
  readonly endpoints: readonly EndpointFacts[]
  readonly allowed: 'no' | 'range' | 'single'
  readonly aggregation: boolean
  readonly excluded: string | undefined
}

function* cases(): Generator<Case> {
  for (const type of ['ClusterIP', 'LoadBalancer'] as const)
    for (const external of ['Cluster', 'Local'] as const)
      for (const internal of ['Cluster', 'Local'] as const)
        for (const headless of [false])
          for (const ipMode of type === 'LoadBalancer' ? (['VIP', 'Proxy'] as const) : (['VIP'] as const))
            for (const endpoints of ENDPOINTS)
              for (const allowed of ['no', 'range', 'single'] as const)
                for (const aggregation of [true, false])
                  for (const excluded of [undefined, 'true', ''])
                    yield {
                      of: { type, external, internal, headless, ipMode },
                      endpoints,
                      allowed,
                      aggregation,
                      excluded,
                    }
}

const LISTS = { no: {}, range: RANGES, single: SINGLES }

/** Whether traffic for an address is attracted: by itself, or, where any node will do, by its range. */
function attracts(
  routes: ReadonlySet<string>,
  { kind, family, externalLocal, internalLocal, allowed }: Question,
): boolean {
  if (routes.has(ADDRESSES[kind][family])) return true
  const anyNodeWillDo = !externalLocal && !(kind === 'cluster' && internalLocal)
  const range = { cluster: 0, external: 1, 'load-balancer': 2 }[kind]
  const list = Object.values(RANGES)[range]?.[family === 'ipv4' ? 0 : 1]
  return allowed === 'range' && anyNodeWillDo && routes.has(list?.cidr ?? '')
}

interface Difference {
  readonly who: string
  readonly we: boolean
  readonly when: (question: Question) => boolean
  readonly why: string
}

const states = ({ endpoints, family }: Question): EndpointFacts[] => endpoints.filter((one) => one.family === family)
const someHere = (question: Question, state: EndpointFacts['state']): boolean =>
  states(question).some((one) => one.isHere && one.state === state)
const isServed = (question: Question): boolean => states(question).some(({ state }) => state !== 'failing')
const isLocal = ({ externalLocal, internalLocal, kind }: Question): boolean =>
  externalLocal || (kind === 'cluster' && internalLocal)

/** Ours against theirs: each is true for something, and nothing else differs. */
const DIFFERENCES: readonly Difference[] = [
  {
    who: 'calico',
    we: false,
    when: ({ excluded }) => excluded === '',
    why: 'Kubernetes counts the label by its presence',
  },
  {
    who: 'calico',
    we: false,
    when: ({ isProxied, kind }) => isProxied && kind === 'load-balancer',
    why: 'kube-proxy has no rule for it (KEP-1860)',
  },
  {
    who: 'calico',
    we: true,
    when: (question) => isLocal(question) && someHere(question, 'draining'),
    why: 'kube-proxy serves from endpoints that terminate until another is ready',
  },
  {
    who: 'calico',
    we: true,
    when: (question) => !isLocal(question) && states(question).some(({ state }) => state === 'draining'),
    why: 'the same without policy Local',
  },
  {
    who: 'calico',
    we: false,
    when: (question) => question.family === 'ipv6' && states(question).length === 0,
    why: 'an IPv4 endpoint serves no IPv6 address',
  },
  {
    who: 'calico',
    we: false,
    when: ({ kind, internalLocal }) => kind === 'cluster' && internalLocal,
    why: 'internalTrafficPolicy Local is kept: other nodes drop it',
  },
  {
    who: 'calico',
    we: true,
    when: ({ kind, internalLocal }) => kind === 'cluster' && internalLocal,
    why: 'and nodes with an endpoint tell it by itself, beside the range',
  },
  {
    who: 'calico',
    we: true,
    when: ({ kind, allowed }) => kind === 'cluster' && allowed === 'single',
    why: 'a single ClusterIP is allowed as a single ExternalIP is',
  },
  {
    who: 'metallb',
    we: true,
    when: (question) => !isLocal(question) && question.allowed !== 'no',
    why: 'the range, or the address that is named, is told by every node, endpoints or not',
  },
  { who: 'metallb', we: false, when: ({ isProxied }) => isProxied, why: 'kube-proxy has no rule for it (KEP-1860)' },
  {
    who: 'metallb',
    we: false,
    when: (question) => question.family === 'ipv6' && states(question).length === 0,
    why: 'an IPv4 endpoint serves no IPv6 address',
  },
  { who: 'kube-router', we: false, when: ({ excluded }) => excluded !== undefined, why: 'it does not know the label' },
  {
    who: 'kube-router',
    we: false,
    when: ({ isProxied, kind }) => isProxied && kind === 'load-balancer',
    why: 'kube-proxy has no rule for it (KEP-1860)',
  },
  {
    who: 'kube-router',
    we: false,
    when: (question) => isLocal(question) && !someHere(question, 'ready') && !someHere(question, 'draining'),
    why: 'it reads no conditions and no families',
  },
  {
    who: 'kube-router',
    we: false,
    when: (question) => !question.aggregation && !isLocal(question) && !isServed(question),
    why: 'an address without an endpoint anywhere is not told one by one',
  },
  { who: 'cilium', we: false, when: ({ excluded }) => excluded !== undefined, why: 'it does not know the label' },
  {
    who: 'cilium',
    we: false,
    when: ({ isProxied, kind }) => isProxied && kind === 'load-balancer',
    why: 'kube-proxy has no rule for it (KEP-1860)',
  },
  {
    who: 'cilium',
    we: true,
    when: (question) => isLocal(question) && someHere(question, 'draining'),
    why: 'kube-proxy serves from endpoints that terminate until another is ready',
  },
  {
    who: 'cilium',
    we: false,
    when: (question) => !question.aggregation && !isLocal(question) && !isServed(question),
    why: 'an address without an endpoint anywhere is not told one by one',
  },
  {
    who: 'cilium',
    we: false,
    when: ({ kind, externalLocal, internalLocal }) => kind === 'cluster' && externalLocal && !internalLocal,
    why: 'as in Calico, externalTrafficPolicy Local binds the ClusterIP too: it comes from outside',
  },
]

const OPINIONS: Readonly<Record<string, Opinion>> = { calico, metallb, 'kube-router': kubeRouter, cilium }

test('each difference from Calico, MetalLB, kube-router and Cilium has its reason, and no reason is left over', () => {
  const used = new Set<Difference>()
  const unexplained: object[] = []
  let asked = 0
  for (const { of, endpoints, allowed, aggregation, excluded } of cases()) {
    const spec = { ...LISTS[allowed], ...(!aggregation && { serviceLoadBalancerAggregation: 'Disabled' }) }
    const routes = new Set(
      routesOf(intentOf('here', [nodeWith(excluded), bgpConfiguration(spec), web(of), ...slicesOf(endpoints)])),
    )
    for (const kind of KINDS) {
      for (const family of FAMILIES) {
        const { type, external, internal, headless, ipMode } = of
        // Nobody asks for what the service does not have.
        if (headless || type === 'ExternalName' || (kind === 'load-balancer' && type !== 'LoadBalancer')) {
          expect(routes.has(ADDRESSES[kind][family])).toBe(false)
          continue
        }
        const question: Question = {
          type,
          kind,
          family,
          externalLocal: external === 'Local',
          internalLocal: internal === 'Local',
          headless,
          isProxied: ipMode === 'Proxy',
          endpoints,
          allowed,
          aggregation,
          excluded,
        }
        const ours = attracts(routes, question)
        for (const [who, opinion] of Object.entries(OPINIONS)) {
          // MetalLB knows LoadBalancer IPs alone.
          if (who === 'metallb' && kind !== 'load-balancer') continue
          asked++
          if (opinion(question) === ours) continue
          const reasons = DIFFERENCES.filter((one) => one.who === who && one.we === ours && one.when(question))
          for (const one of reasons) used.add(one)
          if (reasons.length === 0) unexplained.push({ who, ours, ...question })
        }
      }
    }
  }
  expect(asked).toBeGreaterThan(10_000)
  expect(unexplained.slice(0, 3)).toEqual([])
  expect(DIFFERENCES.filter((one) => !used.has(one))).toEqual([])
}, 60_000)
