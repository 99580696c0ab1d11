/** From the engine's view to the series: what they show is read anew at each scrape. */
import { FAMILIES } from '../../base/family.ts'
import { inSeconds, type Millis, microsInSeconds } from '../../base/units.ts'
import type { MessageCounts, PeerSnapshot } from '../../bgp/session/types.ts'
import type { BfdSummary, FilterView, NatView, ProtocolView, View } from '../../show/view.ts'
import type { GroupSums } from './group-sums.ts'
import type { Series } from './metric-series.ts'
import type { PeerLabel } from './peer-counts.ts'

/** Groups of peers that can be many (nodes of the mesh, callers of a range): each group shares one label. */
export const groupOf = ({ kind, range }: ProtocolView): string | undefined => (kind === 'Mesh' ? kind : range)

/** `peer`: the label. `now`: undefined if several peers share the label; then no time in state is shown. */
export function showProtocol(
  series: Series,
  { kind, peer: snapshot, disabled, families }: ProtocolView,
  peer: string,
  now: Millis | undefined,
): void {
  const isUp = snapshot.state === 'Established'
  series.up.inc({ peer, kind }, isUp ? 1 : 0)
  series.disabled.inc({ peer, kind }, disabled ? 1 : 0)
  series.state.inc({ peer, state: snapshot.state })
  if (now !== undefined) series.stateSeconds.set({ peer }, inSeconds(now - snapshot.since))
  series.flaps.inc({ peer }, 0)
  addCounts(series, peer, countsOf(snapshot))
  for (const family of FAMILIES) {
    const channel = families[family]
    if (channel === undefined) continue
    series.stale.inc({ peer, family }, snapshot.stale?.includes(family) === true ? 1 : 0)
    series.received.inc({ peer, family }, channel.counts.received)
    series.accepted.inc({ peer, family }, channel.counts.accepted)
    series.routeMemory.inc({ peer, family }, channel.counts.memory.octets)
    series.advertised.inc({ peer, family }, channel.counts.advertised)
  }
}

/** Not Established, and not disabled by command. */
export const isDown = ({ peer, disabled }: ProtocolView): boolean => peer.state !== 'Established' && !disabled

export function showNft(series: Series, nat: NatView | undefined): void {
  for (const { pool, family, packets = 0 } of nat?.rules ?? []) series.nat.inc({ pool, family }, packets)
  for (const { family, packets = 0 } of nat?.serviceLoops.rules ?? []) series.serviceLoops.inc({ family }, packets)
}

export function showNodeRoutes(series: Series, counts: ReturnType<View['nodeRoutes']>): void {
  if (counts === undefined) return
  for (const family of FAMILIES) {
    const { wanted, written } = counts[family]
    series.nodeRoutes.set({ family, state: 'written' }, written)
    series.nodeRoutes.set({ family, state: 'missing' }, wanted - written)
  }
}

export function showBfd(series: Series, bfd: BfdSummary | undefined, labels: ReadonlyMap<string, PeerLabel>): void {
  const longest = new Map<string, number>()
  for (const { session, peers } of bfd?.sessions ?? []) {
    for (const peer of new Set(peers.map((name) => labels.get(name)?.label ?? name))) {
      series.bfdUp.inc({ peer }, session.state === 'Up' ? 1 : 0)
      series.bfdFlaps.inc({ peer }, 0)
      longest.set(peer, Math.max(longest.get(peer) ?? 0, session.detectionTime))
    }
  }
  for (const [peer, detectionTime] of longest) series.bfdDetection.set({ peer }, microsInSeconds(detectionTime))
  if (bfd?.counters === undefined) return
  const { sent, received, dropped, leastInterval } = bfd.counters
  series.bfdPackets.inc({ direction: 'sent' }, sent)
  series.bfdPackets.inc({ direction: 'received' }, received)
  for (const [reason, count] of Object.entries(dropped)) series.bfdDropped.inc({ reason }, count)
  series.bfdLeast.set(microsInSeconds(leastInterval))
}

/** One series per rule of the BGPFilters in use, however many neighbors use them. */
export function showFilters(series: Series, filters: readonly FilterView[], sums: GroupSums): void {
  for (const { policy, hits } of filters) {
    for (const [index, rule] of policy.rules.entries()) {
      if (!rule.name.startsWith('BGPFilter/')) continue
      const count = hits[index] ?? 0
      series.filterHits.inc({ rule: rule.name }, count)
      sums.see(memberOf(policy, index), rule.name, [count])
    }
  }
  for (const [rule, [count]] of sums.endRound()) series.filterHits.inc({ rule }, count)
}

const POLICY_IDS = new WeakMap<FilterView['policy'], number>()
let lastPolicyId = 0

/** A rule of a policy: other policies can have the same rule, and each counts by itself. */
function memberOf(policy: FilterView['policy'], index: number): string {
  const id = POLICY_IDS.get(policy) ?? ++lastPolicyId
  POLICY_IDS.set(policy, id)
  return `${id} ${index}`
}

const MESSAGES: readonly (keyof MessageCounts)[] = ['open', 'update', 'notification', 'keepalive', 'route-refresh']

/** What the snapshot counts since the peer was made, in the order of `addCounts`. */
export const countsOf = ({ established, received, sent }: PeerSnapshot): readonly number[] => [
  established,
  ...MESSAGES.map((type) => received[type]),
  ...MESSAGES.map((type) => sent[type]),
]

export function addCounts(series: Series, peer: string, [established, ...messages]: readonly number[]): void {
  series.established.inc({ peer }, established)
  for (const [index, count] of messages.entries()) {
    const type = MESSAGES[index % MESSAGES.length] ?? ''
    series.messages.inc({ peer, type, direction: index < MESSAGES.length ? 'received' : 'sent' }, count)
  }
}
