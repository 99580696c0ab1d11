/**
 * Finds sessions that lead to the same router, and the families that each leaves to the others. Owns `leftFamilies` of every
 * neighbor with a running session. Out: the neighbors whose left families have changed.
 */
import type { Family } from '../base/family.ts'
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

export interface LeftChange {
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
  readonly #byName = new Map<string, Running>()
  readonly #byRouter = new Map<string, Set<Running>>()
  /** A twin of theirs has not taken over yet. */
  readonly #unsettled = new Set<Running>()
  /** Sessions that count as complete only when they have sent End-of-RIB, the oldest first. */
  readonly #young = new Set<Running>()
  /** Neighbors that are away while routes are kept for them, by the name of each twin that they left a family to. */
  readonly #away = new Map<string, Set<Neighbor>>()

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
    this.#forgetAway(neighbor)
    this.#running.set(neighbor, running)
    this.#byName.set(neighbor.name, running)
    this.#young.add(running)
    const all = this.#byRouter.get(router) ?? new Set<Running>()
    this.#byRouter.set(router, all.add(running))
    this.#updateOne(running, now)
    for (const twin of this.#beside(running)) this.#unsettled.add(twin)
  }

  /**
   * Its session is down, and the RIB still has its routes. Of the families for which they are kept it leaves the same to twins
   * as before: those have newer routes.
   */
  remove(neighbor: Neighbor, kept: readonly Family[], now: Millis): LeftChange[] {
    const running = this.#running.get(neighbor)
    this.#forgetAway(neighbor)
    if (kept.length === 0) neighbor.leftFamilies = {}
    this.#noteAway(neighbor)
    const back = this.#takeBack(neighbor, kept)
    if (running === undefined) return back
    this.#running.delete(neighbor)
    this.#byName.delete(neighbor.name)
    this.#unsettled.delete(running)
    this.#young.delete(running)
    const all = this.#byRouter.get(running.router)
    all?.delete(running)
    if (all?.size === 0) this.#byRouter.delete(running.router)
    return [...back, ...this.#updateBeside(running, now)]
  }

  /** No object defines it any more. */
  forget(neighbor: Neighbor): void {
    this.#forgetAway(neighbor)
  }

  /** It was called `from`. Returns the neighbors that are away and have left a family to it, which they do by name. */
  rename(neighbor: Neighbor, from: string): readonly Neighbor[] {
    const running = this.#byName.get(from)
    if (running?.neighbor === neighbor) {
      this.#byName.delete(from)
      this.#byName.set(neighbor.name, running)
    }
    const away = this.#away.get(from)
    if (away === undefined) return []
    this.#away.delete(from)
    this.#away.set(neighbor.name, away)
    for (const one of away) {
      const left = Object.entries(one.leftFamilies).map(([family, to]) => [
        family,
        to.to === from ? { ...to, to: neighbor.name } : to,
      ])
      one.leftFamilies = Object.fromEntries(left)
    }
    return [...away]
  }

  #noteAway(neighbor: Neighbor): void {
    for (const { to } of Object.values(neighbor.leftFamilies)) {
      const all = this.#away.get(to) ?? new Set<Neighbor>()
      this.#away.set(to, all.add(neighbor))
    }
  }

  #forgetAway(neighbor: Neighbor): void {
    for (const { to } of Object.values(neighbor.leftFamilies)) {
      const all = this.#away.get(to)
      all?.delete(neighbor)
      if (all?.size === 0) this.#away.delete(to)
    }
  }

  /** What neighbors that are away had left to this one is used again, unless its own routes are kept. */
  #takeBack({ name }: Neighbor, kept: readonly Family[]): LeftChange[] {
    const changes: LeftChange[] = []
    for (const neighbor of [...(this.#away.get(name) ?? [])]) {
      const before = neighbor.leftFamilies
      const isLeft = ([family, { to }]: [string, Left]) => to !== name || kept.includes(family as Family)
      const left: LeftFamilies = Object.fromEntries(Object.entries(before).filter(isLeft))
      if (sameLeft(before, left)) continue
      this.#forgetAway(neighbor)
      neighbor.leftFamilies = left
      this.#noteAway(neighbor)
      changes.push({ neighbor, before })
    }
    return changes
  }

  /** Its intent or its next hops have changed. It is decided as well, and is not returned. */
  update(neighbor: Neighbor, now: Millis): LeftChange[] {
    const running = this.#running.get(neighbor)
    if (running === undefined) return []
    this.#updateOne(running, now)
    return this.#updateBeside(running, now)
  }

  /**
   * Changes for sessions whose twin has taken over in the meantime. `ended`: the neighbors that End-of-RIB was sent to or
   * received from since the last call.
   */
  settle(ended: Iterable<string>, now: Millis): LeftChange[] {
    const takers = [...ended].flatMap((name) => this.#byName.get(name) ?? [])
    for (const running of this.#young) {
      if (running.since + FED_AFTER > now) break
      this.#young.delete(running)
      takers.push(running)
    }
    const waiting = new Set(takers.flatMap((taker) => this.#beside(taker)).filter((one) => this.#unsettled.has(one)))
    return [...waiting].flatMap((running) => this.#updateOne(running, now) ?? [])
  }

  /** When a twin counts as complete although it sent no End-of-RIB. */
  deadline(): Millis | undefined {
    const [oldest] = this.#young
    return this.#unsettled.size === 0 || oldest === undefined ? undefined : oldest.since + FED_AFTER
  }

  #beside({ neighbor, router }: Running): Running[] {
    const all = [...(this.#byRouter.get(router) ?? [])]
    return all.filter((other) => other.neighbor !== neighbor).sort(byName)
  }

  #updateBeside(running: Running, now: Millis): LeftChange[] {
    return this.#beside(running).flatMap((other) => this.#updateOne(other, now) ?? [])
  }

  #updateOne(running: Running, now: Millis): LeftChange | undefined {
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

const byName = (a: Running, b: Running): number => (a.neighbor.name < b.neighbor.name ? -1 : 1)
