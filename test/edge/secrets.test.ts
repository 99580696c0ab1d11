/**
 * A key that is in use, was, or was meant to be stands in nothing that an agent says, answers or leaves: not in the log, in any
 * answer of the control socket, over HTTP, in the status, in the files for the next run, in the file for a replay, nor in what
 * doctor and check say; also where it is wrong, rotated, in a file that cannot be read, or in a field where it does not belong.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AgentConnection } from '../../src/cli/connection.ts'
import { COMMANDS, type CommandRow, type Option } from '../../src/show/commands.ts'
import type { ArgumentKind } from '../../src/show/option-values.ts'
import { parseCommand } from '../../src/show/parse.ts'
import { bgpConfiguration, bgpPeer, node } from '../support/objects.ts'
import { announcement, attributes } from '../support/rib.ts'
import { TcpNeighbor } from '../support/tcp-neighbor.ts'

const pathOf = (path: string): string => new URL(`../../${path}`, import.meta.url).pathname
const MAIN = pathOf('src/main.ts')
const PLANT = ['--import', pathOf('test/support/plant.ts')]

/** All of them begin alike, so that a part of one is found, too. */
const KEYS = {
  right: 'swordfish-1-right',
  rotated: 'swordfish-2-rotated',
  wrong: 'swordfish-3-wrong',
  unused: 'swordfish-4-unused',
  long: 'swordfish-5-long'.padEnd(81, '-'),
  ended: 'swordfish-6-ended\n',
  mesh: 'swordfish-7-mesh',
  noted: 'swordfish-8-noted',
  yaml: 'swordfish-9-yaml',
  json: 'swordfish-10-json',
  plain: 'swordfish-11-plain',
  beside: 'swordfish-12-beside',
  chain: 'swordfish-13-chain',
  chained: 'swordfish-14-chained'.padEnd(81, '-'),
  inChain: 'swordfish-15-in-chain',
} as const
const COMMON = 'swordfish'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** As it may stand in a text: itself or its octets; of base64 what does not hang on its neighbors. */
const FORMS: readonly string[] = [
  COMMON,
  ...Object.values(KEYS).map((key) => base64(key).slice(0, 12)),
  Buffer.from(COMMON).toString('hex'),
  Buffer.from(COMMON).join(','),
  Buffer.from(COMMON).join(', '),
  JSON.stringify(Object.fromEntries([...Buffer.from(COMMON)].entries())).slice(1, -1),
]
const formsIn = (text: string): readonly string[] =>
  FORMS.filter((form) => text.toLowerCase().includes(form.toLowerCase()))

/** Where it stands. */
const around = (text: string, form: string): string => {
  const at = text.toLowerCase().indexOf(form.toLowerCase())
  return text.slice(Math.max(0, at - 100), at + 60)
}

let folder = ''
let neighbor: TcpNeighbor
let other: TcpNeighbor
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-'))
  await mkdir(join(folder, 'run'))
  await mkdir(join(folder, 'objects'))
  neighbor = await TcpNeighbor.listen('127.0.0.2', KEYS.right)
  other = await TcpNeighbor.listen('127.0.0.3', 'another key')
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  neighbor.close()
  other.close()
  await rm(folder, { recursive: true })
})

const put = (name: string, content: object | string): Promise<void> =>
  writeFile(join(folder, 'objects', name), typeof content === 'string' ? content : JSON.stringify(content))

const secret = (name: string, fields: object, annotations = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'godwit', annotations },
  ...fields,
})

const withKey = (name: string, peerIP: string, key: string, secretName = 'bgp') =>
  bgpPeer(name, { peerIP, asNumber: TcpNeighbor.asn, password: { secretKeyRef: { name: secretName, key } } })

const withChain = (name: string, peerIP: string, ...keyChain: readonly object[]) =>
  bgpPeer(name, { peerIP, asNumber: TcpNeighbor.asn, keyChain })
const link = (sendID: number, key: string, more: object = {}) => ({
  sendID,
  secretKeyRef: { name: 'bgp', key },
  ...more,
})

const putObjects = async (): Promise<void> => {
  const items = [
    node('n1', { addresses: ['127.0.0.1'], podCIDRs: ['10.244.1.0/24'] }),
    node('n2', { addresses: ['127.0.0.9'], podCIDRs: ['10.244.2.0/24'] }),
    bgpConfiguration({
      asNumber: 64512,
      listenPort: 30_000 + (process.pid % 20_000),
      nodeMeshPassword: { secretKeyRef: { name: 'bgp', key: 'mesh' } },
    }),
    withKey('right', `${neighbor.address}:${neighbor.port}`, 'right'),
    withKey('wrong', `${other.address}:${other.port}`, 'wrong'),
    withKey('missing', '127.0.0.4', 'missing'),
    withKey('long', '127.0.0.5', 'long'),
    withKey('ended', '127.0.0.6', 'ended'),
    withKey('typed', '127.0.0.7', 'k', 'typed'),
    withChain('chain', '127.0.0.11', link(1, 'chain'), link(2, 'right')),
    withChain('chained', '127.0.0.12', link(1, 'chain'), link(2, 'chained')),
    withChain('in-chain', '127.0.0.13', link(1, 'chain', { key: KEYS.inChain, [KEYS.inChain]: 1 })),
    bgpPeer('plain', { peerIP: '127.0.0.8', asNumber: TcpNeighbor.asn, password: KEYS.plain }),
    bgpPeer('beside', {
      peerIP: '127.0.0.10',
      asNumber: TcpNeighbor.asn,
      password: { secretKeyRef: { name: 'bgp', key: 'right' }, value: KEYS.beside, [KEYS.beside]: 1 },
    }),
  ]
  await put('all.json', { kind: 'List', apiVersion: 'v1', items })
  await putKeys(KEYS.right)
  await put('typed.json', secret('typed', { type: 'kubernetes.io/tls', data: { k: base64(KEYS.unused) } }))
  await put(
    'torn.yaml',
    `apiVersion: v1\nkind: Secret\nmetadata: {name: torn}\nstringData:\n  k: "${KEYS.yaml}\n  l: [\n`,
  )
  await put('torn.json', `{"kind":"Secret","apiVersion":"v1","stringData":{"k":"${KEYS.json}" "l":1}}`)
}

const putKeys = (right: string): Promise<void> => {
  const { wrong, unused, long, ended, mesh, chain, chained } = KEYS
  const data = Object.fromEntries(
    Object.entries({ right, wrong, unused, long, mesh, chain, chained }).map(([name, key]) => [name, base64(key)]),
  )
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ data, k: KEYS.noted }) }
  return put('bgp.json', secret('bgp', { data, stringData: { ended } }, annotations))
}

/** One that nobody else has now. */
const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return address === null || typeof address === 'string' ? 0 : address.port
}

const socket = (): string => join(folder, 'run', 'godwit.sock')

function startAgent(port: number) {
  const words = ['agent', '--node', 'n1', '--source', join(folder, 'objects'), '--dataplane', 'none']
  words.push('--http', `127.0.0.1:${port}`, '--control', socket(), '--log-level', 'debug')
  words.push('--status', join(folder, 'run', 'status.yaml'))
  const child = spawn(process.execPath, [...PLANT, MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said.text += text
    })
  }
  children.push(child)
  return { child, said }
}

/** What a program of ours says, however it ends. */
const saidBy = (...words: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...words], (_, out, err) => resolve(out + err))
  })

const VALUES: Readonly<Record<ArgumentKind, string>> = {
  prefix: '10.244.1.0/24',
  protocol: 'Global_127_0_0_2',
  which: 'all',
  table: 'all',
  text: '"x"',
  file: '"x"',
  seconds: '10',
  classes: 'all',
  where: 'net ~ [10.0.0.0/8+]',
  subject: '10.244.1.1',
}
const worded = ({ word, value }: Option): string =>
  [word ?? [], value === undefined ? [] : VALUES[value]].flat().join(' ')

/** Each command as short as it can be, and with each of its options. */
const linesOf = ({ words, options }: CommandRow): readonly string[] => {
  const required = options.filter((option) => option.required === true).map(worded)
  const short = [...words, ...required].join(' ')
  return [short, ...options.filter(({ required: is }) => is !== true).map((option) => `${short} ${worded(option)}`)]
}

/** All but those that end what we look at. */
const LINES: readonly string[] = COMMANDS.filter(
  ({ words: [first] }) => !['down', 'graceful', 'leave', 'disable', 'restart'].includes(first ?? ''),
)
  .flatMap(linesOf)
  .filter((line) => parseCommand(line).kind === 'command')

const answersOf = async (): Promise<ReadonlyMap<string, string>> => {
  const answers = new Map<string, string>()
  for (const line of LINES.flatMap((one) => [one, `json ${one}`])) {
    // One for each: some change what the connection shows.
    const connection = await AgentConnection.open(socket())
    let text = ''
    for await (const reply of connection.ask(line)) text += `${reply.code} ${reply.text}\n`
    connection.close()
    answers.set(line, text)
  }
  return answers
}

const PATHS = ['/', '/metrics', '/metrics?peers=each', '/livez', '/readyz']

test('the search finds a key in each of its forms', () => {
  const bytes = Buffer.from(KEYS.right)
  const shown = [KEYS.right, base64(KEYS.right), bytes.toString('hex'), bytes.join(','), JSON.stringify({ ...bytes })]
  for (const text of shown) expect(formsIn(`x ${text} y`)).not.toEqual([])
  expect(formsIn('nothing of it')).toEqual([])
})

test('no key stands in what an agent says, answers or leaves', { timeout: 120_000 }, async () => {
  await putObjects()
  const port = await freePort()
  const { child, said } = startAgent(port)
  await neighbor.session(0)
  // Which is news to the listener, too: the session ends for want of KEEPALIVEs, and comes again with the new one.
  await putKeys(KEYS.rotated)
  neighbor.takeKey(KEYS.rotated)
  const call = await neighbor.session(1)
  await vi.waitFor(() => expect(said.text).toContain('it may have another key'), { timeout: 60_000, interval: 200 })

  const found = new Map<string, string>(await answersOf())
  for (const path of PATHS) found.set(path, await (await fetch(`http://127.0.0.1:${port}${path}`)).text())
  found.set('doctor', await saidBy('doctor', '-s', socket()))
  for (const form of [[], ['--json']])
    found.set(`check ${form}`, await saidBy('check', join(folder, 'objects'), ...form))
  // Keys are named where they stand, or the search has seen nothing.
  const WORDS = ['Secret/godwit/bgp', 'has 81 octets', 'ends with a line break', 'torn.yaml', 'torn.json']
  for (const word of [...WORDS, 'key "chained" of Secret/godwit/bgp', 'TCP-AO'])
    expect([...found.values()].join('\n') + said.text).toContain(word)

  const asPath = [{ kind: 'sequence', asns: [TcpNeighbor.asn] }] as const
  call.socket.write(announcement(['172.30.0.0/16'], attributes({ asPath }), neighbor.address))
  expect(await once(child, 'close')).toEqual([70, null])
  found.set('log', said.text)
  const files = await readdir(join(folder, 'run'))
  expect(files).toEqual(expect.arrayContaining(['godwit.replay.jsonl', 'status.yaml']))
  expect(files.some((file) => file.endsWith('.last-good.json'))).toBe(true)
  for (const file of files) found.set(file, await readFile(join(folder, 'run', file), 'latin1').catch(() => ''))

  const leaks = [...found].flatMap(([where, text]) => formsIn(text).map((form) => `${where}: ${around(text, form)}`))
  expect(leaks).toEqual([])
  expect(found.size).toBeGreaterThan(100)
})
