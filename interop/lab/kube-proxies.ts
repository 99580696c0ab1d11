// What kube-proxy leaves on a node in each of its modes, for one service with endpoints: the shapes of its rules, by hand.

import { access } from 'node:fs/promises'
import type { Host } from './lab.ts'
import { has, run } from './run.ts'

interface Proxied {
  readonly address: string
  readonly endpoints: readonly string[]
  /** The pods' range: what comes from elsewhere is masqueraded on its way to an endpoint. */
  readonly pods: string
}

export interface KubeProxy {
  readonly mode: 'iptables' | 'nftables' | 'IPVS'
  whyNot(): Promise<string | undefined>
  serve(node: Host, services: readonly Proxied[]): Promise<void>
  /** What a node without endpoints of policy Local does to these addresses of a service. */
  refuse?(node: Host, addresses: readonly string[]): Promise<void>
  /** All it left, without counters. */
  rules(node: Host): Promise<string>
  /** In this mode, what comes from outside is seen as the node. */
  readonly masquerades: boolean
}

const PORT = 80
const TARGET = 8080

const isSix = (address: string): boolean => address.includes(':')
const target = (endpoint: string): string => (isSix(endpoint) ? `[${endpoint}]:${TARGET}` : `${endpoint}:${TARGET}`)

const missing = async (...programs: readonly string[]): Promise<string | undefined> => {
  for (const program of programs) if (!(await has(program))) return `${program} is not installed`
  return undefined
}

const iptablesRules = ({ address, endpoints, pods }: Proxied): string => {
  const chains = endpoints.map((_, index) => `KUBE-SEP-${index}`)
  return [
    '*nat',
    ...['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ', 'KUBE-SVC-WEB', ...chains].map(
      (name) => `:${name} - [0:0]`,
    ),
    '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
    '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
    '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0',
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    `-A KUBE-SERVICES -d ${address} -p tcp -m tcp --dport ${PORT} -j KUBE-SVC-WEB`,
    `-A KUBE-SVC-WEB ! -s ${pods} -d ${address} -p tcp -m tcp --dport ${PORT} -j KUBE-MARK-MASQ`,
    ...chains.map((name, index) => {
      const left = chains.length - index
      const chance = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(6)}`
      return `-A KUBE-SVC-WEB${chance} -j ${name}`
    }),
    ...endpoints.map((one, index) => `-A KUBE-SEP-${index} -p tcp -m tcp -j DNAT --to-destination ${target(one)}`),
    'COMMIT',
    '',
  ].join('\n')
}

const PORTALS = '-m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals"'

const iptablesRefusal = (addresses: readonly string[]): string =>
  [
    '*filter',
    ':KUBE-EXTERNAL-SERVICES - [0:0]',
    `-A INPUT ${PORTALS} -j KUBE-EXTERNAL-SERVICES`,
    `-A FORWARD ${PORTALS} -j KUBE-EXTERNAL-SERVICES`,
    ...addresses.map(
      (address) =>
        `-A KUBE-EXTERNAL-SERVICES -d ${address} -p tcp -m comment --comment "has no local endpoints" -m tcp --dport ${PORT} -j DROP`,
    ),
    'COMMIT',
    '',
  ].join('\n')

const iptables: KubeProxy = {
  mode: 'iptables',
  masquerades: true,
  whyNot: () => missing('iptables-restore', 'ip6tables-restore'),
  async serve(node, services) {
    for (const one of services) {
      const program = isSix(one.address) ? 'ip6tables-restore' : 'iptables-restore'
      await node.must([program, '--noflush'], { input: iptablesRules(one) })
    }
  },
  async refuse(node, addresses) {
    for (const [program, six] of [['iptables-restore', false] as const, ['ip6tables-restore', true] as const]) {
      const input = iptablesRefusal(addresses.filter((address) => isSix(address) === six))
      await node.must([program, '--noflush'], { input })
    }
  },
  rules: async (node) =>
    (await Promise.all([node.must(['iptables-save', '-t', 'nat']), node.must(['ip6tables-save', '-t', 'nat'])]))
      .join('\n')
      .replaceAll(/^#.*$/gm, '')
      .replaceAll(/\[\d+:\d+\]/g, ''),
}

const nftablesRules = ({ address, endpoints, pods }: Proxied): string => {
  const family = isSix(address) ? 'ip6' : 'ip'
  const verdicts = endpoints.map((_, index) => `${index} : goto endpoint-${index}`).join(', ')
  return `
    table ${family} kube-proxy {
      comment "rules for kube-proxy"
      map service-ips { type ${isSix(address) ? 'ipv6_addr' : 'ipv4_addr'} . inet_proto . inet_service : verdict
        elements = { ${address} . tcp . ${PORT} : goto service-web } }
      chain mark-for-masquerade { meta mark set meta mark or 0x4000
      }
      ${endpoints.map((one, index) => `chain endpoint-${index} { meta l4proto tcp dnat to ${target(one)}\n }`).join('\n')}
      chain service-web {
        ${family} daddr ${address} tcp dport ${PORT} ${family} saddr != ${pods} jump mark-for-masquerade
        numgen random mod ${endpoints.length} vmap { ${verdicts} }
      }
      chain services { ${family} daddr . meta l4proto . th dport vmap @service-ips
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
    }`
}

const nftablesRefusal = (address: string): string => `
    table ${isSix(address) ? 'ip6' : 'ip'} kube-proxy {
      comment "rules for kube-proxy"
      map no-endpoint-services { type ${isSix(address) ? 'ipv6_addr' : 'ipv4_addr'} . inet_proto . inet_service : verdict
        elements = { ${address} . tcp . ${PORT} : drop } }
      chain service-endpoints-check { ${isSix(address) ? 'ip6' : 'ip'} daddr . meta l4proto . th dport vmap @no-endpoint-services
      }
      chain filter-input { type filter hook input priority -110; ct state new jump service-endpoints-check
      }
      chain filter-forward { type filter hook forward priority -110; ct state new jump service-endpoints-check
      }
    }`

const nftables: KubeProxy = {
  mode: 'nftables',
  masquerades: true,
  whyNot: () => missing('nft'),
  async serve(node, services) {
    await node.must(['nft', '-f', '-'], { input: services.map(nftablesRules).join('\n') })
  },
  async refuse(node, addresses) {
    await node.must(['nft', '-f', '-'], { input: addresses.map(nftablesRefusal).join('\n') })
  },
  rules: async (node) =>
    (
      await Promise.all(['ip', 'ip6'].map((family) => node.must(['nft', '-s', 'list', 'table', family, 'kube-proxy'])))
    ).join('\n'),
}

const ipvs: KubeProxy = {
  mode: 'IPVS',
  masquerades: false,
  async whyNot() {
    await run(['modprobe', 'ip_vs'])
    const inKernel = await access('/proc/net/ip_vs').then(
      () => true,
      () => false,
    )
    return inKernel ? missing('ipvsadm') : 'the kernel has no ip_vs'
  },
  async serve(node, services) {
    for (const { address, endpoints } of services) {
      const service = `${isSix(address) ? `[${address}]` : address}:${PORT}`
      // kube-proxy puts service addresses on a dummy of its own; any link does.
      await node.must(['ip', 'address', 'add', address, 'dev', 'lo'])
      const lines = [`-A -t ${service} -s rr`, ...endpoints.map((one) => `-a -t ${service} -r ${target(one)} -m`)]
      await node.must(['ipvsadm', '-R'], { input: `${lines.join('\n')}\n` })
    }
  },
  rules: (node) => node.must(['ipvsadm', '-S', '-n']),
}

export const PROXIES: readonly KubeProxy[] = [iptables, nftables, ipvs]
