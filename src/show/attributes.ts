/** Path attributes as `show route all` lists them: in the order of their type codes, unknown ones last. */
import type { RouteRow } from '../bgp/rib/types.ts'
import { DEFAULT_LOCAL_PREF } from '../bgp/route/attribute-table.ts'
import type { AsSegment } from '../bgp/wire/as-path.ts'
import type { PathAttributes } from '../bgp/wire/attribute.ts'
import { formatRouterId } from './router-id.ts'
import { wrapped } from './wrap.ts'

const ORIGIN_SIGN = { IGP: 'i', EGP: 'e', Incomplete: '?' } as const

/** `AS65002i`: the AS where the route began, if the path says so, and the origin's sign. */
export function lastAs({ asPath, origin }: PathAttributes): string {
  const last = asPath.at(-1)
  const asn = last?.kind === 'sequence' ? last.asns.at(-1) : undefined
  return `${asn === undefined ? '' : `AS${asn}`}${ORIGIN_SIGN[origin]}`
}

/** RFC 4271 §9.1.1: what came without a preference is given one. Originated routes have none before export. */
export const localPrefOf = ({ attributes, peer }: Pick<RouteRow, 'attributes' | 'peer'>): number | undefined =>
  attributes.localPref ?? (peer === undefined ? undefined : DEFAULT_LOCAL_PREF)

export function* attributeLines(row: RouteRow): Iterable<string> {
  const { attributes, nextHops } = row
  yield `\tBGP.origin: ${attributes.origin}`
  yield* wrapped('\tBGP.as_path:', attributes.asPath.flatMap(segmentText))
  if (nextHops.length > 0) yield `\tBGP.next_hop: ${nextHops.join(' ')}`
  if (attributes.med !== undefined) yield `\tBGP.med: ${attributes.med}`
  const localPref = localPrefOf(row)
  if (localPref !== undefined) yield `\tBGP.local_pref: ${localPref}`
  if (attributes.atomicAggregate) yield '\tBGP.atomic_aggr: '
  const { aggregator, originatorId } = attributes
  if (aggregator !== undefined) {
    yield `\tBGP.aggregator: ${formatRouterId(aggregator.routerId)} AS${aggregator.asn}`
  }
  yield* standardCommunities(attributes)
  if (originatorId !== undefined) yield `\tBGP.originator_id: ${formatRouterId(originatorId)}`
  yield* some('\tBGP.cluster_list:', attributes.clusterList, formatRouterId)
  yield* extendedCommunities(attributes)
  yield* largeCommunities(attributes)
  if (attributes.onlyToCustomer !== undefined) yield `\tBGP.otc: ${attributes.onlyToCustomer}`
  for (const { type, flags, value } of attributes.unknown) {
    const bytes = [...value].map((byte) => byte.toString(16).padStart(2, '0'))
    yield* wrapped(`\tBGP.${type}${(flags & 0x40) === 0 ? '' : ' [t]'}:`, bytes)
  }
}

/** Before export, originated routes carry at most these. */
export function* communityLines(attributes: PathAttributes): Iterable<string> {
  yield* standardCommunities(attributes)
  yield* extendedCommunities(attributes)
  yield* largeCommunities(attributes)
}

const standardCommunities = ({ communities }: PathAttributes) =>
  some('\tBGP.community:', communities, ([high, low]) => `(${high},${low})`)

const extendedCommunities = ({ extendedCommunities: all }: PathAttributes) =>
  some('\tBGP.ext_community:', all, formatExtendedCommunity)

const largeCommunities = ({ largeCommunities: all }: PathAttributes) =>
  some('\tBGP.large_community:', all, (parts) => `(${parts.join(', ')})`)

function some<Item>(name: string, items: readonly Item[], format: (item: Item) => string): Iterable<string> {
  return items.length === 0 ? [] : wrapped(name, items.map(format))
}

const BRACKETS: Readonly<Record<AsSegment['kind'], readonly [string, string]>> = {
  sequence: ['', ''],
  set: ['{', '}'],
  'confed-sequence': ['(', ')'],
  'confed-set': ['({', '})'],
}

function segmentText({ kind, asns }: AsSegment): readonly string[] {
  const [open, close] = BRACKETS[kind]
  if (open === '') return asns.map(String)
  return asns.map((asn, at) => `${at === 0 ? open : ''}${asn}${at === asns.length - 1 ? close : ''}`)
}

/** RFC 4360 §3 and RFC 5668: route target and route origin by name, all others as two words. */
export function formatExtendedCommunity([high, low]: readonly [number, number]): string {
  const name = SUBTYPES[(high >>> 16) & 0xff]
  const type = (high >>> 24) & 0xbf
  if (name === undefined || type > 2) return `(generic, 0x${hex(high)}, 0x${hex(low)})`
  if (type === 0) return `(${name}, ${high & 0xffff}, ${low >>> 0})`
  const global = ((high & 0xffff) << 16) | (low >>> 16)
  return `(${name}, ${type === 1 ? formatRouterId(global >>> 0) : global >>> 0}, ${low & 0xffff})`
}

const SUBTYPES: Readonly<Record<number, string>> = { 2: 'rt', 3: 'ro' }
const hex = (word: number): string => (word >>> 0).toString(16)
