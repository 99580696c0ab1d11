/** BIRD's commands `show static` and `show symbols`, answered with our own routes and names. */

import { FAMILIES } from '../base/family.ts'
import { lookUp } from '../base/look-up.ts'
import type { RouteIntent } from '../cluster/intent.ts'
import { ownKind } from './own-kind.ts'
import { CODE, type Row } from './reply.ts'
import { symbolOf } from './symbol.ts'
import type { View } from './view.ts'
import { TABLES } from './walk.ts'

/** The routes of this node itself; what makes them is a protocol by the name of its kind. */
export function* staticRows(protocol: string | undefined, view: View): Iterable<Row> {
  for (const { prefix, origin, objects } of staticRoutes(protocol, view)) {
    yield { code: CODE.static, text: `${prefix.text}\t${ownKind(origin)} ${objects.join(' ')}` }
  }
  yield { code: CODE.ok, text: '' }
}

export const staticRoutes = (protocol: string | undefined, view: View): readonly RouteIntent[] =>
  view.services().filter(({ origin }) => protocol === undefined || ownKind(origin) === protocol)

/** One name, what is of one kind, or everything that has a name. */
export function* symbolRows(of: string | undefined, view: View): Iterable<Row> {
  for (const [name, kind] of symbolsOf(of, view)) yield { code: CODE.symbol, text: `${name.padEnd(8)}\t${kind}` }
  yield { code: CODE.ok, text: '' }
}

export function symbolsOf(of: string | undefined, view: View): readonly (readonly [name: string, kind: string])[] {
  const all = [
    ...[...view.neighbors(), ...view.ranges()].map(({ name }) => [name, 'protocol'] as const),
    ...FAMILIES.map((family) => [TABLES[family], 'routing table'] as const),
    ...[...new Set(view.filters().map(({ policy }) => symbolOf(policy.name)))].map((name) => [name, 'filter'] as const),
  ]
  if (of === undefined) return all
  const kind = lookUp(KINDS, of)
  if (kind !== undefined) return all.filter((symbol) => symbol[1] === kind)
  return [all.find(([name]) => name === of) ?? [of, 'undefined']]
}

/** How BIRD's grammar calls kinds, and what it writes for them. */
const KINDS: Readonly<Record<string, string>> = {
  protocol: 'protocol',
  table: 'routing table',
  filter: 'filter',
  function: 'function',
  template: 'template',
}
