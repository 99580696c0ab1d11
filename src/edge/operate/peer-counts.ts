/**
 * The counts of one metric for each peer, by its other labels. They are kept outside of prom-client, so that those of a
 * removed peer can be removed. The counts of a removed member of a group stay in the sum of the group while it has members,
 * unless no scrape has seen the member.
 */
import type { Counter } from 'prom-client'

/**
 * The most counts that are kept for one metric: each caller from a range is a peer with a name of its own, and a scrape may
 * never come. Beyond this the counts of a peer are removed, of those that no scrape has seen first. A mesh of 5,000 nodes,
 * with all six states of each, has half of it.
 */
const MOST_COUNTS = 65_536
/** Counts that are written before other work has its turn. */
const AT_ONCE = 512

/** How a peer is shown: by its own name, or by that of the group that it belongs to. */
export interface PeerLabel {
  readonly label: string
  readonly group: string | undefined
}

/** The counts of one peer, by the values of the other labels. */
type Counts = Map<string, number>

const SEPARATOR = '\0'

export class PeerCounts {
  readonly #labelNames: readonly string[]
  /** Peers that existed at the last scrape; the one that was counted least recently comes first. */
  readonly #shown = new Map<string, Counts>()
  /** Peers first counted since the last scrape, in the same order. Their counts are removed first: nobody has seen them. */
  readonly #unshown = new Map<string, Counts>()
  /** By group: the sums of its removed members. */
  readonly #ofRemoved = new Map<string, Counts>()
  /** The labels of peers at the last scrape. */
  #labelsShown: ReadonlyMap<string, PeerLabel> = new Map()
  /** How many counts there are, without the sums of removed members. */
  #size = 0

  /** `labelNames`: that of the peer first, as in what `add` gets. */
  constructor(labelNames: readonly string[]) {
    this.#labelNames = labelNames
  }

  add([peer = '', ...values]: readonly string[]): void {
    const table = this.#shown.has(peer) ? this.#shown : this.#unshown
    const counts: Counts = table.get(peer) ?? new Map()
    table.delete(peer)
    table.set(peer, counts)
    const before = counts.size
    increase(counts, values.join(SEPARATOR), 1)
    this.#size += counts.size - before
    if (this.#size <= MOST_COUNTS) return
    const [oldest] = this.#unshown.size > 0 ? this.#unshown : this.#shown
    if (oldest !== undefined) this.#remove(...oldest)
  }

  #remove(peer: string, counts: Counts): void {
    const table = this.#shown.has(peer) ? this.#shown : this.#unshown
    // These counts were removed already; the peer may have been counted again since.
    if (table.get(peer) !== counts) return
    table.delete(peer)
    this.#size -= counts.size
    const group = this.#labelsShown.get(peer)?.group
    if (group === undefined) return
    const past: Counts = this.#ofRemoved.get(group) ?? new Map()
    this.#ofRemoved.set(group, past)
    for (const [key, count] of counts) increase(past, key, count)
  }

  /**
   * Adds all counts to an emptied counter, and removes the counts of peers that are not in `peers`. Yields after each
   * `AT_ONCE` of them, so that other work has its turn.
   */
  *writeTo(counter: Counter, peers: ReadonlyMap<string, PeerLabel>): Iterable<void> {
    for (const [peer, counts] of [...this.#unshown]) {
      if (!peers.has(peer)) continue
      this.#unshown.delete(peer)
      this.#shown.set(peer, counts)
    }
    let written = 0
    // A copy: a peer that is counted while this yields moves to the end of its table.
    for (const [peer, counts] of [...this.#shown, ...this.#unshown]) {
      const label = peers.get(peer)?.label
      if (label === undefined) this.#remove(peer, counts)
      else this.#writeCounts(counter, label, counts)
      written += counts.size
      if (written < AT_ONCE) continue
      written = 0
      yield
    }
    this.#labelsShown = peers
    this.#writeRemoved(counter, peers)
  }

  /**
   * Adds the counts of removed members to the sum of their group, and forgets those of a group without members. Where members
   * are shown by their own names, there is no sum.
   */
  #writeRemoved(counter: Counter, peers: ReadonlyMap<string, PeerLabel>): void {
    const labels = new Map([...peers.values()].map(({ label, group }) => [group, label]))
    for (const [group, counts] of this.#ofRemoved) {
      const label = labels.get(group)
      if (label === undefined) this.#ofRemoved.delete(group)
      else if (label === group) this.#writeCounts(counter, group, counts)
    }
  }

  #writeCounts(counter: Counter, peer: string, counts: Counts): void {
    for (const [key, count] of counts) {
      const values = [peer, ...(key === '' ? [] : key.split(SEPARATOR))]
      counter.inc(Object.fromEntries(this.#labelNames.map((name, index) => [name, values[index] ?? ''])), count)
    }
  }
}

function increase(counts: Counts, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by)
}
