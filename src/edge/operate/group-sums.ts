/**
 * Counters that are summed over members that come and go. If a sum fell, Prometheus would take it for a restart, and all of it
 * for growth: so what a member had counted stays in the sum when the member is gone, or begins again at 0. What it counts
 * after it was seen last is lost. A group without members is forgotten.
 */
type Counts = readonly number[]

interface Member {
  readonly group: string
  readonly counts: Counts
}

export class GroupSums {
  /** As they were seen in the last round. */
  #before = new Map<unknown, Member>()
  #now = new Map<unknown, Member>()
  readonly #past = new Map<string, Counts>()

  see(member: unknown, group: string, counts: Counts): void {
    this.#now.set(member, { group, counts })
  }

  /** By group: what removed members had counted, which is to be added to the counts of those seen in this round. */
  endRound(): ReadonlyMap<string, Counts> {
    for (const [member, { group, counts }] of this.#before) {
      const now = this.#now.get(member)
      const goesOn = now?.group === group && counts.every((count, index) => count <= (now.counts[index] ?? 0))
      if (!goesOn) this.#keep(group, counts)
    }
    const groups = new Set([...this.#now.values()].map(({ group }) => group))
    for (const group of this.#past.keys()) if (!groups.has(group)) this.#past.delete(group)
    this.#before = this.#now
    this.#now = new Map()
    return this.#past
  }

  #keep(group: string, counts: Counts): void {
    const past = this.#past.get(group)
    this.#past.set(
      group,
      counts.map((count, index) => count + (past?.[index] ?? 0)),
    )
  }
}
