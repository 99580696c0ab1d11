/** The thread that reads long pieces: what it says is what is said here, and it has an end. */
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import { Apart } from '../../../src/edge/manifests/apart.ts'
import { readPiece } from '../../../src/edge/manifests/piece.ts'
import { resourcesOf } from '../../../src/edge/resources.ts'

const resources = resourcesOf('godwit.dev')
let apart: Apart | undefined
afterEach(() => apart?.stop())

test.each([
  ['a value', 'kind: BGPPeer\nspec: {peerIP: 10.0.0.1}\n'],
  ['a fault', 'kind: BGPPeer\nspec: !all()\n'],
  ['JSON', '{"kind": "BGPPeer", "kind": "IPPool"}'],
  ['several', 'a: 1\n---\nb: [1, 2]\n'],
])('%s is read as it is here', async (_name, text) => {
  apart = new Apart()
  expect(await apart.read(text, 'document', resources)).toEqual(readPiece(text, 'document', resources))
})

/** How nice each thread of this process is, proc(5). */
const niceness = (): number[] =>
  readdirSync('/proc/self/task').map((thread) => {
    const [, ...fields] = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ')
    return Number(fields.join(') ').split(' ')[16])
  })

test('the thread is behind what runs sessions, and that stays as it is', async () => {
  apart = new Apart()
  const before = getPriority(process.pid)
  await apart.read('a: 1', 'document', resources)
  expect(niceness()).toContain(Math.min(before + 5, 19))
  expect(getPriority(process.pid)).toBe(before)
})

test('answers come in the order of their questions', async () => {
  apart = new Apart()
  const { read } = apart
  const answers = await Promise.all(['a: 1', 'b: 2', 'c: 3'].map((text) => read(text, 'document', resources)))
  expect(answers.flatMap(({ values }) => values)).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }])
})

test('what takes too long is a fault, and the next piece is read', async () => {
  apart = new Apart(1)
  const slow = Array.from({ length: 20_000 }, (_, index) => `key-${index}: value\n`).join('')
  const { fault } = await apart.read(slow, 'document', resources)
  expect(fault).toEqual({ text: 'cannot be read: it takes longer than 0.001 s', at: 0, isPassing: true })
  await apart.stop()
  apart = new Apart()
  expect(await apart.read('a: 1', 'document', resources)).toEqual({ values: [{ a: 1 }] })
})

test('nothing waits for the thread when it is stopped', async () => {
  apart = new Apart()
  const slow = Array.from({ length: 20_000 }, (_, index) => `key-${index}: value\n`).join('')
  const answers = [slow, 'a: 1'].map((text) => apart?.read(text, 'document', resources))
  await new Promise((resolve) => setImmediate(resolve))
  await apart.stop()
  const faults = (await Promise.all(answers)).map((answer) => answer?.fault?.text)
  expect(faults).toEqual(['cannot be read: the thread ended', 'cannot be read: the agent ends'])
})
