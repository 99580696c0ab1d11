/**
 * A restart over what the agent learns after all objects are known: Secrets and Pods, which Kubernetes is asked for only then, and the
 * first answer of the service proxy. What rests on them is not gone meanwhile.
 */
import { describe, expect, test } from 'vitest'
import type { Input } from '../../src/engine/input.ts'
import { FakeKernel } from '../support/fake-kernel.ts'
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
  service,
  upsert,
} from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const ADDRESSES = ['10.0.0.11', 'fd00:10::11']
const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
const CIDR = '10.244.1.0/24'

const DNS = pod('infra/dns', {
  labels: { app: 'dns' },
  node: 'worker-1',
  addresses: ['198.51.100.53'],
  ready: true,
})

interface Late {
  readonly what: string
  readonly configuration?: object
  readonly peer?: object
  readonly objects?: readonly ApiObject[]
  /** What comes later. */
  readonly late: Input
  /** What the router must have all the time. */
  readonly prefixes: readonly string[]
}

const ROWS: readonly Late[] = [
  {
    what: 'a Secret with the key of the session',
    peer: { password: { secretKeyRef: { name: 'bgp', key: 'tor' } } },
    late: {
      kind: 'objects',
      changes: [
        upsert({
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: 'bgp', namespace: 'godwit' },
          type: 'Opaque',
          keys: { tor: { version: 1, error: undefined } },
        }),
      ],
    },
    prefixes: [CIDR],
  },
  {
    what: 'Pods whose addresses are advertised',
    objects: [bgpAdvertisement('dns', { routes: [{ pods: { selector: "app == 'dns'" } }] })],
    late: {
      kind: 'objects',
      changes: [
        {
          kind: 'replace',
          of: 'Pod',
          objects: [{ ref: { kind: 'Pod', namespace: 'infra', name: 'dns' }, object: DNS, from: undefined }],
        },
      ],
    },
    prefixes: [CIDR, '198.51.100.53/32'],
  },
  {
    what: 'the first answer of the service proxy',
    configuration: { serviceHealthCheck: {}, serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }] },
    objects: [
      service('shop/web', {
        type: 'LoadBalancer',
        clusterIPs: ['10.96.0.80'],
        loadBalancerIPs: ['203.0.113.7'],
        externalTrafficPolicy: 'Local',
      }),
      endpointSlice('shop/web', 'IPv4', [{ node: 'worker-1', ready: true }]),
    ],
    late: { kind: 'health', error: undefined },
    prefixes: [CIDR, '203.0.113.7/32'],
  },
]

/** A worker and its router; the kernel outlives the agent. */
class Lab {
  readonly world: World
  readonly router: Host
  readonly #row: Late
  #kernel: FakeKernel
  worker: Host

  constructor(row: Late) {
    this.#row = row
    this.world = new World({
      watch: (host, _, effects) => {
        if (host.name !== 'worker-1') return
        for (const effect of effects)
          if (effect.kind === 'routes' || effect.kind === 'nft') this.#kernel.perform(effect)
      },
    })
    const addresses = ['10.0.0.1', 'fd00:10::1']
    this.router = this.world.add('tor', addresses, [
      upsert(node('tor', { addresses, podCIDRs: ['10.244.9.0/24'] })),
      upsert(bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false })),
      upsert(TAKE_ALL),
      upsert(bgpPeer('worker', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'] })),
    ])
    this.#kernel = new FakeKernel({
      feed: (input) => this.worker?.alive === true && this.world.feed(this.worker, input),
      later: (work) => this.world.at(this.world.now + 1, work),
    })
    this.#kernel.addLink('eth0', '10.0.0.11/24', 'fd00:10::11/64')
    this.#kernel.addLink('cali1')
    this.#kernel.addOther('198.51.100.53/32', 'cali1', 'unicast', 0)
    this.worker = this.start()
    this.world.pass(1_000)
    this.world.feed(this.worker, row.late)
    expect(
      this.world.until(() => this.lacking.length === 0 && this.kernelHas, 60_000),
      row.what,
    ).toBe(true)
    expect(this.world.until(() => this.worker.told('kernel-swept').length > 0)).toBe(true)
  }

  start(): Host {
    const { peer = {}, configuration = {}, objects = [] } = this.#row
    const more = { dataplane: 'linux', sourceKind: 'kubernetes' } as const
    this.worker = this.world.add('worker-1', ADDRESSES, undefined, more)
    this.#kernel.open()
    this.world.pass(5)
    const all = [
      node('worker-1', { addresses: ADDRESSES, podCIDRs: [CIDR] }),
      bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false, ...configuration }),
      bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000, ...peer }),
      ipPool('pods', { cidr: '10.244.0.0/16' }),
      ...objects,
    ]
    this.world.feed(this.worker, { kind: 'objects', changes: all.map((object) => upsert(object)) })
    this.world.feed(this.worker, { kind: 'synced' })
    return this.worker
  }

  get lacking(): readonly string[] {
    const text = this.world.ask(this.router, 'show route')
    return this.#row.prefixes.filter((prefix) => !text.includes(prefix))
  }

  get kernelHas(): boolean {
    return this.#kernel.own.some((key) => key.startsWith('10.244.9.0/24'))
  }

  /** Passes so long, and counts the moments in which the router or the kernel lacks a route. */
  lacks(millis: number): number {
    let lacks = 0
    for (let passed = 0; passed < millis; passed += 10) {
      this.world.pass(10)
      if (this.lacking.length > 0 || !this.kernelHas) lacks++
    }
    return lacks
  }
}

describe.each(ROWS)('$what comes after all other objects', (row) => {
  test.each([50, 2_000])('by %d ms: no route is lacking, on the router and in the kernel (RFC 4724 §4.1)', (wait) => {
    const lab = new Lab(row)
    lab.world.crash(lab.worker)
    expect(lab.lacks(1_000)).toBe(0)
    lab.start()
    expect(lab.lacks(wait)).toBe(0)
    lab.world.feed(lab.worker, row.late)
    expect(lab.lacks(40_000)).toBe(0)
    expect(lab.worker.told('selected')).toHaveLength(1)
  })

  test('never: after 20 s the restart is over', () => {
    const lab = new Lab(row)
    lab.world.crash(lab.worker)
    lab.start()
    lab.world.pass(19_000)
    expect(lab.worker.told('selected')).toEqual([])
    lab.world.pass(2_000)
    expect(lab.worker.told('selected')).toHaveLength(1)
  })
})
