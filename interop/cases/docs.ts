// The pages for users: every command of `godwit`, `ip` and `nft` in them is typed as it stands there, by a shell, on a node
// that has what the pages speak of.

import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Agent, MAIN } from '../lab/agent.ts'
import type { Host, Lab } from '../lab/lab.ts'
import { bgpPeer, endpointSlice, ipPool, type KubeObject, kubeNode, Manifests, service } from '../lab/manifests.ts'
import { NOT_RUN, pageCommands, programOf } from '../lab/pages.ts'
import { has } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import type { Speaker } from '../speakers/speaker.ts'
import { type Case, expect, Skip } from './case.ts'
import { agentSessionsUp, CLUSTER_AS, configuration, ROUTER_AS } from './rack.ts'

const RACK = fileURLToPath(new URL('../../deploy/examples/rack/cluster.yaml', import.meta.url))

/** The neighbors of the pages: one of all nodes, and one of the rack of this node. */
const ROUTERS = [
  { name: 'router', number: 1, address: '10.0.0.1', node: '10.0.0.11' },
  { name: 'rack-1-a', number: 2, address: '10.0.1.2', node: '10.0.1.11' },
] as const

/** What the pages say with a word that stands for something. */
const fillIn = (line: string, place: Readonly<Record<string, string>>): string =>
  Object.entries(place).reduce((text, [word, value]) => text.replaceAll(word, value), line)

/** One that stays up: it is run for itself. */
const isAgent = (line: string): boolean => line.startsWith('godwit agent ')
/** It needs an API server: test/cli/check.test.ts has one. */
const needsCluster = (line: string): boolean => line.startsWith('godwit check kubernetes')

const addressOn = (host: Host, address: string): Promise<string> =>
  host.must(['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0'])

const objectsOf = (node: Host): readonly KubeObject[] => [
  kubeNode({ name: node.name, ipv4: '10.0.0.11', ipv6: node.ipv6 }, ['10.244.1.0/24', 'fd00:244:1::/64'], {
    rack: '1',
  }),
  configuration({ serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }] }),
  ipPool('pods-v4', '10.244.0.0/16', { natOutgoing: true }),
  ipPool('pods-v6', 'fd00:244::/32'),
  bgpPeer('router', '10.0.0.1', ROUTER_AS),
  bgpPeer('rack-1-a', '10.0.1.2', ROUTER_AS + 1, { nodeSelector: "rack == '1'" }),
  service({
    name: 'web',
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.10'],
    loadBalancerIPs: ['192.0.2.10'],
    externalTrafficPolicy: 'Local',
  }),
  endpointSlice('web', 'IPv4', [{ address: '10.244.1.5', node: node.name }]),
]

/** `godwit` in the path of a shell, which asks the agent of that node. */
async function shellOf(host: Host, socket: string): Promise<(line: string) => Promise<string>> {
  const folder = join(host.directory, 'shell')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'godwit'), `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`, { mode: 0o755 })
  for (const name of ['bgp.yaml', 'before.yaml', 'calico.yaml']) await copyFile(RACK, join(folder, name))
  const env = { PATH: `${folder}:${process.env.PATH}`, GODWIT_SOCKET: socket }
  return async (line) => {
    const { code, stdout, stderr } = await host.run(['sh', '-c', line], { env, cwd: folder })
    expect(code === 0, `\`${line}\` ends with ${code}: ${stderr || stdout}`)
    return stdout
  }
}

/** Each advertises a prefix of its own inside the pools, and one outside of them. */
async function startRouters(lab: Lab, node: Host, speaker: Speaker): Promise<void> {
  for (const [index, { name, number, address, node: own }] of ROUTERS.entries()) {
    const host = await lab.host(name, number)
    await addressOn(host, address)
    await addressOn(node, own)
    await speaker.start(host, {
      asn: ROUTER_AS + index,
      neighbors: [{ address: own, asn: CLUSTER_AS, families: ['ipv4'] }],
      networks: [{ prefix: `10.244.20${number}.0/24` }, { prefix: '172.16.0.0/16' }],
    })
  }
}

const docs: Case = {
  name: 'docs: every command of the pages for users runs as it stands there',
  speakers: 'frr',
  async run({ lab, speaker }) {
    if (!(await has('nft'))) throw new Skip('nft is not installed')
    const node = await lab.host('worker-1', 11)
    await node.must(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
    const manifests = new Manifests(join(lab.directory, 'cluster'))
    await manifests.put(...objectsOf(node))
    await startRouters(lab, node, speaker)
    const agent = new Agent(node, manifests, { linux: true })
    await agent.start()
    await agentSessionsUp(agent, ROUTERS.length)
    for (const what of ['filtered protocol', 'noexport']) {
      await eventually(async () => {
        const rows = await agent.show<readonly unknown[]>('route', ...what.split(' '), 'Global_10_0_0_1')
        expect(rows.length > 0, `show route ${what} has nothing yet`)
      })
    }

    const type = await shellOf(node, agent.socket)
    const place = { NUMBER: '171', '/etc/godwit': manifests.directory, '/run/godwit': node.directory }
    const ours = pageCommands().filter((command) => NOT_RUN[programOf(command)] === undefined)
    const asks = ours.filter((command) => programOf(command) === 'godwit')
    for (const { line } of asks.filter(({ line }) => !isAgent(line) && !needsCluster(line))) {
      expect((await type(fillIn(line, place))) !== '', `\`${line}\` says nothing`)
    }

    // The rest changes the kernel, and takes away what the agent leaves there.
    await agent.stop()
    expect((await node.must(['ip', 'route', 'show', 'proto', '171'])) !== '', 'no route is left to take away')
    const rest = ours.filter((command) => !asks.includes(command)).map(({ line }) => fillIn(line, place))
    for (const line of new Set(rest)) {
      // Two pages take the table away, each its own way: it is there for the second as well.
      if (line.includes('nft delete')) await node.must(['nft', 'add', 'table', 'inet', 'godwit'])
      await type(line)
    }
    for (const family of ['-4', '-6']) {
      const left = await node.must(['ip', family, 'route', 'show', 'table', 'all', 'proto', '171'])
      expect(left === '', `routes are left: ${left}`)
    }
    expect(!(await node.must(['nft', 'list', 'tables'])).includes('godwit'), 'the table is left')

    for (const { line } of asks.filter(({ line }) => isAgent(line))) {
      // The machine has another name than the node.
      const setting = `PATH=${join(node.directory, 'shell')}:$PATH NODE_NAME=${node.name}`
      const run = node.start('page', ['sh', '-c', `${setting} exec ${fillIn(line, place)} --control ${agent.socket}`])
      await eventually(async () => {
        const status = JSON.parse(await readFile(join(node.directory, 'status.json'), 'utf8')) as KubeObject
        expect(status.kind === 'BGPNodeStatus' && status.metadata.name === node.name, 'no status of this node yet')
      })
      await run.stop()
    }
  },
}

export const cases: readonly Case[] = [docs]
