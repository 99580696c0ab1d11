/**
 * Finds sessions that lead to the same router, and the families that each leaves to the others. Owns `leftFamilies` of every
 * neighbor with a running session. Out: the neighbors whose left families have changed.
 */
import type { Family } from '../base/family.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import {
  FED_AFTER,
  type Fed,
  isSettled,
  type Left,
  type LeftFamilies,
  leftBy,
  routerOf,
  sameLeft,
  type Twin,
} from './left-families.ts'
import type { Neighbor } from './neighbors.ts'

export interface Change {
  readonly neighbor: Neighbor
  readonly before: LeftFamilies
}

interface Running extends Twin {
  readonly neighbor: Neighbor
  readonly router: string
}

export class Twins {
  readonly #fed: Fed
  readonly #running = new Map<Neighbor, Running>()
  readonly #byRouter = new Map<string, Set<Running>>()
  /** A twin of theirs has not taken over yet. */
  readonly #unsettled = new Set<Running>()
  /** Neighbors that are away: routes are kept for them, and they left families to twins. */
  readonly #away = new Set<Neighbor>()

  constructor(fed: Fed) {
    this.#fed = fed
  }

  /**
   * Its session is up, and the RIB does not know it yet: `leftFamilies` is set for it, and `settle` decides about its twins.
   */
  add(neighbor: Neighbor, now: Millis): void {
    const { session } = neighbor.peer
    if (session === undefined) return
    const router = routerOf(session)
    const running = { neighbor, session, router, since: now }
    this.#away.delete(neighbor)
    this.#running.set(neighbor, running)
    const all = this.#byRouter.get(router) ?? new Set<Running>()
    this.#byRouter.set(router, all.add(running))
    this.#updateOne(running, now)
    for (const twin of this.#beside(running)) this.#unsettled.add(twin)
  }

  /**
   * Its session is down, and the RIB still has its routes. Of the families for which they are kept it leaves the same to twins as
   * before: those have newer routes.
   */
  remove(neighbor: Neighbor, kept: readonly Family[], now: Millis): Change[] {
    const running = this.#running.get(neighbor)
    if (kept.length === 0) neighbor.leftFamilies = {}
    if (isNone(neighbor.leftFamilies)) this.#away.delete(neighbor)
    else this.#away.add(neighbor)
    const back = this.#takeBack(neighbor, kept)
    if (running === undefined) return back
    this.#running.delete(neighbor)
    this.#unsettled.delete(running)
    const all = this.#byRouter.get(running.router)
    all?.delete(running)
    if (all?.size === 0) this.#byRouter.delete(running.router)
    return [...back, ...this.#updateBeside(running, now)]
  }

  /** No object defines it any more. */
  forget(neighbor: Neighbor): void {
    this.#away.delete(neighbor)
  }

  /** What neighbors that are away had left to this one is used again, unless its own routes are kept. */
  #takeBack({ name }: Neighbor, kept: readonly Family[]): Change[] {
    const changes: Change[] = []
    for (const neighbor of this.#away) {
      const before = neighbor.leftFamilies
      const isLeft = ([family, { to }]: [string, Left]) => to !== name || kept.includes(family as Family)
      const left: LeftFamilies = Object.fromEntries(Object.entries(before).filter(isLeft))
      if (sameLeft(before, left)) continue
      neighbor.leftFamilies = left
      if (isNone(left)) this.#away.delete(neighbor)
      changes.push({ neighbor, before })
    }
    return changes
  }

  /** Its intent or its next hops have changed. It is decided as well, and is not returned. */
  update(neighbor: Neighbor, now: Millis): Change[] {
    const running = this.#running.get(neighbor)
    if (running === undefined) return []
    this.#updateOne(running, now)
    return this.#updateBeside(running, now)
  }

  /** Changes for sessions whose twin has taken over in the meantime. */
  settle(now: Millis): Change[] {
    return this.#unsettled.size === 0
      ? []
      : [...this.#unsettled].flatMap((running) => this.#updateOne(running, now) ?? [])
  }

  /** When a twin counts as complete although it sent no End-of-RIB. */
  deadline(now: Millis): Millis | undefined {
    let first: Millis | undefined
    for (const running of this.#unsettled) {
      for (const { since } of this.#beside(running)) {
        if (since + FED_AFTER > now) first = earlier(first, since + FED_AFTER)
      }
    }
    return first
  }

  #beside({ neighbor, router }: Running): Running[] {
    const all = [...(this.#byRouter.get(router) ?? [])]
    return all.filter((other) => other.neighbor !== neighbor).sort(byName)
  }

  #updateBeside(running: Running, now: Millis): Change[] {
    return this.#beside(running).flatMap((other) => this.#updateOne(other, now) ?? [])
  }

  #updateOne(running: Running, now: Millis): Change | undefined {
    const { neighbor } = running
    const before = neighbor.leftFamilies
    const left = leftBy(running, this.#beside(running), this.#fed, now)
    if (isSettled(left)) this.#unsettled.delete(running)
    else this.#unsettled.add(running)
    if (sameLeft(before, left)) return undefined
    neighbor.leftFamilies = left
    return { neighbor, before }
  }
}

const isNone = (left: LeftFamilies): boolean => Object.keys(left).length === 0

const byName = (a: Running, b: Running): number => (a.neighbor.name < b.neighbor.name ? -1 : 1)
