/**
 * Every BGP message but UPDATE, as plain values, and the table of message types.
 * UPDATE has a form of its own (`update.ts`), made for routes by the hundred thousand.
 */
import type { Family } from '../../base/family.ts'
import type { Asn, RouterId, Seconds } from '../../base/units.ts'

/** RFC 4271 §4.1, RFC 2918 §3. */
export const MESSAGE_TYPE = { open: 1, update: 2, notification: 3, keepalive: 4, 'route-refresh': 5 } as const
export type MessageType = keyof typeof MESSAGE_TYPE

export interface Open {
  readonly kind: 'open'
  readonly version: number
  /** The two octets of "My Autonomous System": AS_TRANS (23456) where the real one needs four. */
  readonly myAs: number
  readonly holdTime: Seconds
  readonly routerId: RouterId
  /** In the order and number they were sent. */
  readonly capabilities: readonly Capability[]
}

export type Capability =
  | { readonly kind: 'multiprotocol'; readonly afi: number; readonly safi: number }
  | { readonly kind: 'route-refresh' }
  | { readonly kind: 'extended-next-hop'; readonly tuples: readonly ExtendedNextHopTuple[] }
  | { readonly kind: 'extended-message' }
  | { readonly kind: 'role'; readonly role: number }
  | {
      readonly kind: 'graceful-restart'
      readonly restarted: boolean
      /** The N bit (RFC 8538 §2). */
      readonly notification: boolean
      readonly restartTime: Seconds
      readonly families: readonly { readonly afi: number; readonly safi: number; readonly preserved: boolean }[]
    }
  | {
      readonly kind: 'long-lived-graceful-restart'
      readonly families: readonly {
        readonly afi: number
        readonly safi: number
        readonly preserved: boolean
        readonly staleTime: Seconds
      }[]
    }
  | { readonly kind: 'four-octet-as'; readonly asn: Asn }
  | { readonly kind: 'add-path'; readonly families: readonly AddPathFamily[] }
  | { readonly kind: 'enhanced-refresh' }
  | { readonly kind: 'fqdn'; readonly host: string; readonly domain: string }
  /** A code we have no name for, or one whose value could not be read: kept as it came. */
  | { readonly kind: 'unknown'; readonly code: number; readonly value: Uint8Array }

export interface ExtendedNextHopTuple {
  readonly afi: number
  readonly safi: number
  readonly nextHopAfi: number
}

export interface AddPathFamily {
  readonly afi: number
  readonly safi: number
  /** RFC 7911 §4: 1 receive, 2 send, 3 both. */
  readonly mode: number
}

export interface Notification {
  readonly kind: 'notification'
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
}

export interface RouteRefresh {
  readonly kind: 'route-refresh'
  readonly afi: number
  readonly safi: number
  /** Undefined for a family that is not ours. */
  readonly family: Family | undefined
  /** RFC 7313 §3.2: 0 a request, 1 beginning of RIB, 2 end of RIB. */
  readonly subtype: number
}
