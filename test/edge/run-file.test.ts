/** What one run leaves for the next. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { RunFile } from '../../src/edge/run-file.ts'

let directory: string
let sourceProblems: (string | undefined)[]
const path = (name: string) => join(directory, name)
/** Whatever is there. */
const any = (value: unknown) => value
const open = (name = 'run/state.json') => new RunFile({ path: path(name), report: (text) => sourceProblems.push(text) })

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-run-'))
  sourceProblems = []
})
afterEach(() => rm(directory, { recursive: true }))

test('the first run finds nothing, the next what was written last', async () => {
  const file = open()
  expect(await file.read(any)).toBeUndefined()
  for (let value = 1; value <= 50; value++) file.write({ value })
  await file.close()
  expect(await open().read(any)).toEqual({ value: 50 })
  expect(await readdir(path('run'))).toEqual(['state.json'])
  expect((await stat(path('run/state.json'))).mode & 0o777).toBe(0o600)
  expect(sourceProblems.filter((text) => text !== undefined)).toEqual([])
})

test('what cannot be written is reported, and the next value is written all the same', async () => {
  const file = open()
  file.write({ value: 1n })
  await file.close()
  expect(sourceProblems).toEqual([expect.stringContaining('cannot be written')])
  file.write({ value: 2 })
  await file.close()
  expect(await open().read(any)).toEqual({ value: 2 })
})

describe('a write that fails', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())
  /** The disk is full, in a manner of speaking: where the folder shall be there is a file. */
  const fill = () => writeFile(path('run'), '')
  const reported = async (count: number) => {
    while (sourceProblems.length < count) await new Promise(setImmediate)
  }

  test('is tried again when there may be room, with the newest value, and the error is over then', async () => {
    const file = open()
    await fill()
    file.write({ value: 1 })
    await reported(1)
    file.write({ value: 2 })
    await reported(2)
    await vi.advanceTimersByTimeAsync(30_000)
    await reported(3)
    await rm(path('run'))
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(30_000)
    await reported(4)
    const failed = expect.stringContaining('cannot be written')
    expect([sourceProblems, vi.getTimerCount()]).toEqual([[failed, failed, failed, undefined], 0])
    expect(await open().read(any)).toEqual({ value: 2 })
  })

  test('is tried once more at the end, and leaves no timer', async () => {
    const file = open()
    await fill()
    file.write({ value: 1 })
    await reported(1)
    await rm(path('run'))
    await file.close()
    expect([await open().read(any), vi.getTimerCount()]).toEqual([{ value: 1 }, 0])
  })
})

test('what the next run would refuse as too large is not written', async () => {
  const file = open()
  file.write('ü'.repeat(9 * 1024 * 1024))
  await file.close()
  expect(sourceProblems).toEqual([expect.stringContaining('it would be larger than')])
})

test.each([
  ['half of it', '{"format":1,"val'],
  ['another layout', '{"format":2,"value":1}'],
  ['no object', '7'],
  ['null', 'null'],
])('%s counts as absent, with a word', async (_name, text) => {
  await writeFile(path('state.json'), text)
  expect(await open('state.json').read(any)).toBeUndefined()
  expect(sourceProblems[0]).not.toContain('destructure')
  expect(sourceProblems).toEqual([
    expect.stringMatching(/^the file of an earlier run cannot be read: .*; it is not used$/),
  ])
})

test('what no run leaves counts as absent, with a word; null says that nothing is left', async () => {
  const none = () => undefined
  await writeFile(path('state.json'), '{"format":1,"value":{"of":"another version"}}')
  expect(await open('state.json').read(none)).toBeUndefined()
  expect(sourceProblems).toEqual(['the file of an earlier run cannot be read: it holds something else; it is not used'])
  await writeFile(path('state.json'), '{"format":1,"value":null}')
  expect(await open('state.json').read(none)).toBeUndefined()
  expect(sourceProblems).toHaveLength(1)
})

test('what runs left that were killed as they wrote is swept, and nothing else', async () => {
  const before = open('state.json')
  before.write(1)
  await before.close()
  const others = ['other.json', 'other.json.7', 'state.json.7.bak', 'state.json.x', 'state.jsonx.7']
  for (const name of [...others, 'state.json.7', 'state.json.18707']) await writeFile(path(name), '')
  const file = open('state.json')
  await file.read(any)
  file.write(2)
  await file.close()
  expect((await readdir(directory)).sort()).toEqual([...others, 'state.json'].sort())
})

test('a link is not followed', async () => {
  await writeFile(path('other.json'), '{"format":1,"value":1}')
  await symlink('other.json', path('state.json'))
  expect(await open('state.json').read(any)).toBeUndefined()
})

test('where it cannot be written it is said, the old one stays, and it is said that it is over', async () => {
  const file = open('state.json')
  file.write(1)
  await file.close()
  await rm(path('state.json'))
  await mkdir(path('state.json'))
  file.write(2)
  await file.close()
  expect(sourceProblems.at(-1)).toMatch(/^the file for the next run cannot be written: /)
  expect(await readdir(directory)).toEqual(['state.json'])
  await rm(path('state.json'), { recursive: true })
  file.write(3)
  await file.close()
  expect(sourceProblems.at(-1)).toBeUndefined()
  expect(await readFile(path('state.json'), 'utf8')).toContain('3')
})
