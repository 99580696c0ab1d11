// When an attack has moved a good neighbor's changes too far.

/**
 * Milliseconds. p99 of a quiet second is a few of them and differs by as much from one to the next, by what else the machine does:
 * twice that judges the machine. So no attack is a miss below what the changes of others may take beside a flood.
 */
export const FLOOR = 15

/** p99 before the attack, and during it. */
export interface Delay {
  readonly idle: number
  readonly during: number
}

export const isMissed = ({ idle, during }: Delay): boolean => !(during <= Math.max(FLOOR, 2 * idle))
