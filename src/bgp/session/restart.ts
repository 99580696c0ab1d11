/**
 * Graceful restart (RFC 4724, RFC 8538): what we announce in OPEN, what the neighbor announced, and which routes are kept
 * when a session ends.
 */
import { AFI, FAMILIES, type Family, familyOfPair, SAFI_UNICAST } from '../../base/family.ts'
import { inMillis, type Millis, type Seconds } from '../../base/units.ts'
import type { MessageError } from '../wire/error.ts'
import type { Capability, Open } from '../wire/message.ts'
import { CEASE } from '../wire/notification.ts'
import type { FsmEvent } from './fsm.ts'
import type { LongLived, PeerConfig, PeerRestart, Session } from './types.ts'

/** What this process announces about its own restart. */
export interface OwnRestart {
  /** It has restarted, and neighbors need not wait for our End-of-RIB (RFC 4724 §3, Restart State). */
  readonly restarted: boolean
  /** Families in which this node still forwards what it advertised before (RFC 4724 §3, Forwarding State). */
  readonly preserved: readonly Family[]
}

/** What a process announces that did not restart: only the session was lost. */
export const AS_EVER: OwnRestart = { restarted: false, preserved: FAMILIES }

type GracefulRestart = Extract<Capability, { readonly kind: 'graceful-restart' }>
type LongLivedRestart = Extract<Capability, { readonly kind: 'long-lived-graceful-restart' }>

/** Stale routes of a neighbor that does not come back are kept no longer than this, whatever time it announced. */
const LONGEST_ABSENCE: Millis = 180_000
/** … and no longer than this where it asks for long-lived graceful restart. */
const LONGEST_LONG_LIVED: Millis = 24 * 3_600_000
/** Routes that a neighbor which is back has not announced again are kept no longer than this without its End-of-RIB. */
export const LONGEST_RETURN: Millis = 180_000
/**
 * A connection that is accepted this soon after the session came up does not mean that the neighbor has lost the session:
 * both may have dialled at once. Only an OPEN with Restart State, where that of the session had none, means it even so.
 */
export const COLLISION_WINDOW: Millis = 10_000

/** RFC 4724 §3: a capability without families still announces that we send End-of-RIB. */
export function restartCapability(config: PeerConfig, own: OwnRestart): readonly Capability[] {
  if (config.restartTime === undefined) return []
  const { longLivedTime: staleTime = 0 } = config
  const families = config.families.map((family) => ({
    afi: AFI[family],
    safi: SAFI_UNICAST,
    preserved: own.preserved.includes(family),
  }))
  return [
    {
      kind: 'graceful-restart',
      restarted: own.restarted,
      notification: config.restartNotification ?? false,
      restartTime: config.restartTime,
      families,
    },
    // RFC 9494 §3: we know what long-lived stale routes are. A time of 0 does not ask the neighbor to keep ours as
    // long-lived stale.
    { kind: 'long-lived-graceful-restart', families: families.map((family) => ({ ...family, staleTime })) },
  ]
}

/** Undefined if one of the two did not announce it. RFC 4724 §3: of several instances the last one counts. */
export function agreeRestart(ours: Open, theirs: Open, families: readonly Family[]): PeerRestart | undefined {
  const [own, said] = [lastRestart(ours), lastRestart(theirs)]
  if (own === undefined || said === undefined) return undefined
  const listed = (family: Family) => said.families.findLast(({ afi, safi }) => familyOfPair(afi, safi) === family)
  return {
    time: said.restartTime,
    restarted: said.restarted,
    notification: own.notification && said.notification,
    families: families.filter((family) => listed(family) !== undefined),
    preserved: families.filter((family) => listed(family)?.preserved === true),
    longLived: agreeLongLived(ours, theirs, families),
  }
}

/** RFC 9494 §3.1: it is ignored without the capability for graceful restart. */
function agreeLongLived(ours: Open, theirs: Open, families: readonly Family[]): LongLived | undefined {
  const said = lastLongLived(theirs)
  if (lastLongLived(ours) === undefined || said === undefined) return undefined
  const times: Partial<Record<Family, Seconds>> = {}
  const preserved: Family[] = []
  for (const family of families) {
    const listed = said.families.findLast(({ afi, safi }) => familyOfPair(afi, safi) === family)
    if (listed === undefined) continue
    times[family] = listed.staleTime
    if (listed.preserved) preserved.push(family)
  }
  return { times, preserved }
}

const lastLongLived = (open: Open): LongLivedRestart | undefined =>
  open.capabilities.findLast(
    (capability): capability is LongLivedRestart => capability.kind === 'long-lived-graceful-restart',
  )

const lastRestart = (open: Open): GracefulRestart | undefined =>
  open.capabilities.findLast((capability): capability is GracefulRestart => capability.kind === 'graceful-restart')

/** Families whose routes are kept when this event ends the session. `hard`: the NOTIFICATION that came was a Hard Reset. */
export function familiesKept(session: Session, event: FsmEvent, hard: boolean): readonly Family[] {
  const { restart } = session
  if (restart === undefined || !isKeptOver(session, event, hard)) return []
  return session.families.filter((family) => absenceOf(restart, family) > 0 || longLivedTimeOf(restart, family) > 0)
}

/** Whether this end of a session is one over which both sides keep routes. */
export function isKeptOver({ restart }: Session, event: FsmEvent, hard: boolean): boolean {
  if (restart === undefined) return false
  // RFC 4724 §4.2: the connection is lost without a NOTIFICATION.
  if (event.name === 'TcpConnectionFails') return true
  // RFC 8538 §4: a NOTIFICATION, sent or received, is no reason to drop routes if both set the N bit; a Hard Reset is.
  if (!restart.notification || hard) return false
  // A session that was stopped will not be back soon. A reset by command is followed by a start.
  if (event.name === 'ManualStop' && !isReset(event.error.code, event.error.subcode)) return false
  return !('error' in event && isHard(event.error))
}

/** Ends of ours after which nothing is kept: final ones, and BFD Down, as the neighbor is unreachable (RFC 5882 §4.3). */
const isHard = ({ code, subcode }: MessageError): boolean => isFinal(code, subcode) || isCease(code, subcode, 'bfdDown')

const isCease = (code: number, subcode: number, name: keyof typeof CEASE): boolean =>
  code === CEASE.code && subcode === CEASE[name]

/** Ends that are not followed by a new session soon: they are sent as a Hard Reset (RFC 8538 §3). */
const isFinal = (code: number, subcode: number): boolean =>
  isCease(code, subcode, 'maxPrefixes') ||
  isCease(code, subcode, 'adminShutdown') ||
  isCease(code, subcode, 'deconfigured') ||
  isHardReset(code, subcode)

export const isReset = (code: number, subcode: number): boolean => isCease(code, subcode, 'adminReset')

export const isHardReset = (code: number, subcode: number): boolean => isCease(code, subcode, 'hardReset')

/**
 * RFC 8538 §3.1: where both keep routes over a NOTIFICATION, a final end is sent as a Hard Reset with the real code
 * inside.
 */
export function asSent(error: MessageError, restart: PeerRestart | undefined): MessageError {
  const { code, subcode, data } = error
  if (restart?.notification !== true || !isFinal(code, subcode) || isHardReset(code, subcode)) return error
  const inside = new Uint8Array(2 + data.length)
  inside[0] = code
  inside[1] = subcode
  inside.set(data, 2)
  return { ...error, code: CEASE.code, subcode: CEASE.hardReset, data: inside }
}

/** How long routes are kept while the neighbor is away. RFC 9494 §4.2: not at all of a family that it did not list. */
export const absenceOf = ({ time, families }: PeerRestart, family: Family): Millis =>
  families.includes(family) ? Math.min(inMillis(time), LONGEST_ABSENCE) : 0

/** RFC 9494 §4.2: how long they are kept beyond that. */
export const longLivedTimeOf = (restart: PeerRestart | undefined, family: Family): Millis =>
  Math.min(inMillis(restart?.longLived?.times[family] ?? 0), LONGEST_LONG_LIVED)

/**
 * Whether stale routes of a family stay when the neighbor is back. RFC 4724 §4.2: where it says that it went on
 * forwarding. RFC 9494 §4.2: once they are long-lived stale, its long-lived capability must say so too; a family that it
 * listed only there is judged by that alone.
 */
export function mayStay(family: Family, restart: PeerRestart | undefined, isLongLived: boolean): boolean {
  if (restart === undefined) return false
  const { families, preserved, longLived } = restart
  if (!isLongLived) return preserved.includes(family)
  return longLived?.preserved.includes(family) === true && preserved.includes(family) === families.includes(family)
}
