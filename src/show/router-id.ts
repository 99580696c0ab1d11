import { formatAddress } from '../base/address.ts'
import type { RouterId } from '../base/units.ts'

/** A BGP Identifier as the address it looks like (RFC 4271 §4.2). */
export function formatRouterId(id: RouterId): string {
  return formatAddress(Uint8Array.of(id >>> 24, id >>> 16, id >>> 8, id))
}
