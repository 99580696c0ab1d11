/** From which address and interface a neighbor is dialled. */
import { isLinkLocal } from '../base/address.ts'
import type { PeerAction } from '../bgp/session/types.ts'
import type { PeerIntent } from '../cluster/intent.ts'
import { isOnLink, type LinkTable } from '../dataplane/links.ts'
import type { Effect } from './effect.ts'

type Dial = Extract<PeerAction, { kind: 'dial' }>

/** A neighbor in a subnet without the node's usual address is dialled from an address of that subnet. */
export function dialEffect(
  { conn, remote, localAddress: usual, localMayYield = false }: Dial,
  intent: PeerIntent,
  links: LinkTable,
): Effect {
  const isElsewhere = usual !== undefined && links.isBesideSubnet(usual, remote.address)
  const localAddress = localMayYield && isElsewhere ? undefined : usual
  const name = boundInterface(intent, links)
  return { kind: 'dial', conn, remote, localAddress, ...(name !== undefined && { interface: name }) }
}

/**
 * The interface that the socket is bound to. Where several links have one network, routes lead over one of them, which may be
 * another than `sourceInterface`: the socket is bound to that, if it is on the neighbor's network. No socket is bound to a
 * loopback interface. A link-local address names its link already.
 */
export function boundInterface({ sourceInterface: name, address }: PeerIntent, links: LinkTable): string | undefined {
  const link = name === undefined ? undefined : links.get(name)
  return link !== undefined && !isLinkLocal(address) && isOnLink(link, address) ? name : undefined
}
