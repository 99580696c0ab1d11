/** Answers of a server in an order that is rare, and what must follow from them. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ObjectChange } from '../../../src/cluster/source.ts'
import { type Api, ApiError } from '../../../src/edge/kubernetes/api.ts'
import { Contact } from '../../../src/edge/kubernetes/contact.ts'
import { Reflector, USUAL_TIMING } from '../../../src/edge/kubernetes/reflector.ts'
import { type Resource, resourcesOf } from '../../../src/edge/resources.ts'
import { KnownObjects } from '../../support/known-objects.ts'
import { peer } from '../../support/manifests.ts'

const MINUTE = 60_000
const resourceOf = (kind: string) => resourcesOf('godwit.dev').find((one) => one.kind === kind) as Resource

interface Page {
  readonly items: readonly object[]
  readonly next?: string
}

/** The answer to a list of peers, by its continue token. */
let answer: (token: string | undefined) => Page
/** Refuses a watch. */
let refuse: Error | undefined
let lists: number
let endWatch: (error?: Error) => void
let known: KnownObjects
let running: Reflector[]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  known = new KnownObjects()
  running = []
  refuse = undefined
  lists = 0
})
afterEach(async () => {
  await Promise.all(running.map((one) => one.stop()))
  vi.useRealTimers()
})

const wait = (millis: number) => vi.advanceTimersByTimeAsync(millis)
const names = () => [...known.objects.keys()].map((key) => key.slice('BGPPeer/'.length)).sort()

function fakeApi(): Api {
  const list: Api['list'] = async (_path, query, _silence, _signal, onItem) => {
    lists++
    const { items, next } = answer(query.continue as string | undefined)
    for (const item of items) onItem(item)
    return { metadata: { resourceVersion: '1', continue: next } }
  }
  const follow: Api['follow'] = (_path, _query, _silence, signal, onOpen) =>
    new Promise((resolve, reject) => {
      endWatch = (error) => (error === undefined ? resolve() : reject(error))
      signal.addEventListener('abort', () => resolve())
      if (refuse === undefined) onOpen()
      else reject(refuse)
    })
  return { server: '', insecure: false, list, follow, get: async () => ({}), send: async () => ({}), close: () => {} }
}

function start(): void {
  const sink = {
    change: (change: ObjectChange) => known.feed({ kind: 'objects', changes: [change] }),
    listed: () => {},
    error: () => {},
  }
  running.push(new Reflector(resourceOf('BGPPeer'), fakeApi(), sink, USUAL_TIMING, new Contact()))
}

const fail = (error: Error) => () => {
  throw error
}
const absent = fail(new ApiError(404, 'not found', undefined))
const unreached = fail(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
const expired = new ApiError(410, 'expired', undefined)

test.each([
  ['could not be reached', unreached],
  ['had faults', fail(new ApiError(503, 'starting', undefined))],
])('a kind unknown to a server that %s between two answers keeps its objects', async (_how, between) => {
  answer = () => ({ items: [peer('rack')] })
  start()
  await wait(1_000)
  answer = absent
  endWatch(expired)
  await wait(10_000)
  answer = between
  await wait(2 * MINUTE)
  answer = absent
  await wait(MINUTE - 10_000)
  expect(names()).toEqual(['rack'])
  await wait(MINUTE)
  expect(names()).toEqual([])
})

test('what the first page of a broken list told is taken back by the next list', async () => {
  const pages = (first: readonly object[], last: () => Page) => (token: string | undefined) =>
    token === undefined ? { items: first, next: 'last' } : last()
  const changed = peer('changed', { asNumber: 65_123 })
  answer = () => ({ items: [peer('changed'), peer('rack')] })
  start()
  await wait(1_000)
  const before = known.objects.get('BGPPeer/changed')
  answer = pages([changed, peer('ghost')], unreached)
  endWatch(expired)
  await wait(500)
  expect(names()).toEqual(['changed', 'ghost', 'rack'])
  expect(known.objects.get('BGPPeer/changed')).not.toEqual(before)
  answer = pages([peer('changed')], () => ({ items: [peer('rack')] }))
  await wait(MINUTE)
  expect(names()).toEqual(['changed', 'rack'])
  expect(known.objects.get('BGPPeer/changed')).toEqual(before)
})

test.each([
  ...[401, 403, 429, 502, 503].map((status) => ({ status, expected: 1 })),
  // As of a version that a restored etcd does not know.
  ...[500, 504].map((status) => ({ status, expected: 2 })),
])('a watch that is refused with $status for a minute: $expected lists', async ({ status, expected }) => {
  answer = () => ({ items: [peer('rack')] })
  start()
  await wait(1_000)
  refuse = new ApiError(status, 'refused', undefined)
  endWatch(refuse)
  await wait(MINUTE)
  refuse = undefined
  await wait(MINUTE)
  expect(Math.min(lists, 2)).toBe(expected)
  expect(names()).toEqual(['rack'])
})

test('one kind that gets no answer does not hold up another', async () => {
  const contact = new Contact()
  const listed: string[] = []
  const sink = (kind: string) => ({ change: () => {}, listed: () => listed.push(kind), error: () => {} })
  const mute = { ...fakeApi(), list: async () => unreached() }
  answer = () => ({ items: [] })
  running.push(new Reflector(resourceOf('BGPFilter'), mute, sink('BGPFilter'), USUAL_TIMING, contact))
  await wait(10)
  running.push(new Reflector(resourceOf('BGPPeer'), fakeApi(), sink('BGPPeer'), USUAL_TIMING, contact))
  await wait(1_000)
  expect(listed).toEqual(['BGPPeer'])
})
