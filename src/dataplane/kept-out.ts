/**
 * Wanted routes that are not in the kernel, with the reason. They are grouped by reason as they are added and removed: there
 * may be a full table of them, and the first of each group is found without looking at the others.
 */

import type { Prefix } from '../base/prefix.ts'
import { SplitMap } from '../base/split-map.ts'
import type { Conflict } from './fib.ts'
import { describeRoute } from './kernel.ts'

/** Why a wanted route is not in the kernel. */
export type KeptOut =
  | { readonly kind: 'unresolved'; readonly prefix: Prefix; readonly reason: string }
  | { readonly kind: 'conflict'; readonly prefix: Prefix; readonly conflict: Conflict }
  | { readonly kind: 'failed'; readonly prefix: Prefix; readonly reason: string }
  | { readonly kind: 'contested'; readonly prefix: Prefix; readonly reason: string }
  /** The route of an earlier run is there until all neighbors have sent their routes. */
  | { readonly kind: 'adopted'; readonly prefix: Prefix; readonly reason: string }
  /** Felix must write the route, and has not written it. */
  | { readonly kind: 'left'; readonly prefix: Prefix; readonly reason: string }

/** As text, for `show explain`. */
export function describeKeptOut(kept: KeptOut): string {
  if (kept.kind !== 'conflict') return kept.reason
  return `the table has ${describeRoute(kept.conflict.other)}, which stays`
}

type Kind = KeptOut['kind']
type OfKind<Of extends Kind> = Extract<KeptOut, { readonly kind: Of }>

/** No other program has a route for exactly this prefix. */
const WITHOUT_CONFLICT = ['unresolved', 'failed', 'contested', 'adopted', 'left'] as const

/** Routes that are kept out for one reason. */
export interface ReasonGroup<Of extends Kind> {
  readonly first: OfKind<Of>
  readonly count: number
}

export class KeptOutRoutes {
  readonly #byPrefix = new SplitMap<KeptOut>()
  readonly #groups: Readonly<Record<Kind, SplitMap<SplitMap<KeptOut>>>> = {
    unresolved: new SplitMap(),
    conflict: new SplitMap(),
    failed: new SplitMap(),
    contested: new SplitMap(),
    adopted: new SplitMap(),
    left: new SplitMap(),
  }

  /** By text: the prefixes that `set` or `delete` concerned since `takeTouched`. */
  readonly #touched = new SplitMap<Prefix>()
  #review: Iterator<Prefix> = [].values()
  #isReviewing = false
  /** Once more after the current review. */
  #isReviewDue = false

  get(prefix: string): KeptOut | undefined {
    return this.#byPrefix.get(prefix)
  }

  /** At most `most` of the prefixes that were set or deleted since the last call, or that `review` asked for. */
  takeTouched(most: number): readonly Prefix[] {
    const touched = this.#touched.take(most)
    while (touched.length < most && this.#isReviewing) {
      const next = this.#review.next()
      if (next.done !== true) touched.push(next.value)
      else {
        this.#isReviewing = this.#isReviewDue
        this.#startReview()
      }
    }
    return touched
  }

  get hasTouched(): boolean {
    return this.#touched.size > 0 || this.#isReviewing
  }

  /**
   * Links or routes of other programs have changed: all prefixes that have no such route of their own are taken again, as their
   * packets follow wider routes. One more call during a review means one more review, however many calls there are.
   */
  review(): void {
    if (WITHOUT_CONFLICT.every((kind) => this.#groups[kind].size === 0)) return
    this.#isReviewDue = true
    if (this.#isReviewing) return
    this.#isReviewing = true
    this.#startReview()
  }

  #startReview(): void {
    this.#isReviewDue = false
    this.#review = this.#withoutConflict()
  }

  *#withoutConflict(): Iterator<Prefix> {
    for (const kind of WITHOUT_CONFLICT)
      for (const group of this.#groups[kind].values()) for (const { prefix } of group.values()) yield prefix
  }

  set(kept: KeptOut): void {
    const { text } = kept.prefix
    this.#touched.set(text, kept.prefix)
    const before = this.#byPrefix.get(text)
    if (before !== undefined && (before.kind !== kept.kind || groupOf(before) !== groupOf(kept))) this.#leave(before)
    this.#byPrefix.set(text, kept)
    const groups = this.#groups[kept.kind]
    const group = groups.get(groupOf(kept))
    if (group === undefined) groups.set(groupOf(kept), new SplitMap<KeptOut>().set(text, kept))
    else group.set(text, kept)
  }

  delete(prefix: string): void {
    const kept = this.#byPrefix.get(prefix)
    if (kept === undefined) return
    this.#touched.set(prefix, kept.prefix)
    this.#byPrefix.delete(prefix)
    this.#leave(kept)
  }

  /** One group for each reason, at most `most`. */
  groups<Of extends Kind>(kind: Of, most: number): ReasonGroup<Of>[] {
    const found: ReasonGroup<Of>[] = []
    for (const group of this.#groups[kind].values()) {
      if (found.length === most) break
      for (const first of group.values()) {
        found.push({ first: first as OfKind<Of>, count: group.size })
        break
      }
    }
    return found
  }

  /** The first routes of a kind, at most `most`, and how many there are. */
  some<Of extends 'conflict' | 'contested'>(kind: Of, most: number): { first: OfKind<Of>[]; count: number } {
    const group = this.#groups[kind].get(kind === 'conflict' ? 'foreign' : '')
    const first: OfKind<Of>[] = []
    for (const kept of group?.values() ?? []) {
      if (first.length === most) break
      first.push(kept as OfKind<Of>)
    }
    return { first, count: group?.size ?? 0 }
  }

  #leave(kept: KeptOut): void {
    const groups = this.#groups[kept.kind]
    const group = groups.get(groupOf(kept))
    group?.delete(kept.prefix.text)
    if (group?.size === 0) groups.delete(groupOf(kept))
  }
}

/** The reason of a contested route contains its count of deletions, so all contested routes are one group. */
function groupOf(kept: KeptOut): string {
  if (kept.kind === 'conflict') return kept.conflict.kind
  return kept.kind === 'contested' ? '' : kept.reason
}
