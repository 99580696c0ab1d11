// The scene most cases play in: nodes with two pod CIDRs each, and routers that announce two networks each.

import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import type { Family, Host, Lab } from '../lab/lab.ts'
import { bgpConfiguration, ipPool, type KubeObject, kubeNode, Manifests } from '../lab/manifests.ts'
import { eventually, type WaitOptions } from '../lab/wait.ts'
import { familyOf, type Network } from '../speakers/speaker.ts'
import { type Expected, expectRoutes } from './case.ts'

export const CLUSTER_AS = 64512
export const ROUTER_AS = 65001

/**
 * Seconds that neighbors keep the routes of an agent for when it ends without a word (RFC 4724), or a node after the hold
 * time (RFC 8538), where a case waits for these routes to go.
 */
export const RESTART_TIME = 5

/** Two pools, so that pod CIDRs and what routers announce inside them is taken in. */
export const POOLS: readonly KubeObject[] = [ipPool('pods-v4', '10.244.0.0/16'), ipPool('pods-v6', 'fd00:244::/32')]

/** Pod routes carry a standard and a large community, so that both are seen on the other side. */
const POD_COMMUNITIES = { communities: ['64512:100'], largeCommunities: ['64512:1:2'] }

const PREFIX_ADVERTISEMENTS = ['10.244.0.0/16', 'fd00:244::/32'].map((cidr) => ({
  cidr,
  communities: ['64512:100', '64512:1:2'],
}))

export const configuration = (spec: Readonly<Record<string, unknown>> = {}): KubeObject =>
  bgpConfiguration({ prefixAdvertisements: PREFIX_ADVERTISEMENTS, ...spec })

const podCidrs = (number: number): readonly string[] => [`10.244.${number}.0/24`, `fd00:244:${number}::/64`]

export interface Node {
  readonly host: Host
  readonly agent: Agent
}

export class Cluster {
  readonly manifests: Manifests
  private readonly lab: Lab

  constructor(lab: Lab) {
    this.lab = lab
    this.manifests = new Manifests(join(lab.directory, 'cluster'))
  }

  /** A node with its agent, not yet started. */
  async node(number: number): Promise<Node> {
    const host = await this.lab.host(`node-${number}`, 10 + number)
    await this.manifests.put(kubeNode(host, podCidrs(number)))
    return { host, agent: new Agent(host, this.manifests) }
  }
}

/** What a router should hold of a node's pod CIDRs, learned over a session with `from`. */
export const podRoutes = (host: Host, number: number, session: SessionKind): readonly Expected[] =>
  podCidrs(number).map((prefix) => ({ ...originatedRoute(host, prefix, session), ...POD_COMMUNITIES }))

export interface SessionKind {
  readonly internal?: boolean
  /** Which of the node's addresses the router peers with; undefined: each family with its own. */
  readonly transport: Family | undefined
}

/** A route the node originates, as a router sees it. */
export const originatedRoute = (
  host: Host,
  prefix: string,
  { internal = false, transport }: SessionKind,
): Expected => ({
  prefix,
  nextHop: host.address(familyOf(prefix)),
  from: host.address(transport ?? familyOf(prefix)),
  asPath: internal ? '' : String(CLUSTER_AS),
  origin: 'igp',
  communities: [],
  largeCommunities: [],
  ...(internal ? { localPref: 100 } : {}),
})

/** Networks of a router inside the pools, with communities and a MED. */
export const routerNetworks = (number: number): readonly Network[] => [
  {
    prefix: `10.244.${200 + number}.0/24`,
    communities: ['65001:100', '65001:200'],
    largeCommunities: ['65001:1:2'],
    med: 7,
  },
  { prefix: `fd00:244:${200 + number}::/64`, communities: ['65001:100'], largeCommunities: ['65001:3:4'], med: 9 },
]

/** What a node should hold of a router's networks. */
export const learnedRoutes = (
  router: Host,
  networks: readonly Network[],
  asn: number,
  session: SessionKind,
): readonly Expected[] =>
  networks.map((network) => ({
    prefix: network.prefix,
    nextHop: router.address(familyOf(network.prefix)),
    from: router.address(session.transport ?? familyOf(network.prefix)),
    asPath: session.internal ? '' : String(asn),
    origin: 'igp',
    med: network.med ?? 0,
    communities: [...(network.communities ?? [])].sort(),
    largeCommunities: [...(network.largeCommunities ?? [])].sort(),
  }))

/** Waits until what the agent learned and took in is exactly this. */
export const agentHolds = (agent: Agent, expected: readonly Expected[], options?: WaitOptions): Promise<void> =>
  eventually(
    async () => {
      expectRoutes(`routes on ${agent.host.name}`, await agent.routes(), expected)
    },
    { every: 500, ...options },
  )

export const agentSessionsUp = (agent: Agent, count: number, options?: WaitOptions): Promise<void> =>
  eventually(
    async () => {
      const all = await agent.protocols()
      const up = all.filter(({ state }) => state === 'Established').length
      if (up !== count || all.length !== count) {
        throw new Error(
          `${up} of ${count} sessions up on ${agent.host.name}: ${all.map((row) => `${row.name} ${row.state} ${row.lastError ?? ''}`).join(', ')}`,
        )
      }
    },
    { every: 500, ...options },
  )
