/** The deletion of our own Node counts when the API has had none for a minute. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ObjectChange } from '../../../src/cluster/source.ts'
import { OWN_NODE_TIMING, OwnNode } from '../../../src/edge/kubernetes/own-node.ts'
import { resourcesOf } from '../../../src/edge/resources.ts'
import { node, upsert } from '../../support/objects.ts'

const MINUTE = OWN_NODE_TIMING.certain
const resource = resourcesOf('godwit.dev').find(({ kind }) => kind === 'Node') as never
const OURS = node('n1', { addresses: ['10.0.0.1'] })
const ref = { kind: 'Node', namespace: '', name: 'n1' } as const
const GONE: ObjectChange = { kind: 'delete', ref }

let passed: ObjectChange[]
let answer: () => unknown
let queries: unknown[]
let own: OwnNode

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  passed = []
  queries = []
  answer = () => ({ items: [] })
  const get = async (path: string, query: object) => {
    queries.push([path, query])
    return answer()
  }
  const rest = { send: async () => ({}), follow: async () => {}, close: () => {} }
  const api = { server: '', insecure: false, get, list: get, ...rest }
  own = new OwnNode({ name: 'n1', resource, api, pass: (change) => passed.push(change) })
  own.take(upsert(OURS))
  passed = []
})
afterEach(() => {
  own.stop()
  vi.useRealTimers()
})

const wait = (millis: number) => vi.advanceTimersByTimeAsync(millis)

test('it is gone for a minute: then it is passed on, once', async () => {
  own.take(GONE)
  await wait(MINUTE - 1_000)
  expect(passed).toEqual([])
  await wait(MINUTE)
  expect(passed).toEqual([GONE])
  expect(queries[0]).toEqual(['/api/v1/nodes', { fieldSelector: 'metadata.name=n1' }])
  const asked = queries.length
  expect(asked).toBeLessThanOrEqual(MINUTE / OWN_NODE_TIMING.askEvery + 2)
  await wait(10 * MINUTE)
  expect(queries).toHaveLength(asked)
})

test('it is registered again: nothing happened, whether the watch or the question tells', async () => {
  own.take(GONE)
  await wait(30_000)
  own.take(upsert(OURS))
  await wait(2 * MINUTE)
  own.take(GONE)
  answer = () => ({ items: [OURS] })
  await wait(2 * MINUTE)
  expect(passed.map(({ kind }) => kind)).toEqual(['upsert', 'upsert'])
})

test('an API that fails meanwhile proves nothing: the minute begins again', async () => {
  own.take(GONE)
  await wait(50_000)
  answer = () => {
    throw new Error('no answer')
  }
  await wait(10 * MINUTE)
  expect(passed).toEqual([])
  answer = () => ({ items: [] })
  await wait(MINUTE - 1_000)
  expect(passed).toEqual([])
  await wait(MINUTE)
  expect(passed).toEqual([GONE])
})

test('a list without it is the same: until it is certain the list has it', async () => {
  const { kind: _, ...other } = upsert(node('n2')) as Extract<ObjectChange, { kind: 'upsert' }>
  own.take({ kind: 'replace', of: 'Node', objects: [other] })
  expect(passed[0]).toMatchObject({ objects: [{ ref: { name: 'n2' } }, { ref: { name: 'n1' } }] })
  await wait(2 * MINUTE)
  expect(passed.slice(1)).toEqual([GONE])
})

test('others, and one that was never there, are passed on at once', () => {
  const other: ObjectChange = { kind: 'delete', ref: { ...ref, name: 'n2' } }
  own.take(other)
  expect(passed).toEqual([other])
})
