/**
 * Events and actions of a neighbor, its configuration and its state. `peer.ts` is the state machine.
 */
import type { Address } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
import type { Asn, Millis, RouterId, Seconds } from '../../base/units.ts'
import type { PeerType, WireContext } from '../wire/context.ts'
import type { MessageError } from '../wire/error.ts'
import type { Capability } from '../wire/message.ts'
import type { Role } from '../wire/role.ts'

/** One TCP connection: even where we dialled it, odd where the neighbor did. No number is used again. */
export type ConnId = number

export interface Endpoint {
  readonly address: Address
  readonly port: number
}

/** The configuration of one neighbor. A change is an event: `peer.ts` decides whether the session is reset. */
export interface PeerConfig {
  /** Protocol name: `Mesh_10_0_0_2`. */
  readonly name: string
  readonly remote: Endpoint
  /** Local address of the connection; if undefined, the kernel chooses. */
  readonly localAddress: Address | undefined
  /** If that address is on no link to the neighbor, an address of that link is used instead. */
  readonly localMayYield?: boolean
  readonly localAs: Asn
  readonly remoteAs: Asn | 'internal' | 'external'
  readonly routerId: RouterId
  /** How TCP segments are signed. A changed key does not reset the session; another method, or none, does. */
  readonly signing?: 'md5' | 'ao' | undefined
  /** Families we announce. */
  readonly families: readonly Family[]
  readonly holdTime: Seconds
  /** Undefined: a third of the negotiated hold time (RFC 4271 §4.4). */
  readonly keepaliveTime: Seconds | undefined
  /** The first delay before dialling again; it doubles up to a minute. */
  readonly connectRetryTime: Seconds
  /** Never dial; wait for the neighbor. */
  readonly passive: boolean
  /** The delay before the first dial, so that the other side dials first. */
  readonly dialDelay: Millis
  /** Sent in the FQDN capability. */
  readonly hostName: string
  /** Offer IPv4 routes with IPv6 next hops (RFC 8950). */
  readonly extendedNextHop?: boolean
  /** Families of which several paths to a prefix are offered to be sent and taken (RFC 7911). */
  readonly addPath?: AddPathConfig
  /** Our role towards this neighbor (RFC 9234); announced to external neighbors only. */
  readonly role?: Role
  /** A neighbor that does not say its own role is refused (RFC 9234 §4.2). */
  readonly strictRole?: boolean
  /**
   * How long neighbors keep our routes while we restart, 0 to 4095 s; undefined: graceful restart is not announced (RFC 4724).
   */
  readonly restartTime?: Seconds
  /** … and how much longer, as routes of last resort (RFC 9494); 0 unless said. */
  readonly longLivedTime?: Seconds
  /** The N bit (RFC 8538): both keep routes over a NOTIFICATION too, also over that of an expired hold timer. */
  readonly restartNotification?: boolean
}

interface AddPathConfig {
  readonly receive: readonly Family[]
  readonly send: readonly Family[]
}

/** RFC 4271 §8.2.2. */
export type SessionState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established'

export type PeerEvent =
  /** Dials and accepts connections from now on; where `too-many` holds it down, when that time is over. */
  | { readonly kind: 'start' }
  /** Ends what `too-many` began, since a person says so or another limit applies. `start` or `stop` follows. */
  | { readonly kind: 'lift-hold-down' }
  /**
   * Ends the session with this subcode of Cease (RFC 4486) and stays Idle. `text`, unless empty, is sent as shutdown
   * communication (RFC 9003); `reason` is shown.
   */
  | { readonly kind: 'stop'; readonly subcode: number; readonly text: string; readonly reason: string }
  | { readonly kind: 'configure'; readonly config: PeerConfig }
  /** A connection is established: one we asked for with `dial`, or one the neighbor opened. */
  | {
      readonly kind: 'connected'
      readonly conn: ConnId
      readonly dialled: boolean
      readonly local: Endpoint
      readonly remote: Endpoint
    }
  | { readonly kind: 'dial-failed'; readonly conn: ConnId; readonly reason: string }
  | { readonly kind: 'received'; readonly conn: ConnId; readonly bytes: Uint8Array }
  /** `reason` is the error of the operating system; undefined: the neighbor closed the connection. */
  | { readonly kind: 'closed'; readonly conn: ConnId; readonly reason: string | undefined }
  /** The link or address of the connections is lost: they close at once, without a NOTIFICATION. */
  | { readonly kind: 'link-lost'; readonly reason: string }
  /** … and is back: the next dial waits for `dialDelay` alone. */
  | { readonly kind: 'link-back' }
  /** Ends as a killed process does: connections close without a NOTIFICATION, so that the neighbor keeps our routes. */
  | { readonly kind: 'vanish'; readonly reason: string }
  /** An UPDATE handed out earlier turned out to be one that ends the session. */
  | { readonly kind: 'update-error'; readonly conn: ConnId; readonly error: MessageError }
  /** The prefix limit was exceeded: no new session for this time, or until it is enabled by command. */
  | {
      readonly kind: 'too-many'
      readonly conn: ConnId
      readonly error: MessageError
      readonly holdDown: Seconds | undefined
    }
  /**
   * BFD has lost the neighbor: an Established session ends (RFC 9384), and is tried again. `independent`: BFD goes on while
   * the control planes do not, on both sides (RFC 5882 §4.3).
   */
  | { readonly kind: 'bfd-down'; readonly reason: string; readonly independent: boolean }
  /** Asks the neighbor for its routes of a family again, where it can do that (RFC 2918). */
  | { readonly kind: 'ask-refresh'; readonly family: Family }
  /** The neighbor has sent End-of-RIB for a family (RFC 4724 §2). */
  | { readonly kind: 'end-of-rib'; readonly family: Family }
  /** The network took everything that was sent on a connection (RFC 9687). */
  | { readonly kind: 'drained'; readonly conn: ConnId }
  /** We wrote UPDATEs: that counts as a keepalive (RFC 4271 §8.2.2). */
  | { readonly kind: 'updates-sent'; readonly count: number }
  /** We wrote BoRR or EoRR (RFC 7313): unlike an UPDATE, it does not restart the KeepaliveTimer. */
  | { readonly kind: 'refresh-sent' }
  /** Runs timers, see `deadline()`. Everything that the neighbor sent before `until` (default: now) has been read. */
  | { readonly kind: 'timer'; readonly until?: Millis }
  /** Runs the KeepaliveTimer, see `keepaliveAt()`, and no hold timer: so it need not know what has been read. */
  | { readonly kind: 'keepalive-due' }

export type PeerAction =
  | {
      readonly kind: 'dial'
      readonly conn: ConnId
      readonly remote: Endpoint
      readonly localAddress: Address | undefined
      readonly localMayYield?: boolean
    }
  | { readonly kind: 'send'; readonly conn: ConnId; readonly bytes: Uint8Array }
  /** Close once everything sent before has been handed to the network: a NOTIFICATION must arrive. */
  | { readonly kind: 'close'; readonly conn: ConnId }
  /** `keep`: families whose kept routes stay stale until the neighbor's End-of-RIB; those of others are removed. */
  | { readonly kind: 'up'; readonly session: Session; readonly keep: readonly Family[] }
  /** Only after an `up`. `keep`: families whose routes are kept as stale until the neighbor is back. */
  | { readonly kind: 'down'; readonly error: LastError; readonly keep: readonly Family[] }
  /** The Restart Time is over: stale routes of these families become the last choice (RFC 9494). */
  | { readonly kind: 'long-lived'; readonly families: readonly Family[] }
  /** Stale routes of these families are removed, whether the neighbor is back or not. */
  | { readonly kind: 'stale-over'; readonly families: readonly Family[]; readonly reason: string }
  /**
   * UPDATEs of an Established session, whole messages in `bytes` at [spans[0], spans[1]), [spans[2], spans[3]) …
   * (start of the 19-byte header to end of message). Must be read before the turn ends.
   */
  | { readonly kind: 'updates'; readonly conn: ConnId; readonly bytes: Uint8Array; readonly spans: readonly number[] }
  /** The neighbor asks for our routes again (RFC 2918), or brackets its own (RFC 7313). `subtype`: one of `REFRESH`. */
  | { readonly kind: 'refresh'; readonly family: Family; readonly subtype: number }
  /** A message that an RFC says to ignore; `text` names the rule. */
  | { readonly kind: 'ignored'; readonly text: string }
  | { readonly kind: 'transition'; readonly from: SessionState; readonly to: SessionState; readonly reason: string }
  | {
      readonly kind: 'notification'
      readonly direction: 'sent' | 'received'
      readonly code: number
      readonly subcode: number
      readonly text: string
    }

/** What an Established session agreed on. */
export interface Session {
  readonly conn: ConnId
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly localAs: Asn
  readonly remoteAs: Asn
  readonly localRouterId: RouterId
  readonly remoteRouterId: RouterId
  readonly peerType: PeerType
  /** Families both announced. */
  readonly families: readonly Family[]
  readonly holdTime: Seconds
  readonly keepaliveTime: Seconds
  /** For reading what the neighbor sends, and for writing to it. */
  readonly receive: WireContext
  readonly send: WireContext
  readonly routeRefresh: boolean
  /** A refresh is enclosed by BoRR and EoRR, in both directions (RFC 7313). */
  readonly enhancedRefresh: boolean
  /** Undefined unless both announced graceful restart. */
  readonly restart: PeerRestart | undefined
  /** Our role, where RFC 9234 applies. */
  readonly role: Role | undefined
}

/** What the neighbor's OPEN announces about restarts (RFC 4724 §3). */
export interface PeerRestart {
  /** The time within which the neighbor will be back. */
  readonly time: Seconds
  /** It has restarted, and we need not wait for its End-of-RIB (Restart State). */
  readonly restarted: boolean
  /** Both keep routes when a NOTIFICATION ends the session (RFC 8538 §2). */
  readonly notification: boolean
  /** Families of the session that it listed. */
  readonly families: readonly Family[]
  /** Those of them for which it went on forwarding while it restarted (Forwarding State). */
  readonly preserved: readonly Family[]
  /** Undefined unless both announced that they know long-lived stale routes (RFC 9494). */
  readonly longLived: LongLived | undefined
}

/** Families whose routes are kept beyond the Restart Time (RFC 9494 §3). */
export interface LongLived {
  /** For how long. */
  readonly times: Readonly<Partial<Record<Family, Seconds>>>
  /** For which the neighbor went on forwarding. */
  readonly preserved: readonly Family[]
}

/** Why a session last ended, as BIRD words it. */
export interface LastError {
  readonly class: 'Socket' | 'Received' | 'BGP Error' | 'Error' | 'Automatic shutdown'
  readonly text: string
  readonly at: Millis
}

/** Messages by type since the peer was configured. */
export type MessageCounts = Readonly<Record<'open' | 'update' | 'notification' | 'keepalive' | 'route-refresh', number>>

export interface RunningTimer {
  readonly left: Millis
  /** The whole duration. */
  readonly total: Seconds
}

/** The state of a neighbor, for `show` and metrics. */
export interface PeerSnapshot {
  readonly config: PeerConfig
  readonly state: SessionState
  /** When `state` was entered. */
  readonly since: Millis
  /** When the last session ended. */
  readonly lostAt?: Millis | undefined
  /** Why the neighbor is stopped on purpose; undefined: it is not. */
  readonly stopped: string | undefined
  readonly lastError: LastError | undefined
  /** Why the last attempt to reach it failed, since it was last Established. */
  readonly attemptError: LastError | undefined
  readonly session: Session | undefined
  /** Our OPEN and the neighbor's. */
  readonly localCapabilities: readonly Capability[]
  readonly remoteCapabilities: readonly Capability[]
  // Timers, undefined where not running.
  readonly holdTimer: RunningTimer | undefined
  readonly keepaliveTimer: RunningTimer | undefined
  /** Runs while the network accepts nothing of what we send. */
  readonly sendHoldTimer?: RunningTimer | undefined
  /** Families of which stale routes are kept. */
  readonly stale?: readonly Family[]
  /** Runs while stale routes are kept: until the neighbor is back, or has sent End-of-RIB. */
  readonly restartTimer?: RunningTimer | undefined
  /** Runs while the neighbor is stopped because it sent too many routes. */
  readonly holdDownTimer?: RunningTimer | undefined
  readonly connectTimer: RunningTimer | undefined
  readonly received: MessageCounts
  readonly sent: MessageCounts
  /** Times Established was reached. */
  readonly established: number
}
