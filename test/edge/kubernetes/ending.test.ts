/** Why a pod ends, as the API tells it. */
import { describe, expect, test } from 'vitest'
import { ApiError } from '../../../src/edge/kubernetes/api.ts'
import { whyPodLeaves } from '../../../src/edge/kubernetes/ending.ts'

const POD = { namespace: 'routing', name: 'godwit-x7k2p' }
const PATH = '/api/v1/namespaces/routing/pods/godwit-x7k2p'
const SET = '/apis/apps/v1/namespaces/routing/daemonsets/godwit'
const owner = { kind: 'DaemonSet', name: 'godwit', controller: true }
const DELETED = '2026-11-29T12:00:00Z'

type World = Readonly<Record<string, object | number>>

const ask = (world: World) =>
  whyPodLeaves(
    {
      get: (path) => {
        const found = world[path] ?? 404
        if (typeof found === 'number') return Promise.reject(new ApiError(found, 'no', undefined))
        return Promise.resolve({ metadata: found })
      },
    },
    POD,
  )

const MACHINE = 'the machine shuts down'

describe('a pod ends', () => {
  test.each<[string, World, string | undefined]>([
    ['for an upgrade', { [PATH]: { deletionTimestamp: DELETED, ownerReferences: [owner] }, [SET]: {} }, undefined],
    [
      'with its DaemonSet',
      { [PATH]: { deletionTimestamp: DELETED, ownerReferences: [owner] } },
      'DaemonSet routing/godwit is deleted',
    ],
    [
      'before its DaemonSet, which waits for it',
      { [PATH]: { deletionTimestamp: DELETED, ownerReferences: [owner] }, [SET]: { deletionTimestamp: DELETED } },
      'DaemonSet routing/godwit is being deleted',
    ],
    ['though nobody deletes it: the machine ends', { [PATH]: { ownerReferences: [owner] }, [SET]: {} }, MACHINE],
    ['and is gone from the API', { [SET]: {} }, undefined],
    ['of somebody else', { [PATH]: { ownerReferences: [{ ...owner, kind: 'ReplicaSet' }] } }, undefined],
    ['that nobody owns', { [PATH]: {} }, undefined],
    ['and may not be read', { [PATH]: 403 }, undefined],
    ['and the API fails', { [PATH]: 500 }, undefined],
    [
      'and its DaemonSet may not be read',
      { [PATH]: { deletionTimestamp: DELETED, ownerReferences: [owner] }, [SET]: 403 },
      undefined,
    ],
  ])('%s', async (_, world, expected) => {
    expect(await ask(world)).toBe(expected)
  })

  test('and the API does not answer: it is not waited for', async () => {
    const silent = (_path: string, _query: object, { signal }: { readonly signal: AbortSignal }) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    expect(await whyPodLeaves({ get: silent }, POD)).toBeUndefined()
  })
})
