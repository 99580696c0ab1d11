/**
 * Asks a health endpoint on this host periodically, as the Effect `health` says. In: the effect. Out: the Input
 * `health` for each reply. To loopback only: IPv4, and IPv6 if nothing listens there. After a change of the check the
 * reply to an earlier request is dropped.
 */

import { request } from 'node:http'
import { inMillis, inSeconds, type Millis } from '../../base/units.ts'
import type { Effect } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'

type Check = NonNullable<Extract<Effect, { kind: 'health' }>['check']>

/** From the connection to the end of the headers. */
const TIMEOUT: Millis = 2_000
const LOOPBACK = ['127.0.0.1', '::1']

export class HealthCheck {
  readonly #feed: (input: Input) => void
  #timer: NodeJS.Timeout | undefined
  #check: Check | undefined

  constructor({ feed }: { readonly feed: (input: Input) => void }) {
    this.#feed = feed
  }

  perform({ check }: Extract<Effect, { kind: 'health' }>): void {
    this.stop()
    this.#check = check
    if (check !== undefined) void this.#ask(check)
  }

  stop(): void {
    this.#check = undefined
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #ask(check: Check): Promise<void> {
    const [over4, over6] = LOOPBACK
    let error = await whyNotHealthy(over4 ?? '', check)
    if (error === REFUSED) error = await whyNotHealthy(over6 ?? '', check)
    if (this.#check !== check) return
    this.#feed({ kind: 'health', error })
    if (this.#check !== check) return
    this.#timer = setTimeout(() => void this.#ask(check), inMillis(check.interval))
  }
}

const REFUSED = 'connection refused'

/** Undefined for any 2xx. */
function whyNotHealthy(host: string, { port, path }: Check): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host, port, path, agent: false, signal: AbortSignal.timeout(TIMEOUT) }, (answer) => {
      const { statusCode = 0 } = answer
      // The body is not read.
      answer.destroy()
      resolve(statusCode >= 200 && statusCode < 300 ? undefined : `it answers ${statusCode}`)
    })
    asked.once('error', (error: NodeJS.ErrnoException) => resolve(whyNoAnswer(error)))
    asked.end()
  })
}

function whyNoAnswer({ code, message, name }: NodeJS.ErrnoException): string {
  if (name === 'AbortError' || name === 'TimeoutError') return `no answer within ${inSeconds(TIMEOUT)} s`
  // EADDRNOTAVAIL: this host has no ::1.
  return code === 'ECONNREFUSED' || code === 'EADDRNOTAVAIL' ? REFUSED : message
}
