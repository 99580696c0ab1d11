/**
 * When packets to advertised services are planned against loops (`dataplane/service-loops.ts`), and how much of a plan is
 * made in a turn. In: originated routes, the intent, the routes of the kernel. Out: rules for nft.
 */
import type { Prefix } from '../base/prefix.ts'
import type { Millis } from '../base/units.ts'
import { proceed, type Work } from '../base/work.ts'
import type { DataplaneIntent, RouteIntent } from '../cluster/intent.ts'
import type { RouteKeeper } from '../dataplane/route-keeper.ts'
import { type LoopPlan, ServiceLoops } from '../dataplane/service-loops.ts'
import type { KernelNft } from './kernel-nft.ts'

/** The least time between two plans. */
const PAUSE: Millis = 100
/** Budget for a plan in one turn, in approximate microseconds. */
const SHARE = 1_000

export class KernelLoops {
  readonly #routes: RouteKeeper
  readonly #nft: KernelNft
  readonly #loops: ServiceLoops
  #hasIntent = false
  /** When the next plan is made; undefined: nothing has changed. */
  #planAt: Millis | undefined
  /** Not before this time. */
  #planFrom: Millis = 0
  /** The plan that is being made. */
  #plan: Work<LoopPlan> | undefined

  constructor(routes: RouteKeeper, nft: KernelNft) {
    this.#routes = routes
    this.#nft = nft
    this.#loops = new ServiceLoops(routes.kernel)
  }

  setIntent(intent: DataplaneIntent): void {
    this.#hasIntent = true
    this.#loops.setIntent(intent)
  }

  /** Originated routes have changed. */
  change(announce: readonly RouteIntent[], withdraw: readonly Prefix[]): void {
    this.#loops.change(announce, withdraw)
  }

  deadline(now: Millis): Millis | undefined {
    return this.#loops.isDeciding && this.#canPlan ? now : this.#planAt
  }

  /** What becomes of packets to advertised services can be decided. */
  get #canPlan(): boolean {
    return this.#routes.isKnown && this.#hasIntent
  }

  /**
   * Before the kernel is known, its routes are unknown too. A plan visits every advertised address: it has turns of
   * its own after the one that sent the UPDATEs, and comes no more often than it would be written. True: there is a new
   * one.
   */
  advance(isRibBusy: boolean, now: Millis): boolean {
    // Without ranges this only takes the changed prefixes from the keeper, which must not gather there.
    if (this.#routes.isKnown) this.#loops.followRoutes()
    if (!this.#canPlan) return false
    const isOwnTurn = this.#planAt !== undefined && this.#planAt <= now
    this.#planAt ??= this.#loops.hasChanged ? Math.max(now, this.#planFrom, this.#nft.takesLoopsFrom) : undefined
    if (!isOwnTurn || isRibBusy || this.#loops.isDeciding) return false
    this.#plan ??= this.#loops.takePlan()
    const done = proceed(this.#plan, SHARE)
    if (done === undefined) return false
    this.#plan = undefined
    this.#planAt = undefined
    this.#planFrom = now + PAUSE
    this.#nft.setLoops(done.result, now)
    return true
  }
}
