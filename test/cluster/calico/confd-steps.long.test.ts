/** The inputs of Calico's own golden tests, applied one after another to one agent. */
import { expect, test } from 'vitest'
import { IntentBuilder } from '../../../src/cluster/build-intent.ts'
import type { Intent } from '../../../src/cluster/intent.ts'
import type { ObjectChange } from '../../../src/cluster/source.ts'
import { ObjectStore } from '../../../src/cluster/store.ts'
import { storeOf } from '../../support/cluster.ts'
import { type ApiObject, remove, upsert } from '../../support/objects.ts'
import { BLOCKS, keyOf, NODE, objectsOf, ROWS } from './rows.ts'

/** What Calico's tests do from one input to the next: objects are applied over those that are there, others are deleted. */
function stepTo(wanted: readonly ApiObject[], there: Map<string, ApiObject>): ObjectChange[] {
  const next = new Map(wanted.map((object) => [keyOf(object), object]))
  const gone = [...there].filter(([key]) => !next.has(key)).map(([, object]) => remove(object))
  const changed = [...next].filter(([key, object]) => there.get(key) !== object).map(([, object]) => upsert(object))
  there.clear()
  for (const [key, object] of next) there.set(key, object)
  return [...gone, ...changed]
}

const inOrder = (intent: Intent): unknown => ({
  ...intent,
  peers: [...intent.peers].sort(byKey),
  routes: [...intent.routes].sort(byKey),
  refusals: [...intent.refusals].sort(byKey),
  problems: intent.problems.map(({ text }) => text).sort(),
})
const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

const NAMES = Object.keys(ROWS)
/** One after another, there and back, and each before one that is far from it. */
const WALKS: Readonly<Record<string, readonly string[]>> = {
  'in their order': NAMES,
  'in the other order': NAMES.toReversed(),
  'far apart': NAMES.flatMap((name, index) => [name, NAMES[(index * 7 + 23) % NAMES.length] ?? name]),
}

test.each(Object.entries(WALKS))('applied as steps, %s, each input ends as a fresh start with it', (_, walk) => {
  const store = new ObjectStore()
  const there = new Map<string, ApiObject>()
  const builder = new IntentBuilder({ node: NODE, calico: true })
  for (const name of walk) {
    const row = ROWS[name]
    const objects = [...objectsOf(name), ...(row?.blocks ? BLOCKS : [])]
    store.apply(stepTo(objects, there))
    const fresh = new IntentBuilder({ node: NODE, calico: true }).build(storeOf(objects))
    expect(inOrder(builder.build(store)), name).toEqual(inOrder(fresh))
  }
})
