/**
 * What a change of the objects would do on one node: sessions that are added, removed or reset, and routes that each
 * neighbor would gain or lose.
 */
import { whyReset } from '../bgp/session/change.ts'
import { same } from '../cluster/same.ts'
import { peerConfig } from '../engine/peer-config.ts'
import { type Advertised, groupKey, type NodePreview, type PeerPreview } from './node.ts'

export type ChangeLine =
  | { readonly kind: 'node-added' | 'node-removed'; readonly node: string }
  | { readonly kind: 'session-added' | 'session-removed'; readonly node: string; readonly peer: string }
  /** `reason` is the part of its configuration that a running session cannot outlive. */
  | { readonly kind: 'session-resets'; readonly node: string; readonly peer: string; readonly reason: string }
  | { readonly kind: 'session-held'; readonly node: string; readonly peer: string; readonly reason: string }
  | {
      readonly kind: 'advertises' | 'withdraws' | 'changes'
      readonly node: string
      readonly peer: string
      readonly prefix: string
    }

export function changeOf(before: readonly NodePreview[], after: readonly NodePreview[]): readonly ChangeLine[] {
  const old = new Map(before.map((preview) => [preview.node, preview]))
  const now = new Set(after.map(({ node }) => node))
  const removed = before.filter(({ node }) => !now.has(node))
  return [
    ...removed.map(({ node }): ChangeLine => ({ kind: 'node-removed', node })),
    ...after.flatMap((preview) => changeOfNode(old.get(preview.node), preview)),
  ]
}

function changeOfNode(before: NodePreview | undefined, after: NodePreview): readonly ChangeLine[] {
  const { node } = after
  if (before === undefined) return [{ kind: 'node-added', node }]
  const { old, removed } = matched(before.peers, after.peers)
  return [
    ...removed.map((peer): ChangeLine => ({ kind: 'session-removed', node, peer: peerLabel(peer) })),
    ...after.peers.flatMap((peer) => {
      const known = old.get(peer)
      if (known !== undefined)
        return [...changeOfSession(before, known, after, peer), ...changeOfRoutes(node, known, peer)]
      return [{ kind: 'session-added', node, peer: peerLabel(peer) } as const, ...changeOfRoutes(node, undefined, peer)]
    }),
  ]
}

interface Matched {
  /** What each row was before the change. */
  readonly old: ReadonlyMap<PeerPreview, PeerPreview>
  readonly removed: readonly PeerPreview[]
}

/** Rows of one key are the same neighbor. Those of the mesh that are left on both sides are taken for the same, in order. */
function matched(before: readonly PeerPreview[], after: readonly PeerPreview[]): Matched {
  const left = new Map(before.map((peer) => [groupKey(peer.intent), peer]))
  const old = new Map<PeerPreview, PeerPreview>()
  const match = (peer: PeerPreview, key: string): void => {
    const known = left.get(key)
    if (known === undefined) return
    old.set(peer, known)
    left.delete(key)
  }
  for (const peer of after) match(peer, groupKey(peer.intent))
  const changed = [...left].filter(([, { intent }]) => intent.kind === 'Mesh').map(([key]) => key)
  for (const peer of after) {
    if (peer.intent.kind === 'Mesh' && !old.has(peer)) match(peer, changed.shift() ?? '')
  }
  return { old, removed: [...left.values()] }
}

export const peerLabel = ({ intent, count }: PeerPreview): string =>
  intent.kind === 'Mesh' ? `the mesh (${count} ${count === 1 ? 'node' : 'nodes'})` : intent.name

function changeOfSession(
  before: NodePreview,
  old: PeerPreview,
  after: NodePreview,
  peer: PeerPreview,
): readonly ChangeLine[] {
  const line = { node: after.node, peer: peerLabel(peer) }
  if (peer.intent.held !== undefined && old.intent.held === undefined) {
    return [{ kind: 'session-held', ...line, reason: peer.intent.held }]
  }
  if (before.intent.node === undefined || after.intent.node === undefined) return []
  // Who of the mesh stands for it may be another node now: its address and AS say nothing.
  const { name, address, remoteAs } = peer.intent
  const like = old.intent.kind === 'Mesh' ? { ...old.intent, name, address, remoteAs } : old.intent
  const reason = whyReset(peerConfig(like, before.intent.node), peerConfig(peer.intent, after.intent.node))
  return reason === undefined ? [] : [{ kind: 'session-resets', ...line, reason }]
}

function changeOfRoutes(node: string, before: PeerPreview | undefined, after: PeerPreview): readonly ChangeLine[] {
  const peer = peerLabel(after)
  const old = new Map((before?.advertised ?? []).map((route) => [route.prefix, route]))
  const now = new Map(after.advertised.map((route) => [route.prefix, route]))
  const kindOf = (route: Advertised): 'advertises' | 'changes' | undefined => {
    const known = old.get(route.prefix)
    if (known === undefined) return 'advertises'
    return sameOnTheWire(known, route) ? undefined : 'changes'
  }
  return [
    ...after.advertised.flatMap((route): ChangeLine[] => {
      const kind = kindOf(route)
      return kind === undefined ? [] : [{ kind, node, peer, prefix: route.prefix }]
    }),
    ...[...old.keys()].flatMap((prefix): ChangeLine[] =>
      now.has(prefix) ? [] : [{ kind: 'withdraws', node, peer, prefix }],
    ),
  ]
}

/** A neighbor does not learn which object a route comes from. */
const sameOnTheWire = (a: Advertised, b: Advertised): boolean => same({ ...a, objects: [] }, { ...b, objects: [] })
