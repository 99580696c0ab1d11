/**
 * What became of the nodes of a cluster, as the others see them: each group of nodes that were alike and are alike. The
 * mesh of a thousand nodes has a million sessions, and a change of it a few of these.
 */
import { FAMILIES, type Family } from '../base/family.ts'
import type { ClusterNode } from '../cluster/node.ts'
import type { Alike } from '../cluster/peer-candidates.ts'

export interface Move {
  /** Undefined: the nodes are new, or gone. */
  readonly old: Alike | undefined
  readonly now: Alike | undefined
  /** Why a session over this family with each of them ends, as seen from the other end. */
  readonly resets: Readonly<Record<Family, string | undefined>>
  readonly names: Set<string>
}

export function movesOf(before: readonly Alike[], after: readonly Alike[]): readonly Move[] {
  const [old, now] = [byName(before), byName(after)]
  const moves = new Map<string, Move>()
  const indexOf = new Map([...before, ...after].map((group, index) => [group, index]))
  for (const name of new Set([...old.keys(), ...now.keys()])) {
    const [was, is] = [old.get(name), now.get(name)]
    const resets = resetsOf(was?.nodes.get(name), is?.nodes.get(name))
    const key = [was && indexOf.get(was), is && indexOf.get(is), ...FAMILIES.map((family) => resets[family])].join()
    const move = moves.get(key) ?? { old: was, now: is, resets, names: new Set() }
    moves.set(key, move)
    move.names.add(name)
  }
  return [...moves.values()]
}

const byName = (groups: readonly Alike[]): ReadonlyMap<string, Alike> =>
  new Map(groups.flatMap((group) => [...group.nodes.keys()].map((name) => [name, group] as const)))

function resetsOf(old: ClusterNode | undefined, now: ClusterNode | undefined): Move['resets'] {
  const why = (family: Family): string | undefined => {
    if (old === undefined || now === undefined) return undefined
    if (old.asNumber !== now.asNumber) return 'remote AS'
    if (old.addresses[family] !== now.addresses[family]) return 'remote address'
    return old.routerId === now.routerId ? undefined : 'remote router ID'
  }
  return { ipv4: why('ipv4'), ipv6: why('ipv6') }
}
