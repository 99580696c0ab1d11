/** Whole agents with a kernel: our table of nftables. */
import { describe, expect, test } from 'vitest'
import { CLUSTER_SPEC, KernelLab, POOLS, TO_ROUTER } from '../support/kernel-lab.ts'
import { bgpConfiguration, endpointSlice, ipPool, remove, service, upsert } from '../support/objects.ts'

describe('NAT', () => {
  test('is one script, written once; switching a pool is the next', () => {
    const lab = new KernelLab()
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
    const lab = new KernelLab()
    lab.settle()
    lab.kernel.flushNat()
    lab.world.pass(1_000)
    expect(lab.natPools()).toHaveLength(1)
    expect(lab.worker.told('nft-repaired')).toHaveLength(1)
  })

  test('without a pool that asks for it makes no table; a table that is there stays for the flows it began', () => {
    const lab = new KernelLab()
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
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
    const lab = new KernelLab(false)
    lab.world.feed(lab.worker, { kind: 'kernel-error', what: 'nft', text: 'nft is not installed' })
    lab.kernel.open()
    lab.settle()
    expect(lab.problems().join()).toContain('nft is not installed')
    expect(lab.kernel.own).toHaveLength(4)
  })

  test('that could not be written, and are not wanted any more, are no problem any more', () => {
    const lab = new KernelLab()
    lab.settle()
    const without = upsert(bgpConfiguration({ asNumber: CLUSTER_SPEC.asNumber }))
    lab.change(remove(TO_ROUTER), ...POOLS.map(remove), without)
    lab.world.pass(10_000)
    lab.kernel.locked = 'Operation not permitted'
    lab.kernel.flushNat()
    lab.change(upsert(bgpConfiguration(CLUSTER_SPEC)))
    lab.world.pass(500)
    expect(lab.problems().join()).toContain('could not be written: Operation not permitted')
    lab.change(without)
    lab.world.pass(300_000)
    expect(lab.kernel.table).toBeUndefined()
    expect(lab.problems().join()).not.toContain('could not be written')
  })
})

describe('service loops', () => {
  const dropped = (lab: KernelLab, name = 'services4'): readonly string[] => lab.kernel.table?.sets.get(name) ?? []
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
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
    const lab = new KernelLab()
    lab.settle()
    lab.kernel.editNft('delete element inet godwit services4 { 10.96.0.0/16 }\n')
    expect(dropped(lab)).toEqual([])
    lab.world.pass(2_000)
    expect(dropped(lab)).toEqual(['10.96.0.0/16'])
    expect(lab.worker.told('nft-repaired')).toHaveLength(1)
  })

  test('what the kernel makes something else of is tried again later, not at once', () => {
    const lab = new KernelLab()
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
