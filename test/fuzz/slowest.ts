/**
 * The cases that take longest. A busy machine makes any case slow once: one counts as slow only if it is slow three times,
 * the second and third on its own. What it is reported with is a count of work (work.ts).
 */
const KEPT = 8

export class Slowest {
  readonly #again: (number: number) => void
  #cases: { readonly number: number; readonly millis: number }[] = []

  constructor(again: (number: number) => void) {
    this.#again = again
  }

  get numbers(): readonly number[] {
    return this.#cases.map(({ number }) => number)
  }

  note(number: number, took: number): void {
    let millis = took
    for (let turn = 0; turn < 2 && this.#isAmong(millis); turn++) millis = Math.min(millis, this.#time(number))
    if (!this.#isAmong(millis)) return
    this.#cases.push({ number, millis })
    this.#cases.sort((a, b) => b.millis - a.millis)
    this.#cases.length = Math.min(this.#cases.length, KEPT)
  }

  #isAmong(millis: number): boolean {
    return this.#cases.length < KEPT || millis > (this.#cases.at(-1)?.millis ?? 0)
  }

  #time(number: number): number {
    const begun = performance.now()
    this.#again(number)
    return performance.now() - begun
  }
}
