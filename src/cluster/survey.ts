/**
 * Follows the nodes of the cluster. A change of a Node costs that one node, and causes no further work if the fields that
 * BGP uses have not changed. Only labels that a selector names count.
 */
import type { Address } from '../base/address.ts'
import { FAMILIES } from '../base/family.ts'
import { hostPrefix, type Prefix } from '../base/prefix.ts'
import type { RouterId } from '../base/units.ts'
import { CostMeter, type Work } from '../base/work.ts'
import { Answers, sameDependencies } from './answers.ts'
import { heldByConfiguration } from './held.ts'
import { assignRouterIds, BGP_PORT, type ClusterNode, type ClusterNodes, DEFAULT_AS, idOfAddress } from './node.ts'
import type { ConfigurationObject, HeldParts, NodeObject } from './objects.ts'
import { Owners } from './owners.ts'
import { NODE_CONFIGURATION } from './parse/configuration.ts'
import type { PodSources } from './pods.ts'
import { PrefixIndex } from './prefix-index.ts'
import type { ObjectStore } from './store.ts'

/** What the view of every node depends on besides its Node. */
interface Ground {
  readonly restsOn: readonly unknown[]
  readonly defaults: ConfigurationObject | undefined
  readonly cluster: HeldParts
  /** Some node may have a BGPConfiguration of its own. */
  readonly hasOwn: boolean
  /** Labels and annotations that some object reads. */
  readonly named: ReadonlySet<string>
}

/** Approximate costs in microseconds: to read a node again, and to insert it. */
const NODE_COST = 4
const PLACE_COST = 0.2

export class NodeSurvey {
  readonly #rows = new Answers<ClusterNode>()
  readonly #pods: PodSources
  #ground: Ground | undefined
  readonly #withoutIpv4 = new Set<string>()
  /** Router IDs of the nodes without IPv4 address. */
  #hashed: ReadonlyMap<string, RouterId> = new Map()
  readonly #byAddress = new Owners()
  /** Sorted by name. A new map whenever a node changes. */
  nodes: ClusterNodes = new Map()
  readonly podCidrs = new PrefixIndex()
  /** All addresses of nodes as /32 and /128. */
  readonly hosts = new PrefixIndex()
  /** Nodes looked at since the start: tests count the work of a change by it. */
  read = 0

  constructor(pods: PodSources) {
    this.#pods = pods
  }

  /**
   * `touched`: names of Nodes that may have changed; undefined: all. `named`: labels and annotations that some object reads.
   */
  *follow(store: ObjectStore, touched: readonly string[] | undefined, named: readonly string[]): Work {
    const before = this.#ground
    const ground = this.#groundOf(store, named)
    this.#ground = ground
    const isFew = ground === before && touched !== undefined
    const candidates = new Set(isFew ? touched : [...store.table('Node').keys(), ...this.nodes.keys()])
    const hasNewIds = yield* this.#assignIds(store, candidates)
    const names = hasNewIds ? new Set([...candidates, ...this.#withoutIpv4]) : candidates
    const changed = new Map<string, ClusterNode | undefined>()
    const meter = new CostMeter()
    for (const name of names) {
      this.read++
      const node = store.get('Node', name)
      const row = node && this.#rowOf(store, node, ground, meter)
      if (row !== this.nodes.get(name)) changed.set(name, row)
      if (meter.isDue) yield meter.take()
    }
    if (changed.size > 0) yield* this.#change(changed)
  }

  /** The nodes with this address, sorted by name. */
  at(address: Address): readonly ClusterNode[] {
    return [...this.#byAddress.of(address)].sort().flatMap((name) => this.nodes.get(name) ?? [])
  }

  #groundOf(store: ObjectStore, named: readonly string[]): Ground {
    const restsOn = [store, store.revisionOf('BGPConfiguration'), named, this.#pods.source]
    if (this.#ground !== undefined && sameDependencies(this.#ground.restsOn, restsOn)) return this.#ground
    return {
      restsOn,
      defaults: store.get('BGPConfiguration', 'default'),
      cluster: heldByConfiguration(store, 'default'),
      hasOwn: store.mayHaveSome('BGPConfiguration'),
      named: new Set(named),
    }
  }

  #rowOf(
    store: ObjectStore,
    node: NodeObject,
    { defaults, cluster, hasOwn, named }: Ground,
    meter: CostMeter,
  ): ClusterNode {
    // Few nodes have a BGPConfiguration of their own: the lookup is skipped if none has.
    const name = NODE_CONFIGURATION + node.name
    const own = hasOwn ? store.get('BGPConfiguration', name) : undefined
    const ownHeld = hasOwn ? heldByConfiguration(store, name).port : undefined
    const podCidrs = this.#pods.of(node)
    const routerId = idOfAddress(node.addresses) ?? this.#hashed.get(node.name) ?? 1
    const heldPort = ownHeld ?? (own?.listenPort === undefined ? cluster.port : undefined)
    const asNumber = node.asNumber ?? defaults?.asNumber ?? DEFAULT_AS
    const listenPort = own?.listenPort ?? defaults?.listenPort ?? BGP_PORT
    const held = node.held ?? (node.asNumber === undefined ? cluster.asNumber : undefined) ?? heldPort ?? cluster.bind
    const restsOn = [node, named, podCidrs, routerId, asNumber, listenPort, held]
    return this.#rows.ask(node.name, restsOn, meter, NODE_COST, () => ({
      name: node.name,
      labels: namedOf(node.labels, named),
      annotations: namedOf(node.annotations, named),
      podCidrs,
      asNumber,
      routerId,
      addresses: node.addresses,
      annotated: node.annotated,
      hosts: node.hosts,
      listenPort,
      clusterId: node.clusterId,
      held,
    }))
  }

  /** Assigns router IDs to nodes without IPv4 address, from those that are free. Returns whether they were assigned again. */
  *#assignIds(store: ObjectStore, names: ReadonlySet<string>): Work<boolean> {
    let isTouched = false
    const meter = new CostMeter()
    for (const name of names) {
      const [before, now] = [this.nodes.get(name), store.get('Node', name)]
      if (now !== undefined && now.addresses.ipv4 === undefined) this.#withoutIpv4.add(name)
      else this.#withoutIpv4.delete(name)
      const isSame = (before === undefined) === (now === undefined)
      isTouched ||= !isSame || before?.addresses.ipv4 !== now?.addresses.ipv4
      meter.add(PLACE_COST)
      if (meter.isDue) yield meter.take()
    }
    if (!isTouched || (this.#withoutIpv4.size === 0 && this.#hashed.size === 0)) return false
    const objects = [...store.table('Node').values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    const ids = yield* assignRouterIds(objects)
    this.#hashed = new Map([...ids].filter(([name]) => this.#withoutIpv4.has(name)))
    return true
  }

  *#change(changed: ReadonlyMap<string, ClusterNode | undefined>): Work {
    let keepsOrder = true
    for (const [name, row] of changed) {
      const before = this.nodes.get(name)
      if (before === undefined || row === undefined) keepsOrder = false
      if (before?.podCidrs !== row?.podCidrs) yield* reindex(this.podCidrs, name, before?.podCidrs, row?.podCidrs)
      if (before?.hosts !== row?.hosts) yield* reindex(this.hosts, name, hostsOf(before), hostsOf(row))
      if (before?.addresses !== row?.addresses) this.#readdress(name, before, row)
      yield NODE_COST
    }
    const rows = new Map(this.nodes)
    for (const [name, row] of changed) {
      if (row === undefined) rows.delete(name)
      else rows.set(name, row)
    }
    yield rows.size * PLACE_COST
    this.nodes = keepsOrder ? rows : new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)))
    yield* this.#rows.forgetAllBut(this.nodes)
  }

  #readdress(name: string, before: ClusterNode | undefined, after: ClusterNode | undefined): void {
    for (const address of addressesOf(before)) this.#byAddress.remove(address, name)
    for (const address of addressesOf(after)) this.#byAddress.add(address, name)
  }
}

const namedOf = (values: NodeObject['labels'], named: ReadonlySet<string>): NodeObject['labels'] =>
  Object.fromEntries(Object.entries(values).filter(([key]) => named.has(key)))

const addressesOf = (node: ClusterNode | undefined): Address[] =>
  FAMILIES.flatMap((family) => node?.addresses[family] ?? [])

const hostsOf = (node: ClusterNode | undefined): Prefix[] =>
  node?.hosts.flatMap((address) => hostPrefix(address) ?? []) ?? []

/** Only what differs: a node of Calico's IPAM may have hundreds of blocks and addresses, of which one comes or goes. */
function* reindex(
  index: PrefixIndex,
  owner: string,
  before: readonly Prefix[] = [],
  after: readonly Prefix[] = [],
): Work {
  const meter = new CostMeter()
  const [was, is] = [new Set(before.map(textOf)), new Set(after.map(textOf))]
  for (const prefix of before) {
    if (!is.has(prefix.text)) index.remove(prefix, owner)
    meter.add(is.has(prefix.text) ? PLACE_COST : index.changeCost)
    if (meter.isDue) yield meter.take()
  }
  for (const prefix of after) {
    if (!was.has(prefix.text)) index.add(prefix, owner)
    meter.add(was.has(prefix.text) ? PLACE_COST : index.changeCost)
    if (meter.isDue) yield meter.take()
  }
}

const textOf = ({ text }: Prefix): string => text
