/**
 * Which next hops are advertised on each running session, and when they must be chosen again: after a change of links,
 * addresses or kernel routes, or because the neighbor's own next hops show that it is on our link. Owns `nextHops`,
 * `interface` and `isBound` of neighbors.
 */
import { type Address, bareAddress } from '../base/address.ts'
import { contains, hostPrefix, type Prefix } from '../base/prefix.ts'
import type { Rib } from '../bgp/rib/rib.ts'
import type { Session } from '../bgp/session/types.ts'
import type { NodeIntent } from '../cluster/intent.ts'
import { GODWIT_PROTOCOL, type KernelChange } from '../dataplane/kernel.ts'
import type { LinkTable, TouchedLinks } from '../dataplane/links.ts'
import { boundInterface } from './dialling.ts'
import type { Neighbor } from './neighbors.ts'
import { type NextHopChoice, nextHopsFor, nextHopsKey } from './next-hops.ts'

/** When more kernel routes than this have changed, all neighbors that are in no network of their link are looked at. */
const FEW = 64

export class SessionNextHops {
  readonly #rib: Rib
  readonly #links: LinkTable
  /** Whether a kernel route leads to an address over a link without a gateway. */
  readonly #isBeside: (link: string, address: Address) => boolean
  /**
   * By link: the next hop for neighbors on it. It is kept as long as the address exists, also when a session is lost.
   */
  readonly #chosen = new Map<string, NextHopChoice['chosen']>()
  /** By neighbor: its address, where no network of its link contains it. Kernel routes say whether it is on the link. */
  readonly #outside = new Map<Neighbor, Prefix>()

  constructor(rib: Rib, links: LinkTable, isBeside: (link: string, address: Address) => boolean) {
    this.#rib = rib
    this.#links = links
    this.#isBeside = isBeside
  }

  /** Chooses the next hops for a session. */
  choose(neighbor: Neighbor, session: Session, node: NodeIntent): void {
    const nextHops = this.#choiceFor(neighbor, session, node)
    neighbor.nextHops = nextHops
    const { link, isOnLink, isBeside } = nextHops
    neighbor.isBound = nextHops.isBound
    neighbor.interface = isOnLink || isBeside ? link : undefined
    const host = link === undefined || isOnLink ? undefined : hostPrefix(session.remote.address)
    if (host === undefined) this.#outside.delete(neighbor)
    else this.#outside.set(neighbor, host)
    if (link !== undefined) this.#chosen.set(link, nextHops.chosen)
  }

  /** Whether other next hops would be chosen now than those that are advertised. */
  areOutdated(neighbor: Neighbor, session: Session, node: NodeIntent): boolean {
    if (neighbor.nextHops === undefined) return true
    return nextHopsKey(this.#choiceFor(neighbor, session, node)) !== nextHopsKey(neighbor.nextHops)
  }

  /** The session is down. */
  remove(neighbor: Neighbor): void {
    neighbor.nextHops = undefined
    this.#outside.delete(neighbor)
  }

  /** What was chosen for links that do not exist any more is forgotten. */
  forgetLost(names: ReadonlySet<string>): void {
    for (const name of names) if (this.#links.get(name) === undefined) this.#chosen.delete(name)
  }

  /** Whether a change of links or addresses may change what is chosen for this neighbor. */
  isTouched({ peer, nextHops }: Neighbor, touched: TouchedLinks, node: NodeIntent): boolean {
    const { session } = peer
    if (session === undefined) return false
    const link = nextHops?.link
    if (link === undefined || touched.names.has(link)) return true
    const rests = [...Object.values(node.addresses), bareAddress(session.local.address)]
    return rests.some((address) => touched.addresses.has(address))
  }

  /** Neighbors that are reached on their link now because of changed kernel routes, or no longer. Undefined: all were read. */
  *movedBy(change: KernelChange | undefined): Iterable<Neighbor> {
    if (this.#outside.size === 0) return
    const changed = change === undefined ? undefined : fewPrefixesOf(change)
    if (changed?.length === 0) return
    for (const [neighbor, host] of this.#outside) {
      if (changed !== undefined && !changed.some((prefix) => contains(prefix, host))) continue
      const { link, isBeside } = neighbor.nextHops ?? {}
      const { session } = neighbor.peer
      if (link === undefined || session === undefined) continue
      if (this.#isBeside(link, session.remote.address) !== isBeside) yield neighbor
    }
  }

  #choiceFor({ name, intent, nextHops }: Neighbor, session: Session, node: NodeIntent): NextHopChoice {
    return nextHopsFor(session, {
      node,
      heard: this.#rib.heardOnLink(name),
      links: this.#links,
      link: nextHops?.link,
      bound: boundInterface(intent, this.#links),
      isBeside: this.#isBeside,
      chosen: (link) => this.#chosen.get(link),
    })
  }
}

/** The prefixes of changed routes of other programs; undefined: there are too many. */
function fewPrefixesOf({ gone, present }: KernelChange): readonly Prefix[] | undefined {
  const changed: Prefix[] = []
  for (const { protocol, prefix } of [...gone, ...present]) if (protocol !== GODWIT_PROTOCOL) changed.push(prefix)
  return changed.length > FEW ? undefined : changed
}
