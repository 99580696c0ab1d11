/**
 * One line of an answer, and the codes of lines. 908, 909, 1900 to 1907, 2902 to 2907, 8900 and 8901 are ours, the others
 * are BIRD's.
 */

export interface ReplyLine {
  readonly code: number
  readonly text: string
  /** `first`: the code is written. `same`: it is that of the line before. `last`: the answer ends here. */
  readonly place: 'first' | 'same' | 'last'
}

/** A line before its place is known: `frame` finds it. */
export interface Row {
  readonly code: number
  readonly text: string
}

export const CODE = {
  ok: 0,
  welcome: 1,
  readingConfiguration: 2,
  reconfigured: 3,
  alreadyDisabled: 8,
  disabled: 9,
  alreadyEnabled: 10,
  enabled: 11,
  restarted: 12,
  statusReport: 13,
  routeCount: 14,
  reloading: 15,
  nothingToDo: 19,
  shutdownOrdered: 7,
  accessRestricted: 16,
  configurationOk: 20,
  restartOrdered: 25,
  version: 1000,
  interfaceRow: 1001,
  protocolRow: 1002,
  interfaceAddress: 1003,
  interfaceFlags: 1004,
  interfaceSummary: 1005,
  protocolDetails: 1006,
  route: 1007,
  routeDetails: 1008,
  static: 1009,
  symbol: 1010,
  uptime: 1011,
  routeAttributes: 1012,
  memory: 1018,
  bfd: 1020,
  json: 1900,
  help: 1901,
  service: 1902,
  problem: 1903,
  nat: 1904,
  filter: 1905,
  summary: 1906,
  explain: 1907,
  drained: 908,
  leaving: 909,
  protocolHeading: 2002,
  interfaceHeading: 2005,
  serviceHeading: 2902,
  problemHeading: 2903,
  natHeading: 2904,
  filterHeading: 2905,
  summaryHeading: 2906,
  explainHeading: 2907,
  routeNotFound: 8001,
  configurationError: 8002,
  noProtocols: 8003,
  protocolDown: 8005,
  reloadFailed: 8006,
  accessDenied: 8007,
  notSupported: 8900,
  /** Not what was asked for: an error of our own, too many clients, or an action that failed. The text tells which. */
  failed: 8901,
  commandTooLong: 9000,
  syntaxError: 9001,
} as const

export const isRefusal = (code: number): boolean => code >= 8000 && code < 9000
export const isSyntaxError = (code: number): boolean => code >= 9000

/**
 * In place of a row: a slice of work is done without output; the caller may run other work before it asks for the next row.
 * `walk` and `paced`, whose items are no rows, yield undefined in its place, and so does `frame`.
 */
export const PAUSE: Row = { code: -1, text: '' }

/**
 * Gives every row its place. The last row is marked as the last, so the next must be known first: one
 * row is always held back.
 */
export function* frame(rows: Iterable<Row>): Iterable<ReplyLine | undefined> {
  let held: Row | undefined
  let before = -1
  for (const row of rows) {
    if (row === PAUSE) {
      yield undefined
      continue
    }
    if (held !== undefined) {
      yield { code: held.code, text: held.text, place: held.code === before ? 'same' : 'first' }
      before = held.code
    }
    held = row
  }
  yield held === undefined ? { code: CODE.ok, text: '', place: 'last' } : { ...held, place: 'last' }
}
