/** Whole agents with a kernel: what is advertised of pods, and when. */
import { describe, expect, test } from 'vitest'
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { FakeKernel } from '../support/fake-kernel.ts'
import { CLUSTER, CLUSTER_SPEC, isEnd, KernelLab } from '../support/kernel-lab.ts'
import { firstOf } from '../support/long.ts'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  endpointSlice,
  pod,
  remove,
  service,
  upsert,
} from '../support/objects.ts'

describe('End-of-RIB (RFC 4724 §2)', () => {
  const PODS = ['10.244.1.0/24', 'fd00:244:0:1::/64']
  const NLRI = [Buffer.from([24, 10, 244, 1]), Buffer.from([64, 0xfd, 0, 2, 0x44, 0, 0, 0, 1])]
  const range = (lab: KernelLab): boolean => lab.world.ask(lab.tor, 'show route').includes('10.96.0.0/16')
  const ends = (lab: KernelLab): number => lab.sentUpdates.filter(isEnd).length

  test.each(firstOf(1, [3_000, 0, 15_000]))(
    'comes behind the pod CIDRs of this node, with a kernel that takes %d ms',
    (slow) => {
      const lab = new KernelLab(false)
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
    const lab = new KernelLab(false)
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
  const told = (lab: KernelLab, ...more: readonly string[]) =>
    lab.until(() => lab.learned().join() === [...PODS, ...more].sort().join())
  const start = () => {
    const lab = new KernelLab()
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

  const elsewhere: readonly [string, (kernel: FakeKernel) => void][] = [
    ['a default route', (kernel) => kernel.addForeign('0.0.0.0/0', '10.0.0.1')],
    ['a default route over a link alone', (kernel) => kernel.addOther('0.0.0.0/0', 'eth0', 'unicast', 0)],
    ['a route to another host', (kernel) => kernel.addForeign('198.51.100.0/24', '10.0.0.7')],
    ['a blackhole', (kernel) => kernel.addOther('198.51.100.0/24', undefined, 'blackhole', 0)],
  ]
  test.each(firstOf(2, elsewhere))('not where %s would take their packets away', (_, add) => {
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

  const ends: readonly [string, ObjectChange][] = [
    ['the service', remove(service('infra/dns'))],
    ['its last endpoint', upsert(endpointSlice('infra/dns', 'IPv4', [{ node: 'worker-1', ready: false }]))],
    ['its range', upsert(CLUSTER)],
  ]
  test.each(firstOf(1, ends))(
    'an address that a service had too is withdrawn with %s, until the kernel has a way to the pod',
    (_, change) => {
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
    },
  )

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
    const lab = new KernelLab(true, { calico: true })
    lab.change(OWN, THEIRS, lent('web'))
    expect(lab.until(() => lab.learned().join() === PODS.join())).toBe(true)
    lab.world.pass(5_000)
    return lab
  }
  const told = (lab: KernelLab, ...more: readonly string[]) =>
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
