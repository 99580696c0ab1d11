/**
 * What a change of the objects would do on one node: sessions that are added, removed or reset, and routes that each
 * neighbor would gain or lose.
 */

import { resetsBetween, type SessionChange, strongest } from '../bgp/session/change.ts'
import type { PeerIntent } from '../cluster/intent.ts'
import type { Alike } from '../cluster/peer-candidates.ts'
import { same } from '../cluster/same.ts'
import { peerConfig } from '../engine/peer-config.ts'
import { type Move, movesOf } from './moves.ts'
import { type Advertised, type NodePreview, type PeerPreview, peerTypeOf } from './node.ts'
import { type NowPreview, pairsOf } from './pairs.ts'
import { nodeSettingsOf, type Setting, settingsOf } from './settings.ts'

export type ChangeLine =
  | { readonly kind: 'node-added' | 'node-removed'; readonly node: string }
  | { readonly kind: 'node-leaves' | 'node-stays'; readonly node: string; readonly reason: string }
  /** A setting that no route of ours shows and that resets nothing; of the whole node where there is no `peer`. */
  | ({ readonly kind: 'setting'; readonly node: string; readonly peer?: string } & Setting)
  | {
      /** `session-starts`: it was held before the change. */
      readonly kind: 'session-added' | 'session-removed' | 'session-starts'
      readonly node: string
      readonly peer: string
    }
  | {
      readonly kind: 'session-resets'
      readonly node: string
      readonly peer: string
      /** The part of its configuration that a running session cannot outlive. */
      readonly reason: string
      /** Why it does not start again. */
      readonly held?: string
    }
  | { readonly kind: 'session-may-reset'; readonly node: string; readonly peer: string; readonly reason: string }
  /** A running session keeps its routes, its filters and its key. */
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
  const moves = movesOf(alikeIn(before), alikeIn(after))
  return [
    ...removed.map(({ node }): ChangeLine => ({ kind: 'node-removed', node })),
    ...after.flatMap((preview) => changeOfNode(old.get(preview.node), preview, moves)),
  ]
}

/** The same list in every preview of a node that is known. */
const alikeIn = (previews: readonly NodePreview[]): readonly Alike[] =>
  previews.find(({ alike }) => alike.length > 0)?.alike ?? []

function changeOfNode(
  before: NodePreview | undefined,
  after: NodePreview,
  moves: readonly Move[],
): readonly ChangeLine[] {
  const { node } = after
  if (before === undefined) return [{ kind: 'node-added', node }]
  const pairs = pairsOf(before, after, moves)
  const left = before.intent.leave
  const leaves = after.intent.leave
  if (leaves !== undefined) {
    // A node that has left advertises nothing: other changes show when it is back.
    if (left !== undefined) return []
    const gone = pairs.flatMap(({ old, label }) => changeOfRoutes(node, old, { advertised: [], label }))
    return [{ kind: 'node-leaves', node, reason: leaves }, ...gone]
  }
  return [
    ...(left === undefined ? [] : [{ kind: 'node-stays', node, reason: left } as const]),
    ...[...nodeSettingsOf(before.settings, after.settings)].map(
      (setting): ChangeLine => ({ kind: 'setting', node, ...setting }),
    ),
    ...pairs.flatMap(({ old, now, label }): ChangeLine[] =>
      old !== undefined && now === undefined ? [{ kind: 'session-removed', node, peer: label }] : [],
    ),
    ...pairs.flatMap(({ old, now, label, resets }): readonly ChangeLine[] => {
      if (now === undefined) return []
      const is = { ...now, label, resets }
      const added: ChangeLine = { kind: 'session-added', node, peer: label }
      const ofSession = old === undefined ? [added] : changeOfSession(before, old, after, is)
      const staysUp =
        old !== undefined && whyItResets(before, old, after, is).sure === undefined && mayBeUp(before, old)
      const { advertised } = (staysUp ? now.whileUp?.(old.given) : undefined) ?? now
      return [...ofSession, ...changeOfRoutes(node, old, { advertised, label })]
    }),
  ]
}

function changeOfSession(
  before: NodePreview,
  old: PeerPreview,
  after: NodePreview,
  now: NowPreview,
): readonly ChangeLine[] {
  const { intent, label } = now
  const line = { node: after.node, peer: label }
  if (old.intent.held !== undefined) return intent.held === undefined ? [{ kind: 'session-starts', ...line }] : []
  const like = likeNow(old.intent, intent)
  const { sure: reason, possible } = whyItResets(before, old, after, now)
  const held = intent.held === undefined ? {} : { held: intent.held }
  if (reason !== undefined) return [{ kind: 'session-resets', ...line, reason, ...held }]
  const stays = before.intent.leave === undefined
  const settings = stays ? settingsOf(like, now.whileUp?.(old.given).intent ?? intent, peerTypeOf(intent)) : []
  const mayBe = stays ? possible : []
  return [
    ...mayBe.slice(0, 1).map((why): ChangeLine => ({ kind: 'session-may-reset', ...line, reason: why })),
    ...(intent.held === undefined ? [] : [{ kind: 'session-held', ...line, reason: intent.held } as const]),
    ...[...settings].map((setting): ChangeLine => ({ kind: 'setting', ...line, ...setting })),
  ]
}

/** The session may be up: nothing among the objects forbids it. */
const mayBeUp = ({ intent }: NodePreview, peer: PeerPreview): boolean =>
  intent.leave === undefined && peer.intent.held === undefined

/** Why a running session cannot outlive the change, and why it may not: the objects alone do not say. */
function whyItResets(
  before: NodePreview,
  old: PeerPreview,
  after: NodePreview,
  { intent, resets }: NowPreview,
): { readonly sure: string | undefined; readonly possible: readonly string[] } {
  if (!mayBeUp(before, old)) return { sure: undefined, possible: [] }
  if (before.intent.node === undefined || after.intent.node === undefined) return { sure: undefined, possible: [] }
  const known = likeNow(old.intent, intent)
  const isOther = isOtherInterface(old.intent, intent)
  const like = isOther ? { ...known, sourceAddress: intent.sourceAddress } : known
  const found = resetsBetween(peerConfig(like, before.intent.node), peerConfig(intent, after.intent.node))
  const words = found.possible.map((change) => `${MAY_RESET[change] ?? change} is known on the node alone`)
  return {
    sure: strongest(found.sure) ?? resets,
    possible: isOther ? ['the address of sourceInterface is known on the node alone', ...words] : words,
  }
}

/** `sourceInterface` is another. Whether that has another address is known on the node alone. */
const isOtherInterface = (old: PeerIntent, now: PeerIntent): boolean => old.sourceInterface !== now.sourceInterface

const MAY_RESET: Readonly<Partial<Record<SessionChange, string>>> = {
  'remote AS': 'the AS number that the neighbor has',
  'local address': 'the address that the session runs from',
  role: 'whether the neighbor announces a role',
}

/**
 * The old neighbor, as far as it can be compared. Another node may stand for a row of the mesh now: that its name, address or AS
 * number differs is no change.
 */
function likeNow(old: PeerIntent, { name, address, remoteAs }: PeerIntent): PeerIntent {
  return old.kind === 'Mesh' ? { ...old, name, address, remoteAs } : old
}

function changeOfRoutes(
  node: string,
  before: PeerPreview | undefined,
  after: Pick<NowPreview, 'advertised' | 'label'>,
): readonly ChangeLine[] {
  const peer = after.label
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
