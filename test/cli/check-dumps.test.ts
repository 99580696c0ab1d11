/** `godwit check --diff` on dumps of a cluster: `kubectl get -o yaml` of everything, taken twice. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { Kind } from '../../src/cluster/source.ts'
import type { ChangeLine } from '../../src/preview/change.ts'
import { CALICOS } from '../support/as-calicos.ts'
import { nameOf } from '../support/field-variants.ts'
import type { ApiObject } from '../support/objects.ts'
import { type Home, inHome, objectsOf } from '../support/town-objects.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-dumps-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** As the server shows an object at a time, with all that changes by itself. */
function shown(object: ApiObject, time: number, key = 'c2VjcmV0'): object {
  const { metadata, kind, status = {}, keys, ...rest } = object
  const at = new Date(1_700_000_000_000 + time * 60_000).toISOString()
  const served = {
    uid: `00000000-0000-4000-8000-${nameOf(object).length}`,
    resourceVersion: String(1_000 + time),
    generation: 1 + time,
    creationTimestamp: '2026-01-01T00:00:00Z',
    managedFields: [{ manager: 'kubectl', operation: 'Apply', apiVersion: object.apiVersion, time: at, fieldsV1: {} }],
  }
  const heartbeat = { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: at }] }
  return {
    kind,
    ...rest,
    metadata: { ...metadata, ...served },
    ...(keys !== undefined && { type: 'Opaque', data: { key } }),
    ...(kind === 'Node' || kind === 'Service'
      ? { status: kind === 'Node' ? { ...(status as object), ...heartbeat } : status }
      : {}),
    ...(kind === 'Pod' && { status }),
  }
}

interface Dump {
  readonly home: Home
  readonly time?: number
  readonly as?: 'yaml' | 'json'
  /** The value of all Secrets, as base64. */
  readonly key?: string
  readonly leaveOut?: Kind
  readonly change?: (object: ApiObject) => ApiObject
}

async function write(
  name: string,
  { home, time = 0, as = 'yaml', key, leaveOut, change = (object) => object }: Dump,
): Promise<string> {
  const objects = objectsOf(home)
    .filter(({ kind }) => kind !== leaveOut)
    .map((object) => shown(inHome(home, change(object)), time, key))
  const items = time % 2 === 0 ? objects : objects.toReversed()
  const list = { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items }
  const path = join(folder, `${name}.${as}`)
  await writeFile(path, as === 'yaml' ? stringify(list, { aliasDuplicateObjects: false }) : JSON.stringify(list))
  return path
}

/** What the second dump would change on the wire of a cluster that is as the first one. */
async function changeBetween(home: Home, before: string, after: string): Promise<readonly ChangeLine[]> {
  const group = home === 'own' ? [] : ['--api-group', 'projectcalico.org']
  const words = [MAIN, 'check', after, '--diff', before, '--json', ...group]
  const out = await new Promise<string>((resolve) => {
    execFile(process.execPath, words, { maxBuffer: 1 << 26 }, (_, text) => resolve(text))
  })
  return JSON.parse(out).change
}

const ofPeer =
  (name: string, more: object) =>
  (object: ApiObject): ApiObject =>
    object.kind === 'BGPPeer' && object.metadata.name === name
      ? { ...object, spec: { ...(object.spec as object), ...more } }
      : object

describe.each(['own', 'calico'] as const)('objects in a group that is %s', (home) => {
  test('two dumps of a cluster in which nobody changed anything, in another order and another format', async () => {
    const before = await write(`${home}-before`, { home })
    const after = await write(`${home}-after`, { home, time: 7, as: 'json' })
    expect(await changeBetween(home, before, after)).toEqual([])
  })

  test('an AS number resets the sessions of its object, and no other', async () => {
    const before = await write(`${home}-old`, { home })
    const after = await write(`${home}-as`, { home, time: 3, change: ofPeer('plain', { asNumber: 65_055 }) })
    const lines = await changeBetween(home, before, after)
    expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(['session-resets']))
    expect(new Set(lines.map((line) => ('peer' in line ? line.peer : '')))).toEqual(new Set(['Global_10_0_0_1']))
    expect(lines.length).toBe(5)
  })

  test('another key is told for the sessions that it signs', async () => {
    const before = await write(`${home}-key`, { home })
    const after = await write(`${home}-new-key`, { home, time: 5, key: 'bmV3' })
    const lines = await changeBetween(home, before, after)
    expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(['setting']))
    const signed = ['Global_10_0_0_18', 'Global_10_0_0_8']
    expect(new Set(lines.map((line) => ('peer' in line ? line.peer : '')))).toEqual(new Set(signed))
  })

  test('keys of a dump without Secrets, as of a live cluster, are no other ones', async () => {
    const without = await write(`${home}-no-key`, { home, time: 5, leaveOut: 'Secret' })
    const before = await write(`${home}-with-key`, { home })
    expect(await changeBetween(home, without, before)).toEqual([])
    expect(await changeBetween(home, before, without)).toEqual([])
    const key = { secretKeyRef: { name: 'other', key: 'key' } }
    const other = await write(`${home}-other`, { home, change: ofPeer('keyed', { password: key }) })
    expect(await changeBetween(home, without, other)).not.toEqual([])
  })

  test('a filter less changes routes of its neighbors, and resets nothing', async () => {
    const before = await write(`${home}-filtered`, { home })
    const after = await write(`${home}-open`, { home, time: 2, change: ofPeer('plain', { filters: ['open'] }) })
    const lines = await changeBetween(home, before, after)
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.filter(({ kind }) => kind.startsWith('session-'))).toEqual([])
    expect(new Set(lines.map((line) => ('peer' in line ? line.peer : '')))).toEqual(new Set(['Global_10_0_0_1']))
  })
})

test("both of Calico's groups say the same", async () => {
  const before = await write('storage', { home: 'calico' })
  const path = join(folder, 'newer.json')
  const items = objectsOf('calico').map((object) => shown(inHome('calico', object), 1))
  await writeFile(
    path,
    JSON.stringify({ kind: 'List', apiVersion: 'v1', items }).replaceAll(CALICOS, 'projectcalico.org/v3'),
  )
  expect(await changeBetween('calico', before, path)).toEqual([])
})
