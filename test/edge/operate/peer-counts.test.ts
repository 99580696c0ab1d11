import { Counter, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { PeerCounts } from '../../../src/edge/operate/peer-counts.ts'

const rowsOf = async (counts: PeerCounts, peers: readonly string[]) => {
  const counter = new Counter({ name: 'x', help: 'x', labelNames: ['peer', 'to'], registers: [new Registry()] })
  for (const _ of counts.writeTo(counter, new Map(peers.map((peer) => [peer, { label: peer, group: undefined }]))));
  return (await counter.get()).values.map(({ labels, value }) => [labels.peer, labels.to, value])
}

test('counts by labels, and forgets peers that are gone', async () => {
  const counts = new PeerCounts(['peer', 'to'])
  counts.add(['a', 'Idle'])
  counts.add(['a', 'Idle'])
  counts.add(['b', 'Idle'])
  expect(await rowsOf(counts, ['a'])).toEqual([['a', 'Idle', 2]])
  expect(await rowsOf(counts, ['a', 'b'])).toEqual([['a', 'Idle', 2]])
})

test('peers without end that nobody asks for are not all kept', async () => {
  const counts = new PeerCounts(['peer', 'to'])
  const peers = Array.from({ length: 70_000 }, (_, index) => `member_${index}`)
  for (const peer of peers) counts.add([peer, 'Idle'])
  const rows = await rowsOf(counts, peers)
  expect(rows.length).toBe(65_536)
  expect(rows.at(-1)).toEqual(['member_69999', 'Idle', 1])
})

const STATES = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']

test('all states of a mesh of 5,000 nodes are kept, while callers without end come and go', async () => {
  const counts = new PeerCounts(['peer', 'to'])
  const mesh = Array.from({ length: 5_000 }, (_, index) => `Mesh_${index}`)
  for (const peer of mesh) for (const to of STATES) counts.add([peer, to])
  expect((await rowsOf(counts, mesh)).length).toBe(30_000)
  for (let caller = 0; caller < 100_000; caller++) counts.add([`caller_${caller}`, 'Idle'])
  expect((await rowsOf(counts, mesh)).length).toBe(30_000)
})

test('what members of a group had counted stays in its sum, until the group has none', async () => {
  const counts = new PeerCounts(['peer', 'to'])
  const sumsOf = async (label: string | undefined, members: readonly string[]) => {
    const counter = new Counter({ name: 'x', help: 'x', labelNames: ['peer', 'to'], registers: [new Registry()] })
    const peers = new Map(members.map((name) => [name, { label: label ?? name, group: 'Mesh' }]))
    for (const _ of counts.writeTo(counter, peers));
    return (await counter.get()).values.map(({ labels, value }) => `${labels.peer} ${labels.to} ${value}`)
  }
  for (const peer of ['a', 'a', 'b']) counts.add([peer, 'Idle'])
  expect(await sumsOf('Mesh', ['a', 'b'])).toEqual(['Mesh Idle 3'])
  expect(await sumsOf('Mesh', ['b'])).toEqual(['Mesh Idle 3'])
  expect(await sumsOf(undefined, ['b'])).toEqual(['b Idle 1'])
  counts.add(['a', 'Idle'])
  expect(await sumsOf('Mesh', ['a', 'b'])).toEqual(['Mesh Idle 4'])
  expect(await sumsOf('Mesh', [])).toEqual([])
  counts.add(['b', 'Idle'])
  expect(await sumsOf('Mesh', ['b'])).toEqual(['Mesh Idle 1'])
})

test('a peer that is counted while the page is made is shown once', async () => {
  const counts = new PeerCounts(['peer', 'to'])
  const names = Array.from({ length: 1_500 }, (_, index) => `p${index}`)
  for (const peer of names) counts.add([peer, 'Idle'])
  const counter = new Counter({ name: 'x', help: 'x', labelNames: ['peer', 'to'], registers: [new Registry()] })
  let pauses = 0
  for (const _ of counts.writeTo(counter, new Map(names.map((peer) => [peer, { label: peer, group: undefined }])))) {
    pauses++
    counts.add(['p0', 'Idle'])
  }
  expect(pauses).toBe(2)
  const [first] = (await counter.get()).values
  expect(first).toMatchObject({ labels: { peer: 'p0' }, value: 1 })
})
