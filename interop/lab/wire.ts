// Cables between hosts without a switch, addresses, static routes, and what makes a host a router.

import type { Host } from './lab.ts'
import { must } from './run.ts'

export interface End {
  readonly host: Host
  /** Name of the interface. */
  readonly name: string
  /** With their lengths: `10.0.0.1/24`. */
  readonly addresses?: readonly string[]
  /** The bridge it hangs on. */
  readonly bridge?: string
}

/** Runs lines of `ip` commands in a host, in one process. */
export const ip = (host: Host, lines: readonly string[]): Promise<string> =>
  must(['ip', '-n', host.namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` })

const dress = ({ name, addresses = [], bridge }: End): readonly string[] => [
  ...(bridge === undefined ? [] : [`link set ${name} master ${bridge}`]),
  ...addresses.map((address) => `address add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`),
  `link set ${name} up`,
]

export const wire = async (left: End, right: End): Promise<void> => {
  await ip(left.host, [
    `link add ${left.name} type veth peer name ${right.name} netns ${right.host.namespace}`,
    ...dress(left),
  ])
  await ip(right.host, dress(right))
}

export const bridge = (host: Host, name: string, addresses: readonly string[]): Promise<string> =>
  ip(host, [`link add ${name} type bridge`, ...dress({ host, name, addresses })])

/** `inet6 ADDRESS` is a gateway for IPv4. */
export const defaultRoutes = (host: Host, gateways: readonly string[]): Promise<string> =>
  ip(
    host,
    gateways.map((gateway) => `route add ${/^[0-9.]+$|^inet6 /.test(gateway) ? '0.0.0.0/0' : '::/0'} via ${gateway}`),
  )

const HASH_PORTS = ['net.ipv4.fib_multipath_hash_policy=1', 'net.ipv6.fib_multipath_hash_policy=1']

// Source address and source port only.
const HASH_SOURCES = ['ipv4', 'ipv6'].flatMap((family) => [
  `net.${family}.fib_multipath_hash_policy=3`,
  `net.${family}.fib_multipath_hash_fields=0x11`,
])

/**
 * Forwards both families, and picks among equal ways by ports too. All hosts share one kernel and so one hash: a router
 * behind another must hash something else, or it would never use but one of its ways.
 */
export const forward = (host: Host, behind = false): Promise<string> =>
  host.must([
    ...['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
    ...(behind ? HASH_SOURCES : HASH_PORTS),
  ])

/** The kernel's routes of one protocol number, both families, as sorted lines. */
export const kernelRoutes = async (host: Host, protocol: number | string): Promise<readonly string[]> => {
  const show = (flag: string) => must(['ip', '-n', host.namespace, flag, '-o', 'route', 'show', 'proto', `${protocol}`])
  const text = (await Promise.all(['-4', '-6'].map(show))).join('\n')
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .sort()
}
