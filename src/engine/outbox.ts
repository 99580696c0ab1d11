import type { Effect } from './effect.ts'
import type { LogLine } from './log-line.ts'

/** Gathers the effects of one turn in the order they were asked for. */
export class Outbox {
  #effects: Effect[] = []

  push(effect: Effect): void {
    this.#effects.push(effect)
  }

  /** Before all that was asked for in this turn. */
  first(effect: Effect): void {
    this.#effects.unshift(effect)
  }

  log(line: LogLine): void {
    this.#effects.push({ kind: 'log', line })
  }

  /** What was asked for in this turn so far. */
  get effects(): readonly Effect[] {
    return this.#effects
  }

  take(): readonly Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}
