/**
 * Applies the difference between two intents: starts, changes and stops neighbors, and adds and removes originated routes.
 * A neighbor whose objects have errors is not started; if its session is up, it keeps the rules of its last good filters
 * until the session ends, and all else applies at once.
 */
import type { Address } from '../base/address.ts'
import type { Chance } from '../base/chance.ts'
import type { Millis } from '../base/units.ts'
import type { Rib } from '../bgp/rib/rib.ts'
import type { OriginatedRoute } from '../bgp/rib/types.ts'
import { Peer } from '../bgp/session/peer.ts'
import { AS_EVER, type OwnRestart } from '../bgp/session/restart.ts'
import type { Session } from '../bgp/session/types.ts'
import { CEASE } from '../bgp/wire/notification.ts'
import type { NodeIntent, PeerIntent, RouteIntent } from '../cluster/intent.ts'
import { onLastGoodFilters } from '../cluster/policy-parts.ts'
import { same } from '../cluster/same.ts'
import type { TouchedLinks } from '../dataplane/links.ts'
import type { RangeView } from '../show/view.ts'
import { type ByHand, byHand } from './by-hand.ts'
import { FoundAddresses } from './found-addresses.ts'
import type { Gateways } from './gateways.ts'
import { type Stage, whyLeft } from './leaving-stage.ts'
import type { Neighbor, Neighbors } from './neighbors.ts'
import { peerConfig } from './peer-config.ts'
import { isRange, memberIntent, type RangeIntent, Ranges } from './ranges.ts'
import type { Sessions } from './sessions.ts'
import type { SourceAddresses } from './source-addresses.ts'

/** The parts of the engine that objects change. */
interface ObjectsParts {
  readonly neighbors: Neighbors
  readonly sessions: Sessions
  readonly rib: Rib
  readonly chance: Chance
  readonly ownRestart: OwnRestart
  readonly byHand: ByHand
  readonly gateways: Gateways
  readonly sources: SourceAddresses
}

const NOT_DEFINED = { subcode: CEASE.deconfigured as number, reason: 'no object defines this neighbor any more' }
/** RFC 4486 §4: Out of Resources. */
const MADE_ROOM = {
  subcode: CEASE.outOfResources,
  reason: 'it has sent no OPEN, and the places of its range are taken',
}

export class Objects {
  readonly #neighbors: Neighbors
  readonly #sessions: Sessions
  readonly #rib: Rib
  readonly #chance: Chance
  readonly #ownRestart: OwnRestart
  readonly #byHand: ByHand
  readonly #ranges = new Ranges()
  readonly found: FoundAddresses
  readonly #sources: SourceAddresses
  /** Grows when neighbors, or their intents, may have changed. */
  revision = 0
  /** Neighbors that are added while this node is leaving start in the same stage. */
  leaving: { readonly stage: Stage; readonly reason: string } = { stage: 'here', reason: '' }

  constructor(parts: ObjectsParts) {
    this.found = new FoundAddresses(parts.gateways, parts.neighbors, {
      remove: (name, now) => this.removePeer(name, now),
      change: (intent, node, now) => {
        this.revision++
        this.#changeNeighbor(intent, node, now)
      },
      stop: (neighbor, reason, now) => this.#hold(neighbor, reason, now),
    })
    this.#sources = parts.sources
    this.#ownRestart = parts.ownRestart
    this.#byHand = parts.byHand
    this.#neighbors = parts.neighbors
    this.#sessions = parts.sessions
    this.#rib = parts.rib
    this.#chance = parts.chance
  }

  /** Ranges that neighbors without an object of their own may call from. */
  ranges(): RangeView[] {
    return this.#ranges.views()
  }

  /** The intents of neighbors and of ranges. */
  *intents(): Iterable<PeerIntent> {
    for (const { intent } of this.#neighbors.values()) if (intent.range === undefined) yield intent
    yield* this.#ranges.values()
  }

  /** A neighbor, or a range that neighbors may call from. */
  addPeer(intent: PeerIntent, node: NodeIntent, now: Millis): void {
    this.revision++
    if (isRange(intent)) this.#addRange(intent, node, now)
    else {
      const found = this.found.set(intent, now)
      if (found !== undefined) this.#addNeighbor(found, node, now)
      else if (!this.#adopt(intent, node, now)) this.#addNeighbor(intent, node, now)
    }
  }

  /** Hosts that connected from a wider range around this one belong to it now, up to its limit. */
  #addRange(range: RangeIntent, node: NodeIntent, now: Millis): void {
    this.#ranges.set(range, now)
    let places = range.range.limit - this.#ranges.membersOf(range.name).length
    for (const [member, before] of this.#ranges.members()) {
      const neighbor = this.#neighbors.get(member)
      if (neighbor === undefined || before === range.name) continue
      if (this.#ranges.covering(neighbor.intent.address) !== range) continue
      if (places <= 0) this.removePeer(member, now)
      else {
        places--
        this.#moveMember(range, neighbor, node, now)
      }
    }
  }

  #moveMember(range: RangeIntent, neighbor: Neighbor, node: NodeIntent, now: Millis): void {
    const intent = memberIntent(range, neighbor.intent.address)
    const isTaken = ![undefined, neighbor].includes(this.#neighbors.get(intent.name))
    if (isTaken) {
      this.removePeer(neighbor.name, now)
      return
    }
    this.#ranges.leave(neighbor.name)
    if (neighbor.name !== intent.name) this.#rename(neighbor, intent.name)
    this.#ranges.join(range.name, intent.name)
    this.#byHand.noteRange(intent.name, range.name)
    this.#changeNeighbor(intent, node, now)
  }

  #isFull({ name, range }: RangeIntent): boolean {
    return this.#ranges.membersOf(name).length >= range.limit
  }

  /** An object names a neighbor that has connected from a range: it keeps its session. */
  #adopt(intent: PeerIntent, node: NodeIntent, now: Millis): boolean {
    const caller = this.#ranges.hasMembers ? this.#neighbors.calledBy(intent.address) : undefined
    if (caller?.intent.range === undefined) return false
    this.#ranges.leave(caller.name)
    if (caller.name !== intent.name) this.#rename(caller, intent.name)
    this.#byHand.noteRange(caller.name, undefined)
    this.#sessions.rangeMembers.delete(intent.address)
    this.#changeNeighbor(intent, node, now)
    return true
  }

  /** Objects call a neighbor by another name: its session, its routes and what was asked of it by command stay. */
  renamePeer(from: string, intent: PeerIntent, node: NodeIntent, now: Millis): void {
    const neighbor = this.#neighbors.get(from)
    if (isRange(intent)) this.#renameRange(from, intent, node, now)
    else if (neighbor === undefined || this.#neighbors.get(intent.name) !== undefined) {
      this.removePeer(from, now)
      this.addPeer(intent, node, now)
    } else {
      this.found.remove(from)
      this.#rename(neighbor, intent.name)
      this.changePeer(intent, node, now)
    }
  }

  #renameRange(from: string, range: RangeIntent, node: NodeIntent, now: Millis): void {
    this.#byHand.renameRange(from, range.name, this.#ranges.rename(from, range, now))
    for (const member of this.#ranges.membersOf(range.name)) {
      const neighbor = this.#neighbors.get(member)
      if (neighbor !== undefined) this.#moveMember(range, neighbor, node, now)
    }
    this.revision++
  }

  #rename(neighbor: Neighbor, name: string): void {
    this.#byHand.rename(neighbor.name, name)
    this.#sources.remove(neighbor.name)
    this.#sessions.rename(neighbor, name)
  }

  /** A connection from an unknown address: returns the neighbor created for it, or why it is refused. */
  callFrom(address: Address, node: NodeIntent, now: Millis): Neighbor | string {
    const range = this.#ranges.covering(address)
    if (range === undefined) return 'no neighbor has this address'
    if (range.held !== undefined) return `${range.name} is held: ${range.held}`
    const { limit, prefix } = range.range
    if (this.#isFull(range) && !this.#makeRoom(range, now))
      return `${limit} neighbors from ${prefix.text} are connected, which is the limit`
    const intent = memberIntent(range, address)
    if (this.#neighbors.get(intent.name) !== undefined) return `${intent.name} is another neighbor`
    this.#ranges.join(range.name, intent.name)
    return this.#addNeighbor(intent, node, now)
  }

  /**
   * A host that only may come back gives way to one that calls; else the one that has connected first of those that have sent no
   * OPEN: otherwise a few silent hosts, or one with many addresses, would keep all others out for minutes.
   */
  #makeRoom({ name: range }: RangeIntent, now: Millis): boolean {
    const spare = this.#ranges
      .membersOf(range)
      .map((name) => this.#neighbors.get(name))
      .filter((member) => member !== undefined && !member.peer.hasStaleRoutes && member.disabled === undefined)
    const away = spare.find((member) => member?.peer.isDialling)
    const least = away ?? spare.find((member) => member?.peer.state === 'OpenSent')
    if (least === undefined) return false
    this.#remove(least.name, now, away === undefined ? MADE_ROOM : NOT_DEFINED)
    return true
  }

  /**
   * A host of a range that was a neighbor before the restart: it is dialled, since it may wait for us. Not where its address
   * is that of another neighbor, or the range has no room; where it is not dialled, as without a restart time, it is not made
   * either. False while the range is held.
   */
  callBack(address: Address, node: NodeIntent, now: Millis): boolean {
    const range = this.#ranges.covering(address)
    if (range?.held !== undefined) return false
    // None gives way to another one that is only called back.
    if (range === undefined || this.#isFull(range) || this.#neighbors.calledBy(address) !== undefined) return true
    const neighbor = this.callFrom(address, node, now)
    if (typeof neighbor !== 'string') this.forgetCaller(neighbor, now)
    return true
  }

  /** Hosts that connected from ranges before the restart and may connect again. */
  *expected(addresses: readonly Address[]): Iterable<{ readonly name: string; readonly session: Session | undefined }> {
    for (const address of addresses) {
      const range = this.#ranges.covering(address)
      if (range === undefined || range.held !== undefined) continue
      const { name } = memberIntent(range, address)
      const neighbor = this.#neighbors.get(name)
      if (this.#byHand.of(name).disabled === undefined) yield { name, session: neighbor?.peer.session }
    }
  }

  /** Names of ranges from which no host has connected yet. */
  silentRanges(): readonly string[] {
    return [...this.#ranges.values()]
      .filter(({ name, held }) => held === undefined && this.#ranges.membersOf(name).length === 0)
      .map(({ name }) => name)
  }

  /**
   * Removes a neighbor of a range that has no connection: nobody dials it. One that is disabled by command stays, as one
   * whose routes are kept for its restart does, or one that keeps ours and may wait to be dialled.
   */
  forgetCaller(neighbor: Neighbor, now: Millis): void {
    const { intent, peer, disabled } = neighbor
    if (intent.range === undefined || disabled !== undefined || peer.hasStaleRoutes || peer.isDialling) return
    if (this.#neighbors.hasConnection(neighbor)) return
    if (peer.snapshot(now).stopped === undefined) this.#remove(neighbor.name, now)
  }

  /** A command has changed what is asked of a neighbor. */
  noteByHand(neighbor: Neighbor): void {
    this.#byHand.note(neighbor, this.#ranges.rangeOf(neighbor.name))
  }

  /** All objects are known after a start. Returns the names of neighbors that are still disabled or drained. */
  settleByHand(): readonly string[] {
    return this.#byHand.settle((name) => this.#ranges.has(name) || this.#neighbors.get(name) !== undefined)
  }

  #addNeighbor(wanted: PeerIntent, node: NodeIntent, now: Millis): Neighbor {
    const intent = this.#sources.resolve(wanted)
    this.#byHand.noteRange(intent.name, this.#ranges.rangeOf(intent.name))
    // For a host that calls again we have not restarted, though its neighbor is a new one here.
    const restart = this.#ranges.isFormer(intent.name) ? AS_EVER : this.#ownRestart
    const peer = new Peer(peerConfig(intent, node), this.#chance, this.#neighbors.nextConn, now, restart)
    const neighbor: Neighbor = {
      name: intent.name,
      peer,
      intent,
      ...this.#byHand.of(intent.name),
      leaving: this.leaving.stage,
      nextHops: undefined,
      interface: undefined,
      isBound: false,
      leftFamilies: {},
      writable: true,
      warned: new Set(),
    }
    this.#neighbors.add(neighbor)
    const stopped = this.whyStopped(neighbor)
    if (stopped === undefined) this.#startOrHold(neighbor, now)
    else this.#hold(neighbor, stopped, now)
    return neighbor
  }

  /** Why a neighbor is not started whatever its objects say: what people asked of it before, or that this node has left. */
  whyStopped({ disabled, leaving }: Neighbor): string | undefined {
    if (disabled !== undefined) return byHand('disabled', disabled)
    return leaving === 'gone' ? whyLeft(this.leaving.reason) : undefined
  }

  changePeer(intent: PeerIntent, node: NodeIntent, now: Millis): void {
    this.revision++
    if (isRange(intent)) this.#changeRange(intent, node, now)
    else this.#changeNeighbor(this.found.set(intent, now) ?? intent, node, now)
  }

  #changeRange(range: RangeIntent, node: NodeIntent, now: Millis): void {
    this.#ranges.set(range, now)
    for (const name of this.#ranges.membersOf(range.name)) {
      const neighbor = this.#neighbors.get(name)
      if (neighbor !== undefined) this.#changeNeighbor(memberIntent(range, neighbor.intent.address), node, now)
    }
  }

  #changeNeighbor(wanted: PeerIntent, node: NodeIntent, now: Millis): void {
    const intent = this.#sources.resolve(wanted)
    const neighbor = this.#neighbors.get(intent.name)
    if (neighbor === undefined) throw new Error(`${intent.name} changed but was never added`)
    if (isHeldDownNoMore(neighbor.intent, intent)) this.#sessions.handle(neighbor, { kind: 'lift-hold-down' }, now)
    const hasRoutes = neighbor.peer.session !== undefined || neighbor.peer.hasStaleRoutes
    neighbor.intent = hasRoutes ? onLastGoodFilters(intent, neighbor.intent) : intent
    this.#sessions.handle(neighbor, { kind: 'configure', config: peerConfig(intent, node) }, now)
    const isUp = neighbor.peer.session !== undefined
    this.#sessions.refit(neighbor, now)
    if (!isUp) this.startAgain(neighbor, now)
  }

  /** No object defines it any more. What was asked of it by command goes too. */
  removePeer(name: string, now: Millis): void {
    this.#byHand.forget(name)
    this.#remove(name, now)
  }

  #remove(name: string, now: Millis, { subcode, reason } = NOT_DEFINED): void {
    this.revision++
    if (this.#ranges.has(name)) {
      for (const member of this.#ranges.membersOf(name)) this.#remove(member, now)
      this.#ranges.remove(name)
    }
    const neighbor = this.#neighbors.get(name)
    if (neighbor === undefined) return
    if (this.#ranges.rangeOf(name) !== undefined && neighbor.peer.hasBeenEstablished) this.#ranges.noteFormer(name)
    this.#ranges.leave(name)
    this.found.remove(name)
    this.#sources.remove(name)
    this.#sessions.handle(neighbor, { kind: 'stop', subcode, text: '', reason }, now)
    this.#sessions.remove(neighbor)
    this.#neighbors.remove(name)
  }

  /** Links have changed: a neighbor whose source address has changed dials with the new one. */
  followSources(touched: TouchedLinks, node: NodeIntent, now: Millis): void {
    for (const wanted of this.#sources.dependingOn(touched)) {
      const known = this.#neighbors.get(wanted.name)?.intent
      const { sourceAddress, held } = this.#sources.resolve(wanted)
      if (known === undefined || (known.sourceAddress === sourceAddress && known.held === held)) continue
      this.revision++
      this.#changeNeighbor(wanted, node, now)
    }
  }

  /** The node's own AS, router ID or name may have changed: each neighbor decides whether that resets it. */
  reconfigure(neighbor: Neighbor, node: NodeIntent, now: Millis): void {
    this.#sessions.handle(neighbor, { kind: 'configure', config: peerConfig(neighbor.intent, node) }, now)
    this.#sessions.refit(neighbor, now)
  }

  /** By command: also one that sent too many routes. */
  startByHand(neighbor: Neighbor, now: Millis): void {
    this.#sessions.handle(neighbor, { kind: 'lift-hold-down' }, now)
    const stopped = this.whyStopped(neighbor)
    if (stopped === undefined) this.#startOrHold(neighbor, now)
    else this.#hold(neighbor, stopped, now)
  }

  /** What stopped it is over. */
  startAgain(neighbor: Neighbor, now: Millis): void {
    this.#startOrHold(neighbor, now)
    this.forgetCaller(neighbor, now)
  }

  /** Starts a neighbor unless objects or a person forbid it. Without effect on a running session. */
  #startOrHold(neighbor: Neighbor, now: Millis): void {
    const { held } = neighbor.intent
    if (neighbor.disabled !== undefined || neighbor.peer.session !== undefined || neighbor.leaving === 'gone') return
    if (held === undefined) this.#sessions.handle(neighbor, { kind: 'start' }, now)
    else this.#hold(neighbor, held, now)
  }

  #hold(neighbor: Neighbor, reason: string, now: Millis): void {
    this.#sessions.handle(neighbor, { kind: 'stop', subcode: CEASE.configChange, text: '', reason }, now)
  }

  changeRoutes(announce: readonly RouteIntent[], withdraw: readonly RouteIntent['prefix'][], now: Millis): void {
    if (withdraw.length > 0) this.#rib.withdraw(withdraw)
    if (announce.length > 0) this.#rib.originate(announce.map(originatedRoute), now)
  }
}

/** One that sent too many routes may start: its limits have changed, or it is another router. */
const isHeldDownNoMore = (before: PeerIntent, after: PeerIntent): boolean =>
  !same(before.maxPrefixes, after.maxPrefixes) ||
  before.maxRouteMemory !== after.maxRouteMemory ||
  before.address !== after.address

function originatedRoute({ prefix, origin, objects, communities, named }: RouteIntent): OriginatedRoute {
  return { prefix, origin, object: objects.join(', '), communities, named }
}
