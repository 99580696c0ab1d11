/** Keys of sessions by their names: which Secret of the agent's namespace holds one, and why it does not. */
import type { KeyIntent } from './intent.ts'
import type { SecretKeyRef, SecretObject } from './objects.ts'

interface ResolvedKey {
  /** Named also where it is missing: what is in force stays so. */
  readonly key: KeyIntent
  readonly why: string | undefined
}

/** Secrets that people keep passwords in. */
const TYPES: readonly string[] = ['Opaque', 'kubernetes.io/basic-auth']

export function resolveKey(
  { name, key }: SecretKeyRef,
  secrets: ReadonlyMap<string, SecretObject>,
  namespace: string | undefined,
): ResolvedKey {
  const unplaced = namespace === undefined
  // Where it is not known which Secrets the agent will see, a missing one is no fault.
  if (unplaced && secrets.size === 0) return { key: { secret: name, key, version: undefined }, why: undefined }
  const place = unplaced ? [...secrets.keys()].find((one) => one.endsWith(`/${name}`)) : `${namespace}/${name}`
  const secret = secrets.get(place ?? '')
  const version = secret?.keys[key]?.version
  return { key: { secret: name, key, version }, why: whyNoKey(secret, { name, key }, secrets, place ?? name) }
}

function whyNoKey(
  secret: SecretObject | undefined,
  { name, key }: SecretKeyRef,
  secrets: ReadonlyMap<string, SecretObject>,
  place: string,
): string | undefined {
  const object = `Secret/${place}`
  if (secret === undefined) return `${object} is not known${elsewhere(name, secrets)}`
  if (!TYPES.includes(secret.type)) return `${object} is of type ${secret.type}, not ${TYPES.join(' or ')}`
  const found = secret.keys[key]
  if (found === undefined) return `${object} has no key ${JSON.stringify(key)}`
  return found.trouble === undefined ? undefined : `key ${JSON.stringify(key)} of ${object} ${found.trouble}`
}

function elsewhere(name: string, secrets: ReadonlyMap<string, SecretObject>): string {
  const other = [...secrets.keys()].find((one) => one.endsWith(`/${name}`))
  return other === undefined ? '' : `; Secret/${other} is in another namespace than the agent and is not read`
}
