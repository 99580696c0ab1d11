/** An IPPool, checked. */
import type { Address } from '../base/address.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Labels } from './selector.ts'

export interface PoolObject {
  readonly name: string
  readonly labels: Labels
  readonly prefix: Prefix
  /** Stops the handing out of addresses only; the pool is advertised all the same. */
  readonly disabled: boolean
  readonly disableBgpExport: boolean
  readonly natOutgoing: boolean
  /** `allowedUses` names LoadBalancer and nothing else: its addresses are services', not pods'. */
  readonly loadBalancerOnly: boolean
  readonly nat: PoolNat
}

/** How packets of a pool are masqueraded: `spec.nat`, beyond Calico. */
export interface PoolNat {
  readonly exclude: readonly Prefix[]
  /** Of the pool's family; undefined for the address of the interface. */
  readonly address: Address | undefined
  readonly ports: { readonly first: number; readonly last: number } | undefined
  readonly fullyRandom: boolean
}

/** Rules by direction and family. */
