// Packets to service addresses that no service takes end at the node, in each of kube-proxy's modes; what a service, a pod
// or a load balancer takes gets there.

import { answer, ask } from '../lab/ask.ts'
import { type KubeProxy, PROXIES } from '../lab/kube-proxies.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { service } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { ip } from '../lab/wire.ts'
import { type Case, expect, Skip } from './case.ts'
import { FABRIC_LIMIT, needs } from './fabric.ts'
import { buildMesh, type MeshScene, podOnEach } from './packets-mesh.ts'
import { SERVICE_CIDRS } from './packets-services.ts'
import { configuration } from './rack.ts'

const PODS = { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/32' }
const WEB = { ipv4: '10.96.0.80', ipv6: 'fd96::80' }
/** No service has them: a cluster address and one of load balancers. */
const UNUSED = {
  ipv4: ['10.96.7.7', '203.0.113.77'],
  ipv6: ['fd96::77', '2001:db8:f::77'],
}
/** A pod holds it. */
const HELD = { ipv4: '203.0.113.50', ipv6: '2001:db8:f::50' }
/** A load balancer beyond the router takes it: `ipMode: Proxy`. */
const PROXIED = { ipv4: '203.0.113.60', ipv6: '2001:db8:f::60' }
/** As well, but the load balancer is gone: the router knows nothing better than the range that we advertise. */
const ABSENT = { ipv4: '203.0.113.61', ipv6: '2001:db8:f::61' }

const single = (family: Family, address: string): string => `${address}/${family === 'ipv4' ? 32 : 128}`

/** What becomes of one echo request with a long life: it may circle, be refused, or be heard of no more. */
const fate = async (from: Host, address: string): Promise<'circles' | 'refused' | 'silent' | 'answered'> => {
  const { stdout } = await from.run(['ping', '-n', '-c', '1', '-W', '1', address])
  if (/exceeded/i.test(stdout)) return 'circles'
  if (/unreachable|prohibited/i.test(stdout)) return 'refused'
  return / 1 received/.test(stdout) ? 'answered' : 'silent'
}

const fates = async (
  { outside }: MeshScene,
  wanted: Awaited<ReturnType<typeof fate>>,
  more: typeof ABSENT | undefined = undefined,
): Promise<void> =>
  eventually(
    async () => {
      for (const family of FAMILIES) {
        for (const address of [...UNUSED[family], ...(more === undefined ? [] : [more[family]])]) {
          const seen = await fate(outside, address)
          expect(seen === wanted, `an echo request to ${address}, which nobody has, ${seen}; expected: ${wanted}`)
        }
      }
    },
    { every: 500 },
  )

const received = async (host: Host): Promise<number> =>
  Number(await host.must(['cat', '/sys/class/net/eth0/statistics/rx_packets']))

/** Far fewer than a TTL of 64 would make of them. */
const atUnusedPort = async ({ nodes, outside }: MeshScene, family: Family): Promise<void> => {
  const sum = async () => (await Promise.all(nodes.map(({ host }) => received(host)))).reduce((a, b) => a + b, 0)
  const before = await sum()
  const script = 'exec 3<>/dev/tcp/$0/$1'
  const outcome = await outside.run(['timeout', '1', 'bash', '-c', script, WEB[family], '81'])
  expect(outcome.code !== 0, `port 81 of ${WEB[family]} answers`)
  const seen = (await sum()) - before
  expect(seen < 60, `a connection to port 81 of ${WEB[family]}, which nobody serves, made ${seen} packets at the nodes`)
}

/** Of the rules that end service loops, as the agents tell it. */
const endedPackets = async ({ nodes }: MeshScene): Promise<number> => {
  const views = await Promise.all(
    nodes.map(({ agent }) => agent.show<{ serviceLoops: { rules: readonly { packets: number | null }[] } }>('nat')),
  )
  return views.flatMap(({ serviceLoops }) => serviceLoops.rules).reduce((sum, { packets }) => sum + (packets ?? 0), 0)
}

const put = ({ manifests }: MeshScene, serviceLoopPrevention?: string): Promise<void> =>
  manifests.put(
    configuration({
      nodeToNodeMeshEnabled: true,
      ...SERVICE_CIDRS,
      ...(serviceLoopPrevention === undefined ? {} : { serviceLoopPrevention }),
    }),
  )

const loops = (proxy: KubeProxy): Case => ({
  name: `packets: what no service takes ends here, beside kube-proxy with ${proxy.mode}`,
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench, 'ping')
    const why = await proxy.whyNot()
    if (why !== undefined) throw new Skip(why)
    const scene = await buildMesh(bench, SERVICE_CIDRS)
    const { manifests, nodes, router, outside } = scene
    const pods = await podOnEach(bench, nodes)
    const [node, pod] = [nodes[0], pods[0]]
    if (node === undefined || pod === undefined) throw new Error('no nodes')
    const services = FAMILIES.map((family) => ({
      address: WEB[family],
      endpoints: pods.map((one) => one[family]),
      pods: PODS[family],
    }))
    for (const { host } of nodes) await proxy.serve(host, services)
    const rules = await proxy.rules(node.host)

    await fates(scene, 'silent')
    for (const family of FAMILIES) {
      await atUnusedPort(scene, family)
      // The service itself, from outside, from a pod and from the node.
      for (const from of [...(proxy.masquerades ? [outside] : []), pod.host, node.host])
        await eventually(() => ask(from, WEB[family], 80))
    }
    expect((await endedPackets(scene)) > 0, 'the agents count no packet that ended here')

    // A VIP that a pod holds: every node has a route to it.
    for (const family of FAMILIES) {
      const vip = single(family, HELD[family])
      await ip(pod.host, [`address add ${vip} dev lo`])
      for (const { host } of nodes) {
        const way = host === node.host ? pod[family] : node.host.address(family)
        await ip(host, [`route add ${vip} via ${way}`])
      }
      await eventually(async () => {
        const seen = await ask(outside, HELD[family])
        expect(seen.server === HELD[family], `${HELD[family]} is answered by ${seen.server}`)
      })
    }

    // What a load balancer takes leaves the node.
    for (const family of FAMILIES) await ip(router, [`address add ${single(family, PROXIED[family])} dev lo`])
    await answer(router)
    for (const family of FAMILIES)
      expect(
        (await fate(pod.host, PROXIED[family])) === 'silent',
        `${PROXIED[family]} is spared before a service says so`,
      )
    const proxied = service({
      name: 'proxied',
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.90', 'fd96::90'],
      loadBalancerIPs: FAMILIES.flatMap((family) => [PROXIED[family], ABSENT[family]]),
      ipMode: 'Proxy',
    })
    await manifests.put(proxied)
    for (const family of FAMILIES) {
      await eventually(async () => {
        const { client } = await ask(pod.host, PROXIED[family])
        expect(client === pod[family], `the load balancer sees ${client}, not ${pod[family]}`)
      })
    }

    await fates(scene, 'silent', ABSENT)
    for (const family of FAMILIES)
      expect((await fate(pod.host, ABSENT[family])) === 'silent', `${ABSENT[family]} circles for a pod`)

    await put(scene, 'Reject')
    await fates(scene, 'refused', ABSENT)
    await put(scene, 'Disabled')
    await fates(scene, 'circles', ABSENT)
    await put(scene)
    await fates(scene, 'silent', ABSENT)
    for (const family of FAMILIES) await eventually(() => ask(pod.host, PROXIED[family]))
    expect((await proxy.rules(node.host)) === rules, "kube-proxy's rules are others")
  },
})

export const cases: readonly Case[] = PROXIES.map(loops)
