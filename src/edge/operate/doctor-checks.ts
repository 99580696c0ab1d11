/** From facts about a machine to findings: what is in the way of routing, and what to do about it. */

export interface Facts {
  /** Bits of the effective capabilities; undefined where they cannot be read. */
  readonly capabilities: bigint | undefined
  readonly forwarding: { readonly ipv4: string | undefined; readonly ipv6: string | undefined }
  readonly interfaces: readonly InterfaceFacts[]
  /** Interfaces that default routes leave by. */
  readonly uplinks: readonly string[]
  /** Owners of routes that look like another BGP daemon's, with how many. */
  readonly daemons: readonly { readonly owner: string; readonly routes: number }[]
  /** Undefined where the port is free; else why it could not be listened on. */
  readonly port: string | undefined
  /** Why the kernel's links and routes cannot be read; undefined where they can. */
  readonly kernelTrouble: string | undefined
  /** What `nft -v` says; undefined where it is missing. */
  readonly nft: string | undefined
  /** Why rules cannot be read; undefined where they can. */
  readonly nftTrouble: string | undefined
  /** So many packets to service addresses that no service takes have ended here; undefined: no rule ends them. */
  readonly serviceLoops: number | undefined
  readonly conntrack: { readonly count: number; readonly max: number } | undefined
}

export interface InterfaceFacts {
  readonly name: string
  readonly mtu: number
  readonly up: boolean
  /** The stricter of the interface's and everybody's: 0 off, 1 strict, 2 loose. */
  readonly rpFilter: number | undefined
  readonly acceptRa: number | undefined
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
/** First nft with `destroy`-less atomic replacement, JSON and comments on rules as they are read here. */
const OLDEST_NFT = [0, 9, 3]
const NEARLY_FULL = 0.8

export function examine(facts: Facts): Finding[] {
  return [
    ...capabilities(facts),
    ...forwarding(facts),
    rpFilter(facts),
    acceptRa(facts),
    port(facts),
    kernelRoutes(facts),
    tool('nftables', facts.nft, OLDEST_NFT, 'no NAT rule is written, and no service loop prevented'),
    ...(facts.nftTrouble === undefined || facts.nft === undefined ? [] : [nftTrouble(facts.nftTrouble)]),
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

function capabilities({ capabilities: bits }: Facts): Finding[] {
  const has = (bit: bigint) => bits !== undefined && (bits >> bit) % 2n === 1n
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
      'the agent cannot listen on port 179, and must be the one who dials',
    ),
    // Who has no such neighbor is well without.
    has(CAP_NET_RAW)
      ? finding('ok', 'capabilities', 'NET_RAW is there')
      : finding(
          'ok',
          'capabilities',
          'NET_RAW is missing: BGPPeers with interface are held down, all else needs it not',
        ),
  ]
}

function forwarding({ forwarding: { ipv4, ipv6 } }: Facts): Finding[] {
  const one = (what: string, value: string | undefined, setting: string) => {
    if (value === '1') return finding('ok', what, 'is on')
    if (value === undefined) return finding('warn', what, 'this kernel does not have the family')
    return finding(
      'bad',
      what,
      'is off: pods reach nothing beyond this node',
      `sysctl -w ${setting}=1, and keep it in /etc/sysctl.d`,
    )
  }
  return [
    one('IPv4 forwarding', ipv4, 'net.ipv4.ip_forward'),
    one('IPv6 forwarding', ipv6, 'net.ipv6.conf.all.forwarding'),
  ]
}

function rpFilter({ interfaces }: Facts): Finding {
  const strict = interfaces.filter(({ rpFilter: value }) => value === 1).map(({ name }) => name)
  if (strict.length === 0) return finding('ok', 'rp_filter', 'no interface is strict')
  const says = `is strict on ${some(strict)}: packets that come by another way than answers go are dropped`
  return finding(
    'warn',
    'rp_filter',
    says,
    'set net.ipv4.conf.all.rp_filter and that of the interface to 2 where there are several uplinks',
  )
}

/** A router does not listen to router advertisements, unless it is told to by a 2. */
function acceptRa({ interfaces, forwarding: { ipv6 } }: Facts): Finding {
  const deaf = ipv6 === '1' ? interfaces.filter(({ acceptRa: value }) => value === 1).map(({ name }) => name) : []
  if (deaf.length === 0) return finding('ok', 'accept_ra', 'nothing waits for advertisements that are not heard')
  const says = `is 1 on ${some(deaf)} while forwarding is on: router advertisements are not heard there`
  return finding(
    'warn',
    'accept_ra',
    says,
    'set net.ipv6.conf.<interface>.accept_ra=2 where the default route comes by router advertisement',
  )
}

function port({ port: reason }: Facts): Finding {
  if (reason === undefined) return finding('ok', 'port 179', 'is free')
  const todo =
    'see who listens with `ss -ltnp sport = :179`; another BGP daemon needs another port (BGPConfiguration spec.listenPort)'
  return finding('warn', 'port 179', `cannot be listened on: ${reason}. A running agent is one reason`, todo)
}

const kernelRoutes = ({ kernelTrouble: trouble }: Facts): Finding =>
  trouble === undefined
    ? finding('ok', 'kernel routes', 'can be read')
    : finding('bad', 'kernel routes', trouble, 'the agent needs a netlink socket: see its seccomp profile')

function tool(what: string, words: string | undefined, oldest: readonly number[], lost: string): Finding {
  if (words === undefined) return finding('bad', what, `is not installed: ${lost}`, `install ${what}`)
  const version = /(\d+(?:\.\d+)+)/.exec(words)?.[1]
  if (version === undefined) return finding('warn', what, `says "${words}", which names no version`)
  const known = version.split('.').map(Number)
  const isOld = compare(known, oldest) < 0
  if (!isOld) return finding('ok', what, version)
  return finding('bad', what, `${version} is older than ${oldest.join('.')}`, `install a newer ${what}`)
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

const nftTrouble = (reason: string): Finding =>
  finding('bad', 'nftables', `rules cannot be read: ${reason}`, 'the kernel needs nf_tables, and the agent NET_ADMIN')

function serviceLoops({ serviceLoops: packets }: Facts): Finding {
  if (packets !== undefined) {
    const says = `${packets} packets to advertised service addresses that no service takes have ended here`
    return finding('ok', 'service loops', says)
  }
  return finding('ok', 'service loops', 'no rule ends them: no agent advertises services here, or it was told not to')
}

function conntrack({ conntrack: table }: Facts): Finding {
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

function mtu({ interfaces, uplinks }: Facts): Finding {
  const up = interfaces.filter((one) => one.up && one.name !== 'lo')
  const least = Math.min(...up.filter(({ name }) => uplinks.includes(name)).map((one) => one.mtu))
  if (!Number.isFinite(least)) return finding('ok', 'MTU', 'there is no default route to compare with')
  const larger = up
    .filter((one) => one.mtu > least && !uplinks.includes(one.name))
    .map((one) => `${one.name} (${one.mtu})`)
  if (larger.length === 0) return finding('ok', 'MTU', `no interface is above the uplink's ${least}`)
  const says = `${some(larger)} above the uplink's ${least}: large packets depend on path MTU discovery`
  return finding('warn', 'MTU', says, 'give pods the MTU of the uplink: without an overlay nothing is lost to headers')
}

const daemon = ({ owner, routes }: Facts['daemons'][number]): Finding =>
  finding(
    'warn',
    'other daemons',
    `${owner} has ${routes} routes in the main table; Godwit leaves those alone`,
    'let one of the two write a prefix',
  )

const some = (names: readonly string[]): string =>
  names.length <= 6 ? names.join(', ') : `${names.slice(0, 6).join(', ')} and ${names.length - 6} more`
