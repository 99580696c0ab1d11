/**
 * The state machine of one session (RFC 5880 §6.2, §6.8.4, §6.8.6, §6.8.16), as a table: every pair of state and event
 * has a row. In: a state and an event. Out: the next state and, where it changes, the diagnostic.
 * It knows no time and no bytes.
 */
import { type BfdState, DIAGNOSTIC } from './packet.ts'

export type BfdEvent =
  /** A packet came in: the remote system is in this state. */
  `received-${BfdState}` | 'detection-expired' | 'disable' | 'enable'

export interface BfdStep {
  readonly state: BfdState
  /** bfd.LocalDiag from now on; undefined: it stays as it is. */
  readonly diagnostic: number | undefined
}

const to = (state: BfdState, diagnostic?: number): BfdStep => ({ state, diagnostic })

type Rows = Readonly<Record<BfdEvent, BfdStep>>

/** RFC 5880 §6.8.16: AdminDown, and its diagnostic. */
const DISABLED = to('AdminDown', DIAGNOSTIC.administrativelyDown)
/** RFC 5880 §6.8.6: Neighbor Signaled Session Down. */
const SIGNALED = to('Down', DIAGNOSTIC.neighborSignaledDown)
/** RFC 5880 §6.8.4: Control Detection Time Expired. */
const EXPIRED = to('Down', DIAGNOSTIC.detectionTimeExpired)

const TABLE: Readonly<Record<BfdState, Rows>> = {
  AdminDown: {
    // RFC 5880 §6.8.6: if bfd.SessionState is AdminDown, discard the packet.
    'received-AdminDown': to('AdminDown'),
    'received-Down': to('AdminDown'),
    'received-Init': to('AdminDown'),
    'received-Up': to('AdminDown'),
    'detection-expired': to('AdminDown'),
    disable: to('AdminDown'),
    // RFC 5880 §6.8.16: if enabling the session, set bfd.SessionState to Down.
    enable: to('Down', DIAGNOSTIC.none),
  },
  Down: {
    // RFC 5880 §6.8.6: a received AdminDown changes only a state that is not Down.
    'received-AdminDown': to('Down'),
    // RFC 5880 §6.8.6: if bfd.SessionState is Down and the received state is Down, Init; …
    'received-Down': to('Init'),
    // … if it is Init, Up.
    'received-Init': to('Up', DIAGNOSTIC.none),
    // RFC 5880 §6.2: Down ignores Up, so that the remote system learns that the session failed.
    'received-Up': to('Down'),
    // RFC 5880 §6.8.4: an expired Detection Time changes only Init and Up.
    'detection-expired': to('Down'),
    disable: DISABLED,
    enable: to('Down'),
  },
  Init: {
    // RFC 5880 §6.8.6: the received state is AdminDown and bfd.SessionState is not Down.
    'received-AdminDown': SIGNALED,
    'received-Down': to('Init'),
    // RFC 5880 §6.8.6: if the received state is Init or Up, Up.
    'received-Init': to('Up', DIAGNOSTIC.none),
    'received-Up': to('Up', DIAGNOSTIC.none),
    'detection-expired': EXPIRED,
    disable: DISABLED,
    enable: to('Init'),
  },
  Up: {
    'received-AdminDown': SIGNALED,
    // RFC 5880 §6.8.6: bfd.SessionState is Up and the received state is Down.
    'received-Down': SIGNALED,
    'received-Init': to('Up'),
    'received-Up': to('Up'),
    'detection-expired': EXPIRED,
    disable: DISABLED,
    enable: to('Up'),
  },
}

export const bfdStep = (state: BfdState, event: BfdEvent): BfdStep => TABLE[state][event]
