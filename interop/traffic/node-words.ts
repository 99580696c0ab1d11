// What FRR and BIRD on a node are told: its own prefixes, and what keeps packets going while they are gone.

import { podCidr } from '../cases/fabric.ts'
import { renderFabricRouter } from '../cases/fabric-frr.ts'
import { CLUSTER_AS } from '../cases/rack.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import {
  at,
  CLIENT_NET,
  nodeOn,
  ROUTERS,
  reflectorOn,
  routerAs,
  type StreetShape,
  sessionsOfNode,
  single,
  VIP,
} from './plan.ts'

export interface Seat {
  readonly number: number
  readonly host: Host
}

const serves = (number: number): boolean => number !== 3

export const frrNode = ({ number, host }: Seat): string => {
  const neighbors = ROUTERS.flatMap((router) =>
    FAMILIES.map((family) => ({ address: at(router, 1)[family], asn: routerAs(router) })),
  )
  const id = nodeOn(1, number).ipv4
  const shape = { name: host.name, id, asn: CLUSTER_AS, neighbors, underlay: FAMILIES, families: FAMILIES }
  const own = (family: Family) => [podCidr(number, family), ...(serves(number) ? [single(VIP[family])] : [])]
  return renderFabricRouter(shape)
    .replace(
      ' no bgp ebgp',
      ' bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n no bgp network import-check\n no bgp ebgp',
    )
    .replaceAll('  redistribute connected\n', '')
    .replaceAll(/ address-family (ipv[46]) unicast\n/g, (line, family: Family) =>
      [
        line.trimEnd(),
        ...own(family).map((prefix) => `  network ${prefix}`),
        ...neighbors
          .filter(({ address }) => address.includes(':') === (family === 'ipv6'))
          .map(({ address }) => `  neighbor ${address} allowas-in 1`),
        '',
      ].join('\n'),
    )
}

/** The lines that Calico's templates come to on BIRD 2, for these neighbors; those for BFD are not Calico's. */
export const birdNode = ({ number }: Seat, shape: StreetShape, rule = ''): string => {
  const mine = FAMILIES.map((family) => ({ family, cidr: podCidr(number, family), vip: single(VIP[family]) }))
  const take = (family: Family): string =>
    shape.reflectors === true ? `where net = ${at(CLIENT_NET, 0)[family]}/${family === 'ipv4' ? 24 : 64}` : 'all'
  const watch = shape.bfd === true ? ['  bfd { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; };'] : []
  return [
    `router id ${nodeOn(1, number).ipv4};`,
    ...mine.map(({ family, cidr, vip }) => {
      const accept = `if net = ${cidr} || net = ${vip} then accept;`
      return `filter to_peers_${family} { ${rule} ${accept} reject; }`
    }),
    ...mine.map(({ family, cidr }) => `protocol static block_${family} { ${family}; route ${cidr} blackhole; }`),
    ...mine.map(({ family, vip }) =>
      serves(number) ? `protocol static service_${family} { ${family}; route ${vip} blackhole; }` : '',
    ),
    ...FAMILIES.map((family) =>
      [
        `protocol kernel kernel_${family} {`,
        '  learn; persist; scan time 2; graceful restart; merge paths on;',
        `  ${family} { import all; export filter { if source = RTS_BGP || proto = "block_${family}" then accept; reject; }; };`,
        '}',
      ].join('\n'),
    ),
    'protocol device { scan time 2; }',
    'protocol direct { ipv4; ipv6; interface -"cali*", -"pod*", -"kube-ipvs*", "*"; }',
    ...(shape.bfd === true ? ['protocol bfd {}'] : []),
    ...sessionsOfNode(shape).map(({ router, family, address, asn, key }) =>
      [
        `protocol bgp router_${router}_${family} {`,
        `  local ${nodeOn(router, number)[family]} as ${CLUSTER_AS};`,
        `  neighbor ${address} as ${asn};`,
        // Across several hops BFD has another port.
        `  ${shape.bfd === true ? 'direct' : 'multihop'}; graceful restart; allow local as 1;`,
        '  connect delay time 2; connect retry time 5; error wait time 5,30;',
        ...(key === undefined ? [] : [`  password "${key}";`]),
        ...watch,
        `  ${family} { import ${take(family)}; export filter to_peers_${family}; gateway recursive; add paths on; };`,
        '}',
      ].join('\n'),
    ),
    ...(shape.reflectors === true ? ROUTERS : []).flatMap((router) =>
      FAMILIES.map((family) =>
        [
          `protocol bgp reflector_${router}_${family} {`,
          `  local ${nodeOn(router, number)[family]} as ${CLUSTER_AS};`,
          `  neighbor ${reflectorOn(router)[family]} as ${CLUSTER_AS};`,
          '  multihop; graceful restart;',
          '  connect delay time 2; connect retry time 5; error wait time 5,30;',
          `  ${family} { import all; export filter to_peers_${family}; gateway recursive; add paths on; next hop self; };`,
          '}',
        ].join('\n'),
      ),
    ),
    '',
  ].join('\n')
}
