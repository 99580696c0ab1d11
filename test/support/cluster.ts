/** Shortcuts from objects to an intent. */
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import type { Intent } from '../../src/cluster/intent.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { type ApiObject, upsert } from './objects.ts'

export function storeOf(objects: readonly ApiObject[]): ObjectStore {
  const store = new ObjectStore()
  store.apply(objects.map((object) => upsert(object)))
  return store
}

/** What `name` should do about these objects. */
export const intentOf = (name: string, objects: readonly ApiObject[]): Intent =>
  new IntentBuilder({ node: name }).build(storeOf(objects))

export const routesOf = (intent: Intent): string[] => [...intent.routes.keys()].sort()

export const peersOf = (intent: Intent): string[] => [...intent.peers.keys()].sort()

export const problemsOf = (intent: Intent): string[] => intent.problems.map(({ text }) => text)
