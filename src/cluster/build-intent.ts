/**
 * Builds the intent from the objects. In: the store, after every batch of changes. Out: the intent, and the difference
 * to the previous one.
 *
 * The work depends on what has changed: a change of a Service or EndpointSlice costs one service, a change of a Node
 * one node. The frame (node, settings, neighbors, policies) consists of cached answers, each valid until one of its
 * dependencies changes. All services are decided again only when a value that they depend on has changed. Long work is
 * done in steps.
 */
import type { Prefix } from '../base/prefix.ts'
import { CostMeter, finish, type Work } from '../base/work.ts'
import { AddressClashes } from './address-clashes.ts'
import type { InterfaceAddresses } from './advertisement-claims.ts'
import type { Touched } from './change-log.ts'
import { ClusterSurvey } from './cluster-survey.ts'
import { diffNode, diffPeers, EMPTY_INTENT, type IntentDiff } from './diff.ts'
import { FramePlanner, type IntentFrame } from './frame.ts'
import type { HealthSettings, Intent, PodOwner, Problem } from './intent.ts'
import { OriginatedRoutes } from './originated-routes.ts'
import type { Alike } from './peer-candidates.ts'
import { findPodOwner } from './pod-owner.ts'
import { makeProblem } from './problem.ts'
import { serviceSettings } from './services.ts'
import { KINDS, type Kind } from './source.ts'
import type { ObjectStore } from './store.ts'
import { compareProblems } from './store-problems.ts'

/** A change of these kinds concerns single routes; a change of any other kind makes a new frame. */
const ROUTE_KINDS: readonly Kind[] = ['Service', 'EndpointSlice', 'Pod']
const FRAME_KINDS: ReadonlySet<Kind> = new Set(KINDS.filter((kind) => !ROUTE_KINDS.includes(kind)))

interface Next {
  readonly intent: Intent
  readonly diff: IntentDiff
}

interface BuilderOptions {
  readonly node: string
  readonly namespace?: string | undefined
  readonly calico?: boolean | undefined
  /** Why no service is advertised under this health check; undefined: nothing is wrong, or there is none. */
  readonly whyUnhealthy?: ((check: HealthSettings | undefined) => string | undefined) | undefined
  /** Of another node, over the same store: what both see alike is worked out once. */
  readonly beside?: IntentBuilder | undefined
  /**
   * For one preview of many: alike nodes of the mesh are one neighbor, and the kernel is left out, so that the work for
   * one node does not grow with the cluster.
   */
  readonly asPreview?: boolean | undefined
}

export class IntentBuilder {
  readonly #name: string
  readonly #whyUnhealthy: NonNullable<BuilderOptions['whyUnhealthy']>
  readonly #meter = new CostMeter()
  readonly #cluster: ClusterSurvey
  readonly #clashes: AddressClashes
  readonly #planner: FramePlanner
  readonly #originated: OriginatedRoutes
  #store: ObjectStore | undefined
  #revision = 0
  /** How often a frame was planned. */
  #frames = 0
  /** The frame in force. */
  #frame: IntentFrame = { ...EMPTY_INTENT }
  /** The frame as planned, before `#setProxied` adds the addresses of load balancers. */
  #planned: IntentFrame | undefined
  /** Addresses by interface, of the interfaces that BGPAdvertisements name. */
  #interfaces: ReadonlyMap<string, InterfaceAddresses> = new Map()
  /** The frame must be planned again although no object has changed. */
  #isStale = false
  #problems:
    | {
        readonly store: readonly Problem[]
        readonly frame: IntentFrame
        readonly hosts: readonly Problem[]
        readonly all: readonly Problem[]
      }
    | undefined

  /** `calico`: the objects are in one of Calico's API groups, and Calico's IPAM is read too. */
  constructor(options: BuilderOptions) {
    const { node, namespace, calico = false, whyUnhealthy = () => undefined, beside, asPreview = false } = options
    this.#name = node
    this.#whyUnhealthy = whyUnhealthy
    this.#cluster = beside === undefined ? new ClusterSurvey() : beside.#cluster
    this.#clashes = new AddressClashes(this.#cluster.nodes.hosts)
    const frameOptions = { node, namespace, calico, asPreview }
    this.#planner = new FramePlanner(frameOptions, this.#cluster, this.#clashes, this.#meter)
    this.#originated = new OriginatedRoutes(node, this.#meter)
  }

  /** Work done since the start, for tests: services decided, prefixes decided, frames planned. */
  get work(): { readonly services: number; readonly prefixes: number; readonly frames: number } {
    const { decided, book } = this.#originated
    return { services: decided, prefixes: book.decided, frames: this.#frames }
  }

  podOwner(prefix: Prefix): PodOwner | undefined {
    return this.#store && findPodOwner(prefix, this.#cluster, this.#store)
  }

  /** In a preview: the nodes that this neighbor stands for. */
  groupOf(peer: string): Alike | undefined {
    return this.#planner.groupOf(peer)
  }

  /** In a preview: all nodes, by what others can tell of them. */
  get alike(): readonly Alike[] {
    return this.#planner.alike
  }

  /** Runs all steps of `steps` at once. */
  next(store: ObjectStore): Next {
    return finish(this.steps(store))
  }

  /**
   * Computes the current intent and its difference to the previous one. The intent's maps of routes, service addresses and
   * refusals belong to the builder and change in place with the next call; `build` returns a copy that does not change. The
   * store must not change between the steps.
   */
  *steps(store: ObjectStore): Work<Next> {
    const touched = this.#touchedIn(store)
    const before = this.#frame
    if (this.#isStale || touched === undefined || touched.some(({ kind }) => FRAME_KINDS.has(kind)))
      yield* this.#layFrame(store, touched)
    const keys = touched?.flatMap(({ kind, key }) => (kind === 'Service' ? [key] : []))
    for (const key of new Set(keys)) yield* this.#originated.redecideService(store, key)
    for (const { kind, key } of touched ?? []) if (kind === 'Pod') yield this.#originated.redecidePod(store, key)
    this.#setProxied()
    this.#revision = store.revision
    const { announce, withdraw, serviceAddresses } = yield* this.#originated.book.takeChanges()
    this.#clashes.takeChanges({ announce, withdraw })
    const diff: IntentDiff = {
      node: diffNode(before.node, this.#frame.node),
      peers: yield* diffPeers(before.peers, this.#frame.peers),
      routes: { announce, withdraw },
      serviceAddresses,
    }
    return { intent: this.#intent(store), diff }
  }

  /** The intent as a copy that later calls do not change. */
  build(store: ObjectStore): Intent {
    const { intent } = this.next(store)
    const { routes, serviceAddresses, refusals } = intent
    return {
      ...intent,
      routes: new Map(routes),
      serviceAddresses: new Map(serviceAddresses),
      refusals: new Map(refusals),
    }
  }

  /** What has changed in the store since the last call; undefined: anything may have changed, or the store is new. */
  #touchedIn(store: ObjectStore): readonly Touched[] | undefined {
    const touched = store === this.#store ? store.changedSince(this.#revision) : undefined
    if (touched === undefined) this.#originated.startOver()
    this.#store = store
    return touched
  }

  /** `whyUnhealthy` has another answer: it takes effect with the next `steps`. */
  serviceHealthChanged(): void {
    this.#isStale = true
  }

  /** Addresses of the interfaces in `Intent.interfaces`. Takes effect with the next `steps`. */
  setInterfaceAddresses(interfaces: ReadonlyMap<string, InterfaceAddresses>): void {
    this.#interfaces = interfaces
    this.#isStale = true
  }

  *#layFrame(store: ObjectStore, touched: readonly Touched[] | undefined): Work {
    this.#frames++
    this.#isStale = false
    const planner = this.#planner
    const originated = this.#originated
    const { settings, problems } = planner.settingsOf(store)
    const source = planner.sourceOf(settings)
    yield* this.#cluster.follow(store, touched, source)
    yield* this.#clashes.follow(originated.book.routes)
    const me = this.#cluster.nodes.nodes.get(this.#name)
    yield* originated.usePrefixSettings(settings.advertisements)
    if (me === undefined) {
      yield* this.#standStill()
      return
    }
    const interfaces = this.#interfaces
    const advertising = yield* planner.advertisingOf(store, me)
    const frame = yield* planner.plan(store, { settings, problems, source, me, advertising, interfaces })
    if (frame !== this.#planned) this.#setFrame(frame)
    this.#planned = frame
    yield* originated.setPodCidrs(me, source, advertising, planner.whyPodsHeld(settings, source))
    yield* originated.setAdvertised(advertising.all, me, interfaces)
    yield* originated.setPods(store, advertising.all)
    const health = this.#whyUnhealthy(settings.guards.health)
    yield* originated.setServices(store, serviceSettings(me.name, me.labels, settings, health, advertising.all))
  }

  /** The Node object of this node is missing: the node has no neighbors and advertises nothing. */
  *#standStill(): Work {
    const object = `Node/${this.#name}`
    const says = 'is not known; nothing is advertised until it is'
    this.#setFrame({ ...EMPTY_INTENT, problems: [makeProblem({ code: 'node-missing', object, says })] })
    this.#planned = undefined
    yield* this.#originated.clear()
  }

  #setFrame(frame: IntentFrame): void {
    const { refusals } = this.#originated.book
    for (const name of this.#frame.refusals.keys()) refusals.delete(name)
    for (const [name, why] of frame.refusals) refusals.set(name, why)
    this.#frame = frame
  }

  /** Adds the load balancer addresses of services to the frame, which is planned without services. */
  #setProxied(): void {
    const { dataplane } = this.#frame
    if (dataplane === undefined) return
    const whole = this.#planner.withProxied(this.#planned?.dataplane ?? dataplane, this.#originated.proxied)
    if (dataplane !== whole) this.#frame = { ...this.#frame, dataplane: whole }
  }

  #intent(store: ObjectStore): Intent {
    const { routes, serviceAddresses, refusals } = this.#originated.book
    return { ...this.#frame, routes, serviceAddresses, refusals, problems: this.#allProblems(store) }
  }

  #allProblems(store: ObjectStore): readonly Problem[] {
    const ofStore = store.problems()
    const ofHosts = this.#clashes.problems
    const known = this.#problems
    if (known?.store !== ofStore || known.frame !== this.#frame || known.hosts !== ofHosts) {
      const all = [...ofStore, ...unique([...this.#frame.problems, ...ofHosts])].sort(compareProblems)
      this.#problems = { store: ofStore, frame: this.#frame, hosts: ofHosts, all }
      return all
    }
    return known.all
  }
}

/** Each problem once: a missing filter of the mesh would otherwise be reported for every node. */
function unique(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [problem.text, problem])).values()]
}
