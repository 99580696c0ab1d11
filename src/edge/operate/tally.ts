/**
 * Counts by labels, of which the first is a peer. Kept outside of prom-client, so that the counts of a removed peer can
 * be removed. Those of a removed member of a group stay in the sum of the group while it has members.
 */
import type { Counter } from 'prom-client'

/**
 * Each caller from a range is a peer with a name of its own, and a scrape may never come: beyond this a peer is removed.
 * A mesh of 5,000 nodes, with all six states of each, has half of it.
 */
const MOST_ROWS = 65_536
/** Counts that are shown before other work has its turn. */
const AT_ONCE = 512

/** How a peer is shown: by its own name, or by that of the group that it belongs to. */
export interface PeerLabel {
  readonly label: string
  readonly group: string | undefined
}

/** By the other labels. */
type Rows = Map<string, number>

const SEPARATOR = '\0'

export class Tally {
  readonly #names: readonly string[]
  /** Those that were there at the last scrape. That which was counted least recently comes first. */
  readonly #peers = new Map<string, Rows>()
  /** Those that no scrape has seen, in the same order: they are removed first. */
  readonly #unseen = new Map<string, Rows>()
  /** Of the removed members of a group. */
  readonly #past = new Map<string, Rows>()
  /** At the last scrape. */
  #known: ReadonlyMap<string, PeerLabel> = new Map()
  #size = 0

  constructor(names: readonly string[]) {
    this.#names = names
  }

  add([peer = '', ...values]: readonly string[]): void {
    const among = this.#peers.has(peer) ? this.#peers : this.#unseen
    const rows: Rows = among.get(peer) ?? new Map()
    among.delete(peer)
    among.set(peer, rows)
    const before = rows.size
    increase(rows, values.join(SEPARATOR), 1)
    this.#size += rows.size - before
    if (this.#size <= MOST_ROWS) return
    const [oldest] = this.#unseen.size > 0 ? this.#unseen : this.#peers
    if (oldest !== undefined) this.#remove(...oldest)
  }

  #remove(peer: string, rows: Rows): void {
    const among = this.#peers.has(peer) ? this.#peers : this.#unseen
    // It was removed already, and perhaps counted anew.
    if (among.get(peer) !== rows) return
    among.delete(peer)
    this.#size -= rows.size
    const group = this.#known.get(peer)?.group
    if (group === undefined) return
    const past: Rows = this.#past.get(group) ?? new Map()
    this.#past.set(group, past)
    for (const [key, count] of rows) increase(past, key, count)
  }

  /**
   * Adds all counts to an emptied counter, and removes peers that are not among `peers`. Yields after some of them, when
   * other work has its turn.
   */
  *show(counter: Counter, peers: ReadonlyMap<string, PeerLabel>): Iterable<void> {
    for (const [peer, rows] of [...this.#unseen]) {
      if (!peers.has(peer)) continue
      this.#unseen.delete(peer)
      this.#peers.set(peer, rows)
    }
    let shown = 0
    // A peer that is counted meanwhile moves to the end.
    for (const [peer, rows] of [...this.#peers, ...this.#unseen]) {
      const label = peers.get(peer)?.label
      if (label === undefined) this.#remove(peer, rows)
      else this.#showRows(counter, label, rows)
      shown += rows.size
      if (shown < AT_ONCE) continue
      shown = 0
      yield
    }
    this.#known = peers
    const labels = new Map([...peers.values()].map(({ label, group }) => [group, label]))
    for (const [group, rows] of this.#past) {
      const label = labels.get(group)
      if (label === undefined) this.#past.delete(group)
      else if (label === group) this.#showRows(counter, group, rows)
    }
  }

  #showRows(counter: Counter, peer: string, rows: Rows): void {
    for (const [key, count] of rows) {
      const values = [peer, ...(key === '' ? [] : key.split(SEPARATOR))]
      counter.inc(Object.fromEntries(this.#names.map((name, index) => [name, values[index] ?? ''])), count)
    }
  }
}

function increase(rows: Rows, key: string, by: number): void {
  rows.set(key, (rows.get(key) ?? 0) + by)
}
