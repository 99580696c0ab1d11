// Whoever else works on a node keeps what is theirs: kube-proxy its rules in each of its modes, BIRD and FRR their routes.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask } from '../lab/ask.ts'
import { type KubeProxy, PROXIES } from '../lab/kube-proxies.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { has } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import { kernelRoutes } from '../lab/wire.ts'
import { type Case, expect, Skip } from './case.ts'
import { FABRIC_LIMIT, GODWIT, needs, pool } from './fabric.ts'
import { buildMesh, type MeshNode, type MeshScene, podOnEach } from './packets-mesh.ts'
import { SERVICE_CIDRS } from './packets-services.ts'

const WEB = { ipv4: '10.96.0.80', ipv6: 'fd96::80' }
const PODS = { ipv4: '10.244.0.0/16', ipv6: 'fd00:244::/32' }

/** All that our agent does to a node: NAT on, NAT repaired, killed and started again, NAT off. */
const agentAtWork = async ({ manifests }: MeshScene, { host, agent }: MeshNode): Promise<void> => {
  const table = (words: string) => host.run(['nft', words, 'table', 'inet', 'godwit'])
  const written = () => eventually(async () => expect((await table('list')).code === 0, 'our NAT table is not there'))
  await manifests.put(...FAMILIES.map((family) => pool(family, { natOutgoing: true })))
  await written()
  await table('delete')
  await written()
  await agent.kill()
  await agent.start()
  await eventually(
    async () => {
      const all = await agent.protocols()
      expect(all.length > 0 && all.every(({ state }) => state === 'Established'), 'not all sessions are up again')
    },
    { every: 500 },
  )
}

const noServiceRoute = async (host: Host): Promise<void> => {
  const ours = await kernelRoutes(host, GODWIT)
  const found = ours.find((line) => line.includes('10.96.') || line.includes('fd96:'))
  expect(found === undefined, `${host.name} has a route of ours for services: ${found}`)
}

const beside = (proxy: KubeProxy): Case => ({
  name: `packets: kube-proxy with ${proxy.mode} beside us keeps its rules, and its services answer`,
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const why = await proxy.whyNot()
    if (why !== undefined) throw new Skip(why)
    const scene = await buildMesh(bench, SERVICE_CIDRS)
    const { nodes, outside } = scene
    const pods = await podOnEach(bench, nodes)
    const services = FAMILIES.map((family) => ({
      address: WEB[family],
      endpoints: pods.slice(1).map((pod) => pod[family]),
      pods: PODS[family],
    }))
    for (const { host } of nodes) await proxy.serve(host, services)
    const [node, pod] = [nodes[0], pods[0]]
    if (node === undefined || pod === undefined) throw new Error('no nodes')
    const answers = async (family: Family): Promise<void> => {
      const { client } = await ask(pod.host, WEB[family], 80)
      expect(client === pod[family], `a pod's connection to ${WEB[family]} is seen as ${client}`)
      if (!proxy.masquerades) return
      const seen = await ask(outside, WEB[family], 80)
      const addresses = await Promise.all(nodes.map(({ host }) => host.must(['ip', '-o', 'address', 'show'])))
      const isNode = addresses.some((text) => text.includes(` ${seen.client}/`))
      expect(isNode, `from outside ${WEB[family]} is seen as ${seen.client}, which is no node`)
    }
    for (const family of FAMILIES) await eventually(() => answers(family))
    const before = await proxy.rules(node.host)
    await agentAtWork(scene, node)
    for (const family of FAMILIES) await answers(family)
    expect((await proxy.rules(node.host)) === before, "kube-proxy's rules are others")
    await noServiceRoute(node.host)
  },
})

const THEIRS = { ipv4: '198.51.100.0/24', ipv6: '2001:db8:99::/48' }

/** A daemon with one route of each family of its own. */
interface Other {
  readonly name: string
  readonly protocol: number
  readonly program: string
  start(host: Host, router: Host): Promise<void>
}

const bird: Other = {
  name: 'BIRD',
  protocol: 12,
  program: 'bird',
  async start(host, router) {
    const file = join(host.directory, 'beside.conf')
    const static4 = `protocol static four { ipv4; route ${THEIRS.ipv4} via ${router.ipv4}; }`
    const static6 = `protocol static six { ipv6; route ${THEIRS.ipv6} via ${router.ipv6}; }`
    const kernel = ['ipv4', 'ipv6'].map((family) => `protocol kernel { ${family} { import none; export all; }; }`)
    await writeFile(file, ['router id 192.0.2.1;', 'protocol device {}', static4, static6, ...kernel, ''].join('\n'))
    const place = ['-s', join(host.directory, 'beside.ctl'), '-P', join(host.directory, 'beside.pid')]
    host.start('beside-bird', ['bird', '-f', '-c', file, ...place])
  },
}

const frr: Other = {
  name: 'FRR',
  protocol: 196,
  program: 'staticd',
  async start(host, router) {
    const common = ['-z', join(host.directory, 'zserv.api'), '--vty_socket', host.directory, '-P', '0']
    const configs = {
      zebra: '',
      staticd: `ip route ${THEIRS.ipv4} ${router.ipv4}\nipv6 route ${THEIRS.ipv6} ${router.ipv6}\n`,
    }
    for (const [name, config] of Object.entries(configs)) {
      const file = join(host.directory, `${name}.conf`)
      await writeFile(file, config, { mode: 0o644 })
      const pid = join(host.directory, `${name}.pid`)
      host.start(`beside-${name}`, [`/usr/lib/frr/${name}`, '-i', pid, ...common, '-f', file])
    }
  },
}

const keepsRoutes = ({ name, protocol, program, start }: Other): Case => ({
  name: `packets: ${name} beside us keeps its routes, and we keep ours`,
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    if (!(await has(program))) throw new Skip(`${program} is not installed`)
    const scene = await buildMesh(bench)
    const [node] = scene.nodes
    if (node === undefined) throw new Error('no nodes')
    const { host } = node
    const ours = await kernelRoutes(host, GODWIT)
    await start(host, scene.router)
    const theirs = () => kernelRoutes(host, protocol)
    await eventually(async () => {
      const routes = (await theirs()).join('\n')
      for (const family of FAMILIES)
        expect(routes.includes(`${THEIRS[family]} `), `${name} has not written ${THEIRS[family]}`)
    })
    const before = await theirs()
    expect((await kernelRoutes(host, GODWIT)).join('\n') === ours.join('\n'), `${name} changed our routes by its start`)
    await agentAtWork(scene, node)
    expect((await theirs()).join('\n') === before.join('\n'), `the routes of ${name} are others`)
    expect((await kernelRoutes(host, GODWIT)).join('\n') === ours.join('\n'), 'our routes are others')
  },
})

export const cases: readonly Case[] = [...PROXIES.map(beside), keepsRoutes(bird), keepsRoutes(frr)]
