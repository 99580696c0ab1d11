// Services from outside: cluster addresses by every node, LoadBalancer addresses with policy Local by those with
// endpoints, spread over them, and the client's own address where the policy promises it.

import { ask, askMany, resolve } from '../lab/ask.ts'
import { type Served, serve } from '../lab/kube-proxy.ts'
import { FAMILIES, type Family } from '../lab/lab.ts'
import { endpointSlice, type KubeObject, service } from '../lab/manifests.ts'
import type { Pod } from '../lab/pod.ts'
import { eventually } from '../lab/wait.ts'
import { kernelRoutes } from '../lab/wire.ts'
import { type Case, expect } from './case.ts'
import { DUAL, FABRIC_LIMIT, Fabric, needs } from './fabric.ts'

export const SERVICE_CIDRS = {
  serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd96::/112' }],
  serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }, { cidr: '2001:db8:f::/64' }],
}

const DNS = { ipv4: '10.96.0.10', ipv6: 'fd96::a' }
const WEB = { ipv4: '10.96.0.80', ipv6: 'fd96::80' }
const LOCAL = { ipv4: '203.0.113.80', ipv6: '2001:db8:f::80' }
const LOCAL_CLUSTER = { ipv4: '10.96.0.81', ipv6: 'fd96::81' }

const sliceOf = (name: string, family: Family, pods: readonly Pod[]): KubeObject =>
  endpointSlice(
    name,
    family === 'ipv4' ? 'IPv4' : 'IPv6',
    pods.map((pod) => ({ address: pod[family], node: pod.node.name })),
  )

/** Services `dns` and `web` with policy Cluster, `local` with policy Local, all with these pods behind them. */
export const offer = async (fabric: Fabric, pods: readonly Pod[]): Promise<void> => {
  const at = (addresses: Readonly<Record<Family, string>>) => FAMILIES.map((family) => addresses[family])
  await fabric.manifests.put(
    service({ name: 'dns', type: 'ClusterIP', clusterIPs: at(DNS) }),
    service({ name: 'web', type: 'ClusterIP', clusterIPs: at(WEB) }),
    service({
      name: 'local',
      type: 'LoadBalancer',
      clusterIPs: at(LOCAL_CLUSTER),
      loadBalancerIPs: at(LOCAL),
      externalTrafficPolicy: 'Local',
    }),
    ...['dns', 'web', 'local'].flatMap((name) => FAMILIES.map((family) => sliceOf(name, family, pods))),
  )
  for (const { host } of fabric.nodes) {
    await serve(
      host,
      FAMILIES.flatMap((family) => servedOn(host.name, pods, family)),
    )
  }
}

const servedOn = (node: string, pods: readonly Pod[], family: Family): readonly Served[] => {
  const all = pods.map((pod) => pod[family])
  const here = pods.filter((pod) => pod.node.name === node).map((pod) => pod[family])
  return [
    { address: DNS[family], protocol: 'udp', port: 53, endpoints: all, targetPort: 53, masquerade: true },
    { address: WEB[family], protocol: 'tcp', port: 80, endpoints: all, targetPort: 8080, masquerade: true },
    { address: LOCAL[family], protocol: 'tcp', port: 80, endpoints: here, targetPort: 8080, masquerade: false },
  ]
}

export const spineHas = (fabric: Fabric, family: Family): Promise<void> =>
  eventually(
    async () => {
      for (const spine of fabric.spines) {
        const routes = (await kernelRoutes(spine, 'bgp')).join('\n')
        const range = SERVICE_CIDRS.serviceClusterIPs[family === 'ipv4' ? 0 : 1]?.cidr
        for (const prefix of [range, LOCAL[family]]) {
          expect(routes.includes(`${prefix} `), `${spine.name} has no route to ${prefix}`)
        }
      }
    },
    { every: 500 },
  )

const CONNECTIONS = 40

/** Each of these pods answers some of many connections, and all of them see the client itself. */
export const spread = async (fabric: Fabric, family: Family, pods: readonly Pod[]): Promise<void> => {
  const answers = await askMany(fabric.client, LOCAL[family], 80, CONNECTIONS)
  expect(answers.length === CONNECTIONS, `${answers.length} of ${CONNECTIONS} connections over ${family} were answered`)
  const self = fabric.client.address(family)
  const other = answers.find(({ client }) => client !== self)
  expect(other === undefined, `policy Local: the client ${self} was seen as ${other?.client}`)
  const answering = [...new Set(answers.map(({ server }) => server))].sort()
  const wanted = pods.map((pod) => pod[family]).sort()
  expect(answering.join() === wanted.join(), `answered by ${answering.join(', ')}, not by ${wanted.join(', ')}`)
}

const services: Case = {
  name: 'packets: services from outside, policies Cluster and Local, spread over nodes',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const fabric = await Fabric.build(bench, { ...DUAL, configuration: SERVICE_CIDRS })
    const pods = [await fabric.answeringPod(1), await fabric.answeringPod(2), await fabric.answeringPod(3)]
    await offer(fabric, pods)
    for (const family of FAMILIES) {
      await spineHas(fabric, family)
      const address = await resolve(fabric.client, DNS[family], 'kubernetes.default.svc.cluster.local')
      expect(address === '192.0.2.53', `the DNS service at ${DNS[family]} answers ${address}`)
      const { client } = await ask(fabric.client, WEB[family], 80)
      const own = fabric.nodes.map(({ host }) => host)
      const relayed = await Promise.all(own.map((host) => host.must(['ip', '-o', 'address', 'show'])))
      const isNode = relayed.some((text) => text.includes(` ${client}/`))
      expect(isNode, `policy Cluster: seen as ${client}, which is no node`)
      await eventually(() => spread(fabric, family, pods), { within: 60_000 })
    }
  },
}

export const cases: readonly Case[] = [services]
