/** Keys of sessions by their names: which Secret holds one, and what is held down where it does not. */
import { describe, expect, test } from 'vitest'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import { type Intent, keysOf } from '../../src/cluster/intent.ts'
import { problemsOf, storeOf } from '../support/cluster.ts'
import { type ApiObject, bgpConfiguration, bgpPeer, node } from '../support/objects.ts'

/** As the edge tells it. */
const covered = (
  name: string,
  keys: Readonly<Record<string, { version: number; error?: string }>>,
  over: object = {},
): ApiObject => {
  const [namespace = '', bare = ''] = name.split('/')
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: bare }, type: 'Opaque', keys, ...over }
}

const A = node('a', { addresses: ['10.0.0.1'] })
const B = node('b', { addresses: ['10.0.0.2'] })
const MESH_OFF = bgpConfiguration({ nodeToNodeMeshEnabled: false })
const password = { secretKeyRef: { name: 'bgp', key: 'tor' } }
const PEER = bgpPeer('tor', { peerIP: '10.0.0.254', asNumber: 65000, password })
const GOOD = covered('godwit/bgp', { tor: { version: 4 } })
const NAME = 'Global_10_0_0_254'

const onA = (namespace: string | undefined, ...objects: ApiObject[]): Intent =>
  new IntentBuilder({ node: 'a', namespace }).build(storeOf([A, ...objects]))

const says = (why: string, what = 'the peer'): string =>
  `${why}; ${what} does not start; a running session keeps its last good key`

test('a key that is there is named, with its version, and the Secret is followed', () => {
  const intent = onA('godwit', MESH_OFF, PEER, GOOD, covered('godwit/other', { tor: { version: 1 } }))
  expect(intent.peers.get(NAME)).toMatchObject({
    signing: { kind: 'md5', key: { secret: 'bgp', key: 'tor', version: 4 } },
    held: undefined,
  })
  expect(intent.secrets).toEqual(['bgp'])
  expect(problemsOf(intent)).toEqual([])
})

test.each(['constructor', '__proto__'])('a key may be named %s', (key) => {
  const named = bgpPeer('tor', {
    peerIP: '10.0.0.254',
    asNumber: 65000,
    password: { secretKeyRef: { name: 'bgp', key } },
  })
  const missing = onA('godwit', MESH_OFF, named, GOOD)
  expect(missing.peers.get(NAME)?.held).toContain('has no key')
  const keys = Object.fromEntries([[key, { version: 4 }]])
  expect(onA('godwit', MESH_OFF, named, covered('godwit/bgp', keys)).peers.get(NAME)?.held).toBeUndefined()
})

describe('the peer is held, with object, field and reason, where', () => {
  test.each<[string, ApiObject[], string]>([
    ['there is no such Secret', [], 'Secret/godwit/bgp is not known'],
    [
      'it is in another namespace',
      [covered('kube-system/bgp', { tor: { version: 1 } })],
      'Secret/godwit/bgp is not known; Secret/kube-system/bgp is in another namespace than the agent and is not read',
    ],
    ['it lacks the key', [covered('godwit/bgp', { rack: { version: 1 } })], 'Secret/godwit/bgp has no key "tor"'],
    [
      'it is of another type',
      [covered('godwit/bgp', { tor: { version: 1 } }, { type: 'kubernetes.io/tls' })],
      'Secret/godwit/bgp is of type kubernetes.io/tls, not Opaque or kubernetes.io/basic-auth',
    ],
    [
      'the key can be none',
      [covered('godwit/bgp', { tor: { version: 1, error: 'is empty' } })],
      'key "tor" of Secret/godwit/bgp is empty',
    ],
  ])('%s', (_, objects, why) => {
    const intent = onA('godwit', MESH_OFF, PEER, ...objects)
    expect(intent.peers.get(NAME)).toMatchObject({ held: why, signing: { key: { secret: 'bgp', key: 'tor' } } })
    expect(problemsOf(intent)).toEqual([`BGPPeer/tor spec.password.secretKeyRef: ${says(why)}`])
    // It is looked for all the same.
    expect(intent.secrets).toEqual(['bgp'])
  })
})

test('each key of a chain is looked for, and one that is missing holds the peer', () => {
  const keyChain = [
    { sendID: 1, ...password },
    { sendID: 2, secretKeyRef: { name: 'new', key: 'tor' } },
  ]
  const intent = onA('godwit', MESH_OFF, bgpPeer('tor', { peerIP: '10.0.0.254', asNumber: 65000, keyChain }), GOOD)
  const why = 'Secret/godwit/new is not known'
  expect(intent.peers.get(NAME)?.held).toBe(why)
  expect(problemsOf(intent)).toEqual([`BGPPeer/tor spec.keyChain[1].secretKeyRef: ${says(why)}`])
  expect(intent.secrets).toEqual(['bgp', 'new'])
})

test('a missing key of the mesh holds the mesh, and is one problem however many nodes there are', () => {
  const intent = onA(
    'godwit',
    B,
    node('c', { addresses: ['10.0.0.3'] }),
    bgpConfiguration({ nodeMeshPassword: password }),
  )
  const why = 'Secret/godwit/bgp is not known'
  expect([...intent.peers.values()].map(({ held }) => held)).toEqual([why, why])
  expect(problemsOf(intent)).toEqual([
    `BGPConfiguration/default spec.nodeMeshPassword.secretKeyRef: ${says(why, 'the mesh')}`,
  ])
})

test('a BGPPeer between nodes has its own key on both of them, and the mesh another', () => {
  const between = bgpPeer('between', { node: 'b', peerIP: '10.0.0.1', asNumber: 64512, password })
  const mesh = bgpConfiguration({ nodeMeshPassword: { secretKeyRef: { name: 'mesh', key: 'k' } } })
  const c = node('c', { addresses: ['10.0.0.3'] })
  const intent = onA('godwit', B, c, between, mesh, GOOD, covered('godwit/mesh', { k: { version: 1 } }))
  const secrets = [...intent.peers.values()].map(({ address, signing }) => [address, keysOf(signing)[0]?.secret]).sort()
  expect(secrets).toEqual([
    ['10.0.0.2', 'bgp'],
    ['10.0.0.3', 'mesh'],
  ])
})

test('a look ahead that reads no Secrets does not call them missing', () => {
  expect(problemsOf(onA(undefined, MESH_OFF, PEER))).toEqual([])
  expect(problemsOf(onA(undefined, MESH_OFF, PEER, covered('any/other', {})))).toHaveLength(1)
  expect(problemsOf(onA(undefined, MESH_OFF, PEER, covered('any/bgp', { tor: { version: 1 } })))).toEqual([])
})

describe('two ports of one address', () => {
  const to = (name: string, peerIP: string, key: string | undefined) =>
    bgpPeer(name, {
      peerIP,
      asNumber: 65000,
      ...(key !== undefined && { password: { secretKeyRef: { name: 'bgp', key } } }),
    })
  const KEYS = covered('godwit/bgp', { tor: { version: 4 }, other: { version: 5 } })
  const build = (first: string | undefined, second: string | undefined): Intent =>
    onA('godwit', MESH_OFF, KEYS, to('one', '10.0.0.254', first), to('two', '10.0.0.254:1790', second))
  const heldOf = ({ peers }: Intent) => [...peers.values()].map(({ port, held }) => [port, held])

  test.each([
    ['the same key', 'tor', 'tor'],
    ['no key', undefined, undefined],
  ])('with %s are two neighbors', (_, first, second) => {
    const intent = build(first, second)
    expect([heldOf(intent), problemsOf(intent)]).toEqual([
      [
        [179, undefined],
        [1790, undefined],
      ],
      [],
    ])
  })

  test('with different keys: the second is held, and the problem names both objects', () => {
    const intent = build('tor', 'other')
    expect(heldOf(intent)).toEqual([
      [179, undefined],
      [1790, 'it has the address of BGPPeer/one, which has another key'],
    ])
    expect(problemsOf(intent)).toEqual([
      'BGPPeer/two spec.password: "10.0.0.254 port 1790" has another key than BGPPeer/one (port 179); the kernel has one for each address, whatever its ports are; this peer does not start',
    ])
  })

  test('with different keys, of which the first is not known: the second starts', () => {
    const intent = build('gone', 'other')
    expect(heldOf(intent)).toEqual([
      [179, expect.stringContaining('gone')],
      [1790, undefined],
    ])
    expect(heldOf(build('gone', 'lost')).map(([, held]) => held === undefined)).toEqual([false, false])
  })

  test.each([
    [
      'second',
      'tor',
      undefined,
      'BGPPeer/two spec.password: "10.0.0.254 port 1790" has no key and BGPPeer/one (port 179)',
    ],
    [
      'first',
      undefined,
      'tor',
      'BGPPeer/one spec.password: "10.0.0.254 port 179" has no key and BGPPeer/two (port 1790)',
    ],
  ])('of which the %s has no key: it starts, is signed too, and that is said', (_, first, second, begins) => {
    const intent = build(first, second)
    expect(heldOf(intent).map(([, held]) => held)).toEqual([undefined, undefined])
    expect(problemsOf(intent)).toEqual([
      `${begins} has one; the kernel has one for each address, and so this session is signed with it`,
    ])
    expect(intent.problems).toMatchObject([{ level: 'warning' }])
  })
})
