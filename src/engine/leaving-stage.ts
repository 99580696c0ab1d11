/**
 * How far this node has left. `here`: not at all; `drained`: neighbors are asked to prefer other paths; `withdrawn`: no
 * route is advertised any more; `gone`: sessions have ended.
 */
export type Stage = 'here' | 'drained' | 'withdrawn' | 'gone'

/** Why a session ended, or does not start. */
export const whyLeft = (reason: string): string => `left: ${reason}`
