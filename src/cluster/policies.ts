/** The policy of each neighbor: its filters and the built-in rules. Neighbors with equal requests share one policy. */
import { builtinExport, builtinImport } from '../bgp/policy/defaults.ts'
import type { Policy, PrefixMatch, Rule } from '../bgp/policy/rule.ts'
import { advertisementRules, costOfPeers, forPeer } from './advertisement-rules.ts'
import type { NodeAdvertisement } from './advertisements.ts'
import { type HeldExport, heldExportRules } from './held.ts'
import type { PeerObject } from './objects.ts'
import { type FilterRules, type PartedPolicies, policiesOf, type RulesAround } from './policy-parts.ts'
import { same } from './same.ts'
import type { ObjectStore } from './store.ts'

export interface PeerPolicies extends PartedPolicies {
  /** Why no session may start; both policies then reject everything. */
  readonly held: string | undefined
  /** Index and name of each filter that is missing or has errors. */
  readonly missing: readonly { readonly index: number; readonly name: string; readonly why: string }[]
}

/** Approximate cost of a request, in microseconds. */
const REQUEST_COST = 2

/** `labels` undefined: the mesh. */
export type PolicyRequest = Pick<PeerObject, 'filters' | 'advertiseLearned' | 'nextHop'> & {
  /** Why the names of its filters cannot be read. */
  readonly filtersUnread?: string | undefined
} & (Pick<PeerObject, 'name' | 'labels'> | { readonly labels?: undefined })

/**
 * Values by key. One that equals that of the generation before stays the same value, so that for a thousand neighbors one
 * comparison of references shows that nothing has changed.
 */
class Generation<Value> {
  readonly #made = new Map<string, Value>()
  readonly #earlier: ReadonlyMap<string, Value>

  constructor(earlier: Generation<Value> | undefined) {
    this.#earlier = earlier === undefined ? new Map() : earlier.#made
  }

  get(key: string, make: () => Value): Value {
    const known = this.#made.get(key)
    if (known !== undefined) return known
    const made = make()
    const earlier = this.#earlier.get(key)
    const kept = earlier !== undefined && same(earlier, made) ? earlier : made
    this.#made.set(key, kept)
    return kept
  }
}

interface Generations {
  readonly policies: Generation<PeerPolicies>
  readonly filters: Generation<FilterRules>
  readonly around: Generation<RulesAround>
}

const generationAfter = (earlier: Generations | undefined): Generations => ({
  policies: new Generation(earlier?.policies),
  filters: new Generation(earlier?.filters),
  around: new Generation(earlier?.around),
})

/** What the policies of a node are made of. */
interface PolicySources {
  readonly store: ObjectStore
  /** What belongs to the cluster. */
  readonly ranges: readonly PrefixMatch[]
  /** What pools reject of it. */
  readonly closed: readonly Rule[]
  readonly advertising: readonly NodeAdvertisement[]
  readonly held: HeldExport
}

export class NodePolicies {
  readonly #store: ObjectStore
  readonly #import: Policy
  readonly #export: Readonly<Record<'originated' | 'learned', Policy>>
  readonly #held: readonly Rule[]
  readonly #advertising: readonly NodeAdvertisement[]
  readonly #made: Generations

  /** `earlier`: the previous policies. */
  constructor({ store, ranges, closed, advertising, held }: PolicySources, earlier?: NodePolicies) {
    this.#held = heldExportRules(held)
    this.#advertising = advertising
    this.#made = generationAfter(earlier === undefined ? undefined : earlier.#made)
    const exportOf = (learned: boolean): Policy => {
      const policy = builtinExport(ranges, learned)
      return { ...policy, rules: [...closed, ...policy.rules] }
    }
    this.#store = store
    this.#import = builtinImport(ranges)
    this.#export = { originated: exportOf(false), learned: exportOf(true) }
  }

  /** About what `for` takes, in microseconds. */
  get cost(): number {
    return REQUEST_COST + costOfPeers(this.#advertising)
  }

  for(request: PolicyRequest): PeerPolicies {
    const advertisements = forPeer(this.#advertising, request.labels === undefined ? undefined : request)
    const { filters, filtersUnread } = request
    const around = keyOfAround(request, advertisements)
    return this.#made.policies.get(JSON.stringify([filters, filtersUnread, around]), () => {
      const rulesAround = this.#made.around.get(around, () => this.#makeAround(request, advertisements))
      return this.#make(request, rulesAround)
    })
  }

  #makeAround({ advertiseLearned, nextHop }: PolicyRequest, advertisements: readonly string[]): RulesAround {
    return {
      exportBefore: [...this.#held, ...nextHopRules(nextHop), ...advertisementRules(this.#advertising, advertisements)],
      importAfter: this.#import,
      exportAfter: this.#export[advertiseLearned ? 'learned' : 'originated'],
    }
  }

  #make({ filters, filtersUnread }: PolicyRequest, around: RulesAround): PeerPolicies {
    const missing = filters.flatMap((name, index) => {
      const why = whyNoFilter(this.#store, name)
      return why === undefined ? [] : [{ index, name, why }]
    })
    const whys = missing.map(({ name, why }) => `BGPFilter/${name} ${why}`)
    const held = filtersUnread ?? (whys.length > 0 ? whys.join('; ') : undefined)
    const policyParts = { filters: held === undefined ? this.#rulesOf(filters) : undefined, around }
    return { ...policiesOf(policyParts), policyParts, held, missing }
  }

  #rulesOf(filters: readonly string[]): FilterRules {
    return this.#made.filters.get(JSON.stringify(filters), () => {
      const found = filters.flatMap((name) => this.#store.get('BGPFilter', name) ?? [])
      return {
        names: found.map(({ name }) => `BGPFilter/${name}`),
        importRules: found.flatMap(({ importV4, importV6 }) => [...importV4, ...importV6]),
        exportRules: found.flatMap(({ exportV4, exportV6 }) => [...exportV4, ...exportV6]),
      }
    })
  }
}

/** All that the rules around its filters depend on. `advertisements`: the BGPAdvertisements for it. */
const keyOfAround = ({ advertiseLearned, nextHop }: PolicyRequest, advertisements: readonly string[]): string =>
  JSON.stringify([advertiseLearned, nextHop, advertisements])

export function whyNoFilter(store: ObjectStore, name: string): string | undefined {
  if (store.get('BGPFilter', name) !== undefined) return undefined
  return store.exists('BGPFilter', name) ? 'has errors' : 'does not exist'
}

/** These rules run before the filters, so that they apply to every route that the filters accept. */
function nextHopRules(mode: PeerObject['nextHop']): Rule[] {
  if (mode === 'auto') return []
  const operation = { kind: 'set-next-hop', address: mode === 'self' ? 'self' : 'unchanged' } as const
  const match: Rule['match'] = {
    // Originated routes have no next hop to keep.
    ...(mode !== 'self' && { source: 'peer' }),
    ...(mode === 'keep-external' && { peerType: 'external' }),
  }
  return [{ name: `next hop ${mode === 'self' ? 'self' : 'keep'}`, match, action: 'next', operations: [operation] }]
}
