/** The types of a checked IPPool. */
import type { Address } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Labels } from './selector.ts'

export interface PoolObject {
  readonly name: string
  readonly labels: Labels
  readonly prefix: Prefix
  /** No new addresses are assigned from the pool; its routes are still advertised. */
  readonly disabled: boolean
  readonly disableBgpExport: boolean
  readonly natOutgoing: boolean
  /** `allowedUses` is LoadBalancer only: its addresses belong to services, not to pods. */
  readonly loadBalancerOnly: boolean
  readonly nat: PoolNat
}

/**
 * A pool with `disableBGPExport`, or with an error there, whose `cidr` cannot be read and never could be: it may close any
 * range of its family. Without `disableBGPExport` such a pool closes nothing, and is ignored.
 */
export interface UnplacedPool {
  readonly name: string
  readonly prefix: undefined
  /** As far as its `cidr` shows one. */
  readonly family: Family | undefined
}

/** How packets of a pool are masqueraded: `spec.nat`, our own field. */
export interface PoolNat {
  readonly exclude: readonly Prefix[]
  /** The source address, in the pool's family; undefined: the address of the outgoing interface. */
  readonly address: Address | undefined
  readonly ports: { readonly first: number; readonly last: number } | undefined
  readonly fullyRandom: boolean
}
