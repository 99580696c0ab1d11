/**
 * Who is told what, in one family: update groups, their members, and the long ways of both (a first feed, a refresh, a move
 * to another group). Comes in: neighbors and the best path of a prefix (`tell`); goes out: UPDATEs (`pull`).
 */
import { hex } from '../../base/bytes.ts'
import type { Family } from '../../base/family.ts'
import { encodeRouteRefresh, REFRESH } from '../wire/route-refresh.ts'
import { encodeEndOfRib } from '../wire/update-encode.ts'
import { Group, type Told } from './adj-out.ts'
import type { ExportTables, ExportView } from './export.ts'
import { LOST, type LocRib } from './loc-rib.ts'
import { Member } from './member.ts'
import type { PeerSlot } from './peers.ts'
import { Sweep } from './sweep.ts'

export class Feeds {
  readonly members = new Map<PeerSlot, Member>()
  readonly #family: Family
  readonly #tables: ExportTables
  readonly #loc: LocRib
  readonly #logLimit: number
  /** Where long work goes. It is done in the order in which it came: groups are filled before members walk over them. */
  readonly #later: (sweep: Sweep) => void
  readonly #groups = new Map<string, Group>()
  /** Members whose first feed or refresh is not over. */
  readonly #feeding = new Set<Member>()
  readonly #policyNumbers = new WeakMap<object, number>()
  #policies = 0

  constructor(tables: ExportTables, loc: LocRib, logLimit: number, later: (sweep: Sweep) => void) {
    this.#family = tables.prefixes.family
    this.#tables = tables
    this.#loc = loc
    this.#logLimit = logLimit
    this.#later = later
  }

  add(slot: PeerSlot): void {
    const member = new Member(slot, this.#groupFor(slot), this.#tables.prefixes)
    this.members.set(slot, member)
    this.#feeding.add(member)
    if (!this.#join(member)) this.#walk(member)
  }

  /** Forgets what a neighbor was told. */
  remove(slot: PeerSlot): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    this.members.delete(slot)
    this.#feeding.delete(member)
    this.#stopWalk(member)
    member.group.leave(member)
    this.#dropIfEmpty(member.group)
    const end = this.#tables.prefixes.end
    const visit = (prefix: number): boolean => {
      member.own?.remove(prefix)
      if (!member.isTold(prefix)) return false
      member.forget(prefix)
      return true
    }
    this.#later(
      new Sweep(
        () => end,
        visit,
        () => {},
      ),
    )
  }

  /** Policy or next hop may have changed. */
  change(slot: PeerSlot): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    if (this.#keyOf(slot) !== member.group.key) this.#move(member)
  }

  refresh(slot: PeerSlot, enhanced: boolean): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    member.group.fallOut(member)
    this.#stopWalk(member)
    // RFC 7313 §4: no BoRR before the first feed is over.
    if (enhanced && !member.initial) member.refresh = 'begin'
    this.#feeding.add(member)
    this.#walk(member)
  }

  /** A prefix has another best path, 0 for none. `moved`: from another neighbor than before. */
  tell(prefix: number, best: number, from: number, moved: boolean): void {
    for (const group of this.#groups.values()) {
      const silent = best === 0 || group.isOnlyFor(from)
      group.set(prefix, silent ? 0 : group.exporter.export(prefix, best), moved)
    }
  }

  pull(slot: PeerSlot, maxBytes: number): Told | undefined {
    const member = this.members.get(slot)
    if (member === undefined) return undefined
    if (member.refresh === 'begin') {
      member.refresh = 'end'
      return { bytes: encodeRouteRefresh(this.#family, REFRESH.begin), messages: 1 }
    }
    const told = member.group.pull(member, maxBytes)
    if (told !== undefined) return told
    if (!this.#hasFedAll(member)) return undefined
    // RFC 4724 §2: behind the last route of the first feed, also when there was none.
    if (member.initial) {
      member.initial = false
      if (member.refresh === 'none') this.#feeding.delete(member)
      return { bytes: encodeEndOfRib(this.#family), messages: 1 }
    }
    if (member.refresh === 'end') {
      member.refresh = 'none'
      this.#feeding.delete(member)
      return { bytes: encodeRouteRefresh(this.#family, REFRESH.end), messages: 1 }
    }
    return undefined
  }

  /** Nobody is owed anything: whoever has many neighbors need not ask for each. */
  get isQuiet(): boolean {
    if (this.#feeding.size > 0) return false
    for (const group of this.#groups.values()) if (!group.isQuiet) return false
    return true
  }

  pending(slot: PeerSlot): boolean {
    const member = this.members.get(slot)
    if (member === undefined) return false
    if (member.refresh === 'begin' || member.group.hasFor(member)) return true
    return (member.initial || member.refresh === 'end') && this.#hasFedAll(member)
  }

  grow(capacity: number): void {
    for (const group of this.#groups.values()) group.grow(capacity)
  }

  memory(): number {
    let bytes = 0
    for (const group of this.#groups.values()) bytes += group.memory()
    return bytes
  }

  /** Whether everything there was when the feed began has been told. */
  #hasFedAll(member: Member): boolean {
    return member.walk === undefined && member.group.builds === 0 && !member.group.hasFor(member)
  }

  /** Everything that changes what a neighbor is told. */
  #keyOf({ peer, exportPolicy }: PeerSlot): string {
    const { peerType, localAs, send } = peer
    const nextHop = peer.nextHops[this.#family]
    return [
      peerType,
      localAs,
      nextHop === undefined ? '' : hex(nextHop),
      send.fourOctetAs,
      send.messageSize,
      send.addPath.includes(this.#family),
      this.#policyNumber(exportPolicy),
    ].join()
  }

  #groupFor(slot: PeerSlot): Group {
    const key = this.#keyOf(slot)
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    const { peerType, localAs, send, nextHops } = slot.peer
    const nextHop = nextHops[this.#family]
    const policy = slot.exportPolicy
    const view: ExportView = { family: this.#family, peerType, localAs, nextHop, context: send, policy }
    const group = new Group(key, view, this.#tables, this.#loc, this.#logLimit)
    this.#groups.set(key, group)
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
    const { paths, prefixes } = this.#tables
    const loc = this.#loc
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
    this.#later(sweep)
  }

  #walk(member: Member): void {
    const { prefixes } = this.#tables
    const visit = (prefix: number): boolean => prefixes.holds[prefix] !== 0 && member.group.visit(member, prefix)
    member.walk = new Sweep(
      () => prefixes.end,
      visit,
      () => {
        member.walk = undefined
        member.moving = false
        this.#forgetPrevious(member)
        member.group.stepInIfCaughtUp(member)
      },
    )
    this.#later(member.walk)
  }

  #stopWalk(member: Member): void {
    member.walk?.cancel()
    member.walk = undefined
    this.#forgetPrevious(member)
  }

  #forgetPrevious(member: Member): void {
    const { previous } = member
    if (previous === undefined) return
    member.previous = undefined
    previous.unfollow(member)
    this.#dropIfEmpty(previous)
  }

  #move(member: Member): void {
    const before = member.group
    // In the middle of a first feed or another move nobody can say what was told: everything is told again.
    const comparable = member.walk === undefined
    before.fallOut(member)
    this.#stopWalk(member)
    before.leave(member)
    // Only now: the end of an unfinished move may have dropped a group.
    member.group = this.#groupFor(member.slot)
    member.moving = true
    if (comparable) {
      member.previous = before
      before.follow(member)
    }
    this.#join(member)
    this.#walk(member)
    this.#dropIfEmpty(before)
  }

  #dropIfEmpty(group: Group): void {
    if (!group.isEmpty || this.#groups.get(group.key) !== group) return
    this.#groups.delete(group.key)
    const { length } = group.out
    const sweep = new Sweep(
      () => length,
      (prefix) => group.dissolve(prefix),
      () => group.exporter.dispose(),
    )
    this.#later(sweep)
  }
}
