/** Commands about all neighbors, where these are many: some in each turn, and none is left out. */
import { expect, test } from 'vitest'
import { MOST_RUNS } from '../../src/engine/command-runs.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { Input } from '../../src/engine/input.ts'
import { Rig } from '../support/rig.ts'

const NEIGHBORS = 150
/** Far below `NEIGHBORS`: what a turn may do does not grow with them. */
const MOST = 40

function begin() {
  const rig = new Rig({ neighbors: NEIGHBORS, more: { boot: 'a boot' } })
  const protocols = () => [...rig.engine.view(rig.now).eachProtocol()]
  const disabled = (): number => protocols().filter((one) => one.disabled).length
  const feed = (input: Input): readonly Effect[] => rig.engine.handle(input, rig.now)
  const poll = (): readonly Effect[] => feed({ kind: 'polled', until: rig.now, unread: [] })
  const command = (client: number, line: string): readonly Effect[] => {
    feed({ kind: 'client-opened', client, restricted: false })
    feed({ kind: 'client-drained', client })
    return feed({ kind: 'command', client, line })
  }
  return { rig, protocols, disabled, feed, poll, command }
}

test('a turn acts on a few, and the next turns on the others', () => {
  const { rig, disabled, poll, command } = begin()
  let before = disabled()
  command(1, 'disable all')
  while (rig.engine.deadline() === rig.now) {
    expect(disabled() - before).toBeLessThanOrEqual(MOST)
    before = disabled()
    poll()
  }
  expect(disabled()).toBe(NEIGHBORS)
})

test('the answer names each once, in text and in JSON', () => {
  for (const [line, pattern] of [
    ['disable all', /: disabled$/gm],
    ['json enable all', /"outcome":"done"/g],
  ] as const) {
    const { rig, feed, command } = begin()
    if (line !== 'disable all') {
      rig.engine.view(rig.now).act({ kind: 'disable', pattern: '*', message: '' })
      rig.work()
    }
    let text = ''
    const hear = (effects: readonly Effect[]): boolean => {
      const replies = effects.filter((effect) => effect.kind === 'reply')
      for (const reply of replies) text += reply.text
      return replies.length > 0
    }
    hear(command(1, line))
    hear(feed({ kind: 'client-drained', client: 1 }))
    while (!/^0000 /m.test(text)) {
      const isWritten = hear(feed({ kind: 'polled', until: rig.now, unread: [] }))
      if (isWritten) hear(feed({ kind: 'client-drained', client: 1 }))
    }
    expect(text.match(pattern)).toHaveLength(NEIGHBORS)
  }
})

test('it is done in full though its client has gone', () => {
  const { rig, disabled, feed, command } = begin()
  command(1, 'disable all')
  feed({ kind: 'client-closed', client: 1 })
  expect(disabled()).toBeLessThan(NEIGHBORS)
  rig.work()
  expect(disabled()).toBe(NEIGHBORS)
})

test('of two that contradict each other the later one holds', () => {
  const { rig, disabled, command } = begin()
  command(1, 'disable all')
  command(2, 'enable all')
  rig.work()
  expect(disabled()).toBe(0)
})

test('what was asked is kept for the next run once, when it is over', () => {
  const { rig, poll, command } = begin()
  const kept: number[] = []
  command(1, 'disable all')
  while (rig.engine.deadline() === rig.now) {
    for (const effect of poll()) if (effect.kind === 'remember-by-hand') kept.push(effect.document.neighbors.length)
  }
  expect(kept).toEqual([NEIGHBORS])
})

test('a neighbor that objects remove meanwhile is left alone', () => {
  const { rig, protocols, disabled, command, feed } = begin()
  command(1, 'disable all')
  feed({ kind: 'objects', changes: [{ kind: 'delete', ref: { kind: 'BGPPeer', namespace: '', name: 'peer-99' } }] })
  rig.work()
  expect([protocols().length, disabled()]).toEqual([NEIGHBORS - 1, NEIGHBORS - 1])
})

test('as many as may wait are taken, and the next one is refused in words', () => {
  const { rig } = begin()
  const view = rig.engine.view(rig.now)
  const runs = Array.from({ length: MOST_RUNS + 1 }, () => view.act({ kind: 'reload', pattern: '*', direction: 'in' }))
  expect(runs.at(-1)).toMatchObject({
    isOver: true,
    results: [{ outcome: 'failed', reason: '64 commands wait already' }],
  })
  rig.work()
  expect(runs.map(({ results }) => results.length)).toEqual([...Array(MOST_RUNS).fill(NEIGHBORS), 1])
})
