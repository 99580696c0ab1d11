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
  /** Neighbors that are where they were, and that objects call by another name now. */
  readonly renamed: readonly { readonly from: string; readonly peer: PeerIntent }[]
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
  if (before === after) return { added, changed, removed, renamed: [] }
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
  return { changed, ...(yield* withRenamed(before, added, removed)) }
}

function* withRenamed(
  before: Intent['peers'],
  added: readonly PeerIntent[],
  removed: readonly string[],
): Work<Omit<PeerChanges, 'changed'>> {
  if (added.length === 0 || removed.length === 0) return { added, removed, renamed: [] }
  yield (added.length + removed.length) * LOOK_COST
  const gone = new Map(removed.map((name) => [whereOf(before.get(name) as PeerIntent), name]))
  const renamed = added.flatMap((peer) => {
    const from = gone.get(whereOf(peer))
    return from === undefined ? [] : [{ from, peer }]
  })
  const [old, now] = [new Set(renamed.map(({ from }) => from)), new Set(renamed.map(({ peer }) => peer))]
  return {
    added: added.filter((peer) => !now.has(peer)),
    removed: removed.filter((name) => !old.has(name)),
    renamed,
  }
}

/** How objects find the neighbor. There is one for each address and port, range, interface and gateway. */
export function whereOf({ address, port, range, interface: link, gateway }: PeerIntent): string {
  return range?.prefix.text ?? link ?? (gateway === undefined ? `${address} ${port}` : `gateway ${gateway}`)
}

/** Approximate costs in microseconds: to look at a neighbor, and to compare its settings field by field. */
const LOOK_COST = 0.2
const COMPARE_COST = 3
