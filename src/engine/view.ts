/** The engine as `show` commands see it: reads from the parts of the engine, and offers the few actions of commands. */
import { FAMILIES, type Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Millis } from '../base/units.ts'
import type { Policy } from '../bgp/policy/rule.ts'
import type { Rib } from '../bgp/rib/rib.ts'
import type { FamilyCounts, RouteCount, RouteCursor, RoutePage, RouteQuery } from '../bgp/rib/types.ts'
import type { IntentBuilder } from '../cluster/build-intent.ts'
import type { Intent, PodOwner, Problem, RouteIntent } from '../cluster/intent.ts'
import type { PoolObject } from '../cluster/pool.ts'
import { makeProblem } from '../cluster/problem.ts'
import type { LinkTable } from '../dataplane/links.ts'
import type {
  Action,
  ActionRun,
  BfdSummary,
  CallersView,
  ChannelView,
  DiscoveryView,
  FilterView,
  InterfaceView,
  KernelWay,
  LeavingView,
  MemoryView,
  NatView,
  NeighborView,
  NodeRouteGaps,
  ProtocolView,
  RangeView,
  StatusView,
  View,
} from '../show/view.ts'
import type { BfdStates } from './bfd.ts'
import { heldFamilies } from './held-families.ts'
import type { Kernel } from './kernel.ts'
import type { Listening } from './listening.ts'
import { heldFamily, type Neighbor, type Neighbors, policyOf, whyDrained } from './neighbors.ts'
import type { Objects } from './objects.ts'
import type { RefusedCallers } from './refused-callers.ts'

/** For a neighbor without a session, which the RIB does not know. */
const NO_COUNTS: FamilyCounts = {
  received: 0,
  accepted: 0,
  preferred: 0,
  advertised: 0,
  memory: { octets: 0, limit: 0, refuses: false },
  importUpdates: { received: 0, rejected: 0, filtered: 0, ignored: 0, accepted: 0 },
  importWithdraws: { received: 0, rejected: 0, ignored: 0, accepted: 0 },
  exportUpdates: { received: 0, rejected: 0, filtered: 0, accepted: 0 },
  exportWithdraws: { received: 0, accepted: 0 },
  endOfRibReceived: false,
  endOfRibSent: false,
}

/** What the view reads of the engine itself. */
export interface EngineFacts {
  readonly version: string
  readonly hostName: string
  readonly node: string
  readonly sourceKind: 'kubernetes' | 'manifests'
  epoch: number
  readonly startedAt: Millis
  now: Millis
  configuredAt: Millis
  synced: boolean
  /** Errors of the source of objects, as long as there is no intent. */
  sourceProblems: readonly Problem[]
  stopping: boolean
  intent: Intent | undefined
  /** Addresses that flap, and why they are suppressed. */
  readonly damped: ReadonlyMap<string, string>
  /** Problems with the kernel. */
  kernelProblems: readonly Problem[]
  /** Why links and addresses cannot be read, where nothing else is read from the kernel. */
  linksError: string | undefined
  readonly listening: Listening
  readonly refusedCallers: RefusedCallers
}

/** Actions on the node as a whole. */
export interface NodeActions {
  readonly stop: (reason: string, how: 'leave' | 'restart') => void
  readonly leave: (reason: string) => boolean
  readonly stay: () => boolean
  readonly leaving: () => LeavingView
}

/** What commands may do. */
export interface CommandActions {
  readonly act: (action: Action) => ActionRun
  readonly node: NodeActions
}

/** The parts of the engine that a view reads. */
export interface ViewedParts {
  readonly facts: EngineFacts
  readonly neighbors: Neighbors
  readonly rib: Rib
  readonly links: LinkTable
  readonly objects: Objects
  readonly intents: Pick<IntentBuilder, 'podOwner'>
  /** Undefined with `--dataplane none`. */
  readonly kernel: Kernel | undefined
  readonly bfd: BfdStates
}

export class EngineView implements View {
  readonly #facts: EngineFacts
  readonly #neighbors: Neighbors
  readonly #rib: Rib
  readonly #links: LinkTable
  readonly #objects: Objects
  readonly #intents: ViewedParts['intents']
  readonly #kernel: Kernel | undefined
  readonly #bfd: BfdStates
  readonly #act: (action: Action) => ActionRun
  readonly #node: NodeActions

  constructor(parts: ViewedParts, actions: CommandActions) {
    this.#facts = parts.facts
    this.#neighbors = parts.neighbors
    this.#rib = parts.rib
    this.#links = parts.links
    this.#objects = parts.objects
    this.#intents = parts.intents
    this.#kernel = parts.kernel
    this.#bfd = parts.bfd
    this.#act = actions.act
    this.#node = actions.node
  }

  get now(): Millis {
    return this.#facts.now
  }

  get epoch(): number {
    return this.#facts.epoch
  }

  status(): StatusView {
    const { version, hostName, node, intent, startedAt, configuredAt, sourceKind, synced, stopping } = this.#facts
    return {
      version,
      hostName,
      node,
      asNumber: intent?.node?.asNumber,
      routerId: intent?.node?.routerId,
      startedAt,
      configuredAt,
      source: { kind: sourceKind, synced },
      stopping,
    }
  }

  *neighbors(): Iterable<NeighborView> {
    for (const neighbor of this.#neighbors.all()) yield briefly(neighbor)
  }

  *eachProtocol(isMeant?: (neighbor: NeighborView) => boolean): Iterable<ProtocolView> {
    for (const neighbor of this.#neighbors.all())
      if (isMeant?.(briefly(neighbor)) !== false) yield this.#protocol(neighbor)
  }

  #protocol(neighbor: Neighbor): ProtocolView {
    const { intent, peer, disabled } = neighbor
    const bfd = this.#bfd.of(neighbor)
    const families: Partial<Record<Family, ChannelView>> = {}
    for (const family of FAMILIES) {
      if (intent.families.includes(family)) families[family] = this.#channel(neighbor, family)
    }
    return {
      name: neighbor.name,
      kind: intent.kind,
      object: intent.object,
      peer: peer.snapshot(this.#facts.now),
      disabled: disabled !== undefined,
      drained: whyDrained(neighbor),
      held: intent.held,
      ...(intent.range !== undefined && { range: intent.range.prefix.text }),
      ...(intent.interface !== undefined && { discovery: this.#discovery(intent.interface) }),
      ...(intent.gateway !== undefined && { gateway: intent.gateway }),
      ...(bfd !== undefined && { bfd }),
      families,
    }
  }

  #discovery(name: string): DiscoveryView {
    const link = this.#objects.found.unnumbered.link(name)
    return { interface: name, router: link?.router, others: link?.others ?? [] }
  }

  /** The RIB knows it: its session is up, or its routes are kept. */
  #hasRoutes({ peer }: Neighbor): boolean {
    return peer.session !== undefined || peer.hasStaleRoutes
  }

  #channel(neighbor: Neighbor, family: Family): ChannelView {
    return {
      counts: this.#hasRoutes(neighbor) ? this.#rib.counts(neighbor.name, family) : NO_COUNTS,
      nextHop: neighbor.nextHops?.text[family],
      held: heldFamily(neighbor, family),
      carriedBy: neighbor.peer.session && neighbor.leftFamilies[family]?.to,
      importPolicy: policyOf(neighbor, 'import').name,
      exportPolicy: policyOf(neighbor, 'export').name,
    }
  }

  callers(): CallersView {
    return this.#facts.refusedCallers.view()
  }

  ranges(): readonly RangeView[] {
    return this.#objects.ranges()
  }

  routes(query: RouteQuery, from: RouteCursor | undefined, limit: number): RoutePage {
    return this.#kernel?.nodeRoutes.page(this.#rib, query, from, limit) ?? this.#rib.page(query, from, limit)
  }

  count(query: RouteQuery, from: RouteCursor | undefined): RouteCount {
    return this.#kernel?.nodeRoutes.count(this.#rib, query, from) ?? this.#rib.count(query, from)
  }

  services(): readonly RouteIntent[] {
    return [...(this.#facts.intent?.routes.values() ?? [])]
  }

  problems(): readonly Problem[] {
    const { intent, sourceProblems, kernelProblems, linksError, listening } = this.#facts
    const ofObjects = intent?.problems ?? sourceProblems
    const unread =
      linksError === undefined ? [] : [makeProblem({ code: 'links-unread', object: 'kernel links', says: linksError })]
    const held = heldFamilies(this.#neighbors.all())
    const others = [...kernelProblems, ...unread, ...held, ...listening.problems(), ...this.#bfd.problems()]
    return others.length === 0 ? ofObjects : [...ofObjects, ...others]
  }

  refusals(): ReadonlyMap<string, string> {
    const refusals = this.#facts.intent?.refusals ?? new Map<string, string>()
    return this.#facts.damped.size === 0 ? refusals : new Map([...refusals, ...this.#facts.damped])
  }

  filters(): readonly FilterView[] {
    return [...this.#filtersOf('import'), ...this.#filtersOf('export')]
  }

  #filtersOf(direction: FilterView['direction']): FilterView[] {
    const users = new Map<Policy, string[]>()
    for (const neighbor of this.#neighbors.all()) {
      const policy = policyOf(neighbor, direction)
      const names = users.get(policy)
      if (names === undefined) users.set(policy, [neighbor.name])
      else names.push(neighbor.name)
    }
    return [...users].map(([policy, neighbors]) => ({
      policy,
      direction,
      hits: this.#rib.hits(policy) ?? [],
      neighbors,
    }))
  }

  interfaces(): readonly InterfaceView[] {
    return this.#links.all().map(({ name, up, index, mtu, flags, addresses }) => ({
      name,
      up,
      addresses: addresses.map(({ address, length }) => `${address}/${length}`),
      link: { index, mtu, flags },
    }))
  }

  memory(): readonly MemoryView[] {
    return this.#rib.memory()
  }

  bfd(): BfdSummary | undefined {
    return this.#bfd.summary()
  }

  nat(): NatView | undefined {
    return this.#kernel?.nft.view()
  }

  kernelWay(prefix: Prefix): KernelWay | undefined {
    return this.#kernel?.wayTo(prefix)
  }

  nodeRoutes(): ReturnType<View['nodeRoutes']> {
    return this.#kernel?.nodeRoutes.counts()
  }

  nodeRouteGaps(): NodeRouteGaps | undefined {
    const gaps = this.#kernel?.nodeRoutes.gaps()
    const podless = this.#facts.intent?.dataplane?.nodeRoutes.podless
    return gaps && podless && { ...gaps, podless }
  }

  pools(): readonly PoolObject[] {
    return this.#facts.intent?.dataplane?.pools ?? []
  }

  podOwner(prefix: Prefix): PodOwner | undefined {
    return this.#intents.podOwner(prefix)
  }

  stop(reason: string, how: 'leave' | 'restart'): void {
    this.#node.stop(reason, how)
  }

  leave(reason: string): boolean {
    return this.#node.leave(reason)
  }

  stay(): boolean {
    return this.#node.stay()
  }

  leaving(): LeavingView {
    return this.#node.leaving()
  }

  act(action: Action): ActionRun {
    return this.#act(action)
  }
}

const briefly = ({ name, intent, peer, disabled }: Neighbor): NeighborView => ({
  name,
  address: intent.address,
  object: intent.object,
  isEstablished: peer.state === 'Established',
  disabled: disabled !== undefined,
  families: peer.session?.families ?? [],
})
