/**
 * The objects of the source: the last good version of each, and the problems of its newest version. In: changes. Out:
 * checked values, problems (`store-problems.ts`), and for readers what has changed (`change-log.ts`).
 */
import { CostMeter, finish, type Work } from '../base/work.ts'
import { ChangeLog, type Touched } from './change-log.ts'
import { dropDuplicates, LOOK_COST, type Upsert } from './duplicates.ts'
import type { Problem } from './intent.ts'
import { LastGood, RESTRICTING, type Restricting } from './last-good.ts'
import { objectKey, objectName, type ParsedObjects } from './objects.ts'
import { isRecord } from './parse/fields.ts'
import { parseInSteps } from './parse/object.ts'
import { makeProblem } from './problem.ts'
import { keepSame, same } from './same.ts'
import { ServiceSlices, type SliceOrNone } from './service-slices.ts'
import { KINDS, type Kind, type ObjectChange, type ObjectRef } from './source.ts'
import { StoreProblems } from './store-problems.ts'
import { UnreadPlaces } from './unread-places.ts'

type Table<K extends Kind> = ReadonlyMap<string, ParsedObjects[K]>

/** What the API gives an object and each of its versions; undefined: the source has none. */
interface ObjectVersion {
  readonly generation: number | undefined
  readonly uid: string | undefined
}

const NO_VERSION: ObjectVersion = { generation: undefined, uid: undefined }

/** Approximate cost in microseconds to parse an object. */
const READ_COST = 30

export class ObjectStore {
  readonly #tables = new Map<Kind, Map<string, ParsedObjects[Kind]>>(KINDS.map((kind) => [kind, new Map()]))
  /** Keys of all objects that exist, with errors or without. */
  readonly #seen = new Map<Kind, Set<string>>(KINDS.map((kind) => [kind, new Set()]))
  readonly #slices = new ServiceSlices()
  readonly #problems = new StoreProblems()
  readonly #changes = new ChangeLog()
  readonly #unread = new UnreadPlaces()
  /**
   * Objects with errors whose value in force was read in part, or is that of an earlier run. Those that no source shows now
   * (`settleRestored`) are not among them.
   */
  readonly #makeshift = new Set<string>()
  /** By object name. */
  readonly #versions = new Map<string, ObjectVersion>()
  readonly lastGood: LastGood
  readonly #node: string
  /** The Node of this node was deleted; its last version stays in force until the node has left. */
  #ownNodeIsGone = false
  #isBetweenSteps = false

  /** `node`: the name of this node, whose Node is kept for the next run. */
  constructor(node = '') {
    this.#node = node
    this.lastGood = new LastGood(node)
  }

  /** Applies changes. Returns whether any value or problem has changed. */
  apply(changes: readonly ObjectChange[]): boolean {
    const before = this.revision
    const problems = this.#problems.revision
    finish(this.steps(changes))
    return this.revision !== before || problems !== this.#problems.revision
  }

  /** The same in steps. The store must not be read between them: a list that is read in part looks like deleted objects. */
  *steps(changes: readonly ObjectChange[]): Work {
    this.#isBetweenSteps = true
    for (const change of changes) yield* this.#applyOne(change)
    this.#changes.trim()
    this.#isBetweenSteps = false
  }

  /** It must not be read now. */
  get isBetweenSteps(): boolean {
    return this.#isBetweenSteps
  }

  /** Increases with every change of a value. */
  get revision(): number {
    return this.#changes.revision
  }

  /** Increases with every change of an object of this kind. */
  revisionOf(kind: Kind): number {
    return this.#changes.revisionOf(kind)
  }

  /** Undefined: the revision is too old; anything may have changed. */
  changedSince(revision: number): readonly Touched[] | undefined {
    return this.#changes.since(revision)
  }

  table<K extends Kind>(kind: K): Table<K> {
    return this.#table(kind)
  }

  get<K extends Kind>(kind: K, key: string): ParsedObjects[K] | undefined {
    return this.#table(kind).get(key)
  }

  /** Whether the object exists, even if no version of it was ever good. */
  exists(kind: Kind, key: string): boolean {
    return this.#seen.get(kind)?.has(key) ?? false
  }

  /** Keys of all objects of the kind that exist, also of those without a good version. */
  keys(kind: Kind): Iterable<string> {
    return this.#seen.get(kind) ?? []
  }

  /** Of the newest version, as far as the source has it. */
  version(kind: Kind, key: string): ObjectVersion {
    return this.#versions.get(`${kind}/${key}`) ?? NO_VERSION
  }

  /** Whether an object of this kind other than `default` exists, or may exist in a place that cannot be read. */
  mayHaveSome(kind: Restricting): boolean {
    const seen = this.#seen.get(kind)
    const table = this.#table(kind)
    const isSeen = seen !== undefined && seen.size > (seen.has('default') ? 1 : 0)
    return isSeen || table.size > (table.has('default') ? 1 : 0) || this.whyHidden(kind) !== undefined
  }

  /** Why an object without a known value may exist; undefined: it does not exist. */
  whyUnread(ref: ObjectRef): string | undefined {
    if (this.exists(ref.kind, objectKey(ref))) return `${objectName(ref)} has errors`
    const at = this.lastGood.wasAbsent(ref) ? undefined : this.#unread.placeOf(ref.kind)
    return at && `${at} cannot be read, and it may hold ${objectName(ref)}`
  }

  /** Why objects of this kind may exist that neither this run nor an earlier one knows; undefined: there are none. */
  whyHidden(kind: Restricting): string | undefined {
    if (this.lastGood.wasComplete(kind)) return undefined
    const at = this.#unread.placeOf(kind)
    return at && `${at} cannot be read, and it may hold ${kind === 'IPPool' ? 'an' : 'a'} ${kind}`
  }

  /**
   * Everything has been listed: objects of an earlier run are used if they cannot be read now, and forgotten if they are
   * deleted.
   */
  settleRestored(): void {
    finish(this.settleSteps())
  }

  /** The same in steps, between which the store must not be read. */
  *settleSteps(): Work {
    this.#isBetweenSteps = true
    for (const { ref, object } of [...this.lastGood.restored()]) {
      if (!this.exists(ref.kind, objectKey(ref))) yield* this.#settle(ref, object)
    }
    this.#isBetweenSteps = false
    for (const kind of RESTRICTING) this.lastGood.setComplete(kind, this.#keepsAll(kind))
  }

  *#settle(ref: ObjectRef, object: unknown): Work {
    const [key, name] = [objectKey(ref), objectName(ref)]
    const why = this.whyUnread(ref)
    const before = this.#table(ref.kind).get(key)
    // It is in force since an earlier call: while it is not seen, nothing else gives it a value.
    const value = why === undefined ? undefined : (before ?? (yield* parseInSteps(ref, object)).value)
    if (value === undefined) this.lastGood.drop(ref)
    yield* this.#setInSteps(ref.kind, key, before, value)
    const says = `${why}; ${FROM_EARLIER_RUN}`
    this.#problems.set(name, value === undefined ? [] : [makeProblem({ code: 'object-unseen', object: name, says })])
    yield LOOK_COST
  }

  #keepsAll(kind: Restricting): boolean {
    if (this.whyHidden(kind) !== undefined) return false
    return [...this.keys(kind)].every((key) => this.lastGood.has(refOf(kind, key)))
  }

  /** The Node of this node is deleted, and its last version stays in force until it has left. */
  get ownNodeIsGone(): boolean {
    return this.#ownNodeIsGone
  }

  /** The EndpointSlices of a service, `shop/web`. */
  slicesOf(service: string): readonly ParsedObjects['EndpointSlice'][] {
    return this.#slices.of(service)
  }

  /** Sorted by object and field; the same list until one changes. */
  problems(): readonly Problem[] {
    return this.#problems.all()
  }

  /** Problems of the source itself, sorted. */
  sourceProblems(): readonly Problem[] {
    return this.#problems.ofSource()
  }

  #table<K extends Kind>(kind: K): Map<string, ParsedObjects[K]> {
    return this.#tables.get(kind) as Map<string, ParsedObjects[K]>
  }

  *#applyOne(change: ObjectChange): Work {
    if (change.kind === 'replace') yield* this.#replace(change.of, change.objects)
    else {
      if (change.kind === 'upsert') yield* this.#upsert(change)
      else if (change.kind === 'delete') this.#delete(change.ref)
      else this.#setSourceProblem(change)
      yield READ_COST
    }
  }

  #loseOwnNode(ref: ObjectRef, isGone: boolean): void {
    this.#ownNodeIsGone = isGone
    this.#changes.note(ref.kind, objectKey(ref))
    const says = 'is deleted; this node leaves'
    const problem = makeProblem({ code: 'node-deleted', object: objectName(ref), says, level: 'warning' })
    this.#problems.set(objectName(ref), isGone ? [problem] : [])
  }

  *#upsert({ ref, object, from }: Upsert): Work {
    const key = objectKey(ref)
    if (this.#ownNodeIsGone && ref.kind === 'Node' && key === this.#node) this.#loseOwnNode(ref, false)
    const parsed = yield* parseInSteps(ref, object)
    const before = this.#table(ref.kind).get(key)
    const known = this.exists(ref.kind, key)
    this.#seen.get(ref.kind)?.add(key)
    this.#noteVersion(objectName(ref), object)
    if (parsed.value !== undefined) {
      this.#makeshift.delete(objectName(ref))
      yield* this.lastGood.noteGood(ref, object)
      yield* this.#setInSteps(ref.kind, key, before, parsed.value)
      this.#problems.set(objectName(ref), parsed.problems)
      return
    }
    // Readers distinguish an object without a value from an absent one: its first version is a change.
    if (!known) this.#changes.note(ref.kind, key)
    if (!parsed.refused) {
      // A good version that means nothing here: what an earlier one meant is over.
      this.#makeshift.delete(objectName(ref))
      this.lastGood.drop(ref)
      this.#set(ref.kind, key, before, undefined)
      this.#problems.set(objectName(ref), parsed.problems)
      return
    }
    const outcome = yield* this.#makeDo(ref, key, before, parsed.partial)
    this.#problems.set(
      objectName(ref),
      parsed.problems.map((found) => withOutcome(found, outcome, from)),
    )
  }

  #noteVersion(name: string, object: unknown): void {
    const { generation, uid } = isRecord(object) && isRecord(object.metadata) ? object.metadata : {}
    const version = {
      generation: typeof generation === 'number' ? generation : undefined,
      uid: typeof uid === 'string' ? uid : undefined,
    }
    if (same(version, NO_VERSION)) this.#versions.delete(name)
    else this.#versions.set(name, version)
  }

  /** The newest version has errors: uses the last good one, else that of an earlier run, else the valid part of this one. */
  *#makeDo<K extends Kind>(
    ref: ObjectRef & { readonly kind: K },
    key: string,
    before: ParsedObjects[K] | undefined,
    partial: ParsedObjects[K] | undefined,
  ): Work<string> {
    const name = objectName(ref)
    if (before !== undefined && !this.#makeshift.has(name)) return 'the last good version stays in force'
    const kept = this.lastGood.restoredObject(ref)
    const value = kept === undefined ? undefined : (yield* parseInSteps(ref, kept)).value
    const makeshift = value ?? partial
    if (makeshift === undefined) {
      // Nor is what could be used of the version before: it was no good one.
      this.#makeshift.delete(name)
      yield* this.#setInSteps(ref.kind, key, before, undefined)
      return 'the object is ignored'
    }
    this.#makeshift.add(name)
    yield* this.#setInSteps(ref.kind, key, before, makeshift)
    return value === undefined ? 'objects that depend on it are held, everything else is in force' : FROM_EARLIER_RUN
  }

  #delete(ref: ObjectRef): void {
    const key = objectKey(ref)
    const seen = this.#seen.get(ref.kind)?.delete(key) ?? false
    const before = this.#table(ref.kind).get(key)
    this.#makeshift.delete(objectName(ref))
    this.#versions.delete(objectName(ref))
    this.lastGood.drop(ref)
    if (before !== undefined && ref.kind === 'Node' && key === this.#node) this.#loseOwnNode(ref, true)
    else if (before !== undefined) this.#set(ref.kind, key, before, undefined)
    else if (seen) this.#changes.note(ref.kind, key)
    const isOwnNode = ref.kind === 'Node' && key === this.#node
    if (!this.#ownNodeIsGone || !isOwnNode) this.#problems.set(objectName(ref), [])
  }

  #set<K extends Kind>(
    kind: K,
    key: string,
    before: ParsedObjects[K] | undefined,
    value: ParsedObjects[K] | undefined,
  ): void {
    finish(this.#setInSteps(kind, key, before, value))
  }

  *#setInSteps<K extends Kind>(
    kind: K,
    key: string,
    before: ParsedObjects[K] | undefined,
    value: ParsedObjects[K] | undefined,
  ): Work {
    const kept = yield* keepSame(before, value)
    if (kept === before) return
    if (kept === undefined) this.#table(kind).delete(key)
    else this.#table(kind).set(key, kept)
    if (kind !== 'EndpointSlice') this.#changes.note(kind, key)
    else {
      const services = this.#slices.set(before as SliceOrNone, kept as SliceOrNone)
      for (const service of services) this.#changes.note('Service', service)
    }
  }

  *#replace(kind: Kind, objects: readonly Upsert[]): Work {
    const { used, duplicates } = yield* dropDuplicates(objects)
    this.#problems.setDuplicates(kind, duplicates)
    const meter = new CostMeter()
    for (const key of [...(this.#seen.get(kind) ?? [])]) {
      if (!used.has(key)) this.#delete(refOf(kind, key))
      meter.add(LOOK_COST)
      if (meter.isDue) yield meter.take()
    }
    for (const upsert of used.values()) {
      yield* this.#upsert(upsert)
      yield READ_COST
    }
  }

  #setSourceProblem({ at, text, level, hides = [] }: Extract<ObjectChange, { kind: 'source-problem' }>): void {
    // Objects of these kinds that seemed absent may exist now, or the other way round.
    for (const kind of this.#unread.set(at, text === undefined ? [] : hides)) this.#changes.note(kind, '')
    const problem =
      text === undefined ? undefined : { code: 'source-trouble', object: at, says: text, ...(level && { level }) }
    this.#problems.setSource(at, problem && makeProblem(problem))
  }
}

const FROM_EARLIER_RUN = 'the last good version, saved by an earlier run, is in force'

/** `from`: file and document of the object. */
function withOutcome(problem: Problem, outcome: string, from: string | undefined): Problem {
  if (problem.level === 'warning') return problem
  return { ...problem, text: `${problem.text}; ${outcome}${from === undefined ? '' : ` (${from})`}` }
}

function refOf(kind: Kind, key: string): ObjectRef {
  const slash = key.indexOf('/')
  return { kind, namespace: slash < 0 ? '' : key.slice(0, slash), name: key.slice(slash + 1) }
}
