/** The policy of each neighbor: its filters and the built-in rules. Neighbors with equal requests share one policy. */
import { builtinExport, builtinImport, REJECT_ALL, withFilters } from '../bgp/policy/defaults.ts'
import type { Policy, PrefixMatch, Rule } from '../bgp/policy/rule.ts'
import { advertisementRules, forPeer, type NodeAdvertisement } from './advertisements.ts'
import type { FilterObject, PeerObject } from './objects.ts'
import type { PoolObject } from './pool.ts'
import { unexportedRules } from './pools.ts'
import { same } from './same.ts'
import type { ObjectStore } from './store.ts'

export interface PeerPolicies {
  readonly importPolicy: Policy
  readonly exportPolicy: Policy
  /** Why no session may start; both policies then reject everything. */
  readonly held: string | undefined
  /** Index and name of each filter that is missing or has errors. */
  readonly missing: readonly { readonly index: number; readonly name: string; readonly why: string }[]
}

/** `labels` undefined: the mesh. */
export type PolicyRequest = Pick<PeerObject, 'filters' | 'advertiseLearned' | 'nextHop'> &
  (Pick<PeerObject, 'name' | 'labels'> | { readonly labels?: undefined })

export class Policies {
  readonly #store: ObjectStore
  readonly #import: Policy
  readonly #export: Readonly<Record<'own' | 'learned', Policy>>
  readonly #advertising: readonly NodeAdvertisement[]
  /** By `keyOf`. */
  readonly #made = new Map<string, PeerPolicies>()
  readonly #earlier: ReadonlyMap<string, PeerPolicies>

  /**
   * `ranges`: what belongs to the cluster. `earlier`: the previous policies. An equal policy stays the same value,
   * so that for a thousand neighbors one comparison of references shows that nothing has changed.
   */
  constructor(
    store: ObjectStore,
    ranges: readonly PrefixMatch[],
    pools: Iterable<PoolObject>,
    advertising: readonly NodeAdvertisement[],
    earlier?: Policies,
  ) {
    this.#advertising = advertising
    this.#earlier = earlier === undefined ? new Map() : earlier.#made
    const closed = unexportedRules(pools)
    const exportOf = (learned: boolean): Policy => {
      const policy = builtinExport(ranges, learned)
      return { ...policy, rules: [...closed, ...policy.rules] }
    }
    this.#store = store
    this.#import = builtinImport(ranges)
    this.#export = { own: exportOf(false), learned: exportOf(true) }
  }

  for(request: PolicyRequest): PeerPolicies {
    const advertisements = forPeer(this.#advertising, request.labels === undefined ? undefined : request)
    const key = keyOf(request, advertisements)
    const known = this.#made.get(key)
    if (known !== undefined) return known
    const made = this.#make(request, advertisements)
    const earlier = this.#earlier.get(key)
    const kept = earlier !== undefined && same(earlier, made) ? earlier : made
    this.#made.set(key, kept)
    return kept
  }

  #make({ filters, advertiseLearned, nextHop }: PolicyRequest, advertisements: readonly string[]): PeerPolicies {
    const missing = filters.flatMap((name, index) => {
      const why = whyNoFilter(this.#store, name)
      return why === undefined ? [] : [{ index, name, why }]
    })
    if (missing.length > 0) {
      const held = missing.map(({ name, why }) => `BGPFilter/${name} ${why}`).join('; ')
      return { importPolicy: REJECT_ALL, exportPolicy: REJECT_ALL, held, missing }
    }
    const found = filters.flatMap((name) => this.#store.get('BGPFilter', name) ?? [])
    const importRules = found.flatMap(({ importV4, importV6 }) => [...importV4, ...importV6])
    const exportRules = found.flatMap(({ exportV4, exportV6 }) => [...exportV4, ...exportV6])
    const before = [...nextHopRules(nextHop), ...advertisementRules(this.#advertising, advertisements)]
    const ends = this.#export[advertiseLearned ? 'learned' : 'own']
    return {
      importPolicy: named(withFilters(importRules, this.#import), found),
      exportPolicy: named(withFilters([...before, ...exportRules], ends), found),
      held: undefined,
      missing,
    }
  }
}

/** All that the policies of a neighbor depend on. `advertisements`: the BGPAdvertisements for it. */
const keyOf = ({ filters, advertiseLearned, nextHop }: PolicyRequest, advertisements: readonly string[]): string =>
  JSON.stringify([filters, advertiseLearned, nextHop, advertisements])

export function whyNoFilter(store: ObjectStore, name: string): string | undefined {
  if (store.get('BGPFilter', name) !== undefined) return undefined
  return store.exists('BGPFilter', name) ? 'has errors' : 'does not exist'
}

function named(policy: Policy, filters: readonly FilterObject[]): Policy {
  if (filters.length === 0) return policy
  return { ...policy, name: [...filters.map(({ name }) => `BGPFilter/${name}`), policy.name].join(', ') }
}

/** These rules run before the filters, so that they apply to every route that the filters accept. */
function nextHopRules(mode: PeerObject['nextHop']): Rule[] {
  if (mode === 'auto') return []
  const operation = { kind: 'set-next-hop', address: mode === 'self' ? 'self' : 'unchanged' } as const
  const match: Rule['match'] = {
    // Our own routes have no next hop to keep.
    ...(mode !== 'self' && { source: 'peer' }),
    ...(mode === 'keep-external' && { peerType: 'external' }),
  }
  return [{ name: `next hop ${mode === 'self' ? 'self' : 'keep'}`, match, action: 'next', operations: [operation] }]
}
