/**
 * Which prefixes hold the pods of a node: by one source, and never by another unasked (`podCIDRSource`). They are
 * advertised from that node only.
 */
import type { Prefix } from '../base/prefix.ts'
import type { Work } from '../base/work.ts'
import type { Naming } from './aggregation.ts'
import type { ClusterNode } from './node.ts'
import type { NodeObject } from './objects.ts'
import { NODE_CONFIGURATION, type POD_CIDR_SOURCES } from './parse/configuration.ts'
import type { Claim } from './route-book.ts'
import type { Kind } from './source.ts'
import type { ObjectStore, Touched } from './store.ts'

export type PodCidrSource = (typeof POD_CIDR_SOURCES)[number]

const IPAM: ReadonlySet<Kind> = new Set<Kind>(['BlockAffinity', 'IPAMBlock'])
const NONE: readonly Prefix[] = []
/** About what it takes to look at one block, in microseconds. */
const BLOCK_COST = 2

/** Where the pods of each node are. Of Calico's IPAM it is kept by node, so that a block that changes costs that one. */
export class PodSources {
  source: PodCidrSource = 'Node'
  #store: ObjectStore | undefined
  /** What each block and affinity says, by node. */
  readonly #parts = new Map<string, ReadonlyMap<string, readonly Prefix[]>>()
  readonly #byNode = new Map<string, Map<string, readonly Prefix[]>>()
  readonly #lists = new Map<string, readonly Prefix[]>()

  of(node: NodeObject): readonly Prefix[] {
    const { name } = node
    if (this.source === 'Node') return node.podCidrs
    if (this.source === 'Static')
      return this.#store?.get('BGPConfiguration', NODE_CONFIGURATION + name)?.podCidrs ?? NONE
    const known = this.#lists.get(name)
    if (known !== undefined) return known
    const list = sorted([...(this.#byNode.get(name)?.values() ?? [])].flat())
    this.#lists.set(name, list)
    return list
  }

  /** `touched`: undefined where anything may be another. Gives the nodes whose pods may be elsewhere, besides those of Nodes. */
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

  /** The nodes that it says something of, or did. */
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

/** Of a block that is confirmed, its owner; of single addresses, who has them from another node's block. */
function readPart(store: ObjectStore, kind: Kind, key: string): ReadonlyMap<string, readonly Prefix[]> {
  if (kind === 'IPAMBlock') return store.get('IPAMBlock', key)?.borrowed ?? new Map()
  const affinity = store.get('BlockAffinity', key)
  return affinity?.node === undefined ? new Map() : new Map([[affinity.node, [affinity.prefix]]])
}

const sorted = (prefixes: readonly Prefix[]): Prefix[] =>
  [...new Map(prefixes.map((prefix) => [prefix.text, prefix])).values()].sort((a, b) => (a.text < b.text ? -1 : 1))

/** `held`: why none of them may be advertised. `naming`: the BGPAdvertisements that name one. */
export const podClaims = (
  { podCidrs }: ClusterNode,
  held: string | undefined,
  naming: (prefix: Prefix) => Naming,
): Claim[] => podCidrs.map((prefix) => ({ prefix, origin: 'pod-cidr', refused: held, ...naming(prefix) }))

/** A node that is new waits for its pod CIDRs; nothing is wrong with it. */
export function whyNoPods({ name, podCidrs }: ClusterNode, source: PodCidrSource): string | undefined {
  if (podCidrs.length > 0) return undefined
  if (source === 'CalicoIPAM') return 'it has no confirmed block of Calico IPAM yet'
  return source === 'Static' ? `BGPConfiguration/node.${name} lists no podCIDRs` : 'it has no podCIDRs'
}
