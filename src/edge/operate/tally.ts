/**
 * Counts by labels, of which the first is a peer. Kept outside of prom-client, so that the counts of a removed peer can
 * be removed.
 */
import type { Counter } from 'prom-client'

/**
 * Each caller from a range is a peer with a name of its own, and a scrape may never come: beyond this the oldest is
 * removed.
 */
const MOST_ROWS = 16_384
/** Counts that are shown before other work has its turn. */
const AT_ONCE = 512

export class Tally {
  readonly #names: readonly string[]
  readonly #counts = new Map<string, { readonly values: readonly string[]; count: number }>()

  constructor(names: readonly string[]) {
    this.#names = names
  }

  add(values: readonly string[]): void {
    const key = values.join('\0')
    const row = this.#counts.get(key)
    if (row !== undefined) {
      row.count++
      return
    }
    this.#counts.set(key, { values, count: 1 })
    const [oldest] = this.#counts.size > MOST_ROWS ? this.#counts.keys() : []
    if (oldest !== undefined) this.#counts.delete(oldest)
  }

  /**
   * Adds all counts to an emptied counter, and removes peers that are not among `peers`, which maps each to its label.
   * Yields after some of them, when other work has its turn.
   */
  *show(counter: Counter, peers: ReadonlyMap<string, string>): Iterable<void> {
    let shown = 0
    for (const [key, { values, count }] of this.#counts) {
      const [name = '', ...rest] = values
      const peer = peers.get(name)
      if (peer === undefined) this.#counts.delete(key)
      else counter.inc(this.#labels([peer, ...rest]), count)
      if (++shown % AT_ONCE === 0) yield
    }
  }

  #labels(values: readonly string[]): Record<string, string> {
    return Object.fromEntries(this.#names.map((name, index) => [name, values[index] ?? '']))
  }
}
