/**
 * Conditions of each object that people write: whether its newest version is in force, and whether the objects that it
 * names exist. They follow from the objects alone: every agent computes the same, and one of them writes it.
 */
import { sorted } from '../base/sort.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { Problem } from '../cluster/intent.ts'
import { FILTER_WRONG } from '../cluster/make-peer.ts'
import { objectName } from '../cluster/objects.ts'
import { referenceProblems } from '../cluster/references.ts'
import type { Kind } from '../cluster/source.ts'
import type { ObjectStore } from '../cluster/store.ts'
import { shown, shownLines } from './bounds.ts'
import type { Condition } from './node-status.ts'

/** Kinds that people write, and that have a status in our group. */
export const STATUS_KINDS = [
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'BGPAdvertisement',
  'IPPool',
] as const satisfies readonly Kind[]
export type StatusKind = (typeof STATUS_KINDS)[number]

export interface ObjectConditions {
  readonly kind: StatusKind
  readonly name: string
  /** `metadata.generation` of the version; undefined: the source has none. */
  readonly generation: number | undefined
  /** Tells an object from an earlier one of the same name, which had a status of its own. */
  readonly uid: string | undefined
  readonly conditions: readonly Condition[]
  /** The errors, for Events. */
  readonly errors: readonly string[]
}

/** The longest message of a condition in octets: it names several problems, not all. */
const LONGEST_MESSAGE = 1_000

/** Approximate cost of the conditions of one object, in microseconds. */
const OBJECT_COST = 5

/**
 * Kinds that conditions depend on: `referenceProblems` reads nothing else. Services, endpoints and pods, which change all the
 * time in a large cluster, are not among them.
 */
const READ_KINDS = [...STATUS_KINDS, 'Node', 'FelixConfiguration'] as const satisfies readonly Kind[]

/** Increases with every change of an object that conditions depend on. */
export const conditionsRevision = (store: ObjectStore): number =>
  Math.max(...READ_KINDS.map((kind) => store.revisionOf(kind)))

/** Each object, in the order of kinds and names. The result means nothing where `conditionsRevision` changes meanwhile. */
export function* allObjectConditions(store: ObjectStore): Work<ObjectConditions[]> {
  const own = groupByObject(store.problems())
  const references = groupByObject(yield* referenceProblems(store))
  const all: ObjectConditions[] = []
  const meter = new CostMeter()
  for (const kind of STATUS_KINDS) {
    for (const name of yield* sorted([...store.keys(kind)], byText)) {
      all.push(conditionsOf(store, kind, name, { own, references }))
      meter.add(OBJECT_COST)
      if (meter.isDue) yield meter.take()
    }
  }
  return all
}

interface Found {
  readonly own: ReadonlyMap<string, readonly Problem[]>
  readonly references: ReadonlyMap<string, readonly Problem[]>
}

function conditionsOf(
  store: ObjectStore,
  kind: StatusKind,
  name: string,
  { own, references }: Found,
): ObjectConditions {
  const object = objectName({ kind, namespace: '', name })
  const [ownProblems, unresolved] = [own.get(object) ?? [], references.get(object) ?? []]
  return {
    kind,
    name,
    ...store.version(kind, name),
    conditions: [accepted(ownProblems), resolved(unresolved)],
    errors: [...ownProblems, ...unresolved].filter(isError).map(({ text }) => shown(text, LONGEST_MESSAGE)),
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

function groupByObject(problems: readonly Problem[]): Map<string, Problem[]> {
  const found = new Map<string, Problem[]>()
  for (const problem of problems) {
    const known = found.get(problem.object)
    if (known === undefined) found.set(problem.object, [problem])
    else known.push(problem)
  }
  return found
}

const textsOf = (problems: readonly Problem[]): readonly string[] => problems.map(({ text }) => text)

const isError = ({ level }: Problem): boolean => level === undefined

function accepted(problems: readonly Problem[]): Condition {
  const errors = problems.filter(isError)
  if (errors.length > 0) return condition('Accepted', 'False', 'Invalid', errors)
  return condition('Accepted', 'True', problems.length === 0 ? 'Valid' : 'ValidWithWarnings', problems)
}

function resolved(problems: readonly Problem[]): Condition {
  const errors = problems.filter(isError)
  const areThere = errors.every(({ code }) => code === FILTER_WRONG)
  if (errors.length > 0) return condition('ResolvedRefs', 'False', areThere ? 'Invalid' : 'NotFound', errors)
  return condition('ResolvedRefs', 'True', problems.length === 0 ? 'Resolved' : 'ResolvedWithWarnings', problems)
}

function condition(type: string, status: Condition['status'], reason: string, problems: readonly Problem[]): Condition {
  return { type, status, reason, message: shownLines(textsOf(problems), LONGEST_MESSAGE) }
}
