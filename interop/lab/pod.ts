// Pods as a container runtime makes them: a namespace, and the reference CNI plugins run one after the other with what
// stands in the node's configuration.

import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Agent } from './agent.ts'
import type { Family, Host, Lab } from './lab.ts'
import { must, run } from './run.ts'
import { eventually } from './wait.ts'

const PLUGINS = '/usr/lib/cni'

export const whyNoPlugins = async (): Promise<string | undefined> => {
  const names: readonly string[] = await readdir(PLUGINS).catch(() => [])
  const missing = ['ptp', 'bridge', 'host-local', 'portmap'].filter((name) => !names.includes(name))
  return missing.length === 0 ? undefined : `containernetworking-plugins is not installed: no ${missing.join(', ')}`
}

type Json = Readonly<Record<string, unknown>>

interface Conflist {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly (Json & { readonly type: string })[]
}

/** The first list in the folder that the agent writes into, as a runtime takes it. */
const conflistOf = async (agent: Agent): Promise<Conflist> => {
  const folder = agent.cniDirectory
  const file = (await readdir(folder)).filter((name) => /\.conflist$/.test(name)).sort()[0]
  if (file === undefined) throw new Error(`no CNI configuration in ${folder}`)
  return JSON.parse(await readFile(join(folder, file), 'utf8')) as Conflist
}

// Each node has a /var/lib/cni of its own: the plugins remember there which addresses are given out.
const RUN_PLUGIN = 'mount --bind "$1" /var/lib && exec "$2"'

const runPlugin = async (
  node: Host,
  type: string,
  environment: Record<string, string>,
  input: Json,
): Promise<string> => {
  const memory = join(node.directory, 'var-lib')
  await mkdir(memory, { recursive: true })
  const argv = node.inside(['sh', '-c', RUN_PLUGIN, 'sh', memory, join(PLUGINS, type)])
  const outcome = await run(argv, { env: environment, input: JSON.stringify(input) })
  if (outcome.code !== 0) throw new Error(`CNI plugin ${type} on ${node.name}: ${outcome.stdout || outcome.stderr}`)
  return outcome.stdout
}

export interface Pod {
  readonly host: Host
  readonly node: Host
  /** Empty where the node has no pod CIDR of the family. */
  readonly ipv4: string
  readonly ipv6: string
}

interface CniResult {
  readonly ips?: readonly { readonly address: string }[]
}

/** CNI_COMMAND=ADD for each plugin of the list, each with the result of the one before. */
export const addPod = async (lab: Lab, agent: Agent, name: string): Promise<Pod> => {
  const node = agent.host
  const list = await eventually(() => conflistOf(agent))
  const inside = await lab.bare(name, { ipv4: '', ipv6: '' })
  const environment = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: name,
    CNI_NETNS: `/run/netns/${inside.namespace}`,
    CNI_IFNAME: 'eth0',
    CNI_PATH: PLUGINS,
  }
  let result: string | undefined
  for (const plugin of list.plugins) {
    const previous = result === undefined ? {} : { prevResult: JSON.parse(result) as Json }
    const input = { cniVersion: list.cniVersion, name: list.name, ...plugin, ...previous }
    const said = await runPlugin(node, plugin.type, environment, input)
    if (said.trim() !== '') result = said
  }
  const addresses = ((JSON.parse(result ?? '{}') as CniResult).ips ?? []).map(
    ({ address }) => address.split('/')[0] ?? '',
  )
  const of = (family: Family) => addresses.find((address) => address.includes(':') === (family === 'ipv6')) ?? ''
  return { host: inside, node, ipv4: of('ipv4'), ipv6: of('ipv6') }
}

/** Kinds of all links of a host: `veth`, `bridge`; nothing for the loopback. */
export const linkKinds = async (host: Host): Promise<readonly string[]> => {
  const links = JSON.parse(await must(['ip', '-n', host.namespace, '-d', '-j', 'link', 'show'])) as {
    ifname: string
    link_type?: string
    linkinfo?: { info_kind?: string }
  }[]
  return links.filter(({ ifname }) => ifname !== 'lo').map((link) => link.linkinfo?.info_kind ?? link.link_type ?? '?')
}
