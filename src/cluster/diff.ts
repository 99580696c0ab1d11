/** The difference between two intents, as steps. */
import type { Prefix } from '../base/prefix.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { Intent, NodeIntent, PeerIntent, RouteIntent } from './intent.ts'
import { same } from './same.ts'

export interface IntentDiff {
  /** Undefined: this node has not changed. */
  readonly node: { readonly before: NodeIntent | undefined; readonly after: NodeIntent | undefined } | undefined
  readonly peers: PeerChanges
  readonly routes: {
    /** Routes that are new, or whose objects or communities have changed. */
    readonly announce: readonly RouteIntent[]
    /** As they were. */
    readonly withdraw: readonly RouteIntent[]
  }
  /** Service addresses that were added and removed. */
  readonly serviceAddresses: { readonly added: readonly Prefix[]; readonly removed: readonly Prefix[] }
}

export interface PeerChanges {
  readonly added: readonly PeerIntent[]
  readonly changed: readonly PeerIntent[]
  /** Names of neighbors. */
  readonly removed: readonly string[]
}

export const EMPTY_INTENT: Intent = {
  node: undefined,
  peers: new Map(),
  routes: new Map(),
  serviceAddresses: new Map(),
  refusals: new Map(),
  leave: undefined,
  guards: { health: undefined, damping: undefined },
  dataplane: undefined,
  secrets: [],
  interfaces: [],
  pods: undefined,
  problems: [],
}

export function diffNode(before: NodeIntent | undefined, after: NodeIntent | undefined): IntentDiff['node'] {
  return same(before, after) ? undefined : { before, after }
}

export function* diffPeers(before: Intent['peers'], after: Intent['peers']): Work<PeerChanges> {
  const [added, changed, removed]: [PeerIntent[], PeerIntent[], string[]] = [[], [], []]
  if (before === after) return { added, changed, removed }
  const meter = new CostMeter()
  for (const peer of after.values()) {
    const known = before.get(peer.name)
    if (known === undefined) added.push(peer)
    else if (!same(known, peer)) changed.push(peer)
    meter.add(known === peer ? LOOK_COST : COMPARE_COST)
    if (meter.isDue) yield meter.take()
  }
  for (const name of before.keys()) {
    if (!after.has(name)) removed.push(name)
    meter.add(LOOK_COST)
    if (meter.isDue) yield meter.take()
  }
  return { added, changed, removed }
}

/** Approximate costs in microseconds: to look at a neighbor, and to compare its settings field by field. */
const LOOK_COST = 0.2
const COMPARE_COST = 3
