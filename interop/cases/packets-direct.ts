// Five nodes on one link without any session: routes to the pods of others are made of the Node objects alone. A stand-in for
// Felix writes the same ones and takes them away; the cluster moves from a mesh to this and back, while packets flow.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Agent } from '../lab/agent.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { type KubeObject, kubeNode, Manifests } from '../lab/manifests.ts'
import type { Pod } from '../lab/pod.ts'
import { eventually, Hopeless } from '../lab/wait.ts'
import { forward, ip } from '../lab/wire.ts'
import { type Bench, type Case, expect } from './case.ts'
import { FABRIC_LIMIT, GODWIT, needs, podCidr, pool } from './fabric.ts'
import { noTunnel, seenAs } from './packets.ts'
import { type MeshNode, podOnEach } from './packets-mesh.ts'
import { agentSessionsUp, configuration } from './rack.ts'

const NUMBERS = [1, 2, 3, 4, 5] as const
const FELIX = 80
const DIRECT = { nodeToNodeMeshEnabled: false, nodeRoutes: 'Direct' }

class Link {
  readonly manifests: Manifests
  readonly nodes: MeshNode[] = []
  private readonly bench: Bench

  private constructor(bench: Bench) {
    this.bench = bench
    this.manifests = new Manifests(join(bench.lab.directory, 'cluster'))
  }

  static async build(bench: Bench, spec: Readonly<Record<string, unknown>>): Promise<Link> {
    const link = new Link(bench)
    for (const number of NUMBERS) {
      const host = await bench.lab.host(`node-${number}`, 10 + number)
      await forward(host)
      link.nodes.push({ number, host, agent: new Agent(host, link.manifests, { linux: true, cni: 'ptp' }) })
    }
    await link.configure(spec)
    await link.manifests.put(
      ...FAMILIES.map((family) => pool(family)),
      ...link.nodes.map(({ host, number }) => link.node(host, number)),
    )
    await Promise.all(link.nodes.map(({ agent }) => agent.start()))
    return link
  }

  node(host: Pick<Host, 'name' | Family>, number: number): KubeObject {
    const cidrs = FAMILIES.map((family) => podCidr(number, family))
    return kubeNode(host, cidrs)
  }

  configure(spec: Readonly<Record<string, unknown>>): Promise<void> {
    return this.manifests.put(configuration(spec))
  }

  of(number: number): MeshNode {
    const found = this.nodes.find((node) => node.number === number)
    if (found === undefined) throw new Error(`no node ${number}`)
    return found
  }

  pods(): Promise<readonly Pod[]> {
    return podOnEach(this.bench, this.nodes)
  }
}

/** All routes of exactly this prefix, whoever wrote them. */
const routesTo = async (from: Host, prefix: string, family: Family): Promise<readonly string[]> => {
  const flag = family === 'ipv4' ? '-4' : '-6'
  const listed = await from.must(['ip', flag, '-o', 'route', 'show', 'exact', prefix])
  return listed.split('\n').filter((line) => line.trim() !== '')
}

/** Every prefix of another node has one route, of this owner, straight to that node. */
const oneOwner = async (link: Link, owner: number, on: readonly MeshNode[] = link.nodes): Promise<void> => {
  for (const from of on) {
    for (const to of link.nodes.filter((node) => node !== from)) {
      for (const family of FAMILIES) {
        const prefix = podCidr(to.number, family)
        const routes = await routesTo(from.host, prefix, family)
        const [only] = routes
        const isRight = only?.includes(` via ${to.host.address(family)} `) === true && only.includes(` proto ${owner} `)
        expect(routes.length === 1 && isRight, `${from.host.name} to ${prefix}: ${routes.join('; ') || 'no route'}`)
      }
    }
  }
}

const settled = (link: Link, owner: number, on?: readonly MeshNode[]): Promise<void> =>
  eventually(() => oneOwner(link, owner, on), { within: 60_000, every: 500 })

/** Around the ring, in both families. */
const allReached = async (pods: readonly Pod[]): Promise<void> => {
  for (const family of FAMILIES) {
    for (const [index, pod] of pods.entries()) {
      const next = pods[(index + 1) % pods.length] ?? pod
      await eventually(() => seenAs(pod.host, next[family], pod[family]), { within: 20_000 })
    }
  }
}

/** Fifty a second, until it is asked what came back. */
class Ping {
  private readonly log: string
  private readonly end: () => Promise<void>

  constructor(from: Host, address: string) {
    const name = `ping-${address.replaceAll(/[.:]/g, '-')}`
    const daemon = from.start(name, ['ping', '-n', '-i', '0.02', '-W', '1', address])
    this.log = daemon.log
    this.end = () => daemon.stop('SIGINT')
  }

  async lossless(): Promise<void> {
    // On a quick machine everything is over before there was much to lose.
    await eventually(async () => {
      const lines = (await readFile(this.log, 'utf8')).split('\n').length
      expect(lines > 110, `${this.log}: ${lines} lines`)
    })
    await this.end()
    const said = await readFile(this.log, 'utf8')
    const [, sent = '0', back = '0'] = /(\d+) packets transmitted, (\d+) received/.exec(said) ?? []
    // The last one may be under way when it ends.
    expect(Number(sent) > 100 && Number(sent) - Number(back) <= 1, `${this.log}: ${back} of ${sent} came back`)
  }
}

const problems = async ({ agent }: MeshNode): Promise<string> => {
  const { notAsWanted } = await agent.show<{ readonly notAsWanted: readonly { readonly text: string }[] }>('status')
  return notAsWanted.map(({ text }) => text).join('\n')
}

const felixWrites = (link: Link, { host }: MeshNode, action: 'add' | 'del'): Promise<string> =>
  ip(
    host,
    link.nodes
      .filter((node) => node.host !== host)
      .flatMap((node) =>
        FAMILIES.map(
          (family) =>
            `route ${action} ${podCidr(node.number, family)} via ${node.host.address(family)} dev eth0 proto ${FELIX}`,
        ),
      ),
  )

const direct: Case = {
  name: 'packets: five nodes on one link, nodeRoutes Direct and no session',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const link = await Link.build(bench, DIRECT)
    const pods = await link.pods()
    await settled(link, GODWIT)
    for (const { agent } of link.nodes) await agentSessionsUp(agent, 0)
    await allReached(pods)
    await noTunnel(bench)

    // Another address of a node: its pods are reached by that one.
    const moved = link.of(5)
    await moved.host.must(['ip', 'address', 'add', '10.77.0.115/24', 'dev', 'eth0'])
    await link.manifests.put(link.node({ name: moved.host.name, ipv4: '10.77.0.115', ipv6: moved.host.ipv6 }, 5))
    await eventually(async () => {
      const [only = ''] = await routesTo(link.of(1).host, podCidr(5, 'ipv4'), 'ipv4')
      expect(only.includes(' via 10.77.0.115 '), `the address is another one, and node-1 goes ${only}`)
    })
    await allReached(pods)
    await link.manifests.put(link.node(moved.host, 5))
    await settled(link, GODWIT)

    // A Node that is deleted takes its routes along; the others stay.
    await link.manifests.remove(link.node(moved.host, 5))
    await eventually(async () => {
      for (const family of FAMILIES) {
        const left = await routesTo(link.of(1).host, podCidr(5, family), family)
        expect(left.length === 0, `node-5 is gone, and node-1 still has ${left.join()}`)
      }
    })
    await allReached(pods.slice(0, 4))
    await link.manifests.put(link.node(moved.host, 5))
    await settled(link, GODWIT)
    await allReached(pods)
  },
}

const besideFelix: Case = {
  name: 'packets: nodeRoutes Direct, and a stand-in for Felix that writes the same routes and takes them away',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench, 'ping')
    const link = await Link.build(bench, DIRECT)
    const pods = await link.pods()
    await settled(link, GODWIT)
    const [one, two] = [pods[0], pods[1]]
    if (one === undefined || two === undefined) throw new Hopeless('no pods')
    const pings = FAMILIES.map((family) => new Ping(one.host, two[family]))
    // programClusterRoutes first: ours stay until Felix has written its own.
    await link.configure({ ...DIRECT, nodeRoutes: 'BGP', programClusterRoutes: 'Disabled' })
    await eventually(async () => {
      const said = await problems(link.of(1))
      expect(!/nodeRoutes/.test(said), said)
    })
    await settled(link, GODWIT)
    await felixWrites(link, link.of(1), 'add')
    await settled(link, FELIX, [link.of(1)])
    await settled(link, GODWIT, link.nodes.slice(1))
    await allReached(pods)
    for (const ping of pings) await ping.lossless()

    // Both: Felix has node-1, and Direct is asked for; each prefix still has one owner, and it is said.
    await link.configure(DIRECT)
    await eventually(async () => {
      const said = await problems(link.of(1))
      expect(/of Calico \(protocol 80\), which stays/.test(said), said)
    })
    await settled(link, FELIX, [link.of(1)])
    await allReached(pods)
    await felixWrites(link, link.of(1), 'del')
    await settled(link, GODWIT)
    await allReached(pods)
  },
}

const moving: Case = {
  name: 'packets: from a mesh to nodeRoutes Direct and back loses no packet',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench, 'ping')
    const link = await Link.build(bench, { nodeToNodeMeshEnabled: true })
    const pods = await link.pods()
    const meshUp = async () => {
      for (const { agent } of link.nodes) await agentSessionsUp(agent, 4, { within: 60_000 })
    }
    await meshUp()
    await settled(link, GODWIT)
    const [one, three] = [pods[0], pods[2]]
    if (one === undefined || three === undefined) throw new Hopeless('no pods')
    const pings = FAMILIES.map((family) => new Ping(one.host, three[family]))
    await link.configure({ nodeToNodeMeshEnabled: true, nodeRoutes: 'Direct' })
    for (const { agent } of link.nodes) {
      await eventually(async () => {
        const said = await agent.act('show', 'route', 'protocol', 'node_route')
        expect(said.includes(podCidr(agent === link.of(1).agent ? 2 : 1, 'ipv4')), `${agent.host.name}: ${said}`)
      })
    }
    await link.configure(DIRECT)
    for (const { agent } of link.nodes) await agentSessionsUp(agent, 0)
    await settled(link, GODWIT)
    await allReached(pods)
    // Back in one step: each route stays until a neighbor has advertised it.
    await link.configure({ nodeToNodeMeshEnabled: true })
    await meshUp()
    await settled(link, GODWIT)
    await allReached(pods)
    for (const ping of pings) await ping.lossless()
  },
}

export const cases: readonly Case[] = [direct, besideFelix, moving]
