/**
 * All routes of one family, from what neighbors tell us to what we tell them:
 *
 *   announce, withdraw ──► adj-in ──► dirty ──► decide ──► loc-rib ──► every group's exporter ──► adj-out ──► pull
 *
 * Long work (a first feed, the loss of a neighbor, another policy) is a queue of sweeps; `advance` does a part of it.
 */

import { hex } from '../../base/bytes.ts'
import type { Family } from '../../base/family.ts'
import type { Millis } from '../../base/units.ts'
import type { Edit } from '../policy/compile.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import type { ByteTable } from '../route/byte-table.ts'
import { IdCache } from '../route/id-cache.ts'
import { type NextHopTable, SELF } from '../route/next-hop-table.ts'
import { encodeRouteRefresh, REFRESH } from '../wire/route-refresh.ts'
import { encodeEndOfRib } from '../wire/update-encode.ts'
import { AdjIn } from './adj-in.ts'
import { Group, type Told } from './adj-out.ts'
import { Decision } from './decide.ts'
import { DirtyQueue } from './dirty.ts'
import { REFUSED, whyNotUsable } from './eligible.ts'
import type { ExportTables, ExportView } from './export.ts'
import { LOST, LocRib, NOBODY } from './loc-rib.ts'
import { Member } from './member.ts'
import { OWN, type PeerSlot, type Peers } from './peers.ts'
import { PrefixTable } from './prefix-table.ts'
import { Sweep } from './sweep.ts'
import { newTally, type Tally } from './tally.ts'
import type { LocalRoute } from './types.ts'

/** What the families share. */
export interface SharedTables {
  readonly attributes: AttributeTable
  readonly nextHops: NextHopTable
  readonly blocks: ByteTable
  readonly peers: Peers
  /** How many bytes an update group keeps for its slowest member (adj-out.ts). */
  readonly logLimit: number
}

export class FamilyRib {
  readonly family: Family
  readonly prefixes: PrefixTable
  readonly paths: AdjIn
  readonly loc = new LocRib()
  readonly decision: Decision
  readonly groups = new Map<string, Group>()
  readonly members = new Map<PeerSlot, Member>()
  /** By path: what we originate. */
  readonly local = new Map<number, LocalRoute>()
  readonly #shared: SharedTables
  readonly #tables: ExportTables
  readonly #tallies = new Map<PeerSlot, Tally>()
  readonly #dirty: DirtyQueue
  readonly #sweeps: Sweep[] = []
  readonly #address = new Uint8Array(16)
  readonly #edits = new WeakMap<Edit, IdCache>()
  readonly #policyNumbers = new WeakMap<object, number>()
  #policies = 0
  // What import made of the route at hand.
  #imported = 0
  #refused = 0

  constructor(family: Family, seed: number, shared: SharedTables) {
    this.family = family
    this.#shared = shared
    this.prefixes = new PrefixTable(family, seed, (capacity) => this.#grow(capacity))
    this.paths = new AdjIn(this.prefixes, shared.attributes, shared.nextHops)
    this.#dirty = new DirtyQueue(this.prefixes)
    this.decision = new Decision(this.paths, shared.attributes, shared.nextHops, shared.peers)
    this.#tables = { prefixes: this.prefixes, paths: this.paths, ...shared }
  }

  // ── From neighbors ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Announced prefixes of one UPDATE: bytes in [start, end), already checked. `attributes` and `nextHop` are ids, held
   * by the caller meanwhile; `refused` says why none of them may be used.
   */
  announce(
    slot: PeerSlot,
    bytes: Uint8Array,
    start: number,
    end: number,
    attributes: number,
    nextHop: number,
    refused: number,
    now: Millis,
  ): void {
    const tally = this.#tallies.get(slot)
    if (tally === undefined) return
    const addPath = slot.peer.receive.addPath.includes(this.family)
    const since = Math.floor(now / SINCE_UNIT)
    const { paths, prefixes } = this
    for (let at = start; at < end; ) {
      const pathId = addPath ? readPathId(bytes, at) : 0
      if (addPath) at += 4
      const length = bytes[at] as number
      const address = at + 1
      at = address + ((length + 7) >> 3)
      tally.updates.received++
      const prefix = prefixes.insert(bytes, address, length)
      let path = paths.find(prefix, slot.index, pathId)
      // The same again: nothing to decide, nothing to tell.
      if (path !== 0 && paths.received[path] === attributes && paths.nextHop[path] === nextHop) {
        tally.updates.ignored++
        continue
      }
      this.#import(slot, attributes, refused, bytes, address, length)
      if (path === 0) {
        path = paths.add(prefix, slot.index, pathId)
        tally.held++
      } else if (paths.refused[path] === 0) tally.usable--
      paths.set(path, attributes, this.#imported, nextHop, this.#refused)
      paths.since[path] = since
      if (this.#imported !== attributes) this.#shared.attributes.release(this.#imported)
      this.#count(tally)
      this.#dirty.add(prefix)
    }
  }

  withdraw(slot: PeerSlot, bytes: Uint8Array, start: number, end: number): void {
    const tally = this.#tallies.get(slot)
    if (tally === undefined) return
    const addPath = slot.peer.receive.addPath.includes(this.family)
    for (let at = start; at < end; ) {
      const pathId = addPath ? readPathId(bytes, at) : 0
      if (addPath) at += 4
      const length = bytes[at] as number
      const prefix = this.prefixes.find(bytes, at + 1, length)
      at += 1 + ((length + 7) >> 3)
      tally.withdraws.received++
      const path = prefix === 0 ? 0 : this.paths.find(prefix, slot.index, pathId)
      if (path === 0) {
        tally.withdraws.ignored++
        continue
      }
      tally.withdraws.accepted++
      this.#removePath(path, tally)
    }
  }

  /** Why no route of an UPDATE with these may be used; 0 for none. */
  whyNotUsable(slot: PeerSlot, attributes: number, nextHop: Uint8Array, start: number, length: number): number {
    const { peers, attributes: table } = this.#shared
    return whyNotUsable(slot, peers, table, attributes, nextHop, start, length)
  }

  // ── Our own ──────────────────────────────────────────────────────────────────────────────────────────────────────

  originate(route: LocalRoute, attributes: number, now: Millis): void {
    const { paths, prefixes } = this
    const prefix = prefixes.insert(route.prefix.bytes, 0, route.prefix.length)
    const path = paths.find(prefix, OWN, 0) || paths.add(prefix, OWN, 0)
    this.local.set(path, route)
    if (paths.received[path] === attributes) return
    paths.set(path, attributes, attributes, SELF, 0)
    paths.since[path] = Math.floor(now / SINCE_UNIT)
    this.#dirty.add(prefix)
  }

  withdrawOwn(bytes: Uint8Array, length: number): void {
    const prefix = this.prefixes.find(bytes, 0, length)
    const path = prefix === 0 ? 0 : this.paths.find(prefix, OWN, 0)
    if (path === 0) return
    this.local.delete(path)
    this.#removePath(path, undefined)
  }

  // ── Neighbors ────────────────────────────────────────────────────────────────────────────────────────────────────

  addPeer(slot: PeerSlot): void {
    this.#tallies.set(slot, newTally())
    const member = new Member(slot, this.#groupFor(slot), this.prefixes)
    this.members.set(slot, member)
    if (!this.#join(member)) this.#walk(member)
  }

  /** `done` is called when no path of this neighbor is left. */
  removePeer(slot: PeerSlot, done: () => void): void {
    const member = this.members.get(slot)
    if (member !== undefined) this.#removeMember(member)
    this.#tallies.delete(slot)
    const { paths } = this
    const visit = (path: number): boolean => {
      if (paths.prefix[path] === 0 || paths.peer[path] !== slot.index) return false
      this.#removePath(path, undefined)
      return true
    }
    this.#sweeps.push(new Sweep(() => paths.end, visit, done))
  }

  /** The neighbor's policies or views may have changed. */
  changePeer(slot: PeerSlot, importChanged: boolean, now: Millis): void {
    if (importChanged) this.#reimport(slot, now)
    const member = this.members.get(slot)
    if (member === undefined) return
    const next = this.#groupFor(slot)
    if (next !== member.group) this.#move(member, next)
  }

  refreshOut(slot: PeerSlot, enhanced: boolean): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    member.group.fallOut(member)
    this.#stopWalk(member)
    // RFC 7313 §4: no BoRR before the first feed is over.
    if (enhanced && !member.initial) member.refresh = 'begin'
    this.#walk(member)
  }

  /** Undefined where the family was not agreed on. */
  tally(slot: PeerSlot): Tally | undefined {
    return this.#tallies.get(slot)
  }

  // ── Work ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  get busy(): boolean {
    return this.#dirty.size > 0 || this.#sweeps.length > 0
  }

  get isSettled(): boolean {
    return this.#dirty.size === 0
  }

  /** Decides and sweeps; returns what is left of the budget. A part of it is kept for sweeps, whatever is dirty. */
  advance(budget: number): number {
    let left = budget
    while (left > 0 && this.busy) {
      const share = this.#sweeps.length === 0 ? left : Math.max(1, left >> 1)
      left -= this.#decideSome(share)
      if (left > 0) left = this.#sweepSome(left)
    }
    return left
  }

  pull(slot: PeerSlot, maxBytes: number): Told | undefined {
    const member = this.members.get(slot)
    if (member === undefined) return undefined
    if (member.refresh === 'begin') {
      member.refresh = 'end'
      return { bytes: encodeRouteRefresh(this.family, REFRESH.begin), messages: 1 }
    }
    const told = member.group.pull(member, maxBytes)
    if (told !== undefined) return told
    if (!this.#hasFedAll(member)) return undefined
    // RFC 4724 §2: behind the last route of the first feed, also when there was none.
    if (member.initial) {
      member.initial = false
      return { bytes: encodeEndOfRib(this.family), messages: 1 }
    }
    if (member.refresh === 'end') {
      member.refresh = 'none'
      return { bytes: encodeRouteRefresh(this.family, REFRESH.end), messages: 1 }
    }
    return undefined
  }

  pending(slot: PeerSlot): boolean {
    const member = this.members.get(slot)
    if (member === undefined) return false
    if (member.refresh === 'begin' || member.group.hasFor(member)) return true
    return (member.initial || member.refresh === 'end') && this.#hasFedAll(member)
  }

  memory(): { tables: number; paths: number; out: number } {
    let out = 0
    for (const group of this.groups.values()) out += group.memory()
    return {
      tables: this.prefixes.memory() + this.loc.memory() + this.#dirty.memory(),
      paths: this.paths.memory(),
      out,
    }
  }

  #grow(capacity: number): void {
    this.paths.grow(capacity)
    this.loc.grow(capacity)
    this.#dirty.grow(capacity)
    for (const group of this.groups.values()) group.grow(capacity)
  }

  /** Whether everything there was when the feed began has been told. */
  #hasFedAll(member: Member): boolean {
    return member.walk === undefined && member.group.builds === 0 && !member.group.hasFor(member)
  }

  #decideSome(budget: number): number {
    const count = Math.min(budget, this.#dirty.size)
    for (let done = 0; done < count; done++) this.#decide(this.#dirty.take())
    return count
  }

  #decide(prefix: number): void {
    const { paths, loc } = this
    const before = loc.best[prefix] as number
    const best = this.decision.best(paths.first[prefix] as number)
    if (best !== before || (best !== 0 && paths.changed[best] === 1)) {
      paths.changed[best] = 0
      const from = best === 0 ? NOBODY : (paths.peer[best] as number)
      const moved = loc.from[prefix] !== from
      loc.set(prefix, best, from)
      for (const group of this.groups.values()) {
        const silent = best === 0 || group.isOnlyFor(from)
        group.set(prefix, silent ? 0 : group.exporter.export(prefix, best), moved)
      }
    }
    this.prefixes.release(prefix)
  }

  #sweepSome(budget: number): number {
    let left = budget
    for (let sweep = this.#sweeps[0]; sweep !== undefined && left > 0; sweep = this.#sweeps[0]) {
      left = sweep.run(left)
      if (!sweep.isOver) break
      this.#sweeps.shift()
      sweep.finish()
    }
    return left
  }

  /** Import: eligibility first, then policy. Leaves the attributes' id (held once more if it is another) and the refusal. */
  #import(slot: PeerSlot, received: number, refused: number, bytes: Uint8Array, address: number, length: number): void {
    this.#imported = received
    this.#refused = refused
    if (refused !== 0) return
    const { importPolicy: policy, peer } = slot
    const { attributes } = this.#shared
    if (policy.acceptsAll) return
    const { peerType } = peer
    const read = () => attributes.decode(received)
    const verdict = policy.decide(this.family, bytes, address, length, 'peer', peerType, peerType, read)
    if (verdict.kind === 'reject') this.#refused = REFUSED.policy
    else if (verdict.edit !== undefined) this.#imported = this.#edited(received, verdict.edit)
  }

  /** Held once more, unless policy changed nothing after all. */
  #edited(received: number, edit: Edit): number {
    const { attributes } = this.#shared
    const cache = this.#editCache(edit)
    const known = cache.get(received, 0)
    if (known !== 0) {
      if (known !== received) attributes.retain(known)
      return known
    }
    const id = attributes.encode(edit.apply(attributes.decode(received)))
    cache.set(received, 0, id)
    if (id === received) attributes.release(id)
    return id
  }

  #editCache(edit: Edit): IdCache {
    const known = this.#edits.get(edit)
    if (known !== undefined) return known
    const { blocks } = this.#shared.attributes
    const cache = new IdCache(blocks, blocks)
    this.#edits.set(edit, cache)
    return cache
  }

  #count(tally: Tally): void {
    if (this.#refused === 0) {
      tally.usable++
      tally.updates.accepted++
    } else if (this.#refused === REFUSED.policy) tally.updates.filtered++
    else tally.updates.rejected++
  }

  #removePath(path: number, tally: Tally | undefined): void {
    const { paths, loc } = this
    const prefix = paths.prefix[path] as number
    if (tally !== undefined) {
      tally.held--
      if (paths.refused[path] === 0) tally.usable--
    }
    this.#dirty.add(prefix)
    if (loc.best[prefix] === path) loc.best[prefix] = LOST
    paths.remove(path)
  }

  /** Import policy or eligibility has changed: every path of a neighbor is judged again. */
  #reimport(slot: PeerSlot, now: Millis): void {
    const { paths } = this
    const visit = (path: number): boolean => {
      if (paths.prefix[path] === 0 || paths.peer[path] !== slot.index) return false
      this.#judgeAgain(slot, path, now)
      return true
    }
    this.#sweeps.push(
      new Sweep(
        () => paths.end,
        visit,
        () => {},
      ),
    )
  }

  #judgeAgain(slot: PeerSlot, path: number, now: Millis): void {
    const { paths, prefixes } = this
    const tally = this.#tallies.get(slot)
    if (tally === undefined) return
    const { bytes } = this.#shared.nextHops
    const prefix = paths.prefix[path] as number
    const received = paths.received[path] as number
    const nextHop = paths.nextHop[path] as number
    const refused = this.whyNotUsable(slot, received, bytes.arena, bytes.offset(nextHop), bytes.length(nextHop))
    prefixes.writeAddress(prefix, this.#address)
    this.#import(slot, received, refused, this.#address, 0, prefixes.lengths[prefix] as number)
    const same = paths.attributes[path] === this.#imported && paths.refused[path] === this.#refused
    if (!same) {
      if (paths.refused[path] === 0) tally.usable--
      if (this.#refused === 0) tally.usable++
      paths.set(path, received, this.#imported, nextHop, this.#refused)
      paths.since[path] = Math.floor(now / SINCE_UNIT)
      this.#dirty.add(prefix)
    }
    if (this.#imported !== received) this.#shared.attributes.release(this.#imported)
  }

  #groupFor({ peer, exportPolicy }: PeerSlot): Group {
    const { peerType, localAs, send } = peer
    const nextHop = peer.nextHops[this.family]
    const key = [
      peerType,
      localAs,
      nextHop === undefined ? '' : hex(nextHop),
      send.fourOctetAs,
      send.messageSize,
      send.addPath.includes(this.family),
      this.#policyNumber(exportPolicy),
    ].join()
    const known = this.groups.get(key)
    if (known !== undefined) return known
    const view: ExportView = { family: this.family, peerType, localAs, nextHop, context: send, policy: exportPolicy }
    const group = new Group(view, this.#tables, this.loc, this.#shared.logLimit)
    this.groups.set(key, group)
    return group
  }

  #policyNumber(policy: object): number {
    const known = this.#policyNumbers.get(policy)
    if (known !== undefined) return known
    this.#policies++
    this.#policyNumbers.set(policy, this.#policies)
    return this.#policies
  }

  #join(member: Member): boolean {
    const { group } = member
    if (group.memberCount < 2) this.#build(group)
    return group.join(member)
  }

  /** Fills in what a group has nothing for: all when it is new, its first member's own routes when a second comes. */
  #build(group: Group): void {
    const { loc, paths, prefixes } = this
    const visit = (prefix: number): boolean => {
      const best = loc.best[prefix] as number
      // One that is lost is dirty: decision will come to it.
      if (prefixes.holds[prefix] === 0 || best === 0 || best === LOST) return false
      if (group.out[prefix] !== 0 || group.isOnlyFor(paths.peer[best] as number)) return false
      group.set(prefix, group.exporter.export(prefix, best), false)
      return true
    }
    group.builds++
    const sweep = new Sweep(
      () => prefixes.end,
      visit,
      () => {
        group.builds--
      },
    )
    this.#sweeps.push(sweep)
  }

  #walk(member: Member): void {
    const { prefixes } = this
    const visit = (prefix: number): boolean => prefixes.holds[prefix] !== 0 && member.group.visit(member, prefix)
    member.walk = new Sweep(
      () => prefixes.end,
      visit,
      () => {
        member.walk = undefined
        this.#endMove(member)
      },
    )
    this.#sweeps.push(member.walk)
  }

  #stopWalk(member: Member): void {
    member.walk?.cancel()
    member.walk = undefined
    if (member.previous === undefined) return
    member.previous.unfollow(member)
    this.#dropIfEmpty(member.previous)
    member.previous = undefined
  }

  #endMove(member: Member): void {
    member.moving = false
    if (member.previous === undefined) return
    member.previous.unfollow(member)
    this.#dropIfEmpty(member.previous)
    member.previous = undefined
  }

  #move(member: Member, next: Group): void {
    const before = member.group
    // In the middle of a first feed or another move nobody can say what was told: everything is told again.
    const comparable = member.walk === undefined
    before.fallOut(member)
    this.#stopWalk(member)
    before.leave(member)
    member.group = next
    member.moving = true
    if (comparable) {
      member.previous = before
      before.follow(member)
    }
    this.#join(member)
    this.#walk(member)
    this.#dropIfEmpty(before)
  }

  #removeMember(member: Member): void {
    this.members.delete(member.slot)
    this.#stopWalk(member)
    member.group.leave(member)
    this.#dropIfEmpty(member.group)
    const end = this.prefixes.end
    const visit = (prefix: number): boolean => {
      member.own?.remove(prefix)
      if (!member.isTold(prefix)) return false
      member.forget(prefix)
      return true
    }
    this.#sweeps.push(
      new Sweep(
        () => end,
        visit,
        () => {},
      ),
    )
  }

  #dropIfEmpty(group: Group): void {
    if (!group.isEmpty) return
    for (const [key, known] of this.groups) if (known === group) this.groups.delete(key)
    const { length } = group.out
    const sweep = new Sweep(
      () => length,
      (prefix) => group.dissolve(prefix),
      () => group.exporter.dispose(),
    )
    this.#sweeps.push(sweep)
  }
}

/** `since` counts tenths of a second: thirteen years in 32 bits. */
export const SINCE_UNIT = 100

function readPathId(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  )
}
