// Every route that we tell leads where it says: for each router, each route of ours that it holds and its next hop, a packet is
// sent that way and answered; and so again after a link, an address, a VIP and a Node object have changed.

import { ask } from '../lab/ask.ts'
import { FAMILIES } from '../lab/lab.ts'
import { eventually } from '../lab/wait.ts'
import { ip } from '../lab/wire.ts'
import { familyOf, type Route } from '../speakers/speaker.ts'
import { type Case, expect } from './case.ts'
import { FABRIC_LIMIT, needs } from './fabric.ts'
import {
  at,
  BORDER,
  CLUSTER_RANGE,
  familiesOf,
  LB_RANGE,
  LOCAL,
  LOCAL_CLUSTER,
  lastOf,
  NODES,
  type NodeName,
  ONLY_IPV6,
  podsOf,
  Racks,
  ROUTERS,
  type RouterName,
  SHARED,
  WEB,
} from './racks.ts'

/** What a router holds of a node of ours. */
interface Told {
  readonly router: RouterName
  readonly node: NodeName
  readonly prefix: string
  readonly nextHop: string
}

const text = ({ router, node, prefix, nextHop }: Told): string => `${router} from ${node}: ${prefix} via ${nextHop}`

const ROUTER_NAMES = Object.keys(ROUTERS) as RouterName[]
/** Which nodes are neighbors of which router. */
const NEIGHBORS: Readonly<Record<RouterName, readonly NodeName[]>> = {
  'leaf-1': ['a1', 'a2'],
  'leaf-2': ['a1', 'a2'],
  'tor-b': [BORDER, ONLY_IPV6],
  beyond: [BORDER],
}

const single = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`

const toldTo = async (racks: Racks, router: RouterName): Promise<readonly Told[]> => {
  const side = racks.routers.get(router)
  if (side === undefined) throw new Error(`no ${router}`)
  const routes = [...(await side.routes('ipv4')), ...(await side.routes('ipv6'))]
  const node = ({ from }: Route) =>
    NEIGHBORS[router].find((name) => FAMILIES.some((family) => from === at(ROUTERS[router], lastOf(name))[family]))
  return routes.flatMap((route) => {
    const name = node(route)
    return name === undefined ? [] : [{ router, node: name, prefix: route.prefix, nextHop: route.nextHop }]
  })
}

/** Somebody behind the prefix who answers, on this port. */
const behind = (racks: Racks, prefix: string): readonly [string, number] | undefined => {
  const family = familyOf(prefix)
  const owner = NODES.find((name) => familiesOf(name).includes(family) && podsOf(name, family) === prefix)
  if (owner !== undefined) return [racks.pod(owner)[family], 8080]
  const services = {
    [CLUSTER_RANGE[family]]: WEB,
    [LB_RANGE[family]]: SHARED,
    [single(LOCAL[family])]: LOCAL,
    [single(LOCAL_CLUSTER[family])]: LOCAL_CLUSTER,
  }
  const service = services[prefix]
  return service === undefined ? undefined : [service[family], 80]
}

/** The kernel takes no next hop that is on none of the router's links. */
const walk = async (racks: Racks, told: Told): Promise<string | undefined> => {
  const goal = behind(racks, told.prefix)
  if (goal === undefined) return `${text(told)}: nobody knows what that is`
  const [address, port] = goal
  const host = racks.router(told.router)
  const way = `${single(address)} via ${told.nextHop} proto 99 metric 1`
  const added = await host.run(['ip', 'route', 'add', ...way.split(' ')])
  if (added.code !== 0) return `${text(told)}: ${added.stderr.trim().split('\n')[0]}`
  try {
    await ask(host, address, port)
    return undefined
  } catch {
    return `${text(told)}: ${address} does not answer on that way`
  } finally {
    await ip(host, [`route del ${way}`])
  }
}

/** What must be there at least: each node's own, to each of its routers, and what the border tells of the others. */
interface Wish {
  readonly router: RouterName
  readonly node: NodeName
  readonly prefix: string
}

const wishes = (local: readonly NodeName[], without: readonly string[] = []): readonly Wish[] =>
  ROUTER_NAMES.flatMap((router) =>
    NEIGHBORS[router].flatMap((node) =>
      familiesOf(node).flatMap((family) => {
        const own = [podsOf(node, family), CLUSTER_RANGE[family], LB_RANGE[family]]
        if (local.includes(node)) own.push(single(LOCAL[family]), single(LOCAL_CLUSTER[family]))
        const others =
          router === 'beyond' ? NODES.filter((name) => name !== node && familiesOf(name).includes(family)) : []
        const prefixes = [...own, ...others.map((name) => podsOf(name, family))]
        return prefixes.map((prefix) => ({ router, node, prefix }))
      }),
    ),
  ).filter(({ router, node, prefix }) => !without.includes(`${router} ${node} ${familyOf(prefix)}`))

const wished = ({ router, node, prefix }: Wish): string => `${router} from ${node}: ${prefix}`

/** All wishes are there, nothing else is, and every way is walked. */
const allWalked = async (racks: Racks, wanted: readonly Wish[]): Promise<number> => {
  const keys = new Set(wanted.map(wished))
  const told = await eventually(
    async () => {
      const all = (await Promise.all(ROUTER_NAMES.map((router) => toldTo(racks, router)))).flat()
      const there = new Set(all.map(wished))
      const missing = [...keys].filter((key) => !there.has(key))
      const surplus = all.filter((one) => !keys.has(wished(one))).map(text)
      expect(missing.length === 0, `not told: ${missing.slice(0, 8).join('; ')} … ${missing.length} in all`)
      expect(surplus.length === 0, `told: ${surplus.slice(0, 8).join('; ')} … ${surplus.length} in all`)
      return all
    },
    { within: 60_000, every: 500 },
  )
  await eventually(
    async () => {
      const faults = await Promise.all(ROUTER_NAMES.map((router) => faultsOf(racks, router)))
      const all = faults.flat()
      expect(all.length === 0, `${all.join('; ')}: ${all.length} of ${told.length} ways lead nowhere`)
    },
    { within: 30_000, every: 1_000 },
  )
  return told.length
}

/** One way after the other: two to one address at once would be one. */
const faultsOf = async (racks: Racks, router: RouterName): Promise<readonly string[]> => {
  const faults: string[] = []
  for (const told of await toldTo(racks, router)) faults.push(...[(await walk(racks, told)) ?? []].flat())
  return faults
}

/** From each node's pod to each other's. */
const podsReachEachOther = async (racks: Racks): Promise<void> => {
  for (const from of NODES) {
    for (const to of NODES.filter((name) => name !== from)) {
      for (const family of familiesOf(from).filter((one) => familiesOf(to).includes(one))) {
        await eventually(async () => {
          const { client } = await ask(racks.pod(from).host, racks.pod(to)[family])
          expect(client === racks.pod(from)[family], `the pod of ${to} sees ${client}, not the pod of ${from}`)
        })
      }
    }
  }
}

const begin = async (bench: Parameters<Case['run']>[0], local: readonly NodeName[]): Promise<Racks> => {
  await needs(bench)
  const racks = await Racks.build(bench)
  await racks.serve(local)
  return racks
}

const FIRST: readonly NodeName[] = ['a1', BORDER, ONLY_IPV6]

const walks: Case = {
  name: 'packets: every advertised route is followed to its next hop and answered, in two racks',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    const racks = await begin(bench, FIRST)
    const ways = await allWalked(racks, wishes(FIRST))
    console.log(`      ${ways} ways walked`)
    await podsReachEachOther(racks)
  },
}

interface Change {
  readonly what: string
  readonly change: (racks: Racks) => Promise<unknown>
  readonly wanted: readonly Wish[]
}

const SECOND: readonly NodeName[] = ['a2', ONLY_IPV6]
const single6 = (net: 1 | 2, last: number) => `${at(net, last).ipv6}/64`

const CHANGES: readonly Change[] = [
  {
    what: 'a link that went down and came up without its IPv6 address',
    change: async (racks) => {
      const { host } = racks.node('a1')
      await ip(host, ['link set leaf-2 down', 'link set leaf-2 up'])
      await ip(host, [`route replace 0.0.0.0/0 nexthop via ${at(1, 1).ipv4} nexthop via ${at(2, 1).ipv4}`])
    },
    wanted: wishes(FIRST, ['leaf-2 a1 ipv6']),
  },
  {
    what: 'the address of a link that came back',
    change: (racks) => ip(racks.node('a1').host, [`address add ${single6(2, lastOf('a1'))} dev leaf-2 nodad`]),
    wanted: wishes(FIRST),
  },
  {
    what: 'another IPv6 address of a link',
    change: (racks) =>
      ip(racks.node('a2').host, [
        `address add ${single6(2, 112)} dev leaf-2 nodad`,
        `address del ${single6(2, lastOf('a2'))} dev leaf-2`,
      ]),
    wanted: wishes(FIRST),
  },
  {
    what: 'a VIP whose endpoints moved, and that stands on a link of its node',
    change: async (racks) => {
      await racks.serve(SECOND)
      await ip(
        racks.node('a2').host,
        FAMILIES.map(
          (family) => `address add ${single(SHARED[family])} dev leaf-1${family === 'ipv6' ? ' nodad' : ''}`,
        ),
      )
    },
    wanted: wishes(SECOND),
  },
  {
    what: 'a Node that is known by the addresses of its other link',
    change: (racks) => racks.putNode('a1', at(2, lastOf('a1'))),
    wanted: wishes(SECOND),
  },
]

const walksAgain: Case = {
  name: 'packets: every advertised route is followed again after a link, an address, a VIP and a Node have changed',
  speakers: 'once',
  limit: 2 * FABRIC_LIMIT,
  async run(bench) {
    const racks = await begin(bench, FIRST)
    await allWalked(racks, wishes(FIRST))
    for (const { what, change, wanted } of CHANGES) {
      await change(racks)
      const ways = await allWalked(racks, wanted).catch((error: unknown) => {
        throw new Error(`after ${what}: ${error instanceof Error ? error.message : error}`)
      })
      console.log(`      after ${what}: ${ways} ways walked`)
    }
    await podsReachEachOther(racks)
  },
}

export const cases: readonly Case[] = [walks, walksAgain]
