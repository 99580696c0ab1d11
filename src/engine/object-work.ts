/**
 * Changes of objects are handled in steps, a bounded amount of work in each turn. All waiting inputs are read
 * completely, then the intent is built, then neighbors and routes are changed: no decision is made on half an input.
 * Inputs that arrive meanwhile wait until all this is done.
 */
import type { Millis } from '../base/units.ts'
import type { Work } from '../base/work.ts'
import type { ObjectChange } from '../cluster/source.ts'

export interface ObjectInput {
  /** `synced`: every kind has been listed with these. */
  readonly kind: 'objects' | 'synced'
  readonly changes: readonly ObjectChange[]
  readonly at: Millis
}

/** Of the 5 ms that a turn may take, in about microseconds: the rest is for the routing tables. */
const SHARE = 1_500

export class ObjectWork {
  #waiting: ObjectInput[] = []
  #work: Work | undefined

  /** Some work can be done at once. */
  get isBusy(): boolean {
    return this.#work !== undefined || this.#waiting.length > 0
  }

  add(input: ObjectInput): void {
    this.#waiting.push(input)
  }

  /** `carryOut`: makes the work of all inputs that wait. */
  advance(carryOut: (inputs: readonly ObjectInput[]) => Work): void {
    for (let cost = 0; cost < SHARE && this.isBusy; ) {
      this.#work ??= carryOut(this.#takeWaiting())
      const step = this.#work.next()
      if (step.done === true) this.#work = undefined
      else cost += step.value
    }
  }

  /** Drops all work: its result is no longer needed. */
  drop(): void {
    this.#waiting = []
    this.#work = undefined
  }

  #takeWaiting(): readonly ObjectInput[] {
    const inputs = this.#waiting
    this.#waiting = []
    return inputs
  }
}
