/**
 * Keys of sessions. They come with Secrets from a source, stay here in memory, and go to sockets. The engine gets no
 * key: of each value of a Secret it learns only whether the value can be a key, and a number that grows with each
 * change of the key in force.
 *
 * A key that vanishes stays in force until another replaces it, as long as a neighbor uses it.
 */
import type { KeyIntent } from '../cluster/intent.ts'
import { isRecord } from '../cluster/parse/fields.ts'
import type { ObjectChange, ObjectRef } from '../cluster/source.ts'
import type { Input } from '../engine/input.ts'

/** The longest key of Linux, in octets (`TCP_MD5SIG_MAXKEYLEN`). */
const LONGEST_KEY = 80

/** One value of a Secret, by the name of its key there. */
interface SecretValue {
  /** Grows with each change of `bytes`. */
  readonly version: number
  /** The last value that can be a key. */
  readonly bytes: Uint8Array | undefined
  /** Why the present value cannot be a key. */
  readonly error: string | undefined
}

export class Keys {
  /** By namespace and name, then by the name of the key. */
  readonly #secrets = new Map<string, Map<string, SecretValue>>()
  /** Names of Secrets that the source no longer has, and that are still used. */
  readonly #gone = new Set<string>()
  readonly #namespace: string
  #wanted: ReadonlySet<string> = new Set()
  #version = 0

  /** `namespace`: of the agent, which is where its Secrets are. */
  constructor(namespace = 'godwit') {
    this.#namespace = namespace
  }

  /** The key in force: the last valid one. */
  get({ secret, key }: Pick<KeyIntent, 'secret' | 'key'>): Uint8Array | undefined {
    return this.#secrets.get(`${this.#namespace}/${secret}`)?.get(key)?.bytes
  }

  /** `names`: of the Secrets in use. Those that the source no longer has, and that are not among them, are forgotten. */
  want(names: readonly string[]): void {
    this.#wanted = new Set(names.map((name) => `${this.#namespace}/${name}`))
    for (const name of [...this.#gone]) this.#dropUnlessUsed(name)
  }

  /** The source no longer has this Secret. */
  #dropUnlessUsed(name: string): void {
    if (this.#wanted.has(name)) this.#gone.add(name)
    else {
      this.#gone.delete(name)
      this.#secrets.delete(name)
    }
  }

  /** The same input, with Secrets replaced by what the engine may know of them. Their keys are kept here. */
  redact(input: Input): Input {
    if (input.kind !== 'objects') return input
    return { ...input, changes: input.changes.map((change) => this.#redactChange(change)) }
  }

  #redactChange(change: ObjectChange): ObjectChange {
    if (change.kind === 'upsert') return { ...change, object: this.#redactObject(change.ref, change.object) }
    if (change.kind === 'delete' && change.ref.kind === 'Secret') this.#dropUnlessUsed(nameOf(change.ref))
    if (change.kind !== 'replace' || change.of !== 'Secret') return change
    const present = new Set(change.objects.map(({ ref }) => nameOf(ref)))
    for (const name of this.#secrets.keys()) if (!present.has(name)) this.#dropUnlessUsed(name)
    return {
      ...change,
      objects: change.objects.map((one) => ({ ...one, object: this.#redactObject(one.ref, one.object) })),
    }
  }

  #redactObject(ref: ObjectRef, object: unknown): unknown {
    if (ref.kind !== 'Secret') return object
    const name = nameOf(ref)
    this.#gone.delete(name)
    const values = valuesOf(object)
    const known = this.#secrets.get(name) ?? new Map<string, SecretValue>()
    this.#secrets.set(name, known)
    const keys: Record<string, { version: number; error: string | undefined }> = Object.create(null)
    for (const [key, value] of values) {
      const error = whyNoKey(value)
      const before = known.get(key)
      const bytes = error === undefined ? value : before?.bytes
      const version = before !== undefined && isSame(before.bytes, bytes) ? before.version : ++this.#version
      known.set(key, { version, bytes, error })
      keys[key] = { version, error }
    }
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: ref.name, namespace: ref.namespace },
      type: typeOf(object),
      keys,
    }
  }
}

const isSame = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one === other || (one !== undefined && other !== undefined && Buffer.compare(one, other) === 0)

const nameOf = ({ namespace, name }: ObjectRef): string => `${namespace}/${name}`

/** Why these octets cannot be a key. A trailing line break would be one more octet that only one side has. */
function whyNoKey(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return 'is not base64'
  if (bytes.length === 0) return 'is empty'
  if (bytes.length > LONGEST_KEY) return `has ${bytes.length} octets; TCP-MD5 takes ${LONGEST_KEY} at most`
  if (bytes.includes(0)) return 'has a NUL octet'
  return /[\r\n]$/.test(String.fromCharCode(bytes.at(-1) ?? 0)) ? 'ends with a line break' : undefined
}

/** `stringData` takes precedence over `data`, as in the API. */
function valuesOf(object: unknown): Map<string, Uint8Array | undefined> {
  const { data, stringData } = isRecord(object) ? object : {}
  const values = new Map<string, Uint8Array | undefined>()
  for (const [key, text] of Object.entries(isRecord(data) ? data : {})) values.set(key, fromBase64(text))
  for (const [key, text] of Object.entries(isRecord(stringData) ? stringData : {})) {
    values.set(key, typeof text === 'string' ? new TextEncoder().encode(text) : undefined)
  }
  return values
}

function fromBase64(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string') return undefined
  const bare = text.replace(/\s/g, '')
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(bare)
    ? new Uint8Array(Buffer.from(bare, 'base64'))
    : undefined
}

function typeOf(object: unknown): string {
  const type = isRecord(object) ? object.type : undefined
  return typeof type === 'string' && type !== '' ? type : 'Opaque'
}
