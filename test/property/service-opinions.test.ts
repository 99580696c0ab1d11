/** The whole product of the table of services, compared with what four other products do: each difference has its reason. */
import { expect, test } from 'vitest'
import { intentOf, routesOf } from '../support/cluster.ts'
import { bgpConfiguration } from '../support/objects.ts'
import {
  ADDRESSES,
  at,
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
import {
  calico,
  cilium,
  type EndpointFacts,
  kubeRouter,
  metallb,
  type Opinion,
  type Question,
} from '../support/service-opinions.ts'

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
