// The rules of kube-proxy for many services at once, in its iptables and its nftables mode: which endpoints an address leads
// to on a node, where packets are masqueraded, and what is refused. The shapes of chains and maps are kube-proxy's own.

import type { Family, Host } from './lab.ts'
import { has } from './run.ts'

interface ProxiedEndpoint {
  readonly address: string
  readonly node: string
  readonly state: 'ready' | 'draining' | 'failing'
}

/** A service in one family: kube-proxy keeps the families apart. */
export interface ProxiedService {
  /** Part of names of chains. */
  readonly id: string
  readonly family: Family
  /** Empty where it has none. */
  readonly clusterIp: string
  /** ExternalIPs, and LoadBalancer IPs without `ipMode: Proxy`. */
  readonly external: readonly string[]
  readonly internalLocal: boolean
  readonly externalLocal: boolean
  readonly endpoints: readonly ProxiedEndpoint[]
}

export interface ProxyMode {
  readonly name: 'iptables' | 'nftables'
  whyNot(): Promise<string | undefined>
  serve(node: Host, services: readonly ProxiedService[]): Promise<void>
}

const PORT = 80
const TARGET = 8080
const PODS = { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/32' }

/** Ready ones, or, where there are none, those that still serve while they end (KEP-1669). */
function usable(endpoints: readonly ProxiedEndpoint[]): readonly string[] {
  const of = (state: ProxiedEndpoint['state']) => endpoints.filter((one) => one.state === state)
  return (of('ready').length > 0 ? of('ready') : of('draining')).map(({ address }) => address)
}

interface Plan extends ProxiedService {
  readonly cluster: readonly string[]
  readonly local: readonly string[]
}

const planOf = (node: Host, service: ProxiedService): Plan => ({
  ...service,
  cluster: usable(service.endpoints),
  local: usable(service.endpoints.filter((one) => one.node === node.name)),
})

/** What becomes of packets to addresses that lead nowhere here: refused where there is no endpoint at all, else dropped. */
const nowhere = ({
  cluster,
  local,
  ...plan
}: Plan): readonly { readonly address: string; readonly drops: boolean }[] => {
  const lost = (isLocal: boolean): boolean => (isLocal ? local : cluster).length === 0
  const drops = cluster.length > 0
  const own = plan.clusterIp !== '' && lost(plan.internalLocal) ? [plan.clusterIp] : []
  return [...own, ...(lost(plan.externalLocal) ? plan.external : [])].map((address) => ({ address, drops }))
}

const to = (family: Family, address: string): string => `${family === 'ipv6' ? `[${address}]` : address}:${TARGET}`

// ── iptables ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const MATCH = `-p tcp -m tcp --dport ${PORT}`

/** One of N, then one of N − 1 of the rest, and the last. */
const spread = (chain: string, targets: readonly string[]): readonly string[] =>
  targets.map((target, index) => {
    const left = targets.length - index
    const chance = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}`
    return `-A ${chain}${chance} -j ${target}`
  })

function iptablesChains(plan: Plan): { readonly names: readonly string[]; readonly rules: readonly string[] } {
  const { id, family, clusterIp, external, cluster, local, internalLocal, externalLocal } = plan
  const all = [...new Set([...cluster, ...local])]
  const sep = (address: string): string => `KUBE-SEP-${id}-${all.indexOf(address)}`
  const [svc, svl, ext] = [`KUBE-SVC-${id}`, `KUBE-SVL-${id}`, `KUBE-EXT-${id}`]
  const inside = internalLocal ? svl : svc
  const isServed = (isLocal: boolean): boolean => (isLocal ? local : cluster).length > 0
  const masquerade = (chain: string) =>
    clusterIp === '' ? [] : [`-A ${chain} ! -s ${PODS[family]} -d ${clusterIp} ${MATCH} -j KUBE-MARK-MASQ`]
  return {
    names: [svc, svl, ext, ...all.map(sep)],
    rules: [
      ...(clusterIp !== '' && isServed(internalLocal)
        ? [`-A KUBE-SERVICES -d ${clusterIp} ${MATCH} -j ${inside}`]
        : []),
      ...(isServed(externalLocal) ? external.map((one) => `-A KUBE-SERVICES -d ${one} ${MATCH} -j ${ext}`) : []),
      ...(externalLocal
        ? [
            `-A ${ext} -s ${PODS[family]} -j ${svc}`,
            `-A ${ext} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
            `-A ${ext} -m addrtype --src-type LOCAL -j ${svc}`,
            `-A ${ext} -j ${svl}`,
          ]
        : [`-A ${ext} -j KUBE-MARK-MASQ`, `-A ${ext} -j ${svc}`]),
      ...masquerade(svc),
      ...spread(svc, cluster.map(sep)),
      ...masquerade(svl),
      ...spread(svl, local.map(sep)),
      ...all.map((one) => `-A ${sep(one)} -p tcp -m tcp -j DNAT --to-destination ${to(family, one)}`),
    ],
  }
}

const NEW = '-m conntrack --ctstate NEW'

function iptablesTables(family: Family, plans: readonly Plan[]): string {
  const chains = plans.map(iptablesChains)
  const refused = plans.flatMap(nowhere)
  const reject = `REJECT --reject-with ${family === 'ipv4' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable'}`
  const base = ['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ']
  return [
    '*nat',
    ...[...base, ...chains.flatMap(({ names }) => names)].map((name) => `:${name} - [0:0]`),
    '-A PREROUTING -j KUBE-SERVICES',
    '-A OUTPUT -j KUBE-SERVICES',
    '-A POSTROUTING -j KUBE-POSTROUTING',
    '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
    '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    ...chains.flatMap(({ rules }) => rules),
    'COMMIT',
    '*filter',
    ':KUBE-EXTERNAL-SERVICES - [0:0]',
    `-A INPUT ${NEW} -j KUBE-EXTERNAL-SERVICES`,
    `-A FORWARD ${NEW} -j KUBE-EXTERNAL-SERVICES`,
    ...refused.map(
      ({ address, drops }) => `-A KUBE-EXTERNAL-SERVICES -d ${address} ${MATCH} -j ${drops ? 'DROP' : reject}`,
    ),
    'COMMIT',
    '',
  ].join('\n')
}

const PROGRAMS = { ipv4: 'iptables-restore', ipv6: 'ip6tables-restore' }
const FAMILIES = ['ipv4', 'ipv6'] as const

const plansOf = (node: Host, services: readonly ProxiedService[], family: Family): readonly Plan[] =>
  services.filter((one) => one.family === family).map((one) => planOf(node, one))

const iptables: ProxyMode = {
  name: 'iptables',
  async whyNot() {
    for (const program of Object.values(PROGRAMS)) if (!(await has(program))) return `${program} is not installed`
    return undefined
  },
  async serve(node, services) {
    for (const family of FAMILIES) {
      await node.must([PROGRAMS[family]], { input: iptablesTables(family, plansOf(node, services, family)) })
    }
  },
}

// ── nftables ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const vmap = (id: string, all: readonly string[], targets: readonly string[]): string =>
  targets.length === 0
    ? ''
    : `numgen random mod ${targets.length} vmap { ${targets
        .map((one, index) => `${index} : goto endpoint-${id}-${all.indexOf(one)}`)
        .join(', ')} }`

function nftablesChains(plan: Plan): string {
  const { id, family, clusterIp, cluster, local, externalLocal } = plan
  const ip = family === 'ipv4' ? 'ip' : 'ip6'
  const all = [...new Set([...cluster, ...local])]
  const masquerade =
    clusterIp === ''
      ? ''
      : `${ip} daddr ${clusterIp} tcp dport ${PORT} ${ip} saddr != ${PODS[family]} jump mark-for-masquerade`
  const outside = externalLocal
    ? `${ip} saddr ${PODS[family]} goto service-${id}
       fib saddr type local jump mark-for-masquerade
       fib saddr type local goto service-${id}
       ${vmap(id, all, local)}`
    : `jump mark-for-masquerade
       goto service-${id}`
  const endpoints = all.map(
    (one, index) => `chain endpoint-${id}-${index} { meta l4proto tcp dnat to ${to(family, one)}\n}`,
  )
  return `${endpoints.join('\n')}
    chain service-${id} { ${masquerade}
      ${vmap(id, all, cluster)}
    }
    chain local-${id} { ${masquerade}
      ${vmap(id, all, local)}
    }
    chain external-${id} { ${outside}
    }`
}

function nftablesElements(plan: Plan): readonly string[] {
  const { id, clusterIp, external, cluster, local, internalLocal, externalLocal } = plan
  const isServed = (isLocal: boolean): boolean => (isLocal ? local : cluster).length > 0
  const own = clusterIp !== '' && isServed(internalLocal)
  return [
    ...(own ? [`${clusterIp} . tcp . ${PORT} : goto ${internalLocal ? 'local' : 'service'}-${id}`] : []),
    ...(isServed(externalLocal) ? external.map((one) => `${one} . tcp . ${PORT} : goto external-${id}`) : []),
  ]
}

const elements = (list: readonly string[]): string => (list.length === 0 ? '' : `elements = { ${list.join(',\n')} }`)

function nftablesTable(family: Family, plans: readonly Plan[]): string {
  const ip = family === 'ipv4' ? 'ip' : 'ip6'
  const key = `${family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr'} . inet_proto . inet_service : verdict`
  const refused = plans
    .flatMap(nowhere)
    .map(({ address, drops }) => `${address} . tcp . ${PORT} : ${drops ? 'drop' : 'goto reject-chain'}`)
  return `table ${ip} kube-proxy {
    comment "rules for kube-proxy"
    chain mark-for-masquerade { meta mark set meta mark or 0x4000
    }
    chain reject-chain { reject
    }
    ${plans.map(nftablesChains).join('\n')}
    map service-ips { type ${key}
      ${elements(plans.flatMap(nftablesElements))}
    }
    map no-endpoint-services { type ${key}
      ${elements(refused)}
    }
    chain services { ${ip} daddr . meta l4proto . th dport vmap @service-ips
    }
    chain service-endpoints-check { ${ip} daddr . meta l4proto . th dport vmap @no-endpoint-services
    }
    chain filter-input { type filter hook input priority -110; ct state new jump service-endpoints-check
    }
    chain filter-forward { type filter hook forward priority -110; ct state new jump service-endpoints-check
    }
    chain nat-prerouting { type nat hook prerouting priority dstnat; jump services
    }
    chain nat-output { type nat hook output priority -100; jump services
    }
    chain masquerading { meta mark & 0x4000 == 0 return
      meta mark set meta mark ^ 0x4000
      masquerade fully-random
    }
    chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading
    }
  }
  `
}

const nftables: ProxyMode = {
  name: 'nftables',
  whyNot: async () => ((await has('nft')) ? undefined : 'nft is not installed'),
  async serve(node, services) {
    const tables = FAMILIES.map((family) => nftablesTable(family, plansOf(node, services, family)))
    await node.must(['nft', '-f', '-'], { input: tables.join('\n') })
  },
}

export const PROXY_MODES: readonly ProxyMode[] = [iptables, nftables]
