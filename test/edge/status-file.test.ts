/** `--status FILE`: the object that an API would have, whole at every moment. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { StatusFile } from '../../src/edge/status-file.ts'
import type { NodeStatus } from '../../src/status/node-status.ts'
import { schemaOf } from '../deploy/support/crds.ts'
import { faults } from '../deploy/support/schema.ts'
import { nodeStatus } from '../support/node-status.ts'

let directory: string
let sourceProblems: (string | undefined)[]
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-status-'))
  sourceProblems = []
})
afterEach(() => rm(directory, { recursive: true }))

async function write(path: string, ...statuses: Partial<NodeStatus>[]): Promise<void> {
  const file = new StatusFile({ path, node: 'worker-1', report: (text) => sourceProblems.push(text) })
  for (const status of statuses) file.perform({ kind: 'status', status: nodeStatus(status), spread: 0 })
  await file.close()
}

interface Written {
  readonly metadata: object
  readonly status: {
    readonly asNumber: number
    readonly conditions: readonly { readonly lastTransitionTime: string }[]
  }
}
const read = async (path: string): Promise<Written> => JSON.parse(await readFile(path, 'utf8')) as Written

test('the newest status stands there, and is one that the schema knows', async () => {
  const path = join(directory, 'run', 'status.json')
  await write(path, { asNumber: 1 }, { asNumber: 2 }, { asNumber: 3 })
  const object = await read(path)
  expect(object).toMatchObject({ kind: 'BGPNodeStatus', metadata: { name: 'worker-1' }, status: { asNumber: 3 } })
  expect(faults(schemaOf('BGPNodeStatus'), object)).toEqual([])
  expect(await readdir(join(directory, 'run'))).toEqual(['status.json'])
  expect((await stat(path)).mode & 0o777).toBe(0o644)
})

test('a condition keeps its time over restarts', async () => {
  const path = join(directory, 'status.json')
  await write(path, {})
  const before = await read(path)
  const conditions = before.status.conditions.map((one) => ({ ...one, lastTransitionTime: '2020-01-01T00:00:00Z' }))
  await writeFile(path, JSON.stringify({ ...before, status: { ...before.status, conditions } }))
  await write(path, {})
  expect((await read(path)).status.conditions[0]?.lastTransitionTime).toBe('2020-01-01T00:00:00Z')
})

test.each(['not JSON', '[]', 'null', 'x'.repeat(100_000)])(
  'what stands there and is no status is replaced: %.8s',
  async (text) => {
    const path = join(directory, 'status.json')
    await writeFile(path, text)
    await write(path, { asNumber: 7 })
    expect((await read(path)).status.asNumber).toBe(7)
  },
)

test('where it cannot be written, that is told, and nothing else happens', async () => {
  await writeFile(join(directory, 'file'), '')
  await write(join(directory, 'file', 'status.json'), {})
  expect(sourceProblems).toEqual([expect.stringMatching(/^the status cannot be written: /)])
})
