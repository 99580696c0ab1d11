/**
 * Limits how often a line is logged: so many a minute for each code and neighbor (or object, interface, caller), and for
 * each code, since hosts of a `peerRange` may call from any number of addresses. Lines beyond are counted, and the count is
 * added to the next line, or to a line of its own when the minute is over. Errors are never left out.
 */
import type { Millis } from '../../base/units.ts'
import type { LogLine } from '../../engine/log-line.ts'

const MOST_A_MINUTE = 20
/** Of one code, about whatever: more than the neighbors of a large mesh, each of which comes up once. */
const MOST_OF_A_CODE = 6_000
const MINUTE: Millis = 60_000
/** Keys counted at once; beyond it the oldest is forgotten, and its count goes to a sum. */
const MOST_THINGS = 4_096

interface Window {
  readonly until: Millis
  readonly line: LogLine
  seen: number
  leftOut: number
}

export class LogRateLimit {
  readonly #windows = new Map<string, Window>()
  /** By code: a fixed set. */
  readonly #codes = new Map<string, { readonly until: Millis; seen: number }>()
  /** Lines left out about what was forgotten since, and of codes that have had theirs. */
  #forgotten = 0

  /** The line to write; undefined where it is left out. */
  admit(line: LogLine, now: Millis): LogLine | undefined {
    if (line.level === 'error') return line
    const admitted = this.#admitOfThing(line, now)
    if (admitted === undefined || this.#hasRoom(line.code, now)) return admitted
    this.#forgotten += 1 + Number(admitted.fields.leftOut ?? 0)
    return undefined
  }

  #hasRoom(code: string, now: Millis): boolean {
    let window = this.#codes.get(code)
    if (window === undefined || now >= window.until) {
      window = { until: now + MINUTE, seen: 0 }
      this.#codes.set(code, window)
    }
    return window.seen++ < MOST_OF_A_CODE
  }

  #admitOfThing(line: LogLine, now: Millis): LogLine | undefined {
    const key = keyOf(line)
    const window = this.#windows.get(key)
    if (window !== undefined && now < window.until) {
      if (window.seen++ < MOST_A_MINUTE) return line
      window.leftOut++
      return undefined
    }
    this.#windows.delete(key)
    this.#windows.set(key, { until: now + MINUTE, line, seen: 1, leftOut: 0 })
    if (this.#windows.size > MOST_THINGS) this.#forgetOldest()
    return window === undefined || window.leftOut === 0 ? line : withCount(line, window.leftOut)
  }

  /** Lines about those left out in minutes that are over. */
  takeLeftOut(now: Millis): readonly LogLine[] {
    const lines: LogLine[] = []
    if (this.#forgotten > 0) lines.push(forgottenLine(this.#forgotten))
    this.#forgotten = 0
    for (const [key, { until, line, leftOut }] of this.#windows) {
      // Windows are in the order in which they began, and all have the same length.
      if (now < until) break
      this.#windows.delete(key)
      if (leftOut > 0) lines.push(withCount({ ...line, text: `${leftOut} more lines like: ${line.text}` }, leftOut))
    }
    return lines
  }

  #forgetOldest(): void {
    const [oldest] = this.#windows
    if (oldest === undefined) return
    const [key, { leftOut }] = oldest
    this.#windows.delete(key)
    this.#forgotten += leftOut
  }
}

const forgottenLine = (leftOut: number): LogLine => ({
  level: 'warn',
  code: 'lines-left-out',
  text: `${leftOut} more lines about different neighbors, objects and callers`,
  fields: { leftOut },
})

const withCount = (line: LogLine, leftOut: number): LogLine => ({ ...line, fields: { ...line.fields, leftOut } })

function keyOf({ code, fields }: LogLine): string {
  const about = fields.peer ?? fields.object ?? fields.interface ?? fields.address ?? ''
  return `${code} ${about}`
}
