/**
 * What a change of an endpoint costs on a node that knows ten thousand dual-stack services, from the object to the UPDATE in
 * the network's hands, and what the first neighbor costs. One whole engine, in process and without sockets.
 */
import type { Effect } from '../../src/engine/effect.ts'
import { bgpConfiguration, bgpPeer, endpointSlice, node, service, upsert } from '../support/objects.ts'
import { World } from '../support/world.ts'

const CHANGES = 2_000
const NODE = 'worker-1'
const [NODE_ADDRESS, ROUTER_ADDRESS] = ['10.0.0.11', '10.0.0.1']

const name = (index: number): string => `shop/s${index}`
const addressesOf = (index: number): readonly [string, string] => [
  `10.96.${index >> 8}.${index & 255}`,
  `fd00:96::${index.toString(16)}`,
]

const aService = (index: number) =>
  service(name(index), { clusterIPs: [...addressesOf(index)], internalTrafficPolicy: 'Local' })
const slices = (index: number, isHere: boolean) =>
  (['IPv4', 'IPv6'] as const).map((type) =>
    endpointSlice(name(index), type, [{ node: isHere ? NODE : 'worker-2', ready: true }]),
  )

export interface ServicesBench {
  readonly services: number
  /** From objects to what is to be advertised, ms. */
  readonly load: number
  /** From the session up to the last route with the network, ms. */
  readonly first: number
  /** From the changed object to the UPDATE with the network, ms. */
  readonly p50: number
  readonly p99: number
}

export function benchServices(services: number): ServicesBench {
  let sentAt = 0
  let sent = 0
  const watch = (host: { readonly name: string }, _: unknown, effects: readonly Effect[]) => {
    if (host.name !== NODE) return
    for (const effect of effects) {
      if (effect.kind !== 'send') continue
      sentAt = performance.now()
      sent += effect.bytes.length
    }
  }
  const world = new World({ watch })
  const cluster = bgpConfiguration({
    asNumber: 64_512,
    nodeToNodeMeshEnabled: false,
    serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd00:96::/112' }],
  })
  const all = Array.from({ length: services }, (_, index) => index)
  const objects = all.flatMap((index) => [aService(index), ...slices(index, true)])
  const begun = performance.now()
  const worker = world.add(
    NODE,
    [NODE_ADDRESS],
    [
      ...[node(NODE, { addresses: [NODE_ADDRESS, 'fd00:10::11'] }), cluster].map((object) => upsert(object)),
      upsert(bgpPeer('tor', { peerIP: ROUTER_ADDRESS, asNumber: 65_000 })),
      ...objects.map((object) => upsert(object)),
    ],
  )
  const load = performance.now() - begun
  world.add(
    'tor',
    [ROUTER_ADDRESS],
    [
      upsert(node('tor', { addresses: [ROUTER_ADDRESS, 'fd00:10::1'] })),
      upsert(bgpConfiguration({ asNumber: 65_000, nodeToNodeMeshEnabled: false })),
      upsert(bgpPeer('worker', { peerIP: NODE_ADDRESS, asNumber: 64_512 })),
    ],
  )
  world.until(() => worker.up > 0)
  const upAt = performance.now()
  world.pass(5_000)
  const first = sentAt - upAt
  const took: number[] = []
  for (let change = 0; change < CHANGES; change++) {
    // Each service loses its endpoints here, and gets them back.
    const changed = slices(((change >> 1) * 7) % services, change % 2 === 1).map((object) => upsert(object))
    const [before, at] = [sent, performance.now()]
    world.change(worker, changed)
    if (sent === before) throw new Error('a change was not told in its own turn')
    took.push(sentAt - at)
    world.pass(100)
  }
  took.sort((a, b) => a - b)
  const at = (share: number): number => took[Math.floor(took.length * share)] as number
  return { services, load, first, p50: at(0.5), p99: at(0.99) }
}
