/**
 * Who is due next, among many: a binary heap by time. An owner's time may change with every event, and mostly to a later
 * one: then its entry stays where it is, and moves when it comes to the top.
 */
import type { Millis } from './units.ts'

interface Entry<Owner> {
  readonly at: Millis
  readonly owner: Owner
}

/**
 * An earlier time, or none, leaves the old entry behind until it comes to the top. Owners that are set and cleared a thousand
 * times a second must not fill memory with those.
 */
const MOST_ENTRIES_PER_OWNER = 2
const ALWAYS_ALLOWED = 64

export class Deadlines<Owner> {
  #heap: Entry<Owner>[] = []
  readonly #due = new Map<Owner, Millis>()
  /** The entry of each owner that counts, at its time or an earlier one; others are left over. */
  readonly #entries = new Map<Owner, Entry<Owner>>()

  /** `at` undefined: the owner is no longer due at any time. */
  set(owner: Owner, at: Millis | undefined): void {
    if (at === undefined) {
      this.#due.delete(owner)
      this.#entries.delete(owner)
      return
    }
    this.#due.set(owner, at)
    const entry = this.#entries.get(owner)
    if (entry === undefined || at < entry.at) this.#push(owner, at)
  }

  /** The earliest time. */
  first(): Millis | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      const counts = this.#entries.get(top.owner) === top
      const due = counts ? this.#due.get(top.owner) : undefined
      if (due === top.at) return due
      this.#pop()
      if (due !== undefined) this.#push(top.owner, due)
    }
    return undefined
  }

  /** Entries, with those that are left over. */
  get size(): number {
    return this.#heap.length
  }

  /** Takes out those due at `now`, the earliest first and at most `most`. Each sets its next time with `set`. */
  take(now: Millis, most = Number.POSITIVE_INFINITY): Owner[] {
    const owners: Owner[] = []
    for (let at = this.first(); at !== undefined && at <= now && owners.length < most; at = this.first()) {
      const { owner } = this.#heap[0] as Entry<Owner>
      owners.push(owner)
      this.#pop()
      this.set(owner, undefined)
    }
    return owners
  }

  #push(owner: Owner, at: Millis): void {
    if (this.#heap.length > ALWAYS_ALLOWED + MOST_ENTRIES_PER_OWNER * this.#entries.size) this.#dropLeftOver()
    const heap = this.#heap
    const entry = { at, owner }
    this.#entries.set(owner, entry)
    let place = heap.length
    for (
      let parent = (place - 1) >> 1;
      place > 0 && at < (heap[parent] as Entry<Owner>).at;
      parent = (place - 1) >> 1
    ) {
      heap[place] = heap[parent] as Entry<Owner>
      place = parent
    }
    heap[place] = entry
  }

  /** What is in order by time is a heap. */
  #dropLeftOver(): void {
    this.#heap = [...this.#entries.values()].sort((a, b) => a.at - b.at)
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let place = 0
    for (let child = 1; child < heap.length; child = 2 * place + 1) {
      const right = heap[child + 1]
      if (right !== undefined && right.at < (heap[child] as Entry<Owner>).at) child++
      if (last.at <= (heap[child] as Entry<Owner>).at) break
      heap[place] = heap[child] as Entry<Owner>
      place = child
    }
    heap[place] = last
  }
}
