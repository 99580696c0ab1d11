/**
 * Chunks: runs of whole UPDATEs about some prefixes, as an update group keeps them. In: a pending set. Out: a chunk about
 * the prefixes taken from it, encoded once for all members that can share it.
 */

import { equalBytes } from '../../base/bytes.ts'
import type { Octets } from '../../base/units.ts'
import type { ByteTable } from '../route/byte-table.ts'
import { growU32 } from '../route/columns.ts'
import type { WireContext } from '../wire/context.ts'
import type { LocRib } from './loc-rib.ts'
import { nextHopHash } from './next-hop-hash.ts'
import { Packer } from './pack.ts'
import { type Pending, WITHDRAW } from './pending.ts'
import type { PrefixTable } from './prefix-table.ts'

export interface Chunk {
  /** The octets as its last reader got them; other readers may still have them. */
  bytes: Uint8Array
  /** Where next hops stand that are this node: each reader gets its own address of this node there. */
  readonly nextHopOffsets: readonly number[]
  /** The address of this node that the last reader got there. */
  nextHop: Uint8Array | undefined
  readonly messages: number
  /** Its prefixes: first the withdrawn, then the announced ones. Each is retained. */
  readonly prefixes: Uint32Array
  /** How many of `prefixes` are withdrawn. */
  readonly withdrawn: number
  /** Peer numbers that the announced routes came from. */
  readonly from: ReadonlySet<number>
  /** Hashes of the next hops that it announces, but for this node (next-hop-hash.ts). */
  readonly nextHops: ReadonlySet<number>
  /** The neighbor that need not read it, as all of it came from there; or `SEVERAL`. */
  readonly source: number
  /** Members that have not read it yet. */
  readers: number
}

/** Whole messages, ready for the network. */
export interface Updates {
  readonly bytes: Uint8Array
  readonly messages: number
}

/** The number of the neighbor that routes came from, where they came from several. */
export const SEVERAL = -1

/** A chunk without content. */
export const NO_CHUNK: Chunk = {
  bytes: new Uint8Array(0),
  nextHopOffsets: [],
  nextHop: undefined,
  messages: 0,
  prefixes: new Uint32Array(0),
  withdrawn: 0,
  from: new Set(),
  nextHops: new Set(),
  source: SEVERAL,
  readers: 0,
}

/** What the encoder asks of a member of the update group. */
interface GroupMember {
  isAdvertised(prefix: number): boolean
}

export class ChunkEncoder {
  readonly #packer: Packer
  readonly #blocks: ByteTable
  readonly #loc: LocRib
  readonly #context: WireContext
  /** The prefixes of the chunk that is being made: the first `#count`. */
  #taken = new Uint32Array(256)
  #count = 0

  /** `pathId`: written with each prefix where that was agreed on (RFC 7911). */
  constructor(prefixes: PrefixTable, blocks: ByteTable, loc: LocRib, context: WireContext, pathId: number) {
    this.#packer = new Packer(prefixes, blocks, pathId)
    this.#blocks = blocks
    this.#loc = loc
    this.#context = context
  }

  /**
   * Takes prefixes from a pending set, about `maxBytes` of messages and at least one. A withdrawal that none of the
   * `members` needs is dropped; with `keepWithdrawals` it is not, as chunks that they have not read may announce the prefix.
   */
  encode(
    pending: Pending,
    maxBytes: number,
    source: number,
    members: readonly GroupMember[],
    keepWithdrawals: boolean,
  ): Chunk {
    const packer = this.#packer
    const from = new Set<number>()
    const nextHops = new Set<number>()
    const needed = keepWithdrawals ? undefined : members
    let withdrawn = 0
    this.#count = 0
    packer.begin(this.#context, maxBytes)
    for (let progresses = true; progresses && pending.size > 0 && !packer.isFull; ) {
      const { messages } = packer
      const bucket = pending.firstBucket()
      if (bucket === WITHDRAW) withdrawn += this.#packWithdrawals(pending, needed)
      else this.#packAnnouncements(pending, bucket, from, nextHops)
      packer.close()
      // Without a further message the next prefix does not fit any more: it begins the next chunk.
      progresses = packer.messages > messages || pending.head(bucket) === 0
    }
    return {
      bytes: packer.finish(),
      nextHopOffsets: [...packer.ours],
      nextHop: undefined,
      messages: packer.messages,
      prefixes: this.#taken.slice(0, this.#count),
      withdrawn,
      from,
      nextHops,
      source,
      readers: 0,
    }
  }

  /** `members`: a withdrawal that none of them needs is dropped; undefined: none is. Returns how many were packed. */
  #packWithdrawals(pending: Pending, members: readonly GroupMember[] | undefined): number {
    const before = this.#count
    this.#packer.openWithdraw()
    for (let prefix = pending.head(WITHDRAW); prefix !== 0; prefix = pending.head(WITHDRAW)) {
      if (members !== undefined && !isAdvertisedToAny(members, prefix)) pending.remove(prefix)
      else if (this.#packer.add(prefix)) this.#take(pending, prefix)
      else break
    }
    return this.#count - before
  }

  /** Notes in `from` and `nextHops` where the routes came from and where they lead to. */
  #packAnnouncements(pending: Pending, block: number, from: Set<number>, nextHops: Set<number>): void {
    let lastFrom: number | undefined
    const nextHop = nextHopHash(this.#blocks, block)
    if (nextHop !== undefined) nextHops.add(nextHop)
    this.#packer.openAnnounce(block)
    for (let prefix = pending.head(block); prefix !== 0; prefix = pending.head(block)) {
      if (!this.#packer.add(prefix)) break
      this.#take(pending, prefix)
      if (this.#loc.from[prefix] === lastFrom) continue
      lastFrom = this.#loc.from[prefix] as number
      from.add(lastFrom)
    }
  }

  #take(pending: Pending, prefix: number): void {
    pending.take(prefix)
    if (this.#count === this.#taken.length) this.#taken = growU32(this.#taken, this.#count * 2)
    this.#taken[this.#count++] = prefix
  }

  memory(): Octets {
    return this.#taken.byteLength
  }
}

/** Writes the next hop of one reader into a chunk. Octets that another reader has are copied, not changed. */
export function writeNextHop(chunk: Chunk, nextHop: Uint8Array | undefined): Updates {
  if (nextHop === undefined || chunk.nextHopOffsets.length === 0) return chunk
  if (chunk.nextHop === undefined || !equalBytes(chunk.nextHop, nextHop)) {
    if (chunk.nextHop !== undefined) chunk.bytes = chunk.bytes.slice()
    for (const at of chunk.nextHopOffsets) chunk.bytes.set(nextHop, at)
    chunk.nextHop = nextHop
  }
  return { bytes: chunk.bytes, messages: chunk.messages }
}

export function joinUpdates(parts: readonly Updates[]): Updates {
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

function isAdvertisedToAny(members: readonly GroupMember[], prefix: number): boolean {
  for (let index = 0; index < members.length; index++) {
    if ((members[index] as GroupMember).isAdvertised(prefix)) return true
  }
  return false
}
