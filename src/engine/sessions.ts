/**
 * Carries out the actions of neighbors, and connects sessions with the RIB: a session that comes up becomes a peer of
 * the RIB. `received-updates.ts` passes its UPDATEs to the RIB, `sending.ts` sends those of the RIB, and
 * `session-next-hops.ts` chooses the next hops in them.
 */
import type { Address } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import type { Millis } from '../base/units.ts'
import type { Rib } from '../bgp/rib/rib.ts'
import type { ConnId, PeerAction, PeerEvent, Session } from '../bgp/session/types.ts'
import { CEASE } from '../bgp/wire/notification.ts'
import type { NodeIntent } from '../cluster/intent.ts'
import type { KernelChange } from '../dataplane/kernel.ts'
import type { LinkTable, TouchedLinks } from '../dataplane/links.ts'
import type { BfdStates } from './bfd.ts'
import { dialEffect } from './dialling.ts'
import { Failover } from './failover.ts'
import type { LeftFamilies } from './left-families.ts'
import {
  downLine,
  ignoredLine,
  leftLines,
  longLivedLine,
  nextHopsLines,
  notificationLine,
  renamedLine,
  staleDroppedLine,
  transitionLine,
  upLine,
} from './log-line.ts'
import type { Neighbor, Neighbors } from './neighbors.ts'
import type { NextHopChoice } from './next-hops.ts'
import type { Outbox } from './outbox.ts'
import { RangeMembers } from './range-members.ts'
import { ReceivedUpdates } from './received-updates.ts'
import { importSideOf, ribPeerOf } from './rib-peer.ts'
import { RouteRefresh } from './route-refresh.ts'
import { Sending } from './sending.ts'
import { SessionNextHops } from './session-next-hops.ts'
import { type LeftChange, Twins } from './twins.ts'

type Updates = Extract<PeerAction, { kind: 'updates' }>
type Up = Extract<PeerAction, { kind: 'up' }>

export interface SessionRooms {
  readonly neighbors: Neighbors
  readonly rib: Rib
  readonly links: LinkTable
  readonly out: Outbox
  readonly bfd: BfdStates
  /** Whether a kernel route leads to an address over a link without a gateway. */
  readonly isBeside: (link: string, address: Address) => boolean
}

export class Sessions {
  readonly #neighbors: Neighbors
  readonly #rib: Rib
  readonly #links: LinkTable
  readonly #nextHops: SessionNextHops
  readonly #received: ReceivedUpdates
  readonly #refresh: RouteRefresh
  readonly #out: Outbox
  readonly #bfd: BfdStates
  #node: NodeIntent | undefined
  /** Established sessions, and what is sent on them. */
  readonly #sending: Sending
  /** Families in which routes were advertised to some neighbor. */
  readonly advertisedFamilies = new Set<Family>()
  readonly rangeMembers = new RangeMembers()
  readonly #twins: Twins
  readonly #failover: Failover

  constructor({ neighbors, rib, links, out, bfd, isBeside }: SessionRooms) {
    this.#nextHops = new SessionNextHops(rib, links, isBeside)
    this.#received = new ReceivedUpdates(rib, out)
    this.#refresh = new RouteRefresh(rib, out)
    this.#neighbors = neighbors
    this.#links = links
    this.#rib = rib
    this.#out = out
    this.#failover = new Failover(links)
    this.#twins = new Twins((name, family) => rib.counts(name, family))
    this.#bfd = bfd
    this.#sending = new Sending(neighbors, rib, out)
  }

  /** Next hops are computed with this node from now on; established sessions get their new ones by `refit`. */
  useNode(node: NodeIntent | undefined): void {
    this.#node = node
  }

  /**
   * Policies, limits or next hops have changed: the RIB evaluates the routes concerned again, and the session stays unless
   * the neighbor has too many routes for a new limit. Without a session it is the routes that are kept.
   */
  refit(neighbor: Neighbor, now: Millis): void {
    const { session } = neighbor.peer
    if (this.#node === undefined) return
    if (session === undefined) {
      this.#setPeer(neighbor)
      return
    }
    const { nextHops: before, leftFamilies } = neighbor
    this.#setNextHops(neighbor, session, this.#node)
    this.#logNextHops(neighbor, before)
    this.#applyLeft(this.#twins.update(neighbor, now))
    this.#logLeft(neighbor, leftFamilies)
    this.#setPeer(neighbor)
    this.#received.checkLimits(neighbor, session.conn, (event) => this.handle(neighbor, event, now))
  }

  /** The session goes on, and all that is known of the neighbor stays. */
  rename(neighbor: Neighbor, name: string): void {
    const from = neighbor.name
    this.#neighbors.rename(neighbor, name)
    this.#rib.renamePeer(from, name)
    for (const twin of this.#twins.rename(neighbor, from)) this.#setPeer(twin)
    this.#out.log(renamedLine(from, name))
  }

  /** Addresses have changed: routes whose next hop changes with them are advertised again at once. */
  followLinks(touched: TouchedLinks, now: Millis): void {
    this.#followLinkLosses(touched.names, now)
    this.#nextHops.forgetLost(touched.names)
    if (this.#node === undefined) return
    for (const neighbor of this.#sending.neighbors()) {
      if (this.#nextHops.isTouched(neighbor, touched, this.#node)) this.#followNextHops(neighbor, now)
    }
  }

  /** Kernel routes have changed: neighbors may be reached on the link now, or no longer. Undefined: all were read. */
  followRoutes(change: KernelChange | undefined, now: Millis): void {
    for (const neighbor of this.#nextHops.movedBy(change)) this.#followNextHops(neighbor, now)
  }

  /** Where other next hops would be chosen now, they are advertised. */
  #followNextHops(neighbor: Neighbor, now: Millis): void {
    const { session } = neighbor.peer
    if (session === undefined || this.#node === undefined) return
    if (this.#nextHops.areOutdated(neighbor, session, this.#node)) this.refit(neighbor, now)
  }

  #followLinkLosses(names: ReadonlySet<string>, now: Millis): void {
    for (const { neighbor, reason } of this.#failover.takeLost(names)) {
      this.handle(neighbor, { kind: 'link-lost', reason }, now)
    }
    for (const neighbor of this.#failover.takeBack(names)) this.handle(neighbor, { kind: 'link-back' }, now)
  }

  #setPeer(neighbor: Neighbor): void {
    const { session, hasStaleRoutes } = neighbor.peer
    if (this.#node === undefined) return
    if (session !== undefined) this.#rib.setPeer(ribPeerOf(neighbor, session, this.#node))
    else if (hasStaleRoutes) this.#rib.setImportSide(neighbor.name, importSideOf(neighbor, this.#node))
    this.#sending.noteChange()
  }

  /** Sessions with the same router: continues where another session has taken over a family. */
  settleTwins(now: Millis): void {
    this.#applyLeft(this.#twins.settle(this.#rib.takeEnded(), now))
  }

  /** When `settleTwins` must be called though nothing happens. */
  deadline(): Millis | undefined {
    return this.#twins.deadline()
  }

  /** The families that these leave to a twin have changed: the RIB gets their new policies. */
  #applyLeft(changed: readonly LeftChange[]): void {
    for (const { neighbor, before } of changed) {
      this.#setPeer(neighbor)
      this.#logLeft(neighbor, before)
    }
  }

  #logLeft({ name, leftFamilies }: Neighbor, before: LeftFamilies): void {
    for (const line of leftLines(name, before, leftFamilies)) this.#out.log(line)
  }

  /** Passes an event to a neighbor and carries out the actions that it returns. */
  handle(neighbor: Neighbor, event: PeerEvent, now: Millis): void {
    const ranBefore = neighbor.peer.session !== undefined
    for (const action of neighbor.peer.handle(event, now)) this.#carryOut(neighbor, action, now)
    this.#neighbors.noteDeadline(neighbor)
    this.#bfd.note(neighbor)
    const { held } = neighbor.intent
    const isStopped = event.kind === 'stop' || event.kind === 'vanish'
    if (ranBefore && neighbor.peer.session === undefined && held !== undefined && !isStopped) {
      // It ran with its last good filters; while objects forbid it, it must not start again.
      this.handle(neighbor, { kind: 'stop', subcode: CEASE.configChange, text: '', reason: held }, now)
    }
  }

  #carryOut(neighbor: Neighbor, action: PeerAction, now: Millis): void {
    switch (action.kind) {
      case 'dial':
        this.#neighbors.connect(action.conn, neighbor)
        this.#out.push(dialEffect(action, neighbor.intent, this.#links))
        return
      case 'send':
      case 'close':
        this.#out.push(action)
        return
      case 'up':
        this.#up(neighbor, action, now)
        return
      case 'down':
        this.#down(neighbor, action.keep, now)
        this.#out.log(downLine(neighbor.name, action.error, action.keep))
        return
      case 'long-lived':
        this.#rib.beginLongLived(neighbor.name, action.families)
        this.#out.log(longLivedLine(neighbor.name, action.families))
        return
      case 'stale-over':
        this.#rib.dropStale(neighbor.name, action.families)
        if (neighbor.peer.session === undefined && !neighbor.peer.hasStaleRoutes) this.#forget(neighbor)
        this.#out.log(staleDroppedLine(neighbor.name, action.reason))
        return
      case 'updates':
        this.#receive(neighbor, action, now)
        return
      case 'refresh':
        this.#refresh.receive(neighbor, action, now)
        this.#sending.noteChange()
        return
      case 'ignored':
        this.#out.log(ignoredLine(neighbor.name, action.text))
        return
      case 'transition':
        this.#out.log(transitionLine(neighbor.name, action))
        return
      case 'notification':
        this.#out.log(notificationLine(neighbor.name, action))
        return
    }
  }

  /** Asks a neighbor for a route refresh, if it can. */
  askRefresh(neighbor: Neighbor, now: Millis): void {
    for (const family of FAMILIES) this.handle(neighbor, { kind: 'ask-refresh', family }, now)
  }

  /** Neighbors of which paths were rejected at the limit are asked again where there is room now. */
  askForRejected(now: Millis): void {
    for (const { name, family } of this.#rib.takeRefreshRequests(now)) {
      const neighbor = this.#neighbors.get(name)
      if (neighbor !== undefined) this.handle(neighbor, { kind: 'ask-refresh', family }, now)
    }
  }

  /** Advertises everything to a neighbor again without a request of it. */
  advertiseAgain(neighbor: Neighbor): void {
    this.#refresh.advertiseAgain(neighbor)
    this.#sending.noteChange()
  }

  #up(neighbor: Neighbor, { session, keep }: Up, now: Millis): void {
    if (this.#node === undefined) throw new Error(`${neighbor.name} was established before the node was known`)
    this.#setNextHops(neighbor, session, this.#node)
    neighbor.writable = true
    neighbor.warned.clear()
    this.#sending.begin(neighbor, session.conn)
    for (const family of session.families) this.advertisedFamilies.add(family)
    if (neighbor.intent.range !== undefined) this.rangeMembers.add(neighbor.intent.address)
    this.#twins.add(neighbor, now)
    const isAnotherRouter = this.#rib.addPeer(ribPeerOf(neighbor, session, this.#node), keep)
    if (isAnotherRouter)
      this.#out.log(staleDroppedLine(neighbor.name, 'its AS number or router ID is another than before'))
    this.#out.log(upLine(neighbor.name, session))
    this.#logLeft(neighbor, {})
    this.#logNextHops(neighbor, undefined)
  }

  #logNextHops({ name, nextHops }: Neighbor, before: NextHopChoice | undefined): void {
    for (const line of nextHopsLines(name, before, nextHops)) this.#out.log(line)
  }

  #setNextHops(neighbor: Neighbor, session: Session, node: NodeIntent): void {
    this.#nextHops.choose(neighbor, session, node)
    this.#failover.follow(neighbor, session)
  }

  #down(neighbor: Neighbor, keep: readonly Family[], now: Millis): void {
    this.#nextHops.remove(neighbor)
    if (keep.length === 0) this.#forget(neighbor)
    this.#sending.end(neighbor)
    // Its twin takes back the families that it left to this session, before this one ends.
    this.#applyLeft(this.#twins.remove(neighbor, keep, now))
    if (keep.length > 0) this.#rib.losePeer(neighbor.name, keep)
    else this.#rib.removePeer(neighbor.name)
  }

  /** Its last session has ended, and no object defines it any more. */
  remove(neighbor: Neighbor): void {
    this.#failover.remove(neighbor)
    this.#twins.forget(neighbor)
    this.rangeMembers.delete(neighbor.intent.address)
  }

  /** It is not expected back. */
  #forget(neighbor: Neighbor): void {
    this.#failover.forget(neighbor)
    if (!neighbor.peer.isDialling) this.rangeMembers.delete(neighbor.intent.address)
  }

  #receive(neighbor: Neighbor, updates: Updates, now: Millis): void {
    const { conn } = updates
    // The end of the session may have arrived with these: what was sent before it counts.
    if (this.#sending.connectionOf(neighbor) !== conn) return
    const heard = this.#rib.heardOnLink(neighbor.name)
    this.#received.read(neighbor, updates, now, (event) => this.handle(neighbor, event, now))
    if (this.#sending.connectionOf(neighbor) === conn && this.#rib.heardOnLink(neighbor.name) !== heard) {
      this.#followNextHops(neighbor, now)
    }
  }

  /** The network has taken everything on this connection. */
  drained(conn: ConnId, now: Millis): void {
    const neighbor = this.#neighbors.connectedBy(conn)
    if (neighbor === undefined) return
    if (this.#sending.connectionOf(neighbor) === conn) neighbor.writable = true
    this.handle(neighbor, { kind: 'drained', conn }, now)
  }

  /** Sends the RIB's UPDATEs to neighbors whose network has room; true if UPDATEs still wait. */
  flush(now: Millis): boolean {
    return this.#sending.flush((neighbor, event) => this.handle(neighbor, event, now))
  }
}
