/**
 * The paths that neighbors advertise, of one family: announced, evaluated by import policy, withdrawn, counted, and rejected
 * where a neighbor has too many to one prefix or there is no memory. What changes goes to route selection.
 */
import { readU32 } from '../../base/bytes.ts'
import { ADDRESS_BYTES, type Family } from '../../base/family.ts'
import { makePrefix } from '../../base/prefix.ts'
import type { Millis } from '../../base/units.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import type { NextHopTable } from '../route/next-hop-table.ts'
import { type AdjIn, sinceOf } from './adj-in.ts'
import { type Announcement, type ByteRange, emptyRange } from './announcement.ts'
import { REFUSED, whyNotEligible } from './eligible.ts'
import type { Importer } from './import.ts'
import { type ImportState, newImportState, renewedImportState } from './import-state.ts'
import { costOf, type MemoryLimit, routeMemoryLimit } from './memory-limit.ts'
import type { PeerSlot, Peers } from './peers.ts'
import type { PrefixTable } from './prefix-table.ts'
import { MOST_TAKEN, RejectedRoutes } from './rejected-routes.ts'
import type { Selection } from './selection.ts'

interface NeighborTables {
  readonly prefixes: PrefixTable
  readonly paths: AdjIn
  readonly attributes: AttributeTable
  readonly nextHops: NextHopTable
  readonly peers: Peers
  readonly memory: MemoryLimit
}

export class NeighborPaths {
  readonly rejected = new RejectedRoutes()
  readonly #family: Family
  readonly #prefixes: PrefixTable
  readonly #paths: AdjIn
  readonly #attributeTable: AttributeTable
  readonly #nextHops: NextHopTable
  readonly #peers: Peers
  readonly #memory: MemoryLimit
  readonly #importer: Importer
  readonly #selection: Selection
  readonly #states = new Map<PeerSlot, ImportState>()
  readonly #address = new Uint8Array(16)
  readonly #nextHopBytes = emptyRange()

  constructor(family: Family, tables: NeighborTables, importer: Importer, selection: Selection) {
    this.#family = family
    this.#prefixes = tables.prefixes
    this.#paths = tables.paths
    this.#attributeTable = tables.attributes
    this.#nextHops = tables.nextHops
    this.#peers = tables.peers
    this.#memory = tables.memory
    this.#importer = importer
    this.#selection = selection
  }

  // ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The session is up; paths may be there from the one before. */
  add(slot: PeerSlot): void {
    const before = this.#states.get(slot)
    this.#states.set(slot, before === undefined ? newImportState() : renewedImportState(before))
  }

  /** No session is expected any more. Returns how many paths are still to be removed. */
  forget(slot: PeerSlot): number {
    const state = this.#states.get(slot)
    if (state !== undefined) this.#memory.forget(state)
    this.#states.delete(slot)
    this.rejected.forget(slot.index)
    return state?.total ?? 0
  }

  /** Undefined if the family was never negotiated with this neighbor, or the neighbor is removed. */
  importStateOf(slot: PeerSlot): ImportState | undefined {
    return this.#states.get(slot)
  }

  // ── UPDATEs ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The hottest loop of the agent, in one piece: with a call for each route it takes a tenth longer (`npm run bench`). What is
   * rare is called.
   */
  announce(slot: PeerSlot, announcement: Announcement, now: Millis): void {
    const state = this.#states.get(slot)
    if (state === undefined) return
    const { bytes, start, end, attributes, nextHop, refused } = announcement
    const hasPathIds = slot.peer.receive.addPath.includes(this.#family)
    const paths = this.#paths
    const importer = this.#importer
    const cost = costOf(this.#attributeTable, attributes, attributes)
    const ceiling = this.#memory.ceiling(state, routeMemoryLimit(slot.peer, this.#family))
    const since = sinceOf(now)
    importer.begin(slot, attributes, refused)
    for (let at = start; at < end; ) {
      const pathId = hasPathIds ? readU32(bytes, at) : 0
      if (hasPathIds) at += 4
      const length = bytes[at] as number
      const address = at + 1
      at = address + ((length + 7) >> 3)
      state.updates.received++
      const prefix = this.#prefixes.insert(bytes, address, length)
      let path = paths.find(prefix, slot.index, pathId)
      if (path !== 0 && paths.received[path] === attributes && paths.nextHop[path] === nextHop) {
        this.#repeat(slot, state, announcement, path, since)
        continue
      }
      // Paths of a prefix are searched one by one: no neighbor may make that list long.
      if (path === 0 && hasPathIds && paths.countOf(prefix, slot.index) >= MOST_TAKEN) {
        this.#rejectPath(slot, state, prefix)
        continue
      }
      const before = path === 0 ? 0 : this.#costOf(path)
      if (state.octets + cost - before > ceiling && length > 0 && this.#hasGrown(path, cost)) {
        this.#rejectForMemory(slot, state, prefix, path)
        continue
      }
      importer.evaluate(bytes, address, length)
      this.#memory.charge(state, costOf(this.#attributeTable, attributes, importer.attributes) - before)
      if (path === 0) {
        path = paths.add(prefix, slot.index, pathId)
        state.total++
        paths.noteGeneration(path, state.generations.present)
      } else {
        if (paths.refused[path] === 0) state.usable--
        this.#renew(path, state)
      }
      paths.set(path, attributes, importer.attributes, nextHop, importer.refused)
      paths.since[path] = since
      if (importer.attributes !== attributes) this.#attributeTable.release(importer.attributes)
      countUpdate(state, importer.refused)
      this.#selection.add(prefix)
    }
    importer.end()
  }

  /** The path is unchanged. Nothing to decide, unless it was long-lived stale: then its import result is made anew. */
  #repeat(
    slot: PeerSlot,
    state: ImportState,
    { attributes, refused }: Announcement,
    path: number,
    since: number,
  ): void {
    state.updates.ignored++
    if (!this.#renew(path, state)) return
    // Evaluation goes through the importer, so it ends the run.
    this.#importer.end()
    this.evaluateAgain(slot, path, since)
    this.#importer.begin(slot, attributes, refused)
  }

  #rejectPath(slot: PeerSlot, state: ImportState, prefix: number): void {
    state.updates.rejected++
    if (this.rejected.rejectPath(slot.index, prefix)) state.crowded = this.#textOf(prefix)
  }

  withdraw(slot: PeerSlot, bytes: Uint8Array, start: number, end: number): void {
    const state = this.#states.get(slot)
    if (state === undefined) return
    const hasPathIds = slot.peer.receive.addPath.includes(this.#family)
    for (let at = start; at < end; ) {
      const pathId = hasPathIds ? readU32(bytes, at) : 0
      if (hasPathIds) at += 4
      const length = bytes[at] as number
      const prefix = this.#prefixes.find(bytes, at + 1, length)
      at += 1 + ((length + 7) >> 3)
      state.withdraws.received++
      const path = prefix === 0 ? 0 : this.#paths.find(prefix, slot.index, pathId)
      if (path === 0) {
        state.withdraws.ignored++
        continue
      }
      state.withdraws.accepted++
      this.remove(path, state)
    }
  }

  /** `state`: of the path's neighbor; undefined where it is not known any more. */
  remove(path: number, state: ImportState | undefined): void {
    const paths = this.#paths
    if (state !== undefined) {
      this.#memory.charge(state, -this.#costOf(path))
      state.total--
      if (paths.refused[path] === 0) state.usable--
      if (paths.generationOf(path) < state.generations.present) state.old--
    }
    this.rejected.pathGone(paths.peer[path] as number, paths.prefix[path] as number)
    this.#selection.removePath(path)
  }

  // ── Import policy ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Why no route with these attributes and this next hop may be used; 0: such routes may be used. */
  whyNotEligible(slot: PeerSlot, attributes: number, nextHop: ByteRange): number {
    return whyNotEligible(slot, this.#peers, this.#attributeTable, attributes, nextHop)
  }

  /** Policy, or what it reads, has changed. `since`: now, as `sinceOf` has it. */
  evaluateAgain(slot: PeerSlot, path: number, since: number): void {
    const state = this.#states.get(slot)
    if (state === undefined) return
    const importer = this.#importer
    this.#evaluate(slot, path, state)
    const paths = this.#paths
    const received = paths.received[path] as number
    const isSame = paths.attributes[path] === importer.attributes && paths.refused[path] === importer.refused
    if (!isSame) {
      if (paths.refused[path] === 0) state.usable--
      if (importer.refused === 0) state.usable++
      const cost = costOf(this.#attributeTable, received, importer.attributes)
      this.#memory.charge(state, cost - this.#costOf(path))
      paths.set(path, received, importer.attributes, paths.nextHop[path] as number, importer.refused)
      paths.since[path] = since
      this.#selection.add(paths.prefix[path] as number)
    }
    if (importer.attributes !== received) this.#attributeTable.release(importer.attributes)
  }

  #evaluate(slot: PeerSlot, path: number, { generations }: ImportState): void {
    const paths = this.#paths
    const importer = this.#importer
    const prefix = paths.prefix[path] as number
    const received = paths.received[path] as number
    importer.begin(slot, received, this.whyNotEligible(slot, received, this.#nextHopOf(path)))
    this.#prefixes.writeAddress(prefix, this.#address)
    importer.evaluate(this.#address, 0, this.#prefixes.lengths[prefix] as number)
    if (generations.isLongLived(paths.generationOf(path))) importer.markLongLived()
  }

  #nextHopOf(path: number): ByteRange {
    const { bytes } = this.#nextHops
    const nextHop = this.#paths.nextHop[path] as number
    const range = this.#nextHopBytes
    range.bytes = bytes.segment(nextHop)
    range.start = bytes.offset(nextHop)
    range.length = bytes.length(nextHop)
    return range
  }

  /** The neighbor has announced a path again. True: it was long-lived stale, and its present result is for such a path. */
  #renew(path: number, state: ImportState): boolean {
    const { present } = state.generations
    const before = this.#paths.generationOf(path)
    if (before === present) return false
    this.#paths.noteGeneration(path, present)
    state.old--
    return state.generations.isLongLived(before)
  }

  // ── Memory ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Memory was freed: routes that were rejected for lack of it may be requested again. */
  retryRejected(): void {
    if (!this.rejected.awaitsMemory) return
    this.rejected.retry((peer) => {
      const slot = this.#peers.slots[peer]
      const state = slot === undefined ? undefined : this.#states.get(slot)
      if (slot === undefined || state === undefined) return false
      const hasRoom = this.#memory.hasRoom(state, routeMemoryLimit(slot.peer, this.#family))
      if (hasRoom) state.memoryRejected = 'no'
      return hasRoom
    })
  }

  /** Compares what was received: a path whose attributes the import policy edits is charged with two blocks. */
  #hasGrown(path: number, cost: number): boolean {
    if (path === 0) return true
    const received = this.#paths.received[path] as number
    return cost > costOf(this.#attributeTable, received, received)
  }

  /** Rejects a route for lack of memory. The path that was there before is no longer valid, so it is removed too. */
  #rejectForMemory(slot: PeerSlot, state: ImportState, prefix: number, path: number): void {
    state.updates.rejected++
    this.rejected.rejectForMemory(slot.index)
    if (state.memoryRejected === 'no') state.memoryRejected = 'since now'
    // A new prefix has no holder yet.
    this.#prefixes.retain(prefix)
    if (path !== 0) this.remove(path, state)
    this.#prefixes.release(prefix)
  }

  #costOf(path: number): number {
    return costOf(this.#attributeTable, this.#paths.received[path] as number, this.#paths.attributes[path] as number)
  }

  #textOf(prefix: number): string {
    this.#prefixes.writeAddress(prefix, this.#address)
    const address = this.#address.slice(0, ADDRESS_BYTES[this.#family])
    return makePrefix(address, this.#prefixes.lengths[prefix] as number).text
  }
}

function countUpdate(state: ImportState, refused: number): void {
  if (refused === 0) {
    state.usable++
    state.updates.accepted++
  } else if (refused === REFUSED.policy) state.updates.filtered++
  else state.updates.rejected++
}
