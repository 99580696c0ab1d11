/** A held neighbor whose session runs: only what is missing stays as it was, everything else is that of today. */
import { describe, expect, test } from 'vitest'
import {
  type ApiObject,
  bgpAdvertisement,
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  ipPool,
  node,
  remove,
  secret,
  upsert,
} from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }] })
const FILTER = bgpFilter('f', {
  exportV4: [{ action: 'Reject', cidr: '10.246.0.0/16', matchOperator: 'In' }],
  importV4: [{ action: 'Reject' }],
})
const KEY = { ...secret('kube-system/bgp', {}), keys: { k: { version: 1 } } }
const SIGNED = { password: { secretKeyRef: { name: 'bgp', key: 'k' } } }
const LAB = '198.51.100.0/24'

/** A worker with a neighbor outside, `transit`, and one inside. */
class Scene {
  readonly world = new World()
  readonly transit: Host
  readonly inner: Host
  readonly worker: Host

  constructor(transit: object, ...more: readonly ApiObject[]) {
    const isSigned = 'password' in transit
    this.transit = this.#router('transit', 1, isSigned ? [KEY] : [], isSigned ? SIGNED : {})
    this.inner = this.#router('inner', 2)
    this.worker = this.world.add(
      'worker',
      ['10.0.0.11'],
      [
        node('worker', { addresses: ['10.0.0.11'], podCIDRs: ['10.245.0.0/24', '10.246.0.0/24'] }),
        bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false }),
        bgpPeer('transit', { peerIP: '10.0.0.1', asNumber: 65001, ...transit }),
        bgpPeer('inner', { peerIP: '10.0.0.2', asNumber: 65002 }),
        ...more,
      ].map((object) => upsert(object)),
      { namespace: 'kube-system' },
    )
    this.world.pass(20_000)
  }

  #router(name: string, number: number, more: readonly ApiObject[] = [], spec: object = {}): Host {
    const addresses = [`10.0.0.${number}`]
    const objects = [
      node(name, { addresses, podCIDRs: [`10.24${number}.0.0/24`] }),
      bgpConfiguration({ asNumber: 65000 + number, nodeToNodeMeshEnabled: false }),
      TAKE_ALL,
      bgpPeer('worker', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'], ...spec }),
      ...more,
    ]
    return this.world.add(
      name,
      addresses,
      objects.map((object) => upsert(object)),
      { namespace: 'kube-system' },
    )
  }

  change(...changes: ReturnType<typeof upsert>[]): this {
    this.world.change(this.worker, changes)
    this.world.pass(1_000)
    return this
  }

  heard(host: Host): string[] {
    const rows = this.world.askJson<{ prefix: string; from: string | null }[]>(host, 'show route')
    return rows.flatMap(({ prefix, from }) => (from === null ? [] : [prefix])).sort()
  }

  /** Why the neighbor is held; its session runs. */
  held(): string | null {
    const all = this.world.askJson<{ name: string; state: string; held: string | null }[]>(
      this.worker,
      'show protocols',
    )
    const [transit] = all.filter(({ name }) => name === 'Global_10_0_0_1')
    expect(transit?.state).toBe('Established')
    return transit?.held ?? null
  }
}

const advertise = (name: string, ...routes: object[]) => upsert(bgpAdvertisement(name, { routes, peers: ['inner'] }))
const REJECTS = upsert(bgpFilter('no', { exportV4: [{ action: 'Reject' }] }))

describe('whose filter is gone', () => {
  const ALLOWED = ['10.245.0.0/24']
  const without = (): Scene => {
    const scene = new Scene({ filters: ['f'] }, FILTER).change(remove(FILTER))
    expect(scene.held()).toBe('BGPFilter/f does not exist')
    return scene
  }

  test('it keeps the rules of that filter', () => {
    const scene = without()
    expect([scene.heard(scene.transit), scene.heard(scene.worker)]).toEqual([ALLOWED, []])
  })

  test('a prefix that is advertised to others from now on is not told to it', () => {
    const scene = without().change(advertise('lab', { prefixes: [LAB] }))
    expect(scene.heard(scene.transit)).toEqual(ALLOWED)
    expect(scene.heard(scene.inner)).toContain(LAB)
  })

  test('what it was told and is for others from now on is withdrawn', () => {
    const scene = without().change(advertise('pods', { podCIDRs: true }))
    expect(scene.heard(scene.transit)).toEqual([])
  })

  test('a pool that is closed from now on is withdrawn', () => {
    const scene = without().change(upsert(ipPool('pods', { cidr: '10.245.0.0/16', disableBGPExport: true })))
    expect([scene.heard(scene.transit), scene.heard(scene.inner)]).toEqual([[], ['10.246.0.0/24']])
  })

  test('another list of filters that misses one changes no rule', () => {
    const named = bgpPeer('transit', { peerIP: '10.0.0.1', asNumber: 65001, filters: ['no', 'nowhere'] })
    const scene = new Scene({ filters: ['f'] }, FILTER).change(REJECTS, upsert(named))
    expect(scene.held()).toBe('BGPFilter/nowhere does not exist')
    expect(scene.heard(scene.transit)).toEqual(ALLOWED)
    expect(scene.change(upsert(bgpFilter('nowhere', {}))).held()).toBeNull()
    expect(scene.heard(scene.transit)).toEqual([])
  })

  test('another change tells it nothing anew', () => {
    const scene = without()
    const sent = scene.worker.sentBytes
    scene.change(upsert(ipPool('other', { cidr: '10.9.0.0/16' })))
    expect(scene.worker.sentBytes).toBe(sent)
  })
})

describe('that is held for something else gets its new policy', () => {
  const named = (spec: object) =>
    upsert(bgpPeer('transit', { peerIP: '10.0.0.1', asNumber: 65001, ...spec, filters: ['no'] }))

  test('a Secret', () => {
    const scene = new Scene(SIGNED, KEY).change(remove(KEY))
    expect(scene.held()).toBe('Secret/kube-system/bgp is not known')
    expect(scene.heard(scene.transit)).toHaveLength(2)
    expect(scene.change(REJECTS, named(SIGNED)).held()).toBe('Secret/kube-system/bgp is not known')
    expect(scene.heard(scene.transit)).toEqual([])
  })

  test('an interface without an address', () => {
    const spec = { sourceInterface: 'lo9' }
    const scene = new Scene({}).change(REJECTS, named(spec))
    expect(scene.held()).toBe('sourceInterface lo9 does not exist on this node')
    expect(scene.heard(scene.transit)).toEqual([])
  })
})
