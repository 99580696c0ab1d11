/**
 * Advertises one path to each prefix to neighbors: update groups, their members, and their long work (a first feed, a
 * refresh, a move to another group). In: neighbors, and the path of a prefix (`advertise`). Out: UPDATEs (`pull`).
 */

import { equalBytes } from '../../base/bytes.ts'
import type { Family } from '../../base/family.ts'
import { markText } from '../../base/link-mark.ts'
import type { Octets } from '../../base/units.ts'
import { type Member, UpdateGroup } from './adj-out.ts'
import type { Updates } from './chunk.ts'
import type { ExportTables, ExportView } from './export-view.ts'
import { LOST, type LocRib } from './loc-rib.ts'
import { GroupMember } from './member.ts'
import type { PeerSlot } from './peers.ts'
import { RULES_PER_VISIT, Sweep } from './sweep.ts'

export class Feeds {
  readonly members = new Map<PeerSlot, Member>()
  /** Increases whenever an UPDATE may have become due. */
  revision = 0
  readonly #family: Family
  readonly #tables: ExportTables
  readonly #loc: LocRib
  /** The path ID, written with each prefix if add-path was negotiated (RFC 7911). */
  readonly #pathId: number
  readonly #logLimit: number
  /** Queues long work. It is done in order, so that groups are filled before members walk over them. */
  readonly #schedule: (sweep: Sweep) => void
  readonly #groups = new Map<string, UpdateGroup>()
  /** The same groups as a list, which is faster to walk for every route. */
  #all: readonly UpdateGroup[] = []
  /** A number for each policy, by identity, for the keys of groups. */
  readonly #policyNumbers = new WeakMap<object, number>()
  #lastPolicyNumber = 0

  constructor(tables: ExportTables, loc: LocRib, pathId: number, logLimit: number, schedule: (sweep: Sweep) => void) {
    this.#pathId = pathId
    this.#family = tables.prefixes.family
    this.#tables = tables
    this.#loc = loc
    this.#logLimit = logLimit
    this.#schedule = schedule
  }

  add(slot: PeerSlot): void {
    const member = new GroupMember(slot, this.#findOrMakeGroup(slot), this.#tables.prefixes)
    this.members.set(slot, member)
    const walk = this.#walkOf(member)
    this.#fill(member.group)
    if (!member.group.join(member, walk)) this.#schedule(walk)
  }

  /** Drops the Adj-RIB-Out of a neighbor. */
  remove(slot: PeerSlot): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    this.members.delete(slot)
    member.walk?.cancel()
    this.#endWalk(member)
    member.group.leave(member)
    this.#dropIfEmpty(member.group)
    const { end } = this.#tables.prefixes
    const isClear = (): boolean => member.advertised === 0 && (member.pending?.size ?? 0) === 0
    if (isClear()) return
    const visit = (prefix: number): boolean => {
      member.pending?.remove(prefix)
      if (!member.isAdvertised(prefix)) return false
      member.clearAdvertised(prefix)
      return true
    }
    this.#schedule(new Sweep(() => (isClear() ? 0 : end), visit))
  }

  /** Moves a neighbor to another group, or refreshes it, if its policy or next hop has changed. */
  change(slot: PeerSlot): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    const { nextHop } = member
    member.nextHop = slot.peer.nextHops[this.#family]
    const sameNextHop = nextHop === member.nextHop || (nextHop && member.nextHop && equalBytes(nextHop, member.nextHop))
    if (this.#groupKey(this.#viewOf(slot)) !== member.group.key) this.#move(member, sameNextHop === true)
    else if (!sameNextHop) this.refresh(slot)
  }

  /** Advertises everything to a neighbor again. */
  refresh(slot: PeerSlot): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    const walk = this.#walkOf(member)
    this.#dropIfEmpty(member.group.refresh(member, walk))
    this.#schedule(walk)
  }

  /**
   * Passes the new path of a prefix to every group. `best`: its number, 0 where there is none; `from`: the peer number of
   * the neighbor that it came from; `moved`: that is another one than before.
   */
  advertise(prefix: number, best: number, from: number, moved: boolean): void {
    const groups = this.#all
    for (let index = 0; index < groups.length; index++) {
      const group = groups[index] as UpdateGroup
      const silent = best === 0 || group.isOnlyFor(from)
      if (group.set(prefix, silent ? 0 : group.exporter.export(prefix, best), moved)) this.revision++
    }
  }

  /** Whether the prefix is advertised in any group. */
  advertises(prefix: number): boolean {
    return this.#all.some(({ blocks }) => blocks.at(prefix) !== 0)
  }

  pull(slot: PeerSlot, maxBytes: number): Updates | undefined {
    const member = this.members.get(slot)
    return member?.group.pull(member, maxBytes)
  }

  hasFor(slot: PeerSlot): boolean {
    const member = this.members.get(slot)
    return member?.group.hasFor(member) === true
  }

  /** Visits all neighbors for which `hasFor` is true. */
  visitPending(visit: (slot: PeerSlot) => void): void {
    for (const group of this.#all) group.visitPending(({ slot }) => visit(slot))
  }

  /** Whether all routes that existed when the feed began have been sent. */
  hasFedAll(slot: PeerSlot): boolean {
    const member = this.members.get(slot)
    if (member === undefined) return true
    return member.walk === undefined && member.group.builds === 0 && !member.group.hasFor(member)
  }

  /** All routes have been sent to every member. */
  get isQuiet(): boolean {
    for (const group of this.#groups.values()) if (!group.isQuiet) return false
    return true
  }

  grow(capacity: number): void {
    for (const group of this.#groups.values()) group.grow(capacity)
  }

  memory(): Octets {
    let bytes = 0
    for (const group of this.#groups.values()) bytes += group.memory()
    return bytes
  }

  /** Everything that export to a neighbor depends on. */
  #viewOf({ peer, exportPolicy }: PeerSlot): ExportView {
    const { peerType, localAs, send, nextHops, reflection, role, longLived = false, link = [] } = peer
    const { subnets = link.filter((mark) => typeof mark !== 'string') } = peer
    return {
      family: this.#family,
      peerType,
      localAs,
      nextHopLength: nextHops[this.#family]?.length,
      context: send,
      policy: exportPolicy,
      reflection,
      role,
      longLived,
      link,
      subnets,
    }
  }

  /** Equal for views that are equal: the key of their update group. */
  #groupKey(view: ExportView): string {
    const { family, context, policy, reflection, link, subnets, ...plain } = view
    return [
      ...Object.values(plain),
      context.fourOctetAs,
      context.messageSize,
      context.addPath.includes(family),
      context.extendedNextHop,
      reflection?.clusterId,
      reflection?.client,
      link.map(markText).join('|'),
      subnets.map(({ text }) => text).join('|'),
      this.#policyNumber(policy),
    ].join()
  }

  #findOrMakeGroup(slot: PeerSlot): UpdateGroup {
    const view = this.#viewOf(slot)
    const key = this.#groupKey(view)
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    const group = new UpdateGroup({
      key,
      view,
      tables: this.#tables,
      loc: this.#loc,
      pathId: this.#pathId,
      logLimit: this.#logLimit,
    })
    this.#groups.set(key, group)
    this.#all = [...this.#groups.values()]
    return group
  }

  #policyNumber(policy: object): number {
    const known = this.#policyNumbers.get(policy)
    if (known !== undefined) return known
    this.#lastPolicyNumber++
    this.#policyNumbers.set(policy, this.#lastPolicyNumber)
    return this.#lastPolicyNumber
  }

  /**
   * Computes the missing blocks of a group before a member joins: all when the group is new; at the second member, those
   * of routes from the first one, which nobody needed while it was alone. With more members nothing is missing: that of the
   * second one is done, or queued before them.
   */
  #fill(group: UpdateGroup): void {
    if (group.memberCount > 1) return
    const { paths, prefixes, asked } = this.#tables
    const loc = this.#loc
    const visit = (prefix: number): false | number => {
      const best = loc.best[prefix] as number
      // A prefix that has lost its best path is dirty: decision will advertise it.
      if (prefixes.refs[prefix] === 0 || best === 0 || best === LOST) return false
      if (group.blocks.at(prefix) !== 0 || group.isOnlyFor(paths.peer[best] as number)) return false
      const before = asked.rules
      group.set(prefix, group.exporter.export(prefix, best), false)
      return 1 + (asked.rules - before) / RULES_PER_VISIT
    }
    group.builds++
    // A group that is empty is dropped: nobody joins it again.
    const sweep = new Sweep(
      () => (group.isEmpty ? 0 : prefixes.end),
      visit,
      () => {
        group.builds--
      },
    )
    this.#schedule(sweep)
  }

  #walkOf(member: Member): Sweep {
    const { prefixes } = this.#tables
    return new Sweep(
      () => prefixes.end,
      (prefix) => prefixes.refs[prefix] !== 0 && member.group.catchUp(member, prefix),
      () => {
        this.#endWalk(member)
        member.group.syncIfCaughtUp(member)
      },
    )
  }

  #endWalk(member: Member): void {
    this.#dropIfEmpty(member.group.endWalk(member))
  }

  #move(member: Member, sameNextHop: boolean): void {
    const before = member.group
    // During a first feed or another move it is not known what was sent: everything is sent again.
    const comparable = member.walk === undefined && sameNextHop
    before.fallBehind(member)
    this.#endWalk(member)
    before.leave(member)
    // Not earlier: the end of an unfinished move may have dropped a group.
    member.group = this.#findOrMakeGroup(member.slot)
    const walk = this.#walkOf(member)
    this.#fill(member.group)
    member.group.moveIn(member, walk, comparable ? before : undefined)
    this.#schedule(walk)
    this.#dropIfEmpty(before)
  }

  #dropIfEmpty(group: UpdateGroup | undefined): void {
    if (group === undefined || !group.isEmpty || this.#groups.get(group.key) !== group) return
    this.#groups.delete(group.key)
    this.#all = [...this.#groups.values()]
    // What was filled: the column is longer, and prefixes that come later are none of this group.
    const { end } = this.#tables.prefixes
    const sweep = new Sweep(
      () => end,
      (prefix) => group.blocks.drop(prefix),
      () => group.exporter.dispose(),
    )
    this.#schedule(sweep)
  }
}
