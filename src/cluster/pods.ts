/**
 * Finds the prefixes of the pods of each node, from the one source that `podCIDRSource` names. Only that node advertises
 * them.
 */
import type { Prefix } from '../base/prefix.ts'
import { sorted } from '../base/sort.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { Touched } from './change-log.ts'
import { heldByConfiguration } from './held.ts'
import type { ClusterNode } from './node.ts'
import type { NodeObject } from './objects.ts'
import { NODE_CONFIGURATION, type POD_CIDR_SOURCES } from './parse/configuration.ts'
import type { Kind } from './source.ts'
import type { ObjectStore } from './store.ts'

export type PodCidrSource = (typeof POD_CIDR_SOURCES)[number]

const IPAM: ReadonlySet<Kind> = new Set<Kind>(['BlockAffinity', 'IPAMBlock'])
const NONE: readonly Prefix[] = []
/** Approximate costs in microseconds: to look at one block, or at one node of it, and at one of its prefixes. */
const BLOCK_COST = 2
const PREFIX_COST = 0.2

/** The pod prefixes of each node. Those of Calico's IPAM are kept by node, so that a change of a block costs one node. */
export class PodSources {
  source: PodCidrSource = 'Node'
  #store: ObjectStore | undefined
  /** By block and affinity: the prefixes that it gives to each node. */
  readonly #parts = new Map<string, ReadonlyMap<string, readonly Prefix[]>>()
  readonly #byNode = new Map<string, Map<string, readonly Prefix[]>>()
  readonly #lists = new Map<string, readonly Prefix[]>()

  /** Nodes of which something is kept: tests count them. */
  get kept(): number {
    return Math.max(this.#lists.size, this.#byNode.size)
  }

  of(node: NodeObject): readonly Prefix[] {
    const { name } = node
    if (this.source === 'Node') return node.podCidrs
    if (this.source === 'Static')
      return this.#store?.get('BGPConfiguration', NODE_CONFIGURATION + name)?.podCidrs ?? NONE
    // Nothing is kept for a node without blocks: no block would remove it again.
    return this.#lists.get(name) ?? NONE
  }

  /**
   * `touched`: undefined if anything may have changed. Returns the nodes whose pod prefixes may have changed without a
   * change of their Node.
   */
  *follow(source: PodCidrSource, store: ObjectStore, touched: readonly Touched[] | undefined): Work<readonly string[]> {
    const isNew = source !== this.source || store !== this.#store
    this.source = source
    this.#store = store
    if (source !== 'CalicoIPAM') return []
    const parts = isNew || touched === undefined ? this.#allParts(store) : touched.filter(({ kind }) => IPAM.has(kind))
    const nodes = new Set<string>()
    for (const { kind, key } of parts) {
      const named = this.#setPart(`${kind}/${key}`, readPart(store, kind, key))
      for (const node of named) nodes.add(node)
      yield BLOCK_COST * (1 + named.size)
    }
    for (const node of nodes) yield* this.#list(node)
    return [...nodes]
  }

  /** Makes the list of a node again. A node may have borrowed thousands of addresses. */
  *#list(node: string): Work {
    const parts = this.#byNode.get(node)
    if (parts === undefined) {
      this.#lists.delete(node)
      return
    }
    const unique = new Map<string, Prefix>()
    const meter = new CostMeter()
    for (const prefixes of parts.values()) {
      for (const prefix of prefixes) unique.set(prefix.text, prefix)
      meter.add(BLOCK_COST + prefixes.length * PREFIX_COST)
      if (meter.isDue) yield meter.take()
    }
    this.#lists.set(node, yield* sorted([...unique.values()], (a, b) => (a.text < b.text ? -1 : 1)))
    yield BLOCK_COST
  }

  #allParts(store: ObjectStore): Touched[] {
    const there = [...IPAM].flatMap((kind) => [...store.table(kind).keys()].map((key) => ({ kind, key })))
    const known = [...this.#parts.keys()].map((part) => {
      const slash = part.indexOf('/')
      return { kind: part.slice(0, slash) as Kind, key: part.slice(slash + 1) }
    })
    return [...there, ...known]
  }

  /** Replaces what a block or affinity says. Returns the nodes that it names, or named before. */
  #setPart(part: string, said: ReadonlyMap<string, readonly Prefix[]>): ReadonlySet<string> {
    const nodes = new Set([...(this.#parts.get(part)?.keys() ?? []), ...said.keys()])
    for (const node of nodes) {
      const parts = this.#byNode.get(node) ?? new Map<string, readonly Prefix[]>()
      const prefixes = said.get(node)
      if (prefixes === undefined) parts.delete(part)
      else parts.set(part, prefixes)
      if (parts.size === 0) this.#byNode.delete(node)
      else this.#byNode.set(node, parts)
    }
    if (said.size === 0) this.#parts.delete(part)
    else this.#parts.set(part, said)
    return nodes
  }
}

/** A confirmed affinity gives its block to the owner; a block gives borrowed addresses to the nodes that use them. */
function readPart(store: ObjectStore, kind: Kind, key: string): ReadonlyMap<string, readonly Prefix[]> {
  if (kind === 'IPAMBlock') return store.get('IPAMBlock', key)?.borrowed ?? new Map()
  const affinity = store.get('BlockAffinity', key)
  return affinity?.node === undefined ? new Map() : new Map([[affinity.node, [affinity.prefix]]])
}

/**
 * From which prefixes the CNI plugins that we configure give pods of this node their addresses: those that are advertised for
 * them. Calico's IPAM gives out its blocks itself. Undefined: it cannot be known now.
 */
export function podsToAssign(store: ObjectStore, name: string): readonly Prefix[] | undefined {
  const [cluster, own] = ['default', NODE_CONFIGURATION + name] as const
  const node = store.get('Node', name)
  if (node === undefined || heldByConfiguration(store, cluster).pods !== undefined) return undefined
  if (store.get('BGPConfiguration', cluster)?.podCidrSource !== 'Static') return node.podCidrs
  if (heldByConfiguration(store, own).pods !== undefined) return undefined
  return store.get('BGPConfiguration', own)?.podCidrs ?? NONE
}

/** Why a node has no pod CIDRs. A new node gets them later: this is no error. */
export function whyNoPods({ name, podCidrs }: ClusterNode, source: PodCidrSource): string | undefined {
  if (podCidrs.length > 0) return undefined
  if (source === 'CalicoIPAM') return 'it has no confirmed block of Calico IPAM yet'
  return source === 'Static' ? `BGPConfiguration/node.${name} lists no podCIDRs` : 'it has no podCIDRs'
}
