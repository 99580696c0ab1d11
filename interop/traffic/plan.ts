// Who is where on the street: addresses, AS numbers, and what a scenario wants besides.

import { FAMILIES, type Family } from '../lab/lab.ts'

export type Pair = Readonly<Record<Family, string>>

/** Subnets by their third number: of a router and its nodes, of a router and the core, of the client. */
export const at = (net: number, last: number): Pair => ({ ipv4: `10.75.${net}.${last}`, ipv6: `fd75:${net}::${last}` })
export const withLength = ({ ipv4, ipv6 }: Pair): readonly string[] => [`${ipv4}/24`, `${ipv6}/64`]
export const single = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`

export const ROUTERS = [1, 2] as const
export const NUMBERS = [1, 2, 3] as const
export type Number_ = (typeof NUMBERS)[number]

export const CLIENT_NET = 9
export const CORE_AS = 65300
export const routerAs = (router: number): number => 65100 + router
export const nodeOn = (router: number, number: number): Pair => at(router, 10 + number)
export const podOf = (number: number): Pair => ({ ipv4: `10.244.${number}.2`, ipv6: `fd00:244:${number}::2` })
/** Served by the pods of nodes one and two. */
export const VIP: Pair = { ipv4: '203.0.113.80', ipv6: '2001:db8:f::80' }

/** One on the network of each router. */
export const reflectorOn = (router: number): Pair => at(router, 5)

export interface StreetShape {
  /** Of the sessions between routers and nodes, by router; none unless said. */
  readonly keys?: readonly string[]
  /** On every session, 3 × 100 ms; ours in a process of its own. */
  readonly bfd?: boolean
  /** Nodes hear of each other's pods from two reflectors alone, and from the routers only what is outside. */
  readonly reflectors?: boolean
}

export interface Session {
  readonly family: Family
  readonly address: string
  readonly asn: number
  readonly key: string | undefined
}

/** Of a node with its routers. */
export const sessionsOfNode = ({ keys }: StreetShape): readonly (Session & { readonly router: number })[] =>
  ROUTERS.flatMap((router) =>
    FAMILIES.map((family) => ({
      router,
      family,
      address: at(router, 1)[family],
      asn: routerAs(router),
      key: keys?.[router - 1],
    })),
  )
