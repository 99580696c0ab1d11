/**
 * Finds out where the kernel sends packets for pods of this node, through all of its rules and tables. The agent reads
 * the main table and its own; another table that `ip rule` consults earlier may hide the blackholes of pod CIDRs and
 * the routes to pods.
 */
import { formatAddress } from '../../base/address.ts'
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

/**
 * The pod CIDRs, from our blackholes, whose last address and one in the middle both leave by a gateway. One alone may have a
 * more specific route, such as that of a borrowed address.
 */
export async function misroutedPods(routes: readonly KernelRoute[]): Promise<MisroutedPods[]> {
  const found = await Promise.all(podCidrsOf(routes).map(misroutedIn))
  return found.flatMap((one) => one ?? [])
}

/** A blackhole around another one is of a covering prefix (`aggregationLength`), which other nodes share. */
export function podCidrsOf(routes: readonly KernelRoute[]): Prefix[] {
  const blackholes = routes.flatMap(({ protocol, type, prefix }) =>
    protocol === GODWIT_PROTOCOL && type === 'blackhole' ? [prefix] : [],
  )
  return blackholes.filter((one) => !blackholes.some((other) => other.text !== one.text && contains(one, other)))
}

async function misroutedIn(prefix: Prefix): Promise<MisroutedPods | undefined> {
  const [last, middle] = await Promise.all([gatewayTo(lastAddress(prefix)), gatewayTo(lastAddress(prefix, 1))])
  return last !== undefined && middle !== undefined ? { prefix: prefix.text, ...last } : undefined
}

/** The last address whose host part begins with `zeros` zero bits: 0 is the last of all, 1 the last of the first half. */
function lastAddress({ bytes, length }: Prefix, zeros = 0): string {
  const last = bytes.map((octet, index) => {
    const bits = Math.min(8, Math.max(0, length + zeros - index * 8))
    return octet | (0xff >> bits)
  })
  return formatAddress(last, 0, last.length)
}

async function gatewayTo(address: string): Promise<Omit<MisroutedPods, 'prefix'> | undefined> {
  const { code, stdout } = await runTool(['ip', '-o', 'route', 'get', address])
  const gateway = code === 0 ? /\bvia \S+(?: \S+)? dev \S+/.exec(stdout)?.[0] : undefined
  return gateway === undefined ? undefined : { address, gateway }
}
