/** Parses `peerIP`: an address with or without a port, or `DefaultGateway`. */
import { type Address, familyOfAddress, parseAddress } from '../../base/address.ts'

/** In place of an address: the gateway of the node's default route. */
export const DEFAULT_GATEWAY = 'DefaultGateway'

/** `10.0.0.1`, `10.0.0.1:179`, `2001:db8::1`, `[2001:db8::1]:179`, `fe80::1%eth0`, `[fe80::1%eth0]:179`. */
export function parsePeerIp(text: string): { address: Address; port: number | undefined } | undefined {
  const bare = parseAddress(text)
  if (bare !== undefined) return { address: bare, port: undefined }
  const [, six, four, digits] = /^(?:\[([^\]]*)\]|([0-9.]+))(?::([0-9]{1,5}))?$/.exec(text) ?? []
  const address = parseAddress(six ?? four ?? '')
  const port = digits === undefined ? undefined : Number(digits)
  if (address === undefined || (six !== undefined) !== (familyOfAddress(address) === 'ipv6')) return undefined
  return port !== undefined && (port < 1 || port > 65535) ? undefined : { address, port }
}
