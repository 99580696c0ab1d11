/** The settings of this node: BGPConfiguration `default` and `node.<this node>` combined. */
import { EVERYTHING, type Prefix } from '../base/prefix.ts'
import type { Seconds } from '../base/units.ts'
import { heldByConfiguration } from './held.ts'
import type {
  BfdSettings,
  DecisionIntent,
  Problem,
  ProgramClusterRoutes,
  ServiceGuards,
  ServiceLoopPrevention,
  Signing,
} from './intent.ts'
import type {
  ConfigurationObject,
  FelixObject,
  PrefixAdvertisement,
  SecretKeyRef,
  ServiceAddressKind,
} from './objects.ts'
import { DEFAULT_DECISION, NODE_CONFIGURATION } from './parse/configuration.ts'
import type { PoolNat } from './pool.ts'
import { makeProblem } from './problem.ts'
import type { ObjectStore } from './store.ts'

export interface Settings {
  readonly nodeToNodeMesh: boolean
  readonly meshFilters: readonly string[]
  /** Why `meshFilters` may lack some: the mesh then keeps its last good ones. */
  readonly meshFiltersUnread: string | undefined
  readonly meshRestartTime: Seconds | undefined
  readonly meshBfd: BfdSettings | undefined
  readonly meshSigning: Signing<SecretKeyRef> | undefined
  readonly meshHeld: string | undefined
  readonly bindToNodeIp: boolean
  readonly serviceCidrs: ConfigurationObject['serviceCidrs']
  readonly loadBalancerAggregation: boolean
  readonly loadBalancerClasses: readonly string[] | undefined
  readonly serviceOptIn: boolean
  readonly guards: ServiceGuards
  readonly advertisements: readonly ResolvedAdvertisement[]
  readonly natSparesHosts: boolean
  /** NAT settings for pools that set none themselves. */
  readonly nat: Pick<PoolNat, 'ports' | 'address'>
  readonly recursiveNextHops: boolean
  readonly nodeRoutes: ConfigurationObject['nodeRoutes']
  readonly clusterRoutes: ClusterRoutes
  readonly leaveOnTaint: string | undefined
  readonly decision: DecisionIntent
  /** Undefined: the default of the API group, CalicoIPAM in Calico's groups and Node otherwise. */
  readonly podCidrSource: ConfigurationObject['podCidrSource']
  /** Why no pod CIDR of this node may be advertised. */
  readonly heldPods: string | undefined
  readonly maxRouteMemory: number | undefined
  readonly serviceLoopPrevention: ServiceLoopPrevention
  /** Service addresses of a kind that may not be advertised, and why. */
  readonly heldServices: Readonly<Partial<Record<ServiceAddressKind, string>>>
}

/** `programClusterRoutes` of BGPConfiguration and of FelixConfiguration; undefined: not set. */
interface ClusterRoutes {
  readonly bgp: ProgramClusterRoutes | undefined
  readonly felix: ProgramClusterRoutes | undefined
}

/** A prefixAdvertisement with its community aliases resolved. */
export interface ResolvedAdvertisement {
  readonly prefix: Prefix
  readonly communities: readonly (readonly number[])[]
  /** Why nothing inside the prefix is advertised. */
  readonly held: string | undefined
}

export const SERVICE_FIELDS: Readonly<Record<ServiceAddressKind, string>> = {
  cluster: 'serviceClusterIPs',
  external: 'serviceExternalIPs',
  'load-balancer': 'serviceLoadBalancerIPs',
}

const NO_GUARDS: ServiceGuards = { health: undefined, damping: undefined }
const NO_CIDRS: ConfigurationObject['serviceCidrs'] = { cluster: [], external: [], 'load-balancer': [] }

/** The settings of this node, and what is wrong with them. */
export interface NodeSettings {
  readonly settings: Settings
  readonly problems: readonly Problem[]
}

export function readSettings(store: ObjectStore, node: string): NodeSettings {
  const defaults = store.get('BGPConfiguration', 'default')
  const own = store.get('BGPConfiguration', NODE_CONFIGURATION + node)
  const held = heldByConfiguration(store, 'default')
  const ownHeld = heldByConfiguration(store, NODE_CONFIGURATION + node)
  const felix = readFelix(store, node)
  // A node with prefixAdvertisements of its own does not rest on those of all nodes.
  const heldRoutes = ownHeld.routes ?? (own?.prefixAdvertisements === undefined ? held.routes : undefined)
  const { advertisements, problems } = resolveAdvertisements(defaults, own, heldRoutes)
  const settings: Settings = {
    nodeToNodeMesh: defaults?.nodeToNodeMesh ?? true,
    meshFilters: defaults?.meshFilters ?? [],
    meshFiltersUnread: held.mesh,
    meshRestartTime: defaults?.meshRestartTime,
    meshBfd: defaults?.meshBfd,
    meshSigning: defaults?.meshSigning,
    meshHeld: defaults?.meshHeld ?? held.mesh,
    bindToNodeIp: defaults?.bindToNodeIp ?? false,
    serviceCidrs: defaults?.serviceCidrs ?? NO_CIDRS,
    loadBalancerAggregation: defaults?.loadBalancerAggregation ?? true,
    loadBalancerClasses: defaults?.loadBalancerClasses,
    serviceOptIn: defaults?.serviceOptIn ?? false,
    guards: defaults?.guards ?? NO_GUARDS,
    advertisements,
    natSparesHosts: defaults?.natSparesHosts ?? felix.natExclusions === 'IPPoolsAndHostIPs',
    nat: { ports: felix.natPorts, address: felix.natAddress },
    recursiveNextHops: defaults?.recursiveNextHops ?? false,
    nodeRoutes: defaults?.nodeRoutes ?? 'BGP',
    clusterRoutes: { bgp: defaults?.programClusterRoutes, felix: felix.programClusterRoutes },
    leaveOnTaint: defaults?.leaveOnTaint,
    decision: defaults?.decision ?? DEFAULT_DECISION,
    maxRouteMemory: defaults?.maxRouteMemory,
    serviceLoopPrevention: defaults?.serviceLoopPrevention ?? felix.serviceLoopPrevention ?? 'Drop',
    heldServices: held,
    podCidrSource: defaults?.podCidrSource,
    // Pods rest on the node's own BGPConfiguration by its podCIDRs alone.
    heldPods: held.pods ?? (defaults?.podCidrSource === 'Static' ? ownHeld.pods : undefined),
  }
  return { settings, problems }
}

/**
 * The prefixAdvertisements of this node, or else those of all nodes, with their community aliases resolved. `heldRoutes`: why
 * they cannot be read.
 */
function resolveAdvertisements(
  defaults: ConfigurationObject | undefined,
  own: ConfigurationObject | undefined,
  heldRoutes: string | undefined,
): { readonly advertisements: readonly ResolvedAdvertisement[]; readonly problems: readonly Problem[] } {
  const from = own?.prefixAdvertisements !== undefined ? own : defaults
  // As in Calico, `communities` of the node's own BGPConfiguration apply only to the prefixAdvertisements there.
  const aliases = new Map([...(defaults?.communities ?? []), ...((from === own && own?.communities) || [])])
  const problems: Problem[] = []
  const advertisements: ResolvedAdvertisement[] = (from?.prefixAdvertisements ?? []).map((advertisement, index) => {
    const resolved = resolveAliases(advertisement, aliases)
    if (resolved.unknown !== undefined)
      problems.push(unknownAlias(from?.name ?? 'default', index, advertisement, resolved.unknown))
    return resolved.advertisement
  })
  // A field of prefixAdvertisements that cannot be read may concern any route: all are held.
  if (heldRoutes !== undefined)
    advertisements.push(...EVERYTHING.map((prefix) => ({ prefix, communities: [], held: heldRoutes })))
  return { advertisements, problems }
}

/** FelixConfiguration: for each field, the value for this node takes precedence over the cluster's. */
function readFelix(store: ObjectStore, node: string): Partial<FelixObject> {
  const [own, all] = [NODE_CONFIGURATION + node, 'default'].map((name) => store.get('FelixConfiguration', name))
  const said = Object.entries(own ?? {}).filter(([, value]) => value !== undefined)
  return { ...all, ...Object.fromEntries(said) }
}

function resolveAliases(
  { prefix, communities, held: heldAnyway }: PrefixAdvertisement,
  aliases: ReadonlyMap<string, readonly number[]>,
): { advertisement: ResolvedAdvertisement; unknown: string | undefined } {
  const found: (readonly number[])[] = []
  let unknown: string | undefined
  for (const community of communities) {
    const value = typeof community === 'string' ? aliases.get(community) : community
    if (value !== undefined) found.push(value)
    else unknown ??= community as string
  }
  const held =
    unknown === undefined
      ? heldAnyway
      : `the community "${unknown}" of prefixAdvertisements ${prefix.text} is not known`
  // The list itself where it names no alias: it is then seen at once that it is the same as before.
  const isPlain = found.length === communities.length && found.every((value, index) => value === communities[index])
  return { advertisement: { prefix, communities: isPlain ? (communities as typeof found) : found, held }, unknown }
}

function unknownAlias(name: string, index: number, { prefix }: PrefixAdvertisement, value: string): Problem {
  return makeProblem({
    code: 'community-unknown',
    object: `BGPConfiguration/${name}`,
    field: `spec.prefixAdvertisements[${index}].communities`,
    value,
    says: `names no community of ${[...new Set([name, 'default'])].map((one) => `BGPConfiguration/${one}`).join(' or ')}; routes inside ${prefix.text} are not advertised`,
  })
}
