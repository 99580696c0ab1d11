/** Whole agents with a kernel: what is advertised when, what is written, what stays. */
import { describe, expect, test } from 'vitest'
import type { ObjectChange } from '../../src/cluster/source.ts'
import { GODWIT_PROTOCOL, ROUTE_METRIC } from '../../src/dataplane/kernel.ts'
import type { EngineOptions } from '../../src/engine/engine.ts'
import { FakeKernel } from '../support/fake-kernel.ts'
import { isLong, longTest } from '../support/long.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  pod,
  remove,
  service,
  upsert,
} from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const WORKER = node('worker-1', {
  addresses: ['10.0.0.11', 'fd00:10::11'],
  podCIDRs: ['10.244.1.0/24', 'fd00:244:0:1::/64'],
})
const CLUSTER_SPEC = { asNumber: 64512, serviceClusterIPs: [{ cidr: '10.96.0.0/16' }] }
const CLUSTER = bgpConfiguration(CLUSTER_SPEC)
const TO_ROUTER = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000 })
const POOLS = [
  ipPool('pods', { cidr: '10.244.0.0/16', natOutgoing: true }),
  ipPool('pods6', { cidr: 'fd00:244::/48', natOutgoing: false }),
]
const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })

const BLACKHOLES = [
  'blackhole 10.244.1.0/24 proto 171 metric 1024',
  'blackhole fd00:244:0:1::/64 proto 171 metric 1025',
]
const LEARNED = [
  '10.244.9.0/24 via 10.0.0.1 dev eth0 proto 171 metric 1024',
  'fd00:244:0:9::/64 via fd00:10::1 dev eth0 proto 171 metric 1025',
]

class Lab {
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
  restartAsAgent(more: readonly ApiObject[]): void {
    this.worker = this.world.add('worker-1', ['10.0.0.11', 'fd00:10::11'], undefined, { dataplane: 'linux' })
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
const isEnd = ({ length }: Buffer): boolean => length === 23 || length === 29

describe('End-of-RIB (RFC 4724 §2)', () => {
  const PODS = ['10.244.1.0/24', 'fd00:244:0:1::/64']
  const NLRI = [Buffer.from([24, 10, 244, 1]), Buffer.from([64, 0xfd, 0, 2, 0x44, 0, 0, 0, 1])]
  const range = (lab: Lab): boolean => lab.world.ask(lab.tor, 'show route').includes('10.96.0.0/16')
  const ends = (lab: Lab): number => lab.sentUpdates.filter(isEnd).length

  test.each(isLong ? [0, 3_000, 15_000] : [3_000])(
    'comes behind the pod CIDRs of this node, with a kernel that takes %d ms',
    (slow) => {
      const lab = new Lab(false)
      // What does not rest on the kernel is advertised at once.
      expect(lab.until(() => range(lab))).toBe(true)
      lab.world.pass(slow)
      expect([lab.learned(), ends(lab)]).toEqual([[], 0])
      lab.kernel.open()
      expect(lab.until(() => lab.learned().length === 2)).toBe(true)
      lab.world.pass(1_000)
      expect([lab.learned(), ends(lab)]).toEqual([PODS, 2])
      for (const [family, length] of [23, 29].entries()) {
        const end = lab.sentUpdates.findIndex((update) => update.length === length)
        const routes = lab.sentUpdates.findIndex((update) => update.includes(NLRI[family] as Buffer))
        expect(routes).toBeGreaterThanOrEqual(0)
        expect(end).toBeGreaterThan(routes)
      }
    },
  )

  test('is waited for 20 s, and no longer; what comes later is advertised as it comes', () => {
    const lab = new Lab(false)
    expect(lab.until(() => range(lab))).toBe(true)
    lab.world.pass(21_000)
    expect([lab.learned(), ends(lab)]).toEqual([[], 2])
    lab.kernel.open()
    expect(lab.until(() => lab.learned().length === 2)).toBe(true)
    expect(ends(lab)).toBe(2)
  })
})

/** By BGPAdvertisements: a single pod, where the kernel has its route. */
describe('single pods', () => {
  const DNS = pod('infra/dns', {
    labels: { app: 'dns' },
    node: 'worker-1',
    addresses: ['198.51.100.53', '2001:db8::53'],
    ready: true,
  })
  const ASKED = bgpAdvertisement('dns', { routes: [{ pods: { selector: "app == 'dns'" } }] })
  const PODS = ['10.244.1.0/24', 'fd00:244:0:1::/64']
  const told = (lab: Lab, ...more: readonly string[]) =>
    lab.until(() => lab.learned().join() === [...PODS, ...more].sort().join())
  const start = () => {
    const lab = new Lab()
    lab.settle()
    lab.change(upsert(DNS), upsert(ASKED))
    lab.world.pass(2_000)
    return lab
  }

  test('their addresses are advertised while the kernel has a way to them over a link of this node', () => {
    const lab = start()
    expect(lab.learned()).toEqual(PODS)
    expect(lab.problems().join()).toMatch(
      /Pod\/infra\/dns status\.podIPs: "198\.51\.100\.53\/32" is not advertised: the kernel has no route to it/,
    )
    lab.kernel.addLink('cali1')
    lab.kernel.addOther('198.51.100.53/32', 'cali1', 'unicast', 0)
    expect(told(lab, '198.51.100.53/32')).toBe(true)
    lab.kernel.addOther('2001:db8::53/128', 'cali1', 'unicast', 1024)
    expect(told(lab, '198.51.100.53/32', '2001:db8::53/128')).toBe(true)
    lab.kernel.remove('198.51.100.53/32', 4)
    expect(told(lab, '2001:db8::53/128')).toBe(true)
  })

  test.each<[string, (kernel: FakeKernel) => void]>([
    ['a default route', (kernel) => kernel.addForeign('0.0.0.0/0', '10.0.0.1')],
    ['a default route over a link alone', (kernel) => kernel.addOther('0.0.0.0/0', 'eth0', 'unicast', 0)],
    ['a route to another host', (kernel) => kernel.addForeign('198.51.100.0/24', '10.0.0.7')],
    ['a blackhole', (kernel) => kernel.addOther('198.51.100.0/24', undefined, 'blackhole', 0)],
  ])('not where %s would take their packets away', (_, add) => {
    const lab = start()
    add(lab.kernel)
    lab.world.pass(5_000)
    expect(lab.learned()).toEqual(PODS)
    expect(lab.problems().join()).toMatch(/"198\.51\.100\.53\/32" is not advertised: .* leads its packets elsewhere/)
  })

  test('an address that becomes one of a service no longer follows the route to the pod', () => {
    const lab = start()
    lab.kernel.addLink('cali1')
    lab.kernel.addOther('198.51.100.53/32', 'cali1', 'unicast', 0)
    expect(told(lab, '198.51.100.53/32')).toBe(true)
    const external = { ...CLUSTER_SPEC, serviceExternalIPs: [{ cidr: '198.51.100.53/32' }] }
    const dns = service('infra/dns', { clusterIPs: ['10.96.0.53'], externalIPs: ['198.51.100.53'] })
    lab.change(upsert(bgpConfiguration(external)), upsert(dns))
    lab.change(upsert(endpointSlice('infra/dns', 'IPv4', [{ node: 'worker-1', ready: true }])))
    lab.world.pass(2_000)
    lab.change(remove(DNS), remove(ASKED))
    lab.kernel.remove('198.51.100.53/32', 4)
    lab.world.pass(10_000)
    expect(lab.learned()).toContain('198.51.100.53/32')
  })

  test.each<[string, ObjectChange]>([
    ['the service', remove(service('infra/dns'))],
    ['its last endpoint', upsert(endpointSlice('infra/dns', 'IPv4', [{ node: 'worker-1', ready: false }]))],
    ['its range', upsert(CLUSTER)],
  ])('an address that a service had too is withdrawn with %s, until the kernel has a way to the pod', (_, change) => {
    const lab = start()
    const external = { ...CLUSTER_SPEC, serviceExternalIPs: [{ cidr: '198.51.100.0/24' }] }
    const dns = service('infra/dns', {
      clusterIPs: ['10.96.0.53'],
      externalIPs: ['198.51.100.53'],
      externalTrafficPolicy: 'Local',
    })
    lab.change(upsert(bgpConfiguration(external)), upsert(dns))
    lab.change(upsert(endpointSlice('infra/dns', 'IPv4', [{ node: 'worker-1', ready: true }])))
    expect(lab.until(() => lab.learned().includes('198.51.100.53/32'))).toBe(true)
    lab.change(change)
    expect(lab.until(() => !lab.learned().includes('198.51.100.53/32'))).toBe(true)
    lab.kernel.addLink('cali1')
    lab.kernel.addOther('198.51.100.53/32', 'cali1', 'unicast', 0)
    expect(lab.until(() => lab.learned().includes('198.51.100.53/32'))).toBe(true)
  })

  test('those that are not ready, or whom nobody names any more, go', () => {
    const lab = start()
    lab.kernel.addLink('cali1')
    lab.kernel.addOther('198.51.100.0/24', 'cali1', 'unicast', 0)
    expect(told(lab, '198.51.100.53/32')).toBe(true)
    lab.change(upsert({ ...DNS, status: { podIP: '198.51.100.53', conditions: [{ type: 'Ready', status: 'False' }] } }))
    expect(told(lab)).toBe(true)
    lab.change(upsert(DNS))
    expect(told(lab, '198.51.100.53/32')).toBe(true)
    lab.change(remove(ASKED))
    expect(told(lab)).toBe(true)
  })
})

/** By Calico's IPAM: objects know an address before its pod is there, and after it has gone. */
describe('addresses of blocks of other nodes', () => {
  const PODS = ['10.245.1.0/26']
  const BORROWED = '10.245.9.5/32'
  const ofCalico = (kind: ApiObject['kind'], name: string, spec: object) =>
    upsert({ apiVersion: 'crd.projectcalico.org/v1', kind, metadata: { name }, spec })
  const OWN = ofCalico('BlockAffinity', 'own', { cidr: '10.245.1.0/26', node: 'worker-1', state: 'confirmed' })
  const THEIRS = ofCalico('BlockAffinity', 'theirs', { cidr: '10.245.9.0/26', node: 'tor-1', state: 'confirmed' })
  const lent = (pod: string | undefined) =>
    ofCalico('IPAMBlock', 'theirs', {
      cidr: '10.245.9.0/26',
      affinity: 'host:tor-1',
      allocations: [null, null, null, null, null, pod === undefined ? null : 0],
      attributes: pod === undefined ? [] : [{ secondary: { node: 'worker-1', pod } }],
    })
  const start = () => {
    const lab = new Lab(true, { calico: true })
    lab.change(OWN, THEIRS, lent('web'))
    expect(lab.until(() => lab.learned().join() === PODS.join())).toBe(true)
    lab.world.pass(5_000)
    return lab
  }
  const told = (lab: Lab, ...more: readonly string[]) =>
    lab.until(() => lab.learned().join() === [...PODS, ...more].join())

  test('are advertised while the kernel has the route to the pod: others would send its packets back here', () => {
    const lab = start()
    expect(lab.learned()).toEqual(PODS)
    expect(lab.problems().join()).toMatch(
      /Node\/worker-1 spec\.podCIDRs: "10\.245\.9\.5\/32" is not advertised: the kernel has no route to it/,
    )
    // With nodeRoutes: Direct they send its packets here by the objects alone.
    const isEnded = () => lab.kernel.own.includes(`blackhole ${BORROWED} proto 171 metric 1024`)
    expect(isEnded()).toBe(true)
    lab.kernel.addLink('cali1')
    lab.kernel.addOther(BORROWED, 'cali1', 'unicast', 0)
    expect(told(lab, BORROWED)).toBe(true)
    expect(lab.problems().join()).not.toContain(BORROWED)
    expect(lab.until(() => !isEnded())).toBe(true)
    // The machine was started anew: the pod is gone, and the block says so much later.
    lab.kernel.remove(BORROWED, 4)
    expect(told(lab)).toBe(true)
    expect(lab.until(isEnded)).toBe(true)
    lab.kernel.addOther('10.245.9.0/24', 'cali1', 'unicast', 0)
    expect(told(lab, BORROWED)).toBe(true)
    expect(lab.until(() => !isEnded())).toBe(true)
    lab.kernel.remove('10.245.9.0/24', 4)
    expect(lab.until(isEnded)).toBe(true)
    lab.change(lent(undefined))
    expect(told(lab)).toBe(true)
    expect(lab.until(() => !isEnded())).toBe(true)
  })

  test('are advertised where the node itself has them', () => {
    const lab = start()
    lab.kernel.addLink('lo', BORROWED)
    lab.kernel.remove(BORROWED, 2)
    expect(told(lab, BORROWED)).toBe(true)
  })

  test('delay nothing else: End-of-RIB is sent', () => {
    expect(start().sentUpdates.filter(isEnd)).toHaveLength(2)
  })
})

describe('routes', () => {
  test('learned ones and blackholes for pod CIDRs are in the kernel, in both families', () => {
    const lab = new Lab()
    lab.settle()
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
    expect(lab.learned()).toEqual(['10.244.1.0/24', 'fd00:244:0:1::/64'])
  })

  test('a pod CIDR is not advertised until the kernel has its blackhole route', () => {
    const lab = new Lab(false)
    lab.world.pass(20_000)
    expect(lab.learned()).toEqual([])
    lab.kernel.open()
    expect(lab.until(() => lab.learned().length === 2)).toBe(true)
  })

  test.each(['Operation not permitted', 'No space left on device', 'Operation not supported'])(
    'and is not advertised where the kernel refuses it (%s), which is said; the rest goes on',
    (why) => {
      const lab = new Lab(false)
      lab.kernel.locked = why
      lab.kernel.open()
      lab.world.pass(20_000)
      expect(lab.learned()).toEqual([])
      expect(lab.problems().join()).toContain(`could not be written: ${why}`)
      expect(lab.problems().join()).toMatch(
        /"10\.244\.1\.0\/24" is not advertised until the kernel has its blackhole route/,
      )
      expect(lab.worker.told('routes-failed').length).toBeLessThan(10)
      lab.kernel.locked = undefined
      expect(lab.until(() => lab.kernel.own.length === 4 && lab.learned().length === 2)).toBe(true)
      expect(lab.until(() => !lab.problems().join().includes(why), 60_000)).toBe(true)
    },
  )

  test('a pod CIDR that goes is withdrawn first, and its blackhole is removed after', () => {
    const lab = new Lab()
    lab.settle()
    lab.log.length = 0
    lab.change(upsert(node('worker-1', { addresses: ['10.0.0.11', 'fd00:10::11'], podCIDRs: ['10.244.1.0/24'] })))
    lab.world.pass(5_000)
    expect(lab.log.filter((line) => line !== 'nft')).toEqual(['send', 'routes remove fd00:244:0:1::/64'])
    expect(lab.learned()).toEqual(['10.244.1.0/24'])
  })

  const whole = (routes: object) => upsert(bgpAdvertisement('whole', { routes: [routes] }))
  test.each<[string, ObjectChange]>([
    ['a prefix of a BGPAdvertisement', whole({ prefixes: ['10.244.0.0/16', 'fd00:244::/48'] })],
    [
      'a service range',
      upsert(
        bgpConfiguration({
          ...CLUSTER_SPEC,
          serviceExternalIPs: [{ cidr: '10.244.0.0/16' }, { cidr: 'fd00:244::/48' }],
        }),
      ),
    ],
  ])('a covering prefix that is left as %s stays advertised, and its blackhole goes', (_, claim) => {
    const covering = { routes: [{ podCIDRs: true }], aggregationLength: { ipv4: 16, ipv6: 48 } }
    const covers = ['blackhole 10.244.0.0/16', 'blackhole fd00:244::/48']
    const held = () => lab.kernel.own.filter((route) => covers.some((cover) => route.startsWith(cover)))
    const told = () => lab.learned().filter((prefix) => ['10.244.0.0/16', 'fd00:244::/48'].includes(prefix))
    const lab = new Lab()
    lab.change(claim, upsert(bgpAdvertisement('pods', covering)))
    lab.world.pass(5_000)
    expect([held().length, told().length]).toEqual([2, 2])
    const updates = lab.sentUpdates.length
    lab.change(upsert(bgpAdvertisement('pods', { routes: covering.routes })))
    lab.world.pass(5_000)
    expect([held(), told().length]).toEqual([[], 2])
    // No word of it is a withdrawal: what is told is the same.
    expect(lab.sentUpdates.length - updates).toBe(0)
    lab.change(upsert(bgpAdvertisement('pods', covering)))
    lab.world.pass(5_000)
    expect([held().length, told().length]).toEqual([2, 2])
  })

  test('a prefix of a BGPAdvertisement that becomes a covering prefix is told without a gap, unless it is routed away', () => {
    const cover = { routes: [{ podCIDRs: true }], aggregationLength: { ipv4: 16 } }
    const lab = new Lab()
    const told = () => lab.learned().includes('10.244.0.0/16')
    lab.change(whole({ prefixes: ['10.244.0.0/16'] }))
    expect(lab.until(told)).toBe(true)
    lab.kernel.locked = 'No space left on device'
    lab.change(upsert(bgpAdvertisement('pods', cover)))
    expect(lab.until(() => !told(), 10_000)).toBe(false)
    lab.kernel.locked = undefined
    lab.change(upsert(bgpAdvertisement('pods', { routes: cover.routes })))
    lab.kernel.addForeign('10.244.0.0/16', '10.0.0.7')
    lab.world.pass(5_000)
    expect(told()).toBe(true)
    lab.change(upsert(bgpAdvertisement('pods', cover)))
    expect(lab.until(() => !told())).toBe(true)
  })

  test('a route that somebody deletes comes back within a second', () => {
    const lab = new Lab()
    lab.settle()
    lab.kernel.remove('10.244.9.0/24', GODWIT_PROTOCOL)
    lab.kernel.remove('10.244.1.0/24', GODWIT_PROTOCOL)
    expect(lab.kernel.own).toHaveLength(2)
    lab.world.pass(1_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })

  test('a foreign route for a pod CIDR, by a next hop object that the kernel does not show: the pods are not known to be here', () => {
    const lab = new Lab()
    lab.settle()
    expect(lab.problems().join()).not.toContain('10.244.1.0/24')
    lab.kernel.addOther('10.244.1.0/24', undefined, 'unicast', 0)
    lab.world.pass(1_000)
    expect(lab.problems().join()).toMatch(/10\.244\.1\.0\/24.* is not advertised/)
  })

  test('one that somebody deletes again and again is left alone for longer and longer, which is said', () => {
    const lab = new Lab()
    lab.settle()
    const written = () => lab.kernel.written.filter(({ route }) => route.prefix.text === '10.244.9.0/24').length
    const before = written()
    const fight = (seconds: number) => {
      for (let tenths = 0; tenths < seconds * 10; tenths++) {
        lab.kernel.remove('10.244.9.0/24', GODWIT_PROTOCOL)
        lab.world.pass(100)
      }
    }
    fight(60)
    // Five at once, then after 1, 2, 4, 8, 16 and 32 seconds.
    expect(written() - before).toBeLessThanOrEqual(11)
    expect(lab.problems().join()).toMatch(
      /10\.244\.9\.0\/24: another program deletes it again and again, \d+ times so far/,
    )
    expect(lab.kernel.own).toContain(LEARNED[1])
    expect(lab.until(() => lab.kernel.own.join() === [...LEARNED, ...BLACKHOLES].sort().join(), 70_000)).toBe(true)
    expect(lab.problems().join()).not.toMatch(/again and again/)
  })

  test.each([
    [false, [] as string[]],
    [true, ['10.244.2.0/24 via 10.0.0.1 dev eth0 proto 171 metric 1024']],
  ])('a node behind a range that the router tells: recursiveNextHops %s', (recursiveNextHops, expected) => {
    const lab = new Lab(false)
    const behind = node('worker-2', { addresses: ['10.30.0.5'], podCIDRs: ['10.244.2.0/24'] })
    const rack = { cidr: '10.30.0.0/24' }
    lab.world.change(lab.tor, [
      upsert(bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false, serviceClusterIPs: [rack] })),
    ])
    const cluster = bgpConfiguration({ asNumber: 64512, recursiveNextHops })
    const filters = ['take-all']
    lab.change(
      upsert(cluster),
      upsert(behind),
      upsert(TAKE_ALL),
      upsert(bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, filters })),
    )
    lab.world.add(
      'worker-2',
      ['10.30.0.5'],
      [behind, WORKER, bgpConfiguration({ asNumber: 64512 })].map((object) => upsert(object)),
    )
    lab.kernel.open()
    lab.world.pass(30_000)
    expect(lab.kernel.own.filter((route) => route.startsWith('10.30.'))).toHaveLength(1)
    expect(lab.kernel.own.filter((route) => route.startsWith('10.244.2.'))).toEqual(expected)
    expect(lab.problems().join().includes('leads to the next hop 10.30.0.5')).toBe(!recursiveNextHops)
  })

  test('a router that tells of an address of this node as next hop is no problem: the route says why it is not used', () => {
    const lab = new Lab()
    lab.settle()
    const direct = 'fd00:244:0:9::/64'
    lab.kernel.addAddress('eth0', '10.0.0.12/24')
    const led = bgpAdvertisement('led', { routes: [{ podCIDRs: true }], nextHop: { ipv4: '10.0.0.12' } })
    lab.world.change(lab.tor, [upsert(led)])
    expect(lab.until(() => !lab.kernel.own.some((route) => route.startsWith('10.244.9.')))).toBe(true)
    lab.world.pass(1_000)
    expect(lab.world.ask(lab.worker, 'show route all')).toMatch(/next_hop: 10\.0\.0\.12[\s\S]*?unreachable/)
    expect(lab.problems().join()).not.toMatch(/next hop/)
    expect(lab.kernel.own.some((route) => route.startsWith(direct))).toBe(true)
  })

  test('a next hop that leads nowhere is named, and again when it does', () => {
    const lab = new Lab()
    lab.settle()
    lab.kernel.setCarrier('eth0', false)
    lab.world.pass(1_000)
    expect(lab.problems().join()).toMatch(/the next hop 10\.0\.0\.1 is reached by .*, which is down; routes over it/)
    const logged = lab.worker.told('object-problem').map(({ fields }) => fields?.problem)
    expect(logged).toContain('next-hop-unresolved')
    lab.kernel.setCarrier('eth0', true)
    lab.world.pass(1_000)
    expect(lab.problems().join()).not.toMatch(/next hop/)
  })

  test('with a table of their own, learned routes stand there, and blackholes in main', () => {
    const lab = new Lab(true, { table: 100 })
    lab.settle()
    expect(lab.kernel.own).toEqual([...LEARNED.map((key) => `${key} table 100`), ...BLACKHOLES].sort())
    lab.restart({ table: 100 })
    lab.settle()
    expect(lab.kernel.written).toEqual([])
    expect(lab.worker.told('kernel-routes-elsewhere')).toEqual([])
  })

  test('what a run without a table has left in main is said and swept', () => {
    const lab = new Lab()
    lab.settle()
    lab.restart({ table: 100 })
    lab.settle()
    expect(lab.until(() => lab.worker.told('kernel-swept').length === 1)).toBe(true)
    lab.world.pass(1_000)
    expect(lab.kernel.own).toEqual([...LEARNED.map((key) => `${key} table 100`), ...BLACKHOLES].sort())
    expect(lab.worker.told('kernel-routes-elsewhere').map(({ text }) => text)).toEqual([
      'table 254 holds 2 routes of an earlier run, removed when all neighbors have sent their routes',
    ])
  })

  longTest(
    "a learned route in whose place another program's drops packets is passed on with its own next hop, until ours is back",
    () => {
      const lab = new Lab()
      const beyond = lab.world.add(
        'beyond',
        ['10.0.0.3', 'fd00:10::3'],
        [
          upsert(node('beyond', { addresses: ['10.0.0.3'], podCIDRs: [] })),
          upsert(bgpConfiguration({ asNumber: 65003, nodeToNodeMeshEnabled: false })),
          upsert(TAKE_ALL),
          upsert(bgpPeer('worker-1', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'] })),
        ],
      )
      lab.change(upsert(bgpPeer('beyond', { peerIP: '10.0.0.3', asNumber: 65003, advertiseLearned: true })))
      const toldIs = (gateway: string) =>
        lab.until(() =>
          lab.world
            .askJson<{ prefix: string; nextHop: string | null }[]>(beyond, 'show route')
            .some(({ prefix, nextHop }) => prefix === '10.244.9.0/24' && nextHop === gateway),
        )
      expect(toldIs('10.0.0.11')).toBe(true)
      lab.kernel.addOther('10.244.9.0/24', undefined, 'blackhole', 0)
      expect(toldIs('10.0.0.1')).toBe(true)
      lab.kernel.remove('10.244.9.0/24', 4)
      expect(toldIs('10.0.0.11')).toBe(true)
    },
  )

  describe("somebody else's route for the pods of this node", () => {
    const V4 = '10.244.1.0/24'
    const SAYS = /"10\.244\.1\.0\/24" is not advertised: .* takes its packets away from the pods of this node/
    const ROWS: readonly (readonly [string, (kernel: FakeKernel) => void, boolean])[] = [
      ['the bridge of a CNI, which wins', (kernel) => kernel.addOther(V4, 'eth0', 'unicast', 0, 2), true],
      ['a bridge that does not', (kernel) => kernel.addOther(V4, 'eth0', 'unicast', 2048), true],
      ['its gateway is this node itself', (kernel) => kernel.addForeign(V4, '10.0.0.11', 4, 0), true],
      [
        "another daemon's blackhole, with ours beneath",
        (kernel) => kernel.addOther(V4, undefined, 'blackhole', 32, 12),
        true,
      ],
      ['a gateway', (kernel) => kernel.addForeign(V4, '10.0.0.77', 4, 0), false],
      ['a gateway that does not win', (kernel) => kernel.addForeign(V4, '10.0.0.77', 12, 2048), false],
      ['unreachable, as our blackhole', (kernel) => kernel.addOther(V4, undefined, 'unreachable', 0), true],
      [
        "another daemon's blackhole in the place of ours",
        (kernel) => kernel.addOther(V4, undefined, 'blackhole', 1024, 12),
        true,
      ],
      ['one that leaves it to other tables', (kernel) => kernel.addOther(V4, undefined, 'throw', 0), false],
      ["a routing daemon's, over a link", (kernel) => kernel.addOther(V4, 'eth0', 'unicast', 32, 12), false],
      [
        "a routing daemon's copy of the bridge's route",
        (kernel) => {
          kernel.addAddress('eth0', '10.244.1.1/24')
          kernel.addOther(V4, 'eth0', 'unicast', 32, 12)
        },
        true,
      ],
      ['the loopback', (kernel) => kernel.addOther(V4, 'lo', 'unicast', 0), false],
    ]
    test.each(ROWS)('%s', (_, add, isTold) => {
      const before = new Lab(false)
      before.kernel.addLink('lo', '127.0.0.1/8')
      add(before.kernel)
      before.kernel.open()
      expect(before.until(() => before.learned().includes('fd00:244:0:1::/64'))).toBe(true)
      before.world.pass(5_000)
      expect(before.learned().includes(V4)).toBe(isTold)
      expect(SAYS.test(before.problems().join('\n'))).toBe(!isTold)
      // The same, while all is advertised: and again when it goes.
      const later = new Lab()
      later.kernel.addLink('lo', '127.0.0.1/8')
      later.settle()
      add(later.kernel)
      later.world.pass(2_000)
      expect(later.learned().includes(V4)).toBe(isTold)
      expect(SAYS.test(later.problems().join('\n'))).toBe(!isTold)
      expect(later.learned()).toContain('fd00:244:0:1::/64')
      for (const protocol of [2, 4, 12]) later.kernel.remove(V4, protocol)
      later.world.pass(5_000)
      expect(later.learned()).toContain(V4)
      expect(later.kernel.own).toContain(BLACKHOLES[0])
    })
  })

  test("somebody else's route stays, ours stands back, both are named, and ours comes when theirs goes", () => {
    const lab = new Lab()
    lab.settle()
    lab.kernel.addForeign('10.244.9.0/24', '10.0.0.77', 12, 0)
    lab.world.pass(1_000)
    expect(lab.kernel.own).not.toContain(LEARNED[0])
    expect(lab.kernel.list()).toContain('10.244.9.0/24 via 10.0.0.77 dev eth0 proto 12 metric 0')
    expect(lab.problems().join()).toMatch(
      /route of Godwit \(protocol 171\) is not written.*of BIRD \(protocol 12\), which stays/,
    )
    expect(lab.world.ask(lab.worker, 'show status')).toMatch(
      /Problem: kernel route 10\.244\.9\.0\/24: .*Godwit \(protocol 171\).*BIRD \(protocol 12\)/,
    )
    lab.kernel.remove('10.244.9.0/24', 12)
    lab.world.pass(1_000)
    expect(lab.kernel.own).toContain(LEARNED[0])
    expect(lab.problems().join()).not.toMatch(/BIRD/)
  })

  test('without a carrier the routes over the link go, and the way is not told on; with it they come back', () => {
    const lab = new Lab()
    lab.settle()
    lab.kernel.setCarrier('eth0', false)
    lab.world.pass(1_000)
    expect(lab.kernel.own).toEqual(BLACKHOLES)
    lab.kernel.setCarrier('eth0', true)
    lab.world.pass(1_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })

  test('nothing inside a service range is written, though it is learned', () => {
    const lab = new Lab()
    lab.settle()
    lab.world.change(lab.tor, [
      upsert(node('tor-1', { addresses: ['10.0.0.1', 'fd00:10::1'], podCIDRs: ['10.96.7.0/24'] })),
    ])
    const has = () => lab.world.ask(lab.worker, 'show route 10.96.7.0/24').includes('unicast')
    expect(lab.until(has)).toBe(true)
    lab.world.pass(1_000)
    expect(lab.kernel.own.join()).not.toContain('10.96.')
    expect(lab.world.ask(lab.worker, 'show explain 10.96.7.0/24')).toContain(
      'not written (it lies inside the service range 10.96.0.0/16',
    )
    lab.change(upsert(node('tor-1', { addresses: ['10.0.0.1', 'fd00:10::1'], podCIDRs: ['10.96.7.0/24'] })))
    expect(lab.problems().join()).toMatch(/serviceClusterIPs.*10\.96\.7\.0\/24.*is a pod CIDR of Node\/tor-1/)
  })

  test.each<[string, Record<string, unknown>]>([
    ['of its own size', { serviceExternalIPs: [{ cidr: '10.244.0.0/16' }, { cidr: 'fd00:244::/48' }] }],
    ['that is wider', { serviceClusterIPs: [{ cidr: '10.0.0.0/8' }, { cidr: 'fd00::/16' }] }],
    [
      'that only says what may be advertised',
      {
        serviceLoadBalancerIPs: [{ cidr: '0.0.0.0/0' }, { cidr: '::/0' }],
        serviceLoadBalancerAggregation: 'Disabled',
      },
    ],
  ])('pods of other nodes are reached in a pool inside a service range %s', (_, spec) => {
    const lab = new Lab()
    lab.settle()
    lab.change(upsert(bgpConfiguration({ ...CLUSTER_SPEC, ...spec })))
    lab.world.pass(5_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })

  // With so many neighbors their new policies take more than a turn.
  test.each([0, 60])(
    'a route inside a service range that is configured later leaves the kernel, and comes back with its end, beside %i nodes',
    (count) => {
      const lab = new Lab()
      lab.settle()
      const others = Array.from({ length: count }, (_, index) =>
        upsert(node(`other-${index}`, { addresses: [`10.0.1.${index + 1}`], podCIDRs: [`10.60.${index}.0/24`] })),
      )
      const mesh = { asNumber: 64512, nodeToNodeMeshEnabled: count > 0 }
      const tor = bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['take-all'] })
      lab.change(...others, upsert(bgpConfiguration(mesh)), upsert(TAKE_ALL), upsert(tor))
      lab.world.change(lab.tor, [
        upsert(node('tor-1', { addresses: ['10.0.0.1', 'fd00:10::1'], podCIDRs: ['10.50.7.0/24'] })),
      ])
      const has = () => lab.kernel.own.some((route) => route.startsWith('10.50.7.0/24'))
      expect(lab.until(has)).toBe(true)
      lab.change(upsert(bgpConfiguration({ ...mesh, serviceExternalIPs: [{ cidr: '10.50.0.0/16' }] })))
      expect(lab.until(() => !has())).toBe(true)
      lab.change(upsert(bgpConfiguration(mesh)))
      expect(lab.until(has)).toBe(true)
    },
  )

  test('a neighbor that is lost and not back in time takes its routes along; the end of the agent takes nothing', () => {
    const lab = new Lab()
    lab.settle()
    lab.world.crash(lab.tor)
    lab.world.pass(119_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
    lab.world.pass(2_000)
    expect(lab.kernel.own).toEqual(BLACKHOLES)

    const other = new Lab()
    other.settle()
    other.world.feed(other.worker, { kind: 'stop', reason: 'the end', how: 'leave' })
    other.world.pass(10_000)
    expect(other.worker.done).toBe(true)
    expect(other.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })
})

test('an address in use is named until it is free', () => {
  const lab = new Lab()
  lab.settle()
  const place = { address: undefined, port: 179 }
  lab.world.feed(lab.worker, { kind: 'listen-failed', ...place, reason: 'Address already in use' })
  expect(lab.world.ask(lab.worker, 'show status')).toMatch(
    /Problem: listener: cannot listen on all addresses port 179: Address already in use; neighbors cannot connect to this node/,
  )
  expect(lab.worker.told('listen-failed')).toHaveLength(1)
  lab.world.feed(lab.worker, { kind: 'listening', ...place })
  expect(lab.world.ask(lab.worker, 'show status')).not.toMatch(/Problem:/)
})

describe('two routers with the same routes', () => {
  const BOTH = [
    '10.244.9.0/24 via 10.0.0.1 dev eth0, via 10.0.0.2 dev eth0 proto 171 metric 1024',
    'fd00:244:0:9::/64 via fd00:10::1 dev eth0, via fd00:10::2 dev eth0 proto 171 metric 1025',
  ]
  const WITHOUT = {
    'tor-2': LEARNED,
    'tor-1': [
      '10.244.9.0/24 via 10.0.0.2 dev eth0 proto 171 metric 1024',
      'fd00:244:0:9::/64 via fd00:10::2 dev eth0 proto 171 metric 1025',
    ],
  }

  /** Beside the lab's router its twin, and on the other side a neighbor that is told all. */
  class Rack extends Lab {
    readonly twin = this.addRouter(2)
    readonly far = this.world.add(
      'far',
      ['10.0.0.3', 'fd00:10::3'],
      [
        upsert(node('far', { addresses: ['10.0.0.3', 'fd00:10::3'] })),
        upsert(bgpConfiguration({ asNumber: 65003, nodeToNodeMeshEnabled: false })),
        upsert(TAKE_ALL),
        upsert(bgpPeer('worker-1', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'] })),
      ],
    )

    constructor(configuration: object = {}) {
      super()
      this.change(
        upsert(bgpConfiguration({ asNumber: 64512, ...configuration })),
        upsert(bgpPeer('tor-2', { peerIP: '10.0.0.2', asNumber: 65000 })),
        upsert(bgpPeer('far', { peerIP: '10.0.0.3', asNumber: 65003, advertiseLearned: true })),
      )
    }

    ways(): string[] {
      return this.kernel.own.filter((key) => !key.startsWith('blackhole'))
    }

    /** UPDATEs that have reached the neighbor on the other side. */
    updates(): number {
      type Row = { readonly messages: { readonly received: { readonly update: number } } }
      return this.world.askJson<Row[]>(this.far, 'show protocols all')[0]?.messages.received.update ?? 0
    }

    /** Routes that the neighbor on the other side was told to forget, by family. */
    withdrawals(): string[] {
      const shown = this.world.ask(this.far, 'show protocols all')
      return [...shown.matchAll(/Import withdraws: +(\d+)/g)].map(([, count]) => count ?? '')
    }

    toldFar(): string[] {
      const routes = this.world.askJson<{ prefix: string; best: boolean }[]>(this.far, 'show route')
      return routes.map(({ prefix }) => prefix).sort()
    }

    settleAll(): void {
      expect(this.until(() => this.toldFar().length === 4)).toBe(true)
      this.world.pass(10_000)
      this.kernel.written.length = 0
    }
  }

  test.each([
    ['tor-2', 'the other side is told nothing'],
    ['tor-1', 'the best: nothing is withdrawn'],
  ] as const)('both ways are in the kernel; without %s the other one is; %s', (lost, _) => {
    const rack = new Rack()
    rack.settleAll()
    expect(rack.ways()).toEqual(BOTH)
    const before = rack.updates()
    expect(before).toBeGreaterThan(0)

    rack.world.crash(lost === 'tor-2' ? rack.twin : rack.tor)
    rack.world.pass(10_000)
    expect(rack.ways()).toEqual(BOTH)
    rack.world.pass(120_000)
    expect(rack.ways()).toEqual(WITHOUT[lost])
    expect(new Set(rack.kernel.written.map(({ action }) => action))).toEqual(new Set(['replace']))

    rack.addRouter(lost === 'tor-2' ? 2 : 1)
    expect(rack.until(() => rack.ways().join() === BOTH.join())).toBe(true)
    rack.world.pass(10_000)
    if (lost === 'tor-2') expect(rack.updates()).toBe(before)
    expect(rack.withdrawals()).toEqual(['0', '0'])
    expect(rack.toldFar()).toHaveLength(4)
  })

  test('one path is asked for: one way, at once', () => {
    const rack = new Rack({ multipath: { paths: 1 } })
    rack.settleAll()
    expect(rack.ways()).toEqual(LEARNED)
    rack.change(upsert(bgpConfiguration({ asNumber: 64512, multipath: { paths: 2 } })))
    rack.world.pass(1_000)
    expect(rack.ways()).toEqual(BOTH)
  })
})

describe('a restart', () => {
  test('routers that call from a range: what they told stays in the kernel until they have called again', () => {
    const RANGE = bgpPeer('tors', { peerRange: '10.0.0.0/28', asNumber: 65000 })
    const lab = new Lab()
    lab.settle()
    // The run before knew of no range: the first caller is waited for.
    lab.restart({}, RANGE)
    expect(lab.until(() => lab.worker.told('session-up').length === 1)).toBe(true)
    lab.settle()
    expect([lab.kernel.written, lab.kernel.own]).toEqual([[], [...LEARNED, ...BLACKHOLES].sort()])
    // This one knows both routers, of which one calls late.
    const other = lab.addRouter(2)
    expect(lab.until(() => lab.worker.told('session-up').length === 2)).toBe(true)
    lab.world.pass(2_000)
    const both = lab.kernel.own
    lab.world.pause(other, 15_000)
    lab.restart({}, RANGE)
    expect(lab.until(() => lab.worker.told('session-up').length === 1)).toBe(true)
    lab.world.pass(2_000)
    expect([lab.kernel.written, lab.kernel.own]).toEqual([[], both])
    expect(lab.until(() => lab.worker.told('kernel-swept').length === 1)).toBe(true)
    expect(lab.worker.told('session-up')).toHaveLength(2)
    lab.world.pass(2_000)
    expect([lab.kernel.written, lab.kernel.own]).toEqual([[], both])
  })

  test('finds all as it should be and changes nothing (RFC 4724 §4.1)', () => {
    const lab = new Lab()
    lab.settle()
    lab.restart()
    expect(lab.until(() => lab.learned().length === 2 && lab.worker.told('kernel-swept').length > 0)).toBe(true)
    lab.world.pass(60_000)
    expect(lab.kernel.written).toEqual([])
    expect(lab.kernel.scripts).toBe(0)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })

  test('removes what nobody tells any more, once the neighbor has told everything (RFC 4724 §4.1)', () => {
    const lab = new Lab()
    lab.settle()
    lab.world.crash(lab.worker)
    lab.world.change(lab.tor, [
      upsert(node('tor-1', { addresses: ['10.0.0.1', 'fd00:10::1'], podCIDRs: ['10.244.9.0/24'] })),
    ])
    lab.restart()
    expect(lab.kernel.own).toContain(LEARNED[1])
    expect(lab.until(() => lab.kernel.own.length === 3)).toBe(true)
    expect(lab.kernel.written.map(({ action, route }) => `${action} ${route.prefix.text}`)).toEqual([
      'remove fd00:244:0:9::/64',
    ])
  })

  test('keeps the routes of a neighbor that does not come back for a while, and not for ever', () => {
    const lab = new Lab()
    lab.settle()
    lab.world.crash(lab.tor)
    lab.kernel.written.length = 0
    const before = [...LEARNED]
    lab.world.pass(1)
    lab.restart()
    lab.world.pass(20_000)
    const kept = lab.kernel.own
    lab.world.pass(120_000)
    expect(lab.kernel.own).toEqual(BLACKHOLES)
    expect(kept.filter((key) => before.includes(key))).toEqual(kept.filter((key) => !BLACKHOLES.includes(key)))
  })
})

describe('kernel routes that somebody flushed while no agent ran', () => {
  /** The router that is awaited in vain defers selection for 20 s. */
  const ABSENT = bgpPeer('absent', { peerIP: '10.0.0.9', asNumber: 65009 })
  const begin = (flushed: readonly string[]) => {
    const lab = new Lab()
    lab.settle()
    lab.world.crash(lab.worker)
    for (const key of flushed) lab.kernel.remove(key.split(' ')[0] as string, 171)
    lab.restart()
    lab.change(upsert(ABSENT))
    return lab
  }

  test('are written before selection, and routers keep what they have (RFC 4724 §4.1)', () => {
    const lab = begin(LEARNED)
    const before = lab.learned()
    lab.world.pass(2_000)
    expect([lab.kernel.own, lab.worker.told('selected')]).toEqual([[...LEARNED, ...BLACKHOLES].sort(), []])
    expect([before.length, lab.learned()]).toEqual([2, before])
  })

  test('one of them: the others are not touched', () => {
    const lab = begin(LEARNED.slice(0, 1))
    lab.world.pass(2_000)
    expect(lab.kernel.written.map(({ action, route }) => `${action} ${route.prefix.text}`)).toEqual([
      'add 10.244.9.0/24',
    ])
    lab.world.pass(130_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })
})

describe('learned routes that are advertised to others, for packets to come here (RFC 4724 §3: Forwarding State)', () => {
  const PASS_ALL = bgpFilter('pass-all', {
    exportV4: [{ action: 'Accept' }],
    exportV6: [{ action: 'Accept' }],
  })
  const ONWARD = [PASS_ALL, bgpPeer('onward', { peerIP: '10.0.0.2', asNumber: 65000, filters: ['pass-all'] })]

  /** The agent is away, and these are gone from the kernel when the next one comes. */
  const begin = (gone: readonly string[], more: readonly ApiObject[] = ONWARD) => {
    const lab = new Lab()
    lab.addRouter(2)
    lab.change(...more.map((object) => upsert(object)))
    lab.settle()
    lab.world.crash(lab.worker)
    for (const key of gone) lab.kernel.remove(key.split(' ')[0] as string, 171)
    lab.restartAsAgent(more)
    lab.world.pass(5_000)
    return lab.worker.told('restarted').map(({ text }) => text)
  }

  test.each([
    { gone: 'all', keys: LEARNED, lost: ['ipv4', 'ipv6'] },
    { gone: 'those of IPv6', keys: LEARNED.slice(1), lost: ['ipv6'] },
    { gone: 'none', keys: [], lost: [] },
    { gone: 'blackholes of our own', keys: BLACKHOLES, lost: [] },
  ])('$gone gone: the bit is not set for $lost', ({ keys, lost }) => {
    const [text = ''] = begin(keys)
    for (const family of ['ipv4', 'ipv6'])
      expect(text.includes(`except for ${family}: the kernel has lost learned routes`)).toBe(lost.includes(family))
  })

  test('nobody was told them: it is set, because packets to pods and services arrive', () => {
    expect(begin(LEARNED, [])).toEqual([expect.not.stringContaining('except for')])
  })
})

describe('the speaker before us', () => {
  const BIRD = 12
  /** What it left: a route that we will have too, one that nobody tells any more, and in each family. */
  const begin = (adopt: readonly number[], metric = { ipv4: 32, ipv6: 32 }) => {
    const lab = new Lab(false, { adopt })
    lab.kernel.addForeign('10.244.9.0/24', '10.0.0.1', BIRD, metric.ipv4)
    lab.kernel.addForeign('fd00:244:0:9::/64', 'fd00:10::1', BIRD, metric.ipv6)
    lab.kernel.addForeign('10.244.77.0/24', '10.0.0.1', BIRD, metric.ipv4)
    lab.kernel.open()
    return lab
  }
  const theirs = (lab: Lab) => lab.kernel.list().filter((key) => key.includes(` proto ${BIRD} `))

  test('keeps its routes until ours stand beside them, and all that has no successor until the sweep', () => {
    const lab = begin([BIRD])
    lab.world.pass(5)
    expect(theirs(lab)).toHaveLength(3)
    expect(lab.worker.told('kernel-routes-adopted')).toHaveLength(1)
    expect(lab.until(() => lab.kernel.own.length === 4)).toBe(true)
    // At no moment is a prefix without a route.
    const order = lab.kernel.written.map(({ action, route }) => `${action} ${route.prefix.text}`)
    for (const prefix of ['10.244.9.0/24', 'fd00:244:0:9::/64'])
      expect(order.indexOf(`remove ${prefix}`)).toSatisfy((at: number) => at < 0 || at > order.indexOf(`add ${prefix}`))
    expect(lab.until(() => lab.worker.told('kernel-swept').length > 0)).toBe(true)
    lab.world.pass(1_000)
    expect(theirs(lab)).toEqual([])
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
    expect(lab.problems().join()).not.toContain('kernel route')
  })

  test.each([
    { left: 'routes', keeps: true },
    { left: 'no route', keeps: false },
  ])('left $left: routers keep what it told them: $keeps (RFC 4724 §4.1)', ({ left, keeps }) => {
    const lab = new Lab()
    lab.settle()
    if (left === 'routes') lab.kernel.addForeign('10.244.9.0/24', '10.0.0.1', BIRD, 32)
    const before = lab.learned()
    lab.takeOver([BIRD])
    let lacks = 0
    let seen = -1
    const look = (millis: number): void => {
      lab.world.pass(millis)
      // Where no host had a turn, all is as it was.
      if (lab.world.turns === seen) return
      if (lab.learned().length < before.length) lacks++
      seen = lab.world.turns
    }
    // It comes back at once, and a route that is lost is soon learned again; the sweep is after 20 s.
    for (let passed = 0; passed < 2_000; passed++) look(1)
    for (let passed = 2_000; passed < 30_000; passed += 100) look(100)
    expect([lab.learned(), lacks === 0]).toEqual([before, keeps])
    const said = lab.world.ask(lab.tor, 'show protocols all').split('Neighbor capabilities')[1] ?? ''
    expect([said.includes('Restart recovery'), said.includes('AF preserved: ipv4 ipv6')]).toEqual([keeps, keeps])
  })

  test('with the very metric of ours is replaced in place', () => {
    const lab = begin([BIRD], ROUTE_METRIC)
    lab.settle()
    expect(lab.kernel.written.map(({ action, route }) => `${action} ${route.prefix.text}`)).toEqual(
      expect.arrayContaining(['replace 10.244.9.0/24', 'replace fd00:244:0:9::/64']),
    )
    expect(lab.until(() => theirs(lab).length === 0)).toBe(true)
  })

  test('that runs on, and writes a route again, keeps it', () => {
    const lab = begin([BIRD])
    expect(lab.until(() => lab.worker.told('kernel-swept').length > 0)).toBe(true)
    lab.world.pass(1_000)
    lab.kernel.addForeign('10.244.9.0/24', '10.0.0.1', BIRD, 32)
    lab.world.pass(60_000)
    expect(theirs(lab)).toHaveLength(1)
    expect(lab.problems().join()).toContain('BIRD')
  })

  test('that nobody named is left alone, and stands before us', () => {
    const lab = begin([])
    lab.world.pass(150_000)
    expect(theirs(lab)).toHaveLength(3)
    expect(lab.problems().join()).toContain('BIRD')
  })
})

test('routes of others that are too many to be known are a problem with their number, until they are known', () => {
  const lab = new Lab()
  lab.settle()
  const change = (leftOut?: number) => {
    const rest = leftOut === undefined ? {} : { leftOut }
    lab.world.feed(lab.worker, { kind: 'kernel', change: { full: false, more: false, gone: [], present: [], ...rest } })
    return lab.problems().join()
  }
  expect(change(900_000)).toMatch(/too many routes of other programs: about 900000 are not known/)
  expect(change()).toContain('900000')
  expect(change(0)).not.toContain('not known')
})

describe('NAT', () => {
  test('is one script, written once; switching a pool is the next', () => {
    const lab = new Lab()
    lab.settle()
    expect(lab.natPools()).toEqual(['IPPool/pods'])
    expect(lab.kernel.scripts).toBe(1)
    lab.change(upsert(ipPool('pods6', { cidr: 'fd00:244::/48', natOutgoing: true })))
    lab.world.pass(1_000)
    expect(lab.natPools()).toHaveLength(2)
    expect(lab.kernel.scripts).toBe(2)
    lab.change(upsert(ipPool('pods6', { cidr: 'fd00:244::/48', natOutgoing: true, blockSize: 122 })))
    lab.world.pass(1_000)
    expect(lab.kernel.scripts).toBe(2)
  })

  test('that somebody flushes is repaired, and said', () => {
    const lab = new Lab()
    lab.settle()
    lab.kernel.flushNat()
    lab.world.pass(1_000)
    expect(lab.natPools()).toHaveLength(1)
    expect(lab.worker.told('nft-repaired')).toHaveLength(1)
  })

  test('without a pool that asks for it makes no table; a table that is there stays for the flows it began', () => {
    const lab = new Lab()
    lab.settle()
    lab.change(upsert(ipPool('pods', { cidr: '10.244.0.0/16', natOutgoing: false })))
    lab.world.pass(1_000)
    expect(lab.natPools()).toEqual([])
    expect([...(lab.kernel.table?.chains.keys() ?? [])]).toEqual(['forward', 'postrouting'])
    lab.change(upsert(bgpConfiguration({ ...CLUSTER_SPEC, serviceLoopPrevention: 'Disabled' })))
    lab.world.pass(1_000)
    expect([...(lab.kernel.table?.chains.keys() ?? [])]).toEqual(['postrouting'])
    lab.kernel.flushNat()
    lab.world.pass(1_000)
    expect(lab.kernel.table).toBeUndefined()
  })

  test('is shown with counters by its pool', () => {
    const lab = new Lab()
    lab.settle()
    lab.kernel.count('pods', 7)
    lab.world.feed(lab.worker, { kind: 'nft-table', table: lab.kernel.table })
    expect(lab.world.askJson(lab.worker, 'show nat')).toMatchObject({
      active: true,
      rules: [{ pool: 'pods', packets: 7 }],
    })
    expect(lab.world.ask(lab.tor, 'show nat')).toMatch(/^8900 /)
  })

  test('spares flows that began before it was first switched on, for two hours', () => {
    const lab = new Lab()
    lab.settle()
    expect(lab.kernel.table?.begun).toBe(7_200)
    // What has to be written anew meanwhile keeps what is left of them, also by another agent.
    lab.kernel.spareFor(5_000)
    lab.restart()
    lab.world.pass(10_000)
    lab.kernel.flushNat()
    lab.world.pass(1_000)
    expect(lab.kernel.table?.begun).toBeLessThanOrEqual(4_990)
    expect(lab.kernel.table?.begun).toBeGreaterThan(4_900)
    lab.kernel.spareFor(0)
    lab.world.pass(10)
    lab.change(upsert(ipPool('pods6', { cidr: 'fd00:244::/48', natOutgoing: true })))
    lab.world.pass(1_000)
    expect(lab.natPools()).toHaveLength(2)
    expect(lab.kernel.table?.begun).toBe(0)
    lab.kernel.flushNat()
    lab.world.pass(1_000)
    expect(lab.natPools()).toHaveLength(2)
    expect(lab.kernel.table?.begun).toBe(0)
  })

  test('that cannot be written is said, and the routes are there all the same', () => {
    const lab = new Lab(false)
    lab.world.feed(lab.worker, { kind: 'kernel-error', what: 'nft', text: 'nft is not installed' })
    lab.kernel.open()
    lab.settle()
    expect(lab.problems().join()).toContain('nft is not installed')
    expect(lab.kernel.own).toHaveLength(4)
  })
})

describe('service loops', () => {
  const dropped = (lab: Lab, name = 'services4'): readonly string[] => lab.kernel.table?.sets.get(name) ?? []
  const withSpec = (spec: Record<string, unknown>) => upsert(bgpConfiguration({ ...CLUSTER_SPEC, ...spec }))
  const vip = (number: number, ipMode: 'VIP' | 'Proxy' = 'VIP') =>
    upsert(
      service(`shop/web-${number}`, {
        type: 'LoadBalancer',
        clusterIPs: [`10.96.0.${number}`],
        loadBalancerIPs: [`203.0.113.${number}`],
        ipMode,
      }),
    )

  test('end here by default, in step with what is advertised', () => {
    const lab = new Lab()
    lab.settle()
    expect(dropped(lab)).toEqual(['10.96.0.0/16'])
    lab.change(withSpec({ serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd96::/112' }] }))
    lab.world.pass(1_500)
    expect(dropped(lab, 'services6')).toEqual(['fd96::/112'])
    lab.change(withSpec({ serviceClusterIPs: [] }))
    lab.world.pass(1_500)
    expect(lab.kernel.table?.chains.has('forward')).toBe(false)
  })

  test('by the word of FelixConfiguration where ours says nothing', () => {
    const felix = (name: string, word: string) =>
      upsert({
        apiVersion: 'projectcalico.org/v3',
        kind: 'FelixConfiguration',
        metadata: { name },
        spec: { serviceLoopPrevention: word, bpfEnabled: false },
      })
    const lab = new Lab()
    lab.settle()
    const verdict = () => {
      lab.world.pass(1_500)
      return lab.kernel.table?.rules
        .find(({ comment }) => comment.startsWith('service loops'))
        ?.expression.split(' ')
        .at(-1)
    }
    lab.change(felix('default', 'Reject'))
    expect(verdict()).toBe('reject')
    lab.change(felix('node.worker-1', 'Disabled'))
    expect(verdict()).toBeUndefined()
    lab.change(withSpec({ serviceLoopPrevention: 'Drop' }))
    expect(verdict()).toBe('drop')
    lab.change(felix('default', 'Perhaps'))
    expect(lab.problems().join()).toMatch(/FelixConfiguration\/default.*serviceLoopPrevention.*Perhaps/)
    expect(verdict()).toBe('drop')
  })

  test('spare what a load balancer takes, and what the kernel has a way to', () => {
    const lab = new Lab()
    lab.settle()
    lab.change(withSpec({ serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }] }), vip(7, 'Proxy'), vip(8))
    lab.world.pass(2_000)
    expect(dropped(lab, 'spared4')).toEqual(['203.0.113.7'])
    lab.kernel.addForeign('203.0.113.9/32', '10.0.0.1', 80)
    lab.world.pass(2_000)
    expect(dropped(lab, 'spared4')).toEqual(['203.0.113.7', '203.0.113.9'])
    lab.kernel.remove('203.0.113.9/32', 80)
    lab.change(vip(7))
    lab.world.pass(2_000)
    expect(dropped(lab, 'spared4')).toEqual([])
    expect(lab.world.askJson(lab.worker, 'show nat')).toMatchObject({
      serviceLoops: { prevention: 'Drop', services: 2, spared: 0 },
    })
  })

  test('a hundred services one after the other cost one change of elements a second, and no rule', () => {
    const lab = new Lab()
    const spec = { serviceLoadBalancerAggregation: 'Disabled', serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }] }
    lab.change(withSpec(spec))
    lab.settle()
    const [before, rules] = [lab.kernel.scripts, lab.kernel.table?.rules]
    for (let number = 1; number <= 100; number++) {
      const slice = endpointSlice(`shop/web-${number}`, 'IPv4', [{ node: 'worker-1' }])
      lab.change(vip(number), upsert(slice))
      lab.world.pass(30)
    }
    lab.world.pass(2_000)
    expect(dropped(lab)).toHaveLength(101)
    expect(lab.kernel.scripts - before).toBeLessThanOrEqual(5)
    expect(lab.kernel.table?.rules).toBe(rules)
  })

  test('elements that somebody changes are put right, and said', () => {
    const lab = new Lab()
    lab.settle()
    lab.kernel.editNft('delete element inet godwit services4 { 10.96.0.0/16 }\n')
    expect(dropped(lab)).toEqual([])
    lab.world.pass(2_000)
    expect(dropped(lab)).toEqual(['10.96.0.0/16'])
    expect(lab.worker.told('nft-repaired')).toHaveLength(1)
  })

  test('what the kernel makes something else of is tried again later, not at once', () => {
    const lab = new Lab()
    lab.kernel.deaf = true
    expect(lab.until(() => lab.kernel.own.length === 4)).toBe(true)
    lab.world.pass(20_000)
    expect(lab.kernel.scripts).toBeLessThan(10)
    expect(lab.problems().join()).toContain('our nftables rules could not be written')
    lab.kernel.deaf = false
    lab.world.pass(60_000)
    expect(dropped(lab)).toEqual(['10.96.0.0/16'])
    expect(lab.problems().join()).not.toContain('nftables')
  })
})
