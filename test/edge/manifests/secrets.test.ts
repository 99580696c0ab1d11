/** A Secret in the folder, whole or broken: nothing that leaves the source holds its values. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Keys } from '../../../src/edge/keys.ts'
import type { ReadingOptions } from '../../../src/edge/manifests/documents.ts'
import { parseManifests } from '../../../src/edge/manifests/file.ts'
import { readPiece } from '../../../src/edge/manifests/piece.ts'
import { Pieces } from '../../../src/edge/manifests/pieces.ts'
import { Manifests } from '../../../src/edge/manifests/source.ts'
import { resourcesOf, secretsIn } from '../../../src/edge/resources.ts'
import type { Input } from '../../../src/engine/input.ts'
import { until } from '../../support/loopback.ts'

const KEY = 'hunter2'
const BASE64 = Buffer.from(KEY).toString('base64')
const HEAD = 'apiVersion: v1\nkind: Secret\nmetadata: {name: bgp}\n'
const PEER = 'apiVersion: godwit.dev/v1\nkind: BGPPeer\nmetadata: {name: rack}\nspec:\n  peerIP: 10.0.0.1\n'

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

/** What goes wrong when a text is written by hand, one sign at a time. */
const SIGNS = [
  '',
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  ':',
  ': ',
  ',',
  '*',
  '!',
  '&',
  '|',
  '>',
  '%',
  '@',
  '#',
  '- ',
  '\n',
  '\t',
  ' ',
]

test.each([
  ['a block', `${HEAD}type: Opaque\nstringData:\n  k: ${KEY}\n  l: "${KEY}"\n`],
  ['in base64', `${HEAD}data: {k: ${BASE64}, l: ${BASE64}}\n`],
  [
    'JSON',
    JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'bgp' }, stringData: { k: KEY, l: KEY } }),
  ],
  [
    'a List',
    `apiVersion: v1\nkind: List\nitems:\n- ${HEAD.trimEnd().replaceAll('\n', '\n  ')}\n  stringData: {k: ${KEY}}\n`,
  ],
  ['a kind in small letters', `${HEAD.replace('Secret', 'secret')}data:\n  k: ${BASE64}\n`],
  ['a kind in the plural', `${HEAD.replace('Secret', 'secrets')}data: {k: ${BASE64}}\n`],
  ['a kind that is misspelt', `${HEAD.replace('Secret', 'Secert')}data:\n  k: "${KEY}"\n`],
  ['no kind', `Data:\n  k: ${KEY}\n`],
  ['a password in its peer', `${PEER}  password: ${KEY}\n`],
  ['a password in its peer, in quotes', `${PEER}  password: "${KEY}"\n`],
  ['a password in its peer, on a line of its own', `${PEER}  password:\n    ${KEY}\n`],
  [
    'a password in its peer, as JSON',
    JSON.stringify({
      apiVersion: 'godwit.dev/v1',
      kind: 'BGPPeer',
      metadata: { name: 'rack' },
      spec: { password: KEY },
    }),
  ],
  ['a password of the mesh', `${PEER.replace('BGPPeer', 'BGPConfiguration')}  nodeMeshPassword: '${KEY}'\n`],
])('%s with any one sign too few or too many: nothing that is said of it holds its values', async (_, text) => {
  for (let at = 0; at <= text.length; at++) {
    for (const sign of SIGNS) {
      const wrong = `${text.slice(0, at)}${sign}${text.slice(sign === '' ? at + 1 : at)}`
      const { problems, objects } = await parseManifests('secret.yaml', wrong, reading())
      const told = JSON.stringify([problems, objects.map(({ ref }) => ref)])
      expect(told, wrong).not.toContain(KEY)
      expect(told, wrong).not.toContain(BASE64)
    }
  }
})

test.each([
  ['a field of the Secret twice', `${HEAD}data: {}\ndata: {}\n`, 'line 5: data: is given twice'],
  ['a key twice', `${HEAD}data: {a: eA==, a: eQ==}\n`, 'line 4: data: a key is given twice'],
  ['a name twice', `${HEAD}metadata: {name: bgp}\n`, 'line 4: a key is given twice'],
  ['too deep', `${HEAD}data: ${'['.repeat(70)}${']'.repeat(70)}\n`, 'line 4: data: is nested more than 64 levels deep'],
  ['a fraction', `${PEER}  password: 1.5\n`, 'line 6: spec.password: is not plain text (put it in quotes)'],
  [
    'a reference twice',
    `${PEER}  password: {secretKeyRef: {name: a}}\n  password: {secretKeyRef: {name: a}}\n`,
    'line 7: spec.password: is given twice',
  ],
  [
    'a fault beside a reference',
    `${PEER}  password:\n    secretKeyRef: {name: a, key: b}\n  asNumber: 1.5\n`,
    'line 8: spec.asNumber: 1.5 is not a whole number (put an AS number with a dot in quotes)',
  ],
  [
    'a fault of a plain name',
    `${PEER}  peerIP: !x 1\n`,
    'line 6: spec.peerIP: the tag !x is not known (put a text that begins with ! in quotes)',
  ],
])('%s: what quotes nothing is said', async (_, text, said) => {
  const { problems } = await parseManifests('secret.yaml', text, reading())
  expect(problems.map((one) => one.text)).toEqual([said])
})

const reading = (): ReadingOptions => ({
  resources: [...resourcesOf('godwit.dev'), secretsIn('godwit')],
  breathe: () => Promise.resolve(),
  pieces: new Pieces(),
  apart: async (text, kind, resources) => readPiece(text, kind, resources),
})
