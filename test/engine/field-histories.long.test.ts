/**
 * Fields change in random histories: together, in a row or amid the work of the change before; objects are deleted and created
 * again, kinds are listed anew, neighbors go away and come back. What the agent is, tells and writes at the end depends on the
 * objects alone: it is what a fresh agent with these objects does, and with the old objects again, what it was at the start.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseObject } from '../../src/cluster/parse/object.ts'
import type { Kind, ObjectChange } from '../../src/cluster/source.ts'
import { nameOf, variantsOf } from '../support/field-variants.ts'
import { type ApiObject, remove, replace, upsert } from '../support/objects.ts'
import type { Town } from '../support/town.ts'
import { type Home, inHome, objectsOf, townOf } from '../support/town-objects.ts'
import { differences } from '../support/town-picture.ts'

// ── Histories ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Numbers choose among what there is at that moment. */
type Event =
  | { readonly kind: 'change'; readonly of: number; readonly object: number; readonly value: number }
  | { readonly kind: 'restore' | 'delete'; readonly object: number }
  | { readonly kind: 'relist'; readonly of: number }
  | { readonly kind: 'leave-or-return'; readonly speaker: number }

interface Step {
  readonly events: readonly Event[]
  /** How the agent hears of them: at once, one after the other, amid the work of the one before, or each alone. */
  readonly how: 'together' | 'in a row' | 'amid' | 'alone'
  readonly millis: number
}

const number = fc.nat(9_999)
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 13,
    arbitrary: fc.record({ kind: fc.constant('change' as const), of: number, object: number, value: number }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restore' as const), object: number }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), object: number }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('relist' as const), of: number }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave-or-return' as const), speaker: number }) },
)
const step: fc.Arbitrary<Step> = fc.record({
  events: fc.array(event, { minLength: 1, maxLength: 4 }),
  how: fc.constantFrom('together', 'in a row', 'amid', 'alone'),
  millis: fc.constantFrom(0, 0, 700, 20_000),
})
const history = fc.array(step, { minLength: 1, maxLength: 9 })

const isRefused = (object: ApiObject): boolean => {
  const { kind, metadata } = object
  return parseObject({ kind, namespace: metadata.namespace ?? '', name: metadata.name }, object).refused
}

/** The objects as they are now, and the agent that hears of them. */
class Scene {
  readonly town: Town
  readonly now: Map<string, ApiObject>
  readonly told: string[] = []
  readonly #home: Home
  readonly #base: readonly ApiObject[]

  constructor(home: Home) {
    this.#home = home
    this.#base = objectsOf(home)
    this.now = new Map(this.#base.map((object) => [nameOf(object), object]))
    this.town = townOf(home)
  }

  take({ events, how, millis }: Step): void {
    const changes = events.flatMap((one) => this.#changesOf(one))
    this.told.push(`(${how})`)
    if (how === 'together') this.town.change(...changes)
    for (const change of how === 'together' ? [] : changes) {
      if (how === 'alone') this.town.change(change)
      else if (how === 'in a row') this.town.tell(change)
      else this.town.feed({ kind: 'objects', changes: [change] })
    }
    this.town.pass(millis)
  }

  /** All neighbors are back, and what is kept for a while is over. */
  rest(): void {
    for (const speaker of this.town.speakers) speaker.away = false
    this.town.settle()
    this.town.pass(LONGEST)
    this.town.settle()
  }

  restoreAll(): void {
    for (const object of this.#base)
      if (this.now.get(nameOf(object)) !== object) this.town.change(upsert(inHome(this.#home, object)))
  }

  #changesOf(one: Event): readonly ObjectChange[] {
    switch (one.kind) {
      case 'change':
        return this.#change(one)
      case 'restore':
        return this.#put(at(this.#base, one.object), 'restore')
      case 'delete':
        return this.#delete(at([...this.now.values()], one.object))
      case 'relist':
        return this.#relist(at(this.#kinds(), one.of))
      case 'leave-or-return':
        return this.#turn(one.speaker)
    }
  }

  #change({ of, object, value }: Extract<Event, { kind: 'change' }>): readonly ObjectChange[] {
    const kind = at(this.#kinds(), of)
    const known = [...this.now.values()].filter((one) => one.kind === kind && one.metadata.name !== 'held')
    if (known.length === 0) return []
    const variant = at(variantsOf(at(known, object)), value)
    // What holds a session back depends on whether it was up before.
    const isFit = !isRefused(inHome(this.#home, variant.object)) && !variant.name.includes('missing')
    return isFit ? this.#put(variant.object, variant.name) : []
  }

  #put(object: ApiObject, why: string): readonly ObjectChange[] {
    this.now.set(nameOf(object), object)
    this.told.push(why === 'restore' ? `restore ${nameOf(object)}` : why)
    return [upsert(inHome(this.#home, object))]
  }

  #delete(object: ApiObject): readonly ObjectChange[] {
    // An agent whose Node is deleted is told to leave.
    if (object.kind === 'Node' && object.metadata.name === 'worker-1') return []
    this.now.delete(nameOf(object))
    this.told.push(`delete ${nameOf(object)}`)
    return [remove(object)]
  }

  #relist(kind: Kind): readonly ObjectChange[] {
    this.told.push(`relist ${kind}`)
    const all = [...this.now.values()].filter((one) => one.kind === kind)
    return [
      replace(
        kind,
        all.map((one) => inHome(this.#home, one)),
      ),
    ]
  }

  #turn(which: number): readonly ObjectChange[] {
    const speaker = at(this.town.speakers, which)
    speaker.away = !speaker.away
    this.told.push(`${speaker.options.name} ${speaker.away ? 'leaves' : 'returns'}`)
    if (speaker.away) speaker.hangUp()
    return []
  }

  #kinds(): readonly Kind[] {
    return [...new Set(this.#base.map(({ kind }) => kind))]
  }
}

const at = <Item>(items: readonly Item[], which: number): Item => items[which % items.length] as Item

/** Stale routes, pauses after too many routes, routes that are handed over to BGP. */
const LONGEST = 400_000

// ── The property ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a session agreed on while a field had another value, and what was once good, outlive the change on purpose. */
const ofObjects = (lines: readonly string[]): readonly string[] =>
  lines.filter((line) => !/^(session|asked remember)/.test(line))

/**
 * The last good version of something stands; a session that would not start runs on; routes stay until Felix has its own; the
 * chain for NAT stays where no pool has NAT any more; or a neighbor above its limit comes and goes every minute, and when it
 * does depends on when the limit came.
 */
const dependsOnBefore = (scene: Scene): boolean =>
  !JSON.stringify([...scene.now.values()]).includes('"natOutgoing":true') ||
  JSON.stringify([...scene.now.values()]).includes('"restartMinutes":1') ||
  JSON.stringify([...scene.now.values()]).includes('programClusterRoutes') ||
  [...scene.town.engine.view(scene.town.now).eachProtocol()].some(
    ({ held, peer }) => held !== undefined && peer.session !== undefined,
  ) ||
  [...scene.town.engine.view(scene.town.now).problems()].some(
    ({ object, text }) => object !== 'BGPPeer/held' && /last good|keeps/.test(text),
  )

const pictures = new Map<Home, readonly string[]>()

function wrongAfter(home: Home, steps: readonly Step[]): readonly string[] {
  const scene = new Scene(home)
  const start = pictures.get(home) ?? scene.town.picture()
  pictures.set(home, start)
  for (const one of steps) scene.take(one)
  scene.rest()
  const found: string[] = []
  if (!dependsOnBefore(scene)) {
    const fresh = townOf(home, [...scene.now.values()])
    fresh.pass(LONGEST)
    found.push(...differences(ofObjects(fresh.picture()), ofObjects(scene.town.picture())))
  }
  scene.restoreAll()
  scene.rest()
  found.push(...differences(ofObjects(start), ofObjects(scene.town.picture())).map((line) => `back: ${line}`))
  return found.length === 0 ? [] : [...scene.told, ...found]
}

test.each(['own', 'calico'] as const)(
  'in a group that is %s, the objects alone count',
  { timeout: 600_000 },
  (home) => {
    fc.assert(
      fc.property(history, (steps) => {
        expect(wrongAfter(home, steps)).toEqual([])
      }),
      { numRuns: Number(process.env.GODWIT_RUNS ?? 12) },
    )
  },
)
