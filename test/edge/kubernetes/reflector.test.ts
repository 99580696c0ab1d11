/** Answers of a server in an order that is rare, and what must follow from them. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ObjectChange } from '../../../src/cluster/source.ts'
import { type Api, ApiError, Silence } from '../../../src/edge/kubernetes/api.ts'
import { Contact } from '../../../src/edge/kubernetes/contact.ts'
import { MOST_COLLECTED } from '../../../src/edge/kubernetes/list-report.ts'
import { Reflector, USUAL_TIMING } from '../../../src/edge/kubernetes/reflector.ts'
import { podsOn, type Resource, resourcesOf } from '../../../src/edge/resources.ts'
import { KnownObjects } from '../../support/known-objects.ts'
import { peer } from '../../support/manifests.ts'
import { upsert } from '../../support/objects.ts'

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
/** What the server is at. */
let version: number
let lists: number
/** The resourceVersion of each watch. */
let watches: unknown[]
let errors: number
/** How many objects each `replace` had. */
let replaced: number[]
let endWatch: (error?: Error) => void
let known: KnownObjects
let running: Reflector[]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  known = new KnownObjects()
  running = []
  refuse = undefined
  version = 9
  lists = 0
  watches = []
  errors = 0
  replaced = []
})
afterEach(async () => {
  await Promise.all(running.map((one) => one.stop()))
  vi.useRealTimers()
})

const wait = (millis: number) => vi.advanceTimersByTimeAsync(millis)
const names = () => [...known.objects.keys()].map((key) => key.slice('BGPPeer/'.length)).sort()

function fakeApi(): Api {
  const list: Api['list'] = async (_path, query, _wait, onItem) => {
    // Of one object: only to compare versions.
    if (query.limit !== 1) lists++
    const { items, next } = answer(query.continue as string | undefined)
    for (const item of items) onItem(item)
    return { metadata: { resourceVersion: String(version), continue: next } }
  }
  const follow: Api['follow'] = (_path, { resourceVersion }, { signal }, onOpen) =>
    new Promise((resolve, reject) => {
      watches.push(resourceVersion)
      endWatch = (error) => (error === undefined ? resolve() : reject(error))
      signal.addEventListener('abort', () => resolve())
      if (refuse === undefined) onOpen()
      else reject(refuse)
    })
  return { server: '', insecure: false, list, follow, get: async () => ({}), send: async () => ({}), close: () => {} }
}

function start(resource = resourceOf('BGPPeer')): void {
  const sink = {
    change: (change: ObjectChange) => {
      known.feed({ kind: 'objects', changes: [change] })
      if (change.kind === 'replace') replaced.push(change.objects.length)
    },
    listed: () => {},
    error: (error: object | undefined) => {
      if (error !== undefined) errors++
    },
  }
  running.push(new Reflector(resource, fakeApi(), sink, USUAL_TIMING, new Contact()))
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

test('a watch that fell silent is begun anew where it was, and that is no error', async () => {
  answer = () => ({ items: [peer('rack')] })
  start()
  await wait(1_000)
  version = 12
  endWatch(new Silence('no answer for 100 s'))
  await wait(1_000)
  expect([watches, lists, errors]).toEqual([['9', '9'], 1, 0])
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

const pod = (name: string) => ({ apiVersion: 'v1', kind: 'Pod' as const, metadata: { name, namespace: 'web' } })
const pods = (count: number, from = 0) => Array.from({ length: count }, (_, at) => pod(`web-${from + at}`))

test('pods that another selection has found stay until all pages of the new one are there', async () => {
  known.feed({ kind: 'objects', changes: [upsert(pod('web-0')), upsert(pod('web-600')), upsert(pod('gone'))] })
  let isBroken = true
  const counts: number[] = []
  answer = (token) => {
    counts.push(known.objects.size)
    if (token === undefined) return { items: pods(500), next: 'last' }
    return isBroken ? unreached() : { items: pods(101, 500) }
  }
  start(podsOn('worker-1', 'app==web'))
  await wait(10)
  isBroken = false
  await wait(MINUTE)
  expect([counts, replaced]).toEqual([[3, 3, 3, 3], [601]])
  expect([known.objects.size, known.objects.has('Pod/web/web-600'), known.objects.has('Pod/web/gone')]).toEqual([
    601,
    true,
    false,
  ])
})

test('of an endless list of pods a bounded number is held', async () => {
  answer = (token = '0') => {
    const page = Number(token)
    return { items: pods(500, page * 500), ...(page < 29 && { next: `${page + 1}` }) }
  }
  start(podsOn('worker-1'))
  await wait(MINUTE)
  expect([replaced, known.objects.size]).toEqual([[MOST_COLLECTED], 15_000])
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

/** The server answers again, from a backup that lacks an object, and is listed anew. */
async function comesBackRestored(): Promise<void> {
  answer = () => ({ items: [peer('rack')] })
  version = 5
  refuse = undefined
  await wait(MINUTE)
  expect([lists, names()]).toEqual([2, ['rack']])
}

test.each<[string, () => Promise<unknown>]>([
  ['in its last second', () => wait(9 * MINUTE)],
  ['early', () => wait(2_000)],
])('a restored server is noticed after a watch that broke off %s', async (_, pass) => {
  answer = () => ({ items: [peer('rack'), peer('lost')] })
  start()
  await wait(1_000)
  await pass()
  answer = unreached
  refuse = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  endWatch(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
  await wait(MINUTE)
  await comesBackRestored()
})

test('a restored server is noticed though versions were compared before it went', async () => {
  answer = () => ({ items: [peer('rack'), peer('lost')] })
  start()
  await wait(1_000)
  refuse = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  endWatch(refuse)
  // Lists are answered, watches are not.
  await wait(MINUTE)
  await comesBackRestored()
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
