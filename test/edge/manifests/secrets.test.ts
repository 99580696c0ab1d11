/** A Secret in the folder, whole or broken: nothing that leaves the source holds its values (10.4). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Keys } from '../../../src/edge/keys.ts'
import { Manifests } from '../../../src/edge/manifests/source.ts'
import type { Input } from '../../../src/engine/input.ts'
import { until } from '../../support/loopback.ts'

const KEY = 'hunter2'
const BASE64 = Buffer.from(KEY).toString('base64')
const HEAD = 'apiVersion: v1\nkind: Secret\nmetadata: {name: bgp}\n'

let directory: string
let inputs: Input[]
let source: Manifests | undefined

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-secrets-'))
  inputs = []
})
afterEach(async () => {
  await source?.stop()
  await rm(directory, { recursive: true })
})

test.each([
  ['whole', `${HEAD}stringData: {k: ${KEY}}\n`],
  ['in base64', `${HEAD}data:\n  k: ${BASE64}\n`],
  ['cut off in the middle', `${HEAD}stringData: {k: ${KEY}`],
  ['with a key twice', `${HEAD}stringData:\n  k: ${KEY}\n  k: ${KEY}\n`],
  ['with a tag', `${HEAD}stringData:\n  k: !secret ${KEY}\n`],
  ['with a wrong indent', `${HEAD}stringData:\n   k: ${KEY}\n  other: ${KEY}\n`],
  ['with a tab', `${HEAD}stringData:\n\tk: ${KEY}\n`],
  ['with a value that begins as a tag', `${HEAD}stringData:\n  k: !${KEY}\n`],
  [
    'with a tag, in a List',
    `apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: bgp}\n  stringData: {k: !${KEY} 1.5}\n`,
  ],
  ['with an alias to nothing', `${HEAD}stringData:\n  k: *${KEY}\n`],
  ['with a value that is a list', `${HEAD}data:\n  k: [${KEY}]\n`],
  ['with a value where an object belongs', `${HEAD}stringData: ${KEY}\n`],
  [
    'as JSON that is cut off',
    `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"bgp"},"stringData":{"k":"${KEY}"`,
  ],
  ['with a name that is wrong', `apiVersion: v1\nkind: Secret\nmetadata: {name: 7}\nstringData: {k: ${KEY}}\n`],
])('%s', async (_, text) => {
  await writeFile(join(directory, 'secret.yaml'), text)
  source = new Manifests({
    directory,
    apiGroup: 'godwit.dev',
    feed: (input) => inputs.push(input),
    keys: new Keys(),
    quiet: 5,
  })
  await until('all is told', () => inputs.some(({ kind }) => kind === 'synced'))
  const told = JSON.stringify(inputs)
  expect(told).not.toContain(KEY)
  expect(told).not.toContain(BASE64)
})
