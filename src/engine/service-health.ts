/**
 * The service health check (`serviceHealthCheck`): the edge polls the health endpoint of the service proxy, and its
 * answers are counted here. An agent that starts advertises no service before the first good answer; where a check is
 * added or moved later, what is advertised stays until the endpoint has answered.
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
  /** Why no service is advertised; undefined: services are. */
  #why: string | undefined
  /** Neither a good answer has come, nor as many bad ones as count. */
  #isUndecided = true
  /** Services may be advertised by now, without a check or by another one. */
  #isStarted = false

  constructor(out: Outbox) {
    this.#out = out
  }

  /**
   * Why no service is advertised under these settings, also before `set` is called with them: undefined if nothing is
   * wrong or no check is configured. What an endpoint has answered holds until another one is asked.
   */
  why(settings: HealthSettings | undefined): string | undefined {
    if (settings === undefined) return undefined
    if (isSamePlace(settings, this.#settings)) return this.#why
    return this.#isStarted && this.#why === undefined ? undefined : `${placeOf(settings)} has not answered yet`
  }

  get isAwaited(): boolean {
    return this.#settings !== undefined && this.#isUndecided
  }

  set(settings: HealthSettings | undefined): void {
    const why = this.why(settings)
    this.#isStarted = true
    if (same(settings, this.#settings)) return
    this.#why = why
    if (settings === undefined || !isSamePlace(settings, this.#settings)) {
      this.#failures = 0
      this.#isUndecided = true
    }
    this.#settings = settings
    this.#out.push({ kind: 'health', check: settings })
  }

  /** Counts a reply. Returns whether `why` has changed. */
  take({ error }: Answer): boolean {
    const settings = this.#settings
    if (settings === undefined) return false
    const before = this.#why
    this.#failures = error === undefined ? 0 : this.#failures + 1
    if (error === undefined) {
      this.#why = undefined
      this.#isUndecided = false
    } else if (this.#failures >= settings.failures && (this.#isUndecided || before === undefined)) {
      this.#why = `${placeOf(settings)} is unhealthy: ${error}`
      this.#isUndecided = false
    }
    if (before === this.#why) return false
    this.#out.log(
      this.#why === undefined
        ? logLine('info', 'services-healthy', `${placeOf(settings)} is healthy: services are advertised`)
        : logLine('warn', 'services-unhealthy', `${this.#why}; no service is advertised`, { error: error ?? '' }),
    )
    return true
  }
}

const isSamePlace = (a: HealthSettings, b: HealthSettings | undefined): boolean =>
  a.port === b?.port && a.path === b.path

const placeOf = ({ port, path }: HealthSettings): string => `the health endpoint of services, port ${port}${path},`
