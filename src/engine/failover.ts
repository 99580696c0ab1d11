/**
 * Fast external failover: a session with an external neighbor on a link of ours ends when that link is lost, or our address
 * on it, and does not wait for its hold timer. When the link is back, the neighbor is dialled at once.
 */
import type { Address } from '../base/address.ts'
import type { Session } from '../bgp/session/types.ts'
import { isOnLink, type Link, type LinkTable } from '../dataplane/links.ts'
import type { Neighbor } from './neighbors.ts'

export interface LinkLoss {
  readonly neighbor: Neighbor
  readonly reason: string
}

type Endpoints = Pick<Session, 'local' | 'remote'>

/**
 * Neighbors whose session ended because `name`, or our `address` on it, was lost; with the two addresses of each session.
 * Undefined: there was none any more, only stale routes.
 */
interface Waiting {
  readonly name: string
  readonly address: Address | undefined
  readonly neighbors: Map<Neighbor, Endpoints | undefined>
}

export class Failover {
  readonly #links: LinkTable
  /** The interface that a session depends on; while stale routes are kept, it outlives the session. */
  readonly #linkOfNeighbor = new Map<Neighbor, string>()
  /** The same by interface. */
  readonly #neighborsByLink = new Map<string, Set<Neighbor>>()
  /** Keyed by interface and address, of which there are few even if many neighbors wait. */
  readonly #waiting = new Map<string, Waiting>()
  /** Where in `#waiting` a neighbor is. */
  readonly #waitsIn = new Map<Neighbor, string>()

  constructor(links: LinkTable) {
    this.#links = links
  }

  /** Records the link that the neighbor's session depends on. */
  follow(neighbor: Neighbor, { peerType, local, remote }: Session): void {
    this.remove(neighbor)
    if (peerType !== 'external') return
    const link = this.#linkOf({ local, remote })
    if (link === undefined) return
    this.#linkOfNeighbor.set(neighbor, link.name)
    const others = this.#neighborsByLink.get(link.name) ?? new Set()
    this.#neighborsByLink.set(link.name, others.add(neighbor))
  }

  /** The session ended, and no stale routes are kept. The neighbor still waits for its link if it lost it. */
  forget(neighbor: Neighbor): void {
    const name = this.#linkOfNeighbor.get(neighbor)
    if (name === undefined) return
    this.#linkOfNeighbor.delete(neighbor)
    const others = this.#neighborsByLink.get(name)
    others?.delete(neighbor)
    if (others?.size === 0) this.#neighborsByLink.delete(name)
  }

  /** Removes everything about the neighbor. */
  remove(neighbor: Neighbor): void {
    this.forget(neighbor)
    this.#stopWaiting(neighbor)
  }

  /** Takes the neighbors whose sessions depend on what these links no longer have. They wait from now on. */
  takeLost(names: Iterable<string>): LinkLoss[] {
    const lost: LinkLoss[] = []
    for (const name of names) {
      for (const neighbor of this.#neighborsByLink.get(name) ?? []) {
        const reason = neighbor.intent.fastFailover ? this.#whyLost(name, neighbor) : undefined
        if (reason === undefined) continue
        lost.push({ neighbor, reason })
        this.#wait(name, neighbor)
      }
    }
    return lost
  }

  /**
   * Takes the waiting neighbors whose session could run again: the link is up and has our address again, or another link
   * has it now. `names`: links that changed.
   */
  takeBack(names: ReadonlySet<string>): Neighbor[] {
    const back: Neighbor[] = []
    for (const { name, address, neighbors } of this.#waiting.values()) {
      const isTouched = names.has(name) || (address !== undefined && this.#links.isHeldBy(names, address))
      if (!isTouched) continue
      for (const [neighbor, endpoints] of neighbors) {
        const link = endpoints === undefined ? this.#links.get(name) : this.#linkOf(endpoints)
        // Several links may have our address: the one that this neighbor is on need not be among those that changed.
        if (link?.up !== true || !(names.has(link.name) || names.has(name))) continue
        back.push(neighbor)
        this.#stopWaiting(neighbor)
      }
    }
    return back
  }

  #wait(name: string, neighbor: Neighbor): void {
    this.#stopWaiting(neighbor)
    const endpoints = neighbor.peer.session
    const address = endpoints?.local.address
    const key = `${name} ${address ?? ''}`
    const waiting = this.#waiting.get(key) ?? { name, address, neighbors: new Map() }
    waiting.neighbors.set(neighbor, endpoints)
    this.#waiting.set(key, waiting)
    this.#waitsIn.set(neighbor, key)
  }

  #stopWaiting(neighbor: Neighbor): void {
    const key = this.#waitsIn.get(neighbor)
    const neighbors = key === undefined ? undefined : this.#waiting.get(key)?.neighbors
    if (key === undefined || neighbors === undefined) return
    this.#waitsIn.delete(neighbor)
    neighbors.delete(neighbor)
    if (neighbors.size === 0) this.#waiting.delete(key)
  }

  #whyLost(name: string, { peer: { session } }: Neighbor): string | undefined {
    // Our address is on a link that is up (perhaps renamed or moved): the session goes on.
    if (session !== undefined && this.#linkOf(session)?.up === true) return undefined
    const link = this.#links.get(name)
    if (link?.up !== true) return `Link lost: ${name} is ${link === undefined ? 'gone' : 'down'}`
    const address = session?.local.address
    const isThere = link.addresses.some((own) => own.address === address)
    return address === undefined || isThere ? undefined : `Address lost: ${address} on ${name}`
  }

  /** The link with our address that the neighbor is on. */
  #linkOf({ local, remote }: Endpoints): Link | undefined {
    const link = this.#links.holder(local.address, remote.address)
    return link !== undefined && isOnLink(link, remote.address) ? link : undefined
  }
}
