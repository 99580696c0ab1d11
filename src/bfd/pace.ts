/** How many packets a second all sessions together may exchange, and what that means for their intervals. */
import type { Micros } from '../base/units.ts'
import type { BfdIntent } from './types.ts'

/** Packets a second in each direction. To send one and to receive one takes about 20 µs of a small core together. */
export const MOST_PACKETS = 10_000
const SECOND: Micros = 1_000_000
/** Intervals rise in whole milliseconds. */
const STEP: Micros = 1_000

/**
 * With no interval shorter than this the sessions stay within `MOST_PACKETS`: it depends on their number alone. 0: they do as
 * configured.
 */
export function leastInterval(sessions: Iterable<BfdIntent>): Micros {
  let count = 0
  let rate = 0
  for (const { transmit, receive } of sessions) {
    count++
    rate += SECOND / Math.min(transmit, receive)
  }
  return rate <= MOST_PACKETS ? 0 : Math.ceil((count * SECOND) / MOST_PACKETS / STEP) * STEP
}
