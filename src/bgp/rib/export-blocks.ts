/**
 * Builds what is advertised of a path to an update group: a block that is ready to be packed.
 *
 *   | next hop length 1 | next hop 4, 16 or 32 | path attributes as they go on the wire, without next hop |
 *
 * If the next hop is this node, the upper bit of its length is set and zeros are in its place: which of our addresses it is
 * differs between neighbors, and nothing else does (adj-out.ts writes it).
 */
import type { Octets, RouterId } from '../../base/units.ts'
import type { Edit } from '../policy/trail.ts'
import { CARRIES } from '../route/attribute-table.ts'
import { IdCache, NO_ID } from '../route/id-cache.ts'
import { encodeAttributes } from '../wire/attribute.ts'
import type { Role } from '../wire/role.ts'
import { flattenTo2Octets } from '../wire/update-encode.ts'
import type { ExportTables, ExportView } from './export-view.ts'
import { fitsMessage, OURS } from './pack.ts'
import { KIND } from './peers.ts'
import { type Rewrite, writeExternal, writeInternal, writeReflected } from './transform.ts'

/** In place of the id of a next hop: this node. */
export const OURSELVES = 0xffffffff

/**
 * Space for building a block. Shared by all groups: nothing is kept in it. Attributes in the table take less than 64 KiB;
 * as much again is for the next hop and what is added to them.
 */
const SCRATCH = new Uint8Array(1 << 17)

/** Edits whose results are kept: those that a policy no longer makes must not stay for ever. */
const MOST_EDITS = 1024

export class ExportBlocks {
  readonly #view: ExportView
  readonly #tables: ExportTables
  readonly #external: boolean
  /** By the edit that policy makes to the attributes. A cache retains no block, so that nothing is released with it. */
  readonly #caches = new Map<Edit | undefined, IdCache>()
  readonly #rewrite: Rewrite = { from: SCRATCH, start: 0, end: 0, to: SCRATCH, at: 0 }

  constructor(view: ExportView, tables: ExportTables) {
    this.#view = view
    this.#tables = tables
    this.#external = view.peerType === 'external'
    this.#caches.set(undefined, new IdCache(tables.attributes.blocks, tables.blocks))
  }

  memory(): Octets {
    let bytes = 0
    for (const cache of this.#caches.values()) bytes += cache.memory()
    return bytes
  }

  /** Octets of the next hop as it is advertised. RFC 2545 §3: of a learned one without its link-local address. */
  nextHopLength(nextHop: number): number {
    if (nextHop === OURSELVES) return this.#view.nextHopLength ?? 0
    return Math.min(this.#tables.nextHops.bytes.length(nextHop), 16)
  }

  /** The block for a path that may be advertised, retained once for the caller, or NO_ID when it fits no message. */
  take(path: number, nextHop: number, edit: Edit | undefined): number {
    const { paths, blocks } = this.#tables
    const id = paths.attributes[path] as number
    const key = nextHop === OURSELVES ? 0 : this.#tables.nextHops.serialOf(nextHop)
    const originator = this.#originator(path)
    // The same attributes may come from several internal neighbors. Without ORIGINATOR_ID each gets its own block, with the
    // router ID of that neighbor, so the result is not cached by the attributes.
    if (originator !== undefined && ((this.#tables.attributes.flags[id] as number) & CARRIES.originatorId) === 0) {
      return this.#make(id, nextHop, edit, originator)
    }
    const cache = this.#cacheOf(edit)
    const known = cache.get(id, key)
    if (known === NO_ID) return NO_ID
    if (known !== 0) {
      blocks.retain(known)
      return known
    }
    const made = this.#make(id, nextHop, edit, originator)
    cache.set(id, key, made)
    return made
  }

  #cacheOf(edit: Edit | undefined): IdCache {
    const known = this.#caches.get(edit)
    if (known !== undefined) return known
    if (this.#caches.size > MOST_EDITS) this.#forgetEdits()
    const cache = new IdCache(this.#tables.attributes.blocks, this.#tables.blocks)
    this.#caches.set(edit, cache)
    return cache
  }

  #forgetEdits(): void {
    for (const edit of this.#caches.keys()) if (edit !== undefined) this.#caches.delete(edit)
  }

  #make(id: number, nextHop: number, edit: Edit | undefined, originator: RouterId | undefined): number {
    const { attributes, blocks } = this.#tables
    const start = this.#writeNextHop(nextHop)
    // RFC 9234 §5: downwards and to peers a route is marked, if it is not yet.
    const marks = marksOnlyToCustomer(this.#view.role) && attributes.onlyToCustomer(id) === undefined
    this.#rewrite.at = start
    if (edit === undefined && !marks) this.#rewriteUnedited(id)
    else this.#rewriteEdited(id, edit, marks)
    let end = this.#transform(edit !== undefined || marks, originator)
    if (!this.#view.context.fourOctetAs) {
      const flat = flattenTo2Octets(SCRATCH.slice(start, end))
      SCRATCH.set(flat, start)
      end = start + flat.length
    }
    if (!fitsMessage(this.#view.context, this.#view.family, start - 1, end - start)) return NO_ID
    return blocks.intern(SCRATCH, 0, end)
  }

  /** The attributes that are rewritten are those of the path, as they are in the table. */
  #rewriteUnedited(id: number): void {
    const { blocks } = this.#tables.attributes
    const rewrite = this.#rewrite
    rewrite.from = blocks.segment(id)
    rewrite.start = blocks.offset(id)
    rewrite.end = rewrite.start + blocks.length(id)
  }

  /** The attributes that are rewritten are those that policy or a role has changed. */
  #rewriteEdited(id: number, edit: Edit | undefined, marks: boolean): void {
    const learned = this.#tables.attributes.decode(id)
    // RFC 4271 §5.1.4: a MED learned goes to no other AS; one that policy sets does.
    const bare = this.#external ? { ...learned, med: undefined } : learned
    const edited = edit === undefined ? bare : edit.apply(bare)
    const rewrite = this.#rewrite
    rewrite.from = encodeAttributes(marks ? { ...edited, onlyToCustomer: this.#view.localAs } : edited)
    rewrite.start = 0
    rewrite.end = rewrite.from.length
  }

  #transform(keepMed: boolean, originator: RouterId | undefined): number {
    const { localAs, reflection } = this.#view
    if (this.#external) return writeExternal(this.#rewrite, localAs, keepMed)
    return originator === undefined || reflection === undefined
      ? writeInternal(this.#rewrite)
      : writeReflected(this.#rewrite, originator, reflection.clusterId)
  }

  /** RFC 2545 §3: a link-local address is valid on its own link alone, so only ours is advertised. */
  #writeNextHop(id: number): number {
    const length = this.nextHopLength(id)
    if (id === OURSELVES) {
      SCRATCH[0] = OURS | length
      SCRATCH.fill(0, 1, 1 + length)
      return 1 + length
    }
    const { bytes } = this.#tables.nextHops
    SCRATCH[0] = length
    const [segment, offset] = [bytes.segment(id), bytes.offset(id)]
    for (let index = 0; index < length; index++) SCRATCH[1 + index] = segment[offset + index] as number
    return 1 + length
  }

  /** The router ID that a reflected route gets as its originator; undefined: it is not reflected. */
  #originator(path: number): RouterId | undefined {
    const { paths, peers } = this.#tables
    const peer = paths.peer[path] as number
    return !this.#external && peers.kind[peer] === KIND.internal ? peers.routerId[peer] : undefined
  }
}

/** Our roles towards a customer, a client of our route server or a peer. */
const marksOnlyToCustomer = (ours: Role | undefined): boolean =>
  ours === 'provider' || ours === 'rs-server' || ours === 'peer'
