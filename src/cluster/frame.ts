/**
 * Plans the frame of an intent: this node and its settings, its neighbors with their policies, and what the kernel is for;
 * everything but single routes. It consists of cached answers, each valid until one of its dependencies changes.
 */
import type { Address } from '../base/address.ts'
import type { Prefix } from '../base/prefix.ts'
import type { CostMeter, Work } from '../base/work.ts'
import type { PrefixMatch } from '../bgp/policy/rule.ts'
import type { AddressClashes } from './address-clashes.ts'
import { type InterfaceAddresses, interfaceProblems, interfacesOf } from './advertisement-claims.ts'
import { type Advertising, coveringLengths, sameAdvertising, surveyAdvertisements } from './advertisements.ts'
import { groupAlike } from './alike.ts'
import { Answers } from './answers.ts'
import type { ClusterSurvey } from './cluster-survey.ts'
import { planDataplane, planOwnPods } from './dataplane.ts'
import { type HeldExport, heldExport, heldExportProblems } from './held.ts'
import {
  type DataplaneIntent,
  type Intent,
  keysOf,
  type NodeRoutesIntent,
  type PeerIntent,
  type Problem,
} from './intent.ts'
import { type ClusterNode, type ClusterNodes, nodeProblems, planNode, sharedPodCidrs } from './node.ts'
import { NO_NODE_ROUTES, NodeRouteSurvey } from './node-routes.ts'
import type { NodeObject } from './objects.ts'
import type { Alike } from './peer-candidates.ts'
import { type PeerPlan, PeerPlanner } from './peers.ts'
import { podsWanted } from './pod-routes.ts'
import type { PodCidrSource } from './pods.ts'
import { NodePolicies } from './policies.ts'
import type { PoolObject } from './pool.ts'
import { clusterRanges, joinSorted, overlapProblems, placed, unexportedRules, unplacedRules } from './pools.ts'
import { makeProblem } from './problem.ts'
import { felixWrites, leftToFelix, programProblems } from './program-routes.ts'
import { podRangeProblems, serviceRanges } from './service-ranges.ts'
import { type NodeSettings, readSettings, type Settings } from './settings.ts'
import type { Kind } from './source.ts'
import type { ObjectStore } from './store.ts'
import type { NodeSurvey } from './survey.ts'

/** Approximate costs in microseconds: to read the few objects that people write, and to see that nothing has changed. */
const FEW_COST = 20
const LOOK_COST = 0.2

const NO_CALICO = "podCIDRSource CalicoIPAM needs objects in a group of Calico's: --api-group projectcalico.org"
const POD_SOURCE = { object: 'BGPConfiguration/default', field: 'spec.podCIDRSource' }
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

const BY_BGP: NodeRoutesIntent = { direct: undefined, leftToFelix: [], podless: NO_NODE_ROUTES.podless }

/** The intent without routes and service addresses; its `refusals` are those of neighbors only. */
export type IntentFrame = Omit<Intent, 'routes' | 'serviceAddresses'>

interface NodeRoutesPlan {
  readonly intent: NodeRoutesIntent
  readonly problems: readonly Problem[]
}

/** IP pools, pod CIDRs of all Nodes, and as `all` what lies in them and in the service ranges. */
interface RangesPlan {
  readonly pools: readonly PoolObject[]
  readonly podCidrs: readonly Prefix[]
  readonly all: readonly PrefixMatch[]
}

interface KernelPlan {
  readonly nodeRoutes: NodeRoutesPlan
  readonly dataplane: DataplaneIntent | undefined
}

export interface FrameInputs extends NodeSettings {
  readonly source: PodCidrSource
  readonly me: ClusterNode
  readonly advertising: Advertising
  /** Addresses by interface, of the interfaces that BGPAdvertisements name. */
  readonly interfaces: ReadonlyMap<string, InterfaceAddresses>
}

interface FrameOptions {
  /** Name of this node. */
  readonly node: string
  /** The agent's namespace, which holds its Secrets. Undefined where it is not known, as in `godwit check`. */
  readonly namespace: string | undefined
  readonly calico: boolean
  readonly asPreview: boolean
}

export class FramePlanner {
  readonly #options: FrameOptions
  readonly #cluster: ClusterSurvey
  readonly #nodes: NodeSurvey
  readonly #clashes: AddressClashes
  readonly #meter: CostMeter
  readonly #answers = {
    settings: new Answers<NodeSettings>(),
    advertising: new Answers<Advertising>(sameAdvertising),
    policies: new Answers<NodePolicies>(Object.is),
    peers: new Answers<PeerPlan>(),
    nodeRoutes: new Answers<NodeRoutesPlan>(),
    ownPods: new Answers<DataplaneIntent['ownPods']>(),
    dataplane: new Answers<DataplaneIntent>(),
    problems: new Answers<readonly Problem[]>(),
    frame: new Answers<IntentFrame>(),
  }
  readonly #peers = new PeerPlanner()
  readonly #nodeRoutes = new NodeRouteSurvey()
  #policies: NodePolicies | undefined
  #alike: readonly Alike[] = []
  #groups: PeerPlan['groups'] = new Map()

  constructor(options: FrameOptions, cluster: ClusterSurvey, clashes: AddressClashes, meter: CostMeter) {
    this.#options = options
    this.#cluster = cluster
    this.#nodes = cluster.nodes
    this.#clashes = clashes
    this.#meter = meter
  }

  /** Where pod CIDRs of Nodes come from. */
  sourceOf({ podCidrSource }: Settings): PodCidrSource {
    return podCidrSource ?? (this.#options.calico ? 'CalicoIPAM' : 'Node')
  }

  /** Why no pod CIDR is advertised; undefined: they are. */
  whyPodsHeld({ heldPods }: Settings, source: PodCidrSource): string | undefined {
    return this.#readsPods(source) ? heldPods : NO_CALICO
  }

  /** Load balancer addresses of services (`ipMode: Proxy`) are added to a plan that was made without services. */
  withProxied(planned: DataplaneIntent, proxied: readonly Prefix[]): DataplaneIntent {
    const whole = (): DataplaneIntent => ({ ...planned, proxied })
    return this.#answers.dataplane.ask('whole', [planned, proxied], this.#meter, 1, whole)
  }

  /** The settings that hold for this node. */
  settingsOf(store: ObjectStore): ReturnType<typeof readSettings> {
    const restsOn = [store, ...revisions(store, 'BGPConfiguration', 'FelixConfiguration')]
    return this.#answers.settings.ask('', restsOn, this.#meter, FEW_COST, () => readSettings(store, this.#options.node))
  }

  /** What BGPAdvertisements mean for this node. */
  *advertisingOf(store: ObjectStore, me: ClusterNode): Work<Advertising> {
    const restsOn = [store, me, ...revisions(store, 'BGPAdvertisement', 'BGPConfiguration', 'BGPPeer', 'IPPool')]
    return yield* this.#answers.advertising.askLong('', restsOn, () => surveyAdvertisements(store, me))
  }

  /** In a preview: the nodes that this neighbor stands for. */
  groupOf(peer: string): Alike | undefined {
    return this.#groups.get(peer)
  }

  /** In a preview: all nodes, by what others can tell of them. */
  get alike(): readonly Alike[] {
    return this.#alike
  }

  /** Each part is a cached answer: it is computed again only when a value that it depends on has changed. */
  *plan(store: ObjectStore, inputs: FrameInputs): Work<IntentFrame> {
    const { settings, problems, me, advertising } = inputs
    const { nodes } = this.#nodes
    const ranges = yield* this.#planRanges(store, settings)
    const held = heldExport(store)
    const plan = yield* this.#planPeers(store, inputs, this.#policiesOf(store, inputs, ranges, held))
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
    const ofHolds = [held.originated, held.all, ...held.unplaced, leave]
    const ofFrame = [settings, problems, podProblems, me, nodes, inputs.interfaces, ...ofHolds, ...ofPlans]
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
        ...heldExportProblems(held),
        ...podProblems,
        ...advertising.problems,
        ...interfaceProblems(advertising.all, inputs.interfaces),
        ...nodeProblems(me, (address) => this.#nodes.at(address)),
        ...plan.problems,
        ...overlapProblems(ranges.pools),
        ...nodeRoutes.problems,
        ...rangeProblems,
      ],
    }))
  }

  *#planRanges(store: ObjectStore, settings: Settings): Work<RangesPlan> {
    const { serviceCidrs, loadBalancerAggregation } = settings
    const { pools: known, podRanges, coveringLengths: lengths, ranges } = this.#cluster
    const pools = known.ask('', [store, store.revisionOf('IPPool')], this.#meter, FEW_COST, () =>
      placed(store.table('IPPool').values()),
    )
    const podIndex = this.#nodes.podCidrs
    const podCidrs = yield* podRanges.askLong('', [podIndex.revision], () => joinSorted(podIndex.values()))
    const asked = [store, store.revisionOf('BGPAdvertisement')]
    const covering = lengths.ask('', asked, this.#meter, FEW_COST, () => coveringLengths(store))
    const all = yield* ranges.askLong('', [pools, podCidrs, serviceCidrs, loadBalancerAggregation, covering], () =>
      clusterRanges(pools, podCidrs, settings, covering),
    )
    return { pools, podCidrs, all }
  }

  #policiesOf(
    store: ObjectStore,
    { advertising, settings }: FrameInputs,
    { pools, all }: RangesPlan,
    held: HeldExport,
  ): NodePolicies {
    const { originated, all: whole, unplaced } = held
    // Of the settings only service ranges count, and only beside a pool that closes an unknown range.
    const services = unplaced.length === 0 ? undefined : settings
    const restsOn = [
      store,
      all,
      pools,
      advertising,
      services,
      store.revisionOf('BGPFilter'),
      originated,
      whole,
      ...unplaced,
    ]
    return this.#answers.policies.ask('', restsOn, this.#meter, FEW_COST, () => {
      const around = services === undefined ? [] : serviceRanges(services, pools)
      const closed = [...unexportedRules(pools), ...unplacedRules(unplaced, pools, around)]
      const sources = { store, ranges: all, closed, advertising: advertising.all, held }
      this.#policies = new NodePolicies(sources, this.#policies)
      return this.#policies
    })
  }

  *#planPeers(store: ObjectStore, { settings, me }: FrameInputs, policies: NodePolicies): Work<PeerPlan> {
    const answers = this.#answers
    const { nodes } = this.#nodes
    const objects = this.#cluster.peerObjects.ask(
      '',
      [store, store.revisionOf('BGPPeer')],
      this.#meter,
      FEW_COST,
      // By name: which one is named to a person must not depend on the order in which they came.
      () => [...store.table('BGPPeer').values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    )
    const secretsRevision = store.revisionOf('Secret')
    const restsOn = [store, me, nodes, objects, settings, policies, secretsRevision]
    const nodesAt = (address: Address) => this.#nodes.at(address)
    const group = () => groupAlike(nodes, nodesAt, objects)
    const alike = this.#options.asPreview
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
        namespace: this.#options.namespace,
      }),
    )
    this.#groups = plan.groups
    return plan
  }

  *#planKernel({ settings, source, me }: FrameInputs, { pools, podCidrs }: RangesPlan): Work<KernelPlan> {
    const answers = this.#answers
    const { nodes, hosts, podCidrs: podIndex } = this.#nodes
    const cost = nodes.size * LOOK_COST
    const nodeRoutes = yield* answers.nodeRoutes.askLong('', [me, nodes, pools, settings, source], () =>
      this.#planNodeRoutes(me, nodes, pools, settings, source),
    )
    if (this.#options.asPreview) return { nodeRoutes, dataplane: undefined }
    const ownPods = yield* answers.ownPods.askLong('', [me, podIndex.revision], () => planOwnPods(me, podIndex))
    const restsOn = [pools, me, nodes, podCidrs, ownPods, hosts.revision, settings, nodeRoutes]
    const dataplane = answers.dataplane.ask('', restsOn, this.#meter, cost, () =>
      planDataplane(pools, { me, nodes, podCidrs, ownPods, hosts: hosts.values() }, settings, nodeRoutes.intent),
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

  /** Also planned where Felix writes the routes: a route that Felix has not written is then reported. */
  *#planNodeRoutes(
    me: ClusterNode,
    nodes: ClusterNodes,
    pools: readonly PoolObject[],
    settings: Settings,
    source: PodCidrSource,
  ): Work<NodeRoutesPlan> {
    const problems = programProblems(settings, this.#options.calico)
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

  /** Whether this source can be read: Calico's IPAM only in Calico's API groups. */
  #readsPods(source: PodCidrSource): boolean {
    return source !== 'CalicoIPAM' || this.#options.calico
  }
}

const revisions = (store: ObjectStore, ...kinds: readonly Kind[]): number[] =>
  kinds.map((kind) => store.revisionOf(kind))

const secretsOf = (peers: Iterable<PeerIntent>): string[] =>
  [...new Set([...peers].flatMap(({ signing }) => keysOf(signing).map(({ secret }) => secret)))].sort()

/** Why this node leaves: it has the taint that `leaveOnTaint` names. A cordon alone is no reason. */
function whyLeave(node: NodeObject | undefined, { leaveOnTaint }: Settings): string | undefined {
  if (leaveOnTaint === undefined || node?.taints.includes(leaveOnTaint) !== true) return undefined
  return `Node/${node.name} has the taint ${leaveOnTaint}`
}
