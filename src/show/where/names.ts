/**
 * The names of a `where` expression: BIRD's names for the attributes of a route, with the value of each for a route of
 * ours.
 */
import { parsePrefix } from '../../base/prefix.ts'
import type { RouteRow } from '../../bgp/rib/types.ts'
import type { AsSegment } from '../../bgp/wire/as-path.ts'
import { localPrefOf } from '../attributes.ts'
import { originatedKind } from '../originated-kind.ts'
import { formatRouterId } from '../router-id.ts'
import { VOID, type WhereValue, type WhereValueKind } from './values.ts'

/** A term whose kind is known before any route is. */
export interface Term {
  readonly type: WhereValueKind
  readonly read: (row: RouteRow) => WhereValue
  /** Given if it is the same for every route. */
  readonly constant?: WhereValue
}

const int = (value: number | undefined): WhereValue => (value === undefined ? VOID : { kind: 'int', value })
const ip = (value: string | undefined): WhereValue => (value === undefined ? VOID : { kind: 'ip', value })

const term = (type: WhereValueKind, read: Term['read']): Term => ({ type, read })

/** BIRD's preference of static and of BGP routes. */
const PREFERENCE = { originated: 200, learned: 100 }

export const NAMES: Readonly<Record<string, Term>> = {
  net: term('prefix', ({ prefix }) => prefixOf(prefix)),
  proto: term('text', ({ peer, origin }) => ({ kind: 'text', value: peer ?? originatedKind(origin) })),
  source: term('enum', ({ peer }) => ({ kind: 'enum', value: peer === undefined ? 'RTS_STATIC' : 'RTS_BGP' })),
  from: term('ip', ({ from }) => ip(from?.split('%')[0])),
  gw: term('ip', ({ nextHops }) => ip(nextHops[0]?.split('%')[0])),
  preference: term('int', ({ peer }) => int(peer === undefined ? PREFERENCE.originated : PREFERENCE.learned)),
  bgp_next_hop: term('ip', ({ nextHops }) => ip(nextHops[0]?.split('%')[0])),
  bgp_path: term('path', ({ peer, attributes }) => ofPeer(peer, { kind: 'path', value: attributes.asPath })),
  bgp_origin: term('enum', ({ attributes }) => ({
    kind: 'enum',
    value: `ORIGIN_${attributes.origin.toUpperCase()}`,
  })),
  bgp_local_pref: term('int', (row) => int(localPrefOf(row))),
  bgp_med: term('int', ({ attributes }) => int(attributes.med)),
  bgp_community: term('tuples', ({ attributes }) => ({ kind: 'tuples', value: attributes.communities })),
  bgp_large_community: term('tuples', ({ attributes }) => ({ kind: 'tuples', value: attributes.largeCommunities })),
  bgp_originator_id: term('ip', ({ attributes: { originatorId } }) =>
    ip(originatorId === undefined ? undefined : formatRouterId(originatorId)),
  ),
}

/** Originated routes have no AS path before export. */
const ofPeer = (peer: string | undefined, value: WhereValue): WhereValue => (peer === undefined ? VOID : value)

function prefixOf(text: string): WhereValue {
  const value = parsePrefix(text)
  return value === undefined ? VOID : { kind: 'prefix', value }
}

/** The members of a term (`net.len`), by the term's kind. */
export const MEMBERS: Readonly<
  Partial<
    Record<WhereValueKind, Readonly<Record<string, readonly [WhereValueKind, (value: WhereValue) => WhereValue]>>>
  >
> = {
  prefix: {
    type: ['enum', (value) => onPrefix(value, ({ family }) => ({ kind: 'enum', value: NET_TYPES[family] }))],
    len: ['int', (value) => onPrefix(value, ({ length }) => int(length))],
    ip: ['ip', (value) => onPrefix(value, ({ text }) => ip(text.slice(0, text.indexOf('/'))))],
  },
  path: {
    len: [
      'int',
      (value) => onPath(value, (path) => path.reduce((sum, { kind, asns }) => sum + lengthOf(kind, asns), 0)),
    ],
    first: ['int', (value) => onPath(value, (path) => sequenceAt(path, 0)?.[0])],
    last: ['int', (value) => onPath(value, (path) => sequenceAt(path, path.length - 1)?.at(-1))],
    last_nonaggregated: ['int', (value) => onPath(value, lastBeforeSet)],
  },
  tuples: {
    len: ['int', (value) => (value.kind === 'tuples' ? int(value.value.length) : VOID)],
  },
}

const NET_TYPES = { ipv4: 'NET_IP4', ipv6: 'NET_IP6' } as const

const onPrefix = (
  value: WhereValue,
  read: (prefix: Extract<WhereValue, { kind: 'prefix' }>['value']) => WhereValue,
): WhereValue => (value.kind === 'prefix' ? read(value.value) : VOID)

const onPath = (value: WhereValue, read: (path: readonly AsSegment[]) => number | undefined): WhereValue =>
  value.kind === 'path' ? int(read(value.value)) : VOID

/** RFC 4271 §9.1.2.2: a set counts as one; RFC 5065 §5.3: confederation segments count as none. */
const lengthOf = (kind: AsSegment['kind'], asns: readonly number[]): number =>
  kind === 'sequence' ? asns.length : kind === 'set' ? 1 : 0

function sequenceAt(path: readonly AsSegment[], index: number): readonly number[] | undefined {
  const segment = path[index]
  return segment?.kind === 'sequence' ? segment.asns : undefined
}

function lastBeforeSet(path: readonly AsSegment[]): number | undefined {
  const set = path.findIndex(({ kind }) => kind === 'set')
  return (set < 0 ? path : path.slice(0, set)).flatMap(({ asns }) => asns).at(-1)
}

/** Constants of BIRD's grammar that our routes can have, or can be asked for. */
export const CONSTANTS: ReadonlySet<string> = new Set([
  'NET_IP4',
  'NET_IP6',
  'ORIGIN_IGP',
  'ORIGIN_EGP',
  'ORIGIN_INCOMPLETE',
  ...['STATIC', 'BGP', 'DEVICE', 'INHERIT', 'STATIC_DEVICE', 'REDIRECT', 'RIP', 'PIPE', 'BABEL'].map(
    (name) => `RTS_${name}`,
  ),
  ...['OSPF', 'OSPF_IA', 'OSPF_EXT1', 'OSPF_EXT2'].map((name) => `RTS_${name}`),
])
