/** Links and addresses as rtnetlink(7) has them. */
import { formatAddress } from '../../base/address.ts'
import { IFF_UP, type Link, type LinkAddress } from '../../dataplane/links.ts'
import type { Attributes, Message, NetlinkWriter } from './netlink-message.ts'

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22

const AF_UNSPEC = 0

/** Octets of `struct ifinfomsg`. */
const IFINFOMSG_SIZE = 16
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_OPERSTATE = 16

/** Octets of `struct ifaddrmsg`. */
const IFADDRMSG_SIZE = 8
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_FLAGS = 8

const IFF_RUNNING = 0x40
/** `IF_OPER_*`: not present, down, and lower layer down. */
const OPERSTATES_DOWN = new Set([1, 2, 3])

/** A link without its addresses; undefined for a message of another family about it, such as its port on a bridge. */
export function readLink(attributes: Attributes, { from, to }: Message): Omit<Link, 'addresses'> | undefined {
  if (attributes.bytes[from] !== AF_UNSPEC) return undefined
  const index = attributes.view.getInt32(from + 4, true)
  const flags = attributes.view.getUint32(from + 8, true)
  attributes.read(from + IFINFOMSG_SIZE, to)
  const isUp = (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) !== 0
  return {
    index,
    name: attributes.text(IFLA_IFNAME) ?? `if${index}`,
    up: isUp && !OPERSTATES_DOWN.has(attributes.octet(IFLA_OPERSTATE) ?? 0),
    mtu: attributes.number(IFLA_MTU) ?? 0,
    flags,
  }
}

/** An address, and the index of its link. */
export function readAddress(
  attributes: Attributes,
  { from, to }: Message,
): { readonly index: number; readonly own: LinkAddress } | undefined {
  const { bytes, view } = attributes
  const [length = 0, flags = 0, scope = 0] = bytes.subarray(from + 1, from + 4)
  const index = view.getUint32(from + 4, true)
  attributes.read(from + IFADDRMSG_SIZE, to)
  const ifaAddress = textOf(attributes.octets(IFA_ADDRESS))
  // On a point-to-point link IFA_ADDRESS is the address of the other end, and IFA_LOCAL is ours.
  const address = textOf(attributes.octets(IFA_LOCAL)) ?? ifaAddress
  if (address === undefined) return undefined
  const peer = ifaAddress === address ? undefined : ifaAddress
  return { index, own: { address, length, peer, scope, flags: attributes.number(IFA_FLAGS) ?? flags } }
}

const textOf = (octets: Uint8Array | undefined): string | undefined =>
  octets?.length === 4 || octets?.length === 16 ? formatAddress(octets) : undefined

/** `struct ifinfomsg` or `struct ifaddrmsg` of a dump request: zeros ask for everything. */
export function writeLinkDump(writer: NetlinkWriter, type: number): void {
  for (let octet = 0; octet < (type === RTM_GETLINK ? IFINFOMSG_SIZE : IFADDRMSG_SIZE); octet += 4) writer.number(0)
}
