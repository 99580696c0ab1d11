// Objects as people have them: Calico's own with its IPAM, and one that is wrong when the agent starts.

import { rm } from 'node:fs/promises'
import { Agent } from '../lab/agent.ts'
import type { Host } from '../lab/lab.ts'
import { bgpPeer, type KubeObject, kubeNode } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { type Case, expect, routerHolds, sessionsUp } from './case.ts'
import { CLUSTER_AS, Cluster, configuration, originatedRoute, POOLS, podRoutes, ROUTER_AS } from './rack.ts'

const CALICO = 'crd.projectcalico.org/v1'
const inCalico = (object: KubeObject): KubeObject => ({ ...object, apiVersion: CALICO })

const affinity = (name: string, cidr: string, spec: object = {}): KubeObject => ({
  apiVersion: CALICO,
  kind: 'BlockAffinity',
  metadata: { name },
  spec: { cidr, node: 'node-1', state: 'confirmed', deleted: 'false', type: 'host', ...spec },
})

/** A block of `owner` of which a pod of `node` has the address with this ordinal. */
const block = (cidr: string, node: string, ordinal: number, owner = 'node-2'): KubeObject => ({
  apiVersion: CALICO,
  kind: 'IPAMBlock',
  metadata: { name: `borrowed-${owner}` },
  spec: {
    cidr,
    affinity: `host:${owner}`,
    allocations: Array.from({ length: 64 }, (_, at) => (at === ordinal ? 0 : null)),
    attributes: [{ handle_id: 'k8s-pod-network.1', secondary: { node, pod: 'web-1', namespace: 'shop' } }],
  },
})

/** Prefixes with a blackhole of ours in the node's kernel. */
const blackholes = async (host: Host): Promise<readonly string[]> => {
  const texts = await Promise.all(['-4', '-6'].map((flag) => host.must(['ip', flag, 'route', 'show', 'proto', '171'])))
  return [...texts.join('\n').matchAll(/^blackhole (\S+)/gm)].map(([, prefix = '']) => prefix).sort()
}

const calicosIpam: Case = {
  name: "objects: Calico's own, with the blocks and the borrowed addresses of its IPAM",
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host } = await cluster.node(1)
    const router = await lab.host('router', 1)
    const agent = new Agent(host, cluster.manifests, { apiGroup: 'crd.projectcalico.org', linux: true })
    const objects = [configuration({ prefixAdvertisements: [] }), ...POOLS, bgpPeer('router', router.ipv4, ROUTER_AS)]
    await cluster.manifests.put(...objects.map(inCalico))
    const [four, six] = [affinity('four', '10.244.77.64/26'), affinity('six', 'fd00:244:77::/122')]
    await cluster.manifests.put(four, six, affinity('pending', '10.244.78.0/26', { state: 'pending' }))
    await cluster.manifests.put(
      affinity('other', '10.244.79.0/26', { node: 'node-2' }),
      block('10.244.79.0/26', 'node-1', 5),
    )
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors: [{ address: host.ipv4, asn: CLUSTER_AS }] })
    await agent.start()

    const own = (...prefixes: readonly string[]) =>
      prefixes.map((prefix) => originatedRoute(host, prefix, { transport: 'ipv4' }))
    await routerHolds(side, own('10.244.77.64/26', 'fd00:244:77::/122'))
    // The pod is there, and Felix writes the route to it.
    for (const command of ['link add cali1 type veth peer name pod1', 'link set cali1 up', 'link set pod1 up'])
      await host.must(['ip', ...command.split(' ')])
    await host.must(['ip', 'route', 'add', '10.244.79.5', 'dev', 'cali1', 'proto', '80'])
    await routerHolds(side, own('10.244.77.64/26', 'fd00:244:77::/122', '10.244.79.5/32'))
    const expected = ['10.244.77.64/26', 'fd00:244:77::/122']
    await eventually(async () => {
      const found = await blackholes(host)
      expect(found.join() === expected.join(), `blackholes for ${found.join()}, not ${expected.join()}`)
    })

    // The pod with the borrowed address goes, a block is given back, another is confirmed.
    await cluster.manifests.put(block('10.244.79.0/26', 'node-2', 5))
    await cluster.manifests.put(affinity('four', '10.244.77.64/26', { state: 'pendingDeletion' }))
    await cluster.manifests.put(affinity('pending', '10.244.78.0/26'))
    await routerHolds(side, own('10.244.78.0/26', 'fd00:244:77::/122'))
    await sessionsUp(side, 1)
  },
}

/** Ways to addresses of a block of this node. */
const waysInto = async (host: Host, prefix: string): Promise<string> =>
  (await host.must(['ip', 'route', 'show', 'proto', '171', 'root', prefix, 'type', 'unicast']))
    .split('\n')
    .flatMap((line) => line.split(' ')[0] || [])
    .sort()
    .join()

const lentAddress: Case = {
  name: 'objects: an address that the IPAM of Calico lent another node is reached there, and no other of the block',
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host } = await cluster.node(1)
    await cluster.node(2)
    const router = await lab.host('router', 9)
    const agent = new Agent(host, cluster.manifests, { apiGroup: 'crd.projectcalico.org', linux: true })
    const objects = [configuration({ prefixAdvertisements: [] }), ...POOLS, bgpPeer('router', router.ipv4, ROUTER_AS)]
    await cluster.manifests.put(...objects.map(inCalico), affinity('four', '10.244.77.0/26'))
    const networks = ['10.244.77.5/32', '10.244.77.6/32', '10.244.77.0/27', '10.244.78.7/32'].map((prefix) => ({
      prefix,
    }))
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS }]
    await speaker.start(router, { asn: ROUTER_AS, neighbors, networks })
    await agent.start()
    const holds = (expected: string) =>
      eventually(async () => {
        const found = await waysInto(host, '10.244.64.0/20')
        expect(found === expected, `ways into the pool: ${found}, not ${expected}`)
      })
    await holds('10.244.78.7')
    await cluster.manifests.put(block('10.244.77.0/26', 'node-2', 5, 'node-1'))
    await holds('10.244.77.5,10.244.78.7')
    await cluster.manifests.put(block('10.244.77.0/26', 'node-2', 6, 'node-1'))
    await holds('10.244.77.6,10.244.78.7')
    await cluster.manifests.put(block('10.244.77.0/26', 'node-1', 6, 'node-1'))
    await holds('10.244.78.7')
  },
}

const labelled = (host: Host, annotations: Readonly<Record<string, string>>): KubeObject => {
  const node = kubeNode(host, [])
  return { ...node, metadata: { ...node.metadata, annotations } }
}

/** As where Calico keeps its objects in the group that its API server shows elsewhere: `deleted` is no text there. */
const newerGroup: Case = {
  name: "objects: Calico's newer group with its IPAM, as far as a cluster has it, and the older group for the rest",
  speakers: 'once',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host } = await cluster.node(1)
    const router = await lab.host('router', 1)
    const agent = new Agent(host, cluster.manifests, { apiGroup: 'projectcalico.org' })
    const newer = (object: KubeObject): KubeObject => ({ ...object, apiVersion: 'projectcalico.org/v3' })
    const selected = { nodeSelector: "rack == '1'", keepaliveTime: '9500ms', localWorkloadSelector: '' }
    const labels = { 'projectcalico.org/labels': '{"rack":"1"}' }
    await cluster.manifests.put(
      newer(configuration({ prefixAdvertisements: [] })),
      ...POOLS.map(inCalico),
      newer(bgpPeer('router', router.ipv4, ROUTER_AS, selected)),
      newer(affinity('four', '10.244.77.64/26', { deleted: false })),
      affinity('six', 'fd00:244:77::/122'),
      newer(block('10.244.79.0/26', 'node-1', 5)),
    )
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors: [{ address: host.ipv4, asn: CLUSTER_AS }] })
    await agent.start()
    // The BGPPeer selects a label that nobody has set yet.
    await cluster.manifests.put(labelled(host, labels))
    const own = (...prefixes: readonly string[]) =>
      prefixes.map((prefix) => originatedRoute(host, prefix, { transport: 'ipv4' }))
    await routerHolds(side, own('10.244.77.64/26', 'fd00:244:77::/122', '10.244.79.5/32'))
    await cluster.manifests.put(newer(affinity('four', '10.244.77.64/26', { deleted: true })))
    await routerHolds(side, own('fd00:244:77::/122', '10.244.79.5/32'))
    await cluster.manifests.put(labelled(host, {}))
    await sessionsUp(side, 0)
  },
}

const wrongAtStart: Case = {
  name: 'objects: a field that is wrong at the start, with and without what an earlier run left',
  speakers: 'once',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    await cluster.manifests.put(configuration(), ...POOLS, bgpPeer('router', router.ipv4, ROUTER_AS))
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors: [{ address: host.ipv4, asn: CLUSTER_AS }] })
    const routes = podRoutes(host, 1, { transport: 'ipv4' })
    await agent.start()
    await routerHolds(side, routes)

    await agent.stop()
    await cluster.manifests.put(configuration({ asNumber: 'many' }))
    await agent.start()
    await routerHolds(side, routes)
    const said = await agent.act('show', 'status')
    expect(/asNumber.*saved by an earlier run, is in force/.test(said), `show status says ${said}`)

    // The first run of a new node has nothing to fall back on: no session under a number that nobody wrote.
    await agent.stop()
    await rm(agent.socket.replace(/\.sock$/, '.last-good.json'))
    await agent.start()
    await eventually(async () => {
      const text = await agent.act('show', 'protocols', 'all')
      expect(
        /Held: +spec\.asNumber of BGPConfiguration\/default is wrong/.test(text),
        `the neighbor is not held: ${text}`,
      )
    })
    await sessionsUp(side, 0)

    await cluster.manifests.put(configuration())
    await routerHolds(side, routes)
  },
}

export const cases: readonly Case[] = [calicosIpam, newerGroup, lentAddress, wrongAtStart]
