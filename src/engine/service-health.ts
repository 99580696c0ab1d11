/**
 * The service health check (`serviceHealthCheck`): the edge polls the health endpoint of the service proxy, and its
 * answers are counted here. No service is advertised before the first good answer.
 */
import type { HealthSettings } from '../cluster/intent.ts'
import { same } from '../cluster/same.ts'
import type { Input } from './input.ts'
import { logLine } from './log-line.ts'
import type { Outbox } from './outbox.ts'

type Answer = Extract<Input, { kind: 'health' }>

export class ServiceHealth {
  readonly #out: Outbox
  #settings: HealthSettings | undefined
  #failures = 0
  #why: string | undefined
  /** No answer has been good yet. */
  #isNew = true

  constructor(out: Outbox) {
    this.#out = out
  }

  /** Why no service is advertised; undefined if nothing is wrong or no check is configured. */
  get why(): string | undefined {
    return this.#why
  }

  /** Neither a good answer has come, nor as many bad ones as count. */
  get isAwaited(): boolean {
    return this.#isNew && this.#why !== undefined && this.#failures < (this.#settings?.failures ?? 0)
  }

  /** Returns whether `why` has changed. */
  set(settings: HealthSettings | undefined): boolean {
    if (same(settings, this.#settings)) return false
    const before = this.#why
    this.#settings = settings
    this.#failures = 0
    this.#isNew = true
    this.#why = settings === undefined ? undefined : `${placeOf(settings)} has not answered yet`
    this.#out.push({ kind: 'health', check: settings })
    return before !== this.#why
  }

  /** Counts a reply. Returns whether `why` has changed. */
  take({ error }: Answer): boolean {
    const settings = this.#settings
    if (settings === undefined) return false
    const before = this.#why
    this.#failures = error === undefined ? 0 : this.#failures + 1
    if (error === undefined) {
      this.#why = undefined
      this.#isNew = false
    } else if (before === undefined && this.#failures >= settings.failures) {
      this.#why = `${placeOf(settings)} is unhealthy: ${error}`
    }
    if ((before === undefined) === (this.#why === undefined)) return false
    this.#out.log(
      this.#why === undefined
        ? logLine('info', 'services-healthy', `${placeOf(settings)} is healthy: services are advertised`)
        : logLine('warn', 'services-unhealthy', `${this.#why}; no service is advertised`, { error: error ?? '' }),
    )
    return true
  }
}

const placeOf = ({ port, path }: HealthSettings): string => `the health endpoint of services, port ${port}${path},`
