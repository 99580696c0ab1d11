/** The RIB as one would write it without a thought for speed: the measure for the real one. */
import { formatAddress } from '../../src/base/address.ts'
import { evaluate } from '../../src/bgp/policy/evaluate.ts'
import type { OriginatedRoute, RibPeer } from '../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../src/bgp/wire/attribute.ts'
import { attributes, describe, prefix } from './rib.ts'

export interface ModelPath {
  /** Undefined: our own. */
  readonly peer: RibPeer | undefined
  readonly nextHop: string | undefined
  readonly attributes: PathAttributes
}

const asns = ({ asPath }: PathAttributes): readonly number[] => asPath.flatMap((segment) => segment.asns)
const neighborAs = ({ asPath }: PathAttributes): number =>
  asPath[0]?.kind === 'sequence' ? (asPath[0].asns[0] ?? 0) : 0
const pathLength = ({ asPath }: PathAttributes): number =>
  asPath.reduce((sum, { kind, asns }) => sum + (kind === 'sequence' ? asns.length : kind === 'set' ? 1 : 0), 0)

/** RFC 4271 §9.1.2.2, each step over the whole set. */
export function bestOf(paths: readonly ModelPath[]): ModelPath | undefined {
  let left = [...paths]
  const keep = (weight: (path: ModelPath) => number) => {
    const lowest = Math.min(...left.map(weight))
    left = left.filter((path) => weight(path) === lowest)
  }
  keep((path) => (path.peer === undefined ? 0 : 1))
  keep((path) => -(path.attributes.localPref ?? 100))
  keep((path) => pathLength(path.attributes))
  keep((path) => ['IGP', 'EGP', 'Incomplete'].indexOf(path.attributes.origin))
  const before = left
  left = before.filter(
    (path) =>
      !before.some(
        (other) =>
          neighborAs(other.attributes) === neighborAs(path.attributes) &&
          (other.attributes.med ?? 0) < (path.attributes.med ?? 0),
      ),
  )
  keep((path) => (path.peer?.peerType === 'external' ? 0 : 1))
  keep((path) => path.attributes.originatorId ?? path.peer?.remoteRouterId ?? 0)
  keep((path) => path.attributes.clusterList.length)
  keep((path) => Number(path.peer?.remoteAddress.split('.')[3] ?? 0))
  return left[0]
}

/** What each neighbor sent, what we originate, and from that what everyone must have been told. */
export class RibModel {
  readonly peers = new Map<string, RibPeer>()
  readonly received = new Map<string, Map<string, ModelPath>>()
  readonly own = new Map<string, OriginatedRoute>()

  expected(name: string): Map<string, string> {
    const to = this.peers.get(name) as RibPeer
    const told = new Map<string, string>()
    const prefixes = new Set([
      ...this.own.keys(),
      ...[...this.received.values()].flatMap((routes) => [...routes.keys()]),
    ])
    for (const text of prefixes) {
      const answer = this.#told(text, to)
      if (answer !== undefined) told.set(text, answer)
    }
    return told
  }

  #told(text: string, to: RibPeer): string | undefined {
    const best = bestOf(this.#usable(text))
    if (best === undefined || best.peer?.name === to.name) return undefined
    // RFC 1997 speaks of received routes.
    const wellKnown = (best.peer === undefined ? [] : best.attributes.communities)
      .filter(([high]) => high === 0xffff)
      .map(([, low]) => low)
    if (wellKnown.includes(0xff02)) return undefined
    const external = to.peerType === 'external'
    if (external && (wellKnown.includes(0xff01) || wellKnown.includes(0xff03))) return undefined
    if (!external && best.peer?.peerType === 'internal') return undefined
    const { family } = prefix(text)
    const learned = external ? { ...best.attributes, med: undefined } : best.attributes
    const verdict = evaluate(
      to.exportPolicy,
      {
        prefix: prefix(text),
        source: best.peer === undefined ? 'originated' : 'peer',
        learnedFrom: best.peer?.peerType,
        attributes: learned,
      },
      to.peerType,
    )
    if (verdict.kind === 'reject') return undefined
    const self = to.nextHops[family]
    const nextHop = external || best.nextHop === undefined ? self && formatAddress(self) : best.nextHop
    // RFC 4271 §5.1.3: nobody is told an own address.
    if (nextHop === undefined || nextHop === to.remoteAddress) return undefined
    return describe(nextHop, external ? toExternal(verdict.attributes, to.localAs) : toInternal(verdict.attributes))
  }

  #usable(text: string): ModelPath[] {
    const paths: ModelPath[] = []
    const own = this.own.get(text)
    if (own !== undefined) {
      const communities = own.communities.map(([a = 0, b = 0]) => [a, b] as const)
      paths.push({ peer: undefined, nextHop: undefined, attributes: attributes({ communities }) })
    }
    for (const [name, routes] of this.received) {
      const peer = this.peers.get(name) as RibPeer
      const route = routes.get(text)
      if (route === undefined || asns(route.attributes).includes(peer.localAs)) continue
      if (peer.peerType === 'external' && neighborAs(route.attributes) !== peer.remoteAs) continue
      const { peerType } = peer
      const verdict = evaluate(
        peer.importPolicy,
        { prefix: prefix(text), source: 'peer', learnedFrom: peerType, attributes: route.attributes },
        peerType,
      )
      if (verdict.kind === 'accept') paths.push({ peer, nextHop: route.nextHop, attributes: verdict.attributes })
    }
    return paths
  }
}

function toExternal(learned: PathAttributes, localAs: number): PathAttributes {
  const [first, ...rest] = learned.asPath
  const asPath =
    first?.kind === 'sequence'
      ? [{ kind: 'sequence', asns: [localAs, ...first.asns] } as const, ...rest]
      : [{ kind: 'sequence', asns: [localAs] } as const, ...learned.asPath]
  return { ...learned, asPath, localPref: undefined, originatorId: undefined, clusterList: [] }
}

const toInternal = (learned: PathAttributes): PathAttributes => ({ ...learned, localPref: learned.localPref ?? 100 })
