/**
 * The folder of manifests as a source of objects.
 *
 * In: files `*.yaml`, `*.yml`, `*.json` directly in the folder; symbolic links are followed (a ConfigMap volume
 * replaces them all at once). Out: object changes in the form of the Kubernetes source: at first each kind as a whole,
 * then `synced`, then only differences.
 *
 * A file is read after two checks, a moment apart, have found it unchanged, so that it is not read half-written. While
 * a file has any error, objects that it contained before and does not contain now stay in force: a typing error deletes
 * nothing. The same holds for a file that cannot be read, and for a link to a file that does not exist. A folder that
 * cannot be read keeps everything in force.
 *
 * What removes files and writes others, as a checkout does, does both one after the other: the objects of a removed file
 * stay in force for a while, unless another file has them, and nothing is deleted while a file is being written.
 */
import { setImmediate } from 'node:timers/promises'
import type { Millis } from '../../base/units.ts'
import type { ObjectChange } from '../../cluster/source.ts'
import type { Input } from '../../engine/input.ts'
import { errorText } from '../error-text.ts'
import { Keys } from '../keys.ts'
import { podsOn, type Resource, resourcesOf, type Source, secretsIn } from '../resources.ts'
import { Apart } from './apart.ts'
import { type FileProblem, isShownTwice, planChanges, planProblems } from './differences.ts'
import { type ManifestFile, type ManifestObject, type ManifestProblem, parseManifests } from './file.ts'
import { Folder, isEmpty } from './folder.ts'
import { Pieces } from './pieces.ts'

export interface ManifestsOptions {
  readonly directory: string
  /** `godwit.dev` or `godwit.dev/v1`. */
  readonly apiGroup: string
  readonly feed: (input: Input) => void
  /** Keys of Secrets are kept there. */
  readonly keys?: Keys
  /** The namespace of Secrets that name none. */
  readonly namespace?: string
  /** A file must have been unchanged for this long. */
  readonly quiet?: Millis
  /** The folder is checked this often, also without an event. */
  readonly rescan?: Millis
}

interface KnownFile {
  readonly signature: string
  /** What the file holds. */
  readonly content: ManifestFile
  /** Objects that it held before, while what it holds now is not known as a whole. */
  readonly kept: readonly ManifestObject[]
  /** Why nothing of the file is known. */
  readonly error: string | undefined
}

/**
 * An editor may empty or remove a file before it writes it, and a checkout removes one file before it writes another: so
 * many times `quiet` pass before that counts.
 */
const EMPTY_PERIODS = 20
/**
 * A file that keeps changing for so many times `quiet` is reported: it is not read before it rests. Deletions wait for it
 * no longer.
 */
const RESTLESS_PERIODS = 200

/** The signature of a file, and since when it has it. */
interface Sighting {
  readonly signature: string
  readonly since: Millis
}

/** In place of a signature: the file was removed, or must be read whatever its signature is. */
const GONE = 'gone'
const UNKNOWN = 'unknown'

const NOTHING: ManifestFile = { objects: [], problems: [] }

export class Manifests implements Source {
  readonly kind = 'manifests'
  readonly #folder: Folder
  readonly #feed: (input: Input) => void
  readonly #quiet: Millis
  readonly #rescan: Millis
  readonly #resources: readonly Resource[]
  readonly #files = new Map<string, KnownFile>()
  readonly #pieces = new Map<string, Pieces>()
  readonly #apart = new Apart()
  /** What the last check found, where it differs from what was read. */
  #unsettled = new Map<string, Sighting>()
  /** Since when a file differs from what was read. */
  readonly #changing = new Map<string, Millis>()
  /** Objects that no file has any more, and since when: their deletion waits for a file that is being written. */
  #missing = new Map<string, Millis>()
  #objects = new Map<string, ManifestObject>()
  #problems = new Map<string, FileProblem>()
  #folderError: string | undefined
  /** Files that had errors in the first reading and still have: their objects are unknown. */
  #unread: ReadonlySet<string> = new Set()
  #synced = false
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #timerAt: Millis = Number.POSITIVE_INFINITY
  #looking: Promise<void> | undefined
  #lookAgain = false

  constructor(options: ManifestsOptions) {
    const { keys = new Keys(), namespace = 'godwit' } = options
    this.#feed = (input) => options.feed(keys.redact(input))
    this.#quiet = options.quiet ?? 50
    this.#rescan = options.rescan ?? 5_000
    // A check now starts the time for which a file must be unchanged.
    this.#folder = new Folder(options.directory, () => this.#lookIn(this.#quiet / 5))
    this.#resources = [...resourcesOf(options.apiGroup), secretsIn(namespace), podsOn()]
    this.#look()
  }

  /** Reads every file again, also one that looks unchanged: a file system may report old times. */
  reread(): void {
    for (const [name, file] of this.#files) this.#files.set(name, { ...file, signature: UNKNOWN })
    this.#look()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#folder.close()
    await this.#apart.stop()
    await this.#looking
  }

  /** One check at a time; a request during a check is served after it. */
  #look(): void {
    if (this.#stopped) return
    if (this.#looking !== undefined) {
      this.#lookAgain = true
      return
    }
    clearTimeout(this.#timer)
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#looking = this.#scan().then(() => {
      this.#looking = undefined
      if (this.#stopped) return
      const soon = this.#lookAgain || this.#unsettled.size > 0
      this.#lookAgain = false
      this.#lookIn(soon ? this.#quiet : this.#rescan)
    })
  }

  #lookIn(pause: Millis): void {
    const at = performance.now() + pause
    if (this.#stopped || at >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(() => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#look()
    }, pause)
  }

  async #scan(): Promise<void> {
    let seen: Map<string, string>
    try {
      seen = await this.#folder.look()
      this.#folderError = undefined
    } catch (error) {
      this.#folderError = `cannot read the folder: ${errorText(error)}${this.#synced ? '; the objects read before stay in force' : ''}`
      this.#unsettled = new Map()
      this.#report()
      return
    }
    if (this.#stopped) return
    const settled = this.#settle(seen)
    for (const [file, signature] of settled) {
      if (this.#stopped) return
      await this.#take(file, signature)
    }
    this.#report()
  }

  /**
   * Files that differ from what was read, and have not changed since the last check. The very first check does not
   * wait.
   */
  #settle(seen: ReadonlyMap<string, string>): Map<string, string> {
    const settled = new Map<string, string>()
    const unsettled = new Map<string, Sighting>()
    const now = performance.now()
    const sightings = this.#sightings(seen, now)
    const rests = (file: string, { signature, since }: Sighting) =>
      now - since >= this.#quiet * (this.#losesObjects(file, signature) ? EMPTY_PERIODS : 0.9)
    const isWriting = [...sightings].some(([file, one]) => isWritten(one) && !rests(file, one))
    for (const [file, sighting] of sightings) {
      const waits = isWriting && !isWritten(sighting) && this.#mayWait(sighting.since, now)
      if (!this.#synced || (rests(file, sighting) && !waits)) settled.set(file, sighting.signature)
      else unsettled.set(file, sighting)
    }
    this.#unsettled = unsettled
    this.#noteRestless(now)
    return settled
  }

  /** Files that differ from what was read. */
  #sightings(seen: ReadonlyMap<string, string>, now: Millis): Map<string, Sighting> {
    const sightings = new Map<string, Sighting>()
    for (const file of new Set([...this.#files.keys(), ...seen.keys()])) {
      const signature = seen.get(file) ?? GONE
      if (this.#files.get(file)?.signature === signature) continue
      const before = this.#unsettled.get(file)
      sightings.set(file, before?.signature === signature ? before : { signature, since: now })
    }
    return sightings
  }

  #mayWait(since: Millis, now: Millis): boolean {
    return now - since < this.#quiet * RESTLESS_PERIODS
  }

  /** Reports files that have differed from what was read for long, because they keep changing. */
  #noteRestless(now: Millis): void {
    for (const file of this.#changing.keys()) if (!this.#unsettled.has(file)) this.#changing.delete(file)
    for (const [file, sighting] of this.#unsettled) {
      const since = this.#changing.get(file) ?? now
      this.#changing.set(file, since)
      if (this.#mayWait(since, now) || !isWritten(sighting)) continue
      const error = 'keeps changing, and is not read before it rests'
      // It is read when it rests, also where it is again what it was.
      this.#files.set(file, { signature: UNKNOWN, content: NOTHING, kept: this.#objectsOf(file), error })
    }
  }

  #losesObjects(file: string, signature: string): boolean {
    return this.#objectsOf(file).length > 0 && (signature === GONE || isEmpty(signature))
  }

  /** All that the file holds, or held before. */
  #objectsOf(file: string): readonly ManifestObject[] {
    const { content, kept } = this.#files.get(file) ?? { content: NOTHING, kept: [] }
    return [...content.objects, ...kept]
  }

  async #take(file: string, signature: string): Promise<void> {
    if (signature === GONE) {
      this.#files.delete(file)
      this.#pieces.delete(file)
      return
    }
    const before = this.#objectsOf(file)
    const fresh = await this.#read(file, signature, before.length > 0)
    if (fresh === undefined) this.#postpone(file, signature)
    else if (typeof fresh === 'string')
      this.#files.set(file, { signature, content: NOTHING, kept: before, error: fresh })
    else this.#files.set(file, { signature, content: fresh, kept: missingIn(fresh, before), error: undefined })
  }

  /** The file is read when it rests. Until the first reading is over nobody knows what it says: it may hide anything. */
  #postpone(file: string, signature: string): void {
    this.#unsettled.set(file, { signature, since: performance.now() })
    if (this.#synced) return
    this.#files.set(file, { signature: UNKNOWN, content: NOTHING, kept: [], error: 'changed while it was read' })
  }

  /** Undefined when it changed while it was read; a text says why it cannot be read. */
  async #read(file: string, signature: string, hadObjects: boolean): Promise<ManifestFile | string | undefined> {
    const read = await this.#folder.read(file, signature)
    if (typeof read !== 'object') return read
    if (read.text === '' && hadObjects) return 'is empty; remove the file to remove its objects'
    const pieces = this.#piecesOf(file)
    const { read: apart } = this.#apart
    const reading = { breathe: this.#breathe, pieces, resources: this.#resources, apart }
    try {
      return await parseManifests(file, read.text, reading)
    } catch (error) {
      return `cannot be read: ${errorText(error)}`
    }
  }

  #piecesOf(file: string): Pieces {
    const pieces = this.#pieces.get(file) ?? new Pieces()
    this.#pieces.set(file, pieces)
    return pieces
  }

  readonly #breathe = async (): Promise<void> => {
    await setImmediate()
    if (this.#stopped) throw new Error('stopped')
  }

  /** Compares the files with what was reported, and reports the difference. */
  #report(): void {
    if (this.#stopped) return
    this.#unread = new Set([...this.#files].filter(([file, known]) => this.#mayHide(file, known)).map(([file]) => file))
    const { objects, problems } = this.#whole()
    this.#keepMissing(objects)
    const changes = this.#synced || this.#folderError !== undefined ? [] : this.#replacements(objects)
    if (this.#synced) changes.push(...planChanges(this.#objects, objects))
    changes.push(...planProblems(this.#problems, problems))
    this.#objects = objects
    this.#problems = problems
    if (changes.length > 0) this.#feed({ kind: 'objects', changes })
    if (this.#synced || this.#folderError !== undefined) return
    this.#synced = true
    this.#feed({ kind: 'synced' })
  }

  /** An object that no file has any more may be on its way into a file that is being written. */
  #keepMissing(objects: Map<string, ManifestObject>): void {
    const now = performance.now()
    const missing = new Map<string, Millis>()
    const isUnknown = this.#folderError !== undefined
    if (isUnknown || [...this.#unsettled.values()].some(isWritten))
      for (const [key, object] of this.#objects) {
        const since = this.#missing.get(key) ?? now
        if (objects.has(key) || !(isUnknown || this.#mayWait(since, now))) continue
        missing.set(key, since)
        objects.set(key, object)
      }
    this.#missing = missing
  }

  #mayHide(file: string, { content, error }: KnownFile): boolean {
    if (this.#synced && !this.#unread.has(file)) return false
    return error !== undefined || content.problems.some(isFault)
  }

  #replacements(objects: ReadonlyMap<string, ManifestObject>): ObjectChange[] {
    const all = [...objects.values()]
    return this.#resources.map(({ kind }) => ({
      kind: 'replace',
      of: kind,
      objects: all.filter(({ ref }) => ref.kind === kind),
    }))
  }

  /**
   * All files together. Of two objects with one name, the one in the first file (by name) counts; one in a file that was
   * removed, or one that a file held before it was wrong, counts where no file has it.
   */
  #whole(): { objects: Map<string, ManifestObject>; problems: Map<string, FileProblem> } {
    const objects = new Map<string, ManifestObject>()
    const isGone = (file: string) => this.#unsettled.get(file)?.signature === GONE
    const byName = [...this.#files].sort(([a], [b]) => (a < b ? -1 : 1))
    const [there, gone] = [byName.filter(([file]) => !isGone(file)), byName.filter(([file]) => isGone(file))]
    const held = (files: typeof byName) => files.flatMap(([, { content }]) => content.objects)
    const addIfNone = (object: ManifestObject): boolean => {
      const isFirst = !objects.has(keyOf(object))
      if (isFirst) objects.set(keyOf(object), object)
      return isFirst
    }
    const second = held(there).filter((object) => !addIfNone(object))
    for (const object of [...held(gone), ...byName.flatMap(([, { kept }]) => kept)]) addIfNone(object)
    const problems = this.#troublesOf(byName, objects)
    for (const object of second) {
      const [key, first] = [keyOf(object), objects.get(keyOf(object))]
      if (first === undefined || isShownTwice(first, object)) continue
      problems.set(object.from, { text: `${key} is also in ${first.from}, and that one is used` })
    }
    return { objects, problems }
  }

  /** `objects`: those in force. */
  #troublesOf(
    files: readonly (readonly [string, KnownFile])[],
    objects: ReadonlyMap<string, ManifestObject>,
  ): Map<string, FileProblem> {
    const problems = new Map<string, FileProblem>()
    if (this.#folderError !== undefined) problems.set(this.#folder.path, { text: this.#folderError })
    for (const [file, { content, kept, error }] of files) {
      const hides = this.#unread.has(file) ? this.#resources.map(({ kind }) => kind) : []
      const outcome = keptText(kept.filter((object) => objects.get(keyOf(object)) === object).length)
      if (error !== undefined) problems.set(file, { text: error + outcome, hides })
      for (const one of content.problems) {
        const text = isFault(one) ? one.text + outcome : one.text
        problems.set(one.at, { ...one, text, hides: hides.length === 0 ? [] : (one.hides ?? []) })
      }
    }
    return problems
  }
}

/** While something in the file is wrong, an object that is missing may be the error: nothing is deleted. */
function missingIn(fresh: ManifestFile, before: readonly ManifestObject[]): readonly ManifestObject[] {
  if (!fresh.problems.some(isFault)) return []
  const now = new Set(fresh.objects.map(keyOf))
  return before.filter((object) => !now.has(keyOf(object)))
}

const keptText = (count: number): string => (count === 0 ? '' : `; its last good objects (${count}) stay in force`)

const isFault = ({ level }: ManifestProblem): boolean => level !== 'warning'

const keyOf = ({ ref }: ManifestObject): string =>
  ref.namespace === '' ? `${ref.kind}/${ref.name}` : `${ref.kind}/${ref.namespace}/${ref.name}`

const isWritten = ({ signature }: Sighting): boolean => signature !== GONE
