/**
 * Applies import policy to received routes. In: the attributes as received, and the prefix. Out: the attributes after
 * policy, or the reason why the route is rejected. A next hop that an import rule sets is ignored.
 *
 * Routes come in runs with the same attributes: `begin`, `evaluate` for each, `end`. Policy is evaluated for each route of
 * a run only where it reads prefixes.
 */
import { ADDRESS_BITS, type Family } from '../../base/family.ts'
import { isMartianPrefix } from '../../base/martian.ts'
import type { Asn, Octets } from '../../base/units.ts'
import type { PolicyInput } from '../policy/compile.ts'
import type { Edit } from '../policy/trail.ts'
import { type AttributeTable, CARRIES } from '../route/attribute-table.ts'
import { LONGEST } from '../route/byte-table.ts'
import { IdCache } from '../route/id-cache.ts'
import { encodeAttributes } from '../wire/attribute.ts'
import type { Role } from '../wire/role.ts'
import { REFUSED } from './eligible.ts'
import type { OwnPods } from './own-pods.ts'
import type { PeerSlot, Peers } from './peers.ts'

export class Importer {
  // The result of the last `evaluate`.
  /** The id of the attributes after policy; retained separately if it differs from the received id. */
  attributes = 0
  /** One of `REFUSED`, or 0: the route may be used. */
  refused = 0

  readonly #family: Family
  readonly #table: AttributeTable
  readonly #peers: Peers
  readonly #ownPods: OwnPods
  // The run.
  #slot: PeerSlot | undefined
  /** The id of the attributes as received. */
  #received = 0
  /** One of `REFUSED`, for all routes of the run, or 0. */
  #runRefusal = 0
  /** `#settled`: the last result applies to all routes of the run. `#repeats`: how often it was used since policy ran. */
  #settled = false
  #settledAttributes = 0
  #settledRefused = 0
  #repeats = 0
  /** The result came from policy: its rules' hits count for every route of the run. */
  #counted = false
  /** The input of policy, filled again for each route. */
  readonly #input: PolicyInput

  readonly #edits = new WeakMap<Edit, IdCache>()
  readonly #longLived: IdCache
  /** By the AS that is written to ONLY_TO_CUSTOMER. One for all: a neighbor may come with another AS each time. */
  readonly #marks: IdCache

  constructor(family: Family, table: AttributeTable, peers: Peers, ownPods: OwnPods) {
    this.#family = family
    this.#table = table
    this.#longLived = new IdCache(table.blocks, table.blocks)
    this.#marks = new IdCache(table.blocks, table.blocks)
    this.#peers = peers
    this.#ownPods = ownPods
    this.#input = {
      family,
      bytes: NO_BYTES,
      offset: 0,
      length: 0,
      source: 'peer',
      learnedFrom: undefined,
      peerType: 'external',
      interface: undefined,
      named: undefined,
      attributes: () => table.decode(this.attributes),
      lacksAll: (communities) => table.lacksAll(this.attributes, communities),
    }
  }

  /** `refused`: one of `REFUSED`, where the routes must not be used whatever policy decides; 0: they may. */
  begin(slot: PeerSlot, received: number, refused: number): void {
    this.#slot = slot
    this.#received = received
    this.#runRefusal = refused
    this.#settled = false
    this.#repeats = 0
    this.#counted = false
  }

  /** One route of the run. `bytes[at]` is the first octet of its address, as in NLRI; `length` is in bits. */
  evaluate(bytes: Uint8Array, at: number, length: number): void {
    const refusal = this.#runRefusal === 0 ? this.#whyNotPrefix(bytes, at, length) : 0
    if (refusal !== 0) {
      this.attributes = this.#received
      this.refused = refusal
    } else if (this.#settled) {
      this.attributes = this.#settledAttributes
      this.refused = this.#settledRefused
      if (this.attributes !== this.#received) this.#table.retain(this.attributes)
      this.#repeats++
    } else {
      this.#ask(bytes, at, length)
      this.#settledAttributes = this.attributes
      this.#settledRefused = this.refused
    }
  }

  #whyNotPrefix(bytes: Uint8Array, at: number, length: number): number {
    if (isMartianPrefix(this.#family, bytes, at, length)) return REFUSED.martian
    if (this.#ownPods.has(bytes, at, length)) return REFUSED.ownPods
    if (length !== ADDRESS_BITS[this.#family]) return 0
    return this.#peers.isOwnAddress(bytes, at, length >> 3) ? REFUSED.ownAddress : 0
  }

  /** The run is over. */
  end(): void {
    // Within a run, only this code asks the policy: its last verdict is that of the routes that repeat it.
    if (this.#counted && this.#repeats > 0) this.#slot?.importPolicy.addHitsOfLast(this.#repeats)
  }

  #ask(bytes: Uint8Array, at: number, length: number): void {
    const received = this.#received
    this.attributes = received
    this.refused = this.#runRefusal
    this.#settled = true
    const slot = this.#slot
    if (slot === undefined || this.refused !== 0) return
    const { importPolicy: policy, peer } = slot
    if (peer.role !== undefined && marks(peer.role)) this.#mark(received, peer.remoteAs)
    if (policy.acceptsAll || this.refused !== 0) return
    const { peerType } = peer
    const marked = this.attributes
    this.#settled = policy.isUniform(this.#family, 'peer', peerType, peerType)
    const input = this.#input
    input.bytes = bytes
    input.offset = at
    input.length = length
    input.learnedFrom = peerType
    input.peerType = peerType
    input.interface = peer.interface
    const verdict = policy.decide(input)
    this.#counted = this.#settled
    if (verdict.kind === 'reject') this.refused = REFUSED.policy
    else if (verdict.edit !== undefined) {
      this.#apply(marked, verdict.edit, this.#cacheOf(verdict.edit))
      if (marked !== received && this.attributes !== marked) this.#table.release(marked)
    }
  }

  /** RFC 9494 §4.2: changes the result of the last `evaluate` to that of a long-lived stale route. */
  markLongLived(): void {
    if (this.refused !== 0 || ((this.#table.flags[this.attributes] as number) & CARRIES.longLivedStale) !== 0) return
    const [received, before] = [this.#received, this.attributes]
    this.#apply(before, LONG_LIVED_STALE, this.#longLived)
    if (before !== received && this.attributes !== before) this.#table.release(before)
  }

  /** RFC 9234 §5: marks a route from a provider, a route server or a peer as for customers only. */
  #mark(received: number, remoteAs: Asn): void {
    if (this.#table.onlyToCustomer(received) !== undefined) return
    this.#apply(received, { apply: (learned) => ({ ...learned, onlyToCustomer: remoteAs }) }, this.#marks, remoteAs)
  }

  /**
   * Makes `attributes` what the edit makes of these, retained unless it is the same id; or sets `refused` if that is too large.
   * `key`: what the edit depends on apart from the attributes.
   */
  #apply(from: number, edit: Pick<Edit, 'apply'>, cache: IdCache, key = 0): void {
    const table = this.#table
    const known = cache.get(from, key)
    if (known !== 0) {
      if (known !== from) table.retain(known)
      this.attributes = known
      return
    }
    const block = encodeAttributes(edit.apply(table.decode(from)))
    if (block.length > LONGEST) {
      this.refused = REFUSED.tooLarge
      return
    }
    const id = table.intern(block)
    cache.set(from, key, id)
    // The edit changed nothing.
    if (id === from) table.release(id)
    this.attributes = id
  }

  /** The caches of edits that policies make are not counted: each is dropped with its policy. */
  memory(): Octets {
    return this.#longLived.memory() + this.#marks.memory()
  }

  #cacheOf(edit: Edit): IdCache {
    const known = this.#edits.get(edit)
    if (known !== undefined) return known
    const cache = new IdCache(this.#table.blocks, this.#table.blocks)
    this.#edits.set(edit, cache)
    return cache
  }
}

const NO_BYTES = new Uint8Array()

/** RFC 9494 §4.2: LLGR_STALE is attached. */
const LONG_LIVED_STALE: Pick<Edit, 'apply'> = {
  apply: (learned) => ({ ...learned, communities: [...learned.communities, [0xffff, 6]] }),
}

/** Our roles in which the neighbor is a provider, a route server or a peer. */
const marks = (ours: Role): boolean => ours === 'customer' || ours === 'rs-client' || ours === 'peer'
