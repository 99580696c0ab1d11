/** Whole agents with a kernel in memory, for tests of what is advertised when, what is written, and what stays. */
import { expect } from 'vitest'
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { EngineOptions } from '../../src/engine/engine.ts'
import { FakeKernel } from './fake-kernel.ts'
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, ipPool, node, upsert } from './objects.ts'
import { type Host, World } from './world.ts'

export const WORKER = node('worker-1', {
  addresses: ['10.0.0.11', 'fd00:10::11'],
  podCIDRs: ['10.244.1.0/24', 'fd00:244:0:1::/64'],
})
export const CLUSTER_SPEC = { asNumber: 64512, serviceClusterIPs: [{ cidr: '10.96.0.0/16' }] }
export const CLUSTER = bgpConfiguration(CLUSTER_SPEC)
export const TO_ROUTER = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000 })
export const POOLS = [
  ipPool('pods', { cidr: '10.244.0.0/16', natOutgoing: true }),
  ipPool('pods6', { cidr: 'fd00:244::/48', natOutgoing: false }),
]
export const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })

export const BLACKHOLES = [
  'blackhole 10.244.1.0/24 proto 171 metric 1024',
  'blackhole fd00:244:0:1::/64 proto 171 metric 1025',
]
export const LEARNED = [
  '10.244.9.0/24 via 10.0.0.1 dev eth0 proto 171 metric 1024',
  'fd00:244:0:9::/64 via fd00:10::1 dev eth0 proto 171 metric 1025',
]

/** A node with an agent and a kernel, and a router that it advertises to. */
export class KernelLab {
  readonly world: World
  readonly tor: Host
  kernel: FakeKernel
  worker: Host
  /** Effects, in order, with when: what the worker sent and wrote. */
  readonly log: string[] = []
  /** UPDATEs that the worker sent. */
  readonly sentUpdates: Buffer[] = []

  constructor(open = true, more: Pick<EngineOptions, 'table' | 'adopt' | 'calico'> = {}) {
    this.world = new World({
      watch: (host, _, effects) => {
        if (host.name !== 'worker-1') return
        for (const effect of effects) {
          if (effect.kind === 'send') {
            this.log.push('send')
            this.sentUpdates.push(...updatesIn(effect.bytes))
          }
          if (effect.kind !== 'routes' && effect.kind !== 'nft') continue
          this.log.push(
            effect.kind === 'nft'
              ? 'nft'
              : `routes ${effect.changes.map(({ action, route }) => `${action} ${route.prefix.text}`).join(', ')}`,
          )
          this.kernel.perform(effect)
        }
      },
    })
    this.tor = this.addRouter()
    this.kernel = this.#newKernel()
    this.worker = this.#start(more)
    if (open) this.kernel.open()
  }

  /** Routers are alike but for their addresses. */
  addRouter(number = 1): Host {
    const addresses = [`10.0.0.${number}`, `fd00:10::${number}`]
    const name = `tor-${number}`
    return this.world.add(name, addresses, [
      upsert(node(name, { addresses, podCIDRs: ['10.244.9.0/24', 'fd00:244:0:9::/64'] })),
      upsert(bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false })),
      upsert(TAKE_ALL),
      upsert(bgpPeer('worker-1', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'] })),
    ])
  }

  #newKernel(): FakeKernel {
    const kernel = new FakeKernel({
      feed: (input) => {
        if (this.kernel === kernel && this.worker.alive) this.world.feed(this.worker, input)
      },
      later: (work) => this.world.at(this.world.now + 1, work),
    })
    kernel.addLink('eth0', '10.0.0.11/24', 'fd00:10::11/64')
    return kernel
  }

  #start(more: Pick<EngineOptions, 'table' | 'adopt' | 'calico'> = {}, peer = TO_ROUTER): Host {
    const objects: ObjectChange[] = [WORKER, CLUSTER, peer, ...POOLS].map((object) => upsert(object))
    return this.world.add('worker-1', ['10.0.0.11', 'fd00:10::11'], objects, {
      dataplane: 'linux',
      ...more,
    })
  }

  /** Power gone, power back; the kernel has seen nothing of it. */
  restart(more: Pick<EngineOptions, 'table' | 'adopt'> = {}, peer = TO_ROUTER): void {
    this.world.crash(this.worker)
    this.log.length = 0
    this.kernel.written.length = 0
    this.kernel.scripts = 0
    this.worker = this.#start(more, peer)
    this.kernel.open()
  }

  /** The worker has been killed. As with a real agent, the kernel has been read before objects are. */
  restartAsAgent(more: readonly ApiObject[], options: Pick<EngineOptions, 'table'> = {}): void {
    const addresses = ['10.0.0.11', 'fd00:10::11']
    this.worker = this.world.add('worker-1', addresses, undefined, { dataplane: 'linux', ...options })
    this.kernel.open()
    this.world.pass(5)
    this.change(...[WORKER, CLUSTER, TO_ROUTER, ...POOLS, ...more].map((object) => upsert(object)))
    this.world.feed(this.worker, { kind: 'synced' })
  }

  /** The worker that ran until now plays another speaker: it is killed, and an agent comes that has never run here. */
  takeOver(adopt: readonly number[]): void {
    this.world.crash(this.worker)
    this.world.forget('worker-1')
    const addresses = ['10.0.0.11', 'fd00:10::11']
    this.worker = this.world.add('worker-1', addresses, undefined, { dataplane: 'linux', adopt })
    // As the agent does: the kernel has been read before objects are.
    this.kernel.open()
    this.world.pass(5)
    this.change(...[WORKER, CLUSTER, TO_ROUTER, ...POOLS].map((object) => upsert(object)))
    this.world.feed(this.worker, { kind: 'synced' })
  }

  change(...changes: ObjectChange[]): void {
    this.world.change(this.worker, changes)
  }

  until(seen: () => boolean, limit?: number): boolean {
    return this.world.until(seen, limit)
  }

  settle(): void {
    expect(this.until(() => this.kernel.own.length >= 4 && this.learned().length === 2)).toBe(true)
    this.world.pass(2_000)
  }

  /** What the router has learned. */
  learned(): string[] {
    return this.world
      .askJson<{ prefix: string; from: string | null }[]>(this.tor, 'show route')
      .filter(({ from }) => from !== null)
      .map(({ prefix }) => prefix)
      .filter((prefix) => prefix !== '10.96.0.0/16')
      .sort()
  }

  natPools(): (string | undefined)[] {
    const comments = (this.kernel.table?.rules ?? []).map(({ comment }) => comment.split(' ')[0])
    return comments.filter((word) => word?.startsWith('IPPool/'))
  }

  problems(): string[] {
    return this.world.ask(this.worker, 'configure check').split('\n')
  }
}

function updatesIn(bytes: Uint8Array): Buffer[] {
  const updates: Buffer[] = []
  for (let at = 0, length = 0; at < bytes.length; at += length) {
    length = ((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number)
    if (bytes[at + 18] === 2) updates.push(Buffer.from(bytes.slice(at, at + length)))
  }
  return updates
}

/** An UPDATE without routes: of IPv4 an empty one, of IPv6 one with an empty MP_UNREACH_NLRI. */
export const isEnd = ({ length }: Buffer): boolean => length === 23 || length === 29
