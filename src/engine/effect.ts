/** Everything that an engine asks of its edges, as plain values. */
import type { Address } from '../base/address.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Millis } from '../base/units.ts'
import type { BfdIntent } from '../bfd/types.ts'
import type { ConnId, Endpoint } from '../bgp/session/types.ts'
import type { HealthSettings, KeyIntent, PodSelection, Signing } from '../cluster/intent.ts'
import type { KeptObject } from '../cluster/last-good.ts'
import type { RouteChange } from '../dataplane/kernel.ts'
import type { NftChange } from '../dataplane/nft-script.ts'
import type { EventPlan } from '../status/events.ts'
import type { NodeStatus } from '../status/node-status.ts'
import type { ObjectConditions } from '../status/object-conditions.ts'
import type { ByHandDocument } from './by-hand.ts'
import type { ClientId } from './input.ts'
import type { LogLine } from './log-line.ts'
import type { RestartDocument } from './restart.ts'

/** The endpoint of one neighbor, or a range from which any host may connect. */
export interface Protection {
  /** Without the zone of a link-local address. */
  readonly prefix: Prefix
  /** The zone: the interface that a link-local address is on. */
  readonly zone: string | undefined
  readonly signing: Signing<KeyIntent> | undefined
  /** The least TTL of packets that are accepted (RFC 5082); our packets are then sent with 255. */
  readonly minTtl: number | undefined
}

export type Effect =
  /** Listen here and nowhere else; undefined address means every address of both families. */
  | { readonly kind: 'listen'; readonly port: number; readonly addresses: readonly Address[] }
  | {
      readonly kind: 'dial'
      readonly conn: ConnId
      readonly remote: Endpoint
      readonly localAddress: Address | undefined
      /** Packets of the connection leave and arrive by this interface alone; default: by what the routes say. */
      readonly interface?: string
    }
  /** Send whole messages, in order. The Input `drained` follows once the queue is empty again. */
  | { readonly kind: 'send'; readonly conn: ConnId; readonly bytes: Uint8Array }
  /** Close after everything that was sent has been handed to the kernel. */
  | { readonly kind: 'close'; readonly conn: ConnId }
  /** Close at once: there is no neighbor at that address. */
  | { readonly kind: 'refuse'; readonly conn: ConnId }
  /**
   * Who may connect, and how each is protected; the complete list. Keys are set on listeners and on open connections,
   * without a reset. Comes before the `listen` and `dial` that need it.
   */
  | { readonly kind: 'protect'; readonly neighbors: readonly Protection[] }
  /** Names of all Secrets that hold keys: the source follows these, in the agent's own namespace, and no others. */
  | { readonly kind: 'secrets'; readonly names: readonly string[] }
  /** Pods of this node that are followed; undefined: none are. */
  | { readonly kind: 'pods'; readonly selection: PodSelection | undefined }
  /** Text for a client of the control socket, in BIRD's line protocol. The Input `client-drained` follows. */
  | { readonly kind: 'reply'; readonly client: ClientId; readonly text: string }
  | { readonly kind: 'hang-up'; readonly client: ClientId }
  | { readonly kind: 'log'; readonly line: LogLine }
  /** The last UPDATE that an object's change at `since` caused is sent in this turn: the edge measures the time. */
  | { readonly kind: 'measure'; readonly name: 'object-to-update'; readonly since: Millis }
  /** The complete CNI configuration of this node; undefined: no file of ours must exist. The Input `cni` follows. */
  | { readonly kind: 'cni'; readonly config: string | undefined }
  /**
   * Routes to write, in this order. The Input `applied` follows with the same number; the next effect comes after it.
   */
  | { readonly kind: 'routes'; readonly seq: number; readonly changes: readonly RouteChange[] }
  /**
   * Our nftables table as a whole, or the content of its sets: one script, one transaction. `applied` and `nft-table`
   * follow.
   */
  | { readonly kind: 'nft'; readonly seq: number; readonly change: NftChange }
  /** Send router advertisements on these interfaces and on no other, and listen for routers there. */
  | { readonly kind: 'discover'; readonly interfaces: readonly string[] }
  /** Report default routes, even where no other routes of the kernel are read (Input `kernel`). */
  | { readonly kind: 'follow-default-routes'; readonly wanted: boolean }
  /** All last good objects: to be saved, and passed to the next run by the Input `remembered`. */
  | { readonly kind: 'remember'; readonly objects: readonly KeptObject[] }
  /**
   * Request this endpoint on this host every `interval`, and no other; undefined: none. The Input `health` follows each
   * time.
   */
  | { readonly kind: 'health'; readonly check: HealthSettings | undefined }
  /** All neighbors with BFD; sessions with others end with AdminDown. The Input `bfd` follows. */
  | { readonly kind: 'bfd'; readonly sessions: readonly BfdIntent[] }
  /** The complete status of this node for the API. Agents that write again do so within `spread` of each other. */
  | { readonly kind: 'status'; readonly status: NodeStatus; readonly spread: Millis }
  /** Only while the Lease is ours: the conditions of these objects; `whole`: these are all objects. */
  | { readonly kind: 'conditions'; readonly objects: readonly ObjectConditions[]; readonly whole: boolean }
  /** Kubernetes Events to write. An Event that cannot be written is lost. */
  | { readonly kind: 'events'; readonly events: readonly EventPlan[]; readonly now: Millis }
  /** Only while the Lease is ours: all nodes that have the startup taint. It is removed once a node is ready. */
  | { readonly kind: 'untaint'; readonly nodes: readonly string[] }
  /** What the next run must know, for the Input `restarted`; undefined: it must start without. */
  | { readonly kind: 'remember-restart'; readonly document: RestartDocument | undefined }
  /** The same of what people asked of this agent by command. */
  | { readonly kind: 'remember-by-hand'; readonly document: ByHandDocument }
  /** After `stop`: no connection is left, and the process may end. */
  | { readonly kind: 'done' }
