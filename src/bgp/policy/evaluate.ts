/** Evaluates one route against one policy, for `show` and tests. The RIB uses compiled policies. */
import type { Prefix } from '../../base/prefix.ts'
import type { PathAttributes } from '../wire/attribute.ts'
import type { PeerType } from '../wire/context.ts'
import { type CompiledPolicy, compile, type PolicyInput, type Rejected } from './compile.ts'
import type { Policy, RouteSource } from './rule.ts'
import type { NextHopSetting } from './trail.ts'

export interface PolicyRoute {
  readonly prefix: Pick<Prefix, 'family' | 'bytes' | 'length'>
  readonly source: RouteSource
  readonly learnedFrom: PeerType | undefined
  /** The interface of the session that it was learned over. */
  readonly interface?: string | undefined
  /** BGPAdvertisements that name a route of our own. */
  readonly named?: readonly string[] | undefined
  readonly attributes: PathAttributes
}

export type Evaluation =
  | {
      readonly kind: 'accept'
      readonly rule: string
      /** The same object when unchanged. */
      readonly attributes: PathAttributes
      readonly nextHop: NextHopSetting
    }
  | Rejected

/** `peerType` is that of the neighbor the policy is applied to. */
export function evaluate(policy: Policy, route: PolicyRoute, peerType: PeerType): Evaluation {
  return evaluator(policy, peerType)(route)
}

/** The same for many routes. The policy is compiled anew: hits that others count for theirs stay as they are. */
export function evaluator(policy: Policy, peerType: PeerType): (route: PolicyRoute) => Evaluation {
  const compiled = compile(policy)
  return (route) => evaluateCompiled(compiled, route, peerType)
}

function evaluateCompiled(compiled: CompiledPolicy, route: PolicyRoute, peerType: PeerType): Evaluation {
  const { attributes } = route
  const verdict = compiled.decide(inputOf(route, peerType))
  if (verdict.kind === 'reject') return verdict
  const { rule, edit, nextHop } = verdict
  return { kind: 'accept', rule, attributes: edit?.apply(attributes) ?? attributes, nextHop }
}

const inputOf = ({ prefix, attributes, ...route }: PolicyRoute, peerType: PeerType): PolicyInput => ({
  family: prefix.family,
  bytes: prefix.bytes,
  offset: 0,
  length: prefix.length,
  source: route.source,
  learnedFrom: route.learnedFrom,
  peerType,
  interface: route.interface,
  named: route.named,
  attributes: () => attributes,
  // It saves decoding, and these are decoded: "some may be there" is always right.
  lacksAll: () => false,
})
