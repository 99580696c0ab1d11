/**
 * From objects to what should be. Comes in: the store, after every batch of changes. Goes out: the intent, and the
 * steps that lead there from the one before.
 *
 * Work follows what was touched. A Service or EndpointSlice costs that one service. The other kinds lay the frame anew
 * (node, settings, neighbors, policies), and only if what services depend on is then different, all services.
 */
import type { Prefix } from '../base/prefix.ts'
import { type NodeAdvertisement, namingPodCidrs, ownClaims, surveyAdvertisements } from './advertisements.ts'
import { planDataplane } from './dataplane.ts'
import { diffNode, diffPeers, type IntentDiff, NOTHING } from './diff.ts'
import { Hosts } from './hosts.ts'
import type {
  DataplaneIntent,
  Intent,
  NodeIntent,
  NodeRoutesIntent,
  PeerIntent,
  Problem,
  ServiceGuards,
} from './intent.ts'
import { type ClusterNode, type ClusterNodes, nodeProblems, planNode, surveyNodes } from './node.ts'
import { NodeRoutes } from './node-routes.ts'
import type { NodeObject } from './objects.ts'
import { planPeers } from './peers.ts'
import { type PodCidrSource, podCidrsBy, podClaims, whyNoPods } from './pods.ts'
import { Policies } from './policies.ts'
import type { PoolObject } from './pool.ts'
import { clusterRanges, cover, overlapProblems } from './pools.ts'
import { makeProblem } from './problem.ts'
import { isFelixs, leftToFelix, programProblems } from './program-routes.ts'
import { RouteBook } from './route-book.ts'
import { same } from './same.ts'
import { decideService, rangeClaims, type ServiceSettings, serviceSettings } from './services.ts'
import { type Advertisement, judgePrefix, readSettings, type Settings } from './settings.ts'
import type { Kind } from './source.ts'
import { byObject, type ObjectStore, type Touched } from './store.ts'

const CONFIGURATION = 'BGPConfiguration/default'
const SERVICE = 'Service/'
const ADVERTISEMENT = 'BGPAdvertisement/'

/** Kinds whose change lays the frame anew. */
const FRAME_KINDS: ReadonlySet<Kind> = new Set<Kind>([
  'Node',
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'BGPAdvertisement',
  'IPPool',
  'FelixConfiguration',
  'BlockAffinity',
  'IPAMBlock',
  'Secret',
])

const NO_CALICO = "podCIDRSource CalicoIPAM needs objects in a group of Calico's: --api-group projectcalico.org"
const NO_CALICO_PROBLEM = makeProblem({
  code: 'pods-source-unread',
  object: CONFIGURATION,
  field: 'spec.podCIDRSource',
  value: 'CalicoIPAM',
  says: "needs objects in a group of Calico's: start the agent with --api-group projectcalico.org; no pod CIDR is advertised",
})

const NO_NODE_ROUTES = { routes: [], problems: [] }
const BY_BGP: NodeRoutesIntent = { direct: undefined, leftToFelix: [] }

/** All but the services. */
interface Frame {
  readonly node: NodeIntent | undefined
  readonly peers: ReadonlyMap<string, PeerIntent>
  /** Of neighbors left out. */
  readonly refusals: ReadonlyMap<string, string>
  readonly guards: ServiceGuards
  readonly leave: string | undefined
  readonly dataplane: DataplaneIntent | undefined
  readonly secrets: readonly string[]
  readonly problems: readonly Problem[]
}

interface BuilderOptions {
  readonly node: string
  readonly namespace?: string | undefined
  readonly calico?: boolean | undefined
}

export class IntentBuilder {
  /** What was done since the beginning: services decided, prefixes judged, frames laid. */
  readonly work = { services: 0, prefixes: 0, frames: 0 }
  readonly #name: string
  readonly #calico: boolean
  /** Of the agent: where its Secrets are. Undefined where that is not known, as in a look ahead. */
  readonly #namespace: string | undefined
  #book = new RouteBook()
  #store: ObjectStore | undefined
  #revision = 0
  #frame: Frame = { ...NOTHING }
  #policies: Policies | undefined
  #services: ServiceSettings | undefined
  /** Why no service may be advertised, and whether that is new. */
  #unhealthy: string | undefined
  #isStale = false
  #advertisements: readonly Advertisement[] = []
  readonly #hosts = new Hosts()
  readonly #nodeRoutes = new NodeRoutes()
  /** Addresses with `ipMode: Proxy`, by service. */
  readonly #proxied = new Map<string, readonly Prefix[]>()
  /** All of them, in order; undefined after a change. */
  #allProxied: readonly Prefix[] | undefined = []
  #problems:
    | {
        readonly store: readonly Problem[]
        readonly frame: Frame
        readonly hosts: readonly Problem[]
        readonly all: readonly Problem[]
      }
    | undefined

  /** `calico`: objects are read in a group of Calico's, and its IPAM beside them. */
  constructor({ node, namespace, calico = false }: BuilderOptions) {
    this.#name = node
    this.#namespace = namespace
    this.#calico = calico
  }

  /**
   * The intent now and the steps from the one before. Its maps of routes, served and refusals belong to the builder and change
   * in place with the next call; `build` gives a copy that stays.
   */
  next(store: ObjectStore): { readonly intent: Intent; readonly diff: IntentDiff } {
    const touched = this.#touchedIn(store)
    const before = this.#frame
    if (this.#isStale || touched === undefined || touched.some(({ kind }) => FRAME_KINDS.has(kind)))
      this.#layFrame(store)
    const keys = touched?.flatMap(({ kind, key }) => (kind === 'Service' ? [key] : []))
    for (const key of new Set(keys)) this.#decide(store, key)
    this.#setProxied()
    this.#revision = store.revision
    const { announce, withdraw, served } = this.#book.takeChanges()
    this.#hosts.takeChanges({ announce, withdraw })
    this.work.prefixes = this.#book.judged
    const diff: IntentDiff = {
      node: diffNode(before.node, this.#frame.node),
      peers: diffPeers(before.peers, this.#frame.peers),
      routes: { announce, withdraw },
      served,
    }
    return { intent: this.#intent(store), diff }
  }

  /** The intent as a value of its own. */
  build(store: ObjectStore): Intent {
    const { intent } = this.next(store)
    const { routes, served, refusals } = intent
    return { ...intent, routes: new Map(routes), served: new Map(served), refusals: new Map(refusals) }
  }

  /** Undefined: everything, for a store not seen before or too long ago. */
  #touchedIn(store: ObjectStore): readonly Touched[] | undefined {
    const touched = store === this.#store ? store.changedSince(this.#revision) : undefined
    if (touched === undefined) this.#services = undefined
    this.#store = store
    return touched
  }

  /** Why nothing on this node serves services; undefined: something does. Counts from the next call of `next` on. */
  setServiceHealth(unhealthy: string | undefined): void {
    this.#unhealthy = unhealthy
    this.#isStale = true
  }

  #layFrame(store: ObjectStore): void {
    this.work.frames++
    this.#isStale = false
    const { settings, problems } = readSettings(store, this.#name)
    const source = settings.podCidrSource ?? (this.#calico ? 'CalicoIPAM' : 'Node')
    const nodes = surveyNodes(store, podCidrsBy(source, store))
    const me = nodes.get(this.#name)
    this.#judgeBy(settings.advertisements)
    if (me === undefined) {
      this.#standStill()
      return
    }
    const pools = [...store.table('IPPool').values()]
    const { all: advertising, problems: misspelt } = surveyAdvertisements(store, me)
    const ranges = clusterRanges(pools, nodes, settings)
    const policies = new Policies(store, ranges, pools, advertising, this.#policies)
    this.#policies = policies
    const [objects, secrets] = [store.table('BGPPeer').values(), store.table('Secret')]
    const plan = planPeers({ me, nodes, objects, settings, policies, secrets, namespace: this.#namespace })
    const nodeRoutes = this.#planNodeRoutes(me, nodes, pools, settings, source)
    this.#setFrame({
      node: planNode(me, settings),
      peers: plan.peers,
      refusals: plan.refusals,
      leave: store.ownNodeIsGone ? `Node/${me.name} is deleted` : whyLeave(store.get('Node', me.name), settings),
      guards: settings.guards,
      secrets: secretsOf(plan.peers.values()),
      dataplane: planDataplane(me, pools, nodes, settings, nodeRoutes.intent),
      problems: [
        ...problems,
        ...(this.#readsPods(source) ? [] : [NO_CALICO_PROBLEM]),
        ...misspelt,
        ...nodeProblems(me, nodes),
        ...plan.problems,
        ...overlapProblems(pools),
        ...nodeRoutes.problems,
        ...this.#hosts.setNodes(nodes, settings.serviceCidrs, this.#book.routes),
      ],
    })
    const heldPods = this.#readsPods(source) ? settings.heldPods : NO_CALICO
    const pods = podClaims(me, heldPods, namingPodCidrs(advertising))
    this.#book.set(`Node/${me.name}`, pods, heldPods ?? whyNoPods(me, source))
    this.#setOwnRoutes(advertising, me)
    this.#setServices(store, serviceSettings(me.name, me.labels, settings, this.#unhealthy, advertising))
  }

  /** Calico's IPAM is read in its own groups alone. */
  #readsPods(source: PodCidrSource): boolean {
    return source !== 'CalicoIPAM' || this.#calico
  }

  /** Where Felix writes them, they are planned all the same: one that nobody has written is a gap. */
  #planNodeRoutes(
    me: ClusterNode,
    nodes: ClusterNodes,
    pools: readonly PoolObject[],
    settings: Settings,
    source: PodCidrSource,
  ): { readonly intent: NodeRoutesIntent; readonly problems: readonly Problem[] } {
    const problems = programProblems(settings, this.#calico)
    const toFelix = isFelixs(settings.clusterRoutes)
    if (!toFelix && settings.nodeRoutes === 'BGP') return { intent: BY_BGP, problems }
    const frame = {
      serviceRanges: cover(Object.values(settings.serviceCidrs).flat()),
      borrows: source === 'CalicoIPAM',
    }
    const plan = this.#readsPods(source) ? this.#nodeRoutes.plan(me, nodes, frame) : NO_NODE_ROUTES
    const intent = { direct: plan.routes, leftToFelix: toFelix ? leftToFelix(pools, nodes) : [] }
    return { intent, problems: toFelix ? problems : [...problems, ...plan.problems] }
  }

  /** Of BGPAdvertisements that are gone, nothing. */
  #setOwnRoutes(advertising: readonly NodeAdvertisement[], me: ClusterNode): void {
    const there = new Set(advertising.map(({ object }) => ADVERTISEMENT + object.name))
    for (const object of [...this.#book.objects()]) {
      if (object.startsWith(ADVERTISEMENT) && !there.has(object)) this.#book.set(object, [])
    }
    for (const one of advertising) this.#book.set(ADVERTISEMENT + one.object.name, ownClaims(one, me))
  }

  /** Without our Node nothing is known of this node: it has no neighbors and advertises nothing. */
  #standStill(): void {
    const object = `Node/${this.#name}`
    const says = 'is not known; nothing is advertised until it is'
    this.#setFrame({ ...NOTHING, problems: [makeProblem({ code: 'node-missing', object, says })] })
    this.#services = undefined
    for (const claimed of [...this.#book.objects()]) this.#book.set(claimed, [])
    this.#book.refusals.clear()
  }

  #setFrame(frame: Frame): void {
    for (const name of this.#frame.refusals.keys()) this.#book.refusals.delete(name)
    for (const [name, why] of frame.refusals) this.#book.refusals.set(name, why)
    this.#frame = frame
  }

  #judgeBy(advertisements: readonly Advertisement[]): void {
    if (same(advertisements, this.#advertisements)) return
    this.#advertisements = advertisements
    this.#book.judgeBy((prefix) => judgePrefix(advertisements, prefix))
  }

  #setServices(store: ObjectStore, settings: ServiceSettings): void {
    if (same(settings, this.#services)) return
    this.#services = settings
    this.#book.set(CONFIGURATION, rangeClaims(settings), settings.excluded)
    for (const object of [...this.#book.objects()]) {
      const key = object.startsWith(SERVICE) ? object.slice(SERVICE.length) : undefined
      if (key !== undefined && store.get('Service', key) === undefined) this.#decide(store, key)
    }
    for (const key of store.table('Service').keys()) this.#decide(store, key)
  }

  #decide(store: ObjectStore, key: string): void {
    if (this.#services === undefined) return
    this.work.services++
    const service = store.get('Service', key)
    const gone = { claims: [], why: undefined }
    const slices = store.slicesOf(key).values()
    const { claims, why } = service === undefined ? gone : decideService(service, slices, this.#services)
    this.#book.set(SERVICE + key, claims, why)
    this.#noteProxied(key, service?.proxiedIps ?? [])
  }

  #noteProxied(key: string, proxied: readonly Prefix[]): void {
    if (same(proxied, this.#proxied.get(key) ?? [])) return
    if (proxied.length === 0) this.#proxied.delete(key)
    else this.#proxied.set(key, proxied)
    this.#allProxied = undefined
  }

  /** The frame is laid without services; what the kernel has to know of them is put into it here. */
  #setProxied(): void {
    const { dataplane } = this.#frame
    this.#allProxied ??= [...new Map([...this.#proxied.values()].flat().map((one) => [one.text, one])).values()]
    const proxied = this.#allProxied
    if (dataplane === undefined || dataplane.proxied === proxied) return
    this.#frame = { ...this.#frame, dataplane: { ...dataplane, proxied } }
  }

  #intent(store: ObjectStore): Intent {
    const { node, peers, guards, leave, dataplane, secrets } = this.#frame
    const { routes, served, refusals } = this.#book
    const problems = this.#allProblems(store)
    return { node, peers, routes, served, refusals, guards, leave, dataplane, secrets, problems }
  }

  #allProblems(store: ObjectStore): readonly Problem[] {
    const ofStore = store.problems()
    const ofHosts = this.#hosts.problems
    const known = this.#problems
    if (known?.store !== ofStore || known.frame !== this.#frame || known.hosts !== ofHosts) {
      const all = unique([...ofStore, ...this.#frame.problems, ...ofHosts]).sort(byObject)
      this.#problems = { store: ofStore, frame: this.#frame, hosts: ofHosts, all }
      return all
    }
    return known.all
  }
}

const secretsOf = (peers: Iterable<PeerIntent>): string[] =>
  [...new Set([...peers].flatMap(({ key }) => key?.secret ?? []))].sort()

/** A taint that was chosen for it; a cordon alone is none. */
function whyLeave(node: NodeObject | undefined, { leaveOnTaint }: Settings): string | undefined {
  if (leaveOnTaint === undefined || node?.taints.includes(leaveOnTaint) !== true) return undefined
  return `Node/${node.name} has the taint ${leaveOnTaint}`
}

/** A mesh of many nodes that names one missing filter has one problem. */
function unique(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [problem.text, problem])).values()]
}
