/**
 * The routes that this node originates: what services, pods and BGPAdvertisements claim, and its pod CIDRs. A change of one
 * service costs one service; all are decided again only when a value that they depend on has changed.
 */
import type { Prefix } from '../base/prefix.ts'
import type { CostMeter, Work } from '../base/work.ts'
import { type InterfaceAddresses, ownClaims } from './advertisement-claims.ts'
import {
  type Advertising,
  advertisementsOfService,
  costOfPods,
  covers,
  type NodeAdvertisement,
  namePods,
} from './advertisements.ts'
import { sameDependencies } from './answers.ts'
import type { ClusterNode } from './node.ts'
import { decidePod } from './pod-routes.ts'
import { type PodCidrSource, whyNoPods } from './pods.ts'
import { PrefixSettingsTable } from './prefix-settings.ts'
import { type Claim, RouteBook } from './route-book.ts'
import { same } from './same.ts'
import { decideService, rangeClaims, type ServiceDecision, type ServiceSettings } from './services.ts'
import type { ResolvedAdvertisement } from './settings.ts'
import type { ObjectStore } from './store.ts'

const CONFIGURATION = 'BGPConfiguration/default'
const SERVICE = 'Service/'
const ADVERTISEMENT = 'BGPAdvertisement/'
const POD = 'Pod/'
/** Approximate costs in microseconds: to decide a service, and to see that nothing has changed. */
const SERVICE_COST = 8
const LOOK_COST = 0.2

const NO_CLAIMS: ServiceDecision = { claims: [], whyNotAdvertised: undefined }

export class OriginatedRoutes {
  /** Claims of all objects, and the routes that they make. */
  readonly book = new RouteBook()
  /** Services decided since the start: tests count the work of a change by it. */
  decided = 0
  readonly #node: string
  readonly #meter: CostMeter
  #services: ServiceSettings | undefined
  /** The BGPAdvertisements by which pods were last decided. */
  #advertisingOfPods: readonly NodeAdvertisement[] | undefined
  /** The BGPAdvertisements that have claims in `book`, each with what these rest on. */
  #advertised: ReadonlyMap<string, readonly unknown[]> = new Map()
  /** The `prefixAdvertisements` in force. */
  #prefixSettings: readonly ResolvedAdvertisement[] = []
  /** Addresses with `ipMode: Proxy`, by service. */
  readonly #proxied = new Map<string, readonly Prefix[]>()
  /** All values of `#proxied`, each once; undefined after a change. */
  #allProxied: readonly Prefix[] | undefined = []

  /** `node`: the name of this node. */
  constructor(node: string, meter: CostMeter) {
    this.#node = node
    this.#meter = meter
  }

  /** Load balancer addresses of services with `ipMode: Proxy`, each once; the same list while none changes. */
  get proxied(): readonly Prefix[] {
    this.#allProxied ??= [...new Map([...this.#proxied.values()].flat().map((one) => [one.text, one])).values()]
    return this.#allProxied
  }

  /** Another store: all services and pods are decided again. */
  startOver(): void {
    this.#services = undefined
    this.#advertisingOfPods = undefined
  }

  /** Nothing is originated any more. */
  *clear(): Work {
    this.startOver()
    this.#advertised = new Map()
    this.#proxied.clear()
    this.#allProxied = undefined
    for (const claimed of [...this.book.objects()]) {
      yield* this.book.setInSteps(claimed, [])
    }
    this.book.refusals.clear()
  }

  /** `held`: why none is advertised. */
  *setPodCidrs(me: ClusterNode, source: PodCidrSource, advertising: Advertising, held: string | undefined): Work {
    const claims: Claim[] = []
    for (const prefix of me.podCidrs) {
      claims.push({ prefix, origin: 'pod-cidr', refused: held, ...(yield* namePods(advertising, prefix)) })
      this.#meter.add(LOOK_COST)
      if (this.#meter.isDue) yield this.#meter.take()
    }
    yield* this.book.setInSteps(`Node/${me.name}`, claims, held ?? whyNoPods(me, source))
  }

  /** Sets the routes that exist only because of BGPAdvertisements, and removes those of deleted ones. */
  *setAdvertised(
    advertising: readonly NodeAdvertisement[],
    me: ClusterNode,
    interfaces: ReadonlyMap<string, InterfaceAddresses>,
  ): Work {
    const before = this.#advertised
    const now = new Map<string, readonly unknown[]>()
    for (const { object } of advertising) now.set(ADVERTISEMENT + object.name, [object, me.addresses, interfaces])
    this.#advertised = now
    for (const object of before.keys()) if (!now.has(object)) yield* this.book.setInSteps(object, [])
    for (const one of advertising) {
      const object = ADVERTISEMENT + one.object.name
      this.#meter.add(LOOK_COST)
      if (this.#meter.isDue) yield this.#meter.take()
      if (sameDependencies(before.get(object) ?? [], now.get(object) ?? [])) continue
      const { claims, why } = yield* ownClaims(one, me, interfaces)
      yield* this.book.setInSteps(object, claims, why)
    }
  }

  *usePrefixSettings(advertisements: readonly ResolvedAdvertisement[]): Work {
    if (same(advertisements, this.#prefixSettings)) return
    this.#prefixSettings = advertisements
    const table = new PrefixSettingsTable(advertisements)
    yield* this.book.useSettings((prefix) => table.of(prefix))
  }

  *setServices(store: ObjectStore, settings: ServiceSettings): Work {
    if (same(settings, this.#services)) return
    this.#services = settings
    this.book.set(CONFIGURATION, rangeClaims(settings), settings.whyExcluded)
    for (const object of [...this.book.objects()]) {
      const key = object.startsWith(SERVICE) ? object.slice(SERVICE.length) : undefined
      if (key !== undefined && store.get('Service', key) === undefined) yield* this.redecideService(store, key)
      this.#meter.add(LOOK_COST)
      if (this.#meter.isDue) yield this.#meter.take()
    }
    for (const key of store.table('Service').keys()) yield* this.redecideService(store, key)
  }

  /** Decides all pods again. The API serves only pods of this node; a folder of manifests may have others too. */
  *setPods(store: ObjectStore, advertising: readonly NodeAdvertisement[]): Work {
    if (advertising === this.#advertisingOfPods) return
    this.#advertisingOfPods = advertising
    const known = [...this.book.objects()].flatMap((object) =>
      object.startsWith(POD) ? [object.slice(POD.length)] : [],
    )
    yield this.book.size * LOOK_COST
    for (const key of new Set([...known, ...store.table('Pod').keys()])) yield this.redecidePod(store, key)
  }

  /** Returns about what it took, in microseconds. */
  redecidePod(store: ObjectStore, key: string): number {
    const pod = store.get('Pod', key)
    if (this.#advertisingOfPods === undefined) return 0
    const { spent } = this.book
    const { claims, whyNotAdvertised } =
      pod === undefined ? NO_CLAIMS : decidePod(pod, this.#node, this.#advertisingOfPods)
    this.book.set(POD + key, claims, whyNotAdvertised)
    return SERVICE_COST + this.book.spent - spent + costOfPods(this.#advertisingOfPods)
  }

  *redecideService(store: ObjectStore, key: string): Work {
    if (this.#services === undefined) return
    this.decided++
    const { advertising, cidrs } = this.#services
    const service = store.get('Service', key)
    const slices = store.slicesOf(key)
    const chosen = service && (yield* advertisementsOfService(advertising, service))
    const { spent } = this.book
    const { claims, whyNotAdvertised } =
      service === undefined || chosen === undefined ? NO_CLAIMS : decideService(service, slices, chosen, this.#services)
    this.book.set(SERVICE + key, claims, whyNotAdvertised)
    this.#noteProxied(key, service?.proxiedIps ?? [])
    const ranges = cidrs.cluster.length + cidrs.external.length + cidrs['load-balancer'].length
    const covering = chosen === undefined ? 0 : Object.values(chosen).flat().filter(covers).length
    const looks = slices.length + claims.length * ranges * (1 + covering)
    this.#meter.add(SERVICE_COST + this.book.spent - spent + looks * LOOK_COST)
    if (this.#meter.isDue) yield this.#meter.take()
  }

  #noteProxied(key: string, proxied: readonly Prefix[]): void {
    if (same(proxied, this.#proxied.get(key) ?? [])) return
    if (proxied.length === 0) this.#proxied.delete(key)
    else this.#proxied.set(key, proxied)
    this.#allProxied = undefined
  }
}
