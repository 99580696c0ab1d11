// A border node: it alone speaks to the router, and tells what the other nodes have. Their pods are reached through it; their
// service addresses cannot be, since kube-proxy drops them on a node without endpoints, so the router must go there directly.

import { ask } from '../lab/ask.ts'
import { type KubeProxy, PROXIES } from '../lab/kube-proxies.ts'
import { FAMILIES, type Family } from '../lab/lab.ts'
import { bgpPeer, endpointSlice, service } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { kernelRoutes } from '../lab/wire.ts'
import { type Bench, type Case, expect, Skip } from './case.ts'
import { FABRIC_LIMIT, needs } from './fabric.ts'
import { buildMesh, type MeshScene, podOnEach } from './packets-mesh.ts'
import { ROUTER_AS } from './rack.ts'

const VIP = { ipv4: '203.0.113.80', ipv6: '2001:db8:f::80' }
const CLUSTER_IP = { ipv4: '10.96.0.81', ipv6: 'fd96::81' }
/** One by permission for its address alone, one out of a range. */
const RANGES = { serviceLoadBalancerIPs: [{ cidr: '203.0.113.80/32' }, { cidr: '2001:db8:f::80/128' }] }
const PODS = { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/32' }

const wayTo = async ({ router }: MeshScene, address: string): Promise<string> =>
  (await kernelRoutes(router, 'bgp')).find((route) => route.startsWith(`${address} `)) ?? 'no route'

const answers = ({ outside }: MeshScene, address: string): Promise<boolean> =>
  ask(outside, address, 80).then(
    ({ server }) => server !== '',
    () => false,
  )

/** Through the border node the address is dead: what we avoid is real. */
const dropsAtBorder = async (scene: MeshScene, family: Family): Promise<void> => {
  const { router, nodes } = scene
  const border = nodes[0]?.host.address(family) ?? ''
  const route = [`${VIP[family]}/${family === 'ipv4' ? 32 : 128}`, 'via', border, 'metric', '1']
  await router.must(['ip', family === 'ipv4' ? '-4' : '-6', 'route', 'add', ...route])
  expect(!(await answers(scene, VIP[family])), `${VIP[family]} answers through the border node: nothing is shown here`)
  await router.must(['ip', family === 'ipv4' ? '-4' : '-6', 'route', 'del', ...route])
}

const borderWith = (proxy: KubeProxy): Case => ({
  name: `packets: a border node and services of policy Local on another, kube-proxy with ${proxy.mode}`,
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench: Bench) {
    await needs(bench)
    const why = await proxy.whyNot()
    if (why !== undefined) throw new Skip(why)
    const scene = await buildMesh(bench, RANGES)
    const { manifests, nodes, router } = scene
    const [border, worker, third] = nodes
    if (border === undefined || worker === undefined || third === undefined) throw new Error('three nodes are needed')
    const pods = await podOnEach(bench, nodes)
    const served = pods.find((pod) => pod.node === worker.host)
    if (served === undefined) throw new Error('no pod on the worker')
    await manifests.put(
      bgpPeer('router', router.ipv4, ROUTER_AS, { node: border.host.name, advertiseLearned: true }),
      service({
        name: 'web',
        type: 'LoadBalancer',
        clusterIPs: FAMILIES.map((family) => CLUSTER_IP[family]),
        loadBalancerIPs: FAMILIES.map((family) => VIP[family]),
        externalTrafficPolicy: 'Local',
      }),
      ...FAMILIES.map((family) =>
        endpointSlice('web', family === 'ipv4' ? 'IPv4' : 'IPv6', [
          { address: served[family], node: worker.host.name },
        ]),
      ),
    )
    await proxy.serve(
      worker.host,
      FAMILIES.map((family) => ({ address: VIP[family], endpoints: [served[family]], pods: PODS[family] })),
    )
    for (const { host } of [border, third])
      await proxy.refuse?.(
        host,
        FAMILIES.map((family) => VIP[family]),
      )
    for (const family of FAMILIES) {
      const wanted = ` via ${worker.host.address(family)} `
      await eventually(async () => {
        const way = await wayTo(scene, VIP[family])
        expect(way.includes(wanted), `the router goes to ${VIP[family]}: ${way}, not${wanted}`)
      })
      expect(await answers(scene, VIP[family]), `${VIP[family]} does not answer`)
      await dropsAtBorder(scene, family)
    }
  },
})

export const cases: readonly Case[] = PROXIES.filter(({ refuse }) => refuse !== undefined).map(borderWith)
