import { Generations } from './generations.ts'

/**
 * What the RIB keeps of the import side of one neighbor and family, besides its paths. `updates` and `withdraws` are the
 * columns of "Route change stats" in `show protocols all`, by BIRD's names.
 */
export interface ImportState {
  /** How many paths there are, and how many of them may be used. */
  total: number
  usable: number
  /** How many of them were announced before the present generation began. */
  old: number
  /** The widest limit under which old paths were taken; 0: the one that is in force now. */
  oldLimit: number
  /** Memory in octets that these paths are charged with (memory-limit.ts). */
  octets: number
  updates: { received: number; rejected: number; filtered: number; ignored: number; accepted: number }
  withdraws: { received: number; rejected: number; ignored: number; accepted: number }
  endOfRib: boolean
  /** The warning that the number of routes is near its limit has been given. */
  warned: boolean
  /** The warning that the memory of routes is near its limit has been given. */
  memoryWarned: boolean
  /** Whether routes are refused for lack of memory; `since now`: that is not logged yet. */
  memoryRejected: 'no' | 'since now' | 'logged'
  /** A prefix with more paths than are accepted, until it has been reported. */
  crowded: string | undefined
  readonly generations: Generations
}

/** What begins anew with each session: counts of UPDATEs, and what was said. */
const ofSession = () => ({
  updates: { received: 0, rejected: 0, filtered: 0, ignored: 0, accepted: 0 },
  withdraws: { received: 0, rejected: 0, ignored: 0, accepted: 0 },
  endOfRib: false,
  warned: false,
  memoryWarned: false,
  memoryRejected: 'no' as const,
  crowded: undefined,
})

export const newImportState = (): ImportState => ({
  total: 0,
  usable: 0,
  old: 0,
  oldLimit: 0,
  octets: 0,
  generations: new Generations(),
  ...ofSession(),
})

/** For the next session of a neighbor whose paths were kept: what is known of these paths stays. */
export const renewedImportState = (before: ImportState): ImportState => ({ ...before, ...ofSession() })
