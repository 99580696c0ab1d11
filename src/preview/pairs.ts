/** Who of the neighbors before a change is who after it. */
import { familyOfAddress } from '../base/address.ts'
import { counted } from '../base/counted.ts'
import { FAMILIES, FAMILY_WORDS, type Family } from '../base/family.ts'
import { whereOf } from '../cluster/diff.ts'
import type { PeerIntent } from '../cluster/intent.ts'
import { type Alike, meshName } from '../cluster/peer-candidates.ts'
import type { Move } from './moves.ts'
import type { NodePreview, PeerPreview } from './node.ts'

export function pairsOf(before: NodePreview, after: NodePreview, moves: readonly Move[]): Pair[] {
  const { pairs, ofMesh } = namedPairs(before, after)
  return [...pairs, ...meshPairs(before, after, moves, ofMesh)]
}

/** What a neighbor, or some nodes of the mesh, were before the change and are after it. */
export interface Pair {
  readonly old: PeerPreview | undefined
  readonly now: PeerPreview | undefined
  readonly label: string
  /** Why the other end resets the session. */
  readonly resets?: string | undefined
}

export type NowPreview = PeerPreview & Pick<Pair, 'label' | 'resets'>

const isMesh = ({ intent }: PeerPreview): boolean => intent.kind === 'Mesh'

/** A neighbor is where it was, whatever its name; it may be a node that was in the mesh, or is in it now. */
function namedPairs(before: NodePreview, after: NodePreview): { readonly pairs: Pair[]; readonly ofMesh: Set<string> } {
  const [old, now] = [named(before), named(after)]
  const gone = [...old].filter(([name]) => !now.has(name))
  const added = [...now].filter(([name]) => !old.has(name))
  const [oldByPlace, nowByPlace] = [byPlace(gone), byPlace(added)]
  const ofMesh = new Set<string>()
  const wasAt = inMesh(before, added.length, ofMesh)
  const isAt = inMesh(after, gone.length, ofMesh)
  const pairs = [...now].map(([label, peer]): Pair => {
    const place = whereOf(peer.intent)
    return { old: old.get(label) ?? oldByPlace.get(place) ?? wasAt(peer.intent), now: peer, label }
  })
  const left = gone.filter(([, { intent }]) => !nowByPlace.has(whereOf(intent)))
  return {
    pairs: [
      ...left.map(([label, peer]): Pair => {
        const joins = isAt(peer.intent)
        return { old: peer, now: joins, label: joins?.intent.name ?? label }
      }),
      ...pairs,
    ],
    ofMesh,
  }
}

const sessionOf = (node: string, family: Family): string => `${node} ${family}`

const named = ({ peers }: NodePreview): ReadonlyMap<string, PeerPreview> =>
  new Map(peers.filter((peer) => !isMesh(peer)).map((peer) => [peer.intent.name, peer]))

const byPlace = (peers: readonly (readonly [string, PeerPreview])[]): ReadonlyMap<string, PeerPreview> =>
  new Map(peers.map(([, peer]) => [whereOf(peer.intent), peer]))

/**
 * Finds the node of the mesh that is where a neighbor is, as a neighbor by itself; its session is added to `found`. `asked`: how
 * many may be looked for.
 */
function inMesh(
  { node, peers }: NodePreview,
  asked: number,
  found: Set<string>,
): (peer: PeerIntent) => PeerPreview | undefined {
  const places = new Map<string, { readonly name: string; readonly row: PeerPreview }>()
  for (const row of asked === 0 ? [] : peers.filter(isMesh)) {
    for (const other of row.groups.flatMap(({ nodes }) => [...nodes.values()])) {
      const address = other.addresses[overFamily(row)]
      if (address === undefined || other.name === node) continue
      places.set(whereOf({ ...row.intent, address, port: other.listenPort }), { name: other.name, row })
    }
  }
  return (peer) => {
    const place = places.get(whereOf(peer))
    if (place === undefined) return undefined
    const { name, row } = place
    const { kind, address, port } = peer
    found.add(sessionOf(name, familyOfAddress(address)))
    return { ...row, intent: { ...row.intent, kind, name: meshName(address), address, port } }
  }
}

/** Nodes of the mesh that were in one row and are in one row, or in none. That a node is new or gone is said of itself. */
function meshPairs(
  before: NodePreview,
  after: NodePreview,
  moves: readonly Move[],
  elsewhere: ReadonlySet<string>,
): Pair[] {
  const [old, now] = [rowsByGroup(before), rowsByGroup(after)]
  const pairs = new Map<string, Omit<Pair, 'label'> & { over: string; count: number }>()
  for (const move of moves) {
    if (move.old === undefined || move.now === undefined) continue
    const others = [...move.names].filter((name) => name !== after.node)
    for (const { was, is, over } of rowPairs(old.get(move.old) ?? [], now.get(move.now) ?? [])) {
      const families = [was, is].flatMap((row) => (row === undefined ? [] : overFamily(row)))
      const count = others.filter((name) => !families.some((family) => elsewhere.has(sessionOf(name, family)))).length
      if (count === 0) continue
      const resets = is && move.resets[overFamily(is)]
      const key = [was && before.peers.indexOf(was), is && after.peers.indexOf(is), over, resets].join()
      const pair = pairs.get(key) ?? { old: was, now: is, over, resets, count: 0 }
      pairs.set(key, pair)
      pair.count += count
    }
  }
  return [...pairs.values()].map(({ over, count, ...pair }) => ({ ...pair, label: meshLabel(count, over) }))
}

interface RowPair {
  readonly was: PeerPreview | undefined
  readonly is: PeerPreview | undefined
  readonly over: string
}

/** Where a group has a row for each family, the sessions over one family are a pair. */
function rowPairs(before: readonly PeerPreview[], after: readonly PeerPreview[]): readonly RowPair[] {
  const isOne = before.length < 2 && after.length < 2
  const pairs = isOne
    ? [{ was: before[0], is: after[0], over: '' }]
    : FAMILIES.map((family) => {
        const [was, is] = [before, after].map((rows) => rows.find((row) => overFamily(row) === family))
        return { was, is, over: ` over ${FAMILY_WORDS[family]}` }
      })
  return pairs.filter(({ was, is }) => (was ?? is) !== undefined)
}

const overFamily = ({ intent }: PeerPreview): Family => familyOfAddress(intent.address)

const rowsByGroup = ({ peers }: NodePreview): ReadonlyMap<Alike, readonly PeerPreview[]> => {
  const rows = new Map<Alike, PeerPreview[]>()
  for (const peer of peers) for (const group of peer.groups) rows.set(group, [...(rows.get(group) ?? []), peer])
  return rows
}

const meshLabel = (count: number, over = ''): string => `the mesh${over} (${counted(count, 'node', 'nodes')})`

export const peerLabel = (peer: PeerPreview): string => (isMesh(peer) ? meshLabel(peer.count) : peer.intent.name)
