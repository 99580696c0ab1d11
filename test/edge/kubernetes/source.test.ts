/** What only an API server can do to a source. The rest is in the contract of sources. */
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connectApi, Silence } from '../../../src/edge/kubernetes/api.ts'
import type { ReflectorTiming } from '../../../src/edge/kubernetes/reflector.ts'
import { openKubernetes } from '../../../src/edge/kubernetes/source.ts'
import type { Source } from '../../../src/edge/resources.ts'
import { type OpenApi, openApi, QUICK } from '../../support/api-server/open.ts'
import type { ApiServer, SeenRequest } from '../../support/api-server/server.ts'
import { KnownObjects } from '../../support/known-objects.ts'
import { until } from '../../support/loopback.ts'
import { node, peer, service, slice } from '../../support/manifests.ts'
import { pod } from '../../support/objects.ts'

const PEERS = '/apis/godwit.dev/v1/bgppeers'
const KINDS = 8

describe('the Kubernetes source', () => {
  let opened: OpenApi
  let api: ApiServer
  let known: KnownObjects
  let source: Source | undefined

  beforeEach(async () => {
    opened = await openApi()
    api = opened.api
    known = new KnownObjects()
  })
  afterEach(async () => {
    await source?.stop()
    source = undefined
    await opened.close()
  })

  async function start(timing: Partial<ReflectorTiming> = {}, nodeName?: string): Promise<void> {
    const { kubeconfig } = opened
    source = await openKubernetes({
      kubeconfig,
      apiGroup: 'godwit.dev/v1',
      feed: known.feed,
      timing: { ...QUICK, ...timing },
      ...(nodeName !== undefined && { node: nodeName }),
    })
  }

  /** Everything listed, and every watch stands. */
  async function sync(timing: Partial<ReflectorTiming> = {}): Promise<void> {
    await start(timing)
    await known.until('synced', () => known.synced)
    await watching()
  }

  const watching = () => until('all watches', () => api.watches === KINDS)
  const has = (key: string) => known.until(`${key} is there`, () => known.objects.has(key))
  const hasNot = (key: string) => known.until(`${key} is gone`, () => !known.objects.has(key))
  const noTrouble = () => known.until('no error', () => known.problems.size === 0)
  /** Of one object: only to compare versions. */
  const isList = ({ query }: { readonly query: URLSearchParams }) => !query.has('watch') && query.get('limit') !== '1'
  const lists = (path: string) => api.requests.filter((seen) => seen.path === path && isList(seen))
  const watches = (path: string) => api.requests.filter((seen) => seen.path === path && seen.query.has('watch'))

  test('after 410 it lists anew, and knows what went and what came', async () => {
    api.apply(peer('old'))
    api.apply(peer('stays'))
    await sync()
    await api.stop()
    api.delete('BGPPeer', 'old')
    api.apply(peer('new'))
    api.store.compact()
    await api.start()
    await hasNot('BGPPeer/old')
    expect([...known.objects.keys()].sort()).toEqual(['BGPPeer/new', 'BGPPeer/stays'])
    expect(lists(PEERS)).toHaveLength(2)
    await noTrouble()
  })

  test('a server that was away: what was known stays, and the watch goes on where it was', async () => {
    api.apply(peer('rack'))
    await sync()
    await api.stop()
    const error = () => known.problems.get('Kubernetes') ?? ''
    await known.until('error', () => error().endsWith('Connection refused; the objects known so far stay in force'))
    // All kinds have failed several times so far.
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect([...known.problems.keys()]).toEqual(['Kubernetes'])
    expect(known.objects.has('BGPPeer/rack')).toBe(true)
    api.apply(peer('second'))
    known.takeChanges()
    await api.start()
    await has('BGPPeer/second')
    await noTrouble()
    expect(known.takeChanges().map((change) => change.kind)).toEqual(['upsert'])
    expect(lists(PEERS)).toHaveLength(1)
  })

  test('a server restored from a backup is listed anew, and hears again what was written', async () => {
    api.apply(peer('stays'))
    const backup = api.store.backup()
    api.apply(peer('lost'))
    for (let index = 0; index < 20; index++) api.apply({ ...node('worker-1'), metadata: { name: `n-${index}` } })
    await sync()
    await has('BGPPeer/lost')
    await has('Node/n-19')
    await api.stop()
    api.store.restore(backup)
    await api.start()
    await watching()
    api.apply(peer('fresh'))
    await has('BGPPeer/fresh')
    await hasNot('BGPPeer/lost')
    await hasNot('Node/n-19')
    expect(known.objects.has('BGPPeer/stays')).toBe(true)
  })

  test('a bookmark is where the next watch begins', async () => {
    await sync()
    api.apply(node('worker-1'))
    await has('Node/worker-1')
    api.sendBookmarks()
    const at = String(api.store.version)
    // The bookmark lies in the stream before its end.
    api.dropWatches('end')
    await until('a second watch', () => watches(PEERS).length === 2)
    expect(watches(PEERS).at(-1)?.query.get('resourceVersion')).toBe(at)
    expect(lists(PEERS)).toHaveLength(1)
  })

  test('a watch asks for bookmarks and for an end', async () => {
    await sync()
    const query = watches(PEERS)[0]?.query
    expect(query?.get('allowWatchBookmarks')).toBe('true')
    expect(Number(query?.get('timeoutSeconds'))).toBeGreaterThanOrEqual(240)
  })

  test.each(['end', 'break'] as const)('nothing is lost when every watch is cut: %s', async (how) => {
    await sync()
    for (let round = 0; round < 3; round++) {
      api.dropWatches(how)
      api.apply(peer(`p${round}`))
      await has(`BGPPeer/p${round}`)
      await watching()
    }
    expect(lists(PEERS)).toHaveLength(1)
    await noTrouble()
  })

  test('a kind the cluster does not know is error, counts as none, and is found later', async () => {
    api.uninstall('BGPFilter')
    await start()
    await known.until('synced', () => known.synced)
    expect([...known.problems.keys()]).toEqual(['Kubernetes/BGPFilter'])
    expect(known.problems.get('Kubernetes/BGPFilter')).toContain('the cluster does not know BGPFilter; install its CRD')
    api.install('BGPFilter')
    api.apply({ apiVersion: 'godwit.dev/v1', kind: 'BGPFilter', metadata: { name: 'late' }, spec: {} })
    await has('BGPFilter/late')
    await noTrouble()
  })

  test('a kind that is unknown for a moment keeps its objects', async () => {
    api.apply(peer('rack'))
    await sync({ absentGrace: 60_000 })
    api.uninstall('BGPPeer')
    api.dropWatches('end')
    await known.until('error', () => known.problems.has('Kubernetes/BGPPeer'))
    await until('asked again', () => lists(PEERS).length >= 3)
    expect(known.objects.has('BGPPeer/rack')).toBe(true)
    api.install('BGPPeer')
    await noTrouble()
    expect(known.objects.has('BGPPeer/rack')).toBe(true)
  })

  test('a kind that stays unknown loses its objects', async () => {
    api.apply(peer('rack'))
    await sync({ absentGrace: 30 })
    api.uninstall('BGPPeer')
    api.dropWatches('end')
    await hasNot('BGPPeer/rack')
  })

  test.each([500, 503, 429, 403])('%d at first: error, and synced only when it is over', async (status) => {
    api.failNext(20, status)
    await start()
    await known.until('error', () => known.problems.size > 0)
    expect([...known.problems.values()][0]).toContain(`${status} told to fail`)
    expect(known.synced).toBe(false)
    await known.until('synced', () => known.synced)
    await noTrouble()
  })

  test('a server that takes requests and never answers is given up and asked again', async () => {
    api.hang(true)
    await start({ silence: 30 })
    await known.until('error', () => known.problems.has('Kubernetes'))
    expect([...known.problems]).toEqual([['Kubernetes', expect.stringContaining('no answer for 0.03 s')]])
    api.hang(false)
    await known.until('synced', () => known.synced)
  })

  test('a watch without data is given up, also after the server has accepted it', async () => {
    const client = await connectApi(opened.kubeconfig)
    let isOpen = false
    const wait = { silence: 50, signal: new AbortController().signal }
    const onOpen = () => {
      isOpen = true
    }
    // On a busy machine it may be given up before the server accepts it.
    while (!isOpen)
      await expect(client.follow(PEERS, { watch: true }, wait, onOpen, () => {})).rejects.toBeInstanceOf(Silence)
    client.close()
  })

  describe('the Node of this node', () => {
    const NODES = '/api/v1/nodes'
    /** Two Nodes of one address would be taken for one machine. */
    const status = { addresses: [{ type: 'InternalIP', address: '192.0.2.2' }] }
    const other = { ...node('worker-2', '10.244.1.0/24'), status }
    const asked = () => lists(NODES).filter((seen) => seen.query.get('fieldSelector') === 'metadata.name=worker-1')
    const begin = async () => {
      api.apply(node('worker-1'))
      api.apply(other)
      const { kubeconfig } = opened
      const ownNodeTiming = { certain: 300, askEvery: 50, requestTimeout: 1_000 }
      const options = { kubeconfig, apiGroup: 'godwit.dev/v1', feed: known.feed, timing: QUICK }
      source = await openKubernetes({ ...options, node: 'worker-1', ownNodeTiming, otherNodeWait: 300 })
      await known.until('synced', () => known.synced)
      await watching()
    }

    test('is deleted once the API has had none for a while, as are others', async () => {
      await begin()
      api.delete('Node', 'worker-1')
      api.delete('Node', 'worker-2')
      await hasNot('Node/worker-2')
      await hasNot('Node/worker-1')
      expect(asked().length).toBeGreaterThan(2)
    })

    test('or of another is registered again meanwhile: the engine never hears of it', async () => {
      await begin()
      known.takeChanges()
      api.delete('Node', 'worker-1')
      api.delete('Node', 'worker-2')
      await until('it is asked for', () => asked().length > 0)
      api.apply(other)
      api.apply(node('worker-1'))
      await known.until('it is told', () => known.changes.length > 1)
      expect(known.takeChanges().map(({ kind }) => kind)).toEqual(['upsert', 'upsert'])
      expect([known.objects.has('Node/worker-1'), known.objects.has('Node/worker-2')]).toEqual([true, true])
    })
  })

  describe('why this pod ends', () => {
    const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'godwit', controller: true }
    const place = { namespace: 'godwit' }
    const pod = (metadata: object) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'godwit-abcde', ...place, ownerReferences: [owner], ...metadata },
    })
    const set = { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'godwit', ...place } }
    const why = async () => {
      const { kubeconfig } = opened
      source = await openKubernetes({ kubeconfig, apiGroup: 'godwit.dev/v1', feed: known.feed, pod: 'godwit-abcde' })
      return source.whyLeaves?.()
    }
    const deletionTimestamp = '2026-11-29T12:00:00Z'

    test('for an upgrade', async () => {
      api.apply(set)
      api.apply(pod({ deletionTimestamp }))
      expect(await why()).toBeUndefined()
    })

    test('with its DaemonSet', async () => {
      api.apply(pod({ deletionTimestamp }))
      expect(await why()).toBe('DaemonSet godwit/godwit is deleted')
    })

    test('with the machine', async () => {
      api.apply(set)
      api.apply(pod({}))
      expect(await why()).toBe('the machine shuts down')
    })

    test('is not known where the API does not answer', async () => {
      api.hang(true)
      expect(await why()).toBeUndefined()
    })
  })

  test('a place the server keeps refusing is left: it lists anew', async () => {
    await sync()
    api.apply(peer('rack'))
    await has('BGPPeer/rack')
    api.onRequest = (seen) => {
      if (seen.query.has('watch') && lists(PEERS).length === 1) api.failNext(1, 504)
    }
    api.dropWatches('end')
    await until('a second list', () => lists(PEERS).length === 2)
    await noTrouble()
    expect([...known.objects.keys()]).toEqual(['BGPPeer/rack'])
  })

  test('a long list comes in pages', async () => {
    for (let index = 0; index < 120; index++) api.apply(service('many', `s${index}`))
    await sync()
    expect(known.objects.size).toBe(120)
    expect(lists('/api/v1/services').map(({ query }) => query.get('limit'))).toEqual(['50', '50', '50'])
    expect(known.takeChanges().filter((change) => change.kind === 'replace' && change.of === 'Service')).toHaveLength(1)
  })

  test('of a list read anew only what is new is told', async () => {
    for (let index = 0; index < 120; index++) api.apply(service('many', `s${index}`))
    await sync()
    known.takeChanges()
    await api.stop()
    api.delete('Service', 's7', 'many')
    api.apply(service('many', 's9', '10.96.0.9'))
    api.apply(service('many', 's200'))
    api.store.compact()
    await api.start()
    await until('the old one gone', () => !known.objects.has('Service/many/s7'))
    const told = known.takeChanges().map((change) => {
      if (change.kind === 'replace') return `replace ${change.of}`
      return change.kind === 'source-problem' ? change.kind : `${change.kind} ${change.ref.name}`
    })
    expect(told.filter((text) => text !== 'source-problem').sort()).toEqual(['delete s7', 'upsert s200', 'upsert s9'])
    expect(lists('/api/v1/services').length).toBeGreaterThan(3)
  })

  test('pages that grow stale are read anew, in larger ones', async () => {
    for (let index = 0; index < 120; index++) api.apply(service('many', `s${index}`))
    api.onRequest = (seen: SeenRequest) => {
      if (seen.query.has('continue')) api.store.compact()
    }
    await sync()
    expect(known.objects.size).toBe(120)
    expect(lists('/api/v1/services').at(-1)?.query.get('limit')).toBe('200')
  })

  test('a heartbeat is no change', async () => {
    api.apply(node('worker-1'))
    await sync()
    known.takeChanges()
    const status = { ...(node('worker-1').status as object), conditions: [{ type: 'Ready', lastHeartbeatTime: 'now' }] }
    api.apply({ ...node('worker-1'), status })
    api.apply(node('worker-2'))
    await has('Node/worker-2')
    expect(known.takeChanges()).toMatchObject([{ kind: 'upsert', ref: { name: 'worker-2' } }])
  })

  test('what nobody looks at is left out', async () => {
    const metadata = {
      name: 'web',
      namespace: 'shop',
      labels: { app: 'web' },
      managedFields: [{ manager: 'kubectl' }],
      annotations: { keep: 'me', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    }
    api.apply({ ...service('shop', 'web'), metadata })
    api.apply({ ...slice('shop', 'web', '10.244.0.5'), ports: [{ port: 80 }] })
    await sync()
    const found = known.objects.get('Service/shop/web') as { metadata: Record<string, unknown> }
    expect(found).toMatchObject({ apiVersion: 'v1', kind: 'Service', spec: { clusterIP: '10.96.0.1' } })
    expect(found.metadata.labels).toEqual({ app: 'web' })
    expect(found.metadata.annotations).toEqual({ keep: 'me' })
    expect(found.metadata).not.toHaveProperty('managedFields')
    expect(found.metadata).not.toHaveProperty('resourceVersion')
    expect(known.objects.get('EndpointSlice/shop/web')).not.toHaveProperty('ports')
  })

  test('long lists come packed, and services without an address do not come at all', async () => {
    for (let index = 0; index < 120; index++) api.apply(service('many', `s${index}`))
    const headless = service('many', 'headless')
    api.apply({ ...headless, spec: { ...(headless.spec as object), clusterIP: 'None' } })
    await sync()
    expect(known.objects.size).toBe(120)
    expect(lists('/api/v1/services')[0]?.headers['accept-encoding']).toBe('gzip')
    expect(lists('/api/v1/services')[0]?.query.get('fieldSelector')).toBe('spec.clusterIP!=None')
    expect(watches('/api/v1/services')[0]?.query.get('fieldSelector')).toBe('spec.clusterIP!=None')
    expect(watches('/apis/discovery.k8s.io/v1/endpointslices')[0]?.query.get('labelSelector')).toMatch(/^!service/)
  })

  /** Of a pod that is ready, as a cluster has many. */
  const podOn = (name: string, nodeName: string, app: string, ready = 'True') => ({
    ...pod(`infra/${name}`, { labels: { app }, node: nodeName, addresses: ['10.244.1.5'] }),
    status: {
      podIP: '10.244.1.5',
      podIPs: [{ ip: '10.244.1.5' }],
      conditions: [{ type: 'Ready', status: ready, lastProbeTime: `${Math.random()}` }],
      containerStatuses: [{ restartCount: Math.random() }],
    },
  })
  const PODS = '/api/v1/pods'

  test('pods are read when they are asked for, of this node and selected by the server, and are no more after it', async () => {
    for (const app of ['dns', 'web'])
      for (const on of ['worker-1', 'worker-2']) api.apply(podOn(`${app}-${on}`, on, app))
    await start({}, 'worker-1')
    await known.until('synced', () => known.synced)
    await until('all watches', () => api.watches === KINDS)
    expect(lists(PODS)).toEqual([])
    source?.followPods?.({ labelSelector: 'app==dns' })
    await has('Pod/infra/dns-worker-1')
    await until('one more watch', () => api.watches === KINDS + 1)
    for (const { query } of [...lists(PODS), ...watches(PODS)]) {
      expect([query.get('fieldSelector'), query.get('labelSelector')]).toEqual(['spec.nodeName=worker-1', 'app==dns'])
    }
    known.takeChanges()
    // Its containers may start anew as often as they like.
    api.apply(podOn('dns-worker-1', 'worker-1', 'dns'))
    api.apply(podOn('dns-worker-1', 'worker-1', 'dns', 'False'))
    await known.until('not ready', () => JSON.stringify(known.objects.get('Pod/infra/dns-worker-1')).includes('False'))
    expect(known.takeChanges()).toHaveLength(1)

    source?.followPods?.({ labelSelector: undefined })
    await has('Pod/infra/web-worker-1')
    await until('the other watch', () => api.watches === KINDS + 1)
    expect([...known.objects.keys()].filter((key) => key.startsWith('Pod/')).sort()).toEqual([
      'Pod/infra/dns-worker-1',
      'Pod/infra/web-worker-1',
    ])
    source?.followPods?.(undefined)
    await hasNot('Pod/infra/web-worker-1')
    await until('no such watch', () => api.watches === KINDS)
    expect([...known.objects.keys()].filter((key) => key.startsWith('Pod/'))).toEqual([])
    expect(known.problems.size).toBe(0)
  })

  test('a server that will not give pods says so, and is asked for no others', async () => {
    await start({}, 'worker-1')
    await known.until('synced', () => known.synced)
    api.selectsFields = false
    source?.followPods?.({ labelSelector: 'app==dns' })
    await known.until('error', () => known.problems.has('Kubernetes/Pod'))
    expect(lists(PODS).every(({ query }) => query.get('fieldSelector') === 'spec.nodeName=worker-1')).toBe(true)
    source?.followPods?.(undefined)
    await known.until('no error', () => !known.problems.has('Kubernetes/Pod'))
  })

  test('events that come packed, each by itself, are read one by one', async () => {
    api.packsEvents = true
    await sync()
    for (const name of ['first', 'second', 'third']) {
      api.apply(peer(name))
      await has(`BGPPeer/${name}`)
    }
    expect(watches(PEERS)).toHaveLength(1)
    expect(lists(PEERS)).toHaveLength(1)
    await noTrouble()
  })

  test('a server that does not select by that field is asked for all', async () => {
    api.selectsFields = false
    api.apply(service('shop', 'web'))
    await sync()
    expect(known.objects.has('Service/shop/web')).toBe(true)
    expect(lists('/api/v1/services').map(({ query }) => query.get('fieldSelector'))).toEqual([
      'spec.clusterIP!=None',
      null,
    ])
    expect(known.changes.filter((change) => change.kind === 'source-problem')).toEqual([])
  })

  test('credentials that are refused are read again', async () => {
    api.token = 'a-token'
    api.apply(peer('rack'))
    await sync()
    api.token = 'renewed'
    api.dropWatches('end')
    await known.until('error', () => [...known.problems.values()].some((text) => text.includes('401')))
    await writeFile(opened.kubeconfig, api.kubeconfig.replace('a-token', 'renewed'))
    await noTrouble()
    await watching()
    expect(known.objects.has('BGPPeer/rack')).toBe(true)
  })

  test('a kind that is not known while the server starts is not none', async () => {
    api.uninstall('BGPPeer')
    api.apply(peer('rack'))
    await start({ absentAtStart: 60_000 })
    await known.until('error', () => known.problems.has('Kubernetes/BGPPeer'))
    expect(known.synced).toBe(false)
    api.install('BGPPeer')
    await known.until('synced', () => known.synced)
    expect(known.objects.has('BGPPeer/rack')).toBe(true)
  })

  test('a lost server is asked by one of all kinds, until it is there again', async () => {
    await sync()
    await api.stop()
    await known.until('error', () => known.problems.has('Kubernetes'))
    const before = api.requests.length
    await api.start()
    await watching()
    // Versions are compared once. Each kind goes on with its own watch, and none was asked for in vain.
    expect(api.requests.length - before).toBe(1 + KINDS)
  })

  test('a kubeconfig that cannot be read fails at once, in one line', async () => {
    await expect(
      openKubernetes({ kubeconfig: '/nonexistent/config', apiGroup: 'godwit.dev', feed: known.feed }),
    ).rejects.toThrow(/^cannot read the kubeconfig \/nonexistent\/config: No such file or directory$/)
    await writeFile(opened.kubeconfig, 'apiVersion: v1\nkind: Config\n')
    await expect(start()).rejects.toThrow(/names no cluster in its current context|cannot read the kubeconfig/)
  })

  test('stopping ends it while nothing answers', async () => {
    api.hang(true)
    await start()
    await until('requests', () => api.requests.length === KINDS)
    await source?.stop()
    expect(known.inputs).toEqual([])
  })
})
