/**
 * What a cluster is, whichever node looks at it: its nodes, where their pods are, and the ranges that belong to it. Builders
 * for several nodes of one store share it.
 */
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { CostMeter, Work } from '../base/work.ts'
import type { PrefixMatch } from '../bgp/policy/rule.ts'
import { Answers } from './answers.ts'
import type { Touched } from './change-log.ts'
import type { PeerObject } from './objects.ts'
import type { Alike } from './peer-candidates.ts'
import { type PodCidrSource, PodSources } from './pods.ts'
import type { PoolObject } from './pool.ts'
import { labelsNamedBy } from './selector.ts'
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
  *follow(store: ObjectStore, touched: readonly Touched[] | undefined, source: PodCidrSource, meter: CostMeter): Work {
    const { revision } = store
    const at = this.#at
    if (at?.store === store && at.revision === revision && at.source === source) return
    const selecting = [store, store.revisionOf('BGPPeer'), store.revisionOf('BGPAdvertisement')]
    const labels = this.#labels.ask('', selecting, meter, LABELS_COST, () => namedLabels(store))
    const moved = yield* this.#pods.follow(source, store, touched)
    const nodes = touched?.flatMap(({ kind, key }) => (kind === 'Node' ? [key] : []))
    yield* this.nodes.follow(store, nodes && [...nodes, ...moved], labels)
    this.#at = { store, revision, source }
  }
}

/** Approximate cost of reading the selectors, in microseconds. */
const LABELS_COST = 20

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
