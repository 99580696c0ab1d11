/**
 * What a policy can do to a route that it accepts: the rules with operations that applied to it, one after the other, and
 * the verdict that they come to. All routes to which the same rules applied share one verdict and one edit.
 */
import type { PathAttributes } from '../wire/attribute.ts'
import { operate } from './operate.ts'
import type { Operation, Rule } from './rule.ts'

/** The next hop to advertise: by the neighbor's type, or set by a rule. */
export type NextHopSetting = 'default' | 'self' | 'unchanged' | Uint8Array

export interface Accepted {
  readonly kind: 'accept'
  /** Name of the rule that decided; the policy's name where its default action did. */
  readonly rule: string
  /** Undefined when the attributes stay as they are. */
  readonly edit: Edit | undefined
  readonly nextHop: NextHopSetting
}

/** The changes that the rules which matched a route make to its attributes. */
export class Edit {
  readonly id: number
  readonly #operations: readonly Operation[]

  constructor(id: number, operations: readonly Operation[]) {
    this.id = id
    this.#operations = operations
  }

  /** Returns the same object where nothing changes. */
  apply(attributes: PathAttributes): PathAttributes {
    return operate(this.#operations, attributes)
  }
}

/** A rule of the policy, and its operations: none where it rejects. */
interface RuleStep {
  readonly rule: Rule
  readonly operations: readonly Operation[]
}

/**
 * Trails and verdicts that a policy keeps, beside one for each rule. With k BGPAdvertisements that have operations, a
 * policy can come to 2^k of them, one for each set of those that name a route.
 */
const MOST_MADE = 1024

/** All trails of a policy. */
export class TrailTree {
  readonly #most: number
  #root = new Trail(this)
  #size = 1
  #edits = 0

  /** `rules`: how many the policy has. */
  constructor(rules: number) {
    this.#most = rules + MOST_MADE
  }

  /** How many trails and verdicts there are. */
  get size(): number {
    return this.#size
  }

  /**
   * No rule has applied yet. To be asked once for each decision, which makes at most one trail for each rule, and a verdict.
   * Where there are too many, a new tree is begun: verdicts and edits of the old one stay valid, but are not found again.
   */
  start(): Trail {
    if (this.#size > this.#most) {
      this.#root = new Trail(this)
      this.#size = 1
    }
    return this.#root
  }

  /** One more trail or verdict. */
  grow(): void {
    this.#size++
  }

  newEdit(operations: readonly Operation[]): Edit {
    return new Edit(++this.#edits, operations)
  }
}

/**
 * The rules with operations that have applied so far. It has at most one branch for each later `next` rule with operations.
 * It keeps all operations up to here, so that n such rules that apply to one route leave about n²/2 references.
 */
export class Trail {
  readonly #tree: TrailTree
  readonly #operations: readonly Operation[]
  /** Those of late rules: they apply on accept only. */
  readonly #late: readonly Operation[]
  readonly #after = new Map<RuleStep, Trail>()
  readonly #accepted = new Map<RuleStep, Accepted>()

  constructor(tree: TrailTree, operations: readonly Operation[] = [], late: readonly Operation[] = []) {
    this.#tree = tree
    this.#operations = operations
    this.#late = late
  }

  apply(attributes: PathAttributes): PathAttributes {
    return operate(this.#operations, attributes)
  }

  after(step: RuleStep): Trail {
    const known = this.#after.get(step)
    if (known !== undefined) return known
    const [early, late] = step.rule.late === true ? [[], step.operations] : [step.operations, []]
    const trail = new Trail(this.#tree, [...this.#operations, ...early], [...this.#late, ...late])
    this.#after.set(step, trail)
    this.#tree.grow()
    return trail
  }

  /** By a rule that is not late: only `next` rules are. */
  accept(step: RuleStep): Accepted {
    const known = this.#accepted.get(step)
    if (known !== undefined) return known
    const operations = [...this.#operations, ...step.operations, ...this.#late]
    const edits = operations.filter(changesAttributes)
    const nextHop = operations.findLast((operation) => operation.kind === 'set-next-hop')?.address ?? 'default'
    const edit = edits.length === 0 ? undefined : this.#tree.newEdit(edits)
    const accepted: Accepted = { kind: 'accept', rule: step.rule.name, edit, nextHop }
    this.#accepted.set(step, accepted)
    this.#tree.grow()
    return accepted
  }
}

/** The next hop is no part of the attributes. */
export const changesAttributes = (operation: Operation): boolean => operation.kind !== 'set-next-hop'
