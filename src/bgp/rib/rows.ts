/** Makes the rows of `show route` on demand. Reads all tables and changes none. */
import { formatAddress, isLinkLocal } from '../../base/address.ts'
import { FAMILIES, type Family } from '../../base/family.ts'
import { contains, isHostPrefix, makePrefix, type Prefix } from '../../base/prefix.ts'
import type { AttributeTable } from '../route/attribute-table.ts'
import type { ByteTable } from '../route/byte-table.ts'
import { type NextHopTable, REACH, SELF } from '../route/next-hop-table.ts'
import { decodeAttributes, elementsOf, type PathAttributes } from '../wire/attribute.ts'
import { type AdjIn, timeOf } from './adj-in.ts'
import type { Member } from './adj-out.ts'
import { type Explained, STEPS } from './decide.ts'
import { REFUSED, REFUSED_TEXTS } from './eligible.ts'
import type { FamilyRib } from './family-rib.ts'
import { LOST } from './loc-rib.ts'
import { OURS } from './pack.ts'
import { ORIGINATED, type Peers } from './peers.ts'
import type { RouteCount, RouteCursor, RoutePage, RouteQuery, RouteRow } from './types.ts'

/** The decision about a prefix, and the paths that share its traffic. */
interface Decided extends Explained {
  readonly shares: readonly number[]
}

export class RouteRows {
  readonly #ribs: Readonly<Record<Family, FamilyRib>>
  readonly #attributes: AttributeTable
  readonly #nextHops: NextHopTable
  readonly #blocks: ByteTable
  readonly #peers: Peers

  constructor(
    ribs: Readonly<Record<Family, FamilyRib>>,
    attributes: AttributeTable,
    nextHops: NextHopTable,
    blocks: ByteTable,
    peers: Peers,
  ) {
    this.#ribs = ribs
    this.#attributes = attributes
    this.#nextHops = nextHops
    this.#blocks = blocks
    this.#peers = peers
  }

  /** At least `limit` rows; fewer at the end, or after many prefixes without a match. Paths of a prefix are in one page. */
  page(query: RouteQuery, from: RouteCursor | undefined, limit: number): RoutePage {
    const rows: RouteRow[] = []
    let [looked, elements] = [0, 0]
    for (const [rib, prefix, cursor] of this.#walk(query, from ?? 0)) {
      const isFull = rows.length >= limit || elements >= MOST_ELEMENTS
      if (isFull || looked++ >= MOST_LOOKS) return { rows, next: cursor }
      const found = this.#rows(rib, prefix, query)
      for (const { attributes } of found) elements += elementsOf(attributes)
      rows.push(...found)
    }
    return { rows, next: undefined }
  }

  count(query: RouteQuery, from: RouteCursor | undefined): RouteCount {
    const plain = isPlain(query)
    let [prefixes, paths, looked] = [0, 0, 0]
    for (const [rib, prefix, cursor] of this.#walk(query, from ?? 0)) {
      if (looked++ >= MOST_LOOKS) return { prefixes, paths, next: cursor }
      const found = plain ? usablePaths(rib, prefix) : this.#wanted(rib, prefix, query).length
      if (found === 0) continue
      prefixes++
      paths += found
    }
    return { prefixes, paths, next: undefined }
  }

  /** Ids of prefixes that may have rows, each with the cursor that leads back to it. */
  *#walk(query: RouteQuery, from: number): Generator<[FamilyRib, number, RouteCursor]> {
    if (query.for !== undefined) {
      // It is one prefix, so there is no second part: a cursor above 0 is at the end.
      const found = from === 0 ? this.#findFor(query, query.for) : undefined
      if (found !== undefined) yield found
      return
    }
    for (const family of FAMILIES) {
      const rib = this.#ribs[family]
      const base = family === 'ipv4' ? 0 : IPV6_CURSORS
      if ((query.family ?? family) !== family || (query.in !== undefined && query.in.family !== family)) continue
      for (let prefix = Math.max(1, from - base); prefix < rib.prefixes.end; prefix++) {
        if (base === 0 && from >= IPV6_CURSORS) break
        yield [rib, prefix, base + prefix]
      }
    }
  }

  #findFor(query: RouteQuery, target: Prefix): [FamilyRib, number, RouteCursor] | undefined {
    if ((query.family ?? target.family) !== target.family) return undefined
    const rib = this.#ribs[target.family]
    const exact = rib.prefixes.find(target.bytes, 0, target.length)
    const candidates = isHostPrefix(target) ? rib.prefixes.matches(target.bytes, target.length) : [exact]
    for (const prefix of candidates) {
      if (prefix !== 0 && this.#wanted(rib, prefix, query).length > 0) return [rib, prefix, 1]
    }
    return undefined
  }

  /** The paths of a prefix that match the query, the best first. */
  #wanted(rib: FamilyRib, prefix: number, query: RouteQuery): number[] {
    if (query.in !== undefined && !isInside(query.in, rib, prefix)) return []
    const { paths, loc } = rib
    const best = loc.best[prefix] as number
    const neighbor = query.export ?? query.noexport
    // -1: no neighbor has that name, so that no path matches.
    const protocol = query.protocol === undefined ? undefined : (this.#peers.get(query.protocol)?.index ?? -1)
    const wanted: number[] = []
    for (let path = paths.first[prefix] as number; path !== 0; path = paths.next[path] as number) {
      if ((paths.refused[path] !== 0) !== (query.filtered === true)) continue
      if (protocol !== undefined && paths.peer[path] !== protocol) continue
      if (query.primary === true && path !== best) continue
      if (neighbor !== undefined && !this.#isAnswer(rib, prefix, path, query)) continue
      if (path === best) wanted.unshift(path)
      else wanted.push(path)
    }
    return wanted
  }

  #isAnswer(rib: FamilyRib, prefix: number, path: number, query: RouteQuery): boolean {
    const exported = query.export === undefined ? undefined : this.#member(rib, query.export, prefix, path)
    if (query.export !== undefined && !(exported?.isAdvertised(prefix) && blockOf(exported, prefix) !== 0)) return false
    if (query.noexport === undefined) return true
    const refused = this.#member(rib, query.noexport, prefix, path)
    return refused !== undefined && blockOf(refused, prefix) === 0
  }

  #member(rib: FamilyRib, name: string, prefix: number, path: number): Member | undefined {
    const slot = this.#peers.get(name)
    return slot && rib.adjOut.memberFor(slot, prefix, path)
  }

  #rows(rib: FamilyRib, prefix: number, query: RouteQuery): RouteRow[] {
    const wanted = this.#wanted(rib, prefix, query)
    if (wanted.length === 0) return []
    const first = rib.paths.first[prefix] as number
    const best = rib.loc.best[prefix] as number
    const explained = rib.decision.explain(first, best)
    const shares = best === LOST ? [] : rib.decision.sharing(first, explained.best)
    return wanted.map((path) => this.#row(rib, prefix, path, query, { ...explained, shares }))
  }

  #row(rib: FamilyRib, prefix: number, path: number, query: RouteQuery, decided: Decided): RouteRow {
    const { paths, family } = rib
    const peer = paths.peer[path] as number
    const slot = this.#peers.slots[peer]
    const originated = peer === ORIGINATED ? rib.originated.get(path) : undefined
    const best = rib.loc.best[prefix] === path
    const exported = query.export === undefined ? undefined : this.#member(rib, query.export, prefix, path)
    const sent = exported === undefined ? undefined : this.#sent(exported, blockOf(exported, prefix))
    return {
      prefix: prefixOf(rib, prefix).text,
      family,
      peer: slot?.peer.name,
      from: slot?.peer.remoteAddress,
      peerType: slot?.peer.peerType,
      interface: slot?.peer.interface,
      origin: originated?.origin ?? 'bgp',
      object: originated?.object,
      named: originated?.named,
      nextHops: sent?.nextHops ?? this.#nextHopsOf(paths, path),
      best,
      ...(best && sent === undefined && decided.shares.length > 1 && { alsoVia: this.#alsoVia(rib, decided.shares) }),
      reason: this.#reason(rib, prefix, path, query, decided),
      filtered: paths.refused[path] !== 0,
      attributes: sent?.attributes ?? this.#attributes.decode(paths.attributes[path] as number),
      since: timeOf(paths.since[path] as number),
      exportedTo: advertisedTo(rib, prefix, path),
    }
  }

  #reason(rib: FamilyRib, prefix: number, path: number, query: RouteQuery, decided: Decided): string {
    const { paths } = rib
    const { lostAt, shares } = decided
    const refused = paths.refused[path] as number
    if (refused === REFUSED.policy) return this.#policyReason(rib, prefix, path)
    if (refused !== 0) return REFUSED_TEXTS[refused] as string
    if (query.noexport !== undefined) return this.#whyNotExport(rib, prefix, path, query.noexport)
    const lost = lostAt.get(path)
    if (lost !== undefined) return `lost at ${stepText(lost)}${shares.includes(path) ? '; it shares the traffic' : ''}`
    if (decided.best !== path) return whyNotCompared(rib, path, decided.best)
    return lostAt.size === 0 ? 'only path' : `won at ${stepText(Math.max(...lostAt.values()))}`
  }

  #alsoVia({ paths }: FamilyRib, [, ...others]: readonly number[]): readonly (readonly string[])[] {
    return others.map((path) => this.#nextHopsOf(paths, path))
  }

  #policyReason(rib: FamilyRib, prefix: number, path: number): string {
    const slot = this.#peers.slots[rib.paths.peer[path] as number]
    if (slot === undefined) return REFUSED_TEXTS[REFUSED.policy] as string
    const { bytes, length } = prefixOf(rib, prefix)
    const { peerType } = slot.peer
    const policy = slot.importPolicy
    const verdict = policy.uncounted(() =>
      policy.decide({
        family: rib.family,
        bytes,
        offset: 0,
        length,
        source: 'peer',
        learnedFrom: peerType,
        peerType,
        interface: slot.peer.interface,
        named: undefined,
        attributes: () => this.#attributes.decode(rib.paths.received[path] as number),
        lacksAll: () => false,
      }),
    )
    return verdict.kind === 'reject' ? verdict.reason : (REFUSED_TEXTS[REFUSED.policy] as string)
  }

  #whyNotExport(rib: FamilyRib, prefix: number, path: number, name: string): string {
    const member = this.#member(rib, name, prefix, path)
    if (member === undefined) return 'the session is not Established for this family'
    if (rib.paths.peer[path] === member.slot.index) return 'learned from this neighbor'
    const why = member.group.exporter.whyNotExport(prefix, path)
    if (why === undefined && member.group.blocks.leadsTo(member.address, prefix))
      return 'its next hop is the address of this neighbor'
    return why ?? 'not yet advertised'
  }

  /** Attributes and next hop of a block that is ready to send. */
  #sent(
    { nextHop: ours }: Member,
    block: number,
  ): { nextHops: readonly string[]; attributes: PathAttributes } | undefined {
    if (block === 0) return undefined
    const bytes = this.#blocks.copy(block)
    const start = 1 + ((bytes[0] as number) & ~OURS)
    const nextHop = ours !== undefined && ((bytes[0] as number) & OURS) !== 0 ? ours : bytes.subarray(1, start)
    return { nextHops: formatNextHops(nextHop), attributes: decodeAttributes(bytes, start) }
  }

  /** The next hops of a path; link-local ones have the interface of their session as zone. */
  #nextHopsOf(paths: AdjIn, path: number): readonly string[] {
    const id = paths.nextHop[path] as number
    if (id === SELF) return []
    const zone = this.#peers.slots[paths.peer[path] as number]?.peer.remoteAddress.split('%')[1]
    const addresses = formatNextHops(this.#nextHops.bytes.copy(id))
    return zone === undefined ? addresses : addresses.map((one) => (isLinkLocal(one) ? `${one}%${zone}` : one))
  }
}

/** The first cursor of IPv6. */
const IPV6_CURSORS = 2 ** 32
/** The most prefixes that are looked at for one page. */
const MOST_LOOKS = 2_048
/** AS numbers and communities of a page: each is an object of its own. */
const MOST_ELEMENTS = 8_192

/** `step 9, lower router ID`: the step that eliminated the path, named after the property that wins. */
const stepText = (step: number): string => `step ${step + 1}, ${STEPS[step]}`

/** Why a usable path was no candidate of the decision (decide.ts); `best`: the path that won, 0 where none is reachable. */
function whyNotCompared({ decision }: FamilyRib, path: number, best: number): string {
  const reach = decision.reachOf(path)
  if (reach === REACH.none) return 'next hop unreachable'
  // Where the reach is the same, it was kept out as long-lived stale: there is no other reason.
  return reach === decision.reachOf(best)
    ? 'long-lived stale, unlike another path'
    : 'next hop reached only by a BGP route, unlike that of another path'
}

/** The block that the group advertises to a member; 0: none. */
const blockOf = (member: Member, prefix: number): number => member.group.blockFor(member, prefix)

/** Whether the query has no condition but the family. */
const isPlain = (query: RouteQuery): boolean => Object.keys(query).every((key) => key === 'family')

function usablePaths({ paths }: FamilyRib, prefix: number): number {
  let count = 0
  for (let path = paths.first[prefix] as number; path !== 0; path = paths.next[path] as number) {
    if (paths.refused[path] === 0) count++
  }
  return count
}

function isInside(outer: Prefix, { prefixes }: FamilyRib, prefix: number): boolean {
  const bytes = new Uint8Array(prefixes.width * 4)
  prefixes.writeAddress(prefix, bytes)
  return contains(outer, { family: prefixes.family, bytes, length: prefixes.lengths[prefix] as number, text: '' })
}

function prefixOf({ prefixes }: FamilyRib, prefix: number): Prefix {
  const bytes = new Uint8Array(prefixes.width * 4)
  prefixes.writeAddress(prefix, bytes)
  return makePrefix(bytes, prefixes.lengths[prefix] as number)
}

/** A router without a global address writes its link-local one twice. */
function formatNextHops(bytes: Uint8Array): readonly string[] {
  if (bytes.length !== 32) return [formatAddress(bytes)]
  return [...new Set([formatAddress(bytes, 0, 16), formatAddress(bytes, 16, 16)])]
}

function advertisedTo(rib: FamilyRib, prefix: number, path: number): readonly string[] {
  if (rib.loc.best[prefix] === LOST || !rib.adjOut.advertises(prefix)) return []
  const names: string[] = []
  for (const slot of rib.adjOut.slots()) {
    const member = rib.adjOut.memberFor(slot, prefix, path)
    if (member?.isAdvertised(prefix) && blockOf(member, prefix) !== 0) names.push(slot.peer.name)
  }
  return names
}
