/**
 * Decides how the best path is advertised: with which attributes and next hop, or why not at all. One `Exporter` serves an
 * update group. Two rules depend on the single neighbor and are in adj-out.ts: a route is not advertised to the neighbor it
 * came from, nor with a neighbor's own address as its next hop.
 *
 * Out: the id of a block that is ready to be packed:
 *
 *   | next hop length 1 | next hop 4, 16 or 32 | path attributes as they go on the wire, without next hop |
 *
 * If the next hop is this node, the upper bit of its length is set and zeros are in its place: which of our addresses it is
 * differs between neighbors, and nothing else does (adj-out.ts writes it).
 */
import type { Family } from '../../base/family.ts'
import { contains, makePrefix, type Prefix } from '../../base/prefix.ts'
import type { Asn, RouterId } from '../../base/units.ts'
import type { Accepted, CompiledPolicy, Edit, NextHopChoice, PolicyInput } from '../policy/compile.ts'
import { type AttributeTable, CARRIES } from '../route/attribute-table.ts'
import type { ByteTable } from '../route/byte-table.ts'
import { IdCache, NOTHING } from '../route/id-cache.ts'
import type { NextHopTable } from '../route/next-hop-table.ts'
import { encodeAttributes } from '../wire/attribute.ts'
import type { PeerType, WireContext } from '../wire/context.ts'
import type { Role } from '../wire/role.ts'
import { flattenTo2Octets } from '../wire/update-encode.ts'
import type { AdjIn } from './adj-in.ts'
import { fitsMessage, OURS } from './pack.ts'
import { KIND, type Peers } from './peers.ts'
import type { PrefixTable } from './prefix-table.ts'
import type { ServiceAddresses } from './service-addresses.ts'
import type { StrayingPrefixes } from './straying.ts'
import { type Rewrite, writeExternal, writeInternal, writeReflected } from './transform.ts'
import type { LocalRoute, RibPeer } from './types.ts'

/** Everything that changes what is advertised to a neighbor. Neighbors that agree in it form an update group. */
export interface ExportView {
  readonly family: Family
  readonly peerType: PeerType
  readonly localAs: Asn
  /** Octets of our own next hop. Undefined: we have none in this family, and routes that need one are not advertised. */
  readonly nextHopLength: number | undefined
  readonly context: WireContext
  readonly policy: CompiledPolicy
  /** We reflect routes to these neighbors (RFC 4456). */
  readonly reflection: RibPeer['reflection']
  /** Our role towards them (RFC 9234). */
  readonly role: Role | undefined
  /** They support long-lived graceful restart (RFC 9494). */
  readonly longLived: boolean
  /** Subnets that these neighbors share with us. */
  readonly link: readonly Prefix[]
  /** Those of them in which these neighbors have an address. */
  readonly subnets: readonly Prefix[]
}

/**
 * RFC 4724 §4.1: after a restart, no route is selected before the neighbors have sent theirs. A route of our own is
 * best whatever they send, and so it is advertised meanwhile.
 */
export interface Deferral {
  readonly isOn: boolean
}

/** What an exporter reads. */
export interface ExportTables {
  readonly prefixes: PrefixTable
  readonly paths: AdjIn
  readonly attributes: AttributeTable
  readonly nextHops: NextHopTable
  readonly blocks: ByteTable
  readonly peers: Peers
  readonly serviceAddresses: ServiceAddresses
  readonly straying: StrayingPrefixes
  readonly deferral: Deferral
  /** Whether a learned route of this family was ever advertised with this node as its next hop. */
  readonly relaying: { began: boolean }
  /** By path: the routes that we originate. */
  readonly local: ReadonlyMap<number, LocalRoute>
}

const REASON = {
  none: 0,
  noAdvertise: 1,
  noExport: 2,
  internal: 3,
  policy: 4,
  noNextHop: 5,
  tooLarge: 6,
  nonClient: 7,
  onlyToCustomer: 8,
  ipv6NextHop: 9,
  serviceAddresses: 10,
  longLived: 11,
  deferred: 12,
  straying: 13,
} as const
const REASON_TEXTS: readonly string[] = [
  '',
  'community NO_ADVERTISE',
  'community NO_EXPORT',
  'learned over iBGP, not advertised to another iBGP neighbor',
  'rejected by export policy',
  'no next hop of this family',
  'attributes too large for one message',
  'neither its sender nor this neighbor is a route reflector client',
  'ONLY_TO_CUSTOMER: this neighbor is not a customer',
  'its next hop is IPv6, and the neighbor did not negotiate extended next hop',
  'learned, and a service address: this node does not forward to it, and its next hop is not on the link of this neighbor',
  'long-lived stale, and the neighbor did not negotiate long-lived graceful restart',
  'learned, and this agent has restarted: such routes are selected when the neighbors have sent theirs',
  'learned, and this node does not forward to it: the kernel has another route, which drops its packets or leads them back, or none of ours',
]

export class Exporter {
  readonly view: ExportView
  /** Routes rejected by rules of BGP and by policy, since the start. */
  rejected = 0
  filtered = 0

  readonly #tables: ExportTables
  readonly #external: boolean
  readonly #selfId: number
  /** By the edit that policy makes to the attributes. */
  readonly #caches = new Map<Edit | undefined, IdCache>()
  readonly #addresses = new Map<Uint8Array, number>()
  readonly #address = new Uint8Array(16)
  /** What policy is asked about, filled again for each route, and the path of that route. */
  readonly #input: PolicyInput
  #asked = 0
  readonly #scratch = SCRATCH
  readonly #rewrite: Rewrite = { from: SCRATCH, start: 0, end: 0, to: SCRATCH, at: 0 }
  /**
   * Routes come in runs. This is the last result that applies to all routes with the same attributes, next hop and kind of
   * source. Nothing here is held; since ids are used again, serials tell whether they still mean the same.
   */
  readonly #run = { attributes: 0, nextHop: 0, kind: 0, block: 0, blockSerial: 0, revision: 0, met: NONE_MET }
  #verdict: Accepted = ACCEPT
  /** The next hop chosen for the last route that may be advertised. */
  #nextHop = 0
  #refusal = ''

  constructor(view: ExportView, tables: ExportTables) {
    this.view = view
    this.#tables = tables
    this.#external = view.peerType === 'external'
    this.#selfId = view.nextHopLength === undefined ? 0 : OURSELVES
    this.#caches.set(undefined, new IdCache(tables.attributes.blocks, tables.blocks))
    const { attributes, paths } = tables
    this.#input = {
      family: view.family,
      bytes: this.#address,
      offset: 0,
      length: 0,
      source: 'own',
      learnedFrom: undefined,
      peerType: view.peerType,
      interface: undefined,
      named: undefined,
      attributes: () => attributes.decode(paths.attributes[this.#asked] as number),
      lacksAll: (communities) => attributes.lacksAll(paths.attributes[this.#asked] as number, communities),
    }
  }

  /** The block for a prefix and its best path, held once for the caller, or 0 for "advertise nothing". */
  export(prefix: number, path: number): number {
    const { paths, attributes, nextHops, blocks, peers, serviceAddresses, straying } = this.#tables
    const run = this.#run
    // Both only grow.
    const revision = serviceAddresses.revision + straying.revision
    const id = attributes.blocks.serial[paths.attributes[path] as number] as number
    const nextHop = nextHops.serialOf(paths.nextHop[path] as number)
    const kind = peers.kind[paths.peer[path] as number] as number
    if (
      run.attributes === id &&
      run.nextHop === nextHop &&
      run.kind === kind &&
      run.blockSerial === blocks.serial[run.block] &&
      blocks.refs[run.block] !== 0 &&
      run.revision === revision
    ) {
      blocks.retain(run.block)
      if (run.met.length > 0) this.view.policy.again(run.met, 1)
      return run.block
    }
    const block = this.#export(prefix, path)
    if (block !== 0 && this.#holdsForRun(kind)) {
      run.attributes = id
      run.nextHop = nextHop
      run.kind = kind
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
    const own = kind === KIND.own
    if (!own && !(this.#tables.serviceAddresses.isEmpty && this.#tables.straying.isEmpty)) return false
    return (
      policy.acceptsAll || policy.ignoresPrefixes(family, own ? 'own' : 'peer', own ? undefined : 'external', peerType)
    )
  }

  #export(prefix: number, path: number): number {
    const reason = this.#reasonAgainst(prefix, path)
    if (reason === REASON.none) {
      const block = this.#block(path)
      if (block !== NOTHING) {
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
    if (this.#nextHop === this.#selfId && peers.kind[paths.peer[path] as number] !== KIND.own) relaying.began = true
  }

  whyNotExport(prefix: number, path: number): string | undefined {
    const reason = this.view.policy.uncounted(() => this.#reasonAgainst(prefix, path))
    if (reason === REASON.policy) return this.#refusal
    if (reason !== REASON.none) return REASON_TEXTS[reason]
    const block = this.#block(path)
    if (block === NOTHING) return REASON_TEXTS[REASON.tooLarge]
    this.#tables.blocks.release(block)
    return undefined
  }

  /** Releases everything that it holds. */
  dispose(): void {
    for (const id of this.#addresses.values()) this.#tables.nextHops.release(id)
  }

  memory(): number {
    let bytes = 0
    for (const cache of this.#caches.values()) bytes += cache.memory()
    return bytes
  }

  #reasonAgainst(prefix: number, path: number): number {
    const { paths, attributes, peers, deferral } = this.#tables
    const flags = attributes.flags[paths.attributes[path] as number] as number
    const kind = peers.kind[paths.peer[path] as number] as number
    if (deferral.isOn && kind !== KIND.own) return REASON.deferred
    // RFC 1997: well-known communities are for the receivers of a route. Our own routes carry them to the neighbors.
    if (kind !== KIND.own && (flags & BOUND) !== 0) {
      if ((flags & CARRIES.noAdvertise) !== 0) return REASON.noAdvertise
      if (this.#external && (flags & (CARRIES.noExport | CARRIES.noExportSubconfed)) !== 0) return REASON.noExport
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
    let nextHop = this.#chooseNextHop(path, this.#verdict.nextHop)
    if (kind !== KIND.own && nextHop === this.#selfId) {
      const refusal = this.#whyNotThroughUs(prefix)
      if (refusal !== REASON.none) {
        nextHop = paths.nextHop[path] as number
        if (!this.#isOnLink(nextHop)) return refusal
      }
    }
    if (nextHop === 0) return REASON.noNextHop
    this.#nextHop = nextHop
    // RFC 8950 §4: only to a neighbor that announced the capability.
    const { family, context } = this.view
    if (family === 'ipv4' && !context.extendedNextHop && this.#lengthOf(nextHop) > 4) {
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

  /** The router ID that a reflected route gets as its originator; undefined: it is not reflected. */
  #originator(path: number): RouterId | undefined {
    const { paths, peers } = this.#tables
    const peer = paths.peer[path] as number
    return !this.#external && peers.kind[peer] === KIND.internal ? peers.routerId[peer] : undefined
  }

  #ask(prefix: number, path: number, kind: number): boolean {
    const { prefixes, paths, peers, local } = this.#tables
    prefixes.writeAddress(prefix, this.#address)
    const own = kind === KIND.own
    const input = this.#input
    this.#asked = path
    input.length = prefixes.lengths[prefix] as number
    input.source = own ? 'own' : 'peer'
    input.learnedFrom = own ? undefined : kind === KIND.internal ? 'internal' : 'external'
    input.interface = peers.slots[paths.peer[path] as number]?.peer.interface
    input.named = own ? local.get(path)?.named : undefined
    const verdict = this.view.policy.decide(input)
    if (verdict.kind === 'reject') {
      this.#refusal = verdict.reason
      return false
    }
    this.#verdict = verdict
    return true
  }

  /** RFC 4271 §5.1.3: ourselves to external neighbors; to internal ones as learned, ourselves for our own. 0: none. */
  #chooseNextHop(path: number, choice: NextHopChoice): number {
    const learned = this.#tables.paths.nextHop[path] as number
    if (typeof choice !== 'string') return this.#addressId(choice)
    if (choice === 'self' || learned === 0) return this.#selfId
    // RFC 2545 §3: it is of no use beyond the link.
    if (this.#tables.nextHops.isLinkOnly(learned)) return this.#selfId
    return choice === 'default' && this.#external ? this.#selfId : learned
  }

  /** Why packets to a learned prefix must not come to this node. */
  #whyNotThroughUs(prefix: number): number {
    if (this.#isServiceAddress(prefix)) return REASON.serviceAddresses
    const { straying, prefixes } = this.#tables
    if (straying.isEmpty) return REASON.none
    prefixes.writeAddress(prefix, this.#address)
    const strays = straying.strays(this.#address, prefixes.lengths[prefix] as number, this.view.link)
    return strays ? REASON.straying : REASON.none
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

  #lengthOf(nextHop: number): number {
    return nextHop === OURSELVES ? (this.view.nextHopLength ?? 0) : this.#tables.nextHops.bytes.length(nextHop)
  }

  #addressId(address: Uint8Array): number {
    const known = this.#addresses.get(address)
    if (known !== undefined) return known
    const id = this.#tables.nextHops.intern(address)
    this.#addresses.set(address, id)
    return id
  }

  /** The block for a path that may be advertised, held once, or NOTHING when it fits no message. */
  #block(path: number): number {
    const { paths, blocks } = this.#tables
    const id = paths.attributes[path] as number
    const nextHop = this.#nextHop
    const key = nextHop === OURSELVES ? 0 : this.#tables.nextHops.serialOf(nextHop)
    const originator = this.#originator(path)
    // One set of attributes may come from several internal neighbors: without ORIGINATOR_ID it leaves as several.
    if (originator !== undefined && ((this.#tables.attributes.flags[id] as number) & CARRIES.originatorId) === 0) {
      return this.#make(id, nextHop, originator)
    }
    const cache = this.#cacheOf(this.#verdict.edit)
    const known = cache.get(id, key)
    if (known === NOTHING) return NOTHING
    if (known !== 0) {
      blocks.retain(known)
      return known
    }
    const made = this.#make(id, nextHop, originator)
    cache.set(id, key, made)
    return made
  }

  #cacheOf(edit: Edit | undefined): IdCache {
    const known = this.#caches.get(edit)
    if (known !== undefined) return known
    const cache = new IdCache(this.#tables.attributes.blocks, this.#tables.blocks)
    this.#caches.set(edit, cache)
    return cache
  }

  #make(id: number, nextHop: number, originator: RouterId | undefined): number {
    const { attributes, blocks } = this.#tables
    const to = this.#scratch
    const start = this.#writeNextHop(nextHop)
    const { edit } = this.#verdict
    // RFC 9234 §5: downwards and to peers a route is marked, if it is not yet.
    const marks = isDownward(this.view.role) && attributes.onlyToCustomer(id) === 0
    const rewrite = this.#rewrite
    rewrite.at = start
    if (edit === undefined && !marks) {
      rewrite.from = attributes.blocks.segment(id)
      rewrite.start = attributes.blocks.offset(id)
      rewrite.end = rewrite.start + attributes.blocks.length(id)
    } else {
      const learned = attributes.decode(id)
      // RFC 4271 §5.1.4: a MED learned goes to no other AS; one that policy sets does.
      const bare = this.#external ? { ...learned, med: undefined } : learned
      const edited = edit === undefined ? bare : edit.apply(bare)
      rewrite.from = encodeAttributes(marks ? { ...edited, onlyToCustomer: this.view.localAs } : edited)
      rewrite.start = 0
      rewrite.end = rewrite.from.length
    }
    let end = this.#transform(edit !== undefined || marks, originator)
    if (!this.view.context.fourOctetAs) {
      const flat = flattenTo2Octets(to.slice(start, end))
      to.set(flat, start)
      end = start + flat.length
    }
    if (!fitsMessage(this.view.context, this.view.family, start - 1, end - start)) return NOTHING
    return blocks.intern(to, 0, end)
  }

  #transform(keepMed: boolean, originator: RouterId | undefined): number {
    const { localAs, reflection } = this.view
    if (this.#external) return writeExternal(this.#rewrite, localAs, keepMed)
    return originator === undefined || reflection === undefined
      ? writeInternal(this.#rewrite)
      : writeReflected(this.#rewrite, originator, reflection.clusterId)
  }

  /** RFC 2545 §3: a link-local address is valid on its own link alone, so only ours is advertised. */
  #writeNextHop(id: number): number {
    if (id === OURSELVES) {
      const length = this.#lengthOf(id)
      this.#scratch[0] = OURS | length
      this.#scratch.fill(0, 1, 1 + length)
      return 1 + length
    }
    const { bytes } = this.#tables.nextHops
    const length = Math.min(bytes.length(id), 16)
    this.#scratch[0] = length
    const [segment, offset] = [bytes.segment(id), bytes.offset(id)]
    for (let index = 0; index < length; index++) this.#scratch[1 + index] = segment[offset + index] as number
    return 1 + length
  }
}

const NONE_MET: readonly number[] = []

/** Scratch space for building a block. Shared by all groups: nothing is kept in it. */
const SCRATCH = new Uint8Array(1 << 17)

/** In place of the id of a next hop: this node. */
const OURSELVES = 0xffffffff

const BOUND = CARRIES.noAdvertise | CARRIES.noExport | CARRIES.noExportSubconfed | CARRIES.longLivedStale

/** The verdict of a policy that accepts every route unchanged. */
const ACCEPT: Accepted = { kind: 'accept', rule: '', edit: undefined, nextHop: 'default' }

/** Our roles towards a provider, a route server or a peer. */
const isUpward = (ours: Role | undefined): boolean => ours === 'customer' || ours === 'rs-client' || ours === 'peer'

/** Our roles towards a customer, a client of our route server or a peer. */
const isDownward = (ours: Role | undefined): boolean => ours === 'provider' || ours === 'rs-server' || ours === 'peer'
