/**
 * Carries out the actions of neighbors, and connects sessions with the RIB: a session that comes up becomes a peer of
 * the RIB, and its received UPDATEs are passed to the RIB. `sending.ts` sends those of the RIB.
 */
import { type Address, bareAddress, isLinkLocal } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import { contains, hostPrefix, type Prefix } from '../base/prefix.ts'
import type { Millis } from '../base/units.ts'
import type { Rib } from '../bgp/rib/rib.ts'
import type { ConnId, PeerAction, PeerEvent, Session } from '../bgp/session/types.ts'
import type { MessageError } from '../bgp/wire/error.ts'
import { CEASE } from '../bgp/wire/notification.ts'
import { REFRESH } from '../bgp/wire/route-refresh.ts'
import type { NodeIntent, PeerIntent } from '../cluster/intent.ts'
import { GODWIT_PROTOCOL, type KernelChange } from '../dataplane/kernel.ts'
import { isOnLink, type LinkTable, type TouchedLinks } from '../dataplane/links.ts'
import type { Bfd } from './bfd.ts'
import { Failover } from './failover.ts'
import type { LeftFamilies } from './left-families.ts'
import {
  downLine,
  ignoredLine,
  leftLines,
  logLine,
  longLivedLine,
  memoryLine,
  nearLimitLine,
  nextHopsLines,
  notificationLine,
  pathLimitLine,
  staleDroppedLine,
  transitionLine,
  updateProblemLine,
  upLine,
} from './log-line.ts'
import type { Neighbor, Neighbors } from './neighbors.ts'
import { type NextHopChoice, nextHopsFor, nextHopsKey } from './next-hops.ts'
import type { Outbox } from './outbox.ts'
import { RangeMembers } from './range-members.ts'
import { importSideOf, ribPeerOf } from './rib-peer.ts'
import { Sending } from './sending.ts'
import { type Change, Twins } from './twins.ts'

type Updates = Extract<PeerAction, { kind: 'updates' }>
type Dial = Extract<PeerAction, { kind: 'dial' }>
type Up = Extract<PeerAction, { kind: 'up' }>
type Refresh = Extract<PeerAction, { kind: 'refresh' }>

/** When more kernel routes than this have changed, all neighbors beyond the networks of their link are looked at. */
const FEW = 64

export class Sessions {
  readonly #neighbors: Neighbors
  readonly #rib: Rib
  readonly #links: LinkTable
  /**
   * By link: the next hop for neighbors on it. It is kept as long as the address exists, also when a session is lost.
   */
  readonly #chosen = new Map<string, NextHopChoice['chosen']>()
  readonly #out: Outbox
  readonly #bfd: Bfd
  #node: NodeIntent | undefined
  /** Established sessions, and what is sent on them. */
  readonly #sending: Sending
  /** Families in which routes were advertised to some neighbor. */
  readonly advertisedFamilies = new Set<Family>()
  readonly rangeMembers = new RangeMembers()
  readonly #twins: Twins
  readonly #failover: Failover
  /** Whether a kernel route leads to an address over a link without a gateway. */
  readonly #isBeside: (link: string, address: Address) => boolean
  /** Neighbors with a session that are in no network of its link, by address: kernel routes say whether they are on it. */
  readonly #outside = new Map<Neighbor, Prefix>()

  constructor(
    neighbors: Neighbors,
    rib: Rib,
    links: LinkTable,
    out: Outbox,
    bfd: Bfd,
    isBeside: (link: string, address: Address) => boolean,
  ) {
    this.#isBeside = isBeside
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
    this.#followLimits(neighbor, session.conn, now)
  }

  #followLimits(neighbor: Neighbor, conn: ConnId, now: Millis): void {
    const report = this.#rib.takePrefixLimitReport(neighbor.name)
    if (report?.nearLimit !== undefined) this.#out.log(nearLimitLine(neighbor.name, report.nearLimit))
    if (report?.error !== undefined) this.handle(neighbor, endOf(neighbor, conn, report.error, report.tooMany), now)
  }

  /** Addresses have changed: routes whose next hop changes with them are advertised again at once. */
  followLinks(touched: TouchedLinks, now: Millis): void {
    this.#followLinkLosses(touched.names, now)
    for (const name of touched.names) if (this.#links.get(name) === undefined) this.#chosen.delete(name)
    if (this.#node === undefined) return
    const named = Object.values(this.#node.addresses)
    const isNamed = named.some((address) => touched.addresses.has(address))
    for (const neighbor of this.#sending.neighbors()) {
      const { session } = neighbor.peer
      const link = neighbor.nextHops?.link
      if (session === undefined) continue
      const isTouched = link === undefined || touched.names.has(link) || isNamed
      if (isTouched || touched.addresses.has(bareAddress(session.local.address))) this.#followNextHops(neighbor, now)
    }
  }

  /** Kernel routes have changed: neighbors may be reached on the link now, or no longer. Undefined: all were read. */
  followRoutes(change: KernelChange | undefined, now: Millis): void {
    if (this.#outside.size === 0) return
    const changed = change === undefined ? undefined : fewPrefixesOf(change)
    if (changed?.length === 0) return
    for (const [neighbor, host] of this.#outside) {
      if (changed !== undefined && !changed.some((prefix) => contains(prefix, host))) continue
      const { link, isBeside } = neighbor.nextHops ?? {}
      const { session } = neighbor.peer
      if (link === undefined || session === undefined) continue
      if (this.#isBeside(link, session.remote.address) !== isBeside) this.#followNextHops(neighbor, now)
    }
  }

  /** Its next hops are chosen again, and it is told where others are chosen than before. */
  #followNextHops(neighbor: Neighbor, now: Millis): void {
    const { session } = neighbor.peer
    if (session === undefined || this.#node === undefined) return
    const again = this.#nextHopsOf(neighbor, session, this.#node)
    if (neighbor.nextHops === undefined || nextHopsKey(again) !== nextHopsKey(neighbor.nextHops)) {
      this.refit(neighbor, now)
    }
  }

  #followLinkLosses(names: ReadonlySet<string>, now: Millis): void {
    for (const { neighbor, reason } of this.#failover.lostOn(names)) {
      this.handle(neighbor, { kind: 'link-lost', reason }, now)
    }
    for (const neighbor of this.#failover.backOn(names)) this.handle(neighbor, { kind: 'link-back' }, now)
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
    this.#applyLeft(this.#twins.settle(now))
  }

  /** When `settleTwins` must be called though nothing happens. */
  deadline(now: Millis): Millis | undefined {
    return this.#twins.deadline(now)
  }

  /** The families that these leave to a twin have changed: the RIB gets their new policies. */
  #applyLeft(changed: readonly Change[]): void {
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
        this.#dial(neighbor, action)
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
        this.#refresh(neighbor, action, now)
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

  /** A neighbor in a subnet without the node's usual address is dialled from an address of that subnet. */
  #dial(neighbor: Neighbor, { conn, remote, localAddress: usual, localMayYield = false }: Dial): void {
    const isElsewhere = usual !== undefined && this.#links.isBesideSubnet(usual, remote.address)
    const localAddress = localMayYield && isElsewhere ? undefined : usual
    const name = this.#boundTo(neighbor.intent)
    this.#neighbors.connect(conn, neighbor)
    this.#out.push({ kind: 'dial', conn, remote, localAddress, ...(name !== undefined && { interface: name }) })
  }

  /**
   * Where several links have one network, the routes say only one of them: `sourceInterface` says which, if it is on that
   * network. To a loopback nobody is bound. A link-local address names its link already.
   */
  #boundTo({ sourceInterface: name, address }: PeerIntent): string | undefined {
    const link = name === undefined ? undefined : this.#links.get(name)
    return link !== undefined && !isLinkLocal(address) && isOnLink(link, address) ? name : undefined
  }

  #refresh(neighbor: Neighbor, { family, subtype }: Refresh, now: Millis): void {
    const { session } = neighbor.peer
    // An earlier UPDATE in the same bytes may have ended the session.
    if (session === undefined) return
    const { name } = neighbor
    if (subtype === REFRESH.request) this.#rib.refreshOut(name, family, session.enhancedRefresh)
    else if (subtype === REFRESH.end) this.#rib.endRefresh(name, family)
    // RFC 7313 §4: for a neighbor that announced graceful restart, not before its first feed is complete.
    else if (session.restart !== undefined && !this.#rib.counts(name, family).endOfRibReceived) {
      this.#out.log(ignoredLine(name, `the beginning of its ${family} refresh, because its End-of-RIB has not arrived`))
    } else this.#rib.beginRefresh(name, family, now)
    this.#sending.noteChange()
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
    const { session } = neighbor.peer
    if (session === undefined) return
    // RFC 7313 §4: BoRR and EoRR mark this refresh too.
    for (const family of session.families) this.#rib.refreshOut(neighbor.name, family, session.enhancedRefresh)
    this.#sending.noteChange()
  }

  #up(neighbor: Neighbor, { session, keep }: Up, now: Millis): void {
    if (this.#node === undefined) throw new Error(`${neighbor.name} was established before the node was known`)
    neighbor.isBound = this.#boundTo(neighbor.intent) !== undefined
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
    const nextHops = this.#nextHopsOf(neighbor, session, node)
    neighbor.nextHops = nextHops
    const { link, isOnLink, isBeside } = nextHops
    neighbor.interface = isOnLink || isBeside ? link : undefined
    const host = link === undefined || isOnLink ? undefined : hostPrefix(session.remote.address)
    if (host === undefined) this.#outside.delete(neighbor)
    else this.#outside.set(neighbor, host)
    this.#failover.follow(neighbor, session)
    if (link !== undefined) this.#chosen.set(link, nextHops.chosen)
  }

  #nextHopsOf({ name, nextHops }: Neighbor, session: Session, node: NodeIntent): NextHopChoice {
    return nextHopsFor(session, {
      node,
      heard: this.#rib.heardOnLink(name),
      links: this.#links,
      link: nextHops?.link,
      isBeside: this.#isBeside,
      chosen: (link) => this.#chosen.get(link),
    })
  }

  #down(neighbor: Neighbor, keep: readonly Family[], now: Millis): void {
    neighbor.nextHops = undefined
    this.#outside.delete(neighbor)
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
    this.#readAll(neighbor, updates, now)
    if (this.#sending.connectionOf(neighbor) === conn && this.#rib.heardOnLink(neighbor.name) !== heard) {
      this.#followNextHops(neighbor, now)
    }
  }

  #readAll(neighbor: Neighbor, { conn, bytes, spans }: Updates, now: Millis): void {
    for (let at = 0; at < spans.length; at += 2) {
      const result = this.#rib.receive(neighbor.name, bytes, spans[at] as number, spans[at + 1] as number, now)
      for (const problem of result.problems) {
        const kind = `${problem.action} ${problem.attribute}`
        this.#out.log(updateProblemLine(neighbor.name, problem, !neighbor.warned.has(kind)))
        neighbor.warned.add(kind)
      }
      if (result.crowded !== undefined) this.#out.log(pathLimitLine(neighbor.name, result.crowded))
      if (result.memory !== undefined) this.#out.log(memoryLine(neighbor.name, result.memory))
      if (result.nearLimit !== undefined) this.#out.log(nearLimitLine(neighbor.name, result.nearLimit))
      if (result.error !== undefined) {
        this.handle(neighbor, endOf(neighbor, conn, result.error, result.tooMany), now)
        // Messages after the one that ended the session are ignored.
        return
      } else if (result.endOfRib !== undefined) {
        const text = `${neighbor.name}: End-of-RIB for ${result.endOfRib}`
        this.#out.log(logLine('debug', 'end-of-rib', text, { peer: neighbor.name, family: result.endOfRib }))
        this.handle(neighbor, { kind: 'end-of-rib', family: result.endOfRib }, now)
      }
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

/** The prefixes of changed routes of other programs; undefined: there are too many. */
function fewPrefixesOf({ gone, present }: KernelChange): readonly Prefix[] | undefined {
  const changed: Prefix[] = []
  for (const { protocol, prefix } of [...gone, ...present]) if (protocol !== GODWIT_PROTOCOL) changed.push(prefix)
  return changed.length > FEW ? undefined : changed
}

/** What ends a session over an UPDATE; one with too many routes is held down. */
function endOf({ intent }: Neighbor, conn: ConnId, error: MessageError, tooMany: Family | undefined): PeerEvent {
  if (tooMany === undefined) return { kind: 'update-error', conn, error }
  return { kind: 'too-many', conn, error, holdDown: intent.maxPrefixes[tooMany]?.restartAfter }
}
