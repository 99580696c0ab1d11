/** Settings of this node that routes of all neighbors depend on: a change asks again just what depends on it. */
import { FAMILIES, type Family } from '../../base/family.ts'
import type { Prefix } from '../../base/prefix.ts'
import type { PrefixMatch } from '../policy/rule.ts'
import type { DecisionSettings } from './decide.ts'
import type { Deferral } from './export-view.ts'
import type { FamilyRib } from './family-rib.ts'
import { ASK } from './review.ts'
import type { OwnPodCidrs } from './types.ts'

/** The deferral that exporters read; only this class changes it. */
type ChangingDeferral = { -readonly [Key in keyof Deferral]: Deferral[Key] }

const NO_PODS: OwnPodCidrs = { own: [], lent: [] }

export class NodeSettings {
  readonly #ribs: Readonly<Record<Family, FamilyRib>>
  readonly #deferral: ChangingDeferral
  #serviceRanges: readonly PrefixMatch[] = []
  #ownPods: OwnPodCidrs = NO_PODS

  constructor(ribs: Readonly<Record<Family, FamilyRib>>, deferral: ChangingDeferral) {
    this.#ribs = ribs
    this.#deferral = deferral
  }

  setDecision(settings: DecisionSettings): void {
    for (const family of FAMILIES) {
      const { decision } = this.#ribs[family]
      const { paths, relax, preferOldest, sameClusterLength } = decision.settings
      const isSame = paths === settings.paths && relax === settings.relax && preferOldest === settings.preferOldest
      if (isSame && sameClusterLength === settings.sameClusterLength) continue
      decision.settings = settings
      this.#ribs[family].review().noteAll(ASK.decision)
    }
  }

  setServiceRanges(ranges: readonly PrefixMatch[]): void {
    if (sameMatches(ranges, this.#serviceRanges)) return
    this.#serviceRanges = ranges
    for (const family of FAMILIES) this.#ribs[family].setServiceRanges(ranges)
  }

  setOwnPods(pods: OwnPodCidrs): void {
    if (samePrefixes(pods.own, this.#ownPods.own) && samePrefixes(pods.lent, this.#ownPods.lent)) return
    this.#ownPods = pods
    for (const family of FAMILIES) this.#ribs[family].setOwnPods(pods.own, pods.lent)
  }

  deferLearned(defers: boolean): void {
    if (this.#deferral.isOn === defers) return
    this.#deferral.isOn = defers
    this.#askExports()
  }

  awaitKernel(isUnread: boolean): void {
    if (this.#deferral.isUnread === isUnread) return
    this.#deferral.isUnread = isUnread
    this.#askExports()
  }

  #askExports(): void {
    this.#deferral.revision++
    for (const family of FAMILIES) this.#ribs[family].review().noteAll(ASK.export)
  }
}

const sameMatches = (a: readonly PrefixMatch[], b: readonly PrefixMatch[]): boolean =>
  a === b ||
  (a.length === b.length &&
    a.every(
      ({ prefix, minLength }, index) => prefix.text === b[index]?.prefix.text && minLength === b[index]?.minLength,
    ))

const samePrefixes = (a: readonly Prefix[], b: readonly Prefix[]): boolean =>
  a === b || (a.length === b.length && a.every(({ text }, index) => text === b[index]?.text))
