/** Whose silence counts: a hold timer runs out by what was heard, not by the clock alone. */
import { describe, expect, test } from 'vitest'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import type { Input } from '../../src/engine/input.ts'
import { type RawNeighbor, Rig } from '../support/rig.ts'

const HOLD = 3
const STALL = 4_000

/** Five sessions, and an agent that stood still for longer than the hold time. */
function stalled(): { readonly rig: Rig; readonly neighbors: readonly RawNeighbor[] } {
  const rig = new Rig({ neighbors: 5 })
  for (const neighbor of rig.neighbors) {
    neighbor.holdTime = HOLD
    neighbor.establish()
  }
  rig.now += STALL
  return { rig, neighbors: rig.neighbors }
}

const standing = (neighbors: readonly RawNeighbor[]): number =>
  neighbors.filter(({ established }) => established).length

const first = ([neighbor]: readonly RawNeighbor[]): number => neighbor?.conn ?? 0

describe('after a stall longer than the hold time', () => {
  test.each<[string, (conn: number) => Input]>([
    ['the KEEPALIVE of one neighbor', (conn) => ({ kind: 'received', conn, bytes: KEEPALIVE })],
    ['room to send', (conn) => ({ kind: 'drained', conn })],
    ['objects', () => ({ kind: 'objects', changes: [] })],
    ['a question', () => ({ kind: 'command', client: 1, line: 'show status' })],
    ['a probe', () => ({ kind: 'tick' })],
    ['the loss of one connection', (conn) => ({ kind: 'closed', conn, reason: undefined })],
    ['a look at the sockets before it', () => ({ kind: 'polled', until: 2_999, unread: [] })],
  ])('%s ends no session but its own', (_name, input) => {
    const { rig, neighbors } = stalled()
    const what = input(first(neighbors))
    rig.feed(what)
    expect(standing(neighbors.slice(1))).toBe(4)
    expect(standing(neighbors)).toBe(what.kind === 'closed' ? 4 : 5)
  })

  test('a look at all sockets ends those of whom nothing had come', () => {
    const { rig, neighbors } = stalled()
    rig.feed({ kind: 'received', conn: first(neighbors), bytes: KEEPALIVE })
    rig.feed({ kind: 'polled', until: rig.now, unread: [] })
    expect(standing(neighbors)).toBe(1)
    expect(neighbors[1]?.notification).toBe('4/0')
  })

  test('one whose bytes still wait is alive, until they have been read', () => {
    const { rig, neighbors } = stalled()
    const unread = [first(neighbors)]
    for (let round = 0; round < 3; round++) rig.feed({ kind: 'polled', until: rig.now, unread })
    expect(neighbors.map(({ established }) => established)).toEqual([true, false, false, false, false])
    rig.feed({ kind: 'polled', until: rig.now, unread: [] })
    expect(standing(neighbors)).toBe(0)
  })

  test('our own KEEPALIVEs are the first thing that goes out, whatever comes in', () => {
    const { rig, neighbors } = stalled()
    for (const neighbor of neighbors) neighbor.heard.length = 0
    rig.feed({ kind: 'received', conn: first(neighbors), bytes: KEEPALIVE })
    expect(neighbors.map(({ heard }) => heard)).toEqual(neighbors.map(() => [KEEPALIVE]))
  })
})
