/** Everything that can happen to an engine, as plain values: can be recorded, compared and replayed. */
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
import type { RestartDocument } from './restart.ts'

/** A client of the control socket; the edge gives the number, which is never used again. */
export type ClientId = number

export type Input =
  | ObjectsInput
  | ListenInput
  | ConnectionInput
  | ClientInput
  | KernelInput
  | DiscoveryInput
  | BfdInput
  | ProcessInput

/** Kubernetes objects, and what earlier runs kept. */
export type ObjectsInput =
  /** Objects changed, all of them at once: nothing is decided on a part. They are read over as many turns as that takes. */
  | { readonly kind: 'objects'; readonly changes: readonly ObjectChange[] }
  /** Before anything is listed: the last good objects of an earlier run. */
  | { readonly kind: 'remembered'; readonly objects: readonly KeptObject[] }
  /** Every kind has been listed once: from now on what is absent does not exist. */
  | { readonly kind: 'synced' }
  /** Before anything is listed: what the run before left for one that restarts; undefined: nothing that can be used. */
  | {
      readonly kind: 'restarted'
      readonly document: RestartDocument | undefined
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
  /** A connection was refused without asking the engine, for lack of the resource that the reason names. */
  | { readonly kind: 'turned-away'; readonly address: Address; readonly reason: string }
  /** Whether packets of strangers are dropped because there are too many, and how many since the last report. */
  | { readonly kind: 'callers-filtered'; readonly isOn: boolean; readonly dropped: number }
  /** The process or the machine has no descriptor left for sockets, in the system's words; undefined: it has again. */
  | { readonly kind: 'descriptors'; readonly trouble: string | undefined }

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
  /** At most one socket chunk. `bytes` are the sender's again when the turn is over. */
  | { readonly kind: 'received'; readonly conn: ConnId; readonly bytes: Uint8Array }
  /** The network took what was sent: there is room again. */
  | { readonly kind: 'drained'; readonly conn: ConnId }
  | { readonly kind: 'closed'; readonly conn: ConnId; readonly reason: string | undefined }

/** Clients of the control socket. */
export type ClientInput =
  /** `restricted`: it may look, not act. `bird1`: it expects a BIRD 1.6, of which one process has one family. */
  | { readonly kind: 'client-opened'; readonly client: ClientId; readonly restricted: boolean; readonly bird1?: Family }
  /** One line from a client. */
  | { readonly kind: 'command'; readonly client: ClientId; readonly line: string }
  | { readonly kind: 'client-drained'; readonly client: ClientId }
  | { readonly kind: 'client-closed'; readonly client: ClientId }

/** Interfaces, kernel routes, nftables, and the CNI configuration. */
export type KernelInput =
  /** What is different about the links of this host and their addresses. The first is everything. */
  | { readonly kind: 'links'; readonly change: LinkChange }
  /** What is different in the kernel's routes. The first is everything. */
  | { readonly kind: 'kernel'; readonly change: KernelChange }
  /** Our nftables table as the kernel has it; undefined: there is none. */
  | { readonly kind: 'nft-table'; readonly table: NftTable | undefined }
  /** What became of an Effect `routes` or `nft`: all is done but what failed. */
  | {
      readonly kind: 'applied'
      readonly what: 'routes' | 'nft'
      readonly seq: number
      readonly failed: readonly Failure[]
    }
  /** The kernel cannot be asked, and why; undefined: it can again. */
  | { readonly kind: 'kernel-trouble'; readonly what: 'links' | 'routes' | 'nft'; readonly text: string | undefined }
  /** What became of the Effect `cni`: it is so, or why not. Comes again when that changes. */
  | {
      readonly kind: 'cni'
      readonly path: string
      readonly config: string | undefined
      readonly trouble: string | undefined
    }

/** Unnumbered neighbors: router advertisements (RFC 4861). */
export type DiscoveryInput =
  /**
   * Of an interface of the Effect `discover`: we advertise ourselves there and listen, or why not. Comes when it
   * changes.
   */
  | { readonly kind: 'link'; readonly interface: string; readonly trouble: string | undefined }
  /** A router advertised itself there, with its link-local address and the interface as zone. Comes every time. */
  | { readonly kind: 'router'; readonly interface: string; readonly address: Address }

/** The BFD engine. */
export type BfdInput =
  /** What the BFD engine reports, in its order. */
  | { readonly kind: 'bfd'; readonly news: readonly BfdNews[] }
  /** The BFD engine cannot be reached, and why; undefined: it can again. */
  | { readonly kind: 'bfd-trouble'; readonly text: string | undefined }

/** Time, and the life of the process. */
export type ProcessInput =
  /**
   * Time has passed and all sockets have been looked at: what had come by `until` was handed in before this, except on
   * the connections of `unread`, where more may wait. A neighbor's silence counts only as far as that.
   */
  | { readonly kind: 'polled'; readonly until: Millis; readonly unread: readonly ConnId[] }
  /** Nothing but time has passed. */
  | { readonly kind: 'tick' }
  /** What to add to the engine's clock for the wall clock, which may have been set or slept: for those who look. */
  | { readonly kind: 'wall-clock'; readonly epoch: number }
  /** The endpoint of the Effect `health` was asked; what was wrong with its answer. */
  | { readonly kind: 'health'; readonly trouble: string | undefined }
  /** The Lease that one of all agents holds is ours, or no longer. */
  | { readonly kind: 'lease'; readonly held: boolean }
  /**
   * End. To `leave`, every session gets Cease, and neighbors drop our routes; with a `farewell` they are first asked to
   * prefer other paths, and have time to; for a `restart` sessions end without a word, and they keep them. The engine
   * is done when no connection is left.
   */
  | { readonly kind: 'stop'; readonly reason: string; readonly how: 'leave' | 'farewell' | 'restart' }
