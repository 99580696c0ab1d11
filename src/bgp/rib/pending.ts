/**
 * Prefixes whose UPDATE is still to be sent. Those that will be sent with the same block of attributes are in one bucket,
 * so that they share messages; the number of the bucket is that of the block. Bucket 0 has the withdrawals and goes first.
 * A prefix is in at most one bucket: a newer change moves it. So what waits is bounded by the table, and a superseded
 * change is never sent.
 *
 * Buckets are doubly linked lists in columns by prefix. For the first prefix of a list, `#before` has its bucket with the
 * bit `IS_BUCKET` in place of a previous prefix. A pending prefix is retained, so that its number is not used for another.
 */
import type { Octets } from '../../base/units.ts'
import { grownSize, growU32, usedBytes } from '../route/columns.ts'
import type { PrefixTable } from './prefix-table.ts'

export const WITHDRAW = 0

export class Pending {
  size = 0
  readonly #prefixes: PrefixTable
  #next = new Uint32Array(0)
  #before = new Uint32Array(0)
  #head = new Uint32Array(0)
  /** The queue of buckets as a linked list; 0: not in the queue; `LAST`: its end. */
  #nextBucket = new Uint32Array(0)
  #firstBucket = LAST
  #lastBucket = LAST

  /** Takes no memory while empty: most neighbors never have a pending set of their own in use. */
  constructor(prefixes: PrefixTable) {
    this.#prefixes = prefixes
  }

  grow(capacity: number): void {
    if (this.#before.length > 0) this.#growColumns(capacity)
  }

  #growColumns(capacity: number): void {
    this.#next = growU32(this.#next, capacity)
    this.#before = growU32(this.#before, capacity)
  }

  has(prefix: number): boolean {
    return (this.#before[prefix] ?? 0) !== 0
  }

  put(prefix: number, bucket: number): void {
    if (bucket >= this.#head.length) this.#growBuckets(bucket)
    if (this.#before[prefix] === 0) {
      this.#prefixes.retain(prefix)
      this.size++
    } else this.#unlink(prefix)
    const first = this.#head[bucket] as number
    this.#next[prefix] = first
    this.#before[prefix] = (IS_BUCKET | bucket) >>> 0
    if (first !== 0) this.#before[first] = prefix
    this.#head[bucket] = prefix
    if (bucket !== WITHDRAW && this.#nextBucket[bucket] === 0) this.#enqueue(bucket)
  }

  remove(prefix: number): void {
    if (!this.has(prefix)) return
    this.take(prefix)
    this.#prefixes.release(prefix)
  }

  /** Removes a prefix; the caller must release it. */
  take(prefix: number): void {
    this.#unlink(prefix)
    this.#before[prefix] = 0
    this.size--
  }

  /** The bucket to send from now; dequeues those that are empty before it. The set must not be empty. */
  firstBucket(): number {
    if (this.#head[WITHDRAW] !== 0) return WITHDRAW
    while (this.#head[this.#firstBucket] === 0) {
      const empty = this.#firstBucket
      this.#firstBucket = this.#nextBucket[empty] as number
      this.#nextBucket[empty] = 0
    }
    return this.#firstBucket
  }

  /** The first prefix of a bucket, 0 when it is empty. */
  head(bucket: number): number {
    return this.#head[bucket] as number
  }

  /** Visits all prefixes, in no order. None may be removed meanwhile. */
  visit(visitor: (prefix: number) => void): void {
    if (this.size === 0) return
    for (let prefix = 1; prefix < this.#prefixes.end; prefix++) if (this.#before[prefix] !== 0) visitor(prefix)
  }

  /** In octets. */
  memory(): Octets {
    // There are at most as many buckets as prefixes.
    return usedBytes(this.#prefixes.end, this.#next, this.#before, this.#head, this.#nextBucket)
  }

  #unlink(prefix: number): void {
    const before = this.#before[prefix] as number
    const next = this.#next[prefix] as number
    if (before >= IS_BUCKET) this.#head[before - IS_BUCKET] = next
    else this.#next[before] = next
    if (next !== 0) this.#before[next] = before
  }

  #enqueue(bucket: number): void {
    this.#nextBucket[bucket] = LAST
    if (this.#firstBucket === LAST) this.#firstBucket = bucket
    else this.#nextBucket[this.#lastBucket] = bucket
    this.#lastBucket = bucket
  }

  /** Grows the columns by bucket; the first time also those by prefix. */
  #growBuckets(bucket: number): void {
    if (this.#before.length === 0) this.#growColumns(this.#prefixes.capacity)
    const size = grownSize(this.#head.length, bucket + 1)
    this.#head = growU32(this.#head, size)
    this.#nextBucket = growU32(this.#nextBucket, size)
  }
}

const IS_BUCKET = 0x80000000
const LAST = 0xffffffff
