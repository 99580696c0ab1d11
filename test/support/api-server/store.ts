/** What our API server remembers: objects, one growing resourceVersion, and the changes that can still be watched. */
import { isDeepStrictEqual } from 'node:util'

export interface StoredObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Readonly<Record<string, unknown>> & {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly resourceVersion: string
  }
  readonly [field: string]: unknown
}

export interface StoredEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly version: number
  /** `/api/v1/nodes` */
  readonly path: string
  readonly object: StoredObject
  /** As it was. */
  readonly before?: StoredObject | undefined
}

/** An object as a test or a client hands it in. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Readonly<Record<string, unknown>> & { readonly name: string; readonly namespace?: string }
  readonly [field: string]: unknown
}

/** A refusal as the API words it. */
export class Refusal extends Error {
  readonly code: number
  readonly reason: string

  constructor(code: number, reason: string, message: string) {
    super(message)
    this.code = code
    this.reason = reason
  }
}

export interface Backup {
  readonly version: number
  readonly objects: ReadonlyMap<string, ReadonlyMap<string, StoredObject>>
}

export class Store {
  #version = 1000
  /** Changes at or before this version are forgotten. */
  #compacted = 1000
  readonly #objects = new Map<string, Map<string, StoredObject>>()
  #events: StoredEvent[] = []
  readonly #listeners = new Set<(event: StoredEvent) => void>()
  #uids = 0

  get version(): number {
    return this.#version
  }

  /** Sorted by namespace and name, as etcd has them. */
  list(path: string): readonly StoredObject[] {
    const keys = [...(this.#objects.get(path)?.keys() ?? [])].sort()
    return keys.flatMap((key) => this.#objects.get(path)?.get(key) ?? [])
  }

  get(path: string, key: string): StoredObject | undefined {
    return this.#objects.get(path)?.get(key)
  }

  create(path: string, manifest: Manifest): StoredObject {
    if (this.get(path, keyOf(manifest)) !== undefined) {
      throw new Refusal(409, 'AlreadyExists', `${manifest.metadata.name} already exists`)
    }
    this.#uids++
    const creation = { uid: `uid-${this.#uids}`, generation: 1, creationTimestamp: new Date().toISOString() }
    return this.#write('ADDED', path, manifest, creation)
  }

  /** A resourceVersion in the manifest must be the one stored. */
  update(path: string, manifest: Manifest): StoredObject {
    const before = this.get(path, keyOf(manifest))
    if (before === undefined) throw new Refusal(404, 'NotFound', `${manifest.metadata.name} not found`)
    const { resourceVersion } = manifest.metadata
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw new Refusal(409, 'Conflict', 'the object has been modified')
    }
    // What changes nothing is no change: no new version, and nobody is told.
    if (isDeepStrictEqual(bare(before), bare(manifest))) return before
    const { uid, creationTimestamp } = before.metadata
    const generation = Number(before.metadata.generation) + (isDeepStrictEqual(before.spec, manifest.spec) ? 0 : 1)
    return this.#write('MODIFIED', path, manifest, { uid, creationTimestamp, generation })
  }

  delete(path: string, key: string): StoredObject {
    const before = this.get(path, key)
    if (before === undefined) throw new Refusal(404, 'NotFound', `${key} not found`)
    this.#objects.get(path)?.delete(key)
    const version = ++this.#version
    const object = { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } }
    this.#tell({ type: 'DELETED', version, path, object, before })
    return object
  }

  /** Forgets the past: watches that want to start there get 410. */
  compact(): void {
    // The version moves on as in a cluster where other objects change too.
    this.#version++
    this.#compacted = this.#version
    this.#events = []
  }

  /** What there is now, for `restore`. */
  backup(): Backup {
    const objects = [...this.#objects].map(([path, some]) => [path, new Map(some)] as const)
    return { version: this.#version, objects: new Map(objects) }
  }

  /** As when etcd is restored from a backup: versions are those of then, and nothing before is known. */
  restore({ version, objects }: Backup): void {
    this.#version = version
    this.#compacted = version
    this.#events = []
    this.#objects.clear()
    for (const [path, some] of objects) this.#objects.set(path, new Map(some))
  }

  isGone(version: number): boolean {
    return version < this.#compacted
  }

  since(path: string, version: number): readonly StoredEvent[] {
    return this.#events.filter((event) => event.path === path && event.version > version)
  }

  listen(listener: (event: StoredEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #write(type: 'ADDED' | 'MODIFIED', path: string, manifest: Manifest, given: Record<string, unknown>): StoredObject {
    const version = ++this.#version
    const metadata = { ...manifest.metadata, ...given, resourceVersion: String(version) }
    const object: StoredObject = { ...manifest, metadata }
    const objects = this.#objects.get(path) ?? new Map<string, StoredObject>()
    const before = objects.get(keyOf(manifest))
    this.#objects.set(path, objects.set(keyOf(manifest), object))
    this.#tell({ type, version, path, object, before })
    return object
  }

  #tell(event: StoredEvent): void {
    this.#events.push(event)
    for (const listener of this.#listeners) listener(event)
  }
}

/** What a person says of an object, without what the server adds. */
function bare({ metadata, ...rest }: Manifest | StoredObject): unknown {
  const {
    uid: _uid,
    creationTimestamp: _created,
    generation: _generation,
    resourceVersion: _version,
    ...own
  } = metadata
  return { ...rest, metadata: own }
}

export const keyOf = ({
  metadata,
}: {
  readonly metadata: { readonly name: string; readonly namespace?: string }
}): string => `${metadata.namespace ?? ''}/${metadata.name}`
