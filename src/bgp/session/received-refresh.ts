/** What a ROUTE-REFRESH of the neighbor asks for (RFC 2918 §4, RFC 7313). */
import type { MessageError } from '../wire/error.ts'
import type { MessageFrame } from '../wire/header.ts'
import { decodeRouteRefresh, REFRESH } from '../wire/route-refresh.ts'
import type { PeerAction, Session } from './types.ts'

type RefreshAction = Extract<PeerAction, { readonly kind: 'refresh' | 'ignored' }>

export function readRefresh(frame: MessageFrame, session: Session): RefreshAction | MessageError {
  const message = decodeRouteRefresh(frame, session.enhancedRefresh)
  if (message === undefined) return { kind: 'ignored', text: 'ROUTE-REFRESH of an unknown subtype' }
  if (message.kind === 'message-error') return message
  const { family, afi, safi, subtype } = message
  // RFC 2918 §4: of a family that was not agreed on, ignored.
  if (family === undefined || !session.families.includes(family)) {
    return { kind: 'ignored', text: `ROUTE-REFRESH of AFI ${afi} SAFI ${safi}, which was not negotiated` }
  }
  return { kind: 'refresh', family, subtype }
}

/** Whether the actions of this turn include it: one request for a family is enough, and what is ignored is reported once. */
export const isRepeated = (next: RefreshAction, actions: readonly PeerAction[]): boolean =>
  actions.some((action) =>
    next.kind === 'ignored'
      ? action.kind === 'ignored' && action.text === next.text
      : action.kind === 'refresh' && next.subtype === REFRESH.request && isSameRefresh(action, next),
  )

type Refresh = Extract<RefreshAction, { readonly kind: 'refresh' }>
const isSameRefresh = (a: Refresh, b: Refresh): boolean => a.family === b.family && a.subtype === b.subtype
