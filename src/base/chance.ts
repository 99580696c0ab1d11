/**
 * Chance from a seed, so that a run can be repeated. All jitter in the engine comes from here.
 * The generator is mulberry32: one 32-bit word of state, good enough to spread timers.
 */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let word = this.#state
    word = Math.imul(word ^ (word >>> 15), word | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296
  }

  /** A length between three quarters and the whole of `value` (RFC 4271 §10). */
  jitter(value: number): number {
    return value * (0.75 + 0.25 * this.next())
  }
}
