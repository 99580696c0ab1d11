/** Neighbors with one address and different keys: whose key the sockets get, over the life of their sessions. */
import { expect, test } from 'vitest'
import { keysOf, type PeerIntent } from '../../src/cluster/intent.ts'
import type { Protection } from '../../src/engine/effect.ts'
import { Protections } from '../../src/engine/protections.ts'
import { bgpConfiguration, bgpPeer, node, remove, upsert } from '../support/objects.ts'
import { World } from '../support/world.ts'

const keysIn = (neighbors: readonly Protection[] | undefined): string[] =>
  (neighbors ?? []).map(({ signing }) => keysOf(signing)[0]?.key ?? 'none')

const intent = (name: string, key: string | undefined, held?: string): PeerIntent => {
  const signing = key && { kind: 'md5', key: { namespace: 'godwit', secret: 'bgp', key, version: 1 } }
  return { name, address: '10.0.0.1', signing, held } as unknown as PeerIntent
}

test.each<[string, PeerIntent[], string[], string]>([
  ['of one that may start', [intent('a', 'one', 'no key'), intent('b', 'two')], [], 'two'],
  ['of a session that runs, also of one that is held', [intent('a', 'one'), intent('b', 'two', 'clash')], ['b'], 'two'],
  ['of the session that runs and may', [intent('a', 'one'), intent('b', 'two', 'clash')], ['a', 'b'], 'one'],
  ['of the first where none is held', [intent('a', 'one'), intent('b', 'two')], [], 'one'],
])('all neighbors of an address have the key %s, in whatever order they came', (_, intents, sessions, expected) => {
  for (const order of [intents, intents.toReversed()]) {
    const sent = new Protections().next(order, (name) => sessions.includes(name))
    expect(keysIn(sent)).toEqual([expected, expected])
  }
})

test('neighbors with one key, or none, keep what they have', () => {
  const sent = new Protections().next([intent('a', 'one'), intent('b', 'one'), intent('c', undefined)], () => false)
  expect(keysIn(sent)).toEqual(['one', 'one', 'none'])
})

test('a session keeps its key when a neighbor comes that has the address by its name, which gets it afterwards', () => {
  const sent: string[][] = []
  const world = new World({
    watch: (host, _, effects) => {
      for (const one of effects) if (one.kind === 'protect' && host.name === 'worker') sent.push(keysIn(one.neighbors))
    },
  })
  const router = bgpPeer('worker', { peerIP: '10.0.0.11', asNumber: 64512, passive: true })
  const hosts = (name: string, address: string, asNumber: number) => [
    node(name, { addresses: [address] }),
    bgpConfiguration({ asNumber, listenPort: asNumber === 65000 ? 1790 : 179, nodeToNodeMeshEnabled: false }),
  ]
  const tor = world.add(
    'tor',
    ['10.0.0.1'],
    [...hosts('tor', '10.0.0.1', 65000), router].map((one) => upsert(one)),
  )
  const version = { version: 1, error: undefined }
  const keys = { one: version, two: version }
  const metadata = { name: 'bgp', namespace: 'godwit' }
  const bgp = { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', keys } as const
  const to = (name: string, peerIP: string, key: string) =>
    bgpPeer(name, { peerIP, asNumber: 65000, passive: key === 'one', password: { secretKeyRef: { name: 'bgp', key } } })
  const worker = world.add(
    'worker',
    ['10.0.0.11'],
    [...hosts('worker', '10.0.0.11', 64512), bgp, to('two', '10.0.0.1:1790', 'two')].map((one) => upsert(one)),
  )
  world.pass(10_000)
  expect(sent.at(-1)).toEqual(['two'])
  world.change(worker, [upsert(to('one', '10.0.0.1', 'one'))])
  world.pass(10_000)
  expect(sent.at(-1)).toEqual(['two', 'two'])
  world.change(tor, [remove(router)])
  world.pass(10_000)
  expect(sent.at(-1)).toEqual(['one', 'one'])
})
