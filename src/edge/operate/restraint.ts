/**
 * A limit on how often one thing is logged: so many lines a minute for each code and neighbor (or object, interface,
 * caller). What is beyond is counted, and the count stands on the next line, or on a line of its own when the minute is
 * over. Errors are never left out.
 */
import type { Millis } from '../../base/units.ts'
import type { Tell } from '../../engine/tell.ts'

const MOST_A_MINUTE = 20
const MINUTE: Millis = 60_000
/** Things counted at once; beyond it the oldest is forgotten, and may log anew. */
const MOST_THINGS = 4_096

interface Window {
  readonly until: Millis
  readonly tell: Tell
  written: number
  leftOut: number
}

export class Restraint {
  readonly #windows = new Map<string, Window>()

  /** The line to write, if it may be written. */
  admit(tell: Tell, now: Millis): Tell | undefined {
    if (tell.level === 'error') return tell
    const key = keyOf(tell)
    const window = this.#windows.get(key)
    if (window !== undefined && now < window.until) {
      if (window.written++ < MOST_A_MINUTE) return tell
      window.leftOut++
      return undefined
    }
    this.#windows.delete(key)
    this.#windows.set(key, { until: now + MINUTE, tell, written: 1, leftOut: 0 })
    if (this.#windows.size > MOST_THINGS) this.#forgetOldest()
    return window === undefined || window.leftOut === 0 ? tell : withCount(tell, window.leftOut)
  }

  /** Lines for what was left out in minutes that are over. */
  takeLeftOut(now: Millis): readonly Tell[] {
    const lines: Tell[] = []
    for (const [key, { until, tell, leftOut }] of this.#windows) {
      // Windows stand in the order they began, and all are of one length.
      if (now < until) break
      this.#windows.delete(key)
      if (leftOut > 0) lines.push(withCount({ ...tell, text: `${leftOut} more lines like: ${tell.text}` }, leftOut))
    }
    return lines
  }

  #forgetOldest(): void {
    for (const key of this.#windows.keys()) {
      this.#windows.delete(key)
      return
    }
  }
}

const withCount = (tell: Tell, leftOut: number): Tell => ({ ...tell, fields: { ...tell.fields, leftOut } })

function keyOf({ code, fields }: Tell): string {
  const about = fields.peer ?? fields.object ?? fields.interface ?? fields.address ?? ''
  return `${code} ${about}`
}
