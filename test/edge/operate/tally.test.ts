import { Counter, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { Tally } from '../../../src/edge/operate/tally.ts'

const rowsOf = async (tally: Tally, peers: readonly string[]) => {
  const counter = new Counter({ name: 'x', help: 'x', labelNames: ['peer', 'to'], registers: [new Registry()] })
  for (const _ of tally.show(counter, new Map(peers.map((peer) => [peer, peer]))));
  return (await counter.get()).values.map(({ labels, value }) => [labels.peer, labels.to, value])
}

test('counts by labels, and forgets peers that are gone', async () => {
  const tally = new Tally(['peer', 'to'])
  tally.add(['a', 'Idle'])
  tally.add(['a', 'Idle'])
  tally.add(['b', 'Idle'])
  expect(await rowsOf(tally, ['a'])).toEqual([['a', 'Idle', 2]])
  expect(await rowsOf(tally, ['a', 'b'])).toEqual([['a', 'Idle', 2]])
})

test('peers without end that nobody asks for are not all kept', async () => {
  const tally = new Tally(['peer', 'to'])
  const peers = Array.from({ length: 20_000 }, (_, index) => `member_${index}`)
  for (const peer of peers) tally.add([peer, 'Idle'])
  const rows = await rowsOf(tally, peers)
  expect(rows.length).toBe(16_384)
  expect(rows.at(-1)).toEqual(['member_19999', 'Idle', 1])
})
