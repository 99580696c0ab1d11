/**
 * Which objects of one kind are known, and what each of them said: of each object only a digest is kept, by which an event that
 * changes nothing is recognized.
 */
import { hash } from 'node:crypto'
import type { Kind, ObjectRef } from '../../cluster/source.ts'
import type { Resource } from '../resources.ts'
import { keyOf, metadataOf } from './answers.ts'
import type { NamedObject } from './list-report.ts'
import { trimObject } from './trim.ts'

/** The digests of the objects of a list, by `namespace/name`. */
export type Listed = Map<string, string>

export class Digests {
  readonly #kind: Kind
  #known: Listed = new Map()

  constructor(kind: Kind) {
    this.#kind = kind
  }

  get size(): number {
    return this.#known.size
  }

  /** An object of an event: trimmed; undefined where it says what it said before, or has no name. */
  take(object: unknown, place: Resource): NamedObject | undefined {
    return this.#read(object, place, this.#known)
  }

  /** The same for an object of a list, whose digest goes into `listed` for now. */
  takeListed(object: unknown, place: Resource, listed: Listed): NamedObject | undefined {
    return this.#read(object, place, listed)
  }

  /** These objects of a list that has not ended were passed on. */
  keep(passed: readonly NamedObject[], listed: Listed): void {
    for (const { ref } of passed) {
      const key = `${ref.namespace}/${ref.name}`
      this.#known.set(key, listed.get(key) as string)
    }
  }

  /** The list has ended: returns the objects that were known and are not on it. */
  replace(listed: Listed): readonly ObjectRef[] {
    const gone = [...this.#known.keys()].filter((key) => !listed.has(key)).map((key) => this.#refOf(key))
    this.#known = listed
    return gone
  }

  /** An object was deleted; undefined where it was not known. */
  remove(object: unknown): ObjectRef | undefined {
    const key = keyOf(object)
    return this.#known.delete(key) ? this.#refOf(key) : undefined
  }

  #read(object: unknown, place: Resource, into: Listed): NamedObject | undefined {
    const { name } = metadataOf(object)
    if (typeof name !== 'string' || name === '') return undefined
    const key = keyOf(object)
    const trimmed = trimObject(place, object)
    const digest = digestOf(trimmed)
    const isKnown = this.#known.get(key) === digest
    into.set(key, digest)
    return isKnown ? undefined : { ref: this.#refOf(key), object: trimmed, from: undefined }
  }

  #refOf(key: string): ObjectRef {
    const slash = key.indexOf('/')
    return { kind: this.#kind, namespace: key.slice(0, slash), name: key.slice(slash + 1) }
  }
}

/**
 * More than a hundred bits: two versions of an object never have the same digest by chance. Servers write fields in a fixed
 * order; if one did not, the object would only be passed on once more.
 */
const digestOf = (object: unknown): string => hash('sha1', JSON.stringify(object), 'base64')
