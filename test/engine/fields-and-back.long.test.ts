/**
 * Each field of each object is given another value and its old one again, on a running agent with neighbors of every kind: all
 * is as before, no session was reset for a field that the table of changes does not class as hard, and no route was withdrawn
 * or advertised again that the change does not concern.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { FIELD_CHANGES } from '../../src/cluster/field-changes.ts'
import { parseObject } from '../../src/cluster/parse/object.ts'
import type { Kind } from '../../src/cluster/source.ts'
import { nameOf, pathsOf, type Variant, variantsOf } from '../support/field-variants.ts'
import { type ApiObject, upsert } from '../support/objects.ts'
import type { Town } from '../support/town.ts'
import { type Home, inHome, objectsOf, townOf } from '../support/town-objects.ts'
import { differences } from '../support/town-picture.ts'
import type { Speaker } from '../support/town-speaker.ts'

/** Each so-manieth value is tried. */
const SHARE = Number(process.env.GODWIT_SHARE ?? 8)
/** Direct routes are handed over to BGP within that time. */
const HANDOVER = 130_000

const isRefused = (object: ApiObject): boolean => {
  const { kind, metadata } = object
  return parseObject({ kind, namespace: metadata.namespace ?? '', name: metadata.name }, object).refused
}

/** A session that stands although its filter is missing keeps the rules that it had (`held`). */
const mayTry = (home: Home, { object, fields }: Variant): boolean =>
  !isRefused(inHome(home, object)) && !(object.metadata.name === 'held' && fields.includes('filters'))

const variants = (home: Home): readonly (readonly [ApiObject, Variant])[] =>
  objectsOf(home).flatMap((object) =>
    variantsOf(object)
      .filter((variant) => mayTry(home, variant))
      .map((variant) => [object, variant] as const),
  )

// ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Annotations of a Node are its address, its AS number and its cluster ID. */
const HARD_OF_NODES: readonly string[] = ['labels', 'annotations', 'status']
const OF_THE_MESH = /^node(Mesh|ToNodeMesh)/

function mayReset(kind: Kind, fields: readonly string[]): 'all' | 'mesh' | 'its own' | 'none' {
  if (kind === 'Node') return fields.some((field) => HARD_OF_NODES.includes(field)) ? 'all' : 'none'
  // A limit that is exceeded already ends the session.
  if (fields.includes('maxPrefixes')) return 'its own'
  const rows = (FIELD_CHANGES[kind] ?? []).filter(({ field, change }) => fields.includes(field) && change === 'hard')
  if (rows.length === 0) return 'none'
  if (kind === 'BGPPeer') return 'its own'
  return rows.every(({ field }) => OF_THE_MESH.test(field)) ? 'mesh' : 'all'
}

/** Names of the objects that neighbors come from, by address; '' for the mesh. */
const sourcesOf = (town: Town): ReadonlyMap<string, string> =>
  new Map(
    [...town.engine.view(town.now).eachProtocol()].map(({ peer, object = '' }) => [peer.config.remote.address, object]),
  )

// ── What happened ────────────────────────────────────────────────────────────────────────────────────────────────────

interface Before {
  readonly picture: readonly string[]
  readonly sources: ReadonlyMap<string, string>
  readonly sessions: ReadonlyMap<Speaker, number>
  readonly told: ReadonlyMap<Speaker, ReadonlyMap<string, string>>
  readonly kernel: readonly string[]
  readonly written: number
  readonly scripts: number
}

function look(town: Town): Before {
  for (const speaker of town.speakers) speaker.forget()
  return {
    picture: town.picture(),
    sources: sourcesOf(town),
    sessions: new Map(town.speakers.map((one) => [one, one.resets + one.sessions])),
    told: new Map(town.speakers.map((one) => [one, new Map(one.told)])),
    kernel: town.kernel.own,
    written: town.kernel.written.length,
    scripts: town.kernel.scripts,
  }
}

/** Needless work of the agent, of its neighbors and of the kernel since `before`. */
function* needless(town: Town, before: Before, object: ApiObject, fields: readonly string[]): Iterable<string> {
  const reset = town.speakers.filter((one) => before.sessions.get(one) !== one.resets + one.sessions)
  const after = sourcesOf(town)
  const may = mayReset(object.kind, fields)
  for (const { options } of reset) {
    const sources = [before.sources.get(options.address), after.get(options.address)]
    const isMeant = may === 'all' || sources.includes(may === 'mesh' ? '' : object.metadata.name)
    if (may === 'none' || !isMeant) yield `the session of ${options.name} was reset`
  }
  const moved = differences(before.picture, town.picture()).filter((line) => /^. (route|rejected)/.test(line))
  const theirs = new Set(reset.flatMap(({ options }) => options.routes.flatMap(({ prefixes }) => prefixes)))
  const concerns = (prefix: string) => theirs.has(prefix) || moved.some((line) => line.includes(`"${prefix}"`))
  // Of two sessions with one router each carries what the other does not.
  const twins = reset.some(({ options }) => options.name.startsWith('twin'))
  for (const speaker of town.speakers) {
    const { name } = speaker.options
    if (reset.includes(speaker) || (twins && name.startsWith('twin'))) continue
    for (const path of speaker.touched) {
      // The number of a path is free again when another path of the prefix has gone.
      if (path.includes('#') || concerns(path) || before.told.get(speaker)?.get(path) !== speaker.told.get(path))
        continue
      yield `${name} was told ${speaker.withdrawn.has(path) ? 'the withdrawal of ' : ''}${path} without need`
    }
  }
  const kernel = town.kernel.own
  const inKernel = (lines: readonly string[], prefix: string) =>
    lines.filter((line) => line.split(' ').includes(prefix))
  for (const { route } of town.kernel.written.slice(before.written)) {
    const { text } = route.prefix
    const isSame = inKernel(before.kernel, text).join() === inKernel(kernel, text).join()
    if (isSame && !concerns(text)) yield `the kernel's ${text} was written without need`
  }
  const isNat = (line: string) => /^. (set|rule) /.test(line)
  if (town.kernel.scripts > before.scripts && !differences(before.picture, town.picture()).some(isNat))
    yield 'nftables was written without need'
}

function thereAndBack(town: Town, home: Home, object: ApiObject, { object: other, fields }: Variant): string[] {
  const first = town.picture()
  const found: string[] = []
  for (const [way, target] of [
    ['there', other],
    ['back', object],
  ] as const) {
    const before = look(town)
    town.change(upsert(inHome(home, target)))
    for (const one of needless(town, before, object, fields)) found.push(`${way}: ${one}`)
  }
  if (differences(first, town.picture()).length > 0) town.pass(HANDOVER)
  return [...found, ...differences(first, town.picture())]
}

describe.each(['own', 'calico'] as const)('in a group that is %s', (home) => {
  const offset = home === 'own' ? 0 : 1
  const byKind = Map.groupBy(
    variants(home).filter((_, index) => index % SHARE === offset),
    ([{ kind }]) => kind,
  )

  test.each([...byKind.keys()])('%s: each field, and back', (kind) => {
    let town = townOf(home)
    const wrong: Record<string, readonly string[]> = {}
    for (const [object, variant] of byKind.get(kind) ?? []) {
      const found = thereAndBack(town, home, object, variant)
      if (found.length === 0) continue
      wrong[variant.name] = found
      town = townOf(home)
    }
    expect(wrong).toEqual({})
  })
})

// ── No field is forgotten ────────────────────────────────────────────────────────────────────────────────────────────

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
}

function* leavesOf({ properties, items }: Schema, path = ''): Iterable<string> {
  if (items !== undefined) yield* leavesOf(items, `${path}[]`)
  else if (properties === undefined) yield path
  else
    for (const [field, inner] of Object.entries(properties))
      yield* leavesOf(inner, path === '' ? field : `${path}.${field}`)
}

const CRDS = new URL('../../deploy/crds/', import.meta.url)
const schemas = readdirSync(CRDS)
  .map((name) => parse(readFileSync(new URL(name, CRDS), 'utf8')))
  // Of what agents write, nobody changes a field.
  .filter((crd) => crd.spec.names.kind !== 'BGPNodeStatus')
  .map(
    (crd) =>
      [crd.spec.names.kind as Kind, crd.spec.versions[0].schema.openAPIV3Schema.properties.spec as Schema] as const,
  )

test.each(schemas)('%s: there is another value of each field, inner ones too', (kind, spec) => {
  const known = pathsOf(kind)
  expect([...leavesOf(spec)].filter((path) => !known.has(path))).toEqual([])
})

test('each kind has an object that is changed', () => {
  const kinds = new Set(variants('calico').map(([{ kind }]) => kind))
  expect([...kinds].sort()).toEqual([...new Set(objectsOf('calico').map(({ kind }) => kind))].sort())
})

test('names are unlike: a failure says which value it was', () => {
  const names = variants('own').map(([, { name }]) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(new Set(objectsOf('own').map(nameOf)).size).toBe(objectsOf('own').length)
})
