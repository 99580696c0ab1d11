/** Why a connection changed its state, in words for people. */
import type { Address } from '../../base/address.ts'
import type { MessageError } from '../wire/error.ts'
import { CEASE } from '../wire/notification.ts'
import type { EventName } from './fsm.ts'
import type { LastError, PeerConfig } from './types.ts'

/** Why a connection ended. */
export type EndReason = Pick<LastError, 'class' | 'text'>

export const endText = ({ class: kind, text }: EndReason): string => `${kind}: ${text}`

/** Of an error which we answer with a NOTIFICATION. */
export function endReasonOf(error: MessageError | undefined): EndReason | undefined {
  if (error === undefined) return undefined
  return { class: error.code === CEASE.code ? 'Automatic shutdown' : 'BGP Error', text: error.text }
}

/** Of a dial that nobody answered. A configured local address is named: the neighbor may not reach it with its answer. */
export function whyUnanswered({ localAddress, localMayYield = false, remote }: PeerConfig): EndReason {
  const words = 'Connection timed out'
  const isFixed = localAddress !== undefined && !localMayYield
  return { class: 'Socket', text: isFixed ? `${words}, ${calledFrom(localAddress, remote.address)}` : words }
}

export const calledFrom = (local: Address, remote: Address): string => `called from ${local} to ${remote}`

const WITHOUT_ERROR: Readonly<Partial<Record<EventName, string>>> = {
  ManualStart: 'started',
  ManualStart_with_PassiveTcpEstablishment: 'started',
  AutomaticStart_with_PassiveTcpEstablishment: 'waiting for the next attempt',
  ConnectRetryTimer_Expires: 'connecting',
  Tcp_CR_Acked: 'connected',
  TcpConnectionConfirmed: 'neighbor connected',
  BGPOpen: 'OPEN received',
  KeepAliveMsg: 'KEEPALIVE received',
}

/** Why an event changed the state without an error. */
export const eventText = (event: EventName): string => WITHOUT_ERROR[event] ?? event
