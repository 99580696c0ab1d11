// Links without addresses: neighbors that are known by an interface or a link-local address alone, IPv4 over IPv6 next hops,
// and the kernel's routes that come of it.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { Agent } from '../lab/agent.ts'
import { answer, ask } from '../lab/ask.ts'
import { FAMILIES, type Family, type Host, type Lab } from '../lab/lab.ts'
import { bgpPeer, type KubeObject, kubeNode, Manifests } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { forward, ip, kernelRoutes, wire } from '../lab/wire.ts'
import { featureOf } from '../speakers/features.ts'
import type { Network } from '../speakers/speaker.ts'
import { type Case, type Expected, expect, routerHolds } from './case.ts'
import { GODWIT, podCidr } from './fabric.ts'
import { agentHolds, agentSessionsUp, CLUSTER_AS, configuration, POOLS, ROUTER_AS } from './rack.ts'

const NODE = 'fe80::11'
const ROUTER = 'fe80::1'
const EXAMPLE = fileURLToPath(new URL('../../deploy/examples/unnumbered/', import.meta.url))

/** One network of each family, answered by the router itself. */
const NETWORKS: readonly Network[] = [{ prefix: '10.244.201.0/24' }, { prefix: 'fd00:244:201::/64' }]
const ROUTER_HAS: Readonly<Record<Family, string>> = { ipv4: '10.244.201.1/32', ipv6: 'fd00:244:201::1/128' }
const NODE_HAS: Readonly<Record<Family, string>> = { ipv4: '10.244.1.1/32', ipv6: 'fd00:244:1::1/128' }
const bare = (address: string): string => address.split('/')[0] ?? ''

/** A cable whose ends have a link-local address and nothing else, each the same whatever its hardware is called. */
const cable = async (node: Host, name: string, router: Host, port = 'swp1'): Promise<void> => {
  await wire({ host: node, name }, { host: router, name: port })
  for (const [host, end, address] of [
    [node, name, NODE],
    [router, port, ROUTER],
  ] as const) {
    await ip(host, [`link set ${end} addrgenmode none`, `address flush dev ${end}`])
    await ip(host, [`address add ${address}/64 dev ${end} scope link nodad`])
  }
}

interface Scene {
  readonly node: Host
  readonly router: Host
  readonly agent: Agent
  readonly manifests: Manifests
}

/** A node that knows its InternalIP and no network, and a router, one cable between them. */
const scene = async (lab: Lab, routerIpv6 = ROUTER): Promise<Scene> => {
  const node = await lab.bare('node-1', { ipv4: '10.77.0.11', ipv6: '' })
  const router = await lab.bare('router', { ipv4: '10.77.0.1', ipv6: routerIpv6 })
  await cable(node, 'eth0', router)
  for (const [host, has] of [
    [node, NODE_HAS],
    [router, ROUTER_HAS],
  ] as const) {
    await forward(host)
    await ip(
      host,
      FAMILIES.map((family) => `address add ${has[family]} dev lo`),
    )
  }
  const manifests = new Manifests(join(lab.directory, 'cluster'))
  await manifests.put(
    configuration(),
    ...POOLS,
    kubeNode(
      node,
      FAMILIES.map((family) => podCidr(1, family)),
    ),
  )
  return { node, router, manifests, agent: new Agent(node, manifests, { linux: true }) }
}

const peer = (name: string, spec: Readonly<Record<string, unknown>>): KubeObject => {
  const object = bgpPeer(name, '', 0)
  return { ...object, spec }
}

const learned = (families: readonly Family[] = FAMILIES): readonly Expected[] =>
  NETWORKS.filter((_, index) => families.includes(FAMILIES[index] as Family)).map(({ prefix }) => ({
    prefix,
    nextHop: `${ROUTER}%eth0`,
    from: `${ROUTER}%eth0`,
    asPath: String(ROUTER_AS),
  }))

const told = (from: string): readonly Expected[] =>
  FAMILIES.map((family) => ({ prefix: podCidr(1, family), nextHop: NODE, from, asPath: String(CLUSTER_AS) }))

const ours = async (node: Host): Promise<readonly string[]> =>
  (await kernelRoutes(node, GODWIT)).filter((line) => !line.startsWith('blackhole'))

const kernelHas = (node: Host, expected: readonly RegExp[]): Promise<void> =>
  eventually(async () => {
    const lines = await ours(node)
    const fits = lines.length === expected.length && expected.every((one) => lines.some((line) => one.test(line)))
    expect(fits, `the kernel of ${node.name} has ${lines.join('; ') || 'no route of ours'}`)
  })

const WRITTEN = [
  /^10\.244\.201\.0\/24 via inet6 fe80::1 dev eth0 metric 1024/,
  /^fd00:244:201::\/64 via fe80::1 dev eth0 metric 1025/,
]

/** Packets there and back, between addresses that only BGP has made known. */
const reaches = async ({ node, router }: Scene): Promise<void> => {
  for (const family of FAMILIES) {
    const { client } = await eventually(() => ask(router, bare(NODE_HAS[family])))
    expect(client === bare(ROUTER_HAS[family]), `${node.name} was asked by ${client}`)
  }
  const own = await node.must(['ip', '-4', 'address', 'show', 'dev', 'eth0'])
  expect(own.trim() === '', `the link has an IPv4 address: ${own}`)
}

const saysWhy = (agent: Agent, words: RegExp): Promise<void> =>
  eventually(async () => {
    const said = await agent.act('show', 'protocols')
    expect(words.test(said), `it does not say why: ${said}`)
  })

const frrConfig = (name: string): string =>
  [
    'frr defaults traditional',
    `hostname ${name}`,
    'log stdout informational',
    `router bgp ${ROUTER_AS}`,
    ' bgp router-id 10.77.0.1',
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ' no bgp network import-check',
    ' neighbor swp1 interface remote-as external',
    ' neighbor swp1 timers connect 1',
    ' neighbor swp1 advertisement-interval 0',
    ...FAMILIES.flatMap((family, index) => [
      ` address-family ${family} unicast`,
      `  network ${NETWORKS[index]?.prefix}`,
      '  neighbor swp1 activate',
      ' exit-address-family',
    ]),
    'exit',
    '',
  ].join('\n')

const byInterface: Case = {
  name: 'unnumbered: an interface on both sides, found by router advertisements',
  speakers: 'frr',
  async run({ lab, speaker }) {
    const all = await scene(lab)
    const { node, router, agent, manifests } = all
    await manifests.put(peer('router', { interface: 'eth0', remoteAS: 'external' }))
    const raw = frrConfig(router.name)
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors: [], raw, kernel: true })
    await answer(node)
    await agent.start()
    await agentSessionsUp(agent, 1)
    await agentHolds(agent, learned())
    await routerHolds(side, told(NODE))
    await kernelHas(node, WRITTEN)
    await reaches(all)
    expect((await agent.protocols())[0]?.name === 'Global_eth0', 'it is called Global_eth0')

    await ip(router, ['link set swp1 down'])
    await agentHolds(agent, [], { within: 5_000 })
    await kernelHas(node, [])
    await saysWhy(agent, /Global_eth0 .* Held: eth0 is down/)
    await ip(router, ['link set swp1 up', `address replace ${ROUTER}/64 dev swp1 scope link nodad`])
    await agentHolds(agent, learned())
    await routerHolds(side, told(NODE))
    await kernelHas(node, WRITTEN)
    await reaches(all)
  },
}

const byAddress: Case = {
  name: 'unnumbered: link-local addresses on both sides',
  speakers: 'each',
  lacking: ({ kind }) => (kind === 'openbgpd' ? 'portable OpenBGPD throws link-local next hops away' : undefined),
  async run({ lab, speaker }) {
    const isFrr = speaker.kind === 'frr'
    const isGobgp = speaker.kind === 'gobgp'
    const all = await scene(lab, isGobgp ? `${ROUTER}%swp1` : ROUTER)
    const { node, router, agent, manifests } = all
    await manifests.put(bgpPeer('router', `${ROUTER}%eth0`, ROUTER_AS))
    const features = isGobgp ? [] : [featureOf(speaker, 'extendedNextHop')]
    const networks = isGobgp ? [] : NETWORKS
    const interfaced = { session: [...(features[0]?.session ?? []), 'interface swp1'] }
    const side = await speaker.start(router, {
      asn: ROUTER_AS,
      neighbors: [
        isFrr
          ? { address: NODE, asn: CLUSTER_AS, features: [interfaced] }
          : { address: `${NODE}%swp1`, asn: CLUSTER_AS, features },
      ],
      networks,
      kernel: true,
    })
    await agent.start()
    await agentSessionsUp(agent, 1)
    await routerHolds(side, told(speaker.kind === 'bird' ? `${NODE}%swp1` : NODE))
    // Its networks of its own need a next hop without an interface in its name, which the lab does not give it here.
    if (isGobgp) return
    await agentHolds(agent, learned())
    await kernelHas(node, WRITTEN)
  },
}

const documents = async (file: string): Promise<readonly KubeObject[]> =>
  parseAllDocuments(await readFile(join(EXAMPLE, file), 'utf8')).map((one) => one.toJS() as KubeObject)

const DEFAULTS = ['default', '::/0|default']

/** The very same link-local address is at the end of both cables. */
const example: Case = {
  name: 'unnumbered: the example, two cables to two routers, as written',
  speakers: 'frr',
  async run({ lab, speaker }) {
    const node = await lab.bare('node-1', { ipv4: '10.77.0.11', ipv6: '' })
    await forward(node)
    const manifests = new Manifests(join(lab.directory, 'cluster'))
    await manifests.put(
      ...(await documents('bgp.yaml')),
      kubeNode(
        node,
        FAMILIES.map((family) => podCidr(1, family)),
      ),
    )
    const raw = await readFile(join(EXAMPLE, 'frr.conf'), 'utf8')
    const sides = []
    for (const number of [1, 2]) {
      const router = await lab.bare(`router-${number}`, { ipv4: `10.0.0.${number}`, ipv6: '' })
      await forward(router)
      await cable(node, `eth${number - 1}`, router)
      const own = raw.replace('10.0.0.1', `10.0.0.${number}`)
      sides.push(await speaker.start(router, { asn: ROUTER_AS, neighbors: [], raw: own, kernel: true }))
    }
    const agent = new Agent(node, manifests, { linux: true })
    await agent.start()
    await agentSessionsUp(agent, 2)
    for (const side of sides) {
      const services = ['192.0.2.0/24', '2001:db8:2::/64'].map((prefix) => ({ prefix, nextHop: NODE, from: NODE }))
      await routerHolds(side, [...told(NODE), ...services])
    }
    const both = 'nexthop via (?:inet6 )?fe80::1 dev eth0 weight 1.*nexthop via (?:inet6 )?fe80::1 dev eth1 weight 1'
    const shared = DEFAULTS.map((prefix) => new RegExp(`^(?:${prefix}) .*${both}`))
    await kernelHas(node, shared)
    await ip(node, ['link set eth1 down'])
    await kernelHas(
      node,
      DEFAULTS.map((prefix) => new RegExp(`^(?:${prefix}) via (?:inet6 )?fe80::1 dev eth0 `)),
    )
    await saysWhy(agent, /Global_eth1 .* Held: eth1 is down/)
  },
}

export const cases: readonly Case[] = [byInterface, byAddress, example]
