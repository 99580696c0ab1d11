/**
 * What a cluster is, whichever node looks at it: its nodes, where their pods are, and the ranges that belong to it. Builders
 * for several nodes of one store share it.
 */
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import { CostMeter, type Work } from '../base/work.ts'
import type { PrefixMatch } from '../bgp/policy/rule.ts'
import { Answers } from './answers.ts'
import type { Touched } from './change-log.ts'
import type { PeerObject } from './objects.ts'
import type { Alike } from './peer-candidates.ts'
import { type PodCidrSource, PodSources } from './pods.ts'
import type { PoolObject } from './pool.ts'
import { labelsNamedBy, questionsOf, type Selector } from './selector.ts'
import { EXCLUDE_LABEL } from './services.ts'
import type { ObjectStore } from './store.ts'
import { NodeSurvey } from './survey.ts'

export class ClusterSurvey {
  readonly nodes: NodeSurvey
  readonly pools = new Answers<readonly PoolObject[]>()
  readonly podRanges = new Answers<readonly Prefix[]>()
  readonly coveringLengths = new Answers<Readonly<Record<Family, readonly number[]>>>()
  readonly ranges = new Answers<readonly PrefixMatch[]>()
  readonly peerObjects = new Answers<readonly PeerObject[]>()
  readonly alike = new Answers<readonly Alike[]>(Object.is)
  readonly #pods = new PodSources()
  readonly #labels = new Answers<readonly string[]>()
  /** What was followed last. */
  #at: { readonly store: ObjectStore; readonly revision: number; readonly source: PodCidrSource } | undefined

  constructor() {
    this.nodes = new NodeSurvey(this.#pods)
  }

  /** Pods have addresses from Calico's IPAM. */
  get readsBlocks(): boolean {
    return this.#at?.source === 'CalicoIPAM'
  }

  /** `touched`: undefined where anything may have changed. */
  *follow(store: ObjectStore, touched: readonly Touched[] | undefined, source: PodCidrSource): Work {
    const { revision } = store
    const at = this.#at
    if (at?.store === store && at.revision === revision && at.source === source) return
    const selecting = [store, store.revisionOf('BGPPeer'), store.revisionOf('BGPAdvertisement')]
    const labels = yield* this.#labels.askLong('', selecting, () => namedLabels(store))
    const moved = yield* this.#pods.follow(source, store, touched)
    const nodes = touched?.flatMap(({ kind, key }) => (kind === 'Node' ? [key] : []))
    yield* this.nodes.follow(store, nodes && [...nodes, ...moved], labels)
    this.#at = { store, revision, source }
  }
}

/** Approximate cost of reading one comparison of a selector, in microseconds. */
const QUESTION_COST = 0.1

/** The labels and annotations of Nodes that some object reads: changes of all others are ignored. */
function* namedLabels(store: ObjectStore): Work<string[]> {
  const named = new Set([EXCLUDE_LABEL])
  const meter = new CostMeter()
  function* read(...selectors: readonly (Selector | undefined)[]): Work {
    for (const selector of selectors) {
      if (selector !== undefined) for (const label of labelsNamedBy(selector)) named.add(label)
      meter.add(QUESTION_COST * (1 + questionsOf(selector)))
      if (meter.isDue) yield meter.take()
    }
  }
  for (const { nodeSelector, peerSelector, asNumberFrom, localAsNumberFrom, peerIpFrom } of peers(store)) {
    yield* read(nodeSelector, peerSelector)
    for (const from of [asNumberFrom, localAsNumberFrom, peerIpFrom]) if (from !== undefined) named.add(from.key)
  }
  for (const { nodeSelector } of store.table('BGPAdvertisement').values()) yield* read(nodeSelector)
  return [...named].sort()
}

const peers = (store: ObjectStore): Iterable<PeerObject> => store.table('BGPPeer').values()
