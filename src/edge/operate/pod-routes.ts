/**
 * Finds out where the kernel sends packets for pods of this node, through all of its rules and tables. The agent reads
 * the main table and its own; another table that `ip rule` consults earlier may hide the blackholes of pod CIDRs and
 * the routes to pods.
 */
import { formatAddress } from '../../base/address.ts'
import { FAMILIES } from '../../base/family.ts'
import { contains, type Prefix } from '../../base/prefix.ts'
import { GODWIT_PROTOCOL, type KernelRoute } from '../../dataplane/kernel.ts'
import { runTool } from '../kernel/tools.ts'

/** Packets to this pod CIDR leave this node. */
export interface MisroutedPods {
  readonly prefix: string
  readonly address: string
  /** `via 10.0.0.9 dev eth0`. */
  readonly gateway: string
}

/** The first gateway on the way to an address of ours; undefined: its packets stay on this node. */
type FindGateway = (address: string) => Promise<string | undefined>

/** So many pod CIDRs of each family are checked: a table that hides one usually hides all, and `ip` runs twice for each. */
const MOST_CHECKED = 64

/**
 * The pod CIDRs, from our blackholes, whose last address and one in the middle both leave by a gateway. One alone may have a
 * more specific route, such as that of a borrowed address.
 */
export async function misroutedPods(
  routes: readonly KernelRoute[],
  findGateway: FindGateway = askKernel,
): Promise<MisroutedPods[]> {
  const all = podCidrsOf(routes)
  const checked = FAMILIES.flatMap((family) => all.filter((one) => one.family === family).slice(0, MOST_CHECKED))
  const found: MisroutedPods[] = []
  for (const prefix of checked) {
    const address = lastAddress(prefix)
    const [gateway, other] = await Promise.all([findGateway(address), findGateway(lastAddress(prefix, 1))])
    if (gateway !== undefined && other !== undefined) found.push({ prefix: prefix.text, address, gateway })
  }
  return found
}

/** A blackhole around another one is of a covering prefix (`aggregationLength`), which other nodes share. */
export function podCidrsOf(routes: readonly KernelRoute[]): Prefix[] {
  const blackholes = routes.flatMap(({ protocol, type, prefix }) =>
    protocol === GODWIT_PROTOCOL && type === 'blackhole' ? [prefix] : [],
  )
  // In this order a prefix stands directly before those inside it.
  const ordered = [...new Map(blackholes.map((prefix) => [prefix.text, prefix])).values()].sort(byPlace)
  return ordered.filter((one, index) => {
    const next = ordered[index + 1]
    return next === undefined || !contains(one, next)
  })
}

function byPlace(a: Prefix, b: Prefix): number {
  return a.bytes.length - b.bytes.length || Buffer.compare(a.bytes, b.bytes) || a.length - b.length
}

/** The last address whose host part begins with `zeros` zero bits: 0 is the last of all, 1 the last of the first half. */
function lastAddress({ bytes, length }: Prefix, zeros = 0): string {
  const last = bytes.map((octet, index) => {
    const bits = Math.min(8, Math.max(0, length + zeros - index * 8))
    return octet | (0xff >> bits)
  })
  return formatAddress(last, 0, last.length)
}

async function askKernel(address: string): Promise<string | undefined> {
  const { code, stdout } = await runTool(['ip', '-o', 'route', 'get', address])
  return code === 0 ? /\bvia \S+(?: \S+)? dev \S+/.exec(stdout)?.[0] : undefined
}
