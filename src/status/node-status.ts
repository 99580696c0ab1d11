/**
 * The status of this node for the API: its sessions, routes and conditions as one complete, bounded value. Times are
 * on the engine's clock, so that a wall clock that is set changes nothing here; `render.ts` writes the object.
 *
 * Sessions with routers are listed one by one. Sessions of the mesh, of which there may be thousands, are summed; the
 * first ones that are not Established are named.
 */
import type { Family } from '../base/family.ts'
import type { Asn, Millis, RouterId } from '../base/units.ts'

export interface NodeStatus {
  readonly version: string
  readonly startedAt: Millis
  readonly asNumber: Asn | undefined
  readonly routerId: RouterId | undefined
  readonly sessions: SessionSum
  /** Sorted by name. */
  readonly routers: readonly RouterStatus[]
  /** Undefined where this node has no sessions of the mesh. */
  readonly mesh: MeshStatus | undefined
  /** Routes that this node wants to advertise. */
  readonly localRoutes: Readonly<Record<Family, number>>
  readonly conditions: readonly Condition[]
  readonly problems: readonly ProblemStatus[]
  /** All of them, the ones left out too. */
  readonly problemCount: number
}

export interface SessionSum {
  readonly configured: number
  readonly established: number
}

export interface RouterStatus {
  readonly name: string
  /** Name of the BGPPeer. */
  readonly object: string | undefined
  /** Address, or the interface it is found on. */
  readonly peer: string
  readonly remoteAs: Asn | undefined
  readonly state: string
  /** Since when it is Established, or no longer; undefined: it never was. */
  readonly since: Millis | undefined
  /** Why it is not started. */
  readonly held: string | undefined
  readonly lastError: ErrorStatus | undefined
  /**
   * How long the neighbor keeps our routes while we restart, in seconds, and families of which we keep its routes now.
   */
  readonly restart: { readonly time: number | undefined; readonly stale: readonly Family[] }
  readonly families: Readonly<Partial<Record<Family, NodeCounts>>>
}

interface ErrorStatus {
  readonly text: string
  readonly at: Millis
}

export interface NodeCounts {
  readonly received: number
  readonly accepted: number
  readonly advertised: number
}

export interface MeshStatus extends SessionSum {
  readonly families: Readonly<Record<Family, NodeCounts>>
  /** The first of them. */
  readonly notEstablished: readonly {
    readonly name: string
    readonly peer: string
    readonly state: string
    readonly lastError: string | undefined
  }[]
}

/** As in metav1.Condition, without the time of the last transition: that is kept where the object is. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  /** One word. */
  readonly reason: string
  readonly message: string
}

export interface ProblemStatus {
  readonly level: 'error' | 'warning'
  readonly object: string
  readonly field: string
  readonly text: string
}

/**
 * What of a status is its state, as text to compare: who is up, what is held and why. Counts change all the time, and
 * so do the states of a neighbor that is tried in vain: they are written along with the next change, or at long
 * intervals.
 */
export function stateText({ routers, mesh, version, asNumber, routerId, conditions, problems }: NodeStatus): string {
  const sessions = routers.map(({ name, object, peer, remoteAs, state, since, held, lastError, restart }) => {
    return [name, object, peer, remoteAs, state === 'Established', since, held, lastError?.text, restart.stale]
  })
  const down = mesh?.notEstablished.map(({ name, lastError }) => [name, lastError])
  const sums = [mesh?.configured, mesh?.established]
  return JSON.stringify([version, asNumber, routerId, sessions, sums, down, conditions, problems])
}
