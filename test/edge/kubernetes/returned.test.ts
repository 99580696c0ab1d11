/**
 * An API server goes away, everything in it changes, its past is forgotten, and it returns: behind the real source an agent with
 * neighbors of every kind. No session is reset, no route flaps, and in the end the agent is what a fresh one would be.
 */
import { afterEach, expect, test } from 'vitest'
import { same } from '../../../src/cluster/same.ts'
import { openKubernetes } from '../../../src/edge/kubernetes/source.ts'
import type { Source } from '../../../src/edge/resources.ts'
import { type OpenApi, openApi, QUICK } from '../../support/api-server/open.ts'
import type { Manifest } from '../../support/api-server/store.ts'
import { KnownObjects } from '../../support/known-objects.ts'
import { type ApiObject, bgpPeer, endpointSlice, service } from '../../support/objects.ts'
import { objectsOf, townOf } from '../../support/town-objects.ts'
import { differences } from '../../support/town-picture.ts'

let opened: OpenApi | undefined
let source: Source | undefined
afterEach(async () => {
  await source?.stop()
  await opened?.close()
})

const keyOf = ({ kind, metadata: { namespace = '', name } }: ApiObject): string => `${kind}/${namespace}/${name}`

/** Agents ask for these by name, or not at all. */
const BESIDE = ['Secret', 'Pod']

/** What people and controllers did meanwhile; undefined: deleted. */
const CHANGED: Readonly<Record<string, ((spec: never) => object) | undefined>> = {
  'Service/shop/web': (spec: object) => ({ ...spec, externalIPs: ['192.0.2.11'] }),
  'Service/shop/api': undefined,
  'EndpointSlice/shop/api-ipv4': undefined,
  'BGPFilter//some': (spec: { exportV4: readonly object[] }) => ({ ...spec, exportV4: spec.exportV4.slice(0, 1) }),
  'BGPAdvertisement//pods': (spec: object) => ({ ...spec, med: 6, peers: ['plain-2', 'six'] }),
  'IPPool//hidden': (spec: object) => ({ ...spec, disableBGPExport: false }),
  'IPPool//part': undefined,
  'BGPConfiguration//default': (spec: object) => ({ ...spec, communities: [{ name: 'gold', value: '64512:10' }] }),
  'BGPPeer//plain': undefined,
  'Node//worker-2': (spec: object) => ({ ...spec, podCIDRs: ['10.244.33.0/24', 'fd00:244:3::/64'] }),
}

const CREATED: readonly ApiObject[] = [
  service('shop/new', { type: 'LoadBalancer', clusterIPs: ['10.96.0.12'], loadBalancerIPs: ['198.51.100.12'] }),
  endpointSlice('shop/new', 'IPv4', [{ node: 'worker-1', ready: true }]),
  // The same neighbor as before.
  bgpPeer(
    'plain-2',
    { nodeSelector: 'all()', peerIP: '10.0.0.1', asNumber: 65001, passive: true, filters: ['open', 'some'] },
    { labels: { tier: 'a' } },
  ),
]

const changedOf = (object: ApiObject): readonly ApiObject[] => {
  const key = keyOf(object)
  const annotations = { ...object.metadata.annotations, 'example.com/written': 'meanwhile' }
  const touched = { ...object, metadata: { ...object.metadata, annotations } }
  if (!(key in CHANGED)) return [touched]
  const change = CHANGED[key]
  return change === undefined ? [] : [{ ...touched, spec: change(object.spec as never) }]
}

test('everything has changed: no session ends, and no route comes or goes that is not another', async () => {
  opened = await openApi()
  const { api, kubeconfig } = opened
  const before = objectsOf('own')
  const after = [...before.flatMap((one) => (BESIDE.includes(one.kind) ? [one] : changedOf(one))), ...CREATED]
  for (const key of Object.keys(CHANGED)) expect(before.map(keyOf)).toContain(key)
  const inApi = (objects: readonly ApiObject[]) => objects.filter(({ kind }) => !BESIDE.includes(kind))
  for (const object of inApi(before)) api.apply(object as Manifest)

  const town = townOf('own')
  const known = new KnownObjects()
  source = await openKubernetes({
    kubeconfig,
    apiGroup: 'godwit.dev/v1',
    timing: QUICK,
    feed: (input) => {
      town.feed(input)
      known.feed(input)
    },
  })
  await known.until('synced', () => known.synced)
  town.settle()
  const picture = town.picture()
  expect(differences(townOf('own').picture(), picture)).toEqual([])
  for (const speaker of town.speakers) speaker.forget()
  const told = new Map(town.speakers.map((one) => [one, new Map(one.told)]))
  const sessions = town.speakers.map((one) => [one.options.name, one.sessions, one.resets])

  await api.stop()
  await known.until('it is away', () => known.problems.has('Kubernetes'))
  town.pass(300_000)
  expect(town.picture().filter((line) => line.startsWith('told'))).toEqual(
    picture.filter((line) => line.startsWith('told')),
  )
  const kept = new Set(after.map(keyOf))
  for (const one of inApi(before))
    if (!kept.has(keyOf(one))) api.delete(one.kind, one.metadata.name, one.metadata.namespace ?? '')
  for (const object of inApi(after)) api.apply(object as Manifest)
  api.store.compact()
  await api.start()
  const specs = new Map(inApi(after).map((one) => [keyOf(one).replace('//', '/'), one.spec]))
  const isKnown = ([key, spec]: readonly [string, unknown]) => {
    const one = known.objects.get(key)
    return one !== undefined && (key.startsWith('Service/') || same((one as ApiObject).spec, spec))
  }
  await known.until('all is known', () => known.objects.size === specs.size && [...specs].every(isKnown))
  town.settle()

  expect(town.speakers.map((one) => [one.options.name, one.sessions, one.resets])).toEqual(sessions)
  const flapped = town.speakers.flatMap((one) =>
    [...one.withdrawn]
      .filter((path) => one.told.get(path) === told.get(one)?.get(path))
      .map((path) => `${one.options.name} ${path}`),
  )
  expect(flapped).toEqual([])
  const fresh = townOf('own', after)
  const ofObjects = (lines: readonly string[]) => lines.filter((line) => !/^(session|asked remember)/.test(line))
  expect(differences(ofObjects(fresh.picture()), ofObjects(town.picture()))).toEqual([])
})
