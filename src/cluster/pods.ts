/**
 * Finds the prefixes of the pods of each node, from the one source that `podCIDRSource` names. Only that node advertises
 * them.
 */
import type { Prefix } from '../base/prefix.ts'
import type { Work } from '../base/work.ts'
import type { Naming } from './aggregation.ts'
import type { Touched } from './change-log.ts'
import { heldByConfiguration } from './held.ts'
import type { ClusterNode } from './node.ts'
import type { NodeObject } from './objects.ts'
import { NODE_CONFIGURATION, type POD_CIDR_SOURCES } from './parse/configuration.ts'
import type { Claim } from './route-book.ts'
import type { Kind } from './source.ts'
import type { ObjectStore } from './store.ts'

export type PodCidrSource = (typeof POD_CIDR_SOURCES)[number]

const IPAM: ReadonlySet<Kind> = new Set<Kind>(['BlockAffinity', 'IPAMBlock'])
const NONE: readonly Prefix[] = []
/** Approximate cost of looking at one block, in microseconds. */
const BLOCK_COST = 2

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
    const known = this.#lists.get(name)
    if (known !== undefined) return known
    const parts = this.#byNode.get(name)
    // Nothing is kept for a node without blocks: no block would remove it again.
    if (parts === undefined) return NONE
    const list = sorted([...parts.values()].flat())
    this.#lists.set(name, list)
    return list
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
      for (const node of this.#setPart(`${kind}/${key}`, readPart(store, kind, key))) nodes.add(node)
      yield BLOCK_COST
    }
    return [...nodes]
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
  #setPart(part: string, said: ReadonlyMap<string, readonly Prefix[]>): Iterable<string> {
    const nodes = new Set([...(this.#parts.get(part)?.keys() ?? []), ...said.keys()])
    for (const node of nodes) {
      const parts = this.#byNode.get(node) ?? new Map<string, readonly Prefix[]>()
      const prefixes = said.get(node)
      if (prefixes === undefined) parts.delete(part)
      else parts.set(part, prefixes)
      if (parts.size === 0) this.#byNode.delete(node)
      else this.#byNode.set(node, parts)
      this.#lists.delete(node)
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

const sorted = (prefixes: readonly Prefix[]): Prefix[] =>
  [...new Map(prefixes.map((prefix) => [prefix.text, prefix])).values()].sort((a, b) => (a.text < b.text ? -1 : 1))

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

/** Claims of the pod prefixes of this node. `held`: why none may be advertised. `naming`: names and covers of a prefix. */
export const podClaims = (
  { podCidrs }: ClusterNode,
  held: string | undefined,
  naming: (prefix: Prefix) => Naming,
): Claim[] => podCidrs.map((prefix) => ({ prefix, origin: 'pod-cidr', refused: held, ...naming(prefix) }))

/** Why a node has no pod CIDRs. A new node gets them later: this is no error. */
export function whyNoPods({ name, podCidrs }: ClusterNode, source: PodCidrSource): string | undefined {
  if (podCidrs.length > 0) return undefined
  if (source === 'CalicoIPAM') return 'it has no confirmed block of Calico IPAM yet'
  return source === 'Static' ? `BGPConfiguration/node.${name} lists no podCIDRs` : 'it has no podCIDRs'
}
