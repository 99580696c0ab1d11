/** Startup taints are removed against answers of the API that are out of date when they arrive, and against refusals. */
import { expect, test } from 'vitest'
import { type Api, ApiError } from '../../../src/edge/kubernetes/api.ts'
import { ObjectClient } from '../../../src/edge/kubernetes/write/object-client.ts'
import { StartupTaint } from '../../../src/edge/kubernetes/write/startup-taint.ts'

const TAINT = { key: 'godwit.dev/starting', effect: 'NoSchedule' }
const { signal } = new AbortController()

interface Answers {
  readonly status: (name: string) => unknown
  readonly nodes: (name: string) => readonly unknown[]
  readonly patch: (name: string) => void
}

const statusOf = (uid: string) => ({
  metadata: { ownerReferences: [{ uid }] },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
})
const nodeOf = (name: string, taints: readonly object[] = [TAINT]) => ({
  metadata: { name, uid: name, resourceVersion: '1' },
  spec: { taints },
})

/** Every node is ready and has the taint, unless an answer says otherwise. */
function make(answers: Partial<Answers> = {}) {
  const { status = statusOf, nodes = (name) => [nodeOf(name)], patch = () => {} } = answers
  const asked: string[] = []
  const nameIn = (path: string) => path.slice(path.lastIndexOf('/') + 1)
  const get = async (path: string, { fieldSelector }: Readonly<Record<string, unknown>>) => {
    if (typeof fieldSelector === 'string') return { items: nodes(fieldSelector.replace('metadata.name=', '')) }
    asked.push(`GET ${nameIn(path)}`)
    return status(nameIn(path))
  }
  const send = async (_method: string, path: string) => {
    asked.push(`PATCH ${nameIn(path)}`)
    patch(nameIn(path))
    return {}
  }
  const api: Api = { server: '', insecure: false, get, send, list: get, follow: async () => {}, close: () => {} }
  const taint = new StartupTaint(new ObjectClient(api, 1_000), { pause: 0, refusedPause: 3_600_000 })
  const takeAsked = () => asked.splice(0)
  return { taint, takeAsked }
}

const refuse = (status: number) => () => {
  throw new ApiError(status, 'refused', undefined)
}

test.each<[string, (tell: () => void) => Partial<Answers>]>([
  ['there is no Node', (tell) => ({ nodes: once(tell, []) })],
  ['its Node has no taint', (tell) => ({ nodes: once(tell, [nodeOf('a', [])]) })],
  ['the taint is removed', (tell) => ({ patch: once(tell, undefined) })],
])(
  '%s, and before the answer arrives another Node of the name is known to have the taint',
  async (_name, answersOf) => {
    const { taint, takeAsked } = make(answersOf(() => taint.set(['a'])))
    taint.set(['a'])
    expect(await taint.removeFromReady(signal)).toBeDefined()
    takeAsked()
    expect(await taint.removeFromReady(signal)).toBeUndefined()
    expect(takeAsked()).toEqual(['GET a', 'PATCH a'])
  },
)

/** The first answer, while which something happens; after it the usual one. */
function once<T>(happen: () => void, answer: T): (name: string) => T {
  let isFirst = true
  return (name) => {
    if (!isFirst) return [nodeOf(name)] as T
    isFirst = false
    happen()
    return answer
  }
}

test('a Node that is deleted before the change reaches it holds up no other, and nothing is refused', async () => {
  const { taint, takeAsked } = make({ patch: (name) => (name === 'a' ? refuse(404)() : undefined) })
  taint.set(['a', 'b'])
  expect(await taint.removeFromReady(signal)).toBeUndefined()
  expect(takeAsked()).toEqual(['GET a', 'PATCH a', 'GET b', 'PATCH b'])
})

test.each<[string, Partial<Answers>]>([
  ['BGPNodeStatuses', { status: refuse(403) }],
  ['Nodes', { nodes: refuse(403) }],
])('without the right to read %s no second node is asked for', async (_name, answers) => {
  const { taint, takeAsked } = make(answers)
  taint.set(['a', 'b'])
  await expect(taint.removeFromReady(signal)).rejects.toMatchObject({ status: 403 })
  expect(takeAsked()).toEqual(['GET a'])
})

test('from when the Lease is lost on, no further node is asked for and no refusal is told', async () => {
  const { taint, takeAsked } = make({
    patch: () => {
      taint.set([])
      refuse(403)()
    },
  })
  taint.set(['a', 'b'])
  expect(await taint.removeFromReady(signal)).toBeUndefined()
  expect(takeAsked()).toEqual(['GET a', 'PATCH a'])
})
