/** The problems of objects, of objects that are defined twice, and of the source itself, as one sorted list. */
import type { Problem } from './intent.ts'
import { same } from './same.ts'
import type { Kind } from './source.ts'

export class StoreProblems {
  /** By object name. */
  readonly #ofObjects = new Map<string, readonly Problem[]>()
  readonly #duplicates = new Map<Kind, readonly Problem[]>()
  /** By place in the source. */
  readonly #ofSource = new Map<string, Problem>()
  #all: readonly Problem[] | undefined
  /** Increases with every change. */
  revision = 0

  /** Sorted by object and field; the same list until one changes. */
  all(): readonly Problem[] {
    this.#all ??= [
      ...this.#ofSource.values(),
      ...[...this.#ofObjects.values()].flat(),
      ...[...this.#duplicates.values()].flat(),
    ].sort(compareProblems)
    return this.#all
  }

  /** Problems of the source itself, sorted. */
  ofSource(): readonly Problem[] {
    return [...this.#ofSource.values()].sort(compareProblems)
  }

  /** All problems of an object; it has no others. */
  set(object: string, problems: readonly Problem[]): void {
    if (same(this.#ofObjects.get(object) ?? [], problems)) return
    if (problems.length === 0) this.#ofObjects.delete(object)
    else this.#ofObjects.set(object, problems)
    this.#noteChange()
  }

  setDuplicates(kind: Kind, problems: readonly Problem[]): void {
    if (same(this.#duplicates.get(kind) ?? [], problems)) return
    this.#duplicates.set(kind, problems)
    this.#noteChange()
  }

  /** Undefined: that place can be read. */
  setSource(at: string, problem: Problem | undefined): void {
    if (same(this.#ofSource.get(at), problem)) return
    if (problem === undefined) this.#ofSource.delete(at)
    else this.#ofSource.set(at, problem)
    this.#noteChange()
  }

  #noteChange(): void {
    this.#all = undefined
    this.revision++
  }
}

export function compareProblems(a: Problem, b: Problem): number {
  return compareText(a.object, b.object) || compareText(a.field, b.field) || compareText(a.text, b.text)
}

const compareText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)
