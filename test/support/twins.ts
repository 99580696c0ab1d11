/** A worker with two sessions to one router, one for each family, and a second router: whole agents. */
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, node, upsert } from './objects.ts'
import { type Host, World } from './world.ts'

const WORKER = node('worker', {
  addresses: ['10.0.0.11', 'fd00:10::11'],
  podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'],
})
const OPEN = bgpFilter('open', {
  importV4: [{ action: 'Accept' }],
  importV6: [{ action: 'Accept' }],
  exportV4: [{ action: 'Accept' }],
  exportV6: [{ action: 'Accept' }],
})
export const FOUR = 'Global_10_0_0_1'
export const SIX = 'Global_fd00_10__1'

/** A router that speaks both families on every session and prefers none. */
function router(world: World, name: string, number: number, asNumber: number, workerAs: number): Host {
  const addresses = [`10.0.0.${number}`, `fd00:10::${number}`]
  const pods = [`10.24${number}.0.0/16`, `fd00:99:${number}::/64`]
  const peers = ['10.0.0.11', 'fd00:10::11'].map((peerIP, index) =>
    bgpPeer(`worker-${index}`, {
      peerIP,
      asNumber: workerAs,
      addressFamilies: ['ipv4', 'ipv6'],
      passive: true,
      filters: ['open'],
    }),
  )
  return world.add(
    name,
    addresses,
    [
      node(name, { addresses, podCIDRs: pods }),
      bgpConfiguration({ asNumber, nodeToNodeMeshEnabled: false }),
      OPEN,
      ...peers,
    ].map((object) => upsert(object)),
  )
}

export function scene(how: 'external' | 'internal' = 'external') {
  const world = new World()
  const asNumber = how === 'external' ? 65000 : 64512
  const tor = router(world, 'tor', 1, asNumber, 64512)
  const other = router(world, 'other', 2, asNumber, 64512)
  const objects = [WORKER, bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false }), OPEN]
  const worker = world.add(
    'worker',
    ['10.0.0.11', 'fd00:10::11'],
    objects.map((object) => upsert(object)),
  )
  const to = (name: string, peerIP: string, more: object = {}): ApiObject =>
    bgpPeer(name, { peerIP, filters: ['open'], asNumber, ...more })
  return { world, tor, other, worker, four: to('four', '10.0.0.1'), six: to('six', 'fd00:10::1'), to }
}

export interface Row {
  readonly prefix: string
  readonly from: string | null
  readonly best: boolean
  readonly reason: string
}

/** What came from the worker: prefix and the address of the session that carries it. */
export const heard = (world: World, host: Host): string[] =>
  world
    .askJson<Row[]>(host, 'show route')
    .filter(({ from, prefix }) => from !== null && prefix.includes('244'))
    .map(({ prefix, from }) => `${prefix} from ${from}`)
    .sort()
