/**
 * What the agent relies on at an API server, and what its ServiceAccount may do there. The same rows run against our own
 * server, so that it errs where a real one does, and against a real one. They make what they look at, look at nothing
 * else, and wait for events, never for time.
 */
import { randomBytes } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openKubernetes } from '../../src/edge/kubernetes/source.ts'
import { pathOf, resourcesOf, type Source } from '../../src/edge/resources.ts'
import type { Answer, Body } from '../support/api-client.ts'
import { KnownObjects } from '../support/known-objects.ts'
import type { ApiRig } from './api-rig.ts'

/** A server at a distance, on a busy machine. */
const PATIENCE = 25_000

const OURS = '/apis/godwit.dev/v1'
const [PEERS, FILTERS] = [`${OURS}/bgppeers`, `${OURS}/bgpfilters`]

/** Of no node: an agent that reads them does nothing. */
const NOWHERE = "contract == 'nowhere'"
const peer = (name: string, spec: Readonly<Record<string, unknown>> = {}, metadata: object = {}) => ({
  apiVersion: 'godwit.dev/v1',
  kind: 'BGPPeer',
  metadata: { name, ...metadata },
  spec: { nodeSelector: NOWHERE, peerIP: '192.0.2.1', asNumber: 64512, ...spec },
})

export function describeApi(title: string, makeRig: () => Promise<ApiRig>): void {
  describe(`an API server: ${title}`, () => {
    let rig: ApiRig
    let made: string[] = []
    let sources: Source[] = []

    beforeAll(async () => {
      rig = await makeRig()
    }, 60_000)
    afterEach(async () => {
      for (const source of sources) await source.stop()
      for (const path of made.reverse()) await rig.admin.request('DELETE', path)
      sources = []
      made = []
    })
    afterAll(() => rig?.close(), 60_000)

    const nameOf = (what: string): string => `contract-${what}-${randomBytes(4).toString('hex')}`
    const services = () => `/api/v1/namespaces/${rig.namespace}/services`
    const slices = () => `/apis/discovery.k8s.io/v1/namespaces/${rig.namespace}/endpointslices`
    const secrets = () => `/api/v1/namespaces/${rig.namespace}/secrets`

    const post = (path: string, body: unknown, query = {}): Promise<Answer> => {
      const { name = '' } = (body as Body).metadata ?? {}
      made.push(`${path}/${name}`)
      return rig.admin.request('POST', path, { body, query })
    }
    async function create(path: string, body: unknown): Promise<Body> {
      const answer = await post(path, body)
      expect(answer.status, answer.body?.message).toBe(201)
      return answer.body ?? {}
    }
    const put = (path: string, body: Body): Promise<Answer> =>
      rig.admin.request('PUT', `${path}/${body.metadata?.name}`, { body })
    const remove = (path: string, name: string): Promise<Answer> => rig.admin.request('DELETE', `${path}/${name}`)
    const versionOf = ({ metadata }: Body): string => metadata?.resourceVersion ?? ''

    describe('the agent’s source', () => {
      async function open(): Promise<KnownObjects> {
        const known = new KnownObjects()
        const { kubeconfig, namespace } = rig
        const source = await openKubernetes({ kubeconfig, apiGroup: 'godwit.dev', feed: known.feed, namespace })
        sources.push(source)
        source.followSecrets?.(['bgp'])
        await known.until('synced', () => known.synced, PATIENCE)
        return known
      }
      const has = (known: KnownObjects, key: string) => known.until(key, () => known.objects.has(key), PATIENCE)
      const hasNot = (known: KnownObjects, key: string) =>
        known.until(`${key} is gone`, () => !known.objects.has(key), PATIENCE)

      test('it may read every kind, and has no report', async () => {
        const known = await open()
        expect([...known.problems.values()]).toEqual([])
      })

      test('knows what was there, what comes, what changes and what goes', async () => {
        const [old, fresh] = [nameOf('old'), nameOf('fresh')]
        await create(PEERS, peer(old))
        const known = await open()
        expect(known.objects.has(`BGPPeer/${old}`)).toBe(true)
        const stored = await create(PEERS, peer(fresh))
        await has(known, `BGPPeer/${fresh}`)
        expect((await put(PEERS, { ...stored, spec: { ...(stored.spec as object), asNumber: 64999 } })).status).toBe(
          200,
        )
        const number = () => (known.objects.get(`BGPPeer/${fresh}`) as { spec: { asNumber: number } }).spec.asNumber
        await known.until('64999', () => number() === 64999, PATIENCE)
        await remove(PEERS, old)
        await hasNot(known, `BGPPeer/${old}`)
      })

      test('of services and their endpoints those that have no address of the cluster stay out', async () => {
        const [web, headless, last] = [nameOf('web'), nameOf('headless'), nameOf('last')]
        const service = (name: string, spec: object = {}) => ({
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name },
          spec: { type: 'ClusterIP', ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }], ...spec },
        })
        const slice = (name: string, labels: object = {}) => ({
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { name, labels: { 'kubernetes.io/service-name': name, ...labels } },
          addressType: 'IPv4',
          ports: [{ name: '', port: 8080, protocol: 'TCP' }],
          endpoints: [{ addresses: ['192.0.2.10'], nodeName: 'nowhere', conditions: { ready: true } }],
        })
        const known = await open()
        await create(services(), service(headless, { clusterIP: 'None' }))
        await create(slices(), slice(headless, { 'service.kubernetes.io/headless': '' }))
        for (const name of [web, last]) {
          await create(services(), service(name))
          await create(slices(), slice(name))
        }
        const at = (kind: string, name: string) => `${kind}/${rig.namespace}/${name}`
        for (const kind of ['Service', 'EndpointSlice']) await has(known, at(kind, last))
        // What was made before has been told by now.
        for (const kind of ['Service', 'EndpointSlice']) expect(known.objects.has(at(kind, headless))).toBe(false)
        expect(known.objects.get(at('EndpointSlice', web))).toMatchObject({ endpoints: [{ nodeName: 'nowhere' }] })
        // A slice that gets the label is gone for whoever does not select it.
        const { body } = await rig.admin.get(`${slices()}/${web}`)
        const labels = { ...(body?.metadata?.labels as object), 'service.kubernetes.io/service-proxy-name': 'other' }
        expect((await put(slices(), { ...body, metadata: { ...body?.metadata, labels } })).status).toBe(200)
        await hasNot(known, at('EndpointSlice', web))
      })

      test('reads the Secret it may read, and follows it', async () => {
        const known = await open()
        const data = { 'rack-1': Buffer.from('hunter2').toString('base64') }
        await create(secrets(), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'bgp' }, type: 'Opaque', data })
        await has(known, `Secret/${rig.namespace}/bgp`)
        expect(JSON.stringify([...known.objects])).not.toMatch(/hunter2|aHVudGVyMg/)
        await remove(secrets(), 'bgp')
        await hasNot(known, `Secret/${rig.namespace}/bgp`)
      })
    })

    describe('the rights', () => {
      test.each(resourcesOf('godwit.dev').map((resource) => [resource.kind, pathOf(resource)]))(
        '%s: to list and to watch',
        async (_kind, path) => {
          const { status, body } = await rig.agent.get(path, { limit: 1 })
          expect(status, body?.message).toBe(200)
          const query = { resourceVersion: versionOf(body ?? {}), allowWatchBookmarks: true, timeoutSeconds: 1 }
          const events = await rig.agent.watch(path, query, () => true)
          for (const { type } of events) expect(type).not.toBe('ERROR')
        },
      )

      test.each([
        ['Secrets in general', () => rig.agent.get(secrets())],
        ['another Secret', () => rig.agent.get(secrets(), { fieldSelector: 'metadata.name=other' })],
        ['Secrets of all namespaces', () => rig.agent.get('/api/v1/secrets', { fieldSelector: 'metadata.name=bgp' })],
        ['one Node', () => rig.agent.request('DELETE', '/api/v1/nodes/contract-nowhere')],
        ['to make a BGPPeer', () => rig.agent.request('POST', PEERS, { body: peer('contract-refused') })],
        ['to take a BGPPeer away', () => rig.agent.request('DELETE', `${PEERS}/contract-refused`)],
        ['to make a Service', () => rig.agent.request('POST', services(), { body: { metadata: { name: 'x' } } })],
      ])('not to %s', async (_name, ask) => {
        const { status, body } = await ask()
        expect(status).toBe(403)
        expect(body).toMatchObject({ kind: 'Status', reason: 'Forbidden' })
        expect(body?.message).toContain(`User "system:serviceaccount:${rig.namespace}:godwit" cannot`)
      })

      test('the Secret by its name', async () => {
        expect((await rig.agent.get(secrets(), { fieldSelector: 'metadata.name=bgp' })).status).toBe(200)
      })

      test('nobody comes in with a token that is none', async () => {
        const { status, body } = await rig.agent.with('none').get(PEERS)
        expect(status).toBe(401)
        expect(body).toMatchObject({ kind: 'Status', reason: 'Unauthorized' })
      })
    })

    describe('what is written', () => {
      test('loses fields that nobody knows', async () => {
        const name = nameOf('pruned')
        const body = await create(PEERS, { ...peer(name, { colour: 'sky', bfd: { speed: 1 } }), extra: 1 })
        expect(body.spec).not.toHaveProperty('colour')
        expect(body.spec).toMatchObject({ bfd: {} })
        expect((body.spec as { bfd: object }).bfd).not.toHaveProperty('speed')
        expect(body).not.toHaveProperty('extra')
      })

      test('is refused for them where one asks to be strict, as kubectl does', async () => {
        const answer = await post(PEERS, peer(nameOf('strict'), { colour: 'sky' }), { fieldValidation: 'Strict' })
        expect(answer.status).toBe(400)
        expect(answer.body).toMatchObject({ reason: 'BadRequest' })
        expect(answer.body?.message).toContain('unknown field "spec.colour"')
      })

      test('gets the defaults of the schema', async () => {
        const { spec } = await create(PEERS, peer(nameOf('defaults')))
        expect(spec).toMatchObject({ reversePeering: 'Auto', fastExternalFailover: true })
      })

      test.each<[string, Readonly<Record<string, unknown>>, string]>([
        ['a wrong type', { asNumber: {} }, 'spec.asNumber'],
        ['a word that is none', { sourceAddress: 'Nobody' }, 'spec.sourceAddress'],
        ['a number beyond its bounds', { ttlSecurity: 1000 }, 'spec.ttlSecurity'],
        ['a rule that is broken', { strictRole: true }, 'strictRole needs role'],
        ['an address that no host has', { peerIP: '0.0.0.0' }, 'spec.peerIP'],
      ])('is refused: %s', async (_name, spec, words) => {
        const { status, body } = await post(PEERS, peer(nameOf('wrong'), spec))
        expect(status, JSON.stringify(body)).toBe(422)
        expect(body).toMatchObject({ kind: 'Status', reason: 'Invalid' })
        expect(body?.message).toContain(words)
      })

      test('a change is refused for the same reasons, and nothing changes', async () => {
        const stored = await create(PEERS, peer(nameOf('change')))
        const answer = await put(PEERS, { ...stored, spec: { ...(stored.spec as object), ttlSecurity: 1000 } })
        expect(answer.status).toBe(422)
        const { body } = await rig.admin.get(`${PEERS}/${stored.metadata?.name}`)
        expect(versionOf(body ?? {})).toBe(versionOf(stored))
      })

      test('has a version of its own, which a change must name', async () => {
        const stored = await create(PEERS, peer(nameOf('version')))
        const first = { ...stored, spec: { ...(stored.spec as object), asNumber: 64513 } }
        const { status, body } = await put(PEERS, first)
        expect(status).toBe(200)
        expect(versionOf(body ?? {})).not.toBe(versionOf(stored))
        expect(body?.metadata).toMatchObject({ generation: 2, uid: stored.metadata?.uid })
        expect((await put(PEERS, { ...first, spec: { ...first.spec, asNumber: 64514 } })).body).toMatchObject({
          code: 409,
          reason: 'Conflict',
        })
        const { resourceVersion: _, ...metadata } = stored.metadata ?? {}
        expect((await put(PEERS, { ...first, metadata })).status).toBe(422)
      })

      test('what changes nothing is no change', async () => {
        const stored = await create(PEERS, peer(nameOf('same')))
        const { status, body } = await put(PEERS, stored)
        expect(status).toBe(200)
        expect(versionOf(body ?? {})).toBe(versionOf(stored))
      })

      test('twice is once too often, and what is not there is not changed or taken away', async () => {
        const name = nameOf('twice')
        const stored = await create(PEERS, peer(name))
        expect((await post(PEERS, peer(name))).body).toMatchObject({ code: 409, reason: 'AlreadyExists' })
        expect((await remove(PEERS, name)).status).toBe(200)
        expect((await remove(PEERS, name)).body).toMatchObject({ code: 404, reason: 'NotFound' })
        expect([404, 409]).toContain((await put(PEERS, stored)).status)
      })

      test('made anew it is another object', async () => {
        const name = nameOf('anew')
        const stored = await create(PEERS, peer(name))
        await remove(PEERS, name)
        expect((await create(PEERS, peer(name))).metadata?.uid).not.toBe(stored.metadata?.uid)
      })
    })

    describe('what the agent writes', () => {
      const merge = (path: string, body: unknown): Promise<Answer> =>
        rig.agent.request('PATCH', path, { body, headers: { 'content-type': 'application/merge-patch+json' } })
      const micros = (): string => new Date().toISOString().replace('Z', '000Z')

      describe('a status', () => {
        const conditions = [{ type: 'Accepted', status: 'True' }]

        test('is written apart: the rest stays, and so does the generation', async () => {
          const stored = await create(PEERS, { ...peer(nameOf('status')), status: { conditions } })
          expect(stored).not.toHaveProperty('status')
          const path = `${PEERS}/${stored.metadata?.name}/status`
          const { status, body } = await merge(path, { spec: { asNumber: 64999 }, status: { conditions } })
          expect(status, body?.message).toBe(200)
          expect(body).toMatchObject({ spec: { asNumber: 64512 }, status: { conditions }, metadata: { generation: 1 } })
          expect(versionOf(body ?? {})).not.toBe(versionOf(stored))
        })

        test('stays when the rest is written', async () => {
          const stored = await create(PEERS, peer(nameOf('rest')))
          const { body } = await merge(`${PEERS}/${stored.metadata?.name}/status`, { status: { conditions } })
          const changed = { ...body, spec: { ...(body?.spec as object), asNumber: 64513 }, status: {} }
          expect((await put(PEERS, changed)).body).toMatchObject({
            spec: { asNumber: 64513 },
            status: { conditions },
            metadata: { generation: 2 },
          })
        })

        test('is checked by the schema too', async () => {
          const stored = await create(PEERS, peer(nameOf('half')))
          const path = `${PEERS}/${stored.metadata?.name}/status`
          const { status, body } = await merge(path, { status: { conditions: [{ type: 'Accepted' }] } })
          expect(status).toBe(422)
          expect(body?.message).toContain('status.conditions[0].status')
        })

        test('nothing else of the object may be written', async () => {
          const stored = await create(PEERS, peer(nameOf('spec')))
          expect((await merge(`${PEERS}/${stored.metadata?.name}`, { spec: { asNumber: 1 } })).status).toBe(403)
        })
      })

      describe('the Lease', () => {
        const leases = () => `/apis/coordination.k8s.io/v1/namespaces/${rig.namespace}/leases`
        const lease = (spec: object, metadata: object = {}) => ({
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { name: 'godwit-status', namespace: rig.namespace, ...metadata },
          spec: { holderIdentity: 'contract', leaseDurationSeconds: 15, renewTime: micros(), ...spec },
        })
        const write = (method: 'POST' | 'PUT', body: Body): Promise<Answer> => {
          made.push(`${leases()}/godwit-status`)
          return rig.agent.request(method, method === 'PUT' ? `${leases()}/godwit-status` : leases(), { body })
        }

        test('is made once, and taken over by whoever has seen its last version', async () => {
          const first = await write('POST', lease({}))
          expect(first.status, first.body?.message).toBe(201)
          expect((await write('POST', lease({}))).body).toMatchObject({ code: 409, reason: 'AlreadyExists' })
          const seen = { resourceVersion: versionOf(first.body ?? {}) }
          expect((await write('PUT', lease({ holderIdentity: 'one' }, seen))).status).toBe(200)
          expect((await write('PUT', lease({ holderIdentity: 'two' }, seen))).body).toMatchObject({
            code: 409,
            reason: 'Conflict',
          })
          expect((await write('PUT', lease({}))).status).toBe(422)
          const { body } = await rig.agent.get(`${leases()}/godwit-status`)
          expect(body?.spec).toMatchObject({ holderIdentity: 'one' })
        })

        test('lasts for some time, which is told to the microsecond', async () => {
          expect((await write('POST', lease({ leaseDurationSeconds: 0 }))).status).toBe(422)
          expect((await write('POST', lease({ renewTime: '2026-01-01T00:00:00Z' }))).status).toBe(400)
        })

        test('no other one is for the agent', async () => {
          expect((await rig.agent.get(`${leases()}/other`)).status).toBe(403)
          expect((await rig.agent.request('DELETE', `${leases()}/godwit-status`)).status).toBe(403)
        })
      })

      describe('an Event', () => {
        const EVENTS = '/apis/events.k8s.io/v1/namespaces/default/events'
        const event = (over: object = {}) => ({
          apiVersion: 'events.k8s.io/v1',
          kind: 'Event',
          metadata: { name: nameOf('event'), namespace: 'default' },
          eventTime: micros(),
          reportingController: 'godwit.dev/agent',
          reportingInstance: 'contract',
          action: 'Connect',
          reason: 'SessionLost',
          regarding: { apiVersion: 'godwit.dev/v1', kind: 'BGPPeer', name: 'contract' },
          note: 'the hold timer expired',
          type: 'Warning',
          ...over,
        })
        const say = (body: Body): Promise<Answer> => {
          made.push(`${EVENTS}/${body.metadata?.name}`)
          return rig.agent.request('POST', EVENTS, { body })
        }

        test('of an object without a namespace lies in default, and its series grows', async () => {
          const { status, body } = await say(event())
          expect(status, body?.message).toBe(201)
          const series = { count: 2, lastObservedTime: micros() }
          const grown = await merge(`${EVENTS}/${body?.metadata?.name}`, { series })
          expect(grown.status, grown.body?.message).toBe(200)
          expect(grown.body).toMatchObject({ series: { count: 2 } })
          expect((await merge(`${EVENTS}/${body?.metadata?.name}`, { note: 'another' })).status).toBe(422)
        })

        test.each<[string, object]>([
          ['a note of 1025 octets', { note: 'x'.repeat(1025) }],
          ['no time', { eventTime: undefined }],
          ['a type that is none', { type: 'Bad' }],
          ['no action', { action: '' }],
          ['a reason of 129 letters', { reason: 'x'.repeat(129) }],
        ])('with %s is refused', async (_name, over) => {
          expect((await say(event(over))).status).toBe(422)
        })
      })
    })

    describe('lists', () => {
      const labelled = (label: string) => ({ labels: { contract: label } })

      test('come in pages of one moment', async () => {
        const label = nameOf('pages')
        for (let index = 0; index < 5; index++) await create(PEERS, peer(`${label}-${index}`, {}, labelled(label)))
        const names: (string | undefined)[] = []
        const versions = new Set<string>()
        let next: string | undefined
        do {
          const query = { labelSelector: `contract=${label}`, limit: 2, ...(next && { continue: next }) }
          const { status, body } = await rig.agent.get(PEERS, query)
          expect(status, body?.message).toBe(200)
          expect(body).toMatchObject({ kind: 'BGPPeerList', apiVersion: 'godwit.dev/v1' })
          names.push(...(body?.items ?? []).map(({ metadata }) => metadata?.name))
          versions.add(versionOf(body ?? {}))
          const token = body?.metadata?.continue
          next = typeof token === 'string' && token !== '' ? token : undefined
          // Made in between: it is on no page of this list.
          if (next !== undefined && names.length === 2) await create(PEERS, peer(`${label}-9`, {}, labelled(label)))
        } while (next !== undefined && names.length < 10)
        expect(names).toEqual([0, 1, 2, 3, 4].map((index) => `${label}-${index}`))
        expect(versions.size).toBe(1)
      })

      test('items say what they are where the kind is ours, and not where it is built in', async () => {
        const label = nameOf('items')
        await create(PEERS, peer(label, {}, labelled(label)))
        const ours = await rig.agent.get(PEERS, { labelSelector: `contract=${label}` })
        expect(ours.body?.items).toMatchObject([{ kind: 'BGPPeer', apiVersion: 'godwit.dev/v1' }])
        const spec = { ports: [{ port: 80, protocol: 'TCP' }] }
        await create(services(), {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'items', ...labelled(label) },
          spec,
        })
        const [item] =
          (await rig.agent.get('/api/v1/services', { labelSelector: `contract=${label}` })).body?.items ?? []
        expect(item).not.toHaveProperty('kind')
      })

      test.each([
        ['a token that is none', { limit: 1, continue: 'none' }, 400],
        ['a field that is not selected by', { fieldSelector: 'spec.peerIP=192.0.2.1' }, 400],
        ['a selector that is none', { labelSelector: 'a b c' }, 400],
      ])('are refused for %s', async (_name, query, code) => {
        const { status, body } = await rig.agent.get(PEERS, query)
        expect(status, body?.message).toBe(code)
        expect(body).toMatchObject({ kind: 'Status', status: 'Failure', code })
      })

      test('by name, and of services by their address', async () => {
        const name = nameOf('named')
        await create(PEERS, peer(name))
        const { body } = await rig.agent.get(PEERS, { fieldSelector: `metadata.name=${name}` })
        expect(body?.items?.map(({ metadata }) => metadata?.name)).toEqual([name])
        expect(
          (await rig.agent.get('/api/v1/services', { fieldSelector: 'spec.clusterIP!=None', limit: 1 })).status,
        ).toBe(200)
      })

      test('long ones come packed for those who can unpack them', async () => {
        const label = nameOf('long')
        for (let index = 0; index < 3; index++) {
          const annotations = { note: String(index).repeat(80_000) }
          const metadata = { name: `${label}-${index}`, annotations, ...labelled(label) }
          await create(FILTERS, { apiVersion: 'godwit.dev/v1', kind: 'BGPFilter', metadata, spec: {} })
        }
        const query = { labelSelector: `contract=${label}` }
        const plain = await rig.agent.get(FILTERS, query)
        const packed = await rig.agent.request('GET', FILTERS, { query, headers: { 'accept-encoding': 'gzip' } })
        expect(plain.body?.items).toHaveLength(3)
        expect(plain.headers['content-encoding']).toBeUndefined()
        expect(packed.headers['content-encoding']).toBe('gzip')
        expect(JSON.parse(gunzipSync(packed.octets).toString('utf8'))).toMatchObject({ kind: 'BGPFilterList' })
        expect(packed.octets.length).toBeLessThan(plain.octets.length / 10)
        const short = { query: { ...query, limit: 1, fieldSelector: 'metadata.name=none' } }
        const { headers } = await rig.agent.request('GET', FILTERS, {
          ...short,
          headers: { 'accept-encoding': 'gzip' },
        })
        expect(headers['content-encoding']).toBeUndefined()
      })

      test('of a kind that nobody knows there is none', async () => {
        expect((await rig.admin.get(`${OURS}/bgpnothings`)).status).toBe(404)
      })
    })

    describe('watches', () => {
      const now = async (path: string): Promise<string> =>
        versionOf((await rig.agent.get(path, { limit: 1 })).body ?? {})
      const isOf = (name: string) => (type: string) => (event: { type: string; object: Body }) =>
        event.type === type && event.object.metadata?.name === name

      test('begin where a list ended, and tell each change once, in order', async () => {
        const name = nameOf('watch')
        const from = await now(PEERS)
        const stored = await create(PEERS, peer(name))
        await put(PEERS, { ...stored, spec: { ...(stored.spec as object), asNumber: 64513 } })
        await remove(PEERS, name)
        const query = { resourceVersion: from, fieldSelector: `metadata.name=${name}` }
        const events = await rig.agent.watch(PEERS, query, isOf(name)('DELETED'))
        expect(events.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
        const versions = events.map(({ object }) => BigInt(versionOf(object)))
        expect(versions.every((version, index) => index === 0 || version > (versions[index - 1] ?? 0n))).toBe(true)
        expect(events[2]?.object).toMatchObject({ kind: 'BGPPeer', spec: { asNumber: 64513 } })
      })

      test('an object that leaves a selection is deleted there, and one that enters it is new', async () => {
        const name = nameOf('leaves')
        const from = await now(PEERS)
        const stored = await create(PEERS, peer(name, {}, { labels: { contract: name } }))
        const away = await put(PEERS, { ...stored, metadata: { ...stored.metadata, labels: {} } } as Body)
        await put(PEERS, { ...away.body, metadata: { ...away.body?.metadata, labels: { contract: name } } } as Body)
        await remove(PEERS, name)
        let deleted = 0
        const query = { resourceVersion: from, labelSelector: `contract=${name}` }
        const events = await rig.agent.watch(PEERS, query, ({ type }) => type === 'DELETED' && ++deleted === 2)
        expect(events.map(({ type }) => type)).toEqual(['ADDED', 'DELETED', 'ADDED', 'DELETED'])
      })

      test('end by themselves at the time that was asked for', async () => {
        const query = { resourceVersion: await now(PEERS), fieldSelector: 'metadata.name=none', timeoutSeconds: 1 }
        const events = await rig.agent.watch(PEERS, { ...query, allowWatchBookmarks: true }, () => false)
        for (const { type } of events) expect(type).toBe('BOOKMARK')
      })

      test('from a version that is no longer known tell so, or else all since then', async () => {
        const query = { resourceVersion: '1', fieldSelector: 'metadata.name=none', timeoutSeconds: 1 }
        const events = await rig.agent.watch(PEERS, query, () => false)
        for (const { type, object } of events) {
          expect(type).toBe('ERROR')
          expect(object).toMatchObject({ kind: 'Status', code: 410, reason: 'Expired' })
        }
      })

      test('from a version that is none are refused', async () => {
        const { status } = await rig.agent.get(PEERS, { watch: true, resourceVersion: 'none', timeoutSeconds: 1 })
        expect(status).toBeGreaterThanOrEqual(400)
      })

      test('may begin with all that is there, up to a bookmark that says so; older servers refuse it', async () => {
        const name = nameOf('initial')
        await create(PEERS, peer(name))
        const asked = { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true }
        const query = { ...asked, fieldSelector: `metadata.name=${name}`, watch: true, timeoutSeconds: 10 }
        const isEnd = ({ type }: { type: string }) => type === 'BOOKMARK'
        const events = await rig.agent.watch(PEERS, query, isEnd).catch((error: Error) => error)
        if (events instanceof Error) {
          expect(events.message).toMatch(/^422 .*sendInitialEvents/)
          return
        }
        expect(events.map(({ type }) => type)).toEqual(['ADDED', 'BOOKMARK'])
        expect(events[1]?.object.metadata?.annotations).toMatchObject({ 'k8s.io/initial-events-end': 'true' })
      })

      test('that begin so must say how new it has to be', async () => {
        const query = { watch: true, sendInitialEvents: true, allowWatchBookmarks: true, timeoutSeconds: 1 }
        expect((await rig.agent.get(PEERS, query)).status).toBe(422)
      })
    })
  })
}
