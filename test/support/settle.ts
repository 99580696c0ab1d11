import type { RouteKeeper } from '../../src/dataplane/route-keeper.ts'

/** All that follows from changes of the kernel, which the engine does in parts. */
export function settle(keeper: RouteKeeper): RouteKeeper {
  while (keeper.wanted.hasTouched) {
    keeper.wanted.advance()
    keeper.wanted.takeTouched()
  }
  return keeper
}

/** The same, and the kernel has taken all that is to be written. */
export function written(keeper: RouteKeeper): RouteKeeper {
  settle(keeper)
  while (keeper.isBusy) keeper.applied(keeper.take(1_000), [], 0)
  return keeper
}
