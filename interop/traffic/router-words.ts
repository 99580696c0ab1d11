// What the core and the two routers are told, in the words of FRR and of BIRD; and reflectors beside them.

import { renderFabricRouter } from '../cases/fabric-frr.ts'
import { CLUSTER_AS } from '../cases/rack.ts'
import { FAMILIES, type Host } from '../lab/lab.ts'
import { protocolName } from '../speakers/bird.ts'
import type { RouterConfig } from '../speakers/speaker.ts'
import { at, CORE_AS, NUMBERS, nodeOn, ROUTERS, routerAs, type Session, type StreetShape } from './plan.ts'

const toCore = (router: number): readonly Session[] =>
  FAMILIES.map((family) => ({ family, address: at(20 + router, 1)[family], asn: CORE_AS, key: undefined }))

const toRouters = (): readonly Session[] =>
  ROUTERS.flatMap((router) =>
    FAMILIES.map((family) => ({ family, address: at(20 + router, 2)[family], asn: routerAs(router), key: undefined })),
  )

export const toNodes = (router: number, { keys }: StreetShape): readonly Session[] =>
  NUMBERS.flatMap((number) =>
    FAMILIES.map((family) => ({
      family,
      address: nodeOn(router, number)[family],
      asn: CLUSTER_AS,
      key: keys?.[router - 1],
    })),
  )

const frrWords = ({ key }: Session, shape: StreetShape): readonly string[] => [
  ...(key === undefined ? [] : [`password ${key}`]),
  ...(shape.bfd === true ? ['bfd 3 100 100'] : []),
]

/** The core is number 0. */
export const frrRouter = (index: number, host: Host, shape: StreetShape): RouterConfig => {
  const asn = index === 0 ? CORE_AS : routerAs(index)
  const sessions = index === 0 ? toRouters() : [...toCore(index), ...toNodes(index, shape)]
  const raw = renderFabricRouter({
    name: host.name,
    id: host.ipv4,
    asn,
    neighbors: sessions.map((session) => ({ ...session, words: frrWords(session, shape) })),
    underlay: FAMILIES,
    families: FAMILIES,
  })
  return { asn, neighbors: [], raw, kernel: true }
}

/** It tells its clients of each other's routes, and has none of its own. */
export const frrReflector = (router: number, host: Host): RouterConfig => {
  const neighbors = toNodes(router, {}).map(({ address, asn }) => ({ address, asn }))
  const shape = { name: host.name, id: host.ipv4, asn: CLUSTER_AS, neighbors, underlay: FAMILIES, families: FAMILIES }
  const raw = renderFabricRouter(shape)
    .replaceAll('  redistribute connected\n', '')
    .replaceAll(/( +neighbor \S+) activate/g, '$& \n$1 route-reflector-client')
  return { asn: CLUSTER_AS, neighbors: [], raw }
}

/** As a router that forwards: what it learned, and its own networks, go to all, and into the kernel. */
export const birdRouter = (router: number, host: Host, shape: StreetShape): RouterConfig => {
  const asn = routerAs(router)
  const sessions = [...toCore(router), ...toNodes(router, shape)]
  const own = (session: Session): string =>
    (session.asn === CORE_AS ? at(20 + router, 2) : at(router, 1))[session.family]
  const raw = [
    `log "${host.directory}/events.log" all;`,
    `router id ${host.ipv4};`,
    // A node that is not there yet is not waited for any longer after a restart.
    'graceful restart wait 15;',
    'protocol device { scan time 2; }',
    'protocol direct { ipv4; ipv6; }',
    // RFC 8326 §4.1; FRR does so by itself.
    'filter heard { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; }',
    'filter known { if source = RTS_BGP || source = RTS_DEVICE then accept; reject; }',
    ...(shape.bfd === true ? ['protocol bfd {}'] : []),
    ...FAMILIES.map(
      (family) =>
        `protocol kernel kernel_${family} { scan time 2; graceful restart; merge paths on; ${family} { export where source = RTS_BGP; }; }`,
    ),
    ...sessions.map((session) =>
      [
        `protocol bgp ${protocolName(session)} {`,
        `  local ${own(session)} as ${asn}; neighbor ${session.address} as ${session.asn};`,
        '  direct; graceful restart; hold time 9; keepalive time 3;',
        '  connect delay time 1; connect retry time 1; error wait time 1, 2;',
        ...(session.key === undefined ? [] : [`  password "${session.key}";`]),
        ...(shape.bfd === true ? ['  bfd { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; };'] : []),
        `  ${session.family} { import filter heard; export filter known; };`,
        '}',
      ].join('\n'),
    ),
    '',
  ].join('\n')
  return { asn, neighbors: sessions.map(({ address }) => ({ address, asn: 0 })), raw, kernel: true }
}
