/**
 * What other programs and people do to the kernel of a host, in any order: routes of their own in the places of ours, routes of
 * ours deleted, our rules flushed, an address or the carrier that goes and returns, a kernel that refuses everything for a while.
 */
import fc from 'fast-check'
import { GODWIT_PROTOCOL } from '../../src/dataplane/kernel.ts'
import type { NftTable } from '../../src/dataplane/nft-table.ts'
import type { FakeKernel } from './fake-kernel.ts'

/** The link of the host's pods. */
export const POD_LINK = 'pods'
const UPLINK = 'eth0'

/** By a gateway, by the link of pods, or a blackhole. */
interface Foreign {
  readonly prefix: string
  readonly to: string
  readonly metric: number
  readonly protocol: number
}

const foreign = (prefix: string, to: string, metric: number, protocol: number): Foreign => ({
  prefix,
  to,
  metric,
  protocol,
})
const FOREIGN: readonly Foreign[] = [
  foreign('10.244.1.0/24', '10.0.0.1', 10, 4),
  foreign('10.244.1.0/24', POD_LINK, 0, 2),
  foreign('10.244.1.0/24', '10.0.0.2', 1024, 12),
  foreign('10.244.1.9/32', POD_LINK, 0, 4),
  foreign('fd00:244:1::/64', POD_LINK, 256, 2),
  foreign('10.200.1.0/24', '10.0.0.2', 0, 4),
  foreign('10.200.1.0/24', 'blackhole', 1024, 12),
  foreign('10.200.2.0/24', '10.0.0.1', 2000, 12),
  foreign('10.245.1.0/26', 'blackhole', 1024, 12),
  foreign('10.245.1.5/32', POD_LINK, 0, 3),
  foreign('10.244.101.0/24', '10.0.0.1', 0, 11),
  foreign('10.244.0.0/20', '10.0.0.1', 0, 4),
  foreign('10.96.0.1/32', POD_LINK, 0, 4),
  foreign('192.0.2.1/32', '10.0.0.2', 0, 4),
  foreign('198.51.100.1/32', POD_LINK, 0, 4),
  foreign('0.0.0.0/0', '10.0.0.1', 100, 16),
  foreign('::/0', 'fd00:10::1', 1024, 9),
]

export type Disturbance =
  | { readonly kind: 'foreign' | 'gone'; readonly at: number }
  | { readonly kind: 'ours'; readonly at: number }
  | { readonly kind: 'carrier' | 'address' | 'refusal'; readonly there: boolean }
  | { readonly kind: 'flush' }

const place = fc.nat({ max: FOREIGN.length - 1 })
export const disturbances: fc.Arbitrary<Disturbance> = fc.oneof(
  { weight: 3, arbitrary: place.map((at): Disturbance => ({ kind: 'foreign', at })) },
  { weight: 2, arbitrary: place.map((at): Disturbance => ({ kind: 'gone', at })) },
  fc.nat().map((at): Disturbance => ({ kind: 'ours', at })),
  fc.record({ kind: fc.constantFrom('carrier', 'address', 'refusal'), there: fc.boolean() }),
  fc.constant<Disturbance>({ kind: 'flush' }),
)
/** Of the foreign routes those that are there in the end. */
export const lastRoutes = fc.uniqueArray(place, { maxLength: 6 })

export class OtherPrograms {
  readonly #kernel: FakeKernel
  /** IPv4 address of the uplink, with the length of its network. */
  readonly #address: string
  #hasAddress = true

  constructor(kernel: FakeKernel, address: string) {
    this.#kernel = kernel
    this.#address = address
  }

  take(one: Disturbance): void {
    switch (one.kind) {
      case 'foreign':
        this.add(one.at)
        return
      case 'gone':
        this.#remove(FOREIGN[one.at] as Foreign)
        return
      case 'ours':
        this.#removeOurs(one.at)
        return
      case 'carrier':
        this.#kernel.setCarrier(UPLINK, one.there)
        return
      case 'address':
        this.#setAddress(one.there)
        return
      case 'refusal':
        this.#kernel.locked = one.there ? 'Operation not permitted' : undefined
        return
      case 'flush':
        this.#kernel.flushNat()
        return
    }
  }

  add(at: number): void {
    const { prefix, to, metric, protocol } = FOREIGN[at] as Foreign
    this.#remove(FOREIGN[at] as Foreign)
    if (to === POD_LINK) this.#kernel.addOther(prefix, POD_LINK, 'unicast', metric, protocol)
    else if (to === 'blackhole') this.#kernel.addOther(prefix, undefined, to, metric, protocol)
    // The kernel refuses a gateway on no link.
    else if (this.#hasAddress || to.includes(':')) this.#kernel.addForeign(prefix, to, protocol, metric)
  }

  /** All that was done ends, and these routes are there. */
  settle(routes: readonly number[]): void {
    this.#kernel.locked = undefined
    this.#setAddress(true)
    this.#kernel.setCarrier(UPLINK, true)
    for (const one of FOREIGN) this.#remove(one)
    for (const at of routes) this.add(at)
  }

  #remove({ prefix, protocol }: Foreign): void {
    this.#kernel.remove(prefix, protocol)
  }

  #removeOurs(at: number): void {
    const { own } = this.#kernel
    const [, prefix] = /^(?:blackhole )?(\S+) /.exec(own[at % own.length] ?? '') ?? []
    if (prefix !== undefined) this.#kernel.remove(prefix, GODWIT_PROTOCOL)
  }

  #setAddress(there: boolean): void {
    if (there === this.#hasAddress) return
    this.#hasAddress = there
    if (there) this.#kernel.addAddress(UPLINK, this.#address)
    else this.#kernel.removeAddress(UPLINK, this.#address)
  }
}

/** What our rules do. A chain for NAT that once was needed stays without rules of pools: it and its sets do nothing. */
export function effectOf(table: NftTable | undefined): unknown {
  const rules = (table?.rules ?? []).map(({ expression }) => expression).filter((text) => text.includes('daddr'))
  const translates = rules.some((text) => /masquerade|snat/.test(text))
  const sets = [...(table?.sets ?? [])].filter(([name]) => translates || !/^(?:pools|hosts)/.test(name))
  return { rules, sets: Object.fromEntries(sets.map(([name, elements]) => [name, [...elements].sort()])) }
}
