/**
 * Decides whether the best path is advertised, and with which next hop, or why not. One `Exporter` serves an update group.
 * Two rules depend on the single neighbor and are in adj-out.ts: a route is not advertised to the neighbor it came from,
 * nor with a neighbor's own address as its next hop. Out: the id of a block (`export-blocks.ts`).
 */

import { contains, makePrefix } from '../../base/prefix.ts'
import type { Octets } from '../../base/units.ts'
import type { PolicyInput } from '../policy/compile.ts'
import type { Accepted, NextHopSetting } from '../policy/trail.ts'
import { CARRIES } from '../route/attribute-table.ts'
import { NO_ID } from '../route/id-cache.ts'
import type { Role } from '../wire/role.ts'
import { ExportBlocks, OURSELVES } from './export-blocks.ts'
import { REASON, REASON_TEXTS } from './export-reason.ts'
import type { ExportTables, ExportView } from './export-view.ts'
import { KIND } from './peers.ts'

export class Exporter {
  readonly view: ExportView
  /** Decisions, since the start, that a route must not be advertised by the rules of BGP. */
  rejected = 0
  /** … and that policy rejects it. */
  filtered = 0

  readonly #tables: ExportTables
  readonly #external: boolean
  /** `OURSELVES`, or `NO_NEXT_HOP` where we have no address in this family. */
  readonly #selfId: number
  readonly #blocks: ExportBlocks
  /** The ids of next hops that policy sets, each retained. */
  readonly #addresses = new Map<Uint8Array, number>()
  readonly #address = new Uint8Array(16)
  /** What policy is asked about, filled again for each route, and the path of that route. */
  readonly #input: PolicyInput
  #asked = 0
  /**
   * Routes come in runs. This is the last result that applies to all routes with the same attributes, next hop and kind of
   * source. Nothing here is retained; since ids are assigned again, serials tell whether they still mean the same.
   */
  readonly #run = {
    attributesSerial: 0,
    nextHopSerial: 0,
    kind: 0,
    lacksLink: 0,
    block: 0,
    blockSerial: 0,
    revision: 0,
    met: NONE_MET,
  }
  #verdict: Accepted = ACCEPT
  /** The next hop chosen for the last route that may be advertised. */
  #nextHop = NO_NEXT_HOP
  #refusal = ''

  constructor(view: ExportView, tables: ExportTables) {
    this.view = view
    this.#tables = tables
    this.#external = view.peerType === 'external'
    this.#selfId = view.nextHopLength === undefined ? NO_NEXT_HOP : OURSELVES
    this.#blocks = new ExportBlocks(view, tables)
    const { attributes, paths } = tables
    this.#input = {
      family: view.family,
      bytes: this.#address,
      offset: 0,
      length: 0,
      source: 'originated',
      learnedFrom: undefined,
      peerType: view.peerType,
      interface: undefined,
      named: undefined,
      attributes: () => attributes.decode(paths.attributes[this.#asked] as number),
      lacksAll: (communities) => attributes.lacksAll(paths.attributes[this.#asked] as number, communities),
    }
  }

  /** The block for a prefix and its best path, retained once for the caller; 0: nothing is advertised. */
  export(prefix: number, path: number): number {
    const { paths, attributes, nextHops, blocks, peers, serviceAddresses, straying, deferral } = this.#tables
    const run = this.#run
    // None of them ever decreases: the sum is the same only where all are.
    const revision = serviceAddresses.revision + straying.revision + nextHops.detourRevision + deferral.revision
    const attributesSerial = attributes.blocks.serial[paths.attributes[path] as number] as number
    const nextHopSerial = nextHops.serialOf(paths.nextHop[path] as number)
    const kind = peers.kind[paths.peer[path] as number] as number
    const lacksLink = peers.lacksLink[paths.peer[path] as number] as number
    if (
      run.attributesSerial === attributesSerial &&
      run.nextHopSerial === nextHopSerial &&
      run.kind === kind &&
      run.lacksLink === lacksLink &&
      run.blockSerial === blocks.serial[run.block] &&
      blocks.refs[run.block] !== 0 &&
      run.revision === revision
    ) {
      blocks.retain(run.block)
      if (run.met.length > 0) this.view.policy.addHits(run.met, 1)
      return run.block
    }
    const block = this.#export(prefix, path)
    if (block !== 0 && this.#holdsForRun(kind)) {
      run.attributesSerial = attributesSerial
      run.nextHopSerial = nextHopSerial
      run.kind = kind
      run.lacksLink = lacksLink
      run.block = block
      run.blockSerial = blocks.serial[block] as number
      run.revision = revision
      run.met = this.view.policy.acceptsAll ? NONE_MET : this.view.policy.met
    }
    return block
  }

  /** The verdict on a route holds for all from this kind of source with the same attributes and next hop. */
  #holdsForRun(kind: number): boolean {
    // For an internal route, reflection also depends on the neighbor it came from.
    if (kind === KIND.internal) return false
    const { family, peerType, policy } = this.view
    const isOriginated = kind === KIND.originated
    if (!isOriginated && !(this.#tables.serviceAddresses.isEmpty && this.#tables.straying.isEmpty)) return false
    return (
      policy.acceptsAll ||
      policy.isUniform(family, isOriginated ? 'originated' : 'peer', isOriginated ? undefined : 'external', peerType)
    )
  }

  #export(prefix: number, path: number): number {
    const reason = this.#reasonAgainst(prefix, path)
    if (reason === REASON.none) {
      const block = this.#blocks.take(path, this.#nextHop, this.#verdict.edit)
      if (block !== NO_ID) {
        this.#noteRelaying(path)
        return block
      }
    }
    if (reason === REASON.policy) this.filtered++
    else if (reason !== REASON.deferred) this.rejected++
    return 0
  }

  #noteRelaying(path: number): void {
    const { paths, peers, relaying } = this.#tables
    if (this.#nextHop === this.#selfId && peers.kind[paths.peer[path] as number] !== KIND.originated)
      relaying.began = true
  }

  /** The reason in words why a path is not advertised; undefined: there is none. No rule of policy counts a hit. */
  whyNotExport(prefix: number, path: number): string | undefined {
    const reason = this.view.policy.uncounted(() => this.#reasonAgainst(prefix, path))
    if (reason === REASON.policy) return this.#refusal
    if (reason !== REASON.none) return REASON_TEXTS[reason]
    const block = this.#blocks.take(path, this.#nextHop, this.#verdict.edit)
    if (block === NO_ID) return REASON_TEXTS[REASON.tooLarge]
    this.#tables.blocks.release(block)
    return undefined
  }

  /** Releases everything that it holds. */
  dispose(): void {
    for (const id of this.#addresses.values()) this.#tables.nextHops.release(id)
  }

  memory(): Octets {
    return this.#blocks.memory()
  }

  /**
   * One of REASON. Where it is `none`, `#verdict` and `#nextHop` are those of this route; where it is `policy`, `#refusal` says
   * why.
   */
  #reasonAgainst(prefix: number, path: number): number {
    const { paths, attributes, peers, deferral } = this.#tables
    const flags = attributes.flags[paths.attributes[path] as number] as number
    const kind = peers.kind[paths.peer[path] as number] as number
    if (deferral.isOn && kind !== KIND.originated) return REASON.deferred
    // RFC 1997: well-known communities are for the receivers of a route. Originated routes carry them to the neighbors.
    if (kind !== KIND.originated && (flags & BOUND) !== 0) {
      if ((flags & CARRIES.noAdvertise) !== 0) return REASON.noAdvertise
      if (this.#external && (flags & CARRIES.noExport) !== 0) return REASON.noExport
      if (this.#external && (flags & CARRIES.noExportSubconfed) !== 0) return REASON.noExportSubconfed
      // RFC 9494 §4.3: not to a neighbor that does not know long-lived stale routes.
      if ((flags & CARRIES.longLivedStale) !== 0 && !this.view.longLived) return REASON.longLived
    }
    // RFC 4271 §9.2: no internal route to an internal neighbor, but by a reflector (RFC 4456 §6).
    if (!this.#external && kind === KIND.internal && !this.#reflects(path)) {
      return this.view.reflection === undefined ? REASON.internal : REASON.nonClient
    }
    // RFC 9234 §5: never to a provider, a peer or a route server.
    if ((flags & CARRIES.onlyToCustomer) !== 0 && isUpward(this.view.role)) return REASON.onlyToCustomer
    this.#verdict = ACCEPT
    if (!this.view.policy.acceptsAll && !this.#ask(prefix, path, kind)) return REASON.policy
    // A policy names an address for originated routes only (a BGPAdvertisement's `nextHop`): for others this node is `#selfId`.
    let nextHop = this.#chooseNextHop(path, this.#verdict.nextHop)
    if (kind !== KIND.originated && nextHop === this.#selfId) {
      const refusal = this.#whyNotThroughUs(prefix, path)
      if (refusal !== REASON.none) {
        nextHop = paths.nextHop[path] as number
        if (!this.#isOnLink(nextHop)) return refusal
      }
    }
    if (nextHop === NO_NEXT_HOP) return REASON.noNextHop
    this.#nextHop = nextHop
    // RFC 8950 §4: only to a neighbor that announced the capability.
    const { family, context } = this.view
    if (family === 'ipv4' && !context.extendedNextHop && this.#blocks.nextHopLength(nextHop) > 4) {
      return REASON.ipv6NextHop
    }
    return REASON.none
  }

  /** RFC 4456 §6: routes of a client are reflected to all, routes of a non-client to clients. */
  #reflects(path: number): boolean {
    const { reflection } = this.view
    if (reflection === undefined) return false
    const { paths, peers } = this.#tables
    return reflection.client || peers.slots[paths.peer[path] as number]?.peer.reflection?.client === true
  }

  #ask(prefix: number, path: number, kind: number): boolean {
    const { prefixes, paths, peers, originated } = this.#tables
    prefixes.writeAddress(prefix, this.#address)
    const isOriginated = kind === KIND.originated
    const input = this.#input
    this.#asked = path
    input.length = prefixes.lengths[prefix] as number
    input.source = isOriginated ? 'originated' : 'peer'
    input.learnedFrom = isOriginated ? undefined : kind === KIND.internal ? 'internal' : 'external'
    input.interface = peers.slots[paths.peer[path] as number]?.peer.interface
    input.named = isOriginated ? originated.get(path)?.named : undefined
    this.#tables.asked.rules += this.view.policy.comparisons
    const verdict = this.view.policy.decide(input)
    if (verdict.kind === 'reject') {
      this.#refusal = verdict.reason
      return false
    }
    this.#verdict = verdict
    return true
  }

  /**
   * RFC 4271 §5.1.3: this node to external neighbors; to internal ones the next hop as learned, and this node for originated
   * routes. The id of the next hop, `OURSELVES` or `NO_NEXT_HOP`.
   */
  #chooseNextHop(path: number, choice: NextHopSetting): number {
    const learned = this.#tables.paths.nextHop[path] as number
    if (typeof choice !== 'string') return this.#addressId(choice)
    if (choice === 'self' || learned === NO_NEXT_HOP) return this.#selfId
    // RFC 2545 §3: it is of no use beyond the link.
    if (this.#tables.nextHops.isLinkOnly(learned)) return this.#selfId
    return choice === 'default' && this.#external ? this.#selfId : learned
  }

  /** Why packets to a learned prefix must not come to this node. */
  #whyNotThroughUs(prefix: number, path: number): number {
    if (this.#isServiceAddress(prefix)) return REASON.serviceAddresses
    const { straying, prefixes, deferral } = this.#tables
    if (deferral.isUnread) return REASON.unread
    if (this.#leadsInto(path)) return REASON.detour
    if (straying.isEmpty) return REASON.none
    prefixes.writeAddress(prefix, this.#address)
    const strays = straying.strays(this.#address, prefixes.lengths[prefix] as number, this.view.link)
    return strays ? REASON.straying : REASON.none
  }

  /** Whether our packets on this path leave over the link of these neighbors, by a gateway other than the next hop itself. */
  #leadsInto(path: number): boolean {
    const { nextHops, paths, peers } = this.#tables
    const learned = paths.nextHop[path] as number
    if (!nextHops.leadsInto(learned, this.view.link)) return false
    // By its link-local address it is on the link of its session.
    return !nextHops.hasLinkLocalHalf(learned) || peers.lacksLink[paths.peer[path] as number] !== 0
  }

  /** Whether kube-proxy handles packets to the prefix: then this node does not forward them to a learned next hop. */
  #isServiceAddress(prefix: number): boolean {
    const { serviceAddresses, prefixes } = this.#tables
    if (serviceAddresses.isEmpty) return false
    prefixes.writeAddress(prefix, this.#address)
    return serviceAddresses.has(this.#address, prefixes.lengths[prefix] as number)
  }

  /** Whether the neighbors reach this next hop without us, in a shared subnet. */
  #isOnLink(nextHop: number): boolean {
    const address = this.#tables.nextHops.bytes.copy(nextHop).subarray(0, 16)
    const whole = makePrefix(address, address.length * 8)
    return this.view.subnets.some((subnet) => contains(subnet, whole))
  }

  #addressId(address: Uint8Array): number {
    const known = this.#addresses.get(address)
    if (known !== undefined) return known
    const id = this.#tables.nextHops.intern(address)
    this.#addresses.set(address, id)
    return id
  }
}

const NONE_MET: readonly number[] = []

const BOUND = CARRIES.noAdvertise | CARRIES.noExport | CARRIES.noExportSubconfed | CARRIES.longLivedStale

/** No id of a next hop: an originated route has none, and we may have no address in the family. */
const NO_NEXT_HOP = 0

/** The verdict of a policy that accepts every route unchanged. */
const ACCEPT: Accepted = { kind: 'accept', rule: '', edit: undefined, nextHop: 'default' }

/** Our roles towards a provider, a route server or a peer. */
const isUpward = (ours: Role | undefined): boolean => ours === 'customer' || ours === 'rs-client' || ours === 'peer'
