/**
 * ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2): a request to advertise all routes of a family again.
 *
 *     | header 19 | AFI 2 | subtype 1 | SAFI 1 |
 */
import { readU16 } from '../../base/bytes.ts'
import { AFI, type Family, familyOfPair, SAFI_UNICAST } from '../../base/family.ts'
import { type MessageError, messageError } from './error.ts'
import { HEADER_LENGTH, type MessageFrame, wrapMessage } from './header.ts'
import type { RouteRefresh } from './message.ts'
import { ERROR, HEADER_ERROR, ROUTE_REFRESH_ERROR } from './notification.ts'

/** RFC 7313 §3.2: a request; beginning and end of a refresh. */
export const REFRESH = { request: 0, begin: 1, end: 2 } as const

/**
 * Undefined: to be ignored (RFC 7313 §5, a subtype we do not know). `enhanced`: both announced enhanced refresh; otherwise
 * the octet of the subtype is reserved, and any value is a request (RFC 2918 §3).
 */
export function decodeRouteRefresh(frame: MessageFrame, enhanced: boolean): RouteRefresh | MessageError | undefined {
  const { bytes, start, end } = frame
  const at = start + HEADER_LENGTH
  const length = end - at
  const subtype = enhanced && length >= 3 ? (bytes[at + 2] as number) : REFRESH.request
  if (subtype > REFRESH.end) return undefined
  // RFC 7313 §5: Data is the whole message.
  if (subtype !== REFRESH.request && length !== 4) {
    const text = `ROUTE-REFRESH subtype ${subtype} with ${length} octets`
    return messageError(ERROR.routeRefresh, ROUTE_REFRESH_ERROR.invalidLength, text, bytes.slice(start, end))
  }
  // Longer ones carry route filters (RFC 5291), which no peer may send, because we do not announce that capability.
  if (length < 4) {
    const field = bytes.slice(start + 16, start + 18)
    return messageError(ERROR.header, HEADER_ERROR.badLength, `ROUTE-REFRESH with ${length} octets`, field)
  }
  const afi = readU16(bytes, at)
  const safi = bytes[at + 3] as number
  return { kind: 'route-refresh', afi, safi, family: familyOfPair(afi, safi), subtype }
}

/** Whole message. */
export function encodeRouteRefresh(family: Family, subtype: number): Uint8Array {
  return wrapMessage('route-refresh', Uint8Array.of(0, AFI[family], subtype, SAFI_UNICAST))
}
