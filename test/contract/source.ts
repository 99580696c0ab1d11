/** What every source of objects must do. The folder of manifests and the Kubernetes API run the same rows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Source } from '../../src/edge/resources.ts'
import type { Manifest } from '../support/api-server/store.ts'
import { KnownObjects } from '../support/known-objects.ts'
import { node, peer, service, slice } from '../support/manifests.ts'

/** The cluster behind a source. */
export interface SourceRig {
  /** Told as a whole at first, where it is not all but Secrets. */
  readonly kinds?: readonly string[]
  apply(manifest: Manifest): Promise<void>
  remove(manifest: Manifest): Promise<void>
  open(known: KnownObjects): Promise<Source>
  close(): Promise<void>
}

export const KINDS = [
  'BGPAdvertisement',
  'BGPConfiguration',
  'BGPFilter',
  'BGPPeer',
  'EndpointSlice',
  'IPPool',
  'Node',
  'Service',
]

export function describeSource(name: string, makeRig: () => Promise<SourceRig>): void {
  describe(`a source of objects: ${name}`, () => {
    let rig: SourceRig
    let known: KnownObjects
    let sources: Source[] = []

    beforeEach(async () => {
      rig = await makeRig()
      known = new KnownObjects()
    })
    afterEach(async () => {
      for (const source of sources) await source.stop()
      sources = []
      await rig.close()
    })

    async function open(listener = known): Promise<Source> {
      const source = await rig.open(listener)
      sources.push(source)
      await listener.until('synced', () => listener.synced)
      return source
    }

    const has = (key: string, listener = known) => listener.until(`${key} is there`, () => listener.objects.has(key))
    const hasNot = (key: string) => known.until(`${key} is gone`, () => !known.objects.has(key))

    /** Waits until a change made now is told: whatever was to be told before it has been told by then. */
    async function marker(): Promise<void> {
      const manifest = peer(`marker-${Math.random().toString(36).slice(2)}`)
      await rig.apply(manifest)
      await has(`BGPPeer/${manifest.metadata.name}`)
    }

    const told = () =>
      known.takeChanges().filter((change) => !(change.kind === 'upsert' && change.ref.name.startsWith('marker-')))

    test('an empty cluster is each kind replaced by nothing, then synced', async () => {
      await open()
      const changes = known.takeChanges()
      expect(changes.map((change) => (change.kind === 'replace' ? change.of : change.kind)).sort()).toEqual(
        rig.kinds ?? KINDS,
      )
      expect(known.objects.size).toBe(0)
      expect(known.inputs.at(-1)).toBe('synced')
    })

    test('what was there before is told as a whole, and then synced', async () => {
      for (const one of [node('worker-1'), peer('rack'), service('shop', 'web'), slice('shop', 'web', '10.244.0.5')]) {
        await rig.apply(one)
      }
      await open()
      expect([...known.objects.keys()].sort()).toEqual([
        'BGPPeer/rack',
        'EndpointSlice/shop/web',
        'Node/worker-1',
        'Service/shop/web',
      ])
      expect(known.takeChanges().every((change) => change.kind === 'replace')).toBe(true)
      expect(known.inputs.filter((kind) => kind === 'synced')).toHaveLength(1)
      expect(known.objects.get('Node/worker-1')).toMatchObject(node('worker-1'))
      // Of endpoints every source tells on which nodes they are and how they are.
      const endpoint = { conditions: { ready: true }, nodeName: 'worker-1' }
      const { endpoints: _, ...rest } = slice('shop', 'web', '10.244.0.5')
      expect(known.objects.get('EndpointSlice/shop/web')).toMatchObject({ ...rest, endpoints: [endpoint] })
    })

    test('an added object is one upsert that names it', async () => {
      await open()
      known.takeChanges()
      await rig.apply(service('shop', 'web'))
      await has('Service/shop/web')
      const ref = { kind: 'Service', namespace: 'shop', name: 'web' }
      expect(known.takeChanges()).toMatchObject([{ kind: 'upsert', ref, object: service('shop', 'web') }])
    })

    test('a changed object is one upsert, and no other object is told', async () => {
      await rig.apply(peer('left'))
      await rig.apply(peer('right'))
      await open()
      known.takeChanges()
      const changed = peer('left', { peerIP: '10.0.0.2', asNumber: 64513 })
      await rig.apply(changed)
      await marker()
      expect(told()).toMatchObject([{ kind: 'upsert', ref: { kind: 'BGPPeer', name: 'left' }, object: changed }])
    })

    test('an object written again as it was is no change', async () => {
      await rig.apply(peer('rack'))
      await open()
      known.takeChanges()
      await rig.apply(peer('rack'))
      await marker()
      expect(told()).toEqual([])
    })

    test('a deleted object is one delete', async () => {
      await rig.apply(service('shop', 'web'))
      await rig.apply(service('shop', 'db'))
      await open()
      known.takeChanges()
      await rig.remove(service('shop', 'web'))
      await hasNot('Service/shop/web')
      expect(known.takeChanges()).toEqual([
        { kind: 'delete', ref: { kind: 'Service', namespace: 'shop', name: 'web' } },
      ])
    })

    test('an object deleted and made anew is as the new one', async () => {
      await rig.apply(peer('rack'))
      await open()
      await rig.remove(peer('rack'))
      await hasNot('BGPPeer/rack')
      await rig.apply(peer('rack', { peerIP: '10.9.9.9', asNumber: 1 }))
      await has('BGPPeer/rack')
      expect(known.objects.get('BGPPeer/rack')).toMatchObject({ spec: { peerIP: '10.9.9.9' } })
    })

    test('the same name in two namespaces is two objects', async () => {
      await rig.apply(service('a', 'web', '10.96.0.1'))
      await rig.apply(service('b', 'web', '10.96.0.2'))
      await open()
      await rig.remove(service('a', 'web'))
      await hasNot('Service/a/web')
      expect(known.objects.get('Service/b/web')).toMatchObject({ spec: { clusterIP: '10.96.0.2' } })
    })

    test.each([
      ['a wrong type', { peerIP: 17, asNumber: 'many' }],
      ['an unknown field', { peerIP: '10.0.0.1', colour: { of: ['the', 'sky'] } }],
      ['no spec', null],
    ])('a wrong object is handed on unchecked: %s', async (_name, spec) => {
      await open()
      await rig.apply(peer('odd', spec))
      await has('BGPPeer/odd')
      expect(known.objects.get('BGPPeer/odd')).toMatchObject({ spec })
      expect([...known.problems]).toEqual([])
    })

    test('many at once arrive all, and go all', async () => {
      await open()
      const many = Array.from({ length: 120 }, (_, index) => service('many', `s${index}`, `10.96.1.${index}`))
      await Promise.all(many.map((one) => rig.apply(one)))
      await known.until('all there', () => known.objects.size === many.length)
      await Promise.all(many.slice(0, 60).map((one) => rig.remove(one)))
      await known.until('half gone', () => known.objects.size === 60)
      await has('Service/many/s119')
    })

    test('a source opened later knows the same', async () => {
      await rig.apply(peer('rack'))
      const first = await open()
      await rig.apply(service('shop', 'web'))
      await has('Service/shop/web')
      await first.stop()
      await rig.remove(peer('rack'))
      const later = new KnownObjects()
      await open(later)
      expect([...later.objects.keys()]).toEqual(['Service/shop/web'])
      expect([...known.objects.keys()].sort()).toEqual(['BGPPeer/rack', 'Service/shop/web'])
    })
  })
}
