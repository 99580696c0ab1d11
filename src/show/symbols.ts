/** `show symbols`: the names of neighbors, tables and filters. */
import { FAMILIES } from '../base/family.ts'
import { lookUp } from '../base/look-up.ts'
import { CODE, type Row } from './reply.ts'
import { symbolOf } from './symbol.ts'
import type { View } from './view.ts'
import { TABLES } from './walk.ts'

/** `of`: a name, a kind, or undefined for everything. */
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
