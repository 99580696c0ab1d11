/**
 * Caches results for attribute blocks: (id, key) → id. It retains neither id: their serials tell whether they still mean the
 * same blocks. Only the last result of each id is kept.
 */
import type { Octets } from '../../base/units.ts'
import type { ByteTable } from './byte-table.ts'
import { grownSize, growU32, usedBytes } from './columns.ts'

export class IdCache {
  readonly #from: ByteTable
  readonly #to: ByteTable
  #fromSerial = new Uint32Array(0)
  #key = new Uint32Array(0)
  #result = new Uint32Array(0)
  #resultSerial = new Uint32Array(0)

  constructor(from: ByteTable, to: ByteTable) {
    this.#from = from
    this.#to = to
  }

  /** The cached result; `NO_ID`: it is known that there is none; 0: it must be computed. */
  get(id: number, key: number): number {
    if (id >= this.#key.length || this.#key[id] !== key || this.#fromSerial[id] !== this.#from.serial[id]) return 0
    const result = this.#result[id] as number
    if (result === NO_ID) return NO_ID
    return this.#to.refs[result] !== 0 && this.#to.serial[result] === this.#resultSerial[id] ? result : 0
  }

  set(id: number, key: number, result: number): void {
    if (id >= this.#key.length) {
      const size = grownSize(this.#key.length, this.#from.end)
      this.#fromSerial = growU32(this.#fromSerial, size)
      this.#key = growU32(this.#key, size)
      this.#result = growU32(this.#result, size)
      this.#resultSerial = growU32(this.#resultSerial, size)
    }
    this.#fromSerial[id] = this.#from.serial[id] as number
    this.#key[id] = key
    this.#result[id] = result
    this.#resultSerial[id] = result === NO_ID ? 0 : (this.#to.serial[result] as number)
  }

  memory(): Octets {
    return usedBytes(this.#from.end, this.#key) * 4
  }
}

export const NO_ID = 0xffffffff
