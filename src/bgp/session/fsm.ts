/**
 * The finite state machine of one connection (RFC 4271 §8), as a table: every pair of state and event has a row.
 * In: a state and an event. Out: the next state, what to do on the way, and the NOTIFICATION to send if there is one.
 * It knows no time and no bytes; `connection.ts` gives it events and carries out its actions.
 *
 * Of the optional session attributes (§8.1.1) passive establishment is used; DelayOpen, DampPeerOscillations and
 * CollisionDetectEstablishedState are not, so their events meet the rule for "any other event". The ConnectRetryCounter
 * has no part in any rule we follow: `backoff.ts` counts dials.
 */
import { type MessageError, messageError } from '../wire/error.ts'
import { MESSAGE_TYPE } from '../wire/message.ts'
import { ERROR, FSM_ERROR } from '../wire/notification.ts'
import type { SessionState } from './types.ts'

export const SESSION_STATES: readonly SessionState[] = [
  'Idle',
  'Connect',
  'Active',
  'OpenSent',
  'OpenConfirm',
  'Established',
]

/** Whether there is a TCP connection. */
export const hasTcpConnection = (state: SessionState): boolean =>
  SESSION_STATES.indexOf(state) >= SESSION_STATES.indexOf('OpenSent')

/** The events of RFC 4271 §8.1 and RFC 9687 by name, with their numbers. */
export const FSM_EVENT = {
  ManualStart: 1,
  ManualStop: 2,
  AutomaticStart: 3,
  ManualStart_with_PassiveTcpEstablishment: 4,
  AutomaticStart_with_PassiveTcpEstablishment: 5,
  AutomaticStart_with_DampPeerOscillations: 6,
  AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: 7,
  AutomaticStop: 8,
  ConnectRetryTimer_Expires: 9,
  HoldTimer_Expires: 10,
  KeepaliveTimer_Expires: 11,
  DelayOpenTimer_Expires: 12,
  IdleHoldTimer_Expires: 13,
  TcpConnection_Valid: 14,
  Tcp_CR_Invalid: 15,
  Tcp_CR_Acked: 16,
  TcpConnectionConfirmed: 17,
  TcpConnectionFails: 18,
  BGPOpen: 19,
  BGPOpen_with_DelayOpenTimer_running: 20,
  BGPHeaderErr: 21,
  BGPOpenMsgErr: 22,
  OpenCollisionDump: 23,
  NotifMsgVerErr: 24,
  NotifMsg: 25,
  KeepAliveMsg: 26,
  UpdateMsg: 27,
  UpdateMsgErr: 28,
  /** RFC 9687 §4.2. */
  SendHoldTimer_Expires: 29,
  /** Ours: RFC 2918 brought a message but gave its arrival no number. */
  RouteRefreshMsg: 30,
} as const
export type EventName = keyof typeof FSM_EVENT

/** Events that bring the NOTIFICATION which answers them: what the neighbor did wrong, or our own Cease. */
type CarryingError =
  | 'ManualStop'
  | 'AutomaticStop'
  | 'BGPHeaderErr'
  | 'BGPOpenMsgErr'
  | 'OpenCollisionDump'
  | 'UpdateMsgErr'

export type FsmEvent =
  | { readonly name: Exclude<EventName, CarryingError> }
  | { readonly name: CarryingError; readonly error: MessageError }

export type FsmAction =
  | 'dial'
  | 'close'
  | 'send-open'
  | 'send-keepalive'
  /** Sends `error` of the step. */
  | 'send-notification'
  | 'start-connect-retry'
  | 'stop-connect-retry'
  /** Four minutes, until the neighbor's OPEN has come. */
  | 'start-open-hold'
  /** The negotiated Hold Time; none if that is 0. */
  | 'start-hold'
  | 'start-keepalive'

export interface Step {
  readonly state: SessionState
  /** In this order. */
  readonly actions: readonly FsmAction[]
  /** What `send-notification` sends. */
  readonly error: MessageError | undefined
}

/** Which NOTIFICATION a row sends: the one the event brings, Hold Timer or Send Hold Timer Expired, or FSM Error. */
type Notice = 'carried' | 'hold-expired' | 'send-hold-expired' | 'fsm-error'

interface Row {
  readonly to: SessionState
  readonly actions: readonly FsmAction[]
  readonly notice?: Notice
}

type Rows = Readonly<Partial<Record<EventName, Row>>>

const stay = (state: SessionState, ...actions: FsmAction[]): Row => ({ to: state, actions })

/** Out of Connect or Active: no OPEN was sent, so no NOTIFICATION is sent either. */
const GIVE_UP: Row = { to: 'Idle', actions: ['stop-connect-retry', 'close'] }
/** The neighbor has ended it, or the connection is gone: no NOTIFICATION is sent. */
const DROP: Row = { to: 'Idle', actions: ['close'] }

const end = (notice: Notice): Row => ({ to: 'Idle', actions: ['send-notification', 'close'], notice })

/** RFC 4271 §8.2.2: starts are ignored in every state but Idle. */
const ignoreStarts = (state: SessionState): Rows => ({
  ManualStart: stay(state),
  AutomaticStart: stay(state),
  ManualStart_with_PassiveTcpEstablishment: stay(state),
  AutomaticStart_with_PassiveTcpEstablishment: stay(state),
  AutomaticStart_with_DampPeerOscillations: stay(state),
  AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: stay(state),
})

/** RFC 4271 §8.2.2: a further TCP connection has a machine of its own and waits there for its OPEN. */
const ignoreOtherConnections = (state: SessionState): Rows => ({
  TcpConnection_Valid: stay(state),
  Tcp_CR_Invalid: stay(state),
  Tcp_CR_Acked: stay(state),
  TcpConnectionConfirmed: stay(state),
})

const IDLE: Rows = {
  // RFC 4271 §8.2.2, Idle, events 1 and 3: start the ConnectRetryTimer, open a TCP connection, go to Connect.
  ManualStart: { to: 'Connect', actions: ['dial', 'start-connect-retry'] },
  AutomaticStart: { to: 'Connect', actions: ['dial', 'start-connect-retry'] },
  // RFC 4271 §8.2.2, Idle, events 4 and 5: start the ConnectRetryTimer, listen, go to Active.
  ManualStart_with_PassiveTcpEstablishment: { to: 'Active', actions: ['start-connect-retry'] },
  AutomaticStart_with_PassiveTcpEstablishment: { to: 'Active', actions: ['start-connect-retry'] },
}

/**
 * RFC 4271 §8.2.2, Connect and Active, events 16 and 17: the connection stands, OPEN is sent, and the neighbor has four
 * minutes for its own.
 */
const OPENING: Row = { to: 'OpenSent', actions: ['stop-connect-retry', 'send-open', 'start-open-hold'] }

const CONNECT: Rows = {
  ...ignoreStarts('Connect'),
  // RFC 4271 §8.2.2, Connect, event 9: drop the attempt, restart the timer, try again.
  ConnectRetryTimer_Expires: stay('Connect', 'close', 'dial', 'start-connect-retry'),
  // RFC 4271 §8.2.2, Connect, events 14 and 15: the acknowledgement is still to come; a refused one changes nothing.
  TcpConnection_Valid: stay('Connect'),
  Tcp_CR_Invalid: stay('Connect'),
  Tcp_CR_Acked: OPENING,
  TcpConnectionConfirmed: OPENING,
}

const ACTIVE: Rows = {
  ...ignoreStarts('Active'),
  // RFC 4271 §8.2.2, Active, event 9: open a TCP connection ourselves.
  ConnectRetryTimer_Expires: { to: 'Connect', actions: ['dial', 'start-connect-retry'] },
  TcpConnection_Valid: stay('Active'),
  Tcp_CR_Invalid: stay('Active'),
  Tcp_CR_Acked: OPENING,
  TcpConnectionConfirmed: OPENING,
}

/** What is the same in OpenSent, OpenConfirm and Established. */
const speaking = (state: SessionState): Rows => ({
  ...ignoreStarts(state),
  ...ignoreOtherConnections(state),
  // RFC 4271 §8.2.2, events 2 and 8: NOTIFICATION with Cease.
  ManualStop: end('carried'),
  AutomaticStop: end('carried'),
  // RFC 4271 §6.5, event 10: Hold Timer Expired.
  HoldTimer_Expires: end('hold-expired'),
  TcpConnectionFails: DROP,
  // RFC 4271 §6.1, event 21: the error that was found. (For Established, §8.2.2 names FSM Error; §6.1 is more precise.)
  BGPHeaderErr: end('carried'),
  // RFC 4271 §6.8, event 23: NOTIFICATION with Cease.
  OpenCollisionDump: end('carried'),
  // RFC 4271 §6.4: a NOTIFICATION is never answered, in whatever state it comes.
  NotifMsgVerErr: DROP,
  NotifMsg: DROP,
})

const OPEN_SENT: Rows = {
  ...speaking('OpenSent'),
  // RFC 4271 §8.2.2, OpenSent, event 18: close, restart the ConnectRetryTimer, wait in Active.
  TcpConnectionFails: { to: 'Active', actions: ['close', 'start-connect-retry'] },
  // RFC 4271 §8.2.2, OpenSent, event 19: KEEPALIVE confirms it, both timers run as negotiated.
  BGPOpen: { to: 'OpenConfirm', actions: ['send-keepalive', 'start-keepalive', 'start-hold'] },
  BGPOpenMsgErr: end('carried'),
}

const OPEN_CONFIRM: Rows = {
  ...speaking('OpenConfirm'),
  // RFC 4271 §8.2.2, OpenConfirm, event 11.
  KeepaliveTimer_Expires: stay('OpenConfirm', 'send-keepalive', 'start-keepalive'),
  BGPOpenMsgErr: end('carried'),
  // RFC 4271 §8.2.2, OpenConfirm, event 26: the session is up.
  KeepAliveMsg: { to: 'Established', actions: ['start-hold'] },
}

const ESTABLISHED: Rows = {
  ...speaking('Established'),
  // RFC 4271 §8.2.2, Established, event 11.
  KeepaliveTimer_Expires: stay('Established', 'send-keepalive', 'start-keepalive'),
  // RFC 4271 §8.2.2, Established, events 26 and 27: these two and no other message restart the HoldTimer.
  KeepAliveMsg: stay('Established', 'start-hold'),
  UpdateMsg: stay('Established', 'start-hold'),
  // RFC 4271 §8.2.2, Established, event 28.
  UpdateMsgErr: end('carried'),
  // RFC 9687 §4.3, event 29: send a NOTIFICATION, in case the neighbor reads again, and drop the connection.
  SendHoldTimer_Expires: end('send-hold-expired'),
  RouteRefreshMsg: stay('Established'),
}

/** Completes a state's rows with "any other event" from the end of RFC 4271 §8.2.2. */
function complete(rows: Rows, otherwise: Row): Readonly<Record<EventName, Row>> {
  const names = Object.keys(FSM_EVENT) as EventName[]
  return Object.fromEntries(names.map((name) => [name, rows[name] ?? otherwise])) as Record<EventName, Row>
}

const TABLE: Readonly<Record<SessionState, Readonly<Record<EventName, Row>>>> = {
  // Idle refuses connections and ignores events.
  Idle: complete(IDLE, stay('Idle')),
  Connect: complete(CONNECT, GIVE_UP),
  Active: complete(ACTIVE, GIVE_UP),
  OpenSent: complete(OPEN_SENT, end('fsm-error')),
  OpenConfirm: complete(OPEN_CONFIRM, end('fsm-error')),
  Established: complete(ESTABLISHED, end('fsm-error')),
}

export function fsmStep(state: SessionState, event: FsmEvent): Step {
  const row = TABLE[state][event.name]
  return { state: row.to, actions: row.actions, error: errorOf(row.notice, state, event) }
}

function errorOf(notice: Notice | undefined, state: SessionState, event: FsmEvent): MessageError | undefined {
  if (notice === 'hold-expired') return messageError(ERROR.holdTimerExpired, 0, 'Hold timer expired')
  if (notice === 'send-hold-expired') return messageError(ERROR.sendHoldTimerExpired, 0, 'Send hold timer expired')
  if (notice === 'fsm-error') return fsmError(state, event.name)
  if (notice === 'carried' && 'error' in event) return event.error
  return undefined
}

/** RFC 6608 §3: in which state the unexpected message came. */
const UNEXPECTED_IN: Readonly<Partial<Record<SessionState, number>>> = {
  OpenSent: FSM_ERROR.openSent,
  OpenConfirm: FSM_ERROR.openConfirm,
  Established: FSM_ERROR.established,
}

const MESSAGE_OF: Readonly<Partial<Record<EventName, keyof typeof MESSAGE_TYPE>>> = {
  BGPOpen: 'open',
  BGPOpen_with_DelayOpenTimer_running: 'open',
  BGPOpenMsgErr: 'open',
  KeepAliveMsg: 'keepalive',
  UpdateMsg: 'update',
  UpdateMsgErr: 'update',
  RouteRefreshMsg: 'route-refresh',
}

/** RFC 6608 §4: the subcode names the state, Data is the type of the message; RFC 4271 §6.6 for the rest. */
function fsmError(state: SessionState, name: EventName): MessageError {
  const message = MESSAGE_OF[name]
  if (message === undefined) {
    return messageError(ERROR.fsm, FSM_ERROR.unspecific, `Unexpected event ${FSM_EVENT[name]} in ${state} state`)
  }
  const text = `Unexpected ${message.toUpperCase()} message in ${state} state`
  return messageError(ERROR.fsm, UNEXPECTED_IN[state] ?? 0, text, Uint8Array.of(MESSAGE_TYPE[message]))
}
