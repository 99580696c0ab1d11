/**
 * The agents' rights: a run that does everything the agent can do, with the rules of `deploy/` and its policies in force.
 * Every request is granted, and every grant is used.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { openKubernetes } from '../../../src/edge/kubernetes/source.ts'
import { resourcesOf, type Source } from '../../../src/edge/resources.ts'
import type { EventPlan } from '../../../src/status/events.ts'
import { type ObjectConditions, STATUS_KINDS, type StatusKind } from '../../../src/status/object-conditions.ts'
import { kustomize, rulesOf } from '../../deploy/support/kustomize.ts'
import { admission } from '../../deploy/support/policies.ts'
import { type Access, type BoundRule, grants } from '../../support/api-server/access.ts'
import { type OpenApi, openApi, QUICK, QUICK_JOB } from '../../support/api-server/open.ts'
import type { ApiServer } from '../../support/api-server/server.ts'
import type { Manifest } from '../../support/api-server/store.ts'
import { KnownObjects } from '../../support/known-objects.ts'
import { until } from '../../support/loopback.ts'
import { node } from '../../support/manifests.ts'
import { nodeStatus } from '../../support/node-status.ts'

const NODES = '/api/v1/nodes'
const STATUSES = '/apis/godwit.dev/v1/bgpnodestatuses'

/** One rule for each thing that it grants. */
function single({ rule, namespace }: BoundRule): BoundRule[] {
  return rule.apiGroups.flatMap((group) =>
    rule.resources.flatMap((resource) =>
      rule.verbs.map((verb) => ({
        rule: { ...rule, apiGroups: [group], resources: [resource], verbs: [verb] },
        namespace,
      })),
    ),
  )
}

const wordsOf = ({ rule: { apiGroups, resources, verbs, resourceNames }, namespace }: BoundRule): string =>
  `${verbs} ${apiGroups}/${resources} ${resourceNames ?? ''} in ${namespace ?? 'all'}`

describe.each([
  { group: 'godwit.dev', components: [] },
  { group: 'godwit.dev', components: ['node-readiness'] },
  { group: 'godwit.dev', components: ['pods'] },
  { group: 'projectcalico.org', components: ['calico-objects'] },
  { group: 'projectcalico.org', components: ['calico-objects', 'node-readiness'] },
])('objects of $group with $components', ({ group, components }) => {
  let opened: OpenApi | undefined
  let source: Source | undefined
  afterEach(async () => {
    await source?.stop()
    await opened?.close()
  })

  test('what the agent asks for is granted, and nothing is granted in vain', async () => {
    opened = await openApi()
    const { api, kubeconfig } = opened
    const objects = kustomize(components)
    const rules = rulesOf(objects)
    api.rules = rules
    api.admit = admission(objects, 'worker-1')
    const readiness = components.includes('node-readiness')
    const known = new KnownObjects()
    const apiVersion = group === 'godwit.dev' ? 'godwit.dev/v1' : 'projectcalico.org/v3'
    prepare(api, apiVersion)
    let held = false
    const open = async (): Promise<Source> => {
      known.synced = false
      const one = await openKubernetes({
        kubeconfig,
        apiGroup: group,
        feed: (input) => {
          if (input.kind === 'lease') held = input.held
          known.feed(input)
        },
        timing: QUICK,
        node: 'worker-1',
        pod: 'godwit-x',
        status: { node: 'worker-1', nodeReadiness: readiness, timing: QUICK_JOB },
      })
      await known.until('synced', () => known.synced)
      return one
    }
    if (group === 'projectcalico.org') {
      // A cluster that has these kinds in Calico's older group alone; the rest of the test has them in the newer one.
      const kinds = CALICO_KINDS.map((kind) => `${kind}.projectcalico.org/v3`)
      for (const kind of kinds) api.uninstall(kind)
      const other = await open()
      await until('it watches', () => watchesOf(api) >= resourcesOf(group).length)
      await other.stop()
      for (const kind of kinds) api.install(kind)
    }
    source = await open()
    source.followSecrets?.(['bgp'])
    if (components.includes('pods')) source.followPods?.({ labelSelector: 'app=dns' })
    expect(await source.whyLeaves?.()).toBe('DaemonSet godwit/godwit is deleted')
    await exercise(source, api, { isHeld: () => held, ours: group === 'godwit.dev', readiness })
    await known.until('the Secret', () => known.objects.has('Secret/godwit/bgp'))
    await until('every watch stands', () => watchesOf(api) === rules.filter(watches).flatMap(single).length / 2)
    await source.stop()
    source = undefined

    const asked = api.requests.flatMap(({ access }) => access ?? [])
    expect(known.problems.size).toBe(0)
    const refused = asked.filter((access) => !rules.some((rule) => grants(rule, access)))
    expect(refused).toEqual([])
    const unused = rules.flatMap(single).filter((rule) => !asked.some((access) => grants(rule, access)))
    expect(unused.map(wordsOf)).toEqual([])
  })
})

/** Kinds that are followed from the start, each with an object that comes while the right is missing. */
const LATE: readonly Manifest[] = [
  node('worker-9'),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'late', namespace: 'shop' },
    spec: { type: 'ClusterIP', clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'late', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'late' } },
    addressType: 'IPv4',
    endpoints: [],
  },
  ...STATUS_KINDS.map((kind) => ({
    apiVersion: 'godwit.dev/v1',
    kind,
    metadata: { name: kind === 'BGPConfiguration' ? 'node.late' : 'late' },
    spec: {},
  })),
]

describe('a right that is taken away while the agent runs', () => {
  let opened: OpenApi | undefined
  let source: Source | undefined
  afterEach(async () => {
    await source?.stop()
    await opened?.close()
  })

  test.each(LATE.flatMap((late) => (['list', 'watch'] as const).map((verb) => [verb, late.kind, late] as const)))(
    '%s %s: objects stay, other kinds are followed, and it is told until the right is back',
    async (verb, kind, late) => {
      opened = await openApi()
      const { api, kubeconfig } = opened
      const rules = rulesOf(kustomize([]))
      api.rules = rules
      prepare(api, 'godwit.dev/v1')
      const known = new KnownObjects()
      source = await openKubernetes({
        kubeconfig,
        apiGroup: 'godwit.dev',
        feed: known.feed,
        timing: QUICK,
        node: 'worker-1',
      })
      await known.until('synced', () => known.synced)
      const before = [...known.objects.keys()]

      const { resource } = api.requests
        .flatMap(({ access }) => access ?? [])
        .find((one) => one.resource === pluralOf(kind)) as Access
      const isTaken = ({ rule }: BoundRule) => rule.resources.includes(resource) && rule.verbs.includes(verb)
      // What changes while no right is left is known only by a list, or by a watch that continues.
      api.rules = []
      api.dropWatches('end')
      for (const one of LATE) api.apply(one)
      if (verb === 'list') api.store.compact()
      api.rules = rules.flatMap(single).filter((rule) => !isTaken(rule))
      const others = LATE.filter((one) => one !== late).map(keyOf)
      const isOnlyTold = () => known.problems.size === 1 && known.problems.get(`Kubernetes/${kind}`)?.includes('403')
      await known.until('it is told', () => others.every((key) => known.objects.has(key)) && isOnlyTold() === true)
      expect(before.filter((key) => !known.objects.has(key))).toEqual([])

      api.rules = rules
      await known.until('known', () => known.objects.has(keyOf(late)) && known.problems.size === 0)
      expect(before.filter((key) => !known.objects.has(key))).toEqual([])
    },
  )
})

const pluralOf = (kind: string): string => `${kind.toLowerCase()}s`

const keyOf = ({ kind, metadata }: Manifest): string =>
  [kind, metadata?.namespace, metadata?.name].filter((part) => part !== undefined).join('/')

const CALICO_KINDS = resourcesOf('projectcalico.org').flatMap(({ kind, elsewhere }) => (elsewhere ? [kind] : []))

/** What may be watched may be listed, and nothing else. */
const watches = ({ rule }: BoundRule): boolean => rule.verbs.includes('watch')
const watchesOf = (api: ApiServer): number =>
  new Set(api.requests.flatMap(({ access }) => (access?.verb === 'watch' ? `${access.group}/${access.resource}` : [])))
    .size

const SPECS: Readonly<Record<StatusKind, object>> = {
  BGPConfiguration: {},
  BGPPeer: { peerIP: '10.0.0.1', asNumber: 65_000 },
  BGPFilter: {},
  BGPAdvertisement: { routes: [{ podCIDRs: true }] },
  IPPool: { cidr: '10.244.0.0/16' },
}

/** A cluster with one object of each kind that is written about. */
function prepare(api: ApiServer, apiVersion: string): void {
  const taints = [{ key: 'godwit.dev/starting', effect: 'NoSchedule' }]
  api.apply({ ...node('worker-1'), spec: { taints } })
  api.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'bgp', namespace: 'godwit' },
    type: 'Opaque',
    data: {},
  })
  const ownerReferences = [{ kind: 'DaemonSet', name: 'godwit', controller: true }]
  const metadata = { name: 'godwit-x', namespace: 'godwit', ownerReferences, deletionTimestamp: '2026-01-01T00:00:00Z' }
  api.apply({ apiVersion: 'v1', kind: 'Pod', metadata })
  for (const kind of STATUS_KINDS) {
    const group = kind === 'BGPAdvertisement' ? 'godwit.dev/v1' : apiVersion
    api.apply({ apiVersion: group, kind, metadata: { name: 'default' }, spec: SPECS[kind] })
  }
}

interface Exercise {
  readonly isHeld: () => boolean
  readonly ours: boolean
  readonly readiness: boolean
}

async function exercise(source: Source, api: ApiServer, { isHeld, ours, readiness }: Exercise): Promise<void> {
  const verbs = (want: Partial<Access>) =>
    api.requests.filter(({ access }) => JSON.stringify({ ...access, ...want }) === JSON.stringify(access)).length
  source.report?.({ kind: 'status', status: nodeStatus(), spread: 0 })
  await until('created', () => api.store.list(STATUSES).length === 1)
  source.report?.({ kind: 'status', status: nodeStatus({ asNumber: 1 }), spread: 0 })
  await until('updated', () => JSON.stringify(api.store.list(STATUSES)).includes('"asNumber":1,'))
  await until('the Lease', isHeld)
  const events = (count: number): readonly EventPlan[] => [
    {
      regarding: { kind: 'BGPPeer', name: 'default' },
      type: 'Warning',
      reason: 'SessionLost',
      action: 'Peer',
      note: 'x',
      first: 0,
      last: 0,
      count,
      once: false,
    },
  ]
  source.report?.({ kind: 'events', events: events(1), now: 0 })
  await until('told', () => verbs({ verb: 'create', resource: 'events' }) === 1)
  source.report?.({ kind: 'events', events: events(2), now: 0 })
  await until('counted', () => verbs({ verb: 'patch', resource: 'events' }) === 1)
  if (ours) {
    const condition = { type: 'Accepted', status: 'True', reason: 'Valid', message: '' } as const
    const judged = STATUS_KINDS.map(
      (kind): ObjectConditions => ({
        kind,
        name: 'default',
        generation: 1,
        uid: undefined,
        conditions: [condition],
        errors: [],
      }),
    )
    source.report?.({ kind: 'conditions', objects: judged, whole: true })
    const patches = () => api.requests.filter(({ path }) => path.endsWith('/status') && !path.startsWith(NODES)).length
    await until('conditions', () => patches() === judged.length)
  }
  if (!readiness) return
  await until('the condition of the Node', () => verbs({ verb: 'patch', resource: 'nodes/status' }) > 0)
  source.report?.({ kind: 'untaint', nodes: ['worker-1'] })
  await until(
    'the taint is gone',
    () => (api.store.get(NODES, '/worker-1') as unknown as { spec: Manifest }).spec.taints === undefined,
  )
}
