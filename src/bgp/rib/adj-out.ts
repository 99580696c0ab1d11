/**
 * Adj-RIB-Out of one update group: neighbors that are told the same, in one family.
 *
 * Comes in: for a prefix, the block to tell (`set`). Goes out: whole UPDATEs for a member (`pull`); nothing is encoded
 * before somebody can take it.
 *
 *   set ──► out[prefix] ──► pending ──► chunk, chunk, chunk …  the log: encoded once, read by all members in step
 *                      └──► a member's own pending             members that are not: new ones, slow ones, moving ones
 *
 * A chunk leaves the log when the last member has read it. When the log grows beyond its bound, the slowest member falls
 * out of step: what it has not read moves to a pending set of its own, at most one entry per prefix. It steps in again
 * when it has caught up.
 *
 * All that differs is which address ourselves as next hop is: it is written into a copy of the chunk, unless the last
 * reader got the same.
 *
 * A route is not told to the neighbor it came from. So a chunk fits a member as it is, unless it has routes from that
 * member or withdraws what the member never knew; then the member gets a chunk of its own about the same prefixes. A
 * chunk made later says what is right later, so telling a member the present state of a prefix is always right.
 */
import { equalBytes } from '../../base/bytes.ts'
import { growU32, usedBytes } from '../route/columns.ts'
import { Exporter, type ExportTables, type ExportView } from './export.ts'
import type { LocRib } from './loc-rib.ts'
import type { GroupMember } from './member.ts'
import { Packer } from './pack.ts'
import { Pending, WITHDRAW } from './pending.ts'

interface Chunk {
  /** As the last member got it; others may still hold it. */
  bytes: Uint8Array
  /** Where `ours`, the next hop of that member, is written. */
  readonly places: readonly number[]
  ours: Uint8Array | undefined
  readonly messages: number
  /** What it is about: first the withdrawn, then the announced. Each is held. */
  readonly prefixes: Uint32Array
  readonly withdrawn: number
  /** Peer numbers that the announced routes came from. */
  readonly from: ReadonlySet<number>
  /** As `Group.#source`. */
  readonly source: number
  /** Members that have not read it yet. */
  readers: number
}

export interface Told {
  readonly bytes: Uint8Array
  readonly messages: number
}

/** The log's usual bound in bytes, chunks counted with what they hold besides. */
export const LOG_LIMIT = 1 << 20
const CHUNK_OVERHEAD = 256

export type Member = GroupMember<Group>

export class Group {
  /** Of the view: equal for neighbors that are told the same. */
  readonly key: string
  readonly exporter: Exporter
  /** By prefix: the block to tell, 0 for none; held in the block table. */
  out = new Uint32Array(0)
  /** Sweeps that are still filling `out`. */
  builds = 0

  readonly #tables: ExportTables
  readonly #loc: LocRib
  readonly #packer: Packer
  readonly #pending: Pending
  /** The neighbor from which all comes that is pending and that was told none of it: it has nothing to read there. */
  #source = SEVERAL
  /** Empty, and free to use. */
  #scratch: Pending | undefined
  #inStep: Member[] = []
  readonly #lagging = new Set<Member>()
  /** Members that have gone to another group and still compare with this one. */
  readonly #leaving = new Set<Member>()
  /** Chunks, the first with number `#logStart`. */
  #log: Chunk[] = []
  #logStart = 0
  #logSize = 0
  readonly #logLimit: number
  /** Nothing has been encoded yet: a new member can step in as it is. */
  #fresh = true
  #taken = new Uint32Array(256)

  constructor(key: string, view: ExportView, tables: ExportTables, loc: LocRib, pathId: number, logLimit: number) {
    this.key = key
    this.#logLimit = logLimit
    this.exporter = new Exporter(view, tables)
    this.#tables = tables
    this.#loc = loc
    this.#packer = new Packer(tables.prefixes, tables.blocks, pathId)
    this.#pending = new Pending(tables.prefixes)
    this.out = new Uint32Array(tables.prefixes.capacity)
  }

  get isEmpty(): boolean {
    return this.#inStep.length === 0 && this.#lagging.size === 0 && this.#leaving.size === 0
  }

  /** All members are in step, and have read everything. */
  get isQuiet(): boolean {
    return this.#lagging.size === 0 && this.#log.length === 0 && this.#pending.size === 0
  }

  get memberCount(): number {
    return this.#inStep.length + this.#lagging.size
  }

  members(): readonly Member[] {
    return [...this.#inStep, ...this.#lagging]
  }

  /** Nobody but this neighbor is in the group, so that its own routes need not be made ready. */
  isOnlyFor(peer: number): boolean {
    if (this.memberCount !== 1 || this.#leaving.size > 0) return false
    const member = this.#inStep[0] ?? this.#lagging.values().next().value
    return member?.slot.index === peer
  }

  grow(capacity: number): void {
    this.out = growU32(this.out, capacity)
    this.#pending.grow(capacity)
    this.#scratch?.grow(capacity)
    for (const member of this.#inStep) member.grow(capacity)
    for (const member of this.#lagging) member.grow(capacity)
  }

  /**
   * The route of a prefix, whose hold passes to this group. `moved`: it now comes from another neighbor than before.
   * True where that is something to tell.
   */
  set(prefix: number, block: number, moved: boolean): boolean {
    const { blocks } = this.#tables
    const before = this.out[prefix] as number
    if (before !== 0) blocks.release(before)
    this.out[prefix] = block
    // Nobody was told anything, and nobody is: most of what a mesh brings.
    if (before === block && (!moved || block === 0)) return false
    const source = block !== 0 && (before === 0 || !moved) ? (this.#loc.from[prefix] as number) : SEVERAL
    if (this.#pending.size === 0) this.#source = source
    else if (this.#source !== source) this.#source = SEVERAL
    // By index, and sizes asked first: this runs once per route and group, and iterators cost.
    const first = this.#inStep[0]
    if (first !== undefined) {
      if (this.#inStep.length === 1 && this.#log.length === 0) this.#oweTo(this.#pending, first, prefix)
      else this.#pending.put(prefix, block)
    }
    if (this.#lagging.size + this.#leaving.size > 0) this.#setForStragglers(prefix)
    return true
  }

  #setForStragglers(prefix: number): void {
    for (const member of this.#lagging) {
      // What its walk has not reached yet, it will see there.
      if (member.walk === undefined || prefix < member.walk.next || member.own?.has(prefix)) this.#owe(member, prefix)
    }
    for (const member of this.#leaving) {
      if (member.walk === undefined || prefix < member.walk.next) continue
      member.own?.put(prefix, member.group.blockFor(member, prefix))
    }
  }

  /** What a member is to be told of a prefix: nothing of a route that came from it. */
  blockFor(member: Member, prefix: number): number {
    return this.#loc.from[prefix] === member.slot.index ? 0 : (this.out[prefix] as number)
  }

  /** A member joins. False: it must walk over all prefixes, as others have been told some already. */
  join(member: Member): boolean {
    member.rejectedBefore = this.exporter.rejected
    member.filteredBefore = this.exporter.filtered
    if (this.#fresh && this.#pending.size === 0 && !member.moving) {
      this.#stepIn(member)
      return true
    }
    this.#lag(member)
    return false
  }

  /** Takes a member out; what it has been told and its own pending set stay with it. */
  leave(member: Member): void {
    if (member.own === undefined) this.#stepOut(member)
    this.#lagging.delete(member)
    this.#leaving.delete(member)
  }

  /** A member that has left for another group compares with this one for a while. */
  follow(member: Member): void {
    this.#leaving.add(member)
  }

  unfollow(member: Member): void {
    this.#leaving.delete(member)
  }

  /** Makes sure a member has a pending set of its own, with all that it has not been told yet. */
  fallOut(member: Member): void {
    if (member.own !== undefined) return
    const from = member.cursor - this.#logStart
    const unread = this.#log.slice(from)
    this.#lag(member)
    for (const chunk of unread) for (const prefix of chunk.prefixes) this.#owe(member, prefix)
    this.#pending.visit((prefix) => this.#owe(member, prefix))
    this.#stepOut(member)
  }

  /** One step of a member's walk; whether there was something to tell. */
  visit(member: Member, prefix: number): boolean {
    const { own, previous } = member
    if (own === undefined) return false
    const block = this.blockFor(member, prefix)
    const told = member.isTold(prefix)
    if (block === 0 && !told) {
      own.remove(prefix)
      return false
    }
    if (previous !== undefined && !own.has(prefix) && told && previous.out[prefix] === block) return true
    own.put(prefix, block)
    return true
  }

  hasFor(member: Member): boolean {
    if (member.own !== undefined) return member.own.size > 0 && !member.moving
    return member.cursor < this.#logStart + this.#log.length || this.#isPendingFor(member)
  }

  #isPendingFor(member: Member): boolean {
    return this.#pending.size > 0 && this.#source !== member.slot.index
  }

  /** All for whom `hasFor` is true. */
  visitOwed(visit: (member: Member) => void): void {
    if (this.#pending.size + this.#log.length > 0) {
      for (const member of this.#inStep) if (this.hasFor(member)) visit(member)
    }
    for (const member of this.#lagging) if (this.hasFor(member)) visit(member)
  }

  /**
   * Next whole UPDATEs for a member: about `maxBytes`, at least one message; undefined when nothing is due. Who is behind
   * gets several chunks at once: those that keep up make them small.
   */
  pull(member: Member, maxBytes: number): Told | undefined {
    let told = this.#pullOne(member, maxBytes)
    if (told === undefined) return undefined
    const parts = [told]
    for (let left = maxBytes - told.bytes.length; this.#hasUnread(member, left); left -= told.bytes.length) {
      told = this.#pullOne(member, left)
      if (told === undefined) break
      parts.push(told)
    }
    return parts.length === 1 ? parts[0] : join(parts)
  }

  #pullOne(member: Member, maxBytes: number): Told | undefined {
    for (;;) {
      const told =
        member.own === undefined ? this.#pullInStep(member, maxBytes) : this.#pullOwn(member, member.own, maxBytes)
      if (told === undefined) return undefined
      if (told.messages > 0) return withNextHop(told, member.nextHop)
    }
  }

  /** The next chunk of the log is no longer than this. */
  #hasUnread(member: Member, length: number): boolean {
    const unread = member.own === undefined ? this.#log[member.cursor - this.#logStart] : undefined
    return unread !== undefined && unread.bytes.length <= length
  }

  /** Lets go of what it holds for a prefix; for groups that nobody is in any more. */
  dissolve(prefix: number): boolean {
    const block = this.out[prefix] as number
    if (block === 0) return false
    this.#tables.blocks.release(block)
    this.out[prefix] = 0
    return true
  }

  memory(): number {
    const pending = this.#pending.memory() + (this.#scratch?.memory() ?? 0)
    let bytes =
      usedBytes(this.#tables.prefixes.end, this.out) +
      pending +
      this.exporter.memory() +
      this.#taken.byteLength +
      this.#logSize
    for (const member of this.members()) bytes += member.memory()
    return bytes
  }

  #pullInStep(member: Member, maxBytes: number): Chunk | undefined {
    const unread = this.#log[member.cursor - this.#logStart]
    if (unread !== undefined) return this.#read(member, unread)
    if (!this.#isPendingFor(member)) return undefined
    this.#fresh = false
    const chunk = this.#encode(this.#pending, this.#inStep, maxBytes)
    if (chunk.messages === 0) return NO_CHUNK
    this.#append(chunk)
    return this.#read(member, chunk)
  }

  #pullOwn(member: Member, own: Pending, maxBytes: number): Chunk | undefined {
    if (member.moving) return undefined
    if (own.size > 0) {
      const chunk = this.#encode(own, [member], maxBytes)
      this.#apply(member, chunk)
      this.#dispose(chunk)
      this.stepInIfCaughtUp(member)
      return chunk
    }
    this.stepInIfCaughtUp(member)
    return undefined
  }

  /** From here on it reads with the others. */
  stepInIfCaughtUp(member: Member): void {
    if (member.own === undefined || member.own.size > 0 || member.walk !== undefined || this.#pending.size > 0) return
    this.#scratch ??= member.own
    member.own = undefined
    this.#lagging.delete(member)
    this.#stepIn(member)
  }

  /** The next chunk of the log as this member gets it. */
  #read(member: Member, chunk: Chunk): Chunk {
    member.cursor++
    const told = this.#fits(member, chunk) ? chunk : this.#personal(member, chunk)
    this.#apply(member, told)
    if (told !== chunk) this.#dispose(told)
    chunk.readers--
    this.#trim()
    return told
  }

  /** Whether a chunk is right for a member as it is. */
  #fits(member: Member, chunk: Chunk): boolean {
    if (chunk.from.has(member.slot.index)) return false
    for (let index = 0; index < chunk.withdrawn; index++) {
      if (!member.isTold(chunk.prefixes[index] as number)) return false
    }
    return true
  }

  /** A chunk about the same prefixes for one member alone. */
  #personal(member: Member, chunk: Chunk): Chunk {
    if (chunk.source === member.slot.index) return NO_CHUNK
    let scratch = this.#scratch
    const { prefixes } = chunk
    for (let index = 0; index < prefixes.length; index++) {
      const prefix = prefixes[index] as number
      const block = this.blockFor(member, prefix)
      if (block === 0 && !member.isTold(prefix)) continue
      scratch ??= new Pending(this.#tables.prefixes)
      scratch.put(prefix, block)
    }
    if (scratch === undefined) return NO_CHUNK
    this.#scratch = scratch
    return this.#encode(scratch, [member], Number.POSITIVE_INFINITY)
  }

  #encode(pending: Pending, members: readonly Member[], maxBytes: number): Chunk {
    const packer = this.#packer
    const { context } = this.exporter.view
    const from = new Set<number>()
    let lastFrom = -1
    let count = 0
    let withdrawn = 0
    packer.begin(context, maxBytes)
    for (let fits = true; fits && pending.size > 0 && !packer.isFull; ) {
      const { messages } = packer
      const bucket = pending.bucket()
      if (bucket === WITHDRAW) packer.openWithdraw()
      else packer.openAnnounce(bucket)
      for (let prefix = pending.head(bucket); prefix !== 0; prefix = pending.head(bucket)) {
        // While chunks are unread somebody may still be told.
        if (
          bucket === WITHDRAW &&
          !isToldToAny(members, prefix) &&
          (pending !== this.#pending || this.#log.length === 0)
        ) {
          pending.remove(prefix)
          continue
        }
        if (!packer.add(prefix)) break
        pending.take(prefix)
        if (count === this.#taken.length) this.#taken = growU32(this.#taken, count * 2)
        this.#taken[count++] = prefix
        if (bucket === WITHDRAW) withdrawn++
        else if (this.#loc.from[prefix] !== lastFrom) {
          lastFrom = this.#loc.from[prefix] as number
          from.add(lastFrom)
        }
      }
      packer.close()
      // What does not fit behind others begins the next run.
      fits = packer.messages > messages || pending.head(bucket) === 0
    }
    const prefixes = this.#taken.slice(0, count)
    const [bytes, places] = [packer.finish(), [...packer.ours]]
    const source = pending === this.#pending ? this.#source : SEVERAL
    return { bytes, places, ours: undefined, messages: packer.messages, prefixes, withdrawn, from, source, readers: 0 }
  }

  #apply(member: Member, { prefixes, withdrawn }: Chunk): void {
    for (let index = 0; index < withdrawn; index++) member.noteWithdrawn(prefixes[index] as number)
    for (let index = withdrawn; index < prefixes.length; index++) member.noteAnnounced(prefixes[index] as number)
  }

  #append(chunk: Chunk): void {
    chunk.readers = this.#inStep.length
    const source = this.#inStep.find((member) => member.slot.index === chunk.source)
    if (source !== undefined && source.cursor === this.#logStart + this.#log.length) {
      source.cursor++
      chunk.readers--
    }
    this.#log.push(chunk)
    this.#logSize += sizeOf(chunk)
    while (this.#logSize > this.#logLimit && this.#inStep.length > 1) {
      const slowest = this.#inStep.reduce((a, b) => (b.cursor < a.cursor ? b : a))
      if (slowest.cursor > this.#logStart + this.#log.length - 2) break
      this.fallOut(slowest)
    }
  }

  #trim(): void {
    let read = 0
    for (; read < this.#log.length && (this.#log[read] as Chunk).readers === 0; read++) {
      const chunk = this.#log[read] as Chunk
      this.#logSize -= sizeOf(chunk)
      this.#dispose(chunk)
    }
    if (read === 0) return
    this.#log.splice(0, read)
    this.#logStart += read
    this.#dropPending()
  }

  /** Nothing waits for those who have nothing to read there. */
  #dropPending(): void {
    if (this.#pending.size === 0 || this.#log.length > 0) return
    if (this.#inStep.some((member) => this.#isPendingFor(member))) return
    // What is dropped stands in `out`: whoever joins now must walk to see it.
    this.#fresh = false
    while (this.#pending.size > 0) this.#pending.remove(this.#pending.head(this.#pending.bucket()))
  }

  #dispose({ prefixes }: Chunk): void {
    const table = this.#tables.prefixes
    for (let index = 0; index < prefixes.length; index++) table.release(prefixes[index] as number)
  }

  #owe(member: Member, prefix: number): void {
    if (member.own !== undefined) this.#oweTo(member.own, member, prefix)
  }

  /** What was never told need not be withdrawn. */
  #oweTo(pending: Pending, member: Member, prefix: number): void {
    const block = this.blockFor(member, prefix)
    if (block !== 0 || member.isTold(prefix)) pending.put(prefix, block)
    else pending.remove(prefix)
  }

  #stepIn(member: Member): void {
    member.cursor = this.#logStart + this.#log.length
    this.#inStep.push(member)
  }

  #stepOut(member: Member): void {
    this.#inStep = this.#inStep.filter((other) => other !== member)
    for (const chunk of this.#log.slice(member.cursor - this.#logStart)) chunk.readers--
    this.#trim()
    this.#dropPending()
  }

  #lag(member: Member): void {
    // What it is told does not pass through the log.
    this.#fresh = false
    if (member.own === undefined) {
      member.own = this.#scratch ?? new Pending(this.#tables.prefixes)
      this.#scratch = undefined
    }
    this.#lagging.add(member)
  }
}

/** In place of a neighbor's number. */
const SEVERAL = -1

const NO_CHUNK: Chunk = {
  bytes: new Uint8Array(0),
  places: [],
  ours: undefined,
  messages: 0,
  prefixes: new Uint32Array(0),
  withdrawn: 0,
  from: new Set(),
  source: SEVERAL,
  readers: 0,
}

/** What was handed out is not written to again. */
function withNextHop(chunk: Chunk, nextHop: Uint8Array | undefined): Told {
  if (nextHop === undefined || chunk.places.length === 0) return chunk
  if (chunk.ours === undefined || !equalBytes(chunk.ours, nextHop)) {
    if (chunk.ours !== undefined) chunk.bytes = chunk.bytes.slice()
    for (const at of chunk.places) chunk.bytes.set(nextHop, at)
    chunk.ours = nextHop
  }
  return { bytes: chunk.bytes, messages: chunk.messages }
}

function join(parts: readonly Told[]): Told {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0))
  let at = 0
  let messages = 0
  for (const part of parts) {
    bytes.set(part.bytes, at)
    at += part.bytes.length
    messages += part.messages
  }
  return { bytes, messages }
}

const sizeOf = (chunk: Chunk): number => chunk.bytes.length + chunk.prefixes.byteLength + CHUNK_OVERHEAD

function isToldToAny(members: readonly Member[], prefix: number): boolean {
  for (const member of members) if (member.isTold(prefix)) return true
  return false
}
