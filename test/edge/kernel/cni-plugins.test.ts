/**
 * Our configuration, carried out by the real reference plugins as a container runtime does: plugin after plugin, each
 * with the result of the one before. A host and its pods are network namespaces. Needs root and the plugins (Debian:
 * containernetworking-plugins).
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import { CNI_PLUGINS, renderConflist } from '../../../src/dataplane/cni.ts'

const PLUGINS = ['/usr/lib/cni', '/opt/cni/bin'].find((folder) => existsSync(join(folder, 'host-local')))
const IP = 'ip'
const POD_CIDRS = ['10.244.1.0/24', 'fd00:244:1::/64'].map((text) => parsePrefix(text) as Prefix)

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root'
  if (PLUGINS === undefined) return 'no CNI plugins here'
  if (spawnSync(IP, ['-V']).status !== 0) return 'no ip here'
  const probe = `godwit-probe-${process.pid}`
  if (spawnSync(IP, ['netns', 'add', probe]).status !== 0) return 'no network namespaces here'
  spawnSync(IP, ['netns', 'delete', probe])
  return undefined
}

interface Result {
  readonly ips: readonly { readonly address: string }[]
}

const why = whyNot()
const title = why === undefined ? 'the reference plugins' : `the reference plugins (${why})`

describe.skipIf(why !== undefined).each(CNI_PLUGINS)(`${title}: %s`, (plugin) => {
  const host = `godwit-host-${plugin}-${process.pid}`
  const pods = [1, 2].map((number) => `godwit-pod${number}-${plugin}-${process.pid}`)
  let state: string

  const inHost = (...argv: readonly string[]) =>
    spawnSync(IP, ['netns', 'exec', host, ...argv], { encoding: 'utf8', timeout: 20_000 })

  function runPlugin(config: Readonly<Record<string, unknown>>, command: 'ADD' | 'DEL', pod: string): string {
    const environment = {
      PATH: process.env.PATH,
      CNI_COMMAND: command,
      CNI_CONTAINERID: pod,
      CNI_NETNS: `/run/netns/${pod}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: PLUGINS,
    }
    const { status, stdout, stderr } = spawnSync(
      IP,
      ['netns', 'exec', host, join(PLUGINS ?? '', String(config.type))],
      { input: JSON.stringify(config), env: environment, encoding: 'utf8', timeout: 20_000 },
    )
    if (status !== 0) throw new Error(`${String(config.type)} ${command}: ${stdout}${stderr}`)
    return stdout
  }

  /** As libcni does it: the list's name and version into every plugin, results handed on. */
  function chain(command: 'ADD' | 'DEL', pod: string): Result {
    const list = JSON.parse(renderConflist(POD_CIDRS, plugin) ?? '')
    let prevResult: Result | undefined
    for (const { capabilities: _, ...one } of command === 'ADD' ? list.plugins : list.plugins.toReversed()) {
      const config = { ...one, name: list.name, cniVersion: list.cniVersion, ...(prevResult && { prevResult }) }
      // Not into this machine's own book of addresses.
      if (config.ipam !== undefined) config.ipam = { ...config.ipam, dataDir: state }
      const output = runPlugin(config, command, pod)
      if (command === 'ADD') prevResult = JSON.parse(output) as Result
    }
    return prevResult ?? { ips: [] }
  }

  const addresses = new Map<string, string[]>()

  beforeAll(async () => {
    state = await mkdtemp(join(tmpdir(), 'godwit-ipam-'))
    for (const name of [host, ...pods]) expect(spawnSync(IP, ['netns', 'add', name]).status).toBe(0)
    inHost('ip', 'link', 'set', 'lo', 'up')
    // What stands on a node while its pod CIDRs are advertised: it must not cut off the pods.
    inHost('ip', 'route', 'add', 'blackhole', '10.244.1.0/24', 'metric', '1024')
    inHost('ip', '-6', 'route', 'add', 'blackhole', 'fd00:244:1::/64', 'metric', '1024')
    for (const pod of pods) {
      const { ips } = chain('ADD', pod)
      addresses.set(
        pod,
        ips.map(({ address }) => address.split('/', 1)[0] ?? ''),
      )
    }
  })

  afterAll(async () => {
    for (const name of [...pods, host]) spawnSync(IP, ['netns', 'delete', name])
    await rm(state, { recursive: true, force: true })
  })

  /** A port that refuses has answered: packets go there and come back. */
  const REFUSED = `
    const socket = require('node:net').connect({ host: process.argv[1], port: 9, timeout: 1000 })
    socket.on('error', ({ code }) => process.exit(code === 'ECONNREFUSED' ? 0 : 1)).on('timeout', () => process.exit(2))`
  const reachesAtOnce = (from: string, address: string): boolean =>
    spawnSync(IP, ['netns', 'exec', from, process.execPath, '-e', REFUSED, address], { timeout: 20_000 }).status === 0
  /** The bridge's own IPv6 address is first looked for on the link for a second or two (RFC 4862 §5.4). */
  const reaches = (from: string, address: string): boolean => [1, 2, 3, 4, 5].some(() => reachesAtOnce(from, address))

  test('every pod has one address of each family, inside the pod CIDRs', () => {
    const all = pods.flatMap((pod) => addresses.get(pod) ?? [])
    expect(all.filter((address) => address.startsWith('10.244.1.'))).toHaveLength(2)
    expect(all.filter((address) => address.startsWith('fd00:244:1:'))).toHaveLength(2)
    expect(new Set(all).size).toBe(4)
  })

  test.each(['IPv4', 'IPv6'])('%s: host to pod, pod to host and pod to pod', (family) => {
    const wanted = (address: string) => address.includes(':') === (family === 'IPv6')
    const [one, two] = pods.map((pod) => addresses.get(pod)?.find(wanted) ?? '')
    for (const address of [one, two]) expect(reaches(host, address ?? ''), `host to ${address}`).toBe(true)
    expect(reaches(pods[0] ?? '', two ?? ''), `${one} to ${two}`).toBe(true)
    const gateway = family === 'IPv4' ? '10.244.1.1' : 'fd00:244:1::1'
    expect(reaches(pods[0] ?? '', gateway), `${one} to the host`).toBe(true)
  })

  test('no rule translates anything, and no tunnel exists', () => {
    expect(inHost('nft', 'list', 'ruleset').stdout ?? '').not.toMatch(/masquerade|snat/)
    const links = inHost('ip', '-d', '-o', 'link').stdout
    expect(links).not.toMatch(/vxlan|ipip|sit mode|gre|wireguard|geneve/)
  })

  test('a pod that goes gives its addresses back', () => {
    chain('DEL', pods[1] ?? '')
    const [one] = pods
    const kept = addresses.get(one ?? '')?.[0] ?? ''
    expect(reaches(host, kept)).toBe(true)
    for (const address of addresses.get(pods[1] ?? '') ?? []) {
      expect(existsSync(join(state, 'godwit', address)), address).toBe(false)
    }
    expect(existsSync(join(state, 'godwit', kept))).toBe(true)
  })
})
