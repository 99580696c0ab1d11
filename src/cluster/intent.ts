/**
 * Everything that should be, as one value: which neighbors, which local routes, which policy, and why something
 * wanted is not. `diff.ts` turns two of these into steps.
 */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Asn, RouterId, Seconds } from '../base/units.ts'
import type { Policy } from '../bgp/policy/rule.ts'
import type { DataplaneIntent } from './dataplane.ts'

export interface Intent {
  /** Undefined until this node's object is known. */
  readonly node: NodeIntent | undefined
  /** By protocol name. */
  readonly peers: ReadonlyMap<string, PeerIntent>
  /** By canonical prefix text. */
  readonly routes: ReadonlyMap<string, RouteIntent>
  /** Why something is not advertised: by canonical prefix text, or by object (`Service/shop/web`). */
  readonly refusals: ReadonlyMap<string, string>
  /** For the kernel of this node; undefined while the node is not known. */
  readonly dataplane: DataplaneIntent | undefined
  /** What is wrong or held back, each naming object, field and value; in a stable order. */
  readonly problems: readonly Problem[]
}

export interface NodeIntent {
  readonly name: string
  readonly asNumber: Asn
  readonly routerId: RouterId
  /** Node InternalIPs. */
  readonly addresses: Readonly<Partial<Record<Family, Address>>>
  readonly listenPort: number
  /** Listen on these only (`bindMode: NodeIP`); empty for all addresses. */
  readonly listenAddresses: readonly Address[]
}

export type PeerKind = 'Mesh' | 'Node' | 'Global'

export interface PeerIntent {
  /** `Mesh_10_0_0_2`, `Global_2001_db8__1_port_1790`. */
  readonly name: string
  readonly kind: PeerKind
  /** The BGPPeer it comes from; undefined for the mesh. */
  readonly object: string | undefined
  readonly address: Address
  readonly port: number
  readonly remoteAs: Asn | 'internal' | 'external'
  readonly localAs: Asn
  /** Bind to this address of ours; undefined leaves it to the kernel. */
  readonly sourceAddress: Address | undefined
  readonly families: readonly Family[]
  readonly holdTime: Seconds
  readonly keepaliveTime: Seconds | undefined
  readonly connectRetryTime: Seconds
  readonly passive: boolean
  /** The other side should dial first; we only after a delay. */
  readonly waits: boolean
  readonly importPolicy: Policy
  readonly exportPolicy: Policy
  readonly maxPrefixes: Readonly<Partial<Record<Family, number>>>
  /**
   * Not to be started, and why: a filter that does not exist, a Secret that is missing. Both policies then refuse
   * everything; a session that is up keeps those it runs with.
   */
  readonly held: string | undefined
}

export interface RouteIntent {
  readonly prefix: Prefix
  readonly origin: 'pod-cidr' | 'service-cidr' | 'service'
  /** `Node/worker-1`, `BGPConfiguration/default`, `Service/shop/web`; several where they share it. */
  readonly objects: readonly string[]
  readonly communities: readonly (readonly number[])[]
}

export interface Problem {
  /** Stable, for machines: `peer-filter-missing`. */
  readonly code: string
  /** `BGPPeer/rack-1`, or a file and its document. */
  readonly object: string
  /** `spec.filters[0]`, empty where no field is meant. */
  readonly field: string
  /** The value at fault, as text. */
  readonly value: string
  /** The whole line, object and field included: what is wrong and what is done about it. */
  readonly text: string
  /** Worth a look, but nothing is refused or held for it. Absent: an error. */
  readonly level?: 'warning'
}
