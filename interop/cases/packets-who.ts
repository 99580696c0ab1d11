// What a BGPAdvertisement makes of routes, with packets: a covering prefix brings what belongs to the cluster, and a packet to a
// part that nobody has ends at the node.

import { ask } from '../lab/ask.ts'
import { PROXIES } from '../lab/kube-proxies.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { bgpAdvertisement, bgpFilter, bgpPeer, endpointSlice, kubePod, service } from '../lab/manifests.ts'
import type { Pod } from '../lab/pod.ts'
import { eventually } from '../lab/wait.ts'
import { ip, kernelRoutes } from '../lab/wire.ts'
import { type Case, expect, Skip } from './case.ts'
import { FABRIC_LIMIT, needs } from './fabric.ts'
import { buildMesh, type MeshScene, podOnEach } from './packets-mesh.ts'
import { ROUTER_AS } from './rack.ts'

const PODS = { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/32' }
const NO_POD = { ipv4: '10.244.99.9', ipv6: 'fd00:244:99::9' }
const VIPS = { ipv4: '203.0.113.0/28', ipv6: '2001:db8:f::/112' }
const VIP = { ipv4: '203.0.113.8', ipv6: '2001:db8:f::8' }
const NO_VIP = { ipv4: '203.0.113.9', ipv6: '2001:db8:f::9' }
const RANGES = {
  serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }, { cidr: '2001:db8:f::/64' }],
  serviceLoadBalancerAggregation: 'Disabled',
}
/** The router learns what is wide, and nothing of single nodes. */
const ONLY_WIDE = bgpFilter('only-wide', {
  exportV4: [{ action: 'Reject', matchOperator: 'In', cidr: PODS.ipv4, prefixLength: { min: 17 } }],
  exportV6: [{ action: 'Reject', matchOperator: 'In', cidr: PODS.ipv6, prefixLength: { min: 33 } }],
})

/** What becomes of one echo request with a long life. */
const fate = async (from: Host, address: string): Promise<'circles' | 'refused' | 'silent' | 'answered'> => {
  const { stdout } = await from.run(['ping', '-n', '-c', '1', '-W', '1', address])
  if (/exceeded/i.test(stdout)) return 'circles'
  if (/unreachable|prohibited/i.test(stdout)) return 'refused'
  return / 1 received/.test(stdout) ? 'answered' : 'silent'
}

const routerKnows = async ({ router }: MeshScene, wanted: readonly string[]): Promise<void> =>
  eventually(
    async () => {
      const lines = await kernelRoutes(router, 'bgp')
      const known = lines.map((line) => line.split(' ')[0] ?? '').sort()
      expect(known.join() === [...wanted].sort().join(), `the router knows ${known.join(', ')}`)
    },
    { within: 60_000, every: 500 },
  )

const both = (of: Readonly<Record<Family, string>>): readonly string[] => FAMILIES.map((family) => of[family])

const covering: Case = {
  name: 'packets: by a covering prefix alone to pods and services; to what nobody has, packets end here',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench, 'ping')
    const [proxy] = PROXIES
    const why = proxy === undefined ? 'no kube-proxy' : await proxy.whyNot()
    if (proxy === undefined || why !== undefined) throw new Skip(why ?? '')
    const scene = await buildMesh(bench, RANGES)
    const { manifests, nodes, router, outside } = scene
    const pods = await podOnEach(bench, nodes)
    const [first] = pods
    if (first === undefined) throw new Error('no pods')
    await manifests.put(
      bgpAdvertisement('all', {
        routes: [{ podCIDRs: true }, { services: { kinds: ['LoadBalancerIP'] } }],
        peers: ['router'],
        aggregationLength: { ipv4: 28, ipv6: 112 },
      }),
      bgpAdvertisement('pods', {
        routes: [{ podCIDRs: true }],
        peers: ['router'],
        aggregationLength: { ipv4: 16, ipv6: 32 },
      }),
      bgpAdvertisement('mesh', { routes: [{ podCIDRs: true }] }),
      service({
        name: 'web',
        type: 'LoadBalancer',
        clusterIPs: ['10.96.0.80', 'fd96::80'],
        loadBalancerIPs: both(VIP),
      }),
      ...FAMILIES.map((family) =>
        endpointSlice('web', family === 'ipv4' ? 'IPv4' : 'IPv6', [{ address: first[family], node: first.node.name }]),
      ),
      ONLY_WIDE,
      bgpPeer('router', router.ipv4, ROUTER_AS, { filters: ['only-wide'] }),
    )
    for (const { host } of nodes)
      await proxy.serve(
        host,
        FAMILIES.map((family) => ({ address: VIP[family], endpoints: [first[family]], pods: PODS[family] })),
      )
    await routerKnows(scene, [...both(PODS), ...both(VIPS)])

    for (const family of FAMILIES) {
      // Whichever node the router takes, the pod and the service answer.
      for (const pod of pods) await eventually(() => ask(outside, pod[family]))
      await eventually(() => ask(outside, VIP[family], 80))
      for (const nobody of [NO_POD[family], NO_VIP[family]])
        await eventually(async () => {
          const seen = await fate(outside, nobody)
          expect(seen === 'silent' || seen === 'refused', `an echo request to ${nobody}, which nobody has, ${seen}`)
        })
    }

    await manifests.remove(bgpAdvertisement('pods', {}))
    await routerKnows(scene, both(VIPS))
    for (const { host } of nodes)
      await eventually(async () => {
        const { stdout } = await host.run(['sh', '-c', 'ip -4 route; ip -6 route'])
        const left = stdout.split('\n').filter((line) => both(PODS).some((wide) => line.includes(`blackhole ${wide}`)))
        expect(left.length === 0, `${host.name} keeps ${left.join('; ')}`)
      })
  },
}

const ANYCAST = { ipv4: '198.51.100.53', ipv6: '2001:db8:53::53' }
const single = (family: Family): string => `${ANYCAST[family]}/${family === 'ipv4' ? 32 : 128}`

/** The way of a CNI that gives out such addresses: over the link of the pod. */
const wayTo = async (pod: Pod, family: Family): Promise<string> => {
  const text = await pod.node.must(['ip', 'route', 'get', pod[family]])
  const [, link] = / dev (\S+)/.exec(text) ?? []
  if (link === undefined) throw new Error(`no way to ${pod[family]}: ${text}`)
  return `${single(family)} dev ${link}`
}

/** By way of these nodes and no others. */
const routerGoesBy = async ({ router, nodes }: MeshScene, wanted: readonly Host[]): Promise<void> =>
  eventually(
    async () => {
      for (const family of FAMILIES) {
        const text = await router.must([
          'sh',
          '-c',
          `ip ${family === 'ipv4' ? '-4' : '-6'} route show ${single(family)}`,
        ])
        for (const { host } of nodes) {
          const goes = ` ${text.replaceAll('\n', ' ')} `.includes(` via ${host.address(family)} `)
          expect(goes === wanted.includes(host), `the router goes to ${ANYCAST[family]} by: ${text || 'no way'}`)
        }
      }
    },
    { within: 60_000, every: 500 },
  )

const anycast: Case = {
  name: 'packets: one address in pods of two nodes, by label; while they are ready and the kernel has their routes',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const scene = await buildMesh(bench)
    const { manifests, nodes, outside } = scene
    const [one, two] = await podOnEach(bench, nodes.slice(0, 2))
    if (one === undefined || two === undefined) throw new Error('two pods')
    const put = (pod: Pod, ready = true) =>
      manifests.put(
        kubePod({
          name: pod.host.name,
          node: pod.node.name,
          labels: { app: 'dns' },
          addresses: both(ANYCAST),
          ready,
        }),
      )
    for (const pod of [one, two]) {
      for (const family of FAMILIES) {
        await ip(pod.host, [`address add ${single(family)} dev eth0${family === 'ipv6' ? ' nodad' : ''}`])
        await ip(pod.node, [`route add ${await wayTo(pod, family)}`])
      }
    }
    await Promise.all([put(one), put(two)])
    const byLabel = { routes: [{ pods: { selector: "app == 'dns'" } }], peers: ['router'] }
    await manifests.put(bgpAdvertisement('dns', byLabel))
    await routerGoesBy(scene, [one.node, two.node])
    const answers = async () => {
      for (const family of FAMILIES) await eventually(() => ask(outside, ANYCAST[family]))
    }
    await answers()
    await put(one, false)
    await routerGoesBy(scene, [two.node])
    await answers()
    await put(one)
    await routerGoesBy(scene, [one.node, two.node])
    for (const family of FAMILIES) await ip(two.node, [`route del ${await wayTo(two, family)}`])
    await routerGoesBy(scene, [one.node])
    await answers()
    await manifests.remove(bgpAdvertisement('dns', {}))
    await routerGoesBy(scene, [])
  },
}

export const cases: readonly Case[] = [covering, anycast]
