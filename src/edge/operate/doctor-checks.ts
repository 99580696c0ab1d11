/** Turns facts about a machine into findings: what prevents routing, and how to fix it. */
import { counted } from '../../base/counted.ts'
import type { Signatures } from '../signatures.ts'
import type { MisroutedPods } from './pod-routes.ts'

export interface DoctorFacts {
  /** Bits of the effective capabilities; undefined where they cannot be read. */
  readonly capabilities: bigint | undefined
  readonly forwarding: { readonly ipv4: string | undefined; readonly ipv6: string | undefined }
  readonly interfaces: readonly InterfaceFacts[]
  /** Interfaces that default routes leave by. */
  readonly uplinks: readonly string[]
  /** It has IPv6 addresses, and no IPv6 default route but from router advertisements: one may be to come from there. */
  readonly needsAdvertisements: boolean
  /** Owners of routes that look like another BGP daemon's, with how many. */
  readonly daemons: readonly { readonly owner: string; readonly routes: number }[]
  /** Undefined where the port is free; otherwise the error of listening on it, as code and text. */
  readonly port: { readonly code: string; readonly text: string } | undefined
  /** A running agent answered. */
  readonly agentRuns: boolean
  /** Chains that drop forwarded packets which no rule accepts: `chain ip filter FORWARD`. */
  readonly droppingChains: readonly string[]
  /** Why the kernel's links and routes cannot be read; undefined where they can. */
  readonly kernelError: string | undefined
  /** Pod CIDRs of this node whose packets leave it. */
  readonly misroutedPods: readonly MisroutedPods[]
  /** The output of `nft -v`; undefined where nft is missing. */
  readonly nft: string | undefined
  /** Why rules cannot be read; undefined where they can. */
  readonly nftError: string | undefined
  /** Both nft and the kernel support tables that only their owner, a process, can change, and that stay when it ends. */
  readonly supportsOwnedTables: boolean
  /** Whether this kernel supports signed TCP segments; undefined where that cannot be found out. */
  readonly signatures: Signatures | undefined
  /** Packets to service addresses that no service accepts, dropped or rejected so far; undefined: no rule does that. */
  readonly serviceLoopPackets: number | undefined
  readonly conntrack: { readonly count: number; readonly max: number } | undefined
}

export interface InterfaceFacts {
  readonly name: string
  readonly mtu: number
  readonly up: boolean
  /** rp_filter: the higher of the interface's value and the one for all. 0 off, 1 strict, 2 loose. */
  readonly rpFilter: number | undefined
  readonly acceptRa: number | undefined
  /** It leads out of this machine: hardware, or an interface on top of it. A pod's end of a veth does not. */
  readonly outward: boolean
  /** Whether packets that arrive by it are forwarded, by family; undefined where the kernel has no such setting. */
  readonly forwards: { readonly ipv4: boolean | undefined; readonly ipv6: boolean | undefined }
}

export interface Finding {
  readonly level: 'ok' | 'warn' | 'bad'
  readonly what: string
  readonly says: string
  readonly todo: string | undefined
}

const CAP_NET_BIND_SERVICE = 10n
const CAP_NET_ADMIN = 12n
const CAP_NET_RAW = 13n
/** The oldest nft whose JSON and comments on rules can be read here, and that replaces a table without `destroy`. */
const OLDEST_NFT = [0, 9, 4]
const NEARLY_FULL = 0.8
/** Settings in one command that cures several interfaces. */
const MOST_SETTINGS = 8

export function examine(facts: DoctorFacts): Finding[] {
  return [
    ...capabilities(facts),
    ...forwarding(facts),
    ...forwardPolicy(facts),
    rpFilter(facts),
    acceptRa(facts),
    port(facts),
    kernelRoutes(facts),
    ...facts.misroutedPods.map(misroutedPods),
    nftables(facts),
    ...(facts.nftError === undefined || facts.nft === undefined ? [] : [nftError(facts.nftError)]),
    ...(facts.nft === undefined ? [] : [flushes(facts)]),
    ...signatures(facts),
    serviceLoops(facts),
    conntrack(facts),
    mtu(facts),
    ...facts.daemons.map(daemon),
  ]
}

const finding = (level: Finding['level'], what: string, says: string, todo?: string): Finding => ({
  level,
  what,
  says,
  todo,
})

function capabilities({ capabilities: bits }: DoctorFacts): Finding[] {
  if (bits === undefined) return [finding('warn', 'capabilities', 'they cannot be read from /proc/self/status')]
  const has = (bit: bigint) => (bits >> bit) % 2n === 1n
  const one = (bit: bigint, name: string, level: 'bad' | 'warn', lost: string) =>
    has(bit)
      ? finding('ok', 'capabilities', `${name} is there`)
      : finding(
          level,
          'capabilities',
          `${name} is missing: ${lost}`,
          `give the agent ${name} (securityContext.capabilities.add), or run it as root`,
        )
  return [
    one(CAP_NET_ADMIN, 'NET_ADMIN', 'bad', 'no kernel route and no NAT rule can be written'),
    one(
      CAP_NET_BIND_SERVICE,
      'NET_BIND_SERVICE',
      'warn',
      'the agent cannot listen on port 179: it can only connect to neighbors, not accept their connections',
    ),
    // Only neighbors that router discovery finds need it.
    has(CAP_NET_RAW)
      ? finding('ok', 'capabilities', 'NET_RAW is there')
      : finding(
          'ok',
          'capabilities',
          'NET_RAW is missing: BGPPeers with interface are held down; nothing else needs it',
        ),
  ]
}

function forwarding({ forwarding: { ipv4, ipv6 }, interfaces }: DoctorFacts): Finding[] {
  const one = (what: string, value: string | undefined, setting: string) => {
    if (value === '1') return finding('ok', what, 'is on')
    if (value === undefined) return finding('warn', what, 'this kernel does not support this family')
    return finding(
      'bad',
      what,
      'is off: pods reach nothing beyond this node',
      `sysctl -w ${setting}=1, and keep it in /etc/sysctl.d`,
    )
  }
  /** On for the machine, and off for some interfaces: packets that arrive there are not forwarded. */
  const exceptions = (what: string, value: string | undefined, family: 'ipv4' | 'ipv6') => {
    const off = interfaces.filter(({ name, up, forwards }) => up && name !== 'lo' && forwards[family] === false)
    if (value !== '1' || off.length === 0) return []
    const names = off.map(({ name }) => name)
    const says = `is off on ${listNames(names)}: packets that arrive there are not forwarded`
    // With slashes: the name of a VLAN has dots.
    const settings = names.slice(0, MOST_SETTINGS).map((name) => `net/${family}/conf/${name}/forwarding=1`)
    return [finding('bad', what, says, `sysctl -w ${settings.join(' ')}, and keep it in /etc/sysctl.d`)]
  }
  return [
    one('IPv4 forwarding', ipv4, 'net.ipv4.ip_forward'),
    ...exceptions('IPv4 forwarding', ipv4, 'ipv4'),
    one('IPv6 forwarding', ipv6, 'net.ipv6.conf.all.forwarding'),
    ...exceptions('IPv6 forwarding', ipv6, 'ipv6'),
  ]
}

/** Docker and some firewalls set such a policy: packets of pods are then dropped without any message. */
function forwardPolicy({ droppingChains: chains }: DoctorFacts): Finding[] {
  if (chains.length === 0) return [finding('ok', 'forward policy', 'no chain drops forwarded packets by default')]
  return chains.map((chain) =>
    finding(
      'warn',
      'forward policy',
      `${chain} drops forwarded packets that no rule accepts: pods and services are cut off unless one does`,
      'accept the pod CIDRs in that chain, as source and as destination, or set its policy to accept',
    ),
  )
}

function rpFilter({ interfaces }: DoctorFacts): Finding {
  const strict = interfaces.filter(({ rpFilter: value, outward }) => outward && value === 1).map(({ name }) => name)
  if (strict.length === 0) return finding('ok', 'rp_filter', 'no uplink is strict')
  const says = `is strict on ${listNames(strict)}: the kernel drops packets that arrive on another interface than the one that replies leave by`
  return finding(
    'warn',
    'rp_filter',
    says,
    'set net.ipv4.conf.all.rp_filter and that of the interface to 2 where there are several uplinks',
  )
}

function misroutedPods({ prefix, address, gateway }: MisroutedPods): Finding {
  return finding(
    'bad',
    'pod CIDR',
    `${prefix} belongs to this node, but the kernel would send a packet for ${address} ${gateway}`,
    'see `ip rule`: look up the main table first, without its default route (ip rule add pref 1000 lookup main suppress_prefixlength 0)',
  )
}

/** An interface that forwards ignores router advertisements, unless the setting is 2. */
function acceptRa({ interfaces, needsAdvertisements }: DoctorFacts): Finding {
  const deaf = interfaces
    .filter(({ acceptRa: value, outward, forwards }) => outward && value === 1 && forwards.ipv6 === true)
    .map(({ name }) => name)
  if (deaf.length === 0) return finding('ok', 'accept_ra', 'no uplink ignores router advertisements')
  const says = `is 1 on ${listNames(deaf)} while the interface forwards: the kernel ignores router advertisements there`
  if (!needsAdvertisements) return finding('ok', 'accept_ra', `${says}; no default route comes from them`)
  return finding(
    'warn',
    'accept_ra',
    says,
    'set net.ipv6.conf.<interface>.accept_ra=2 where the default route comes from router advertisements',
  )
}

/** Each error of listening has its own fix. */
function port({ port: error, agentRuns }: DoctorFacts): Finding {
  if (error === undefined) return finding('ok', 'port 179', 'is free')
  if (error.code === 'EADDRINUSE' && agentRuns) return finding('ok', 'port 179', 'is in use, and an agent runs here')
  return finding('warn', 'port 179', `cannot be listened on: ${error.text}`, cureOfPort(error.code))
}

function cureOfPort(code: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'see who listens with `ss -ltnp sport = :179`; another BGP daemon needs another port (BGPConfiguration spec.listenPort)'
    case 'EACCES':
    case 'EPERM':
      return 'give the agent NET_BIND_SERVICE (securityContext.capabilities.add), run it as root, or choose a port above 1023 (spec.listenPort)'
    case 'EMFILE':
    case 'ENFILE':
      return 'raise the limit of open files (ulimit -n, or fs.file-max)'
    default:
      return 'choose another port: BGPConfiguration spec.listenPort'
  }
}

const kernelRoutes = ({ kernelError: error }: DoctorFacts): Finding =>
  error === undefined
    ? finding('ok', 'kernel routes', 'can be read')
    : finding('bad', 'kernel routes', error, 'the agent needs a netlink socket: see its seccomp profile')

function nftables({ nft: output }: DoctorFacts): Finding {
  const what = 'nftables'
  if (output === undefined) {
    const says = 'is not installed: no NAT rule is written, and no service loop is prevented'
    return finding('bad', what, says, 'install nftables')
  }
  const version = /(\d+(?:\.\d+)+)/.exec(output)?.[1]
  if (version === undefined) return finding('warn', what, `prints "${output}", without a version`)
  const known = version.split('.').map(Number)
  if (compare(known, OLDEST_NFT) >= 0) return finding('ok', what, version)
  return finding('bad', what, `${version} is older than ${OLDEST_NFT.join('.')}`, 'install a newer nftables')
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function nftError(reason: string): Finding {
  const isDenied = /not permitted|denied/i.test(reason)
  const todo = isDenied
    ? 'give the agent NET_ADMIN (securityContext.capabilities.add), or run it as root'
    : 'the kernel needs nf_tables: modprobe nf_tables'
  return finding('bad', 'nftables', `rules cannot be read: ${reason}`, todo)
}

/** An older kernel is no fault as long as no program flushes the ruleset. */
const flushes = ({ supportsOwnedTables }: DoctorFacts): Finding =>
  supportsOwnedTables
    ? finding(
        'ok',
        'nft flush ruleset',
        'run by another program, it leaves the table of Godwit in place while an agent runs',
      )
    : finding(
        'ok',
        'nft flush ruleset',
        'run by another program, it also deletes the table of Godwit (Linux 6.9 with nft 1.1 prevents that)',
      )

function signatures({ signatures: known }: DoctorFacts): Finding[] {
  if (known === undefined) return []
  const md5 = known.md5
    ? finding('ok', 'TCP-MD5', 'the kernel has it')
    : finding(
        'warn',
        'TCP-MD5',
        'the kernel does not have it: neighbors with a password are held down',
        'use a kernel with CONFIG_TCP_MD5SIG',
      )
  // Few routers have it, so a kernel without it is no fault.
  const lacksAo = 'the kernel does not have it (CONFIG_TCP_AO): neighbors with a keyChain are held down'
  return [md5, finding('ok', 'TCP-AO', known.ao ? 'the kernel has it' : lacksAo)]
}

function serviceLoops({ serviceLoopPackets: packets }: DoctorFacts): Finding {
  if (packets !== undefined) {
    const says = `dropped here so far: ${counted(packets, 'packet', 'packets')} to advertised service addresses that no service accepts`
    return finding('ok', 'service loops', says)
  }
  return finding(
    'ok',
    'service loops',
    'no rule prevents them: no agent advertises services here, or serviceLoopPrevention is Disabled',
  )
}

function conntrack({ conntrack: table }: DoctorFacts): Finding {
  if (table === undefined) return finding('ok', 'conntrack', 'is not in use yet; NAT starts it')
  const used = `${table.count} of ${table.max} flows`
  if (table.count < table.max * NEARLY_FULL) return finding('ok', 'conntrack', used)
  return finding(
    'warn',
    'conntrack',
    `${used}: new flows are dropped when it is full`,
    'raise net.netfilter.nf_conntrack_max',
  )
}

function mtu({ interfaces, uplinks }: DoctorFacts): Finding {
  const up = interfaces.filter((one) => one.up && one.name !== 'lo')
  const least = Math.min(...up.filter(({ name }) => uplinks.includes(name)).map((one) => one.mtu))
  if (!Number.isFinite(least)) return finding('ok', 'MTU', 'there is no default route to compare with')
  const larger = up
    .filter((one) => one.mtu > least && !uplinks.includes(one.name))
    .map((one) => `${one.name} (${one.mtu})`)
  if (larger.length === 0) return finding('ok', 'MTU', `no interface is above the uplink's ${least}`)
  const says = `${listNames(larger)} above the uplink's ${least}: large packets depend on path MTU discovery`
  return finding('warn', 'MTU', says, 'give pods the MTU of the uplink: without an overlay, no headers reduce the MTU')
}

const daemon = ({ owner, routes }: DoctorFacts['daemons'][number]): Finding =>
  finding(
    'warn',
    'other daemons',
    `${owner} has ${counted(routes, 'route', 'routes')} in the main table, which Godwit leaves alone`,
    'let only one of the two daemons write routes for a prefix',
  )

const listNames = (names: readonly string[]): string =>
  names.length <= 6 ? names.join(', ') : `${names.slice(0, 6).join(', ')} and ${names.length - 6} more`
