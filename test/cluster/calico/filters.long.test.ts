/**
 * What Calico makes of the BGPFilters in its golden tests, as rules of BIRD, against what they do here: the same routes meet
 * both, and are accepted with the same attributes, refused, or left to whatever comes behind the filters.
 */
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { contains, type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import type { Asn } from '../../../src/base/units.ts'
import { evaluate, type PolicyRoute } from '../../../src/bgp/policy/evaluate.ts'
import { originatedAttributes, type PathAttributes } from '../../../src/bgp/wire/attribute.ts'
import { intentOf } from '../../support/cluster.ts'
import type { ApiObject } from '../../support/objects.ts'

interface Rule {
  readonly if?: {
    readonly internal?: boolean
    readonly net?: readonly ['~' | '!~' | '=' | '!=', string]
    readonly learned?: true
    readonly interface?: string
    readonly community?: string
    readonly path?: readonly number[]
    readonly localPref?: number
  }
  readonly set?: { readonly localPref?: number; readonly community?: string; readonly prepend?: readonly number[] }
  readonly does: 'accept' | 'reject'
}
type Lists = Readonly<Record<string, readonly Rule[]>>
interface Row {
  readonly objects: readonly ApiObject[]
  readonly peers: Readonly<Record<string, { readonly address: string; readonly filters?: readonly string[] }>>
  readonly filters?: Readonly<Record<string, Lists>>
}

const ROWS = parse(readFileSync(new URL('rows.yaml', import.meta.url), 'utf8')) as Readonly<Record<string, Row>>

const prefixOf = (text: string): Prefix => {
  const prefix = parsePrefix(text)
  if (prefix === undefined) throw new Error(`${text} is no prefix`)
  return prefix
}

/** A route, as both sides see it. */
interface Sample {
  readonly prefix: Prefix
  readonly learned: boolean
  readonly interface: string
  readonly communities: readonly string[]
  readonly path: readonly number[]
  readonly localPref: number | undefined
  readonly internal: boolean
}

/** A mask of BIRD: a star for anything, a question mark for one. */
const fits = (mask: string, name: string): boolean =>
  new RegExp(
    `^${mask
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  ).test(name)

const NETS: Readonly<Record<string, (net: Prefix, other: Prefix) => boolean>> = {
  '~': (net, other) => contains(other, net),
  '!~': (net, other) => !contains(other, net),
  '=': (net, other) => net.text === other.text,
  '!=': (net, other) => net.text !== other.text,
}

function matches({ if: when = {} }: Rule, sample: Sample): boolean {
  const { internal, net, learned, interface: mask, community, path, localPref } = when
  return (
    (internal === undefined || internal === sample.internal) &&
    (net === undefined || NETS[net[0]]?.(sample.prefix, prefixOf(net[1])) === true) &&
    (learned === undefined || sample.learned) &&
    (mask === undefined || fits(mask, sample.interface)) &&
    (community === undefined || sample.communities.includes(community)) &&
    (path === undefined || path.every((asn, index) => sample.path[index] === asn)) &&
    (localPref === undefined || sample.localPref === localPref)
  )
}

interface Decision {
  readonly does: 'accept' | 'reject' | 'none'
  readonly localPref?: number | undefined
  readonly communities?: readonly string[]
  readonly path?: readonly number[]
}

/** The first rule that matches decides. */
function theirs(rules: readonly Rule[], sample: Sample): Decision {
  const rule = rules.find((one) => matches(one, sample))
  if (rule === undefined || rule.does === 'reject') return { does: rule === undefined ? 'none' : 'reject' }
  const { localPref = sample.localPref, community, prepend = [] } = rule.set ?? {}
  const communities = [...new Set([...sample.communities, ...(community === undefined ? [] : [community])])].sort()
  return { does: 'accept', localPref, communities, path: [...prepend, ...sample.path] }
}

const numbers = (text: string): number[] => text.split(':').map(Number)

function attributesOf({ communities, path, localPref }: Sample): PathAttributes {
  const own = originatedAttributes(communities.map(numbers))
  return { ...own, localPref, asPath: path.length === 0 ? [] : [{ kind: 'sequence', asns: path as readonly Asn[] }] }
}

function ours(policy: Parameters<typeof evaluate>[0], sample: Sample): Decision {
  const route: PolicyRoute = {
    prefix: sample.prefix,
    source: sample.learned ? 'peer' : 'originated',
    learnedFrom: sample.learned ? 'external' : undefined,
    interface: sample.interface,
    attributes: attributesOf(sample),
  }
  const verdict = evaluate(policy, route, sample.internal ? 'internal' : 'external')
  if (!/^BGPFilter\/\S+ (?:import|export)V[46]\[/.test(verdict.rule)) return { does: 'none' }
  if (verdict.kind === 'reject') return { does: 'reject' }
  const { localPref, asPath, communities, largeCommunities } = verdict.attributes
  return {
    does: 'accept',
    localPref,
    communities: [...communities, ...largeCommunities].map((one) => one.join(':')).sort(),
    path: asPath.flatMap(({ asns }) => asns),
  }
}

/** Every prefix that rules name, one inside, one beside; every community, path and preference, and none of them. */
function* samples(rules: readonly Rule[], family: 'V4' | 'V6', isImport: boolean): Generator<Sample> {
  const named = [...new Set(rules.flatMap(({ if: when }) => when?.net?.[1] ?? []))].map(prefixOf)
  const inside = named.map(({ text }) => prefixOf(text.replace(/\/\d+$/, family === 'V4' ? '/30' : '/126')))
  const beside = prefixOf(family === 'V4' ? '9.9.0.0/16' : '2001:db8:99::/64')
  const of = <Value>(pick: (rule: Rule) => Value | undefined): Value[] => rules.flatMap((rule) => pick(rule) ?? [])
  const communities = [[], ...of(({ if: when }) => when?.community).map((one) => [one])]
  const paths = [[], [65009], ...rules.flatMap(({ if: when }) => (when?.path === undefined ? [] : [[...when.path]]))]
  const preferences = [undefined, ...of(({ if: when }) => when?.localPref)]
  // Of each mask one that fits; `fits` says of the others what they are.
  const masks = of(({ if: when }) => when?.interface)
  const interfaces = [
    ...new Set(['eth0', 'iface', ...masks.map((mask) => mask.replaceAll('*', 'some').replaceAll('?', '1'))]),
  ]
  for (const prefix of [...named, ...inside, beside])
    for (const learned of isImport ? [true] : [true, false])
      for (const one of interfaces)
        for (const list of communities)
          for (const path of paths)
            for (const localPref of preferences)
              for (const internal of [true, false]) {
                // Calico gives a route of the node its communities behind the filters.
                if (!learned && (list.length > 0 || path.length > 0)) continue
                yield { prefix, learned, interface: one, communities: list, path, localPref, internal }
              }
}

/** Between nodes Calico has a session for each family, and we have one for both. */
const sameNode = (objects: readonly ApiObject[], ...addresses: readonly string[]): boolean =>
  objects.some(({ metadata }) => {
    const texts = Object.values(metadata.annotations ?? {})
    return addresses.every((address) => texts.some((text) => text.startsWith(`${address}/`)))
  })

/** In some rows filters are there that no neighbor of the node uses. */
const rows = Object.entries(ROWS).filter(([, { peers }]) => Object.values(peers).some(({ filters }) => filters))

describe.each(rows)('%s', (_name, { objects, peers, filters = {} }) => {
  const { peers: intents } = intentOf('kube-master', objects)
  const filtered = Object.entries(peers).flatMap(([peer, { address, filters: names = [] }]) => {
    const intent = intents.get(peer) ?? [...intents.values()].find((one) => sameNode(objects, one.address, address))
    return intent === undefined || names.length === 0 ? [] : [[peer, intent, names] as const]
  })

  test.each(filtered)('%s', (_peer, intent, names) => {
    let asked = 0
    const wrong: unknown[] = []
    for (const direction of ['import', 'export'] as const) {
      for (const family of ['V4', 'V6'] as const) {
        // A list that is not there decides nothing.
        const rules = names.flatMap((one) => filters[one]?.[`${direction}${family}`] ?? [])
        for (const sample of samples(rules, family, direction === 'import')) {
          asked++
          const policy = direction === 'import' ? intent.importPolicy : intent.exportPolicy
          const [here, there] = [ours(policy, sample), theirs(rules, sample)]
          if (!isDeepStrictEqual(here, there)) wrong.push([direction, sample, here, there])
        }
      }
    }
    expect(wrong).toEqual([])
    expect(asked).toBeGreaterThan(20)
  })
})
