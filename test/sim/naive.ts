/**
 * What a speaker must hold and tell, written from the RFCs without a thought for speed: the measure for whole agents.
 * Reads routes as `View.routes` gives them and policies as values; shares no code with src/bgp/rib.
 */
import { addressBytes } from '../../src/base/address.ts'
import { contains, type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import { operate } from '../../src/bgp/policy/operate.ts'
import type { Policy, PrefixMatch, RuleMatch } from '../../src/bgp/policy/rule.ts'
import type { PathAttributes } from '../../src/bgp/wire/attribute.ts'
import type { PeerType } from '../../src/bgp/wire/context.ts'

/** A route in somebody's hands. */
export interface Held {
  readonly prefix: string
  /** The neighbor it came from; undefined for our own. */
  readonly peer: string | undefined
  readonly learned: PeerType | undefined
  readonly nextHop: string | undefined
  readonly attributes: PathAttributes
}

/** One side of a session, as far as it matters for routes. */
export interface Side {
  readonly name: string
  readonly peerType: PeerType
  readonly localAs: number
  readonly remoteAs: number
  readonly localRouterId: number
  readonly remoteRouterId: number
  readonly remoteAddress: string
  readonly importPolicy: Policy
  readonly exportPolicy: Policy
  /** Where we reflect routes: our cluster, and whether the neighbor is a client of it (RFC 4456). */
  readonly reflection: { readonly clusterId: number; readonly client: boolean } | undefined
  /** What we write as next hop, by family; only families of the session. */
  readonly nextHops: Readonly<Record<string, string | undefined>>
}

export interface Told {
  readonly nextHop: string
  readonly attributes: PathAttributes
}

export const familyOf = (prefix: string): 'ipv4' | 'ipv6' => (prefix.includes(':') ? 'ipv6' : 'ipv4')

const asns = ({ asPath }: PathAttributes): number[] => asPath.flatMap((segment) => segment.asns)

// ---- policy

interface Judged {
  readonly attributes: PathAttributes
}

/** Undefined: refused. */
function judge(
  policy: Policy,
  prefix: string,
  learned: PeerType | undefined,
  peerType: PeerType,
  given: PathAttributes,
): Judged | undefined {
  let attributes = given
  for (const rule of policy.rules) {
    if (!holds(rule.match, prefix, learned, peerType, attributes)) continue
    if (rule.action === 'reject') return undefined
    attributes = operate(rule.operations, attributes)
    if (rule.action === 'accept') return { attributes }
  }
  return policy.otherwise === 'accept' ? { attributes } : undefined
}

/** Thousands of agents have the same few prefixes. */
const prefixes = new Map<string, Prefix>()

function prefixOf(text: string): Prefix {
  const known = prefixes.get(text)
  if (known !== undefined) return known
  const prefix = parsePrefix(text)
  if (prefix === undefined) throw new Error(`${text} is no prefix`)
  prefixes.set(text, prefix)
  return prefix
}

function holds(
  match: RuleMatch,
  text: string,
  learned: PeerType | undefined,
  peerType: PeerType,
  attributes: PathAttributes,
): boolean {
  const prefix = prefixOf(text)
  const isIn = (one: PrefixMatch) =>
    contains(one.prefix, prefix) && prefix.length >= one.minLength && prefix.length <= one.maxLength
  const carried = [...attributes.communities, ...attributes.largeCommunities].map(String)
  const path = asns(attributes)
  return (
    (match.family ?? prefix.family) === prefix.family &&
    (match.prefixes === undefined || match.prefixes.some(isIn)) &&
    (match.notPrefixes === undefined || !match.notPrefixes.some(isIn)) &&
    (match.source === undefined || match.source === (learned === undefined ? 'originated' : 'peer')) &&
    (match.peerType ?? peerType) === peerType &&
    (match.learnedFrom === undefined || match.learnedFrom === learned) &&
    (match.communities === undefined || match.communities.some((one) => carried.includes(String(one)))) &&
    (match.asPathPrefix === undefined || match.asPathPrefix.every((asn, index) => path[index] === asn)) &&
    (match.localPref === undefined || match.localPref === (attributes.localPref ?? 100)) &&
    (match.med === undefined || match.med === (attributes.med ?? 0))
  )
}

// ---- decision

const neighborAs = ({ asPath: [first] }: PathAttributes): number =>
  first?.kind === 'sequence' ? (first.asns[0] ?? 0) : 0

const pathLength = ({ asPath }: PathAttributes): number =>
  asPath.reduce((sum, { kind, asns: { length } }) => sum + (kind === 'sequence' ? length : kind === 'set' ? 1 : 0), 0)

/** RFC 4271 §9.1.2.2, each step over all that are left. */
export function bestOf(paths: readonly Held[], sides: ReadonlyMap<string, Side>): Held | undefined {
  if (paths.length === 1) return paths[0]
  let left = [...paths]
  const keep = (weigh: (path: Held) => number | bigint) => {
    const lowest = left.map(weigh).reduce((a, b) => (b < a ? b : a), weigh(left[0] as Held))
    left = left.filter((path) => weigh(path) === lowest)
  }
  if (left.length === 0) return undefined
  const side = ({ peer }: Held) => (peer === undefined ? undefined : sides.get(peer))
  keep(({ peer }) => (peer === undefined ? 0 : 1))
  keep(({ attributes }) => -(attributes.localPref ?? 100))
  keep(({ attributes }) => pathLength(attributes))
  keep(({ attributes }) => ['IGP', 'EGP', 'Incomplete'].indexOf(attributes.origin))
  const before = left
  const isBeaten = (path: Held) =>
    before.some(
      ({ attributes }) =>
        neighborAs(attributes) === neighborAs(path.attributes) && (attributes.med ?? 0) < (path.attributes.med ?? 0),
    )
  left = before.filter((path) => !isBeaten(path))
  keep(({ learned }) => (learned === 'external' ? 0 : 1))
  keep((path) => path.attributes.originatorId ?? side(path)?.remoteRouterId ?? 0)
  keep(({ attributes }) => attributes.clusterList.length)
  keep((path) => addressNumber(side(path)?.remoteAddress))
  return left[0]
}

/** IPv4 before IPv6, then as numbers. */
function addressNumber(address: string | undefined): bigint {
  if (address === undefined) return 0n
  const bytes = addressBytes(address)
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), BigInt(bytes.length))
}

// ---- telling

/** What a neighbor is told of our best route, which came from `from`; undefined for nothing. */
export function tellOf(best: Held, from: Side | undefined, to: Side): Told | undefined {
  if (best.peer === to.name) return undefined
  const self = to.nextHops[familyOf(best.prefix)]
  const external = to.peerType === 'external'
  const wellKnown = best.attributes.communities.filter(([high]) => high === 0xffff).map(([, low]) => low)
  // RFC 1997, for received routes: NO_ADVERTISE; NO_EXPORT and NO_EXPORT_SUBCONFED.
  const received = best.learned !== undefined
  if (received && wellKnown.includes(0xff02)) return undefined
  if (received && external && (wellKnown.includes(0xff01) || wellKnown.includes(0xff03))) return undefined
  // RFC 4271 §9.2, but for RFC 4456 §6: what a client said goes to all, what others said to clients.
  const inside = !external && best.learned === 'internal'
  if (inside && to.reflection?.client !== true && from?.reflection?.client !== true) return undefined
  const given = external ? { ...best.attributes, med: undefined } : best.attributes
  const judged = judge(to.exportPolicy, best.prefix, best.learned, to.peerType, given)
  if (judged === undefined) return undefined
  const nextHop = external || best.nextHop === undefined ? self : best.nextHop
  if (self === undefined || nextHop === undefined) return undefined
  if (external) return { nextHop, attributes: toExternal(judged.attributes, to.localAs) }
  const attributes = toInternal(judged.attributes)
  return { nextHop, attributes: inside && from !== undefined ? reflected(attributes, from) : attributes }
}

/** RFC 4456 §8. */
function reflected(attributes: PathAttributes, { remoteRouterId, reflection }: Side): PathAttributes {
  if (reflection === undefined) throw new Error('reflected by one that is no reflector')
  const { originatorId = remoteRouterId, clusterList } = attributes
  return { ...attributes, originatorId, clusterList: [reflection.clusterId, ...clusterList] }
}

function toExternal(attributes: PathAttributes, localAs: number): PathAttributes {
  const [first, ...rest] = attributes.asPath
  const asPath =
    first?.kind === 'sequence'
      ? [{ kind: 'sequence', asns: [localAs, ...first.asns] } as const, ...rest]
      : [{ kind: 'sequence', asns: [localAs] } as const, ...attributes.asPath]
  return { ...attributes, asPath, localPref: undefined, originatorId: undefined, clusterList: [] }
}

const toInternal = (attributes: PathAttributes): PathAttributes => ({
  ...attributes,
  localPref: attributes.localPref ?? 100,
})

// ---- taking

/** How a route that was told stands at the receiver: `refused`, or with the attributes that import policy leaves. */
export function takenOf(
  prefix: string,
  told: Told,
  from: Side,
  own: ReadonlySet<string>,
): { readonly refused: boolean; readonly attributes: PathAttributes } {
  const { attributes } = told
  const path = asns(attributes)
  // RFC 4456 §8: it has come home.
  const cluster = from.reflection?.clusterId ?? from.localRouterId
  const isHome = attributes.originatorId === from.localRouterId || attributes.clusterList.includes(cluster)
  // RFC 4271 §9.1.2, §6.3, §5.1.3.
  const unusable =
    (from.peerType === 'internal' && isHome) ||
    path.includes(from.localAs) ||
    (from.peerType === 'external' && path[0] !== from.remoteAs) ||
    (own.has(told.nextHop) && told.nextHop !== from.remoteAddress)
  const judged = unusable ? undefined : judge(from.importPolicy, prefix, from.peerType, from.peerType, attributes)
  return judged === undefined ? { refused: true, attributes } : { refused: false, attributes: judged.attributes }
}

/** Equal routes have equal words. */
export function describe({ nextHop, attributes }: Told): string {
  const { origin, asPath, med, localPref, communities, largeCommunities, originatorId, clusterList } = attributes
  const path = asPath.map(({ kind, asns: numbers }) => `${kind} ${numbers.join(' ')}`).join(', ')
  const sorted = [...communities, ...largeCommunities].map((community) => community.join(':')).sort()
  return [
    `via ${nextHop}`,
    origin,
    `[${path}]`,
    `med ${med}`,
    `pref ${localPref}`,
    sorted.join(' '),
    originatorId,
    clusterList.join(' '),
  ].join(' ')
}
