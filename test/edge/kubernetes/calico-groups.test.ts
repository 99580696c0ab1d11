/** Where Calico keeps its objects: behind an API server of its own, in one group alone, or in the other. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openKubernetes } from '../../../src/edge/kubernetes/source.ts'
import type { Source } from '../../../src/edge/resources.ts'
import type { EventPlan } from '../../../src/status/events.ts'
import { type OpenApi, openApi, QUICK, QUICK_JOB } from '../../support/api-server/open.ts'
import { CALICO_KINDS } from '../../support/api-server/served.ts'
import { KnownObjects } from '../../support/known-objects.ts'
import { until } from '../../support/loopback.ts'

const [SHOWN, STORED] = ['projectcalico.org/v3', 'crd.projectcalico.org/v1'] as const
type Group = typeof SHOWN | typeof STORED
const KINDS = Object.keys(CALICO_KINDS)

const EVENTS = '/apis/events.k8s.io/v1/events'
const faultOf = (kind: string): EventPlan => ({
  ...{ regarding: { kind, name: 'here' }, type: 'Warning', reason: 'ConfigurationError', action: 'Configure' },
  ...{ note: `${kind} has a fault`, first: 0, last: 0, count: 1, once: true },
})

/** Where each kind is, in the clusters that Calico makes. */
const CLUSTERS: Readonly<Record<string, readonly Group[]>> = {
  'without an API server of Calico’s': [STORED],
  'with one': [SHOWN, STORED],
  'with CRDs of the newer group alone': [SHOWN],
}

let opened: OpenApi
let known: KnownObjects
let source: Source | undefined

beforeEach(async () => {
  opened = await openApi()
  known = new KnownObjects()
})
afterEach(async () => {
  await source?.stop()
  source = undefined
  await opened.close()
})

function install(groups: readonly Group[]): void {
  for (const kind of KINDS) {
    for (const group of [SHOWN, STORED]) {
      const isShownByServer = kind !== 'IPAMBlock' || groups.length === 1
      if (groups.includes(group) && (group === STORED || isShownByServer)) opened.api.install(`${kind}.${group}`)
      else opened.api.uninstall(`${kind}.${group}`)
    }
  }
}

const apply = (group: Group, name: string): void => {
  for (const kind of KINDS) opened.api.apply({ apiVersion: group, kind, metadata: { name }, spec: { deleted: false } })
}
const start = async (apiGroup: string, absentGrace = QUICK.absentGrace): Promise<void> => {
  const timing = { ...QUICK, absentGrace }
  const status = { node: 'worker-1', nodeReadiness: false, timing: QUICK_JOB }
  source = await openKubernetes({ kubeconfig: opened.kubeconfig, apiGroup, feed: known.feed, timing, status })
  await known.until('synced', () => known.synced)
}
const all = (name: string): boolean => KINDS.every((kind) => known.objects.has(`${kind}/${name}`))
const none = (name: string): boolean => KINDS.every((kind) => !known.objects.has(`${kind}/${name}`))

describe.each(Object.entries(CLUSTERS))('a cluster %s', (_name, groups) => {
  test('has every kind found, and its changes', async () => {
    install(groups)
    for (const group of groups) apply(group, 'here')
    await start('projectcalico.org')
    await known.until('all are there', () => all('here'))
    expect([...known.problems.values()]).toEqual([])
    for (const group of groups) apply(group, 'later')
    await known.until('all have come', () => all('later'))
  })

  test('has Events about each object where that is read', async () => {
    install(groups)
    for (const group of groups) apply(group, 'here')
    await start('projectcalico.org')
    await known.until('all are there', () => all('here'))
    source?.report?.({ kind: 'events', events: KINDS.map(faultOf), now: 0 })
    await until('written', () => opened.api.store.list(EVENTS).length === KINDS.length)
    const seen = opened.api.store.list(EVENTS).map(({ regarding }) => regarding as Readonly<Record<string, string>>)
    const places = new Map(seen.map(({ kind, apiVersion, uid }) => [kind, { apiVersion, uid }]))
    for (const kind of KINDS) {
      const apiVersion = groups.length === 2 && kind === 'IPAMBlock' ? STORED : groups[0]
      const plural = kind === 'BlockAffinity' ? 'blockaffinities' : `${kind.toLowerCase()}s`
      const object = opened.api.store.get(`/apis/${apiVersion}/${plural}`, '/here')
      expect(object?.metadata.uid).toEqual(expect.any(String))
      expect(places.get(kind), kind).toEqual({ apiVersion, uid: object?.metadata.uid })
    }
  })
})

test('one group alone is read where it is named', async () => {
  install([SHOWN])
  apply(SHOWN, 'here')
  await start('crd.projectcalico.org')
  expect(none('here')).toBe(true)
  expect(known.problems.get('Kubernetes/BGPPeer')).toMatch(
    /^crd\.projectcalico\.org\/v1 bgppeers: the cluster does not/,
  )
})

describe('objects that move to the newer group', () => {
  test('are found there once the older one is gone, and none is lost meanwhile', async () => {
    install([STORED])
    apply(STORED, 'here')
    await start('projectcalico.org')
    await known.until('all are there', () => all('here'))
    known.takeChanges()
    install([SHOWN])
    apply(SHOWN, 'here')
    apply(SHOWN, 'later')
    opened.api.dropWatches('end')
    await known.until('all are found', () => all('later'))
    expect(known.takeChanges().filter(({ kind }) => kind !== 'upsert')).toEqual([])
  })

  test('are awaited where they were while that is unknown for a moment', async () => {
    install([SHOWN])
    apply(SHOWN, 'here')
    apply(STORED, 'left behind')
    await start('projectcalico.org', 60_000)
    install([STORED])
    opened.api.dropWatches('end')
    await known.until('error', () => known.problems.size === KINDS.length)
    install([SHOWN, STORED])
    opened.api.install(`IPAMBlock.${SHOWN}`)
    await known.until('no error', () => known.problems.size === 0)
    expect([all('here'), none('left behind')]).toEqual([true, true])
  })
})

test('a cluster that has them in neither group says so, and loses them at last', async () => {
  install([SHOWN])
  apply(SHOWN, 'here')
  await start('projectcalico.org', 30)
  await known.until('all are there', () => all('here'))
  install([])
  opened.api.dropWatches('end')
  await known.until('all are gone', () => none('here'))
  expect(known.problems.get('Kubernetes/IPPool')).toBe(
    'projectcalico.org/v3 and crd.projectcalico.org/v1 ippools: the cluster does not know IPPool; install its CRD',
  )
})
