/** Nodes that are deleted while their pods run, as the agents of other nodes hear of it. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ObjectChange } from '../../../src/cluster/source.ts'
import { OtherNodes } from '../../../src/edge/kubernetes/other-nodes.ts'
import { OTHER_NODE_WAIT, OWN_NODE_TIMING } from '../../../src/edge/kubernetes/own-node.ts'
import { FAREWELL } from '../../../src/engine/leave.ts'
import { node, upsert } from '../../support/objects.ts'

const WAIT = 90_000

const heard: string[] = []
let nodes: OtherNodes

const worker = (number: number, more: { address?: string; podCIDR?: string } = {}) => {
  const { address = `10.0.0.${number}`, podCIDR = `10.244.${number}.0/24` } = more
  return upsert(node(`worker-${number}`, { addresses: [address], podCIDRs: [podCIDR] }))
}
const gone = (number: number): ObjectChange => ({
  kind: 'delete',
  ref: { kind: 'Node', namespace: '', name: `worker-${number}` },
})
const list = (...numbers: readonly number[]): ObjectChange => ({
  kind: 'replace',
  of: 'Node',
  objects: numbers.flatMap((number) => {
    const change = worker(number)
    return change.kind === 'upsert' ? [change] : []
  }),
})
const taken = (): string[] => heard.splice(0)

beforeEach(() => {
  vi.useFakeTimers()
  heard.length = 0
  nodes = new OtherNodes(WAIT, (change) =>
    heard.push('ref' in change ? `${change.kind} ${change.ref.name}` : change.kind),
  )
  nodes.take(list(1, 2, 3))
  taken()
})

afterEach(() => {
  nodes.stop()
  vi.useRealTimers()
})

test('a deletion is passed on after the wait, once', () => {
  nodes.take(gone(1))
  vi.advanceTimersByTime(WAIT / 2)
  nodes.take(gone(1))
  vi.advanceTimersByTime(WAIT / 2 - 1)
  expect(taken()).toEqual([])
  vi.advanceTimersByTime(1)
  expect(taken()).toEqual(['delete worker-1'])
  vi.advanceTimersByTime(10 * WAIT)
  expect(taken()).toEqual([])
})

test('of a Node that is registered again it never is', () => {
  nodes.take(gone(1))
  vi.advanceTimersByTime(WAIT - 1)
  nodes.take(worker(1))
  vi.advanceTimersByTime(10 * WAIT)
  expect(taken()).toEqual(['upsert worker-1'])
})

test.each([
  ['address', { address: '10.0.0.1' }],
  ['pod CIDR', { podCIDR: '10.244.1.0/24' }],
])('it is at once, and first, where another Node takes over its %s', (_, more) => {
  nodes.take(gone(1))
  nodes.take(gone(2))
  nodes.take(worker(4, more))
  expect(taken()).toEqual(['delete worker-1', 'upsert worker-4'])
  vi.advanceTimersByTime(WAIT)
  expect(taken()).toEqual(['delete worker-2'])
})

test.each([
  ['address', { address: '10.0.0.1' }],
  ['pod CIDR', { podCIDR: '10.244.1.0/24' }],
])('it is at once where another Node has its %s already, and that Node then waits itself', (_, more) => {
  nodes.take(worker(4, more))
  nodes.take(gone(1))
  expect(taken()).toEqual(['upsert worker-4', 'delete worker-1'])
  nodes.take(gone(4))
  expect(taken()).toEqual([])
  vi.advanceTimersByTime(WAIT)
  expect(taken()).toEqual(['delete worker-4'])
})

test('of two Nodes with one address that are both deleted, the second waits', () => {
  nodes.take(worker(4, { address: '10.0.0.1' }))
  taken()
  nodes.take(gone(4))
  nodes.take(gone(1))
  expect(taken()).toEqual(['delete worker-4'])
  vi.advanceTimersByTime(WAIT)
  expect(taken()).toEqual(['delete worker-1'])
})

test('a host name and an ExternalIP that several Nodes have are no reason to end the wait', () => {
  const behind = (number: number, ...more: readonly object[]): ObjectChange => {
    const [hostName, externalIp] = [
      { type: 'Hostname', address: 'localhost' },
      { type: 'ExternalIP', address: '203.0.113.1' },
    ]
    const object = node(`worker-${number}`, { podCIDRs: [`10.244.${number}.0/24`] })
    return upsert({ ...object, status: { addresses: [hostName, externalIp, ...more] } })
  }
  const internal = (number: number) => ({ type: 'InternalIP', address: `10.0.0.${number}` })
  for (const number of [1, 2]) nodes.take(behind(number, internal(number)))
  taken()
  nodes.take(gone(1))
  nodes.take(behind(2, internal(2), { type: 'InternalIP', address: 'fd00::2' }))
  expect(taken()).toEqual(['upsert worker-2'])
  // Where it is their only address of the family, it is that of their sessions.
  for (const number of [2, 3]) nodes.take(behind(number))
  taken()
  nodes.take(gone(3))
  expect(taken()).toEqual(['delete worker-3'])
})

test('a Node that has given its address up before it is deleted waits', () => {
  nodes.take(worker(4, { address: '10.0.0.1' }))
  nodes.take(worker(1, { address: '10.0.0.9' }))
  taken()
  nodes.take(gone(1))
  expect(taken()).toEqual([])
})

test('a new list of all Nodes ends every wait: what is not in it is deleted by it', () => {
  nodes.take(gone(1))
  nodes.take(list(2, 3))
  vi.advanceTimersByTime(10 * WAIT)
  expect(taken()).toEqual(['replace'])
})

test('its own agent has been certain, and has left, before the wait is over', () => {
  expect(OTHER_NODE_WAIT).toBeGreaterThan(OWN_NODE_TIMING.certain + OWN_NODE_TIMING.askEvery + FAREWELL)
})
