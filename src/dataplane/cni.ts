/**
 * Pods without another CNI's help: the configuration for the reference plugins. In: the pod CIDRs of this node and the
 * plugin that connects a pod to the host. Out: the text of the file that the container runtime reads.
 *
 * No plugin translates addresses of outgoing packets: pools decide that, and our nftables table does it.
 */
import { FAMILIES } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'

/** `ptp`: every pod a link of its own, routed by the host. `bridge`: all pods of the node on one bridge. */
export const CNI_PLUGINS = ['ptp', 'bridge'] as const
export type CniPlugin = (typeof CNI_PLUGINS)[number]

/** The runtime takes the first file of its folder by name. */
export const CNI_FILE = '10-godwit.conflist'
const NETWORK = 'godwit'
const BRIDGE = 'godwit0'
/** Known to the runtimes since 2022: containerd 1.6 and CRI-O 1.24. */
const CNI_VERSION = '1.0.0'
/** A key that the specification gives no meaning and runtimes pass over: only we write it. */
const MARK = 'godwit.dev/owner'
const MARK_SAYS = 'written by the godwit agent, which overwrites any change'

/** Undefined without a pod CIDR: then there is no address to hand out. */
export function renderConflist(podCidrs: readonly Prefix[], plugin: CniPlugin): string | undefined {
  if (podCidrs.length === 0) return undefined
  const plugins = [
    { ...LINKS[plugin], ipMasq: false, ipam: planAddresses(podCidrs) },
    { type: 'portmap', capabilities: { portMappings: true } },
  ]
  const list = { [MARK]: MARK_SAYS, cniVersion: CNI_VERSION, name: NETWORK, plugins }
  return `${JSON.stringify(list, undefined, 2)}\n`
}

const LINKS: Readonly<Record<CniPlugin, object>> = {
  ptp: { type: 'ptp' },
  // Hairpin: a pod reaches itself through its own service.
  bridge: { type: 'bridge', bridge: BRIDGE, isGateway: true, hairpinMode: true },
}

/** A pod gets one address of each set; the ranges inside a set are used one after the other. */
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

/** Why the text of a file of our name was not written by us, and may be neither replaced nor removed. */
export function whyNotOurs(text: string): string | undefined {
  try {
    const list: unknown = JSON.parse(text)
    if (typeof list === 'object' && list !== null && Object.hasOwn(list, MARK)) return undefined
    return `it has no "${MARK}"`
  } catch {
    return 'it is not JSON'
  }
}
