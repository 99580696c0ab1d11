/**
 * What goes into the BFD engine and what comes out of it, as plain values: can be recorded, replayed and sent to another
 * thread.
 */
import type { Address } from '../base/address.ts'
import type { Micros, Millis } from '../base/units.ts'
import type { BfdState, ControlPacket, Malformed } from './packet.ts'

/** One wanted session. There is one for each remote address. */
export interface BfdIntent {
  /** With its zone, where it is link-local. */
  readonly remote: Address
  /** Undefined leaves it to the kernel. */
  readonly local: Address | undefined
  /** RFC 5881 (UDP port 3784, TTL 255) or RFC 5883 (4784). */
  readonly hops: 'single' | 'multi'
  /** Single hop: the link on which the neighbor stands. */
  readonly interface: string | undefined
  /** Packets leave by that link whatever the kernel's routes say (`sourceInterface`); absent: they follow these. */
  readonly isBound?: true
  /** Desired Min TX and Required Min RX Interval while the session is Up. */
  readonly transmit: Micros
  readonly receive: Micros
  readonly multiplier: number
  /** Multihop: packets with a lower TTL are dropped (RFC 5883). */
  readonly minimumTtl: number
  /** Sends nothing until a packet of the neighbor came in (RFC 5880 §6.1, passive role). */
  readonly passive: boolean
}

/** A session as it stands. Its variables have the names of RFC 5880 §6.8.1 where it names them. */
export interface BfdView {
  readonly remote: Address
  readonly local: Address | undefined
  readonly interface: string | undefined
  readonly hops: BfdIntent['hops']
  readonly state: BfdState
  readonly remoteState: BfdState
  readonly diagnostic: number
  readonly remoteDiagnostic: number
  /** When `state` was entered. */
  readonly since: Millis
  readonly localDiscriminator: number
  /** 0: not known. */
  readonly remoteDiscriminator: number
  /** Negotiated time between two packets that we send. */
  readonly interval: Micros
  /** Detection Time: after this long without a packet of the neighbor, the session is down. 0: no packet came in yet. */
  readonly detectionTime: Micros
  readonly multiplier: number
  readonly desiredMinTx: Micros
  readonly requiredMinRx: Micros
  readonly remoteMultiplier: number
  readonly remoteDesiredMinTx: Micros
  readonly remoteMinRx: Micros
  /**
   * BFD of both sides continues while their control planes are down (the C bit): a failure is one of the path (RFC 5882 §4.3).
   */
  readonly independent: boolean
  readonly passive: boolean
  /** Why nothing can be sent; undefined: it can. */
  readonly error: string | undefined
  readonly sent: number
  readonly received: number
}

/** Why a packet was dropped: a rule of RFC 5880 §6.8.6, or one that needs to know our sessions. */
export type DropReason =
  | Malformed
  /** Its Your Discriminator belongs to no session here. */
  | 'your-discriminator'
  /** The packet names no session, and its sender is not a neighbor with BFD. */
  | 'stranger'
  /** It came to the port of the other kind of session. */
  | 'port'
  /** RFC 5881 §3: it came in on another link than the session's. */
  | 'interface'
  /** Less than 255 on a single hop, or than the session's minimum. */
  | 'ttl'
  /** The kernel dropped it during a flood from strangers. */
  | 'flood'

export interface BfdCounters {
  readonly sent: number
  readonly received: number
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>
  /** No interval is shorter, because of the priority we got or the number of sessions; 0: as configured. */
  readonly leastInterval: Micros
}

/** A session as one run leaves it to the next, so that its neighbor does not notice. */
export interface SavedSession {
  readonly intent: BfdIntent
  readonly discriminator: number
  readonly port: number
  readonly state: BfdState
  /** The state is that of a run that was killed, and the neighbor has not answered since. */
  readonly isUnanswered?: true
  readonly diagnostic: number
  /** What its packets last advertised. */
  readonly advertised: AdvertisedValues
  readonly heard: HeardPacket
}

/** What our packets advertise (RFC 5880 §4.1). */
export interface AdvertisedValues {
  /** Desired Min TX Interval. */
  readonly desired: Micros
  /** Required Min RX Interval. */
  readonly required: Micros
  /** Detect Mult. */
  readonly multiplier: number
}

/** The contents of the neighbor's last packet. */
export type HeardPacket = Pick<
  ControlPacket,
  'state' | 'diagnostic' | 'demand' | 'multiplier' | 'desiredMinTx' | 'requiredMinRx' | 'controlPlaneIndependent'
> & { readonly discriminator: number }

/** The scheduling priority that the system gave the thread of the engine. */
export interface Priority {
  readonly kind: 'real-time' | 'nice' | 'none'
  /** Why it is not `real-time`. */
  readonly error: string | undefined
}

/** What the owner of the sessions learns. */
export type BfdNews =
  | Exclude<BfdEffect, { readonly kind: 'open' | 'close' | 'send' }>
  | { readonly kind: 'priority'; readonly priority: Priority }

export type BfdInput =
  /** All wanted sessions; the others end. */
  | { readonly kind: 'sessions'; readonly sessions: readonly BfdIntent[] }
  /** One datagram, and how it came. `from` has no zone. */
  | {
      readonly kind: 'packet'
      readonly bytes: Uint8Array
      readonly from: Address
      readonly interface: string | undefined
      readonly hops: BfdIntent['hops']
      readonly ttl: number
    }
  /** A session cannot send, and why; undefined: it can. `portTaken`: it must try another source port. */
  | {
      readonly kind: 'socket-error'
      readonly session: number
      readonly text: string | undefined
      readonly portTaken: boolean
    }
  /** Datagrams that the kernel dropped before we saw them. */
  | { readonly kind: 'filtered'; readonly reason: 'ttl' | 'flood'; readonly count: number }
  /**
   * This process ends and another takes over: neighbors must not detect a failure while none runs, for the time `away`. The
   * Effect `handed-over` answers.
   */
  | { readonly kind: 'hand-over'; readonly away: Micros }
  /** What another run left; before all else. `wasKilled`: it asked no neighbor to wait, and some may have missed it. */
  | { readonly kind: 'resume'; readonly sessions: readonly SavedSession[]; readonly wasKilled: boolean }
  /** The Effect `answer` must contain all sessions and counters. */
  | { readonly kind: 'ask'; readonly id: number }
  /** Time has passed, and all sockets have been read. */
  | { readonly kind: 'tick' }

export type BfdEffect =
  /** The session sends from this port from now on. `session` is its local discriminator. */
  | {
      readonly kind: 'open'
      readonly session: number
      readonly remote: Address
      readonly local: Address | undefined
      readonly hops: BfdIntent['hops']
      readonly port: number
      /** The link by which packets leave; absent: the kernel chooses it. */
      readonly device?: string
    }
  | { readonly kind: 'close'; readonly session: number }
  | { readonly kind: 'send'; readonly session: number; readonly bytes: Uint8Array }
  /** Something about a session changed; `from`: its state, and which it was before. */
  | { readonly kind: 'report'; readonly session: BfdView; readonly from: BfdState | undefined }
  /** The first packet that this address had dropped for this reason. */
  | { readonly kind: 'dropped'; readonly from: Address; readonly reason: DropReason }
  /** All neighbors wait long enough, or those that have not confirmed it had time to. Nothing is sent after this. */
  | { readonly kind: 'handed-over'; readonly sessions: readonly SavedSession[] }
  /** What the next run must know of this session if this one is killed; undefined: the session was removed. */
  | { readonly kind: 'keep'; readonly remote: Address; readonly session: SavedSession | undefined }
  /** No interval is shorter from now on. */
  | { readonly kind: 'least-interval'; readonly least: Micros }
  | {
      readonly kind: 'answer'
      readonly id: number
      readonly sessions: readonly BfdView[]
      readonly counters: BfdCounters
    }
