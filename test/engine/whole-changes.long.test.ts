/** A change of many neighbors takes several turns, in which no UPDATE is sent; a next change that waits already waits longer. */
import { expect, test, vi } from 'vitest'
import { Engine } from '../../src/engine/engine.ts'
import type { Input } from '../../src/engine/input.ts'
import { Sessions } from '../../src/engine/sessions.ts'
import { bgpConfiguration, bgpPeer, ipPool, node, upsert } from '../support/objects.ts'

/** An agent with neighbors that never connect. */
function agentWith(neighbors: number): Engine {
  const silent = Array.from({ length: neighbors }, (_, index) =>
    bgpPeer(`silent-${index}`, { peerIP: `10.9.0.${index + 1}`, asNumber: 65500, passive: true }),
  )
  const own = node('worker', { addresses: ['10.0.0.1'], podCIDRs: ['10.245.0.0/24'] })
  const objects = [own, bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false }), ...silent]
  const options = { node: 'worker', version: 'test', hostName: 'worker', sourceKind: 'manifests', epoch: 0 } as const
  const engine = new Engine({ ...options, seed: 1, now: 0 })
  engine.handle({ kind: 'objects', changes: objects.map((object) => upsert(object)) }, 0)
  engine.handle({ kind: 'synced' }, 0)
  for (let turn = 0; turn < 100; turn++) engine.handle({ kind: 'tick' }, 0)
  return engine
}

/** At some sizes the next change would begin in every turn in which one ends. */
const SIZES = [35, 36, 37, 38, 39]

test('policies that change in every turn do not keep UPDATEs back', () => {
  const flush = vi.spyOn(Sessions.prototype, 'flush')
  const longest = SIZES.map((neighbors) => {
    const engine = agentWith(neighbors)
    const waits = [0]
    for (let turn = 1; turn <= 200; turn++) {
      flush.mockClear()
      const pool = ipPool('other', { cidr: `10.${turn % 100}.0.0/16` })
      engine.handle({ kind: 'objects', changes: [upsert(pool)] }, turn)
      waits.push(flush.mock.calls.length > 0 ? 0 : (waits.at(-1) as number) + 1)
    }
    return Math.max(...waits)
  })
  flush.mockRestore()
  expect(Math.max(...longest)).toBeLessThan(4)
  expect(Math.max(...longest)).toBeGreaterThan(0)
})

test('an agent that ends amid such a change does not wait for the rest of it', () => {
  const flush = vi.spyOn(Sessions.prototype, 'flush')
  const engine = agentWith(400)
  const flushes = (input: Input) => {
    flush.mockClear()
    engine.handle(input, 1)
    return flush.mock.calls.length > 0
  }
  flushes({ kind: 'objects', changes: [upsert(ipPool('other', { cidr: '10.99.0.0/16' }))] })
  for (let turn = 0; turn < 20 && flushes({ kind: 'tick' }); turn++);
  expect(flushes({ kind: 'tick' })).toBe(false)
  expect(flushes({ kind: 'stop', reason: 'SIGINT', how: 'leave' })).toBe(true)
  flush.mockRestore()
})
