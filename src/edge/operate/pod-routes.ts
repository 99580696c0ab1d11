/**
 * Finds out where the kernel sends packets for pods of this node, through all of its rules and tables. The agent reads
 * the main table and its own; another table that `ip rule` consults earlier may hide the blackholes of pod CIDRs and
 * the routes to pods.
 */
import { formatAddress } from '../../base/address.ts'
import { contains, type Prefix } from '../../base/prefix.ts'
import { GODWIT_PROTOCOL, type KernelRoute } from '../../dataplane/kernel.ts'
import { runTool } from '../kernel/tools.ts'

export interface StrayPods {
  readonly prefix: string
  readonly address: string
  /** `via 10.0.0.9 dev eth0`. */
  readonly way: string
}

/**
 * The pod CIDRs, from our blackholes, whose last address and one in the middle both leave by a gateway. One alone may have a
 * more specific route, such as that of a borrowed address.
 */
export async function strayPods(routes: readonly KernelRoute[]): Promise<StrayPods[]> {
  const found = await Promise.all(podCidrsOf(routes).map(strayIn))
  return found.flatMap((one) => one ?? [])
}

/** A blackhole around another one is of a covering prefix (`aggregationLength`), which other nodes share. */
export function podCidrsOf(routes: readonly KernelRoute[]): Prefix[] {
  const blackholes = routes.flatMap(({ protocol, type, prefix }) =>
    protocol === GODWIT_PROTOCOL && type === 'blackhole' ? [prefix] : [],
  )
  return blackholes.filter((one) => !blackholes.some((other) => other.text !== one.text && contains(one, other)))
}

async function strayIn(prefix: Prefix): Promise<StrayPods | undefined> {
  const asked = await Promise.all([lastOf(prefix), lastOf(prefix, 1)].map(gatewayTo))
  const [last, middle] = asked
  return last !== undefined && middle !== undefined ? { prefix: prefix.text, ...last } : undefined
}

/** The last address whose host part begins with `zeros` zero bits: 0 is the last of all, 1 the last of the first half. */
function lastOf({ bytes, length }: Prefix, zeros = 0): string {
  const last = bytes.map((octet, index) => {
    const bits = Math.min(8, Math.max(0, length + zeros - index * 8))
    return octet | (0xff >> bits)
  })
  return formatAddress(last, 0, last.length)
}

async function gatewayTo(address: string): Promise<Omit<StrayPods, 'prefix'> | undefined> {
  const { code, stdout } = await runTool(['ip', '-o', 'route', 'get', address])
  const way = code === 0 ? /\bvia \S+(?: \S+)? dev \S+/.exec(stdout)?.[0] : undefined
  return way === undefined ? undefined : { address, way }
}
