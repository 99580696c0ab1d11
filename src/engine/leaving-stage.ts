/** Not leaving; neighbors are asked to prefer other paths; routes are withdrawn; sessions have ended. */
export type Stage = 'here' | 'drained' | 'withdrawn' | 'gone'

/** Why a session ended, or does not start. */
export const whyLeft = (reason: string): string => `left: ${reason}`
