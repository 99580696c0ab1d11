/** The parts of the configuration that are held because a BGPConfiguration cannot be read, in whole or in part. */
import type { HeldParts } from './objects.ts'
import { allHeld } from './parse/configuration.ts'
import type { ObjectStore } from './store.ts'

export function heldByConfiguration(store: ObjectStore, name: string): HeldParts {
  const known = store.get('BGPConfiguration', name)
  if (known !== undefined) return known.held
  const why = store.whyUnread({ kind: 'BGPConfiguration', namespace: '', name })
  return why === undefined ? {} : allHeld(why)
}
