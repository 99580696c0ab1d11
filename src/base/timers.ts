import type { Millis } from './units.ts'

/**
 * Timers as data: a name and the time it is due. Nothing fires by itself; the owner asks `due(now)`.
 * `Name` is the union of timers the owner knows.
 */
export class Timers<Name extends string> {
  readonly #due = new Map<Name, Millis>()

  set(name: Name, at: Millis): void {
    this.#due.set(name, at)
  }

  clear(name: Name): void {
    this.#due.delete(name)
  }

  clearAll(): void {
    this.#due.clear()
  }

  at(name: Name): Millis | undefined {
    return this.#due.get(name)
  }

  /** The earliest time at which something is due. */
  deadline(): Millis | undefined {
    let earliest: Millis | undefined
    for (const at of this.#due.values()) if (earliest === undefined || at < earliest) earliest = at
    return earliest
  }

  /** Removes a timer if it is due at `now`; true if it was. */
  take(name: Name, now: Millis): boolean {
    const at = this.#due.get(name)
    return at !== undefined && at <= now && this.#due.delete(name)
  }

  /** Takes out and returns the names due at `now`, earliest first. */
  due(now: Millis): Name[] {
    const names = [...this.#due].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1])
    for (const [name] of names) this.#due.delete(name)
    return names.map(([name]) => name)
  }
}

/** The earlier of two times, where either may be missing. */
export function earlier(a: Millis | undefined, b: Millis | undefined): Millis | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  return Math.min(a, b)
}
