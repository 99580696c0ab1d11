/**
 * Adj-RIB-Out of one update group: neighbors that get the same UPDATEs, in one family. The file is long because each of its
 * methods must leave the invariants below in place.
 *
 * Comes in: for a prefix, the block to advertise (`set`). Goes out: whole UPDATEs for a member (`pull`); nothing is
 * encoded before the network has room for it.
 *
 *   set ──► blocks[prefix] ──► pending ──► chunk, chunk, chunk …  the log: encoded once, read by all synced members
 *                         └──► a member's own pending             the others: new ones, slow ones, moving ones
 *
 * When the log grows beyond its bound, the slowest member falls behind: what it has not read moves to a pending set of
 * its own, at most one entry per prefix. It is synced again when it has caught up.
 *
 * All that differs between members is the address of ourselves as next hop: it is written into a copy of the chunk,
 * unless the last reader got the same.
 *
 * A route is not advertised to the neighbor it came from, nor to the one whose own address is its next hop. So a chunk
 * fits a member as it is, unless it has such routes or withdraws what the member never knew; then the member gets a
 * chunk of its own about the same prefixes. A chunk made later holds the later state, so sending a member the present
 * state of a prefix is always right.
 *
 * Between turns it holds:
 *
 * 1. A member is in one of `#synced` and `#apart`, as its `standing` says (member.ts). `#followers` are members of
 *   other groups whose `standing.previous` is this group.
 * 2. Of a prefix a member has what `blockFor` returns, unless the prefix lies before it: for a synced member in
 *    `#pending` or an unread chunk, for another one in its own pending set or ahead of its walk. A build that is under
 *    way puts what it fills in there too.
 * 3. What lies before all synced members has come from one neighbor alone where `#pendingSource` or `chunk.source` names
 *   it, and that neighbor has nothing to read there.
 * 4. The log is empty or its first chunk has a reader. Pending prefixes and those of chunks are retained.
 */
import type { Octets } from '../../base/units.ts'
import { type Chunk, ChunkEncoder, joinUpdates, NO_CHUNK, SEVERAL, type Updates, writeNextHop } from './chunk.ts'
import { Exporter } from './export.ts'
import type { ExportTables, ExportView } from './export-view.ts'
import { GroupBlocks } from './group-blocks.ts'
import type { LocRib } from './loc-rib.ts'
import type { GroupMember } from './member.ts'
import { Pending } from './pending.ts'
import type { Sweep } from './sweep.ts'
import { UpdateLog } from './update-log.ts'

export type Member = GroupMember<UpdateGroup>

export interface GroupOptions {
  /** The key of the export view, which is equal for all neighbors of the group. */
  readonly key: string
  readonly view: ExportView
  readonly tables: ExportTables
  readonly loc: LocRib
  /** Written with each prefix where that was agreed on (RFC 7911). */
  readonly pathId: number
  /** Octets kept for members that read slowly. */
  readonly logLimit: Octets
}

export class UpdateGroup {
  readonly key: string
  readonly exporter: Exporter
  readonly blocks: GroupBlocks
  /** Sweeps that are still filling `blocks`. */
  builds = 0

  readonly #tables: ExportTables
  readonly #loc: LocRib
  readonly #encoder: ChunkEncoder
  readonly #log: UpdateLog
  readonly #logLimit: Octets
  /** Prefixes that no chunk has yet. */
  readonly #pending: Pending
  /** The one neighbor from which all that is pending came, so that it gets none of it; or `SEVERAL`. */
  #pendingSource = SEVERAL
  #synced: Member[] = []
  readonly #apart = new Set<Member>()
  readonly #followers = new Set<Member>()
  /** Empty, and free to use. */
  #scratch: Pending | undefined

  constructor({ key, view, tables, loc, pathId, logLimit }: GroupOptions) {
    this.key = key
    this.#logLimit = logLimit
    this.exporter = new Exporter(view, tables)
    this.#tables = tables
    this.#loc = loc
    this.#encoder = new ChunkEncoder(tables.prefixes, tables.blocks, loc, view.context, pathId)
    this.#log = new UpdateLog(tables.prefixes)
    this.#pending = new Pending(tables.prefixes)
    this.blocks = new GroupBlocks(tables.blocks, tables.prefixes.capacity)
  }

  get isEmpty(): boolean {
    return this.#synced.length === 0 && this.#apart.size === 0 && this.#followers.size === 0
  }

  /** All members are synced, and have read everything. */
  get isQuiet(): boolean {
    return this.#apart.size === 0 && this.#log.isEmpty && this.#pending.size === 0
  }

  get memberCount(): number {
    return this.#synced.length + this.#apart.size
  }

  members(): readonly Member[] {
    return [...this.#synced, ...this.#apart]
  }

  /** This neighbor is the only member of the group, so that its own routes need not be encoded. */
  isOnlyFor(peer: number): boolean {
    if (this.memberCount !== 1 || this.#followers.size > 0) return false
    const member = this.#synced[0] ?? this.#apart.values().next().value
    return member?.slot.index === peer
  }

  grow(capacity: number): void {
    this.blocks.grow(capacity)
    this.#pending.grow(capacity)
    this.#scratch?.grow(capacity)
    for (const member of this.#synced) member.grow(capacity)
    for (const member of this.#apart) member.grow(capacity)
  }

  // ── What is to be advertised ───────────────────────────────────────────────────────────────────────────────────

  /**
   * The block of a prefix, which this group must release. `moved`: it now comes from another neighbor than before.
   * True if an UPDATE is due for it.
   */
  set(prefix: number, block: number, moved: boolean): boolean {
    const before = this.blocks.set(prefix, block)
    // Nothing was advertised, and nothing is: most of what a mesh brings.
    if (before === block && (!moved || block === 0)) return false
    const source = block !== 0 && (before === 0 || !moved) ? (this.#loc.from[prefix] as number) : SEVERAL
    if (this.#pending.size === 0) this.#pendingSource = source
    else if (this.#pendingSource !== source) this.#pendingSource = SEVERAL
    // By index, and sizes asked first: this runs once per route and group, and iterators cost.
    const first = this.#synced[0]
    if (first !== undefined) {
      if (this.#synced.length === 1 && this.#log.isEmpty) this.#enqueue(this.#pending, first, prefix)
      else this.#pending.put(prefix, block)
    }
    if (this.#apart.size + this.#followers.size > 0) this.#setApart(prefix)
    return true
  }

  #setApart(prefix: number): void {
    for (const member of this.#apart) {
      const { pending, walk } = member
      // What its walk has not reached yet, it will see there.
      if (pending !== undefined && (walk === undefined || prefix < walk.next || pending.has(prefix)))
        this.#enqueue(pending, member, prefix)
    }
    this.#syncAll()
    // What its walk has yet to compare with this group is no longer what was sent to it.
    for (const member of this.#followers) {
      const { pending, walk } = member
      if (walk !== undefined && prefix >= walk.next) pending?.put(prefix, member.group.blockFor(member, prefix))
    }
  }

  /** The block of a prefix for a member, 0 for none: nothing of a route that came from it or leads to it. */
  blockFor(member: Member, prefix: number): number {
    return this.#loc.from[prefix] === member.slot.index ? 0 : this.blocks.forAddress(member.address, prefix)
  }

  /** Adds a prefix to a pending set, unless it is a withdrawal of what was never advertised. */
  #enqueue(pending: Pending, member: Member, prefix: number): void {
    const block = this.blockFor(member, prefix)
    if (block !== 0 || member.isAdvertised(prefix)) pending.put(prefix, block)
    else pending.remove(prefix)
  }

  // ── Members come, fall behind, catch up, go ──────────────────────────────────────────────────────────────────────

  /**
   * A new member, to which nothing has been advertised. False: `walk` over all prefixes is needed, as others are ahead.
   */
  join(member: Member, walk: Sweep): boolean {
    this.#begin(member)
    if (this.blocks.size === 0 && this.#pending.size === 0 && this.#log.isEmpty) {
      this.#sync(member)
      return true
    }
    this.#apart.add(member)
    member.standing = { kind: 'feeding', pending: this.#takeScratch(), walk }
    return false
  }

  /** A member that has left another group, `previous`. */
  moveIn(member: Member, walk: Sweep, previous: UpdateGroup | undefined): void {
    this.#begin(member)
    this.#apart.add(member)
    member.standing = { kind: 'moving', pending: member.pending ?? this.#takeScratch(), walk, previous }
    if (previous !== undefined) previous.#followers.add(member)
  }

  /** Everything is advertised to it again. Gives the group it was compared with until now. */
  refresh(member: Member, walk: Sweep): UpdateGroup | undefined {
    this.fallBehind(member)
    const isMoving = member.standing.kind === 'moving'
    const previous = this.endWalk(member)
    const pending = member.pending ?? this.#takeScratch()
    // It got some from the one group and some from the other: it gets no more before all is compared.
    member.standing = isMoving
      ? { kind: 'moving', pending, walk, previous: undefined }
      : { kind: 'feeding', pending, walk }
    return previous
  }

  /** Its walk is over, or is given up. Gives the group it was compared with. */
  endWalk(member: Member): UpdateGroup | undefined {
    const { standing } = member
    if (standing.kind === 'synced' || standing.kind === 'lagging') return undefined
    standing.walk.cancel()
    member.standing = { kind: 'lagging', pending: standing.pending }
    const previous = standing.kind === 'moving' ? standing.previous : undefined
    if (previous !== undefined) previous.#followers.delete(member)
    return previous
  }

  /** Takes a member out; its Adj-RIB-Out and its own pending set stay with it. */
  leave(member: Member): void {
    if (member.standing.kind === 'synced') this.#leaveLog(member, member.standing.position)
    this.#apart.delete(member)
  }

  /** Makes sure a member has a pending set of its own, with all that has not been sent to it yet. */
  fallBehind(member: Member): void {
    const { standing } = member
    if (standing.kind !== 'synced') return
    const pending = this.#takeScratch()
    for (const chunk of this.#log.from(standing.position)) {
      for (const prefix of chunk.prefixes) this.#enqueue(pending, member, prefix)
    }
    this.#pending.visit((prefix) => this.#enqueue(pending, member, prefix))
    this.#leaveLog(member, standing.position)
    member.standing = { kind: 'lagging', pending }
    this.#apart.add(member)
  }

  /** A member that has caught up reads from the log again. */
  syncIfCaughtUp(member: Member): void {
    const { standing } = member
    if (standing.kind !== 'lagging' || standing.pending.size > 0 || this.#pending.size > 0) return
    this.#scratch ??= standing.pending
    this.#apart.delete(member)
    this.#sync(member)
  }

  /**
   * Those that have nothing to read are not asked to: a lagging one may have caught up before the others had, or what it had
   * to read is no more.
   */
  #syncAll(): void {
    if (this.#pending.size === 0) for (const member of this.#apart) this.syncIfCaughtUp(member)
  }

  #begin(member: Member): void {
    member.rejectedBefore = this.exporter.rejected
    member.filteredBefore = this.exporter.filtered
  }

  #sync(member: Member): void {
    member.standing = { kind: 'synced', position: this.#log.end }
    this.#synced.push(member)
  }

  #leaveLog(member: Member, position: number): void {
    this.#synced = this.#synced.filter((other) => other !== member)
    this.#log.leave(position)
    this.#dropPending()
  }

  /** Empties the pending set if no synced member has anything to read in it. */
  #dropPending(): void {
    if (this.#pending.size === 0 || !this.#log.isEmpty) return
    if (this.#synced.some((member) => this.#isPendingFor(member))) return
    while (this.#pending.size > 0) this.#pending.remove(this.#pending.head(this.#pending.firstBucket()))
    this.#syncAll()
  }

  #takeScratch(): Pending {
    const pending = this.#scratch ?? new Pending(this.#tables.prefixes)
    this.#scratch = undefined
    return pending
  }

  /** One step of a member's walk; whether an UPDATE was due. */
  catchUp(member: Member, prefix: number): boolean {
    const { standing } = member
    if (standing.kind === 'synced') return false
    const { pending } = standing
    const block = this.blockFor(member, prefix)
    const isAdvertised = member.isAdvertised(prefix)
    if (block === 0 && !isAdvertised) {
      pending.remove(prefix)
      return false
    }
    const previous = standing.kind === 'moving' ? standing.previous : undefined
    if (previous?.blocks.at(prefix) === block && isAdvertised && !pending.has(prefix)) return true
    pending.put(prefix, block)
    return true
  }

  // ── Sending ──────────────────────────────────────────────────────────────────────────────────────────────────────

  hasFor(member: Member): boolean {
    const { standing } = member
    switch (standing.kind) {
      case 'synced':
        return standing.position < this.#log.end || this.#isPendingFor(member)
      case 'moving':
        return false
      default:
        return standing.pending.size > 0
    }
  }

  #isPendingFor(member: Member): boolean {
    return this.#pending.size > 0 && this.#pendingSource !== member.slot.index
  }

  /** Visits all members for which `hasFor` is true. */
  visitPending(visit: (member: Member) => void): void {
    if (this.#pending.size > 0 || !this.#log.isEmpty) {
      for (const member of this.#synced) if (this.hasFor(member)) visit(member)
    }
    for (const member of this.#apart) if (this.hasFor(member)) visit(member)
  }

  /**
   * The next whole UPDATEs for a member: about `maxBytes` octets, at least one message; undefined when nothing is due. A member
   * that is behind gets several chunks at once, because members that keep up cause small chunks.
   */
  pull(member: Member, maxBytes: number): Updates | undefined {
    let updates = this.#pullOne(member, maxBytes)
    if (updates === undefined) return undefined
    const parts = [updates]
    for (let left = maxBytes - updates.bytes.length; this.#hasUnread(member, left); left -= updates.bytes.length) {
      updates = this.#pullOne(member, left)
      if (updates === undefined) break
      parts.push(updates)
    }
    return parts.length === 1 ? parts[0] : joinUpdates(parts)
  }

  /** The next chunk of the log is no longer than this. */
  #hasUnread({ standing }: Member, length: number): boolean {
    const unread = standing.kind === 'synced' ? this.#log.at(standing.position) : undefined
    return unread !== undefined && unread.bytes.length <= length
  }

  #pullOne(member: Member, maxBytes: number): Updates | undefined {
    for (;;) {
      const { standing } = member
      let chunk: Chunk | undefined
      if (standing.kind === 'synced') chunk = this.#pullSynced(member, standing, maxBytes)
      else if (standing.kind !== 'moving') chunk = this.#pullOwn(member, standing.pending, maxBytes)
      if (chunk === undefined) return undefined
      if (chunk.messages > 0) return writeNextHop(chunk, member.nextHop)
    }
  }

  #pullSynced(member: Member, standing: { position: number }, maxBytes: number): Chunk | undefined {
    const unread = this.#log.at(standing.position)
    if (unread !== undefined) return this.#read(member, standing, unread)
    if (!this.#isPendingFor(member)) return undefined
    // While chunks are unread, one of them may advertise what is withdrawn here.
    const chunk = this.#encoder.encode(this.#pending, maxBytes, this.#pendingSource, this.#synced, !this.#log.isEmpty)
    if (chunk.messages > 0) this.#append(chunk)
    this.#syncAll()
    if (chunk.messages === 0) return NO_CHUNK
    return this.#read(member, standing, chunk)
  }

  #pullOwn(member: Member, pending: Pending, maxBytes: number): Chunk | undefined {
    const chunk = pending.size > 0 ? this.#encodeFor(member, pending, maxBytes) : undefined
    if (chunk !== undefined) {
      member.noteSent(chunk)
      this.#log.dispose(chunk)
    }
    this.syncIfCaughtUp(member)
    return chunk
  }

  /** The next chunk of the log as this member gets it. */
  #read(member: Member, standing: { position: number }, chunk: Chunk): Chunk {
    const own = member.fits(chunk) ? chunk : this.#personal(member, chunk)
    member.noteSent(own)
    if (own !== chunk) this.#log.dispose(own)
    this.#log.pass(standing.position++)
    this.#dropPending()
    return own
  }

  /** A chunk about the same prefixes for one member alone. */
  #personal(member: Member, chunk: Chunk): Chunk {
    if (chunk.source === member.slot.index) return NO_CHUNK
    const pending = this.#takeScratch()
    const { prefixes } = chunk
    for (let index = 0; index < prefixes.length; index++) this.#enqueue(pending, member, prefixes[index] as number)
    const own = pending.size === 0 ? NO_CHUNK : this.#encodeFor(member, pending, Number.POSITIVE_INFINITY)
    this.#scratch = pending
    return own
  }

  #encodeFor(member: Member, pending: Pending, maxBytes: number): Chunk {
    return this.#encoder.encode(pending, maxBytes, SEVERAL, [member], false)
  }

  #append(chunk: Chunk): void {
    chunk.readers = this.#synced.length
    for (const { slot, standing } of this.#synced) {
      if (slot.index !== chunk.source || standing.kind !== 'synced' || standing.position < this.#log.end) continue
      standing.position++
      chunk.readers--
    }
    this.#log.append(chunk)
    while (this.#log.size > this.#logLimit && this.#synced.length > 1) {
      const slowest = this.#synced.reduce((a, b) => (positionOf(b) < positionOf(a) ? b : a))
      if (positionOf(slowest) > this.#log.end - 2) break
      this.fallBehind(slowest)
    }
  }

  memory(): Octets {
    let bytes = this.blocks.memory(this.#tables.prefixes.end)
    bytes += this.#pending.memory() + (this.#scratch?.memory() ?? 0)
    bytes += this.exporter.memory() + this.#encoder.memory() + this.#log.size
    for (const member of this.members()) bytes += member.memory()
    return bytes
  }
}

const positionOf = ({ standing }: Member): number =>
  standing.kind === 'synced' ? standing.position : Number.POSITIVE_INFINITY
