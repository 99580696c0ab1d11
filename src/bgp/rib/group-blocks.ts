/** What an update group advertises of each prefix: a block, which is retained in the block table. */
import type { Octets } from '../../base/units.ts'
import type { ByteTable } from '../route/byte-table.ts'
import { growU32, usedBytes } from '../route/columns.ts'
import { leadsTo } from './next-hop-hash.ts'

export class GroupBlocks {
  readonly #table: ByteTable
  /** By prefix; 0 for none. */
  #blocks: Uint32Array
  /** How many prefixes have a block. */
  size = 0

  constructor(table: ByteTable, capacity: number) {
    this.#table = table
    this.#blocks = new Uint32Array(capacity)
  }

  grow(capacity: number): void {
    this.#blocks = growU32(this.#blocks, capacity)
  }

  /** 0: nothing is advertised. */
  at(prefix: number): number {
    return this.#blocks[prefix] as number
  }

  /** Takes over a block that is retained, or 0. Returns the one before, which is released. */
  set(prefix: number, block: number): number {
    const before = this.#blocks[prefix] as number
    if (before !== 0) {
      this.#table.release(before)
      this.size--
    }
    this.#blocks[prefix] = block
    if (block !== 0) this.size++
    return before
  }

  /** The same for a neighbor: nothing where `leadsTo`. */
  forAddress(address: Uint8Array, prefix: number): number {
    const block = this.#blocks[prefix] as number
    return block !== 0 && leadsTo(this.#table, block, address) ? 0 : block
  }

  /** RFC 4271 §5.1.3: the next hop would be the address of the neighbor itself. */
  leadsTo(address: Uint8Array, prefix: number): boolean {
    return this.at(prefix) !== 0 && this.forAddress(address, prefix) === 0
  }

  /** For groups without members; whether there was a block. */
  drop(prefix: number): boolean {
    return this.set(prefix, 0) !== 0
  }

  memory(end: number): Octets {
    return usedBytes(end, this.#blocks)
  }
}
