/** Since when each neighbor has sent no more routes, as far as regular checks of its counts show. */
import type { Millis } from '../base/units.ts'
import type { ConnId } from '../bgp/session/types.ts'

/** A neighbor's session at the last check. */
interface Seen {
  readonly conn: ConnId
  /** How many routes it has announced and withdrawn. */
  readonly received: number
  /** When that number last grew, or the session was new. */
  readonly since: Millis
}

export class QuietWatch {
  readonly #seen = new Map<string, Seen>()

  /** Notes how many routes it has sent on this connection, and returns since when it has sent no more. */
  since(name: string, conn: ConnId, received: number, now: Millis): Millis {
    const before = this.#seen.get(name)
    if (before?.conn === conn && before.received === received) return before.since
    this.#seen.set(name, { conn, received, since: now })
    return now
  }

  /** It has no session. */
  forget(name: string): void {
    this.#seen.delete(name)
  }
}
