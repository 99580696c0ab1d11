/** Everything an engine can ask of the world, as plain values. */
import type { Address } from '../base/address.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Millis } from '../base/units.ts'
import type { BfdIntent } from '../bfd/types.ts'
import type { ConnId, Endpoint } from '../bgp/session/types.ts'
import type { HealthSettings, KeyIntent } from '../cluster/intent.ts'
import type { KeptObject } from '../cluster/last-good.ts'
import type { RouteChange } from '../dataplane/kernel.ts'
import type { NftChange } from '../dataplane/nft-script.ts'
import type { EventPlan } from '../status/events.ts'
import type { NodeStatus } from '../status/node-status.ts'
import type { ObjectConditions } from '../status/object-conditions.ts'
import type { ClientId } from './input.ts'
import type { LogLine } from './log-line.ts'
import type { RestartDocument } from './restart.ts'

/** Of one neighbor, or of all callers from a range. */
export interface Protection {
  /** Without the zone of a link-local address. */
  readonly prefix: Prefix
  /** The zone: the interface that a link-local address is on. */
  readonly zone: string | undefined
  readonly key: KeyIntent | undefined
  /** Least TTL of a packet that is taken (RFC 5082); ours are then sent with 255. */
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
    }
  /** Whole messages, in order. The edge answers with the Input `drained` once its queue is empty again. */
  | { readonly kind: 'send'; readonly conn: ConnId; readonly bytes: Uint8Array }
  /** Close after all that was sent has been handed over. */
  | { readonly kind: 'close'; readonly conn: ConnId }
  /** Close at once: no neighbor is expected here. */
  | { readonly kind: 'refuse'; readonly conn: ConnId }
  /**
   * Who may call or is called, and how each of them is protected; whole. Keys are put in force on listeners and on what
   * stands, without a reset. Comes before the `listen` and `dial` that it is for.
   */
  | { readonly kind: 'protect'; readonly neighbors: readonly Protection[] }
  /** Names of the Secrets that hold keys: these are followed, in the agent's own namespace, and no others. */
  | { readonly kind: 'secrets'; readonly names: readonly string[] }
  /** Text for a client of the control socket, already in BIRD's line protocol. `client-drained` answers it. */
  | { readonly kind: 'reply'; readonly client: ClientId; readonly text: string }
  | { readonly kind: 'hang-up'; readonly client: ClientId }
  | { readonly kind: 'log'; readonly line: LogLine }
  /** The last UPDATE an object's change at `since` caused is among this turn's sends: the edge takes the time. */
  | { readonly kind: 'measure'; readonly name: 'object-to-update'; readonly since: Millis }
  /** The CNI configuration of this node, whole; undefined: no file of ours must be there. The Input `cni` answers. */
  | { readonly kind: 'cni'; readonly config: string | undefined }
  /** Routes to write, in this order. The Input `applied` answers with the same number; the next ones come after it. */
  | { readonly kind: 'routes'; readonly seq: number; readonly changes: readonly RouteChange[] }
  /** Our nftables table, whole or what is in its sets: one script, one transaction. `applied` and `nft-table` answer. */
  | { readonly kind: 'nft'; readonly seq: number; readonly change: NftChange }
  /** Advertise ourselves as a router on these interfaces and on no other, and listen for routers there. */
  | { readonly kind: 'discover'; readonly interfaces: readonly string[] }
  /** Report default routes, even where no other routes of the kernel are read (Input `kernel`). */
  | { readonly kind: 'follow-default-routes'; readonly wanted: boolean }
  /** The last good objects, whole: to be kept, and given to the next run by the Input `remembered`. */
  | { readonly kind: 'remember'; readonly objects: readonly KeptObject[] }
  /** Ask this endpoint of this host every `interval`, and no other; undefined: none. The Input `health` answers each time. */
  | { readonly kind: 'health'; readonly check: HealthSettings | undefined }
  /** All neighbors that BFD watches; sessions with others end with AdminDown. The Input `bfd` answers. */
  | { readonly kind: 'bfd'; readonly sessions: readonly BfdIntent[] }
  /** What the API should say of this node, whole. Agents that write anew do so within `spread` of each other. */
  | { readonly kind: 'status'; readonly status: NodeStatus; readonly spread: Millis }
  /** Only while the Lease is ours: what is true of these objects; `whole`: they are all there are. */
  | { readonly kind: 'conditions'; readonly objects: readonly ObjectConditions[]; readonly whole: boolean }
  /** Kubernetes Events to write. What cannot be written is lost. */
  | { readonly kind: 'events'; readonly events: readonly EventPlan[]; readonly now: Millis }
  /** Only while the Lease is ours: the nodes that have the startup taint, all of them. It goes once a node is ready. */
  | { readonly kind: 'untaint'; readonly nodes: readonly string[] }
  /** What a run that follows this one must know, for the Input `restarted`; undefined: it is to begin anew. */
  | { readonly kind: 'remember-restart'; readonly document: RestartDocument | undefined }
  /** After `stop`: no connection is left, the process may end. */
  | { readonly kind: 'done' }
