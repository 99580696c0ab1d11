/**
 * Builds the intent from the objects. In: the store, after every batch of changes. Out: the intent, and the difference
 * to the previous one.
 *
 * The work depends on what has changed: a change of a Service or EndpointSlice costs one service, a change of a Node
 * one node. The frame (node, settings, neighbors, policies) consists of cached answers, each valid until one of its
 * dependencies changes. All services are decided again only when a value that they depend on has changed. Long work is
 * done in steps.
 */
import type { Address } from '../base/address.ts'
import type { Prefix } from '../base/prefix.ts'
import { CostMeter, finish, type Work } from '../base/work.ts'
import { AddressClashes } from './address-clashes.ts'
import {
  type Advertising,
  type InterfaceAddresses,
  interfaceProblems,
  interfacesOf,
  type NodeAdvertisement,
  namePods,
  ownClaims,
  surveyAdvertisements,
} from './advertisements.ts'
import { groupAlike } from './alike.ts'
import { Answers } from './answers.ts'
import { ClusterSurvey } from './cluster-survey.ts'
import { planDataplane } from './dataplane.ts'
import { diffNode, diffPeers, type IntentDiff, NOTHING } from './diff.ts'
import {
  type DataplaneIntent,
  type HealthSettings,
  type Intent,
  keysOf,
  type NodeRoutesIntent,
  type PeerIntent,
  type Problem,
} from './intent.ts'
import { type ClusterNode, type ClusterNodes, nodeProblems, planNode, sharedPodCidrs } from './node.ts'
import { NO_NODE_ROUTES, NodeRoutes } from './node-routes.ts'
import type { NodeObject } from './objects.ts'
import type { Alike } from './peer-candidates.ts'
import { type PeerPlan, PeerPlanner } from './peers.ts'
import { decidePod, podsWanted } from './pod-routes.ts'
import { type PodCidrSource, podClaims, whyNoPods } from './pods.ts'
import { Policies } from './policies.ts'
import type { PoolObject } from './pool.ts'
import { clusterRanges, coverInOrder, overlapProblems } from './pools.ts'
import { makeProblem } from './problem.ts'
import { felixWrites, leftToFelix, programProblems } from './program-routes.ts'
import { RouteBook } from './route-book.ts'
import { same } from './same.ts'
import { labelsNamedBy } from './selector.ts'
import { podRangeProblems, serviceRanges } from './service-ranges.ts'
import { decideService, EXCLUDE_LABEL, rangeClaims, type ServiceSettings, serviceSettings } from './services.ts'
import { type ResolvedAdvertisement, readSettings, type Settings, settingsOfPrefix } from './settings.ts'
import { KINDS, type Kind } from './source.ts'
import { byObject, type ObjectStore, type Touched } from './store.ts'
import type { NodeSurvey } from './survey.ts'

const CONFIGURATION = 'BGPConfiguration/default'
const SERVICE = 'Service/'
const ADVERTISEMENT = 'BGPAdvertisement/'
const POD = 'Pod/'
/**
 * Approximate costs in microseconds: to decide a service, to read the few objects that people write, and to see that
 * nothing has changed.
 */
const SERVICE_COST = 8
const FEW_COST = 20
const LOOK_COST = 0.2

/** A change of these kinds concerns single routes; a change of any other kind makes a new frame. */
const ROUTE_KINDS: readonly Kind[] = ['Service', 'EndpointSlice', 'Pod']
const FRAME_KINDS: ReadonlySet<Kind> = new Set(KINDS.filter((kind) => !ROUTE_KINDS.includes(kind)))

const NO_CALICO = "podCIDRSource CalicoIPAM needs objects in a group of Calico's: --api-group projectcalico.org"
const POD_SOURCE = { object: CONFIGURATION, field: 'spec.podCIDRSource' }
const NO_PROBLEMS: readonly Problem[] = []
const NO_CALICO_PROBLEMS = [
  makeProblem({
    code: 'pods-source-unread',
    ...POD_SOURCE,
    value: 'CalicoIPAM',
    says: "needs objects in a group of Calico's: start the agent with --api-group projectcalico.org; no pod CIDR is advertised",
  }),
]
const NO_BLOCKS_PROBLEMS = [
  makeProblem({
    code: 'pods-source-empty',
    ...POD_SOURCE,
    says: 'is CalicoIPAM by default, and there is no BlockAffinity: no pod CIDR is advertised; if pods have addresses from the podCIDRs of their Nodes, set it to Node (annotation godwit.dev/podCIDRSource)',
    level: 'warning',
  }),
]

const NO_POD = { claims: [], why: undefined }
const BY_BGP: NodeRoutesIntent = { direct: undefined, leftToFelix: [], podless: NO_NODE_ROUTES.podless }

/** The intent without routes and service addresses; its `refusals` are those of neighbors only. */
type Frame = Omit<Intent, 'routes' | 'serviceAddresses'>

interface NodeRoutesPlan {
  readonly intent: NodeRoutesIntent
  readonly problems: readonly Problem[]
}

/** IP pools, pod CIDRs of all Nodes, and as `all` both of them with the service ranges. */
interface RangesPlan {
  readonly pools: readonly PoolObject[]
  readonly podCidrs: readonly Prefix[]
  readonly all: readonly Prefix[]
}

interface KernelPlan {
  readonly nodeRoutes: NodeRoutesPlan
  readonly dataplane: DataplaneIntent | undefined
}

interface FrameInputs extends ReturnType<typeof readSettings> {
  readonly source: PodCidrSource
  readonly me: ClusterNode
  readonly advertising: Advertising
}

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
  /** Work done since the start, for tests: services decided, prefixes decided, frames built. */
  readonly work = { services: 0, prefixes: 0, frames: 0 }
  readonly #name: string
  readonly #calico: boolean
  /** The agent's namespace, which holds its Secrets. Undefined where it is not known, as in `godwit check`. */
  readonly #namespace: string | undefined
  #book = new RouteBook()
  #store: ObjectStore | undefined
  #revision = 0
  readonly #answers = {
    settings: new Answers<ReturnType<typeof readSettings>>(),
    advertising: new Answers<Advertising>(),
    policies: new Answers<Policies>(Object.is),
    peers: new Answers<PeerPlan>(),
    nodeRoutes: new Answers<NodeRoutesPlan>(),
    dataplane: new Answers<DataplaneIntent>(),
    problems: new Answers<readonly Problem[]>(),
    frame: new Answers<Frame>(),
  }
  readonly #meter = new CostMeter()
  readonly #cluster: ClusterSurvey
  readonly #nodes: NodeSurvey
  readonly #peers = new PeerPlanner()
  /** The frame in force. */
  #frameInForce: Frame = { ...NOTHING }
  /** The frame as planned, before `#setProxied` adds the addresses of load balancers. */
  #plannedFrame: Frame | undefined
  #policies: Policies | undefined
  #services: ServiceSettings | undefined
  /** The BGPAdvertisements by which pods were last decided. */
  #advertisingOfPods: readonly NodeAdvertisement[] | undefined
  /** Addresses by interface, of the interfaces that BGPAdvertisements name. */
  #interfaces: ReadonlyMap<string, InterfaceAddresses> = new Map()
  readonly #asPreview: boolean
  readonly #whyUnhealthy: NonNullable<BuilderOptions['whyUnhealthy']>
  #isStale = false
  #alike: readonly Alike[] = []
  #groups: PeerPlan['groups'] = new Map()
  #advertisements: readonly ResolvedAdvertisement[] = []
  readonly #nodeRoutes = new NodeRoutes()
  readonly #clashes: AddressClashes
  /** Names of the BGPAdvertisements that have claims in `#book`. */
  #advertised: ReadonlySet<string> = new Set()
  /** Addresses with `ipMode: Proxy`, by service. */
  readonly #proxied = new Map<string, readonly Prefix[]>()
  /** All values of `#proxied`, each once; undefined after a change. */
  #allProxied: readonly Prefix[] | undefined = []
  #problems:
    | {
        readonly store: readonly Problem[]
        readonly frame: Frame
        readonly hosts: readonly Problem[]
        readonly all: readonly Problem[]
      }
    | undefined

  /** `calico`: the objects are in one of Calico's API groups, and Calico's IPAM is read too. */
  constructor({
    node,
    namespace,
    calico = false,
    whyUnhealthy = () => undefined,
    beside,
    asPreview = false,
  }: BuilderOptions) {
    this.#cluster = beside === undefined ? new ClusterSurvey(namedLabels) : beside.#cluster
    this.#nodes = this.#cluster.nodes
    this.#clashes = new AddressClashes(this.#nodes.hosts)
    this.#name = node
    this.#namespace = namespace
    this.#calico = calico
    this.#whyUnhealthy = whyUnhealthy
    this.#asPreview = asPreview
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
    const before = this.#frameInForce
    if (this.#isStale || touched === undefined || touched.some(({ kind }) => FRAME_KINDS.has(kind)))
      yield* this.#layFrame(store, touched)
    const keys = touched?.flatMap(({ kind, key }) => (kind === 'Service' ? [key] : []))
    for (const key of new Set(keys)) yield this.#decide(store, key)
    for (const { kind, key } of touched ?? []) if (kind === 'Pod') this.#decidePod(store, key)
    this.#setProxied()
    this.#revision = store.revision
    const { announce, withdraw, serviceAddresses } = yield* this.#book.takeChanges()
    this.#clashes.takeChanges({ announce, withdraw })
    this.work.prefixes = this.#book.decided
    const diff: IntentDiff = {
      node: diffNode(before.node, this.#frameInForce.node),
      peers: yield* diffPeers(before.peers, this.#frameInForce.peers),
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
    if (touched === undefined) {
      this.#services = undefined
      this.#advertisingOfPods = undefined
    }
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
    this.work.frames++
    this.#isStale = false
    const { settings, problems } = this.#settingsOf(store)
    const source = settings.podCidrSource ?? (this.#calico ? 'CalicoIPAM' : 'Node')
    yield* this.#survey(store, touched, source)
    const me = this.#nodes.nodes.get(this.#name)
    yield* this.#usePrefixSettings(settings.advertisements)
    if (me === undefined) {
      yield* this.#standStill()
      return
    }
    const advertising = this.#advertisingOf(store, me)
    const frame = yield* this.#planFrame(store, { settings, problems, source, me, advertising })
    if (frame !== this.#plannedFrame) this.#setFrame(frame)
    this.#plannedFrame = frame
    const heldPods = this.#readsPods(source) ? settings.heldPods : NO_CALICO
    const pods = podClaims(me, heldPods, (prefix) => namePods(advertising, prefix))
    this.#book.set(`Node/${me.name}`, pods, heldPods ?? whyNoPods(me, source))
    this.#setOwnRoutes(advertising.all, me)
    this.#setPods(store, advertising.all)
    const health = this.#whyUnhealthy(settings.guards.health)
    yield* this.#setServices(store, serviceSettings(me.name, me.labels, settings, health, advertising.all))
  }

  #settingsOf(store: ObjectStore): ReturnType<typeof readSettings> {
    const restsOn = [store, ...revisions(store, 'BGPConfiguration', 'FelixConfiguration')]
    return this.#answers.settings.ask('', restsOn, this.#meter, FEW_COST, () => readSettings(store, this.#name))
  }

  *#survey(store: ObjectStore, touched: readonly Touched[] | undefined, source: PodCidrSource): Work {
    yield* this.#cluster.follow(store, touched, source, this.#meter)
    yield* this.#clashes.follow(this.#book.routes)
  }

  #advertisingOf(store: ObjectStore, me: ClusterNode): Advertising {
    const restsOn = [store, me, ...revisions(store, 'BGPAdvertisement', 'BGPConfiguration', 'BGPPeer', 'IPPool')]
    return this.#answers.advertising.ask('', restsOn, this.#meter, FEW_COST, () => surveyAdvertisements(store, me))
  }

  /** Each part is a cached answer: it is computed again only when a value that it depends on has changed. */
  *#planFrame(store: ObjectStore, inputs: FrameInputs): Work<Frame> {
    const { settings, problems, me, advertising } = inputs
    const { nodes } = this.#nodes
    const ranges = yield* this.#planRanges(store, settings)
    const plan = yield* this.#planPeers(store, inputs, this.#policiesOf(store, advertising, ranges))
    yield this.#meter.take()
    const { nodeRoutes, dataplane } = yield* this.#planKernel(inputs, ranges)
    const hosts = this.#nodes.hosts.revision
    const { pools } = ranges
    const pods = this.#nodes.podCidrs
    const restsOn = [hosts, pods.revision, pools, settings, me]
    const rangeProblems = this.#answers.problems.ask('', restsOn, this.#meter, FEW_COST, () => [
      ...this.#clashes.rangeProblems(settings),
      ...podRangeProblems(settings, pools, pods),
      ...sharedPodCidrs(me, pods),
    ])
    yield this.#meter.take()
    const node = store.get('Node', me.name)
    const leave = store.ownNodeIsGone ? `Node/${me.name} is deleted` : whyLeave(node, settings)
    const ofPlans = [advertising, ranges.pools, plan, nodeRoutes, dataplane, rangeProblems]
    const podProblems = this.#podProblems(store, inputs)
    const ofFrame = [settings, problems, podProblems, me, nodes, leave, this.#interfaces, ...ofPlans]
    return this.#answers.frame.ask('', ofFrame, this.#meter, nodes.size * LOOK_COST, () => ({
      node: planNode(me, settings),
      peers: plan.peers,
      refusals: plan.refusals,
      leave,
      guards: settings.guards,
      secrets: secretsOf(plan.peers.values()),
      interfaces: interfacesOf(advertising.all),
      pods: podsWanted(advertising.all),
      dataplane,
      problems: [
        ...problems,
        ...podProblems,
        ...advertising.problems,
        ...interfaceProblems(advertising.all, this.#interfaces),
        ...nodeProblems(me, (address) => this.#nodes.at(address)),
        ...plan.problems,
        ...overlapProblems(ranges.pools),
        ...nodeRoutes.problems,
        ...rangeProblems,
      ],
    }))
  }

  *#planRanges(store: ObjectStore, { serviceCidrs }: Settings): Work<RangesPlan> {
    const { pools: known, ranges } = this.#cluster
    const pools = known.ask('', [store, store.revisionOf('IPPool')], this.#meter, FEW_COST, () => [
      ...store.table('IPPool').values(),
    ])
    const podIndex = this.#nodes.podCidrs
    const podCidrs = yield* ranges.askLong('pods', [podIndex.revision], () => coverInOrder(podIndex.values()))
    const all = yield* ranges.askLong('all', [pools, podCidrs, serviceCidrs], () =>
      clusterRanges(pools, podCidrs, serviceCidrs),
    )
    return { pools, podCidrs, all }
  }

  #policiesOf(store: ObjectStore, advertising: Advertising, { pools, all }: RangesPlan): Policies {
    const restsOn = [store, all, pools, advertising, store.revisionOf('BGPFilter')]
    return this.#answers.policies.ask('', restsOn, this.#meter, FEW_COST, () => {
      this.#policies = new Policies(store, all, pools, advertising.all, this.#policies)
      return this.#policies
    })
  }

  *#planPeers(store: ObjectStore, { settings, me }: FrameInputs, policies: Policies): Work<PeerPlan> {
    const answers = this.#answers
    const { nodes } = this.#nodes
    const objects = this.#cluster.peerObjects.ask(
      '',
      [store, store.revisionOf('BGPPeer')],
      this.#meter,
      FEW_COST,
      () => [...store.table('BGPPeer').values()],
    )
    const secretsRevision = store.revisionOf('Secret')
    const restsOn = [store, me, nodes, objects, settings, policies, secretsRevision]
    const nodesAt = (address: Address) => this.#nodes.at(address)
    const group = () => groupAlike(nodes, nodesAt, objects)
    const alike = this.#asPreview
      ? this.#cluster.alike.ask('', [nodes, objects], this.#meter, FEW_COST, group)
      : undefined
    this.#alike = alike ?? []
    const plan = yield* answers.peers.askLong('', restsOn, () =>
      this.#peers.plan({
        me,
        nodes,
        nodesAt,
        alike,
        objects,
        settings,
        policies,
        secrets: store.table('Secret'),
        secretsRevision,
        namespace: this.#namespace,
      }),
    )
    this.#groups = plan.groups
    return plan
  }

  /** In a preview: the nodes that this neighbor stands for. */
  groupOf(peer: string): Alike | undefined {
    return this.#groups.get(peer)
  }

  /** In a preview: all nodes, by what others can tell of them. */
  get alike(): readonly Alike[] {
    return this.#alike
  }

  *#planKernel({ settings, source, me }: FrameInputs, { pools, podCidrs }: RangesPlan): Work<KernelPlan> {
    const answers = this.#answers
    const { nodes, hosts } = this.#nodes
    const cost = nodes.size * LOOK_COST
    const nodeRoutes = yield* answers.nodeRoutes.askLong('', [me, nodes, pools, settings, source], () =>
      this.#planNodeRoutes(me, nodes, pools, settings, source),
    )
    if (this.#asPreview) return { nodeRoutes, dataplane: undefined }
    const restsOn = [pools, me, nodes, podCidrs, hosts.revision, settings, nodeRoutes]
    const dataplane = answers.dataplane.ask('', restsOn, this.#meter, cost, () =>
      planDataplane(pools, { me, nodes, podCidrs, hosts: hosts.values() }, settings, nodeRoutes.intent),
    )
    return { nodeRoutes, dataplane }
  }

  /** Where Calico runs with another IPAM, it has no blocks, and pods have addresses from the podCIDRs of their Nodes. */
  #podProblems(store: ObjectStore, { settings, source, me }: FrameInputs): readonly Problem[] {
    if (!this.#readsPods(source)) return NO_CALICO_PROBLEMS
    const isChosen = source !== 'CalicoIPAM' || settings.podCidrSource !== undefined
    if (isChosen || store.table('BlockAffinity').size > 0) return NO_PROBLEMS
    return store.get('Node', me.name)?.podCidrs.length === 0 ? NO_PROBLEMS : NO_BLOCKS_PROBLEMS
  }

  /** Whether this source can be read: Calico's IPAM only in Calico's API groups. */
  #readsPods(source: PodCidrSource): boolean {
    return source !== 'CalicoIPAM' || this.#calico
  }

  /** Also planned where Felix writes the routes: a route that Felix has not written is then reported. */
  *#planNodeRoutes(
    me: ClusterNode,
    nodes: ClusterNodes,
    pools: readonly PoolObject[],
    settings: Settings,
    source: PodCidrSource,
  ): Work<NodeRoutesPlan> {
    const problems = programProblems(settings, this.#calico)
    const toFelix = felixWrites(settings.clusterRoutes)
    if (!toFelix && settings.nodeRoutes === 'BGP') return { intent: BY_BGP, problems }
    const frame = {
      serviceRanges: serviceRanges(settings, pools),
      borrows: source === 'CalicoIPAM',
    }
    const plan = this.#readsPods(source) ? yield* this.#nodeRoutes.plan(me, nodes, frame) : NO_NODE_ROUTES
    const felixs = toFelix ? leftToFelix(pools, nodes) : []
    const intent = { direct: plan.routes, leftToFelix: felixs, podless: plan.podless }
    return { intent, problems: toFelix ? problems : [...problems, ...plan.problems] }
  }

  /** Sets the routes that exist only because of BGPAdvertisements, and removes those of deleted ones. */
  #setOwnRoutes(advertising: readonly NodeAdvertisement[], me: ClusterNode): void {
    const there = new Set(advertising.map(({ object }) => ADVERTISEMENT + object.name))
    for (const object of this.#advertised) if (!there.has(object)) this.#book.set(object, [])
    for (const one of advertising) {
      const { claims, why } = ownClaims(one, me, this.#interfaces)
      this.#book.set(ADVERTISEMENT + one.object.name, claims, why)
    }
    this.#advertised = there
  }

  /** The Node object of this node is missing: the node has no neighbors and advertises nothing. */
  *#standStill(): Work {
    const object = `Node/${this.#name}`
    const says = 'is not known; nothing is advertised until it is'
    this.#setFrame({ ...NOTHING, problems: [makeProblem({ code: 'node-missing', object, says })] })
    this.#plannedFrame = undefined
    this.#services = undefined
    this.#advertised = new Set()
    this.#advertisingOfPods = undefined
    this.#proxied.clear()
    this.#allProxied = undefined
    for (const claimed of [...this.#book.objects()]) {
      this.#book.set(claimed, [])
      yield SERVICE_COST
    }
    this.#book.refusals.clear()
  }

  #setFrame(frame: Frame): void {
    for (const name of this.#frameInForce.refusals.keys()) this.#book.refusals.delete(name)
    for (const [name, why] of frame.refusals) this.#book.refusals.set(name, why)
    this.#frameInForce = frame
  }

  *#usePrefixSettings(advertisements: readonly ResolvedAdvertisement[]): Work {
    if (same(advertisements, this.#advertisements)) return
    this.#advertisements = advertisements
    yield* this.#book.useSettings((prefix) => settingsOfPrefix(advertisements, prefix))
  }

  *#setServices(store: ObjectStore, settings: ServiceSettings): Work {
    if (same(settings, this.#services)) return
    this.#services = settings
    this.#book.set(CONFIGURATION, rangeClaims(settings), settings.excluded)
    for (const object of [...this.#book.objects()]) {
      const key = object.startsWith(SERVICE) ? object.slice(SERVICE.length) : undefined
      if (key !== undefined && store.get('Service', key) === undefined) this.#meter.add(this.#decide(store, key))
      this.#meter.add(LOOK_COST)
      if (this.#meter.isDue) yield this.#meter.take()
    }
    for (const key of store.table('Service').keys()) yield this.#decide(store, key)
  }

  /** Decides all pods again. The API serves only pods of this node; a folder of manifests may have others too. */
  #setPods(store: ObjectStore, advertising: readonly NodeAdvertisement[]): void {
    if (advertising === this.#advertisingOfPods) return
    this.#advertisingOfPods = advertising
    const known = [...this.#book.objects()].flatMap((object) =>
      object.startsWith(POD) ? [object.slice(POD.length)] : [],
    )
    for (const key of new Set([...known, ...store.table('Pod').keys()])) this.#decidePod(store, key)
  }

  #decidePod(store: ObjectStore, key: string): void {
    const pod = store.get('Pod', key)
    if (this.#advertisingOfPods === undefined) return
    const { claims, why } = pod === undefined ? NO_POD : decidePod(pod, this.#name, this.#advertisingOfPods)
    this.#book.set(POD + key, claims, why)
  }

  /** Returns about what it took. */
  #decide(store: ObjectStore, key: string): number {
    if (this.#services === undefined) return 0
    this.work.services++
    const { spent } = this.#book
    const { advertising, cidrs } = this.#services
    const service = store.get('Service', key)
    const gone = { claims: [], why: undefined }
    const slices = store.slicesOf(key)
    const { claims, why } = service === undefined ? gone : decideService(service, slices, this.#services)
    this.#book.set(SERVICE + key, claims, why)
    this.#noteProxied(key, service?.proxiedIps ?? [])
    const ranges = cidrs.cluster.length + cidrs.external.length + cidrs['load-balancer'].length
    const looks = slices.length + advertising.length + claims.length * ranges
    return SERVICE_COST + this.#book.spent - spent + looks * LOOK_COST
  }

  #noteProxied(key: string, proxied: readonly Prefix[]): void {
    if (same(proxied, this.#proxied.get(key) ?? [])) return
    if (proxied.length === 0) this.#proxied.delete(key)
    else this.#proxied.set(key, proxied)
    this.#allProxied = undefined
  }

  /** Adds the load balancer addresses of services (`ipMode: Proxy`) to the frame, which is planned without services. */
  #setProxied(): void {
    const { dataplane } = this.#frameInForce
    if (dataplane === undefined) return
    this.#allProxied ??= [...new Map([...this.#proxied.values()].flat().map((one) => [one.text, one])).values()]
    const proxied = this.#allProxied
    const planned = this.#plannedFrame?.dataplane ?? dataplane
    const whole = this.#answers.dataplane.ask('whole', [planned, proxied], this.#meter, 1, () => ({
      ...planned,
      proxied,
    }))
    if (dataplane !== whole) this.#frameInForce = { ...this.#frameInForce, dataplane: whole }
  }

  #intent(store: ObjectStore): Intent {
    const { routes, serviceAddresses, refusals } = this.#book
    return { ...this.#frameInForce, routes, serviceAddresses, refusals, problems: this.#allProblems(store) }
  }

  #allProblems(store: ObjectStore): readonly Problem[] {
    const ofStore = store.problems()
    const ofHosts = this.#clashes.problems
    const known = this.#problems
    if (known?.store !== ofStore || known.frame !== this.#frameInForce || known.hosts !== ofHosts) {
      const all = [...ofStore, ...unique([...this.#frameInForce.problems, ...ofHosts])].sort(byObject)
      this.#problems = { store: ofStore, frame: this.#frameInForce, hosts: ofHosts, all }
      return all
    }
    return known.all
  }
}

const revisions = (store: ObjectStore, ...kinds: readonly Kind[]): number[] =>
  kinds.map((kind) => store.revisionOf(kind))

/** The labels and annotations of Nodes that some object reads: changes of all others are ignored. */
function namedLabels(store: ObjectStore): string[] {
  const selectors = [
    ...[...store.table('BGPPeer').values()].flatMap(({ nodeSelector, peerSelector }) => [nodeSelector, peerSelector]),
    ...[...store.table('BGPAdvertisement').values()].map(({ nodeSelector }) => nodeSelector),
  ]
  const named = selectors.flatMap((selector) => (selector === undefined ? [] : labelsNamedBy(selector)))
  const values = [...store.table('BGPPeer').values()].flatMap(({ asNumberFrom, localAsNumberFrom, peerIpFrom }) =>
    [asNumberFrom, localAsNumberFrom, peerIpFrom].flatMap((from) => (from === undefined ? [] : from.key)),
  )
  return [...new Set([EXCLUDE_LABEL, ...named, ...values])].sort()
}

const secretsOf = (peers: Iterable<PeerIntent>): string[] =>
  [...new Set([...peers].flatMap(({ signing }) => keysOf(signing).map(({ secret }) => secret)))].sort()

/** Why this node leaves: it has the taint that `leaveOnTaint` names. A cordon alone is no reason. */
function whyLeave(node: NodeObject | undefined, { leaveOnTaint }: Settings): string | undefined {
  if (leaveOnTaint === undefined || node?.taints.includes(leaveOnTaint) !== true) return undefined
  return `Node/${node.name} has the taint ${leaveOnTaint}`
}

/** Each problem once: a missing filter of the mesh would otherwise be reported for every node. */
function unique(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [problem.text, problem])).values()]
}
