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

type Ends = Pick<Session, 'local' | 'remote'>

/** Neighbors that lost their session with one interface and one address of ours, and the addresses of each session. */
interface Waiting {
  readonly name: string
  readonly address: Address | undefined
  readonly neighbors: Map<Neighbor, Ends | undefined>
}

export class Failover {
  readonly #links: LinkTable
  /** The interface that a session depends on. */
  readonly #restsOn = new Map<Neighbor, string>()
  /** By interface: neighbors whose sessions depend on it. */
  readonly #standing = new Map<string, Set<Neighbor>>()
  /** By interface and address: many neighbors wait for few of them. */
  readonly #waiting = new Map<string, Waiting>()
  /** Where in `#waiting` a neighbor is. */
  readonly #waitsIn = new Map<Neighbor, string>()

  constructor(links: LinkTable) {
    this.#links = links
  }

  /** Its session is established. */
  follow(neighbor: Neighbor, { peerType, local, remote }: Session): void {
    this.remove(neighbor)
    if (peerType !== 'external') return
    const link = this.#linkOf({ local, remote })
    if (link === undefined) return
    this.#restsOn.set(neighbor, link.name)
    const others = this.#standing.get(link.name) ?? new Set()
    this.#standing.set(link.name, others.add(neighbor))
  }

  /** Its session has ended, and nothing is kept about it. */
  forget(neighbor: Neighbor): void {
    const name = this.#restsOn.get(neighbor)
    if (name === undefined) return
    this.#restsOn.delete(neighbor)
    const others = this.#standing.get(name)
    others?.delete(neighbor)
    if (others?.size === 0) this.#standing.delete(name)
  }

  /** No object defines it any more. */
  remove(neighbor: Neighbor): void {
    this.forget(neighbor)
    this.#stopWaiting(neighbor)
  }

  /** Neighbors whose sessions depend on what these links no longer have. */
  lostOn(names: Iterable<string>): LinkLoss[] {
    const lost: LinkLoss[] = []
    for (const name of names) {
      for (const neighbor of this.#standing.get(name) ?? []) {
        const reason = neighbor.intent.fastFailover ? this.#whyLost(name, neighbor) : undefined
        if (reason === undefined) continue
        lost.push({ neighbor, reason })
        this.#wait(name, neighbor)
      }
    }
    return lost
  }

  /** Neighbors that lost a session with a link that is back, and our address with it, or on another link. */
  backOn(names: ReadonlySet<string>): Neighbor[] {
    const back: Neighbor[] = []
    for (const { name, address, neighbors } of this.#waiting.values()) {
      const isTouched = names.has(name) || (address !== undefined && this.#links.isHeldBy(names, address))
      if (!isTouched) continue
      for (const [neighbor, ends] of neighbors) {
        const link = ends === undefined ? this.#links.get(name) : this.#linkOf(ends)
        if (link?.up !== true || !(names.has(link.name) || names.has(name))) continue
        back.push(neighbor)
        this.#stopWaiting(neighbor)
      }
    }
    return back
  }

  #wait(name: string, neighbor: Neighbor): void {
    this.#stopWaiting(neighbor)
    const ends = neighbor.peer.session
    const address = ends?.local.address
    const key = `${name} ${address ?? ''}`
    const waiting = this.#waiting.get(key) ?? { name, address, neighbors: new Map() }
    waiting.neighbors.set(neighbor, ends)
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
    // The link has another name, or its addresses are on another link: packets of the session go on.
    if (session !== undefined && this.#linkOf(session)?.up === true) return undefined
    const link = this.#links.get(name)
    if (link?.up !== true) return `Link lost: ${name} is ${link === undefined ? 'gone' : 'down'}`
    const address = session?.local.address
    const isThere = link.addresses.some((own) => own.address === address)
    return address === undefined || isThere ? undefined : `Address lost: ${address} on ${name}`
  }

  /** The link with our address that the neighbor is on. */
  #linkOf({ local, remote }: Ends): Link | undefined {
    const link = this.#links.holder(local.address, remote.address)
    return link !== undefined && isOnLink(link, remote.address) ? link : undefined
  }
}
