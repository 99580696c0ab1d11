/**
 * The CNI configuration for the reference plugins, for clusters without another CNI. In: the pod CIDRs of this node and the
 * plugin that connects a pod to the host. Out: the text of the file that the container runtime reads.
 *
 * The plugins do no NAT: IP pools decide about it, and our nftables table does it.
 */
import { ADDRESS_BITS, FAMILIES } from '../base/family.ts'
import { contains, type Prefix } from '../base/prefix.ts'

/** `ptp`: each pod has its own link, routed by the host. `bridge`: all pods of the node are on one bridge. */
export const CNI_PLUGINS = ['ptp', 'bridge'] as const
export type CniPlugin = (typeof CNI_PLUGINS)[number]

/** The container runtime uses the first file of its folder by name. */
export const CNI_FILE = '10-godwit.conflist'
const NETWORK = 'godwit'
const BRIDGE = 'godwit0'
/** Supported by runtimes since 2022: containerd 1.6 and CRI-O 1.24. */
const CNI_VERSION = '1.0.0'
/** A key of our own, which runtimes ignore: it marks the file as ours. */
const MARK = 'godwit.dev/owner'
const MARK_SAYS = 'written by the godwit agent, which overwrites any change'

/** Undefined without a pod CIDR: there are no addresses to assign. */
export function renderConflist(pods: readonly Prefix[], plugin: CniPlugin): string | undefined {
  const podCidrs = assignable(pods)
  if (podCidrs.length === 0) return undefined
  const plugins = [
    { ...LINKS[plugin], ipMasq: false, ipam: planAddresses(podCidrs) },
    { type: 'portmap', capabilities: { portMappings: true } },
  ]
  const list = { [MARK]: MARK_SAYS, cniVersion: CNI_VERSION, name: NETWORK, plugins }
  return `${JSON.stringify(list, undefined, 2)}\n`
}

/** Without what host-local refuses, whereupon no pod starts: subnets that are too small, and those that overlap another. */
function assignable(pods: readonly Prefix[]): readonly Prefix[] {
  const large = pods.filter(({ family, length }) => length <= ADDRESS_BITS[family] - LEAST_BITS)
  const isInside = (one: Prefix, at: number) =>
    large.some((other, index) => contains(other, one) && (other.length < one.length || index < at))
  return large.filter((one, at) => !isInside(one, at))
}

/** host-local refuses subnets smaller than a /30, in IPv6 than a /126. */
const LEAST_BITS = 2

const LINKS: Readonly<Record<CniPlugin, object>> = {
  ptp: { type: 'ptp' },
  // With hairpin mode a pod reaches itself through its own service.
  bridge: { type: 'bridge', bridge: BRIDGE, isGateway: true, hairpinMode: true },
}

/** host-local assigns a pod one address of each set of ranges; the ranges of a set are used one after the other. */
function planAddresses(podCidrs: readonly Prefix[]): object {
  const sets = FAMILIES.map((family) => podCidrs.filter((prefix) => prefix.family === family)).filter(
    ({ length }) => length > 0,
  )
  return {
    type: 'host-local',
    ranges: sets.map((set) => set.map(({ text }) => ({ subnet: text }))),
    routes: sets.map(([first]) => ({ dst: first?.family === 'ipv4' ? '0.0.0.0/0' : '::/0' })),
  }
}

/** Why a file with our name is not ours, and may be neither replaced nor removed; undefined: it is ours. */
export function whyNotOurs(text: string): string | undefined {
  try {
    const list: unknown = JSON.parse(text)
    if (typeof list === 'object' && list !== null && Object.hasOwn(list, MARK)) return undefined
    return `it has no "${MARK}"`
  } catch {
    return 'it is not JSON'
  }
}
