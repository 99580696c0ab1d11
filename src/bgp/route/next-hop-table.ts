/**
 * The next hops of all routes, each once: 4 bytes, 16, or 32 (a global and a link-local address). A change of what is
 * known about one touches one row here.
 */
import { isLinkLocalAt } from '../../base/address.ts'
import { ByteTable } from './byte-table.ts'
import { growU8, growU32, usedBytes } from './columns.ts'
import type { HashKey } from './hash.ts'

/** The next hop "this node": routes we originate have it, and it stands in no table. */
export const SELF = 0

/** How it is reached: by routes that BGP did not teach us, not at all, or only by a route that it did. */
export const REACH = { direct: 0, none: 1, learned: 2 } as const
export type Reach = (typeof REACH)[keyof typeof REACH]

export class NextHopTable {
  readonly bytes: ByteTable
  /** The cost of getting there, for decision; equal where unknown. */
  metric = new Uint32Array(1)
  /** One of `REACH`. */
  reach = new Uint8Array(1)
  /** Ids in use that lead nowhere. */
  readonly unreachable = new Set<number>()
  /** Ids given out since the last look at them; undefined if nothing watches. */
  fresh: number[] | undefined

  constructor(key: HashKey) {
    this.bytes = new ByteTable(key, 256)
  }

  get size(): number {
    return this.bytes.size
  }

  intern(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const id = this.bytes.intern(bytes, start, end)
    if (this.bytes.refs[id] === 1) {
      this.setReach(id, REACH.direct, 0)
      this.fresh?.push(id)
    }
    return id
  }

  retain(id: number): void {
    if (id !== SELF) this.bytes.retain(id)
  }

  release(id: number): void {
    if (id === SELF) return
    this.bytes.release(id)
    if (this.bytes.refs[id] === 0) this.unreachable.delete(id)
  }

  /** Tells two users of an id apart (byte-table.ts); 0 for ourselves. */
  serialOf(id: number): number {
    return id === SELF ? 0 : (this.bytes.serial[id] as number)
  }

  setReach(id: number, reach: Reach, metric: number): void {
    if (id >= this.metric.length) {
      this.metric = growU32(this.metric, this.bytes.refs.length)
      this.reach = growU8(this.reach, this.bytes.refs.length)
    }
    this.metric[id] = metric
    this.reach[id] = reach
    if (reach === REACH.none) this.unreachable.add(id)
    else this.unreachable.delete(id)
  }

  /** It has no global address, so it means something on the link of its session alone (RFC 4291 §2.5.6). */
  isLinkOnly(id: number): boolean {
    return id !== SELF && this.bytes.length(id) === 16 && isLinkLocalAt(this.bytes.segment(id), this.bytes.offset(id))
  }

  /** Ids in use. */
  *ids(): Iterable<number> {
    for (let id = 1; id < this.bytes.end; id++) if (this.bytes.refs[id] !== 0) yield id
  }

  memory(): number {
    return this.bytes.memory() + usedBytes(this.bytes.end, this.metric, this.reach)
  }
}

/**
 * RFC 2545 §3 has a global address first and a link-local one behind it. Who has no global one writes the link-local one
 * twice (FRR), or none in its place (BIRD): that is a link-local next hop. How many octets to leave out in front.
 */
export function withoutGlobal(bytes: Uint8Array, start: number, length: number): 0 | 16 {
  if (length !== 32 || !isLinkLocalAt(bytes, start + 16)) return 0
  if (isLinkLocalAt(bytes, start)) return 16
  for (let index = 0; index < 16; index++) if (bytes[start + index] !== 0) return 0
  return 16
}
