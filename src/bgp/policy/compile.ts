/**
 * Compiles a policy into a form that decides quickly. In: a `Policy` (rule.ts). Out: a `CompiledPolicy`, which decides
 * once per route and neighbor. It owns the hit counters of the rules and nothing else; it keeps no route.
 *
 * How the RIB calls it:
 *
 *   const verdict = policy.decide(input)
 *
 * - `input` is read during the call only: the RIB fills one object again for each route, so that nothing is allocated.
 * - For many routes with the same attributes, where `isUniform` is true: call `decide` for one of them, keep the
 *   indexes in `met`, and count the hits of the others with `addHits`. The verdict is the same for all.
 *
 * Verdicts are shared objects; the RIB compares them and never changes them. An accepted route whose `edit` is
 * undefined keeps its attributes. Otherwise they are `edit.apply(attributes)`: the same edit (by identity or `id`,
 * unique within one CompiledPolicy) gives equal results for equal attributes, so (edit, attribute id) is a key for the
 * RIB's cache.
 */
import type { Family } from '../../base/family.ts'
import { overlap } from '../../base/overlap.ts'
import { DEFAULT_LOCAL_PREF } from '../route/attribute-table.ts'
import type { PathAttributes } from '../wire/attribute.ts'
import type { PeerType } from '../wire/context.ts'
import { globOf, matchesAttributes, ORIGINATED_LOCAL_PREF, readsAttributes } from './match.ts'
import { PrefixSet, wordAt } from './prefix-set.ts'
import type { Operation, Policy, PrefixMatch, RouteSource, Rule, RuleMatch } from './rule.ts'
import { NameIndex, RuleIndex } from './rule-index.ts'
import { type Accepted, changesAttributes, TrailTree } from './trail.ts'

export interface Rejected {
  readonly kind: 'reject'
  readonly rule: string
  /** Shown to users: why, and where known what to do about it. */
  readonly reason: string
}

export type Verdict = Accepted | Rejected

/** What is decided on: a route, and the neighbor whose policy it is. */
export interface PolicyInput {
  readonly family: Family
  /**
   * `bytes[offset]` is the first octet of the address. Only the first ceil(length / 8) octets are read, and bits beyond
   * `length` are ignored: both NLRI as received (after its length octet) and a whole address of 4 or 16 octets will do.
   */
  bytes: Uint8Array
  offset: number
  /** The prefix length: 0 to 32 or 128 bits. */
  length: number
  /** 'originated' for routes that this node originates, 'peer' for learned ones (on import always 'peer'). */
  source: RouteSource
  /** The type of the neighbor that a learned route came from; undefined for originated routes. */
  learnedFrom: PeerType | undefined
  /** The type of the neighbor whose policy this is; on import the same as `learnedFrom`. */
  peerType: PeerType
  /** The interface of the session that the route was learned over; undefined for originated routes. */
  interface: string | undefined
  /** The BGPAdvertisements that select an originated route. */
  named: readonly string[] | undefined
  /** Decodes the attributes. Called at most once for a decision, and only when a rule that could match reads them. */
  readonly attributes: () => PathAttributes
  /**
   * Excludes communities without decoding the attributes, and is called before `attributes`. True: the route has none
   * of these (standard: two numbers, large: three). False: it may have some.
   */
  readonly lacksAll: (communities: readonly (readonly number[])[]) => boolean
}

/** The steps that can match routes of one kind. */
interface Lane {
  readonly steps: readonly Step[]
  /** Where many of them name prefixes. */
  readonly index: RuleIndex | undefined
  /** Where many of them name BGPAdvertisements, and few name prefixes. */
  readonly names: NameIndex | undefined
  /** The verdict is the same for all of these routes that have the same attributes. */
  readonly isUniform: boolean
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
  /** Every route is accepted unchanged, with the default next hop. `decide` need not be called; no hits are counted. */
  readonly acceptsAll: boolean
  /**
   * With how many rules a route is compared at most; the RIB estimates the time of a decision by it. A rule with names counts
   * as several, since one route may have the names of all. Rules with prefixes do not count: a route is compared with fewer
   * than `MANY`, as more are found by an index.
   */
  readonly comparisons: number
  /** How often each rule applied, in the policy's order; last, how often the default action did. */
  readonly hits: Float64Array
  readonly #steps: readonly Step[]
  readonly #lanes: (Lane | undefined)[] = new Array(LANES).fill(undefined)
  readonly #trails: TrailTree
  readonly #sets = new Map<readonly PrefixMatch[], PrefixSets>()
  /** Indexes of the rules that applied in the last call of `decide`: the first `#metCount`. */
  readonly #met: number[] = []
  #metCount = 0

  constructor(policy: Policy) {
    this.policy = policy
    this.hits = new Float64Array(policy.rules.length + 1)
    this.#trails = new TrailTree(policy.rules.length)
    const steps = [...policy.rules, lastRule(policy)].map((rule, index) => this.#step(rule, index))
    this.#steps = upTo(steps, (step) => ends(step) && takesAll(step))
    this.comparisons = this.#steps.reduce((sum, step) => sum + comparisonsOf(step), 0)
    this.dependsOnAttributes = this.#steps.some((step) => step.readsAttributes)
    this.changesAttributes = this.#steps.some(
      (step) => step.rule.action !== 'reject' && step.operations.some(changesAttributes),
    )
    this.acceptsAll = this.#steps.every((step) => step.rule.action !== 'reject' && step.operations.length === 0)
  }

  /** Counts a hit for each rule that applies, and leaves their indexes in `met`. */
  decide(input: PolicyInput): Verdict {
    const { family, bytes, offset, length, source } = input
    const octets = (length + 7) >> 3
    const w0 = wordAt(bytes, offset, octets, 0)
    const w1 = octets > 4 ? wordAt(bytes, offset, octets, 1) : 0
    const w2 = octets > 8 ? wordAt(bytes, offset, octets, 2) : 0
    const w3 = octets > 12 ? wordAt(bytes, offset, octets, 3) : 0
    const unset = source === 'originated' ? ORIGINATED_LOCAL_PREF : DEFAULT_LOCAL_PREF
    const start = this.#trails.start()
    let trail = start
    let original: PathAttributes | undefined
    let current: PathAttributes | undefined
    let lastSet: PrefixSet | undefined
    let contained = false
    const named = input.named ?? NONE
    const { steps, index, names } = this.#lane(family, source, input.learnedFrom, input.peerType)
    const count = index?.select(w0, w1, w2, w3, length) ?? names?.select(named) ?? steps.length
    const selected = (index ?? names)?.selected
    this.#metCount = 0
    for (let at = 0; at < count; at++) {
      const step = steps[selected === undefined ? at : (selected[at] as number)] as Step
      if (index === undefined && step.inside !== undefined) {
        // Consecutive rules often have the same prefixes: one lookup is enough for them.
        const set = step.inside[family]
        if (set !== lastSet) contained = set.has(w0, w1, w2, w3, length)
        lastSet = set
        if (!contained) continue
      }
      if (step.outside?.[family].has(w0, w1, w2, w3, length)) continue
      if (step.isNamed?.(named) === false) continue
      if (step.interface?.test(input.interface ?? '') === false) continue
      if (step.readsAttributes) {
        const { communities } = step.rule.match
        // `lacksAll` knows the original attributes only; an earlier rule may have changed communities.
        if (communities !== undefined && trail === start && input.lacksAll(communities)) continue
        original ??= input.attributes()
        current ??= trail.apply(original)
        if (!matchesAttributes(step.rule.match, current, unset)) continue
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

  /** The verdict is the same for all routes of this kind with the same attributes: see `tellsRoutesApart`. */
  isUniform(family: Family, source: RouteSource, learnedFrom: PeerType | undefined, peerType: PeerType): boolean {
    return this.#lane(family, source, learnedFrom, peerType).isUniform
  }

  /** How many trails and verdicts are kept. */
  get kept(): number {
    return this.#trails.size
  }

  /** Indexes of the rules that applied in the last call of `decide`. */
  get met(): readonly number[] {
    return this.#met.slice(0, this.#metCount)
  }

  /** Adds `times` hits to each rule that applied in the last call of `decide`. */
  addHitsOfLast(times: number): void {
    this.addHits(this.#met, times, this.#metCount)
  }

  /** Calls `ask` for a `show` command: its matches are not counted as hits. */
  uncounted<Answer>(ask: () => Answer): Answer {
    const before = this.hits.slice()
    const answer = ask()
    this.hits.set(before)
    return answer
  }

  /** Adds `times` hits to the first `count` of these rules. */
  addHits(rules: readonly number[], times: number, count = rules.length): void {
    for (let at = 0; at < count; at++) {
      const index = rules[at] as number
      this.hits[index] = (this.hits[index] as number) + times
    }
  }

  /** The steps that can match this family, source and neighbor, up to the first one that matches every route. */
  #lane(family: Family, source: RouteSource, learnedFrom: PeerType | undefined, peerType: PeerType): Lane {
    const index =
      (family === 'ipv4' ? 0 : 1) |
      (source === 'originated' ? 0 : 2) |
      (peerType === 'internal' ? 0 : 4) |
      (learnedFrom === undefined ? 0 : learnedFrom === 'internal' ? 8 : 16)
    const known = this.#lanes[index]
    if (known !== undefined) return known
    const possible = this.#steps.filter(
      ({ rule: { match } }) =>
        (match.family ?? family) === family &&
        (match.source ?? source) === source &&
        (match.peerType ?? peerType) === peerType &&
        (match.learnedFrom ?? learnedFrom) === learnedFrom &&
        match.prefixes?.some(
          ({ prefix, minLength, maxLength }) => prefix.family === family && minLength <= maxLength,
        ) !== false,
    )
    const steps = upTo(possible, (step) => ends(step) && matchesWholeLane(step.rule.match))
    const prefixLists = steps.map((step) => step.rule.match.prefixes)
    const nameLists = steps.map((step) => step.rule.match.named)
    const isLong = prefixLists.filter((prefixes) => prefixes !== undefined).length >= MANY
    if (!isLong)
      for (const step of steps) step.inside ??= step.rule.match.prefixes && this.#setsOf(step.rule.match.prefixes)
    const lane = {
      steps,
      index: isLong ? new RuleIndex(prefixLists, family) : undefined,
      names:
        !isLong && nameLists.filter((names) => names !== undefined).length >= MANY
          ? new NameIndex(nameLists)
          : undefined,
      isUniform: !steps.some((step) => tellsRoutesApart(step.rule.match)),
    }
    this.#lanes[index] = lane
    return lane
  }

  #step(rule: Rule, index: number): Step {
    const { notPrefixes, interface: pattern } = rule.match
    return {
      rule,
      index,
      interface: pattern === undefined ? undefined : globOf(pattern),
      isNamed: namedBy(rule.match),
      operations: rule.action === 'reject' ? [] : rule.operations,
      inside: undefined,
      outside: notPrefixes && this.#setsOf(notPrefixes),
      readsAttributes: readsAttributes(rule.match),
      rejected:
        rule.action === 'reject'
          ? { kind: 'reject', rule: rule.name, reason: rule.reason ?? `rejected by ${rule.name}` }
          : undefined,
    }
  }

  /** Rules that share a list of prefixes share its sets. */
  #setsOf(matches: readonly PrefixMatch[]): PrefixSets {
    const known = this.#sets.get(matches)
    if (known !== undefined) return known
    const sets = { ipv4: new PrefixSet(matches, 'ipv4'), ipv6: new PrefixSet(matches, 'ipv6') }
    this.#sets.set(matches, sets)
    return sets
  }
}

/** Two families, two sources, two neighbor types, and three values of `learnedFrom` in two bits. */
const LANES = 24
/** From this many rules with prefixes on, a lane uses a `RuleIndex`; from this many with names on, a `NameIndex`. */
const MANY = 8

/** A compiled rule. */
interface Step {
  readonly rule: Rule
  readonly index: number
  readonly operations: readonly Operation[]
  readonly interface: RegExp | undefined
  readonly isNamed: ((by: readonly string[]) => boolean) | undefined
  /** The prefixes of the rule; set once a lane without an index uses the step. */
  inside: PrefixSets | undefined
  readonly outside: PrefixSets | undefined
  readonly readsAttributes: boolean
  readonly rejected: Rejected | undefined
}

type PrefixSets = Readonly<Record<Family, PrefixSet>>

/** The policy's default action as the last rule, so that some rule decides on every route. */
const lastRule = (policy: Policy): Rule => ({
  name: policy.name,
  match: {},
  action: policy.otherwise,
  operations: [],
  reason: policy.otherwiseReason,
})

const comparisonsOf = ({ rule, isNamed }: Step): number => {
  if (rule.match.prefixes !== undefined) return 0
  return isNamed === undefined ? 1 : NAMES_COST
}
/** To compare two lists of names takes as long as so many other rules. */
const NAMES_COST = 12

const ends = (step: Step): boolean => step.rule.action !== 'next'

/** It reads nothing in which routes of one lane differ. */
const matchesWholeLane = (match: RuleMatch): boolean => !tellsRoutesApart(match) && !readsAttributes(match)

/** It reads something in which routes of one lane with the same attributes differ. */
const tellsRoutesApart = (match: RuleMatch): boolean =>
  match.prefixes !== undefined ||
  match.notPrefixes !== undefined ||
  match.interface !== undefined ||
  match.named !== undefined ||
  match.notNamed !== undefined

const takesAll = ({ rule: { match } }: Step): boolean => Object.values(match).every((value) => value === undefined)

const NONE: readonly string[] = []

function namedBy({ named, notNamed = NONE }: RuleMatch): Step['isNamed'] {
  if (named === undefined && notNamed === NONE) return undefined
  return (by) => (named === undefined ? by.length > 0 : overlap(named, by)) && !overlap(notNamed, by)
}

/** The steps up to and including the first for which `last` holds. It holds for one at least: `lastRule`. */
const upTo = (steps: readonly Step[], last: (step: Step) => boolean): readonly Step[] =>
  steps.slice(0, steps.findIndex(last) + 1)
