/** Requests and renews the Lease, and reports whether this agent holds it (`status/lease` decides). */
import { inSeconds, type Millis } from '../../../base/units.ts'
import { LEASE_DURATION, LeaseWatch } from '../../../status/lease.ts'
import { systemClock } from '../../clock.ts'
import { LEASE_RESOURCE } from '../../resources.ts'
import { ApiError } from '../api.ts'
import { type ApiFields, fields } from '../trim.ts'
import { microTime } from './micro-time.ts'
import { metaOf, type ObjectClient, type ObjectPath } from './object-client.ts'

const LEASE_NAME = 'godwit-status'

interface LeaseKeeperOptions {
  readonly client: ObjectClient
  readonly node: string
  readonly namespace: string
  readonly nodes: () => number
  readonly onChange: (held: boolean) => void
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions
  readonly #watch: LeaseWatch
  readonly #place: ObjectPath
  #held = false

  constructor(options: LeaseKeeperOptions) {
    this.#options = options
    this.#watch = new LeaseWatch(options.node)
    this.#place = { ...LEASE_RESOURCE, namespace: options.namespace }
  }

  /** Held as long as no other agent can have taken it. */
  get isHeld(): boolean {
    return this.#held && this.#watch.isHeld(systemClock.now())
  }

  /** Reads the Lease once; returns the pause before the next time. */
  async step(signal: AbortSignal): Promise<Millis> {
    try {
      return await this.#step(signal)
    } finally {
      this.#report(this.#watch.isHeld(systemClock.now()))
    }
  }

  async #step(signal: AbortSignal): Promise<Millis> {
    const { client, nodes } = this.#options
    const found = await client.get(this.#place, LEASE_NAME, signal)
    const [now, wall, chance] = [systemClock.now(), Date.now(), Math.random()]
    const step = this.#watch.look(found && recordOf(found), nodes(), now, wall, chance)
    if (step.kind === 'wait') return step.millis
    try {
      if (found === undefined) await client.create(this.#place, this.#lease({ name: LEASE_NAME }, {}), signal)
      else await client.replace(this.#place, LEASE_NAME, this.#lease(metaOf(found), fields(found.spec)), signal)
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) return this.#watch.lost(nodes(), chance)
      throw error
    }
    // The time before the request: other agents count from when they see the renewal.
    return this.#watch.held(now)
  }

  #lease(metadata: ApiFields, before: ApiFields): ApiFields {
    const { node, namespace } = this.#options
    const now = microTime(Date.now())
    const isOurs = before.holderIdentity === node
    const transitions = Number(before.leaseTransitions ?? 0) + (isOurs || before.holderIdentity === undefined ? 0 : 1)
    const { name, resourceVersion, uid } = metadata
    return {
      apiVersion: LEASE_RESOURCE.apiVersion,
      kind: LEASE_RESOURCE.kind,
      metadata: { name, namespace, resourceVersion, uid },
      spec: {
        holderIdentity: node,
        leaseDurationSeconds: inSeconds(LEASE_DURATION),
        acquireTime: isOurs ? before.acquireTime : now,
        renewTime: now,
        leaseTransitions: transitions,
      },
    }
  }

  /** Gives the Lease back, so that another agent need not wait until it expires. */
  async release(signal: AbortSignal): Promise<void> {
    if (!this.#held) return
    this.#report(false)
    const { client } = this.#options
    const found = await client.get(this.#place, LEASE_NAME, signal)
    if (found === undefined || recordOf(found).holder !== this.#options.node) return
    const lease = this.#lease(metaOf(found), fields(found.spec))
    await client.replace(
      this.#place,
      LEASE_NAME,
      { ...lease, spec: { ...fields(lease.spec), holderIdentity: '' } },
      signal,
    )
  }

  #report(held: boolean): void {
    if (held === this.#held) return
    this.#held = held
    this.#options.onChange(held)
  }
}

function recordOf(lease: ApiFields) {
  const { holderIdentity, renewTime } = fields(lease.spec)
  const renewed = typeof renewTime === 'string' ? Date.parse(renewTime) : Number.NaN
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : undefined,
    version: String(metaOf(lease).resourceVersion),
    renewedAt: Number.isFinite(renewed) ? renewed : undefined,
  }
}
