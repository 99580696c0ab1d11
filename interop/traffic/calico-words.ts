// What Calico's templates (confd) come to for a node with blocks of its IPAM, in the words of BIRD 2.

import { FAMILIES, type Family } from '../lab/lab.ts'

export interface CalicoNode {
  readonly name: string
  readonly address: Readonly<Record<Family, string>>
  /** The block of its pods. */
  readonly block: Readonly<Record<Family, string>>
}

export interface CalicoNeighbor {
  readonly name: string
  readonly address: string
  readonly asn: number
  /** Of this node: a client of its reflector. */
  readonly client?: boolean
}

export interface CalicoShape {
  readonly asn: number
  readonly pools: Readonly<Record<Family, string>>
  /** Advertised by every node. */
  readonly services: Readonly<Record<Family, string>>
  readonly mesh: readonly CalicoNode[]
  readonly neighbors: readonly CalicoNeighbor[]
  readonly clusterId?: string
}

/** `bird_aggr.cfg` and `bird_ipam.cfg`. */
const filters = ({ block }: CalicoNode, { pools, services }: CalicoShape, family: Family): readonly string[] => [
  `protocol static blocks_${family} { ${family}; route ${block[family]} blackhole; }`,
  `protocol static services_${family} { ${family}; route ${services[family]} blackhole; }`,
  `function calico_aggr_${family}() {`,
  `  if (net = ${block[family]}) then { accept; }`,
  `  if (net ~ ${block[family]}) then { reject; }`,
  `  if (net = ${services[family]}) then { accept; }`,
  `  if (net ~ ${services[family]}) then { reject; }`,
  '}',
  `filter calico_export_to_bgp_peers_${family} { calico_aggr_${family}(); if (net ~ ${pools[family]}) then { accept; } reject; }`,
  `filter calico_kernel_programming_${family} { if (net = ${services[family]}) then { reject; } accept; }`,
  `protocol kernel kernel_${family} {`,
  '  learn; persist; scan time 2; graceful restart; merge paths on;',
  `  ${family} { import all; export filter calico_kernel_programming_${family}; };`,
  '}',
]

const session = (node: CalicoNode, shape: CalicoShape, { name, address, asn, client }: CalicoNeighbor, more = '') => {
  const family: Family = address.includes(':') ? 'ipv6' : 'ipv4'
  return [
    `protocol bgp ${name.replaceAll('-', '_')}_${family} {`,
    `  local ${node.address[family]} as ${shape.asn}; neighbor ${address} as ${asn};`,
    `  multihop; graceful restart; ${more}`,
    '  connect delay time 2; connect retry time 5; error wait time 5,30;',
    ...(client === true ? [`  rr client; rr cluster id ${shape.clusterId};`] : []),
    `  ${family} { gateway recursive; import all; export filter calico_export_to_bgp_peers_${family}; add paths on; };`,
    '}',
  ].join('\n')
}

/** Of two nodes of the mesh, the one with the greater address (as text) calls. */
const meshSessions = (node: CalicoNode, shape: CalicoShape): readonly string[] =>
  shape.mesh
    .filter(({ name }) => name !== node.name)
    .flatMap(({ name, address }) =>
      FAMILIES.map((family) => {
        const waits = address[family] > node.address[family]
        const neighbor = { name: `Mesh_${name}`, address: address[family], asn: shape.asn }
        return session(node, shape, neighbor, waits ? 'passive on;' : '')
      }),
    )

export const calicoBird = (node: CalicoNode, shape: CalicoShape): string =>
  [
    `router id ${node.address.ipv4};`,
    'protocol device { scan time 2; }',
    'protocol direct { ipv4; ipv6; interface -"cali*", -"kube-ipvs*", "*"; }',
    ...FAMILIES.flatMap((family) => filters(node, shape, family)),
    ...meshSessions(node, shape),
    ...shape.neighbors.map((neighbor) => session(node, shape, neighbor)),
    '',
  ].join('\n')
