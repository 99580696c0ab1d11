// The configuration of a leaf or spine in FRR's words.

import type { Family } from '../lab/lab.ts'
import { familyOf } from '../speakers/speaker.ts'

export interface FabricNeighbor {
  readonly address: string
  readonly asn: number
  /** What is said of it besides: `bfd`. */
  readonly words?: readonly string[]
}

export interface FabricRouter {
  readonly name: string
  readonly id: string
  readonly asn: number
  readonly neighbors: readonly FabricNeighbor[]
  /** Families of the links: a session carries its own family. */
  readonly underlay: readonly Family[]
  /** Families of routes. What has no links of its own goes over the other family's (RFC 8950). */
  readonly families: readonly Family[]
}

export const renderFabricRouter = ({ name, id, asn, neighbors, underlay, families }: FabricRouter): string => {
  const borrowed = families.some((family) => !underlay.includes(family))
  const carried = (family: Family) =>
    neighbors.filter(({ address }) => familyOf(address) === family || !underlay.includes(family))
  return [
    'frr defaults traditional',
    `hostname ${name}`,
    'log stdout informational',
    `router bgp ${asn}`,
    ` bgp router-id ${id}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ' bgp bestpath as-path multipath-relax',
    ' bgp log-neighbor-changes',
    ...neighbors.flatMap(({ address, asn: remote, words = [] }) => [
      ` neighbor ${address} remote-as ${remote}`,
      ` neighbor ${address} timers 3 9`,
      ` neighbor ${address} timers connect 1`,
      ` neighbor ${address} advertisement-interval 0`,
      ...(borrowed ? [` neighbor ${address} capability extended-nexthop`] : []),
      ...words.map((word) => ` neighbor ${address} ${word}`),
    ]),
    ...families.flatMap((family) => [
      ` address-family ${family} unicast`,
      '  redistribute connected',
      '  maximum-paths 8',
      ...carried(family).map(({ address }) => `  neighbor ${address} activate`),
      ' exit-address-family',
    ]),
    'exit',
    '',
  ].join('\n')
}
