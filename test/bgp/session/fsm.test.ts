import { describe, expect, test } from 'vitest'
import { type EventName, FSM_EVENT, type FsmEvent, fsmStep, SESSION_STATES } from '../../../src/bgp/session/fsm.ts'
import type { SessionState } from '../../../src/bgp/session/types.ts'
import { messageError } from '../../../src/bgp/wire/error.ts'

const carried = messageError(6, 2, 'carried')
const CARRYING = ['ManualStop', 'AutomaticStop', 'BGPHeaderErr', 'BGPOpenMsgErr', 'OpenCollisionDump', 'UpdateMsgErr']
const event = (name: EventName): FsmEvent => (CARRYING.includes(name) ? { name, error: carried } : { name }) as FsmEvent

/**
 * RFC 4271 §8.2.2 as a picture. A row is an event, a column a state: where it leads (I C A S O E), then what is sent:
 * `o` OPEN, `k` KEEPALIVE, `c` the NOTIFICATION the event brings, `h` Hold Timer Expired, `s` Send Hold Timer Expired, `0`–`3` FSM Error with that subcode.
 */
const TABLE: Readonly<Record<EventName, string>> = {
  //                                                                     Idle Con Act OSn OCf Est
  ManualStart: '                                                          C   C   A   S   O   E',
  ManualStop: '                                                           I   I   I   Ic  Ic  Ic',
  AutomaticStart: '                                                       C   C   A   S   O   E',
  ManualStart_with_PassiveTcpEstablishment: '                             A   C   A   S   O   E',
  AutomaticStart_with_PassiveTcpEstablishment: '                          A   C   A   S   O   E',
  AutomaticStart_with_DampPeerOscillations: '                             I   C   A   S   O   E',
  AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: ' I   C   A   S   O   E',
  AutomaticStop: '                                                        I   I   I   Ic  Ic  Ic',
  ConnectRetryTimer_Expires: '                                            I   C   C   I0  I0  I0',
  HoldTimer_Expires: '                                                    I   I   I   Ih  Ih  Ih',
  KeepaliveTimer_Expires: '                                               I   I   I   I0  Ok  Ek',
  DelayOpenTimer_Expires: '                                               I   I   I   I0  I0  I0',
  IdleHoldTimer_Expires: '                                                I   I   I   I0  I0  I0',
  TcpConnection_Valid: '                                                  I   C   A   S   O   E',
  Tcp_CR_Invalid: '                                                       I   C   A   S   O   E',
  Tcp_CR_Acked: '                                                         I   So  So  S   O   E',
  TcpConnectionConfirmed: '                                               I   So  So  S   O   E',
  TcpConnectionFails: '                                                   I   I   I   A   I   I',
  BGPOpen: '                                                              I   I   I   Ok  I2  I3',
  BGPOpen_with_DelayOpenTimer_running: '                                  I   I   I   I1  I2  I3',
  BGPHeaderErr: '                                                         I   I   I   Ic  Ic  Ic',
  BGPOpenMsgErr: '                                                        I   I   I   Ic  Ic  I3',
  OpenCollisionDump: '                                                    I   I   I   Ic  Ic  Ic',
  NotifMsgVerErr: '                                                       I   I   I   I   I   I',
  NotifMsg: '                                                             I   I   I   I   I   I',
  KeepAliveMsg: '                                                         I   I   I   I1  E   E',
  UpdateMsg: '                                                            I   I   I   I1  I2  E',
  UpdateMsgErr: '                                                         I   I   I   I1  I2  Ic',
  SendHoldTimer_Expires: '                                                I   I   I   I0  I0  Is',
  RouteRefreshMsg: '                                                      I   I   I   I1  I2  E',
}

const LETTER: Readonly<Record<SessionState, string>> = {
  Idle: 'I',
  Connect: 'C',
  Active: 'A',
  OpenSent: 'S',
  OpenConfirm: 'O',
  Established: 'E',
}

function picture(state: SessionState, name: EventName): string {
  const { state: to, actions, error } = fsmStep(state, event(name))
  const sent = actions.flatMap((action) => {
    if (action === 'send-open') return 'o'
    if (action === 'send-keepalive') return 'k'
    if (action !== 'send-notification') return []
    if (error === carried) return 'c'
    if (error?.code === 8) return 's'
    return error?.code === 4 ? 'h' : `${error?.subcode}`
  })
  return LETTER[to] + sent.join('')
}

const names = Object.keys(FSM_EVENT) as EventName[]
const pairs = SESSION_STATES.flatMap((state) => names.map((name) => ({ state, name })))

test.each(names)('[12] %s leads where RFC 4271 says, from every state (§8.2.2)', (name) => {
  const expected = TABLE[name].trim().split(/\s+/)
  expect(SESSION_STATES.map((state) => picture(state, name))).toEqual(expected)
})

test('events have the numbers of RFC 4271 §8.1 and RFC 9687 §4.2, each once', () => {
  expect(Object.values(FSM_EVENT)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
})

describe('of every pair of state and event', () => {
  test.each(pairs)('$state, $name: a NOTIFICATION has its error and goes before the close', ({ state, name }) => {
    const { state: to, actions, error } = fsmStep(state, event(name))
    const notifies = actions.indexOf('send-notification')
    expect(notifies >= 0).toBe(error !== undefined)
    if (notifies >= 0) {
      expect(actions.indexOf('close')).toBeGreaterThan(notifies)
      expect(to).toBe('Idle')
    }
    if (to === 'Idle' && state !== 'Idle') expect(actions).toContain('close')
    if (actions.includes('dial')) expect(to).toBe('Connect')
    if (state === 'Established' && to === 'Established') expect(actions).not.toContain('close')
  })
})

test.each([
  ['OpenSent', 'KeepAliveMsg', 1, 4],
  ['OpenSent', 'UpdateMsg', 1, 2],
  ['OpenSent', 'RouteRefreshMsg', 1, 5],
  ['OpenConfirm', 'BGPOpen', 2, 1],
  ['OpenConfirm', 'UpdateMsg', 2, 2],
  ['Established', 'BGPOpen', 3, 1],
] as const)('[12] %s, %s: 5/%i with the type of the message as Data', (state, name, subcode, type) => {
  expect(fsmStep(state, { name }).error).toMatchObject({ code: 5, subcode, data: Uint8Array.of(type) })
})

test.each([
  ['OpenSent, event 19', 'OpenSent', 'BGPOpen', ['send-keepalive', 'start-keepalive', 'start-hold']],
  ['Connect, event 16', 'Connect', 'Tcp_CR_Acked', ['stop-connect-retry', 'send-open', 'start-open-hold']],
  ['Connect, event 9', 'Connect', 'ConnectRetryTimer_Expires', ['close', 'dial', 'start-connect-retry']],
  ['Active, event 9', 'Active', 'ConnectRetryTimer_Expires', ['dial', 'start-connect-retry']],
  ['OpenSent, event 18', 'OpenSent', 'TcpConnectionFails', ['close', 'start-connect-retry']],
  ['[15] Established, event 26', 'Established', 'KeepAliveMsg', ['start-hold']],
  ['[15] Established, event 27', 'Established', 'UpdateMsg', ['start-hold']],
  ['[15] Established, ROUTE-REFRESH', 'Established', 'RouteRefreshMsg', []],
  ['Established, event 11', 'Established', 'KeepaliveTimer_Expires', ['send-keepalive', 'start-keepalive']],
] as const)('%s: the timers', (_, state, name, actions) => {
  expect(fsmStep(state, { name }).actions).toEqual(actions)
})
