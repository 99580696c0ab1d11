/** Resolves references to session keys: the Secret in the agent's namespace, or the reason why there is no key. */
import { lookUp } from '../base/look-up.ts'
import type { KeyIntent } from './intent.ts'
import type { SecretKeyRef, SecretObject } from './objects.ts'

interface ResolvedKey {
  /** Given also where the key is missing: a session that runs with the key keeps it. */
  readonly key: KeyIntent
  readonly why: string | undefined
}

/** Types of Secrets that may hold a key. */
const TYPES: readonly string[] = ['Opaque', 'kubernetes.io/basic-auth']

export function resolveKey(
  { name, key }: SecretKeyRef,
  secrets: ReadonlyMap<string, SecretObject>,
  namespace: string | undefined,
): ResolvedKey {
  const unplaced = namespace === undefined
  // `godwit check` does not know the agent's Secrets: a missing one is no error there.
  if (unplaced && secrets.size === 0) return { key: { secret: name, key, version: undefined }, why: undefined }
  const place = unplaced ? [...secrets.keys()].find((one) => one.endsWith(`/${name}`)) : `${namespace}/${name}`
  const secret = secrets.get(place ?? '')
  const version = secret && lookUp(secret.keys, key)?.version
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
  const found = lookUp(secret.keys, key)
  if (found === undefined) return `${object} has no key ${JSON.stringify(key)}`
  return found.error === undefined ? undefined : `key ${JSON.stringify(key)} of ${object} ${found.error}`
}

function elsewhere(name: string, secrets: ReadonlyMap<string, SecretObject>): string {
  const other = [...secrets.keys()].find((one) => one.endsWith(`/${name}`))
  return other === undefined ? '' : `; Secret/${other} is in another namespace than the agent and is not read`
}
