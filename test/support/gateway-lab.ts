/** A node whose default gateway is its neighbor, three routers on its link, and its kernel. */
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { FakeKernel } from './fake-kernel.ts'
import { bgpConfiguration, bgpPeer, node, upsert } from './objects.ts'
import { type Host, World } from './world.ts'

const ME = ['10.0.0.11', 'fd00:10::11']
export const GATEWAY = bgpPeer('gateway', { peerIP: 'DefaultGateway', asNumber: 65000 })
export const OTHER = bgpPeer('other', { peerIP: '10.0.0.3', asNumber: 65000 })

/** Names of the neighbor. */
export const V4 = 'Global_DefaultGateway_ipv4'
export const V6 = 'Global_DefaultGateway_ipv6'

export class GatewayLab {
  readonly world: World
  readonly kernel: FakeKernel
  readonly worker: Host
  readonly asked: Extract<Effect, { kind: 'follow-default-routes' }>[] = []

  constructor(objects: readonly ReturnType<typeof bgpPeer>[], dataplane: 'linux' | 'none' = 'linux') {
    this.world = new World({
      watch: (host, _, effects) => {
        if (host.name !== 'worker-1') return
        for (const effect of effects) {
          if (effect.kind === 'routes' || effect.kind === 'nft') this.kernel.perform(effect)
          if (effect.kind === 'follow-default-routes') this.asked.push(effect)
        }
      },
    })
    for (const number of [1, 2, 3]) this.#addRouter(number)
    this.kernel = new FakeKernel({
      feed: (input) => this.world.feed(this.worker, input),
      later: (work) => this.world.at(this.world.now + 1, work),
    })
    this.kernel.addLink('eth0', '10.0.0.11/24', 'fd00:10::11/64')
    const all: ObjectChange[] = [
      node('worker-1', { addresses: ME, podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] }),
      bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false }),
      ...objects,
    ].map((object) => upsert(object))
    this.worker = this.world.add('worker-1', ME, all, { dataplane })
  }

  #addRouter(number: number): void {
    const addresses = [`10.0.0.${number}`, `fd00:10::${number}`]
    const name = `tor-${number}`
    this.world.add(name, addresses, [
      upsert(node(name, { addresses })),
      upsert(bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false })),
      upsert(bgpPeer('w4', { peerIP: '10.0.0.11', asNumber: 64512 })),
      upsert(bgpPeer('w6', { peerIP: 'fd00:10::11', asNumber: 64512 })),
    ])
  }

  defaultVia(gateway: string, metric = 0): void {
    this.kernel.addForeign(gateway.includes(':') ? '::/0' : '0.0.0.0/0', gateway, 4, metric)
  }

  noDefault(family: 'ipv4' | 'ipv6'): void {
    this.kernel.remove(family === 'ipv6' ? '::/0' : '0.0.0.0/0', 4)
  }

  peers(): Record<string, string> {
    const all = this.world.askJson<{ name: string; peer: string | null; state: string; held: string | null }[]>(
      this.worker,
      'show protocols',
    )
    return Object.fromEntries(all.map(({ name, peer, state, held }) => [name, `${peer} ${held ?? state}`]))
  }

  times(name: string): number {
    return (
      this.world.hosts
        .get('worker-1')
        ?.lines.filter(({ code, fields }) => code === 'session-up' && fields.peer === name).length ?? 0
    )
  }

  /** What each router has learned from the node: prefix and sender. */
  heard(): Record<string, string[]> {
    const routers = [1, 2, 3].map((number) => this.world.hosts.get(`tor-${number}`) as Host)
    return Object.fromEntries(
      routers.map((router) => {
        const rows = this.world.askJson<{ prefix: string; from: string | null }[]>(router, 'show route')
        return [router.name, rows.map(({ prefix, from }) => `${prefix} from ${from}`).sort()]
      }),
    )
  }

  change(...changes: ObjectChange[]): void {
    this.world.change(this.worker, changes)
    this.world.pass(20_000)
  }
}
