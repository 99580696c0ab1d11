/**
 * However the agent's process ends, or is disturbed, as a neighbor sees it: no NOTIFICATION unless it is to leave, and
 * the next run says that it has restarted, so that the neighbor keeps the node's routes. Beside these: a stuck API in
 * `test/edge/kubernetes/source.test.ts`, SIGHUP in `process.test.ts`, long standstills in `test/edge/driver.test.ts`.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bgpConfiguration, bgpPeer, node } from '../../support/objects.ts'
import { announcement, attributes } from '../../support/rib.ts'
import { type Heard, TcpNeighbor } from '../../support/tcp-neighbor.ts'

const pathOf = (path: string): string => new URL(`../../../${path}`, import.meta.url).pathname
const PLANT = ['--import', pathOf('test/support/plant.ts')]

let folder = ''
let neighbor: TcpNeighbor
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-'))
  await mkdir(join(folder, 'run'))
  await mkdir(join(folder, 'objects'))
  neighbor = await TcpNeighbor.listen()
  const objects = [
    node('n1', { addresses: ['127.0.0.1'], podCIDRs: ['10.244.1.0/24'] }),
    bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false, listenPort: 30_000 + (process.pid % 20_000) }),
    bgpPeer('tor', { peerIP: `${neighbor.address}:${neighbor.port}`, asNumber: TcpNeighbor.asn }),
  ]
  await writeFile(
    join(folder, 'objects', 'all.json'),
    JSON.stringify({ kind: 'List', apiVersion: 'v1', items: objects }),
  )
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  neighbor.close()
  await rm(folder, { recursive: true })
})

interface Agent {
  readonly child: ChildProcess
  readonly said: { text: string }
}

/** `before`: words in front of the process's own. */
function startAgent(before: readonly string[] = [], path = process.env.PATH): Agent {
  const agent = ['agent', '--node', 'n1', '--source', join(folder, 'objects'), '--dataplane', 'none', '--http', 'none']
  const heap = '--max-old-space-size=96'
  const words = [process.execPath, heap, ...PLANT, pathOf('src/main.ts'), ...agent, '--control', socket()]
  const [program = '', ...rest] = [...before, ...words]
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH: path } })
  const said = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said.text += text
    })
  }
  children.push(child)
  return { child, said }
}

const socket = (): string => join(folder, 'run', 'godwit.sock')
const replayFile = (): string => join(folder, 'run', 'godwit.replay.jsonl')

/** An UPDATE for which something is planted. */
const send = (call: Heard, prefix: string): void => {
  const asPath = [{ kind: 'sequence', asns: [TcpNeighbor.asn] }] as const
  call.socket.write(announcement([prefix], attributes({ asPath }), neighbor.address))
}

/** When the session came up, as the agent shows it. */
async function since(): Promise<string> {
  const words = [pathOf('src/main.ts'), '-s', socket(), '--json', 'show', 'protocols']
  const { stdout } = await promisify(execFile)(process.execPath, words)
  return (JSON.parse(stdout) as { since: string }[])[0]?.since ?? ''
}

const NOTIFICATION = 3
/** RFC 8326: 65535:0, in an attribute of one community. */
const GRACEFUL_SHUTDOWN = Buffer.from([8, 4, 255, 255, 0, 0])

// Processes on a busy machine, each several times.
vi.setConfig({ testTimeout: 60_000 })

const hasRestarted = ({ open }: Heard): boolean =>
  open?.capabilities.some((one) => one.kind === 'graceful-restart' && one.restarted) ?? false

describe('neighbors keep the routes over', () => {
  const ENDINGS: Readonly<
    Record<string, { readonly end: (agent: Agent, call: Heard) => void; readonly exit: unknown }>
  > = {
    SIGKILL: { end: ({ child }) => child.kill('SIGKILL'), exit: [null, 'SIGKILL'] },
    SIGTERM: { end: ({ child }) => child.kill('SIGTERM'), exit: [0, null] },
    'an error of our own': { end: (_, call) => send(call, '172.30.0.0/16'), exit: [70, null] },
    'the end of memory': { end: (_, call) => send(call, '172.31.0.0/16'), exit: [null, 'SIGABRT'] },
  }

  test.each(Object.entries(ENDINGS))('%s', async (_, { end, exit }) => {
    const agent = startAgent()
    const call = await neighbor.session(0)
    expect(hasRestarted(call)).toBe(false)
    // The line for the next run is on the disk before the first KEEPALIVE that is due.
    await neighbor.heard(call, 'keepalive', 2)
    end(agent, call)
    expect(await once(agent.child, 'exit')).toEqual(exit)
    await neighbor.end(call)
    expect(call.types).not.toContain(NOTIFICATION)
    startAgent()
    expect(hasRestarted(await neighbor.session(1))).toBe(true)
  })
})

test('SIGINT leaves: the neighbor gets a NOTIFICATION, and the next run has not restarted', async () => {
  const { child } = startAgent()
  const call = await neighbor.session(0)
  child.kill('SIGINT')
  await once(child, 'exit')
  await neighbor.end(call)
  expect(call.types).toContain(NOTIFICATION)
  startAgent()
  expect(hasRestarted(await neighbor.session(1))).toBe(false)
})

test('an error of our own leaves a file that shows it again', async () => {
  const { child, said } = startAgent()
  send(await neighbor.session(0), '172.30.0.0/16')
  await once(child, 'close')
  expect(said.text).toContain('internal error in the engine')
  expect(said.text).toContain(`the recent inputs are in ${replayFile()}`)
  expect(statSync(replayFile()).mode & 0o777).toBe(0o600)
  const words = [...PLANT, pathOf('test/replay/main.ts'), replayFile()]
  const { stdout } = await promisify(execFile)(process.execPath, words)
  expect(stdout).toContain('from the first input on')
  expect(stdout).toMatch(/^the same error came back at input \d+\nError: planted: 172\.30\.0\.0\/16$/m)
})

test.each([
  ['systemctl', 'echo stopping; exit 1'],
  ['runlevel', 'echo 5 6'],
])('SIGTERM while the machine ends, as %s says, is a farewell', async (program, script) => {
  await writeFile(join(folder, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const { child } = startAgent([], `${folder}:${process.env.PATH}`)
  const call = await neighbor.session(0)
  child.kill('SIGTERM')
  await neighbor.heard(call, 'notification', 1)
  expect(await once(child, 'exit')).toEqual([0, null])
  // RFC 8326: the routes once more, with GRACEFUL_SHUTDOWN; and then none.
  expect(call.updates.map((bytes) => bytes.includes(GRACEFUL_SHUTDOWN))).toContain(true)
  expect(call.updates.at(-1)?.readUInt16BE(19)).toBeGreaterThan(0)
  startAgent()
  expect(hasRestarted(await neighbor.session(1))).toBe(false)
})

const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0

test.skipIf(!canMount)(`a full disk is said, and ends no session${canMount ? '' : ' (needs root)'}`, async () => {
  const run = join(folder, 'run')
  // The mount is the process's own, and goes with it.
  const script = `mount -t tmpfs -o size=64k tmpfs ${run} && (cat /dev/zero > ${run}/full 2>&- || true) && exec "$@"`
  const { child, said } = startAgent(['unshare', '-m', 'sh', '-c', script, 'sh'])
  const call = await neighbor.session(0)
  await neighbor.heard(call, 'keepalive', 3)
  expect(call.types).not.toContain(NOTIFICATION)
  expect(said.text).toContain('the file for the next run cannot be written: No space left on device')
  send(call, '172.30.0.0/16')
  expect(await once(child, 'close')).toEqual([70, null])
  expect(said.text).toContain('the recent inputs cannot be written: No space left on device')
  expect(call.types).not.toContain(NOTIFICATION)
  expect(existsSync(replayFile())).toBe(false)
})

test('a wall clock that is set hours on, and hours back, ends no session, and KEEPALIVEs keep their time', async () => {
  const { child } = startAgent()
  const call = await neighbor.session(0)
  for (const hours of [6, -6]) {
    child.kill('SIGUSR2')
    const before = call.types.filter((type) => type === 4).length
    await neighbor.heard(call, 'keepalive', before + 3)
    // It is shown by the clock as it is now: the jump is none of the time that passed.
    const shown = Date.parse(await since()) - hours * 3_600_000
    expect(Math.abs(Date.now() - shown)).toBeLessThan(600_000)
  }
  expect(call.types).not.toContain(NOTIFICATION)
  expect(call.ended).toBe(false)
})

test('a machine that slept finds its session gone, and comes back', async () => {
  const { child } = startAgent()
  const call = await neighbor.session(0)
  child.kill('SIGSTOP')
  // Its hold time is over; nobody answers the reset before the machine wakes.
  call.socket.resetAndDestroy()
  await neighbor.end(call)
  child.kill('SIGCONT')
  const next = await neighbor.session(1)
  expect(next.types).not.toContain(NOTIFICATION)
  expect(child.exitCode).toBeNull()
})
