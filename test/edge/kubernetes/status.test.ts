/** What the agent writes to the API, against a server that errs where a real one does. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openKubernetes } from '../../../src/edge/kubernetes/source.ts'
import type { JobTiming } from '../../../src/edge/kubernetes/write/job.ts'
import type { Source, StatusEffect } from '../../../src/edge/resources.ts'
import type { EventPlan } from '../../../src/status/events.ts'
import type { NodeStatus } from '../../../src/status/node-status.ts'
import type { ObjectConditions } from '../../../src/status/object-conditions.ts'
import { schemaOf } from '../../deploy/support/crds.ts'
import { faults } from '../../deploy/support/schema.ts'
import { type OpenApi, openApi, QUICK, QUICK_JOB } from '../../support/api-server/open.ts'
import type { ApiServer } from '../../support/api-server/server.ts'
import { Refusal, type StoredObject } from '../../support/api-server/store.ts'
import { KnownObjects } from '../../support/known-objects.ts'
import { until } from '../../support/loopback.ts'
import { node, peer } from '../../support/manifests.ts'
import { nodeStatus } from '../../support/node-status.ts'

const STATUSES = '/apis/godwit.dev/v1/bgpnodestatuses'
const PEERS = '/apis/godwit.dev/v1/bgppeers'
const LEASES = '/apis/coordination.k8s.io/v1/leases'
const EVENTS = '/apis/events.k8s.io/v1/events'
const EVENT_WRITES = '/apis/events.k8s.io/v1/namespaces/default/events'
const NODES = '/api/v1/nodes'

describe('writing to the API', () => {
  let opened: OpenApi
  let api: ApiServer
  let known: KnownObjects
  const sources: Source[] = []
  const leases: boolean[] = []

  beforeEach(async () => {
    opened = await openApi()
    api = opened.api
    known = new KnownObjects()
    leases.length = 0
    api.apply(node('worker-1'))
  })
  afterEach(async () => {
    for (const source of sources.splice(0)) await source.stop()
    await opened.close()
  })

  async function open(name = 'worker-1', nodeReadiness = false, pauses: Partial<JobTiming> = {}): Promise<Source> {
    const { kubeconfig } = opened
    const feed: KnownObjects['feed'] = (input) => {
      if (input.kind === 'lease') leases.push(input.held)
      known.feed(input)
    }
    const status = { node: name, nodeReadiness, timing: { ...QUICK_JOB, ...pauses } }
    const source = await openKubernetes({ kubeconfig, apiGroup: 'godwit.dev', feed, timing: QUICK, status })
    sources.push(source)
    await known.until('synced', () => known.synced)
    return source
  }

  const tell = (source: Source, more: Partial<NodeStatus> = {}) =>
    source.report?.({ kind: 'status', status: nodeStatus(more), spread: 0 })
  const stored = (name = 'worker-1'): StoredObject | undefined => api.store.get(STATUSES, `/${name}`)
  const writes = (path: string) =>
    api.requests.filter((seen) => seen.method !== 'GET' && seen.path.startsWith(path)).map(({ method }) => method)
  const untilStored = (what: object, name = 'worker-1') =>
    until(`the status of ${name} is ${JSON.stringify(what)}`, () => {
      try {
        expect(stored(name)).toMatchObject(what)
        return true
      } catch {
        return false
      }
    })

  test('the status is created, belongs to its Node, and is what the schema knows', async () => {
    tell(await open())
    await untilStored({ status: { sessions: { summary: '1/2' } } })
    const uid = api.store.get(NODES, '/worker-1')?.metadata.uid
    expect(stored()?.metadata.ownerReferences).toEqual([{ apiVersion: 'v1', kind: 'Node', name: 'worker-1', uid }])
    expect(faults(schemaOf('BGPNodeStatus'), stored())).toEqual([])
    expect(stored()).toMatchObject({
      status: { routers: [{ name: 'Global_10_0_0_1', since: expect.any(String) }, {}] },
    })
  })

  test('another status takes its place; of several that wait the newest is written', async () => {
    const source = await open()
    tell(source)
    await untilStored({ metadata: {} })
    tell(source, { asNumber: 64_999 })
    tell(source, { asNumber: 65_000 })
    await untilStored({ status: { asNumber: 65_000 } })
    expect(writes(STATUSES).slice(0, 2)).toEqual(['POST', 'PUT'])
    expect(writes(STATUSES).length).toBeLessThanOrEqual(3)
  })

  test('a condition keeps the time of its last change, over restarts too', async () => {
    tell(await open())
    await untilStored({ metadata: {} })
    const status = (stored()?.status ?? {}) as { readonly conditions: readonly { lastTransitionTime: string }[] }
    const old = status.conditions.map((one) => ({ ...one, lastTransitionTime: '2020-01-01T00:00:00Z' }))
    api.apply({ ...stored(), status: { ...status, conditions: old } } as StoredObject)
    const again = await open()
    tell(again, {
      asNumber: 1,
      conditions: [
        { type: 'Ready', status: 'True', reason: 'Established', message: '' },
        { type: 'Configured', status: 'False', reason: 'Errors', message: 'x' },
      ],
    })
    await untilStored({ status: { asNumber: 1 } })
    const { conditions } = (stored()?.status ?? {}) as typeof status
    expect(conditions[0]?.lastTransitionTime).toBe('2020-01-01T00:00:00Z')
    expect(conditions[1]?.lastTransitionTime).not.toBe('2020-01-01T00:00:00Z')
  })

  test('somebody else writes in between, or deletes it: it is read again and written', async () => {
    const source = await open()
    tell(source)
    await untilStored({ metadata: {} })
    api.apply({ ...stored(), status: {} } as StoredObject)
    tell(source, { asNumber: 1 })
    await untilStored({ status: { asNumber: 1 } })
    api.delete('BGPNodeStatus', 'worker-1')
    tell(source, { asNumber: 2 })
    await untilStored({ status: { asNumber: 2 } })
  })

  test('a storm of conflicts is answered with patience, not with a storm', async () => {
    const source = await open()
    tell(source)
    await untilStored({ metadata: {} })
    let puts = 0
    api.onRequest = ({ method, path }) => {
      if (method !== 'PUT' || !path.startsWith(STATUSES) || ++puts > 8) return
      api.apply({
        ...stored(),
        metadata: { ...stored()?.metadata, labels: { n: `${puts}` } },
      } as unknown as StoredObject)
    }
    tell(source, { asNumber: 7 })
    await untilStored({ status: { asNumber: 7 }, metadata: { labels: { n: '8' } } })
    expect(puts).toBe(9)
    await until('no problem is left', () => known.problems.size === 0)
  })

  test('an API that is away, hangs or has faults of its own: it is written when it is back', async () => {
    const source = await open()
    tell(source)
    await untilStored({ metadata: {} })
    await api.stop()
    tell(source, { asNumber: 1 })
    await new Promise((resolve) => setTimeout(resolve, 50))
    tell(source, { asNumber: 2 })
    await api.start()
    await untilStored({ status: { asNumber: 2 } })
    api.hang(true)
    tell(source, { asNumber: 3 })
    await until('it asked', () => api.requests.some(({ body }) => body.includes('"asNumber":3')))
    api.hang(false)
    await untilStored({ status: { asNumber: 3 } })
    api.failNext(12, 500)
    tell(source, { asNumber: 4 })
    await untilStored({ status: { asNumber: 4 } })
    await known.until('nothing is told of it any more', () => !known.problems.has('Kubernetes/status'))
  })

  test('without rights, or without the CRD: one line, and everything else goes on', async () => {
    const list = { apiGroups: ['', 'discovery.k8s.io', 'godwit.dev'], resources: [], verbs: ['list', 'watch'] }
    const resources = ['nodes', 'services', 'endpointslices', 'bgpconfigurations', 'bgppeers', 'bgpfilters']
    const all = [...resources, 'bgpadvertisements', 'ippools']
    api.rules = [{ rule: { ...list, resources: all }, namespace: undefined }]
    const source = await open()
    tell(source)
    source.report?.({ kind: 'events', events: [eventOf()], now: 0 })
    await known.until('report', () => known.problems.has('Kubernetes/status'))
    await until('all have asked', () => writes(EVENT_WRITES).length > 0)
    expect(known.problems.size).toBe(1)
    expect(known.problems.get('Kubernetes/status')).toMatch(
      /^\w+ cannot be written: 403 \S+ .*is forbidden: User .*; sessions and routes go on$/,
    )
    api.apply(peer('later'))
    await known.until('objects are still followed', () => known.objects.has('BGPPeer/later'))
    const asked = api.requests.length
    tell(source, { asNumber: 1 })
    await new Promise((resolve) => setTimeout(resolve, 60))
    // Not asked again and again.
    expect(api.requests.length - asked).toBeLessThan(3)
  })

  test('one agent holds the Lease; another takes it when it is given back', async () => {
    const first = await open()
    tell(first)
    await until('held', () => leases.length === 1)
    api.apply(node('worker-2'))
    const second = await open('worker-2')
    tell(second)
    await untilStored({ metadata: {} }, 'worker-2')
    await until('the second has looked', () => api.requests.filter(({ path }) => path.includes('leases')).length >= 3)
    expect(leases).toEqual([true])
    const lease = () => api.store.get(LEASES, 'godwit/godwit-status')?.spec as { readonly holderIdentity: string }
    expect(lease()).toMatchObject({ holderIdentity: 'worker-1', leaseDurationSeconds: 60 })
    await first.stop()
    expect(lease().holderIdentity).toBe('')
    expect(leases).toEqual([true, false])
  })

  test('conditions go to the status of objects, with the generation that was judged, and only where they differ', async () => {
    api.apply(peer('rack'))
    api.apply(peer('good'))
    const source = await open()
    tell(source)
    await until('held', () => leases.length === 1)
    const objects = ['rack', 'good', 'gone'].map((name) => conditionsOf(name, name === 'rack' ? 'False' : 'True'))
    const report: StatusEffect = { kind: 'conditions', objects, whole: true }
    source.report?.(report)
    await until('written', () => writes(`${PEERS}/`).length === 2)
    expect(api.store.get(PEERS, '/rack')).toMatchObject({
      spec: peer('rack').spec,
      metadata: { generation: 1 },
      status: { conditions: [{ type: 'Accepted', status: 'False', observedGeneration: 1 }] },
    })
    source.report?.(report)
    source.report?.({ kind: 'conditions', objects: [conditionsOf('good', 'False')], whole: false })
    await until('written', () => writes(`${PEERS}/`).length === 3)
    expect(known.takeChanges().filter((change) => change.kind === 'upsert')).toEqual([])
  })

  test('an object that is replaced under its name is another one, also where it reads the same', async () => {
    api.apply(peer('rack'))
    await open()
    known.takeChanges()
    const uids = () =>
      known.takeChanges().flatMap((change) => {
        const { metadata } = change.kind === 'upsert' ? (change.object as StoredObject) : {}
        return metadata === undefined ? [] : [metadata.uid]
      })
    api.delete('BGPPeer', 'rack')
    api.apply(peer('rack'))
    const uid = api.store.get(PEERS, '/rack')?.metadata.uid
    const seen: unknown[] = []
    await until('told', () => {
      seen.push(...uids())
      return seen.includes(uid)
    })
  })

  test('an Event about an object that was replaced under its name is another Event', async () => {
    api.apply(peer('rack'))
    const source = await open()
    for (const uid of ['first', 'second', 'second']) {
      const regarding = { kind: 'BGPPeer', name: 'rack', uid }
      source.report?.({ kind: 'events', events: [eventOf({ once: true, regarding })], now: 0 })
    }
    await until('all tried', () => writes(EVENT_WRITES).length === 3)
    expect(api.store.list(EVENTS)).toMatchObject([{ regarding: { uid: 'first' } }, { regarding: { uid: 'second' } }])
  })

  test('what a server restored from a backup has lost is written again', async () => {
    const source = await open('worker-1', true)
    source.report?.({ kind: 'untaint', nodes: [] })
    await until('held', () => leases.length === 1)
    const backup = api.store.backup()
    tell(source)
    await untilStored({ metadata: {} })
    await until('the condition', () => writes(`${NODES}/worker-1`).length === 1)
    await api.stop()
    api.store.restore(backup)
    await api.start()
    await untilStored({ status: { sessions: { summary: '1/2' } } })
    await until('the condition again', () => JSON.stringify(api.store.get(NODES, '/worker-1')).includes('BGPReady'))
    // The engine tells the conditions of objects whenever the Lease is new.
    await until('conditions are told again', () => leases.join().startsWith('true,false,true'))
  })

  test('many are read as a list; what others wrote in the status stays', async () => {
    const names = Array.from({ length: 250 }, (_, index) => `peer-${index}`)
    for (const name of names) api.apply(peer(name))
    const theirs = { type: 'Theirs', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' }
    api.apply({ ...peer('peer-7'), status: { conditions: [theirs] } })
    const source = await open()
    tell(source)
    await until('held', () => leases.length === 1)
    const before = api.requests.length
    source.report?.({ kind: 'conditions', objects: names.map((name) => conditionsOf(name, 'True')), whole: true })
    await until('written', () => writes(`${PEERS}/`).length === 250)
    const reads = api.requests.slice(before).filter(({ method, path }) => method === 'GET' && path === PEERS)
    expect(reads.length).toBeLessThan(4)
    expect(api.store.get(PEERS, '/peer-7')?.status).toMatchObject({ conditions: [theirs, { type: 'Accepted' }] })
  })

  test('conditions that change while many are written are written too', async () => {
    const names = Array.from({ length: 250 }, (_, index) => `peer-${index}`)
    for (const name of names) api.apply(peer(name))
    const source = await open()
    tell(source)
    await until('held', () => leases.length === 1)
    source.report?.({ kind: 'conditions', objects: names.map((name) => conditionsOf(name, 'True')), whole: true })
    await until('some are written', () => writes(`${PEERS}/`).length > 20)
    const again = names.map((name) => conditionsOf(name, 'False'))
    source.report?.({ kind: 'conditions', objects: again, whole: false })
    const isFalse = (name: string) => JSON.stringify(api.store.get(PEERS, `/${name}`)?.status).includes('"False"')
    await until('all are written', () => names.every(isFalse))
  })

  test('where the next page of the list comes too late, the list is begun anew, and nothing is told', async () => {
    const names = Array.from({ length: 250 }, (_, index) => `peer-${index}`)
    for (const name of names) api.apply(peer(name))
    const source = await open()
    tell(source)
    await until('held', () => leases.length === 1)
    let writesLeft = 100
    api.onRequest = ({ method, path }) => {
      if (method !== 'PATCH' || !path.startsWith(PEERS) || --writesLeft !== 0) return
      api.store.compact()
    }
    source.report?.({ kind: 'conditions', objects: names.map((name) => conditionsOf(name, 'True')), whole: true })
    await until('written', () => writes(`${PEERS}/`).length === 250)
    expect(known.changes.filter((one) => one.kind === 'source-problem' && one.at === 'Kubernetes/status')).toEqual([])
  })

  test.each([
    ['one object is not taken', 422, `${PEERS}/peer-3/status`],
    ['a kind may not be written', 403, `${PEERS}/`],
    ['a kind may not be read', 403, PEERS],
    ['the cluster does not know a kind any more', 404, PEERS],
  ])('where %s, the conditions of all others are written', async (_, status, path) => {
    const names = Array.from({ length: 11 }, (_one, index) => `peer-${index}`)
    const pool = {
      apiVersion: 'godwit.dev/v1',
      kind: 'IPPool',
      metadata: { name: 'pods' },
      spec: { cidr: '10.0.0.0/8' },
    }
    for (const object of [...names.map((name) => peer(name)), pool]) api.apply(object)
    const source = await open('worker-1', false, { refusedPause: 20 })
    tell(source)
    await until('held', () => leases.length === 1)
    api.onRequest = (request) => {
      if (request.path.startsWith(path) && request.path.endsWith(path === PEERS ? 'peers' : 'status'))
        throw new Refusal(status, 'No', `no ${status}`)
    }
    const isWritten = (at: string) => JSON.stringify(api.store.list(at)).split('"Accepted"').length - 1
    for (const some of [names, names.slice(0, 4)]) {
      const before = api.requests.length
      const objects = [
        ...some.map((name) => conditionsOf(name, 'True')),
        { ...conditionsOf('pods', 'True'), kind: 'IPPool' },
      ]
      source.report?.({ kind: 'conditions', objects: objects as ObjectConditions[], whole: true })
      await until('the pool has it', () => isWritten('/apis/godwit.dev/v1/ippools') === 1)
      await until('asked', () => api.requests.slice(before).some((seen) => seen.path.startsWith(path)))
    }
    if (status === 422) await until('others', () => isWritten(PEERS) === names.length - 1)
    // What was refused is not forgotten.
    api.onRequest = () => {}
    source.report?.({ kind: 'conditions', objects: [conditionsOf('peer-0', 'True')], whole: false })
    await until('all', () => isWritten(PEERS) >= 4)
  })

  test('a startup taint that may not be removed holds up no other', async () => {
    const taints = [{ key: 'godwit.dev/starting', effect: 'NoSchedule' }]
    const ready = { type: 'Ready', status: 'True' }
    for (const name of ['worker-2', 'worker-3']) {
      api.apply({ ...node(name), spec: { taints } })
      const owner = { apiVersion: 'v1', kind: 'Node', name, uid: api.store.get(NODES, `/${name}`)?.metadata.uid }
      const metadata = { name, ownerReferences: [owner] }
      api.apply({ apiVersion: 'godwit.dev/v1', kind: 'BGPNodeStatus', metadata, status: { conditions: [ready] } })
    }
    api.onRequest = ({ method, path }) => {
      if (method === 'PATCH' && path === `${NODES}/worker-2`) throw new Refusal(403, 'Forbidden', 'a policy says no')
    }
    const source = await open('worker-1', true)
    tell(source)
    await until('held', () => leases.length === 1)
    source.report?.({ kind: 'untaint', nodes: ['worker-2', 'worker-3'] })
    await until('gone', () => !JSON.stringify(api.store.get(NODES, '/worker-3')).includes('starting'))
    await until('told', () => known.problems.get('Kubernetes/status')?.includes('a policy says no') === true)
    api.apply({ ...api.store.get(NODES, '/worker-3'), spec: { taints } } as StoredObject)
    source.report?.({ kind: 'untaint', nodes: ['worker-2', 'worker-3'] })
    await until('gone again', () => !JSON.stringify(api.store.get(NODES, '/worker-3')).includes('starting'))
    expect(writes(`${NODES}/worker-2`)).toHaveLength(1)
  })

  test('what is refused is told, and does not delay what comes later', async () => {
    for (const name of ['peer-0', 'peer-1']) api.apply(peer(name))
    const source = await open('worker-1', false, { refusedPause: 3_600_000 })
    tell(source)
    await until('held', () => leases.length === 1)
    api.onRequest = ({ path }) => {
      if (path === `${PEERS}/peer-0/status`) throw new Refusal(403, 'Forbidden', 'a webhook says no')
    }
    const report = (name: string) =>
      source.report?.({ kind: 'conditions', objects: [conditionsOf(name, 'True')], whole: false })
    report('peer-0')
    await until('told', () => known.problems.get('Kubernetes/status')?.includes('a webhook says no') === true)
    report('peer-1')
    await until('written', () => JSON.stringify(api.store.get(PEERS, '/peer-1')).includes('Accepted'))
    expect(known.problems.get('Kubernetes/status')).toContain('a webhook says no')
    // Nor is it tried again with each of them.
    expect(writes(`${PEERS}/peer-0/status`)).toHaveLength(1)
  })

  test('a kind that may not be written is not tried again with each change of it', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `peer-${index}`)
    for (const name of names) api.apply(peer(name))
    const pool = {
      apiVersion: 'godwit.dev/v1',
      kind: 'IPPool',
      metadata: { name: 'pods' },
      spec: { cidr: '10.0.0.0/8' },
    }
    api.apply(pool)
    const source = await open('worker-1', false, { refusedPause: 3_600_000 })
    tell(source)
    await until('held', () => leases.length === 1)
    let refused = 0
    api.onRequest = ({ method, path }) => {
      if (method !== 'PATCH' || !path.startsWith(PEERS)) return
      refused++
      throw new Refusal(403, 'Forbidden', 'no right')
    }
    const report = (objects: readonly ObjectConditions[]) =>
      source.report?.({ kind: 'conditions', objects, whole: false })
    report(names.map((name) => conditionsOf(name, 'True')))
    await until('told', () => known.problems.get('Kubernetes/status')?.includes('no right') === true)
    const before = refused
    report([conditionsOf('peer-0', 'False'), { ...conditionsOf('pods', 'True'), kind: 'IPPool' } as ObjectConditions])
    await until('another kind', () =>
      JSON.stringify(api.store.list('/apis/godwit.dev/v1/ippools')).includes('Accepted'),
    )
    expect([before, refused]).toEqual([10, 10])
  })

  test('Events stand where describe looks, and count what repeats', async () => {
    const source = await open()
    const uid = api.store.get(NODES, '/worker-1')?.metadata.uid
    source.report?.({ kind: 'events', events: [eventOf()], now: 0 })
    await until('written', () => api.store.list(EVENTS).length === 1)
    expect(api.store.list(EVENTS)[0]).toMatchObject({
      metadata: { namespace: 'default' },
      regarding: { apiVersion: 'v1', kind: 'Node', name: 'worker-1', uid },
      reason: 'SessionLost',
    })
    source.report?.({ kind: 'events', events: [eventOf({ count: 2 })], now: 0 })
    await until('counted', () => JSON.stringify(api.store.list(EVENTS)).includes('"count":2'))
    api.delete('Event', api.store.list(EVENTS)[0]?.metadata.name ?? '', 'default')
    source.report?.({ kind: 'events', events: [eventOf({ count: 3 })], now: 0 })
    await until('written anew', () => api.store.list(EVENTS).length === 1)
    expect(api.store.list(EVENTS)[0]).toMatchObject({ series: { count: 3 } })
  })

  test('an Event that the API does not take holds up no other', async () => {
    const source = await open()
    const wrong = eventOf({ action: '' })
    source.report?.({ kind: 'events', events: [wrong, eventOf({ note: 'after it' })], now: 0 })
    await until('the other', () => api.store.list(EVENTS).length === 1)
    expect(api.store.list(EVENTS)[0]).toMatchObject({ note: 'after it' })
    await until('told', () => known.problems.has('Kubernetes/status'))
    source.report?.({ kind: 'events', events: [eventOf({ note: 'later' })], now: 0 })
    await until('the next', () => api.store.list(EVENTS).length === 2)
  })

  test('an Event that is told once is told once by all, whoever holds the Lease', async () => {
    api.apply(peer('rack'))
    const regarding = { kind: 'BGPPeer', name: 'rack' }
    const events = [eventOf({ once: true, regarding, note: 'x'.repeat(1_000) })]
    for (const name of ['worker-1', 'worker-2']) {
      const source = await open(name)
      source.report?.({ kind: 'events', events, now: 0 })
    }
    await until('both tried', () => writes(EVENT_WRITES).length === 2)
    expect(api.store.list(EVENTS)).toHaveLength(1)
  })

  test('the condition of the Node and its startup taint', async () => {
    const taints = [
      { key: 'godwit.dev/starting', effect: 'NoSchedule' },
      { key: 'other', effect: 'NoExecute' },
      { key: 'godwit.dev/starting', effect: 'NoExecute' },
    ]
    const kubelet = { type: 'Ready', status: 'True' }
    api.apply({ ...node('worker-1'), spec: { taints }, status: { conditions: [kubelet] } })
    const source = await open('worker-1', true)
    tell(source)
    await until('the condition', () => writes(`${NODES}/worker-1`).length === 1)
    await until('held', () => leases.length === 1)
    source.report?.({ kind: 'untaint', nodes: ['worker-1', 'worker-9'] })
    await until(
      'gone',
      () => JSON.stringify(api.store.get(NODES, '/worker-1')?.spec) === JSON.stringify({ taints: taints.slice(1) }),
    )
    expect(api.store.get(NODES, '/worker-1')?.status).toMatchObject({
      conditions: [kubelet, { type: 'godwit.dev/BGPReady', status: 'True', reason: 'Established' }],
    })
  })

  test('where the Node may not be written, its status still follows', async () => {
    let refused = 0
    api.onRequest = ({ method, path }) => {
      if (method !== 'PATCH' || path !== `${NODES}/worker-1/status`) return
      refused++
      throw new Refusal(403, 'Forbidden', 'nodes/status is forbidden')
    }
    const source = await open('worker-1', true)
    tell(source)
    await until('refused', () => refused === 1)
    for (const asNumber of [1, 2, 3]) {
      tell(source, { asNumber })
      await untilStored({ status: { asNumber } })
    }
    const told = () => known.problems.get('Kubernetes/status')
    await until('told', () => told() !== undefined)
    expect(told()).toMatch(/^the condition of the Node cannot be written: 403 .*sessions and routes go on$/)
  })

  test('of a write that is refused for another reason than before the newest is told', async () => {
    let status = 403
    api.onRequest = ({ method, path }) => {
      if (method === 'PATCH' && path === `${NODES}/worker-1/status`) throw new Refusal(status, 'No', `no ${status}`)
    }
    const source = await open('worker-1', true, { refusedPause: 20 })
    tell(source)
    const told = () => known.problems.get('Kubernetes/status')
    await until('refused', () => told()?.includes('no 403') === true)
    status = 422
    await until('refused anew', () => told()?.includes('no 422') === true)
  })

  test('a Node that is deleted and registered again gets the condition and owns the status', async () => {
    api.apply(node('worker-1'))
    const { kubeconfig } = opened
    const status = { node: 'worker-1', nodeReadiness: true, timing: QUICK_JOB }
    const options = { kubeconfig, apiGroup: 'godwit.dev', feed: known.feed, timing: QUICK, status } as const
    const source = await openKubernetes({ ...options, node: 'worker-1' })
    sources.push(source)
    await known.until('synced', () => known.synced)
    tell(source)
    await until('the condition', () => writes(`${NODES}/worker-1`).length === 1)
    api.delete('Node', 'worker-1')
    api.apply(node('worker-1'))
    const uidOf = () => api.store.get(NODES, '/worker-1')?.metadata?.uid
    await until('the condition again', () => writes(`${NODES}/worker-1`).length === 2)
    await untilStored({ metadata: { ownerReferences: [{ kind: 'Node', name: 'worker-1', uid: uidOf() }] } })
  })

  test('the status of an earlier Node of this name has a new owner, also where no agent saw that Node go', async () => {
    tell(await open())
    await untilStored({ metadata: {} })
    await sources.pop()?.stop()
    api.delete('Node', 'worker-1')
    api.apply(node('worker-1'))
    tell(await open(), { asNumber: 1 })
    await untilStored({ status: { asNumber: 1 } })
    const uid = api.store.get(NODES, '/worker-1')?.metadata.uid
    expect(stored()?.metadata.ownerReferences).toMatchObject([{ kind: 'Node', uid }])
  })

  test('a Node that registers later than its agent starts becomes the owner of the status', async () => {
    api.delete('Node', 'worker-1')
    const source = await open()
    tell(source)
    await untilStored({ status: { sessions: { summary: '1/2' } } })
    expect(stored()?.metadata.ownerReferences).toBeUndefined()
    api.apply(node('worker-1'))
    tell(source, { asNumber: 1 })
    await untilStored({ status: { asNumber: 1 } })
    const uid = api.store.get(NODES, '/worker-1')?.metadata.uid
    expect(stored()?.metadata.ownerReferences).toMatchObject([{ kind: 'Node', uid }])
  })

  test('a node that is not ready keeps its taint, and so does one whose status is from another Node of its name', async () => {
    const taints = [{ key: 'godwit.dev/starting', effect: 'NoSchedule' }]
    for (const name of ['worker-2', 'worker-3']) api.apply({ ...node(name), spec: { taints } })
    const ready = { type: 'Ready', status: 'True' }
    const owned = (uid: unknown) => [{ apiVersion: 'v1', kind: 'Node', name: 'worker-2', uid }]
    const status = (name: string, uid: unknown, conditions: readonly object[]) => ({
      apiVersion: 'godwit.dev/v1',
      kind: 'BGPNodeStatus',
      metadata: { name, ownerReferences: owned(uid) },
      status: { conditions },
    })
    api.apply(status('worker-2', 'another', [ready]))
    api.apply(status('worker-3', api.store.get(NODES, '/worker-3')?.metadata.uid, [{ ...ready, status: 'False' }]))
    const source = await open('worker-1', true)
    tell(source)
    await until('held', () => leases.length === 1)
    source.report?.({ kind: 'untaint', nodes: ['worker-2', 'worker-3'] })
    await until('looked', () => api.requests.filter(({ path }) => path === `${STATUSES}/worker-3`).length > 0)
    expect(writes(`${NODES}/worker-2`)).toEqual([])
    expect(writes(`${NODES}/worker-3`)).toEqual([])
  })

  test('at the end of an agent nothing is left to wait for', async () => {
    const source = await open()
    api.hang(true)
    tell(source)
    const begun = performance.now()
    await source.stop()
    expect(performance.now() - begun).toBeLessThan(3_000)
  })
})

const eventOf = (more: Partial<EventPlan> = {}): EventPlan => ({
  regarding: { kind: 'Node', name: 'worker-1' },
  type: 'Warning',
  reason: 'SessionLost',
  action: 'Peer',
  note: 'Global_10_0_0_1: Received: Administrative shutdown',
  first: 0,
  last: 0,
  count: 1,
  once: false,
  ...more,
})

const conditionsOf = (name: string, status: 'True' | 'False'): ObjectConditions => ({
  kind: 'BGPPeer',
  name,
  generation: 1,
  uid: undefined,
  conditions: [{ type: 'Accepted', status, reason: 'Valid', message: '' }],
  errors: [],
})
