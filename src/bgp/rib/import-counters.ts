/** Counters of one neighbor and family, import side, as birdc names them. */
export interface ImportCounters {
  /** Paths held, and those of them that may be used. */
  held: number
  usable: number
  updates: { received: number; rejected: number; filtered: number; ignored: number; accepted: number }
  withdraws: { received: number; rejected: number; ignored: number; accepted: number }
  endOfRib: boolean
  /** It has been told that the limit is near. */
  warned: boolean
  /** A prefix to which paths were not taken any more, until that has been told. */
  crowded: string | undefined
  /** Refreshes the neighbor has begun (RFC 7313), counted from 1 to `ROUNDS` and on from 1; 0: none yet. */
  round: number
}

export const ROUNDS = 255

export const newImportCounters = (): ImportCounters => ({
  held: 0,
  usable: 0,
  updates: { received: 0, rejected: 0, filtered: 0, ignored: 0, accepted: 0 },
  withdraws: { received: 0, rejected: 0, ignored: 0, accepted: 0 },
  endOfRib: false,
  warned: false,
  crowded: undefined,
  round: 0,
})
