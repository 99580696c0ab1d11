/** Which prefixes hold the pods of a node, by each source. */
import { describe, expect, test } from 'vitest'
import { hostPrefix, type Prefix } from '../../src/base/prefix.ts'
import { finish } from '../../src/base/work.ts'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import { PodSources } from '../../src/cluster/pods.ts'
import type { Kind, ObjectChange } from '../../src/cluster/source.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { NodeSurvey } from '../../src/cluster/survey.ts'
import { problemsOf, routesOf } from '../support/cluster.ts'
import { type ApiObject, bgpConfiguration, ipPool, node, remove, upsert } from '../support/objects.ts'

const HERE = node('here', { addresses: ['10.0.0.1', 'fd00:10::1'], podCIDRs: ['10.100.1.0/24'] })
const THERE = node('there', { addresses: ['10.0.0.2', 'fd00:10::2'], podCIDRs: ['10.100.2.0/24'] })
const POOL = ipPool('pods', { cidr: '10.244.0.0/16' })

let serial = 0
const calico = (kind: Kind, spec: object, name = `x${++serial}`): ObjectChange => ({
  kind: 'upsert',
  ref: { kind, namespace: '', name },
  object: { apiVersion: 'crd.projectcalico.org/v1', kind, metadata: { name }, spec },
  from: undefined,
})
const affinity = (spec: object, name?: string) =>
  calico('BlockAffinity', { node: 'here', cidr: '10.244.1.0/26', state: 'confirmed', ...spec }, name)
const block = (cidr: string, affine: string | null, pods: Readonly<Record<number, object>>, rest: object = {}) => {
  const ordinals = Object.keys(pods).map(Number)
  const allocations = Array.from({ length: 64 }, (_, ordinal) => {
    const index = ordinals.indexOf(ordinal)
    return index < 0 ? null : index
  })
  const attributes = ordinals.map((ordinal) => ({ handle_id: `h${ordinal}`, ...pods[ordinal] }))
  return calico('IPAMBlock', { cidr, affinity: affine, allocations, attributes, ...rest })
}
const podOn = (name: string) => ({ secondary: { node: name, pod: 'web-1', namespace: 'shop' } })

function builtFrom(objects: readonly ApiObject[], changes: readonly ObjectChange[], isCalico = true) {
  const store = new ObjectStore('here')
  store.apply([...objects.map((object) => upsert(object)), ...changes])
  const builder = new IntentBuilder({ node: 'here', calico: isCalico })
  return { store, builder, intent: builder.build(store) }
}
const podRoutes = (changes: readonly ObjectChange[], objects: readonly ApiObject[] = []) =>
  routesOf(builtFrom([HERE, THERE, POOL, ...objects], changes).intent)

test('whose pods have an address: the node with the most specific prefix, or a block that no node has, and why', () => {
  const changes = [
    affinity({}, 'mine'),
    affinity({ cidr: '10.244.9.0/26', state: 'pending' }, 'waits'),
    affinity({ cidr: '10.244.8.0/26', deleted: true }, 'goes'),
    affinity({ cidr: '10.244.7.0/26', node: 'gone' }, 'left'),
    affinity({ cidr: '10.244.6.0/26', node: undefined }, 'nameless'),
    affinity({ cidr: '10.244.5.0/26', node: '' }, 'empty'),
    block('10.244.1.0/26', 'host:here', { 5: podOn('there') }),
  ]
  const { builder } = builtFrom([HERE, THERE, POOL], changes)
  const ownerOf = (address: string) => builder.podOwner(hostPrefix(address) as Prefix)
  expect(ownerOf('10.244.1.4')).toMatchObject({ object: 'Node/here', prefix: { text: '10.244.1.0/26' } })
  expect(ownerOf('10.244.1.5')).toMatchObject({ object: 'Node/there', prefix: { text: '10.244.1.5/32' } })
  const why = 'its state is "pending", not confirmed; it is for here'
  expect(ownerOf('10.244.9.1')).toMatchObject({ object: 'BlockAffinity/waits', why })
  expect(ownerOf('10.244.8.1')).toMatchObject({
    object: 'BlockAffinity/goes',
    why: 'it is being deleted; it is for here',
  })
  const left = 'it is for gone, and there is no such Node'
  expect(ownerOf('10.244.7.1')).toMatchObject({ object: 'BlockAffinity/left', why: left })
  expect(ownerOf('10.244.6.1')).toMatchObject({ object: 'BlockAffinity/nameless', why: 'it names no node' })
  expect(ownerOf('10.244.5.1')).toMatchObject({ object: 'BlockAffinity/empty', why: 'it names no node' })
  expect(ownerOf('10.244.77.1')).toBeUndefined()
})

describe('Calico IPAM', () => {
  test.each<[string, ObjectChange[], string[]]>([
    ['a confirmed block', [affinity({})], ['10.244.1.0/26']],
    ['one of an old cluster, without a state and a type', [affinity({ state: undefined })], ['10.244.1.0/26']],
    ['with the type of a node', [affinity({ type: 'host' })], ['10.244.1.0/26']],
    ['both families', [affinity({}), affinity({ cidr: 'fd00:244::/122' })], ['10.244.1.0/26', 'fd00:244::/122']],
    ['one that is pending', [affinity({ state: 'pending' })], []],
    ['one that is about to go', [affinity({ state: 'pendingDeletion' })], []],
    ['one that is being deleted, as text', [affinity({ deleted: 'true' })], []],
    ['one that is being deleted, as a boolean', [affinity({ deleted: true })], []],
    ['one that is not, as text', [affinity({ deleted: 'false' })], ['10.244.1.0/26']],
    ['a block of another node', [affinity({ node: 'there' })], []],
    ['a block for addresses of services', [affinity({ type: 'virtual' })], []],
    ['a block of a single address', [affinity({ cidr: '10.244.1.7/32' })], ['10.244.1.7/32']],
    ['whatever the object is called', [affinity({}, 'there-10-244-9-0-26')], ['10.244.1.0/26']],
    ['the same block twice', [affinity({}), affinity({})], ['10.244.1.0/26']],
  ])('%s', (_name, changes, expected) => {
    expect(podRoutes(changes)).toEqual(expected)
  })

  test.each<[string, ObjectChange, string[]]>([
    [
      'a pod here has one',
      block('10.244.2.0/26', 'host:there', { 5: podOn('here'), 6: podOn('there') }),
      ['10.244.2.5/32'],
    ],
    ['of a block of nobody', block('10.244.2.0/26', null, { 0: podOn('here') }), ['10.244.2.0/32']],
    ['over the end of an octet', block('10.244.2.192/26', 'host:there', { 63: podOn('here') }), ['10.244.2.255/32']],
    ['IPv6', block('fd00:244::ffc0/122', 'host:there', { 63: podOn('here') }), ['fd00:244::ffff/128']],
    ['none of its own block', block('10.244.1.0/26', 'host:here', { 5: podOn('here') }), []],
    ['a pod elsewhere', block('10.244.2.0/26', 'host:there', { 5: podOn('third') }), []],
    [
      'one that was given back',
      block('10.244.2.0/26', 'host:there', { 5: { ...podOn('here'), releasedAt: '2026-11-29T16:00:00Z' } }),
      [],
    ],
    [
      'one of a tunnel',
      block('10.244.2.0/26', 'host:there', { 5: { secondary: { node: 'here', type: 'vxlanTunnelAddress' } } }),
      [],
    ],
    [
      'of a block that is being deleted',
      block('10.244.2.0/26', 'host:there', { 5: podOn('here') }, { deleted: 'true' }),
      [],
    ],
    [
      'with nonsense about',
      block('10.244.2.0/26', 'host:there', { 5: { secondary: 7 }, 6: podOn('here') }),
      ['10.244.2.6/32'],
    ],
  ])('a borrowed address: %s', (_name, one, expected) => {
    expect(podRoutes([one])).toEqual(expected)
  })

  test('what another node has inside of a block of this node is lent, and nothing else is', () => {
    const { intent } = builtFrom(
      [HERE, THERE, POOL],
      [
        affinity({}),
        affinity({ cidr: '10.244.2.0/26', node: 'there' }),
        block('10.244.1.0/26', 'host:here', { 5: podOn('there'), 6: podOn('here'), 7: podOn('third') }),
        block('10.244.2.0/26', 'host:there', { 5: podOn('here') }),
      ],
    )
    const { own = [], lent = [] } = intent.dataplane?.ownPods ?? {}
    expect(own.map(({ text }) => text)).toEqual(['10.244.1.0/26', '10.244.2.5/32'])
    // Of `third` no Node is known.
    expect(lent.map(({ text }) => text)).toEqual(['10.244.1.5/32'])
  })

  test('a block that goes takes its route with it; a change that concerns others costs no frame', () => {
    const { store, builder } = builtFrom([HERE, THERE, POOL], [affinity({}, 'mine')])
    store.apply([affinity({ state: 'pendingDeletion' }, 'mine')])
    expect(builder.next(store).diff.routes.withdraw.map(({ prefix }) => prefix.text)).toEqual(['10.244.1.0/26'])
    const { frames } = builder.work
    store.apply([block('10.244.2.0/26', 'host:there', {})])
    builder.next(store)
    const after = builder.work.frames
    store.apply([block('10.244.3.0/26', 'host:there', { 3: podOn('there') })])
    builder.next(store)
    expect([after - frames, builder.work.frames - after]).toEqual([1, 1])
    const one = block('10.244.3.0/26', 'host:there', { 3: podOn('there'), 4: podOn('there') })
    const again = block('10.244.3.0/26', 'host:there', { 3: podOn('there') })
    store.apply([{ ...one, ref: { kind: 'IPAMBlock', namespace: '', name: 'b' } } as ObjectChange])
    builder.next(store)
    const { frames: known } = builder.work
    store.apply([{ ...again, ref: { kind: 'IPAMBlock', namespace: '', name: 'b' } } as ObjectChange])
    builder.next(store)
    expect(builder.work.frames).toBe(known)
  })

  test('what is wrong with a block is named, and the others count', () => {
    const { intent } = builtFrom(
      [HERE, POOL],
      [affinity({ cidr: '10.244.1.0/66' }, 'bad'), affinity({ cidr: '10.244.3.0/26' })],
    )
    expect(routesOf(intent)).toEqual(['10.244.3.0/26'])
    expect(problemsOf(intent)).toEqual([
      'BlockAffinity/bad spec.cidr: "10.244.1.0/66" is not a CIDR; the object is ignored',
    ])
  })

  test('a cluster without a block, whose Nodes have pod CIDRs, may have another IPAM: that is said, unless it is chosen', () => {
    const warned = (more: readonly ApiObject[], changes: Parameters<typeof builtFrom>[1] = []) =>
      builtFrom([HERE, POOL, ...more], changes)
        .intent.problems.filter(({ code }) => code === 'pods-source-empty')
        .map(({ level }) => level)
    expect(warned([])).toEqual(['warning'])
    expect(warned([], [affinity({ node: 'there' })])).toEqual([])
    expect(warned([bgpConfiguration({ podCIDRSource: 'CalicoIPAM' })])).toEqual([])
    expect(warned([bgpConfiguration({ podCIDRSource: 'Node' })])).toEqual([])
    const { spec: _, ...bare } = HERE
    expect(builtFrom([bare as ApiObject, POOL], []).intent.problems).toEqual([])
  })

  test('a node without a block is waiting, not wrong', () => {
    const { intent } = builtFrom([HERE, POOL], [affinity({ node: 'there' })])
    expect([routesOf(intent), problemsOf(intent)]).toEqual([[], []])
    expect(intent.refusals.get('Node/here')).toBe('it has no confirmed block of Calico IPAM yet')
  })
})

test('nothing is kept for a node whose blocks went before it', () => {
  const store = new ObjectStore('here')
  const pods = new PodSources()
  const survey = new NodeSurvey(pods)
  for (let round = 0; round < 5; round++) {
    const other = node(`other-${round}`, { addresses: ['10.0.0.3'] })
    const name = `b${round}`
    const gone = { kind: 'delete', ref: { kind: 'BlockAffinity', namespace: '', name } } as const
    for (const change of [upsert(other), affinity({ node: `other-${round}` }, name), gone, remove(other)]) {
      store.apply([change])
      finish(pods.follow('CalicoIPAM', store, undefined))
      finish(survey.follow(store, undefined, []))
    }
  }
  expect(pods.kept).toBe(0)
})

describe('one source and no other', () => {
  const STATIC = [
    bgpConfiguration({ podCIDRSource: 'Static' }),
    bgpConfiguration({ podCIDRs: ['10.50.1.0/24', 'fd00:50:1::/64'] }, 'node.here'),
  ]

  test('Node, where nothing is said in our own group', () => {
    expect(routesOf(builtFrom([HERE, POOL], [affinity({})], false).intent)).toEqual(['10.100.1.0/24'])
  })

  test('Node, where it is said in Calico’s', () => {
    expect(podRoutes([affinity({})], [bgpConfiguration({ podCIDRSource: 'Node' })])).toEqual(['10.100.1.0/24'])
  })

  test('Static, with the list of the node', () => {
    expect(podRoutes([affinity({})], STATIC)).toEqual(['10.50.1.0/24', 'fd00:50:1::/64'])
    const { intent } = builtFrom([HERE, STATIC[0] as ApiObject], [], false)
    expect(intent.refusals.get('Node/here')).toBe('BGPConfiguration/node.here lists no podCIDRs')
  })

  test('CalicoIPAM in our own group is refused in words: its objects are not read there', () => {
    const { intent } = builtFrom([HERE, bgpConfiguration({ podCIDRSource: 'CalicoIPAM' })], [], false)
    expect(routesOf(intent)).toEqual([])
    expect(problemsOf(intent)).toEqual([
      'BGPConfiguration/default spec.podCIDRSource: "CalicoIPAM" needs objects in a group of Calico\'s: start the agent with --api-group projectcalico.org; no pod CIDR is advertised',
    ])
  })

  test('a source that cannot be read holds the pods, and a list for all is left out', () => {
    const odd = builtFrom([HERE, bgpConfiguration({ podCIDRSource: 'Nodes' })], [], false).intent
    expect(routesOf(odd)).toEqual([])
    expect(odd.refusals.get('10.100.1.0/24')).toBe('Node/here: spec.podCIDRSource of BGPConfiguration/default is wrong')
    const all = builtFrom([HERE, bgpConfiguration({ podCIDRs: ['10.9.0.0/24'] })], [], false).intent
    expect(problemsOf(all)).toEqual([
      'BGPConfiguration/default spec.podCIDRs: applies only in BGPConfiguration/node.<name>; it is ignored',
    ])
  })

  test('a change from one to another is one change of routes', () => {
    const { store, builder } = builtFrom([HERE, POOL], [affinity({})])
    store.apply(STATIC.map((one) => upsert(one)))
    const { announce, withdraw } = builder.next(store).diff.routes
    expect(announce.map(({ prefix }) => prefix.text)).toEqual(['10.50.1.0/24', 'fd00:50:1::/64'])
    expect(withdraw.map(({ prefix }) => prefix.text)).toEqual(['10.244.1.0/26'])
  })
})
