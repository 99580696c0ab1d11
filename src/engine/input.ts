/** Everything that can happen to an engine, as plain values that can be recorded, compared and replayed. */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Millis } from '../base/units.ts'
import type { BfdNews } from '../bfd/types.ts'
import type { ConnId, Endpoint } from '../bgp/session/types.ts'
import type { KeptObject } from '../cluster/last-good.ts'
import type { ObjectChange } from '../cluster/source.ts'
import type { Failure, KernelChange } from '../dataplane/kernel.ts'
import type { LinkChange } from '../dataplane/links.ts'
import type { NftTable } from '../dataplane/nft-table.ts'
import type { ByHandDocument } from './by-hand.ts'
import type { RestartDocument } from './restart.ts'

/** A client of the control socket; the edge assigns the number, and never uses it again. */
export type ClientId = number

export type Input =
  | ObjectsInput
  | ListenInput
  | ConnectionInput
  | ClientInput
  | KernelInput
  | DiscoveryInput
  | BfdStateInput
  | ProcessInput

/** Kubernetes objects, and what earlier runs kept. */
export type ObjectsInput =
  /**
   * Changed objects. They are read over several turns, and the intent is built only when all of them have been read.
   */
  | { readonly kind: 'objects'; readonly changes: readonly ObjectChange[] }
  /** Before the first list: the last good objects of an earlier run. */
  | { readonly kind: 'remembered'; readonly objects: readonly KeptObject[] }
  /** Every kind has been listed once: from now on an absent object does not exist. */
  | { readonly kind: 'synced' }
  /**
   * Before the first list: the state that the previous run left for a restart; undefined: there is none that can be
   * used.
   */
  | {
      readonly kind: 'restarted'
      readonly document: RestartDocument | undefined
      /** What people had asked of the previous run by command. */
      readonly byHand?: ByHandDocument | undefined
      /** The families that this machine forwards, where that is known. */
      readonly forwards?: readonly Family[] | undefined
    }

/** The listening sockets, and connections that were refused or dropped before the engine saw them. */
export type ListenInput =
  | { readonly kind: 'listening'; readonly address: Address | undefined; readonly port: number }
  /** The listener is closed: on the engine's request, or because the agent ends. */
  | { readonly kind: 'listen-ended'; readonly address: Address | undefined; readonly port: number }
  | {
      readonly kind: 'listen-failed'
      readonly address: Address | undefined
      readonly port: number
      readonly reason: string
    }
  /** The edge refused a connection without asking the engine, for lack of the resource that the reason names. */
  | { readonly kind: 'turned-away'; readonly address: Address; readonly reason: string }
  /** Whether packets of strangers are dropped because there are too many, and how many since the last report. */
  | { readonly kind: 'callers-filtered'; readonly isOn: boolean; readonly dropped: number }
  /** Why no descriptor is left for sockets, as the system reports it; undefined: there are some again. */
  | { readonly kind: 'descriptors'; readonly error: string | undefined }

/** TCP connections of neighbors. */
export type ConnectionInput =
  /** A connection was accepted. Ids of accepted connections are odd, of dialled ones even. */
  | { readonly kind: 'accepted'; readonly conn: ConnId; readonly local: Endpoint; readonly remote: Endpoint }
  | {
      readonly kind: 'connected'
      readonly conn: ConnId
      readonly local: Endpoint
      readonly remote: Endpoint
    }
  | { readonly kind: 'dial-failed'; readonly conn: ConnId; readonly reason: string }
  /** At most one chunk of a socket. The sender uses `bytes` again after the turn. */
  | { readonly kind: 'received'; readonly conn: ConnId; readonly bytes: Uint8Array }
  /** The network has taken what was sent: more may follow. */
  | { readonly kind: 'drained'; readonly conn: ConnId }
  | { readonly kind: 'closed'; readonly conn: ConnId; readonly reason: string | undefined }

/** Clients of the control socket. */
export type ClientInput =
  /** `restricted`: it may use `show` only. `bird1`: it expects a BIRD 1.6, of which one process serves one family. */
  | { readonly kind: 'client-opened'; readonly client: ClientId; readonly restricted: boolean; readonly bird1?: Family }
  /** One line from a client. */
  | { readonly kind: 'command'; readonly client: ClientId; readonly line: string }
  | { readonly kind: 'client-drained'; readonly client: ClientId }
  | { readonly kind: 'client-closed'; readonly client: ClientId }

/** Interfaces, kernel routes, nftables, and the CNI configuration. */
export type KernelInput =
  /** Changes of the links of this host and their addresses. The first input has everything. */
  | { readonly kind: 'links'; readonly change: LinkChange }
  /** Changes of the kernel's routes. The first input has everything. */
  | { readonly kind: 'kernel'; readonly change: KernelChange }
  /** Our nftables table as the kernel has it; undefined: it has none. */
  | { readonly kind: 'nft-table'; readonly table: NftTable | undefined }
  /** The result of an Effect `routes` or `nft`: everything was done except what failed. */
  | {
      readonly kind: 'applied'
      readonly what: 'routes' | 'nft'
      readonly seq: number
      readonly failed: readonly Failure[]
    }
  /** Why the kernel cannot be read or written; undefined: it can again. */
  | { readonly kind: 'kernel-error'; readonly what: 'links' | 'routes' | 'nft'; readonly text: string | undefined }
  /** The result of the Effect `cni`: the configuration is in place, or the error. Reported again when that changes. */
  | {
      readonly kind: 'cni'
      readonly path: string
      readonly config: string | undefined
      readonly error: string | undefined
    }

/** Unnumbered neighbors: router advertisements (RFC 4861). */
export type DiscoveryInput =
  /**
   * Whether we send router advertisements on an interface of the Effect `discover` and listen there, or why not. Reported
   * when that changes. What the kernel says of the interface is in the Input `links`.
   */
  | { readonly kind: 'link'; readonly interface: string; readonly error: string | undefined }
  /** A router advertised itself there: its link-local address, with the interface as zone. Reported every time. */
  | { readonly kind: 'router'; readonly interface: string; readonly address: Address }

/** The BFD engine. */
export type BfdStateInput =
  /** Reports of the BFD engine, in order. */
  | { readonly kind: 'bfd'; readonly news: readonly BfdNews[] }
  /** Why the BFD engine cannot be reached; undefined: it can again. */
  | { readonly kind: 'bfd-error'; readonly text: string | undefined }

/** Time, and the life of the process. */
export type ProcessInput =
  /**
   * Time has passed and all sockets have been polled: everything that had arrived by `until` was passed in before this,
   * except on the connections of `unread`, where more may wait. A neighbor's silence counts only up to that time.
   */
  | { readonly kind: 'polled'; readonly until: Millis; readonly unread: readonly ConnId[] }
  /** Only time has passed. */
  | { readonly kind: 'tick' }
  /**
   * What to add to the engine's time for the wall clock; it changes when the wall clock is set. It comes before each
   * command, for the times that `show` prints, and after each Effect `status`: the moments at which this node writes its
   * status (`status/pace`) follow it too, so that a clock that was set counts from the next status on.
   */
  | { readonly kind: 'wall-clock'; readonly epoch: number }
  /** The result of a request to the endpoint of the Effect `health`; undefined: it is healthy. */
  | { readonly kind: 'health'; readonly error: string | undefined }
  /** Whether the Lease that one of all agents holds is ours. */
  | { readonly kind: 'lease'; readonly held: boolean }
  /**
   * End. For `leave`, every session gets a Cease, and neighbors drop our routes; for `farewell` they are first asked to
   * prefer other paths, and get time for that; for `restart` sessions end without a NOTIFICATION, and neighbors keep
   * our routes. The engine is done when no connection is left.
   */
  | { readonly kind: 'stop'; readonly reason: string; readonly how: 'leave' | 'farewell' | 'restart' }
