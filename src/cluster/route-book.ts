/**
 * The routes that this node originates, by the objects that claim them. A claim of an object is a prefix that it wants, or
 * one that it refuses with the reason. A prefix is a route while at least one object wants it. Only prefixes whose claims
 * change are decided again.
 */
import type { Prefix } from '../base/prefix.ts'
import { CostMeter, type Work } from '../base/work.ts'
import { type Cover, CoverCounts, FOR_ALL, keyOf, type Naming } from './aggregation.ts'
import type { RouteIntent } from './intent.ts'
import { PLAIN, type PrefixSettings } from './prefix-settings.ts'
import { same } from './same.ts'

export interface Claim extends Naming {
  readonly prefix: Prefix
  readonly origin: RouteIntent['origin']
  /** Why the object refuses the prefix; undefined: it wants it. */
  readonly refused: string | undefined
}

export interface RouteChanges {
  readonly announce: readonly RouteIntent[]
  /** As they were. */
  readonly withdraw: readonly RouteIntent[]
  /** Service addresses that were added and removed, advertised or not. */
  readonly serviceAddresses: { readonly added: readonly Prefix[]; readonly removed: readonly Prefix[] }
}

/** An object's claim on a prefix. */
interface Claimed {
  readonly object: string
  readonly claim: Claim
}

/** The claims of one object on one prefix. */
interface Place {
  readonly before: Claim[]
  readonly claims: Claim[]
}

interface Before {
  readonly prefix: Prefix
  readonly route: RouteIntent | undefined
  readonly isServiceAddress: boolean
}

/** Approximate costs in microseconds: to decide a prefix, and to compare it with its previous state. */
const JUDGE_COST = 3
const COMPARE_COST = 0.5
/** At most so many claims, before and after, are replaced in one step. */
const FEW_CLAIMS = 32
/** To count a route inside a covering prefix. */
const COVER_COST = 1
/** To look at one claim among those of a prefix, which many objects may want. */
const CLAIM_COST = 0.3

/** The origin of a route that several kinds of objects want is the first of these. */
const ORIGINS: readonly RouteIntent['origin'][] = [
  'pod-cidr',
  'service-cidr',
  'service',
  'pod',
  'interface',
  'advertisement',
]

export class RouteBook {
  /** By prefix. This map and the next two change in place. */
  readonly routes = new Map<string, RouteIntent>()
  /** All addresses of services, advertised or not. */
  readonly serviceAddresses = new Map<string, Prefix>()
  /** Why something is not advertised, by prefix or object. */
  readonly refusals = new Map<string, string>()
  /** How often a prefix was decided: tests count the work of a change by it. */
  decided = 0
  /** Approximate cost of all calls of `set` since the start, in microseconds. */
  spent = 0
  /** By prefix. Nearly all have one claim, and a list of one takes a fifth of the memory of a Map. */
  readonly #claims = new Map<string, readonly Claimed[]>()
  readonly #byObject = new Map<string, readonly Claim[]>()
  /** State of each prefix before its first change since `takeChanges`. */
  readonly #before = new Map<string, Before>()
  /** By route: its covering prefixes, if it has any. */
  readonly #coversOfRoute = new Map<string, readonly Cover[]>()
  readonly #coverCounts = new CoverCounts()
  #settingsOf: (prefix: Prefix) => PrefixSettings = () => PLAIN

  /** Replaces all claims of `object`. `why`: the reason why the object as a whole is not advertised. */
  set(object: string, claims: readonly Claim[], why?: string): void {
    const before = this.#byObject.get(object) ?? []
    this.#note(object, claims, why)
    if (!same(before, claims)) this.#change(object, before, claims)
  }

  /** The same in steps, for objects that claim thousands of prefixes. */
  *setInSteps(object: string, claims: readonly Claim[], why?: string): Work {
    const before = this.#byObject.get(object) ?? []
    if (before.length + claims.length <= FEW_CLAIMS) {
      const { spent } = this
      this.set(object, claims, why)
      yield COMPARE_COST + this.spent - spent
      return
    }
    this.#note(object, claims, why)
    const meter = new CostMeter()
    const places = new Map<string, Place>()
    for (const [index, list] of [before, claims].entries()) {
      for (const claim of list) {
        const place = places.get(claim.prefix.text) ?? { before: [], claims: [] }
        places.set(claim.prefix.text, place)
        place[index === 0 ? 'before' : 'claims'].push(claim)
        meter.add(COMPARE_COST)
        if (meter.isDue) yield meter.take()
      }
    }
    for (const place of places.values()) {
      const { spent } = this
      if (!same(place.before, place.claims)) this.#change(object, place.before, place.claims)
      meter.add(COMPARE_COST + this.spent - spent)
      if (meter.isDue) yield meter.take()
    }
  }

  #note(object: string, claims: readonly Claim[], why: string | undefined): void {
    if (why === undefined) this.refusals.delete(object)
    else this.refusals.set(object, why)
    if (claims.length === 0 && why === undefined) this.#byObject.delete(object)
    else this.#byObject.set(object, claims)
  }

  #change(object: string, before: readonly Claim[], claims: readonly Claim[]): void {
    const prefixes = new Map([...before, ...claims].map(({ prefix }) => [prefix.text, prefix]))
    for (const { prefix } of before) this.#unclaim(prefix.text, object)
    for (const claim of claims) this.#claim(object, claim)
    for (const prefix of prefixes.values()) this.#decide(prefix)
  }

  /** How many objects have claims or a reason. */
  get size(): number {
    return this.#byObject.size
  }

  /** Names of the objects that have claims or a reason. */
  objects(): Iterable<string> {
    return this.#byObject.keys()
  }

  *useSettings(settingsOf: (prefix: Prefix) => PrefixSettings): Work {
    this.#settingsOf = settingsOf
    const meter = new CostMeter()
    for (const claims of this.#claims.values()) {
      const [first] = claims
      if (first !== undefined) this.#decide(first.claim.prefix)
      meter.add(JUDGE_COST)
      if (meter.isDue) yield meter.take()
    }
  }

  /** The changes since the last call. */
  *takeChanges(): Work<RouteChanges> {
    const meter = new CostMeter()
    const announce: RouteIntent[] = []
    const withdraw: RouteIntent[] = []
    const added: Prefix[] = []
    const removed: Prefix[] = []
    for (const [text, { prefix, route: before, isServiceAddress }] of this.#before) {
      const now = this.routes.get(text)
      if (now !== undefined && !same(before, now)) announce.push(now)
      if (now === undefined && before !== undefined) withdraw.push(before)
      if (isServiceAddress !== this.serviceAddresses.has(text)) (isServiceAddress ? removed : added).push(prefix)
      meter.add(COMPARE_COST)
      if (meter.isDue) yield meter.take()
    }
    this.#before.clear()
    return { announce, withdraw, serviceAddresses: { added, removed } }
  }

  #unclaim(prefix: string, object: string): void {
    const left = this.#claims.get(prefix)?.filter((one) => one.object !== object) ?? []
    if (left.length === 0) this.#claims.delete(prefix)
    else this.#claims.set(prefix, left)
  }

  /** An object may claim a prefix twice, as ExternalIP and as LoadBalancer IP. */
  #claim(object: string, given: Claim): void {
    const { text } = given.prefix
    const claimed = this.#claims.get(text) ?? []
    const own = claimed.find((one) => one.object === object)
    const others = claimed.filter((one) => one !== own)
    const after = others.findIndex((one) => one.object > object)
    const claim = own === undefined ? given : mergeClaims(own.claim, given)
    this.#claims.set(text, others.toSpliced(after < 0 ? others.length : after, 0, { object, claim }))
  }

  /** Claims covering prefixes with their first route, and drops the claim with their last. */
  #claimCovers(route: string, covers: readonly Cover[]): void {
    const before = this.#coversOfRoute.get(route) ?? NO_COVERS
    if (covers.length === 0) this.#coversOfRoute.delete(route)
    else this.#coversOfRoute.set(route, covers)
    const changed = this.#coverCounts.change(before, covers)
    for (const ofPrefix of Map.groupBy(changed, ({ prefix }) => prefix.text).values()) this.#claimCover(ofPrefix)
  }

  /**
   * Of one prefix, which hundreds of BGPAdvertisements may ask for at once: all claims are replaced and decided together, since
   * one after the other would look at all the others each time.
   */
  #claimCover(covers: readonly Cover[]): void {
    const [first] = covers
    if (first === undefined) return
    const { prefix } = first
    const byObject = new Map(covers.map((cover) => [`BGPAdvertisement/${cover.advertisement}${COVERING}`, cover]))
    const claimed = [...byObject].flatMap(([object, cover]): Claimed[] => {
      const origin = this.#coverCounts.originOf(cover)
      if (origin === undefined) return []
      return [{ object, claim: { prefix, origin, refused: undefined, named: [cover.advertisement] } }]
    })
    const others = (this.#claims.get(prefix.text) ?? NO_CLAIMS).filter(({ object }) => !byObject.has(object))
    const all = [...others, ...claimed].sort((a, b) => (a.object < b.object ? -1 : 1))
    this.spent += all.length * CLAIM_COST
    if (all.length === 0) this.#claims.delete(prefix.text)
    else this.#claims.set(prefix.text, all)
    this.#decide(prefix)
  }

  #decide(prefix: Prefix): void {
    this.decided++
    const { text } = prefix
    const claims = this.#claims.get(text) ?? NO_CLAIMS
    this.spent += JUDGE_COST + claims.length * CLAIM_COST
    const isServiceAddress = claims.some(({ claim }) => claim.origin === 'service')
    const wanted = claims.filter(({ claim }) => isWanted(claim, isServiceAddress))
    const { communities, held } = this.#settingsOf(prefix)
    const before = this.routes.get(text)
    if (!this.#before.has(text))
      this.#before.set(text, { prefix, route: before, isServiceAddress: this.serviceAddresses.has(text) })
    if (isServiceAddress) this.serviceAddresses.set(text, prefix)
    else this.serviceAddresses.delete(text)
    const covers = held === undefined ? coversOf(wanted) : NO_COVERS
    this.spent += covers.length * COVER_COST
    this.#claimCovers(text, covers)
    if (wanted.length > 0 && held === undefined) {
      const objects = wanted.map(({ object }) => object)
      const route = { prefix, origin: originOf(wanted), objects, communities, named: namedBy(wanted) }
      if (!same(before, route)) this.routes.set(text, route)
      this.refusals.delete(text)
      return
    }
    this.routes.delete(text)
    const why =
      wanted.length > 0
        ? held
        : claims.map(({ object, claim: { refused = A_SERVICE_HAS } }) => `${object}: ${refused}`).join('; ')
    if (why === undefined || why === '') this.refusals.delete(text)
    else this.refusals.set(text, why)
  }
}

/**
 * Two claims of one object on one prefix: one that wants it is enough, and where both do, the BGPAdvertisements of both
 * name it, as they do for two objects. Where neither does, both reasons are given.
 */
function mergeClaims(one: Claim, other: Claim): Claim {
  if (one.refused !== undefined && other.refused !== undefined) {
    return one.refused === other.refused ? one : { ...one, refused: `${one.refused}; ${other.refused}` }
  }
  if (one.refused !== undefined) return other
  if (other.refused !== undefined) return one
  const named = [...new Set([...(one.named ?? NO_NAMES), ...(other.named ?? NO_NAMES)])]
  const covers = [...(one.covers ?? NO_COVERS), ...(other.covers ?? NO_COVERS)]
  return { ...one, named, ...(covers.length > 0 && { covers }) }
}

/** Whether a claim makes the prefix a route. An interface may have a service address: then only the service decides. */
const isWanted = ({ refused, origin }: Claim, isServiceAddress: boolean): boolean =>
  refused === undefined && !(origin === 'interface' && isServiceAddress)
const A_SERVICE_HAS = 'it is the address of a service'

/**
 * Names of the BGPAdvertisements of a route. A claim for a covering prefix or a pod does not restrict a route that other
 * objects want too.
 */
function namedBy(wanted: readonly Claimed[]): readonly string[] {
  if (wanted.every(({ claim: { named } }) => named === undefined || named.length === 0)) return NO_NAMES
  const names = new Set(wanted.flatMap(({ claim: { named = NO_NAMES } }) => named))
  const plain = wanted.filter(({ object, claim: { origin } }) => origin !== 'pod' && !object.endsWith(COVERING))
  if (plain.length < wanted.length && plain.some(({ claim: { named = NO_NAMES } }) => named.length === 0))
    names.add(FOR_ALL)
  return [...names].sort()
}

const NO_NAMES: readonly string[] = []
const NO_CLAIMS: readonly Claimed[] = []
const NO_COVERS: readonly Cover[] = []

/** Appended to the name of an object: the key of its claims on covering prefixes. */
const COVERING = ' aggregationLength'

function coversOf(wanted: readonly Claimed[]): readonly Cover[] {
  if (wanted.every(({ claim: { covers } }) => covers === undefined)) return NO_COVERS
  const all = wanted.flatMap(({ claim: { covers = NO_COVERS } }) => covers)
  return [...new Map(all.map((cover) => [keyOf(cover), cover])).values()]
}

function originOf(wanted: readonly Claimed[]): RouteIntent['origin'] {
  return ORIGINS.find((origin) => wanted.some(({ claim }) => claim.origin === origin)) ?? 'service'
}
