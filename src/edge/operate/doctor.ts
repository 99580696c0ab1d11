/** `godwit doctor`: checks this machine, and prints what prevents routing and how to fix it. Changes nothing. */
import { readdir, readFile } from 'node:fs/promises'
import { type KernelRoute, MAIN_TABLE, ownerOf } from '../../dataplane/kernel.ts'
import type { Link } from '../../dataplane/links.ts'
import type { Input } from '../../engine/input.ts'
import type { NodeRouteGaps } from '../../show/view.ts'
import { Rtnetlink } from '../kernel/rtnetlink.ts'
import { signatures } from '../signatures.ts'
import { whyNotListen } from './bgp-port.ts'
import { type DoctorFacts, examine, type Finding, type InterfaceFacts } from './doctor-checks.ts'
import { gatherNft } from './nft-facts.ts'
import { nodeRouteFindings } from './node-route-findings.ts'
import { misroutedPods } from './pod-routes.ts'

const BGP_PORT = 179
/** Protocol numbers of other BGP daemons: older and newer zebra, BIRD, GoBGP. */
const BGP_DAEMONS: ReadonlySet<number> = new Set([11, 12, 17, 186])

/** What a running agent says of itself. */
interface AgentHealth {
  /** One line each. */
  readonly problems: readonly string[]
  /** Undefined where routes to pods of other nodes come from BGP alone. */
  readonly nodeRouteGaps: NodeRouteGaps | undefined
}

/** Throws why the agent could not be asked. */
type AskAgent = () => Promise<AgentHealth>

/** 0: nothing prevents routing. 1: something does. */
export async function runDoctor(
  out: { write(text: string): unknown },
  askAgent: AskAgent,
  json = false,
): Promise<number> {
  const agent = await agentFindings(askAgent)
  const findings = [...examine(await gatherFacts(agent.answered)), ...agent.findings]
  if (json) out.write(`${JSON.stringify(findings.map(({ todo = null, ...rest }) => ({ ...rest, todo })))}\n`)
  else for (const finding of findings) out.write(formatFinding(finding))
  return findings.some(({ level }) => level === 'bad') ? 1 : 0
}

/** A machine without an agent is no error: it may be checked before the agent is installed. */
async function agentFindings(
  askAgent: AskAgent,
): Promise<{ readonly answered: boolean; readonly findings: Finding[] }> {
  const one = (level: Finding['level'], says: string): Finding => ({ level, what: 'agent', says, todo: undefined })
  try {
    const { problems, nodeRouteGaps } = await askAgent()
    const routes = nodeRouteGaps === undefined ? [] : nodeRouteFindings(nodeRouteGaps)
    const said = problems.length === 0 ? [one('ok', 'no problem found')] : problems.map((text) => one('warn', text))
    return { answered: true, findings: [...routes, ...said] }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { answered: false, findings: [one('ok', `was not asked: ${why}`)] }
  }
}

export function formatFinding({ level, what, says, todo }: Finding): string {
  const line = `${level.padEnd(5)} ${what}: ${says}\n`
  return todo === undefined ? line : `${line}      → ${todo}\n`
}

async function gatherFacts(agentRuns: boolean): Promise<DoctorFacts> {
  const [status, ipv4, ipv6, kernel, port, nft, conntrack] = await Promise.all([
    read('/proc/self/status'),
    read('/proc/sys/net/ipv4/ip_forward'),
    read('/proc/sys/net/ipv6/conf/all/forwarding'),
    lookAtKernel(),
    whyNotListen(BGP_PORT),
    gatherNft(),
    gatherConntrack(),
  ])
  const { links, routes, error } = kernel
  const uplinks = routes
    .filter(({ prefix }) => prefix.length === 0)
    .flatMap(({ hops }) => hops.map((hop) => hop.interface))
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status ?? '')?.[1]
  return {
    capabilities: mask === undefined ? undefined : BigInt(`0x${mask}`),
    forwarding: { ipv4, ipv6 },
    interfaces: await interfaceFacts(links, new Set(uplinks)),
    uplinks,
    needsAdvertisements: needsAdvertisements(links, routes),
    agentRuns,
    daemons: daemonsOf(routes),
    port,
    kernelError: error,
    misroutedPods: await misroutedPods(routes),
    signatures: signatures(),
    conntrack,
    ...nft,
  }
}

interface KernelFacts {
  readonly links: readonly Link[]
  readonly routes: readonly KernelRoute[]
  readonly error: string | undefined
}

/** Reads the kernel once, with the code that the agent uses. */
async function lookAtKernel(): Promise<KernelFacts> {
  const links: Link[] = []
  const routes: KernelRoute[] = []
  let error: string | undefined
  const feed = (input: Input) => {
    if (input.kind === 'links') links.push(...input.change.present)
    if (input.kind === 'kernel') routes.push(...input.change.present)
    if (input.kind === 'kernel-error') error = input.text
  }
  const rtnetlink = new Rtnetlink({ feed, table: MAIN_TABLE })
  await rtnetlink.open()
  await rtnetlink.stop()
  return { links, routes, error }
}

async function interfaceFacts(links: readonly Link[], uplinks: ReadonlySet<string>): Promise<InterfaceFacts[]> {
  const all = await setting('ipv4', 'all', 'rp_filter')
  return Promise.all(
    links.map(async ({ name, up, mtu }) => {
      const own = await setting('ipv4', name, 'rp_filter')
      return {
        name,
        up,
        mtu,
        rpFilter: own === undefined ? undefined : Math.max(own, all ?? 0),
        acceptRa: await setting('ipv6', name, 'accept_ra'),
        outward: name !== 'lo' && (uplinks.has(name) || (await standsOnHardware(name))),
        forwards: { ipv4: await isOn('ipv4', name), ipv6: await isOn('ipv6', name) },
      }
    }),
  )
}

async function isOn(family: string, name: string): Promise<boolean | undefined> {
  const value = await setting(family, name, 'forwarding')
  return value === undefined ? undefined : value !== 0
}

/** `RTPROT_RA`: the kernel made the route from a router advertisement. */
const ADVERTISED = 9

/** Whether an IPv6 default route may be to come from router advertisements: the machine has IPv6, and no other one. */
export function needsAdvertisements(
  links: readonly Pick<Link, 'name' | 'addresses'>[],
  routes: readonly Pick<KernelRoute, 'prefix' | 'type' | 'protocol'>[],
): boolean {
  const hasIpv6 = links.some(
    ({ name, addresses }) =>
      name !== 'lo' && addresses.some(({ address, scope }) => scope === 0 && address.includes(':')),
  )
  const isOther = ({ prefix, type, protocol }: (typeof routes)[number]) =>
    prefix.family === 'ipv6' && prefix.length === 0 && type === 'unicast' && protocol !== ADVERTISED
  return hasIpv6 && !routes.some(isOther)
}

/** A device, or a bond, a VLAN or a bridge on top of one. */
async function standsOnHardware(name: string, depth = 0): Promise<boolean> {
  if (depth > 4) return false
  const entries: readonly string[] = await readdir(`/sys/class/net/${name}`).catch(() => [])
  if (entries.includes('device')) return true
  const below = entries.filter((entry) => entry.startsWith('lower_')).map((entry) => entry.slice('lower_'.length))
  const found = await Promise.all(below.map((one) => standsOnHardware(one, depth + 1)))
  return found.includes(true)
}

function daemonsOf(routes: readonly KernelRoute[]): DoctorFacts['daemons'] {
  const counts = new Map<number, number>()
  for (const { protocol } of routes) {
    if (BGP_DAEMONS.has(protocol)) counts.set(protocol, (counts.get(protocol) ?? 0) + 1)
  }
  return [...counts].map(([protocol, count]) => ({ owner: ownerOf(protocol), routes: count }))
}

async function gatherConntrack(): Promise<DoctorFacts['conntrack']> {
  const [count, max] = await Promise.all([
    read('/proc/sys/net/netfilter/nf_conntrack_count'),
    read('/proc/sys/net/netfilter/nf_conntrack_max'),
  ])
  return count === undefined || max === undefined ? undefined : { count: Number(count), max: Number(max) }
}

async function setting(family: string, name: string, what: string): Promise<number | undefined> {
  const text = await read(`/proc/sys/net/${family}/conf/${name}/${what}`)
  return text === undefined ? undefined : Number(text)
}

const read = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
