// Stands in for kube-proxy on a node: plain nftables rules that send what comes for a service to its endpoints.

import type { Host } from './lab.ts'

export interface Served {
  /** The service's address. */
  readonly address: string
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  /** Endpoints, all of one family, and their port. */
  readonly endpoints: readonly string[]
  readonly targetPort: number
  /** Policy Cluster: the endpoint may be anywhere, so its answer has to come back through here. */
  readonly masquerade: boolean
}

const MARK = '0x4000'

/** The first rule takes one in N, the next one in N − 1 of the rest, the last all that is left. */
const rulesOf = ({ address, protocol, port, endpoints, targetPort, masquerade }: Served): readonly string[] =>
  endpoints.map((endpoint, index) => {
    const six = address.includes(':')
    const left = endpoints.length - index
    const chance = left === 1 ? '' : `numgen random mod ${left} == 0 `
    const mark = masquerade ? `meta mark set ${MARK} ` : ''
    const target = six ? `ip6 to [${endpoint}]:${targetPort}` : `ip to ${endpoint}:${targetPort}`
    return `${six ? 'ip6' : 'ip'} daddr ${address} ${protocol} dport ${port} ${chance}${mark}dnat ${target}`
  })

export const serve = (node: Host, services: readonly Served[]): Promise<string> => {
  const rules = services.flatMap(rulesOf).join('\n')
  const chains = `
    chain prerouting { type nat hook prerouting priority dstnat; ${'\n'}${rules}
    }
    chain output { type nat hook output priority -100; ${'\n'}${rules}
    }
    chain postrouting { type nat hook postrouting priority srcnat; meta mark ${MARK} masquerade;
    }`
  return node.must(['nft', '-f', '-'], {
    input: `table inet lab_proxy {}\ndelete table inet lab_proxy\ntable inet lab_proxy {${chains}\n}\n`,
  })
}
