/** Whole agents with a kernel: which routes are written, and which are advertised. */
import { describe, expect, test } from 'vitest'
import type { ObjectChange } from '../../src/cluster/source.ts'
import { GODWIT_PROTOCOL } from '../../src/dataplane/kernel.ts'
import type { FakeKernel } from '../support/fake-kernel.ts'
import { BLACKHOLES, CLUSTER_SPEC, KernelLab, LEARNED, TAKE_ALL, WORKER } from '../support/kernel-lab.ts'
import { firstOf, longTest } from '../support/long.ts'
import { bgpAdvertisement, bgpConfiguration, bgpPeer, node, upsert } from '../support/objects.ts'

describe('routes', () => {
  test('learned ones and blackholes for pod CIDRs are in the kernel, in both families', () => {
    const lab = new KernelLab()
    lab.settle()
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
    expect(lab.learned()).toEqual(['10.244.1.0/24', 'fd00:244:0:1::/64'])
  })

  test('a pod CIDR is not advertised until the kernel has its blackhole route', () => {
    const lab = new KernelLab(false)
    lab.world.pass(20_000)
    expect(lab.learned()).toEqual([])
    lab.kernel.open()
    expect(lab.until(() => lab.learned().length === 2)).toBe(true)
  })

  test.each(firstOf(1, ['No space left on device', 'Operation not permitted', 'Operation not supported']))(
    'and is not advertised where the kernel refuses it (%s), which is said; the rest goes on',
    (why) => {
      const lab = new KernelLab(false)
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
    lab.settle()
    lab.kernel.remove('10.244.9.0/24', GODWIT_PROTOCOL)
    lab.kernel.remove('10.244.1.0/24', GODWIT_PROTOCOL)
    expect(lab.kernel.own).toHaveLength(2)
    lab.world.pass(1_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })

  test('a foreign route for a pod CIDR, by a next hop object that the kernel does not show: the pods are not known to be here', () => {
    const lab = new KernelLab()
    lab.settle()
    expect(lab.problems().join()).not.toContain('10.244.1.0/24')
    lab.kernel.addOther('10.244.1.0/24', undefined, 'unicast', 0)
    lab.world.pass(1_000)
    expect(lab.problems().join()).toMatch(/10\.244\.1\.0\/24.* is not advertised/)
  })

  test('one that somebody deletes again and again is left alone for longer and longer, which is said', () => {
    const lab = new KernelLab()
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
    const lab = new KernelLab(false)
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
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
    const lab = new KernelLab(true, { table: 100 })
    lab.settle()
    expect(lab.kernel.own).toEqual([...LEARNED.map((key) => `${key} table 100`), ...BLACKHOLES].sort())
    lab.restart({ table: 100 })
    lab.settle()
    expect(lab.kernel.written).toEqual([])
    expect(lab.worker.told('kernel-routes-elsewhere')).toEqual([])
  })

  test('what a run without a table has left in main is said and swept', () => {
    const lab = new KernelLab()
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
      const lab = new KernelLab()
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
    test.each(firstOf(5, ROWS))('%s', (_, add, isTold) => {
      const before = new KernelLab(false)
      before.kernel.addLink('lo', '127.0.0.1/8')
      add(before.kernel)
      before.kernel.open()
      expect(before.until(() => before.learned().includes('fd00:244:0:1::/64'))).toBe(true)
      before.world.pass(5_000)
      expect(before.learned().includes(V4)).toBe(isTold)
      expect(SAYS.test(before.problems().join('\n'))).toBe(!isTold)
      // The same, while all is advertised: and again when it goes.
      const later = new KernelLab()
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
    lab.settle()
    lab.kernel.setCarrier('eth0', false)
    lab.world.pass(1_000)
    expect(lab.kernel.own).toEqual(BLACKHOLES)
    lab.kernel.setCarrier('eth0', true)
    lab.world.pass(1_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })

  test('nothing inside a service range is written, though it is learned', () => {
    const lab = new KernelLab()
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

  const ranges: readonly [string, Record<string, unknown>][] = [
    ['of its own size', { serviceExternalIPs: [{ cidr: '10.244.0.0/16' }, { cidr: 'fd00:244::/48' }] }],
    ['that is wider', { serviceClusterIPs: [{ cidr: '10.0.0.0/8' }, { cidr: 'fd00::/16' }] }],
    [
      'that only says what may be advertised',
      {
        serviceLoadBalancerIPs: [{ cidr: '0.0.0.0/0' }, { cidr: '::/0' }],
        serviceLoadBalancerAggregation: 'Disabled',
      },
    ],
  ]
  test.each(firstOf(1, ranges))('pods of other nodes are reached in a pool inside a service range %s', (_, spec) => {
    const lab = new KernelLab()
    lab.settle()
    lab.change(upsert(bgpConfiguration({ ...CLUSTER_SPEC, ...spec })))
    lab.world.pass(5_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })

  // With so many neighbors their new policies take more than a turn.
  test.each(firstOf(1, [60, 0]))(
    'a route inside a service range that is configured later leaves the kernel, and comes back with its end, beside %i nodes',
    (count) => {
      const lab = new KernelLab()
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
    const lab = new KernelLab()
    lab.settle()
    lab.world.crash(lab.tor)
    lab.world.pass(119_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
    lab.world.pass(2_000)
    expect(lab.kernel.own).toEqual(BLACKHOLES)

    const other = new KernelLab()
    other.settle()
    other.world.feed(other.worker, { kind: 'stop', reason: 'the end', how: 'leave' })
    other.world.pass(10_000)
    expect(other.worker.done).toBe(true)
    expect(other.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })
})

test('an address in use is named until it is free', () => {
  const lab = new KernelLab()
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

test('routes of others that are too many to be known are a problem with their number, until they are known', () => {
  const lab = new KernelLab()
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
  class Rack extends KernelLab {
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
