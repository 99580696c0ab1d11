/**
 * Turns a policy into something that answers quickly. Comes in: a `Policy` (rule.ts). Goes out: a `CompiledPolicy`,
 * asked once per route and neighbor. It owns the rules' hit counters and nothing else; it keeps no route.
 *
 * How the RIB asks:
 *
 *   const verdict = policy.decide(family, bytes, offset, length, source, learnedFrom, peerType, attributes)
 *
 * - `bytes[offset]` is the first octet of the address, `length` the prefix length in bits. Only the first
 *   ceil(length / 8) octets are read and bits beyond `length` do not count: NLRI as it lies on the wire (after its
 *   length octet) will do, and so will a whole address of 4 or 16 octets.
 * - `source`: 'own' for routes this node originates, 'peer' for learned ones (on import always 'peer').
 *   `learnedFrom`: the type of the neighbor a learned route came from, undefined for our own.
 *   `peerType`: the type of the neighbor whose policy this is. On import the two are the same.
 * - `attributes` is called at most once, and only when a rule that could match looks at attributes. `bare`, where given,
 *   is asked first: it knows without decoding which communities are absent.
 * - For many routes with the same attributes: where `ignoresPrefixes` is true, the verdict on one is the verdict on all,
 *   and `again` counts for the others what `met` was after the one.
 *
 * Verdicts are shared objects; the RIB compares, never changes them. An accepted route whose `edit` is undefined keeps
 * its attributes. Otherwise they are `edit.apply(attributes)`: the same edit (by identity or `id`, unique within one
 * CompiledPolicy) gives equal results for equal attributes, so (edit, attribute id) is a key for the RIB's cache.
 */
import type { Family } from '../../base/family.ts'
import { DEFAULT_LOCAL_PREF } from '../route/attribute-table.ts'
import type { PathAttributes } from '../wire/attribute.ts'
import type { PeerType } from '../wire/context.ts'
import { globOf, matchesAttributes, OWN_LOCAL_PREF, readsAttributes } from './match.ts'
import { operate } from './operate.ts'
import { PrefixSet, wordAt } from './prefix-set.ts'
import type { Operation, Policy, PrefixMatch, RouteSource, Rule, RuleMatch } from './rule.ts'

/** The next hop to advertise: by the neighbor's type, or set by a rule. */
export type NextHopChoice = 'default' | 'self' | 'unchanged' | Uint8Array

export interface Accepted {
  readonly kind: 'accept'
  /** Name of the rule that decided; of the policy where none did. */
  readonly rule: string
  /** Undefined when the attributes stay as they are. */
  readonly edit: Edit | undefined
  readonly nextHop: NextHopChoice
}

export interface Rejected {
  readonly kind: 'reject'
  readonly rule: string
  /** For people: why, and where known what to do about it. */
  readonly reason: string
}

export type Verdict = Accepted | Rejected

/** What is known of a route without decoding its attributes. */
export interface BareAttributes {
  /** The interface of the session it was learned over; our own have none. */
  readonly interface?: string | undefined
  /** Of our own: the BGPAdvertisements that name it. */
  readonly named?: readonly string[] | undefined
  /** None of these communities is there, of two numbers or of three. False promises nothing. */
  lacksAll(communities: readonly (readonly number[])[]): boolean
}

/** The steps that routes of one kind can meet, and whether none of them looks at prefixes. */
interface Lane {
  readonly steps: readonly Step[]
  readonly ignoresPrefixes: boolean
}

/** What the rules on a route's way do to its attributes. */
export class Edit {
  readonly id: number
  readonly #operations: readonly Operation[]

  constructor(id: number, operations: readonly Operation[]) {
    this.id = id
    this.#operations = operations
  }

  /** The very same object where nothing changes. */
  apply(attributes: PathAttributes): PathAttributes {
    return operate(this.#operations, attributes)
  }
}

export function compile(policy: Policy): CompiledPolicy {
  return new CompiledPolicy(policy)
}

export class CompiledPolicy {
  readonly policy: Policy
  /** Some rule may look at attributes. */
  readonly dependsOnAttributes: boolean
  /** Some rule may change attributes (next hops apart). */
  readonly changesAttributes: boolean
  /** Every route is accepted, unchanged, with the default next hop: `decide` need not be asked (hits are not counted then). */
  readonly acceptsAll: boolean
  /** How often each rule applied, in the policy's order; the last is how often none decided. */
  readonly hits: Float64Array
  readonly #steps: readonly Step[]
  readonly #lanes: (Lane | undefined)[] = new Array(LANES).fill(undefined)
  readonly #start: Trail
  readonly #sets = new Map<readonly PrefixMatch[], PrefixSets>()
  /** The rules that applied in the last verdict: the first `#metCount`. */
  readonly #met: number[] = []
  #metCount = 0

  constructor(policy: Policy) {
    this.policy = policy
    this.hits = new Float64Array(policy.rules.length + 1)
    let edits = 0
    this.#start = new Trail([], (operations) => new Edit(++edits, operations))
    const steps = [...policy.rules, lastRule(policy)].map((rule, index) => this.#step(rule, index))
    this.#steps = upTo(steps, (step) => ends(step) && takesAll(step))
    this.dependsOnAttributes = this.#steps.some((step) => step.readsAttributes)
    this.changesAttributes = this.#steps.some((step) => step.rule.action !== 'reject' && step.operations.some(changes))
    this.acceptsAll = this.#steps.every((step) => step.rule.action !== 'reject' && step.operations.length === 0)
  }

  /** See the top of this file. */
  decide(
    family: Family,
    bytes: Uint8Array,
    offset: number,
    length: number,
    source: RouteSource,
    learnedFrom: PeerType | undefined,
    peerType: PeerType,
    attributes: () => PathAttributes,
    bare?: BareAttributes,
  ): Verdict {
    const octets = (length + 7) >> 3
    const w0 = wordAt(bytes, offset, octets, 0)
    const w1 = octets > 4 ? wordAt(bytes, offset, octets, 1) : 0
    const w2 = octets > 8 ? wordAt(bytes, offset, octets, 2) : 0
    const w3 = octets > 12 ? wordAt(bytes, offset, octets, 3) : 0
    let trail = this.#start
    let original: PathAttributes | undefined
    let current: PathAttributes | undefined
    let asked: PrefixSet | undefined
    let contained = false
    const { steps } = this.#lane(family, source, learnedFrom, peerType)
    this.#metCount = 0
    for (let at = 0; at < steps.length; at++) {
      const step = steps[at] as Step
      if (step.inside !== undefined) {
        // Rules one behind the other often name the same prefixes.
        const set = step.inside[family]
        if (set !== asked) contained = set.has(w0, w1, w2, w3, length)
        asked = set
        if (!contained) continue
      }
      if (step.outside?.[family].has(w0, w1, w2, w3, length)) continue
      if (step.isNamed?.(bare?.named ?? NOBODY) === false) continue
      if (step.interface?.test(bare?.interface ?? '') === false) continue
      if (step.readsAttributes) {
        const { communities } = step.rule.match
        if (communities !== undefined && trail === this.#start && bare?.lacksAll(communities)) continue
        original ??= attributes()
        current ??= trail.apply(original)
        if (!matchesAttributes(step.rule.match, current, source === 'own' ? OWN_LOCAL_PREF : DEFAULT_LOCAL_PREF))
          continue
      }
      this.hits[step.index] = (this.hits[step.index] as number) + 1
      this.#met[this.#metCount++] = step.index
      if (step.rejected !== undefined) return step.rejected
      if (step.rule.action === 'accept') return trail.accept(step)
      if (step.operations.length > 0) {
        trail = trail.after(step)
        current = undefined
      }
    }
    throw new Error(`policy ${this.policy.name} came to no verdict`)
  }

  /** No rule that routes of this kind can meet looks at prefixes, or at which of several neighbors a route came from. */
  ignoresPrefixes(family: Family, source: RouteSource, learnedFrom: PeerType | undefined, peerType: PeerType): boolean {
    return this.#lane(family, source, learnedFrom, peerType).ignoresPrefixes
  }

  /** The rules that applied in the last verdict. */
  get met(): readonly number[] {
    return this.#met.slice(0, this.#metCount)
  }

  /** The rules that applied in the last verdict applied so often more. */
  repeat(times: number): void {
    this.again(this.#met, times, this.#metCount)
  }

  /** Asks for a `show` command: a match is not counted as a hit. */
  uncounted<Answer>(ask: () => Answer): Answer {
    const before = this.hits.slice()
    const answer = ask()
    this.hits.set(before)
    return answer
  }

  /** The first `count` of these rules applied so often more. */
  again(met: readonly number[], times: number, count = met.length): void {
    for (let at = 0; at < count; at++) {
      const index = met[at] as number
      this.hits[index] = (this.hits[index] as number) + times
    }
  }

  /** The steps that this family, origin and neighbor can meet, with nothing behind one that takes every route. */
  #lane(family: Family, source: RouteSource, learnedFrom: PeerType | undefined, peerType: PeerType): Lane {
    const index =
      (family === 'ipv4' ? 0 : 1) |
      (source === 'own' ? 0 : 2) |
      (peerType === 'internal' ? 0 : 4) |
      (learnedFrom === undefined ? 0 : learnedFrom === 'internal' ? 8 : 16)
    const known = this.#lanes[index]
    if (known !== undefined) return known
    const met = this.#steps.filter(
      ({ rule: { match }, inside }) =>
        (match.family ?? family) === family &&
        (match.source ?? source) === source &&
        (match.peerType ?? peerType) === peerType &&
        (match.learnedFrom ?? learnedFrom) === learnedFrom &&
        inside?.[family].size !== 0,
    )
    const steps = upTo(met, (step) => ends(step) && readsRouteOnly(step.rule.match))
    const lane = { steps, ignoresPrefixes: !steps.some((step) => readsPlace(step.rule.match)) }
    this.#lanes[index] = lane
    return lane
  }

  #step(rule: Rule, index: number): Step {
    const { prefixes, notPrefixes, interface: pattern } = rule.match
    return {
      rule,
      index,
      interface: pattern === undefined ? undefined : globOf(pattern),
      isNamed: namedBy(rule.match),
      operations: rule.action === 'reject' ? [] : rule.operations,
      inside: prefixes && this.#setsOf(prefixes),
      outside: notPrefixes && this.#setsOf(notPrefixes),
      readsAttributes: readsAttributes(rule.match),
      rejected:
        rule.action === 'reject'
          ? { kind: 'reject', rule: rule.name, reason: rule.reason ?? `rejected by ${rule.name}` }
          : undefined,
    }
  }

  /** One list, one set, however many rules name it. */
  #setsOf(matches: readonly PrefixMatch[]): PrefixSets {
    const known = this.#sets.get(matches)
    if (known !== undefined) return known
    const sets = { ipv4: new PrefixSet(matches, 'ipv4'), ipv6: new PrefixSet(matches, 'ipv6') }
    this.#sets.set(matches, sets)
    return sets
  }
}

/** Families by two, sources by two, neighbor types by two, learned from by three in two bits. */
const LANES = 24

/** A rule made ready. */
interface Step {
  readonly rule: Rule
  readonly index: number
  readonly operations: readonly Operation[]
  readonly interface: RegExp | undefined
  readonly isNamed: ((by: readonly string[]) => boolean) | undefined
  readonly inside: PrefixSets | undefined
  readonly outside: PrefixSets | undefined
  readonly readsAttributes: boolean
  readonly rejected: Rejected | undefined
}

type PrefixSets = Readonly<Record<Family, PrefixSet>>

/** A policy's last word as a rule of its own, so that every route meets one that decides. */
const lastRule = (policy: Policy): Rule => ({
  name: policy.name,
  match: {},
  action: policy.otherwise,
  operations: [],
  reason: policy.otherwiseReason,
})

const changes = (operation: Operation): boolean => operation.kind !== 'set-next-hop'
const ends = (step: Step): boolean => step.rule.action !== 'next'

/** The match looks at neither prefixes, interfaces nor attributes: within its lane it takes every route. */
const readsRouteOnly = (match: RuleMatch): boolean => !readsPlace(match) && !readsAttributes(match)

const readsPlace = (match: RuleMatch): boolean =>
  match.prefixes !== undefined ||
  match.notPrefixes !== undefined ||
  match.interface !== undefined ||
  match.named !== undefined

const takesAll = ({ rule: { match } }: Step): boolean => Object.values(match).every((value) => value === undefined)

const NOBODY: readonly string[] = []

function namedBy({ named, notNamed = NOBODY }: RuleMatch): Step['isNamed'] {
  if (named === undefined) return undefined
  return (by) => by.some((one) => named.includes(one)) && !by.some((one) => notNamed.includes(one))
}

/** Up to and with the first that is `last`. */
const upTo = (steps: readonly Step[], last: (step: Step) => boolean): readonly Step[] =>
  steps.slice(0, steps.findIndex(last) + 1)

/**
 * The way a route has come: which rules with operations have applied to it, one after another. Kept as a tree, so that
 * routes which met the same rules share one verdict and one edit. It has at most two branches per `next` rule with
 * operations; the policies made here have one such rule at most.
 */
class Trail {
  readonly #operations: readonly Operation[]
  readonly #newEdit: (operations: readonly Operation[]) => Edit
  readonly #after = new Map<Step, Trail>()
  readonly #accepted = new Map<Step, Accepted>()

  constructor(operations: readonly Operation[], newEdit: (operations: readonly Operation[]) => Edit) {
    this.#operations = operations
    this.#newEdit = newEdit
  }

  apply(attributes: PathAttributes): PathAttributes {
    return operate(this.#operations, attributes)
  }

  after(step: Step): Trail {
    const known = this.#after.get(step)
    if (known !== undefined) return known
    const trail = new Trail([...this.#operations, ...step.operations], this.#newEdit)
    this.#after.set(step, trail)
    return trail
  }

  accept(step: Step): Accepted {
    const known = this.#accepted.get(step)
    if (known !== undefined) return known
    const operations = [...this.#operations, ...step.operations]
    const edits = operations.filter(changes)
    const nextHop = operations.findLast((operation) => operation.kind === 'set-next-hop')?.address ?? 'default'
    const edit = edits.length === 0 ? undefined : this.#newEdit(edits)
    const accepted: Accepted = { kind: 'accept', rule: step.rule.name, edit, nextHop }
    this.#accepted.set(step, accepted)
    return accepted
  }
}
