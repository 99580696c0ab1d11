/** The agent as a process: its signals, its streams, and a second one beside it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, existsSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { runBfd } from '../../../src/bfd-process.ts'
import { isRoot, Namespace } from '../../support/namespace.ts'

const MAIN = new URL('../../../src/main.ts', import.meta.url).pathname
const run = promisify(execFile)

let folder = ''
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-'))
  await writeNode(['10.244.1.0/24'])
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(folder, { recursive: true })
})

const writeNode = (podCIDRs: readonly string[]) =>
  writeFile(
    join(folder, 'node.json'),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n1' },
      spec: { podCIDRs },
      status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] },
    }),
  )

const socketAt = (name = 's') => join(folder, name)

/** A pipe that is full and that nobody reads. */
async function fullPipe(): Promise<number> {
  await run('mkfifo', [join(folder, 'pipe')])
  const fd = openSync(join(folder, 'pipe'), constants.O_RDWR | constants.O_NONBLOCK)
  const fill = () => writeSync(fd, 'x'.repeat(4096))
  expect(() => {
    for (let index = 0; index < 10_000; index++) fill()
  }).toThrow('EAGAIN')
  return fd
}

/** `before`: words in front of the process's own. */
function startAgent(
  words: readonly string[] = [],
  out: 'pipe' | number = 'pipe',
  before: readonly string[] = [],
): ChildProcess {
  const always = ['agent', '--node', 'n1', '--source', folder, '--dataplane', 'none', '--http', 'none']
  const [program = '', ...rest] = [...before, process.execPath, MAIN, ...always, '--control', socketAt(), ...words]
  const child = spawn(program, rest, { stdio: ['ignore', out, out] })
  children.push(child)
  return child
}

const ask = async (...words: string[]): Promise<string> => {
  const { stdout } = await run(process.execPath, [MAIN, '-s', socketAt(), ...words])
  return stdout
}

const answers = () => vi.waitFor(() => ask('show', 'static'), { timeout: 20_000, interval: 200 })

/** Everything the process logged until now, by code. */
function collect(child: ChildProcess): string[] {
  const codes: string[] = []
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n').filter(Boolean)) codes.push(String(JSON.parse(line).code))
  })
  return codes
}

test('SIGTERM ends it in bounded time, though nobody reads its log', async () => {
  const pipe = await fullPipe()
  const child = startAgent(['--log-level', 'debug'], pipe)
  await answers()
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
  closeSync(pipe)
})

test('SIGHUP reads the manifests anew and ends nothing', async () => {
  const child = startAgent()
  const codes = collect(child)
  await answers()
  child.kill('SIGHUP')
  await vi.waitFor(() => expect(codes).toContain('reread'))
  await writeNode(['10.244.7.0/24'])
  await vi.waitFor(async () => expect(await ask('show', 'static')).toContain('10.244.7.0/24'), { timeout: 20_000 })
  expect(child.exitCode).toBeNull()
})

test('SIGUSR1 opens no debugger, and ends nothing', async () => {
  const child = startAgent()
  const codes = collect(child)
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await answers()
  child.kill('SIGUSR1')
  await vi.waitFor(() => expect(codes).toContain('signal'))
  await answers()
  expect(said).not.toContain('Debugger')
})

test('a second agent does not take the socket of one that is stopped', async () => {
  const first = startAgent()
  await answers()
  first.kill('SIGSTOP')
  const second = startAgent()
  const codes = collect(second)
  expect(await once(second, 'exit')).toEqual([1, null])
  expect(codes).toContain('agent-failed')
  first.kill('SIGCONT')
  expect(await ask('show', 'static')).toContain('10.244.1.0/24')
})

test.each(['down', 'graceful restart'])('%s ends the process', async (command) => {
  const child = startAgent()
  await answers()
  const ended = once(child, 'exit')
  await ask(...command.split(' '))
  expect(await ended).toEqual([0, null])
})

test.skipIf(!isRoot)('down ends it also while it waits for another speaker to end', async () => {
  const space = new Namespace('wait')
  try {
    const listen = 'require("node:net").createServer().listen(179, () => console.log("listens"))'
    const [enter = '', ...words] = [...space.enter, process.execPath, '-e', listen]
    const speaker = spawn(enter, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(speaker)
    await once(speaker.stdout, 'data')
    const child = startAgent(['--dataplane', 'linux', '--adopt', 'bird'], 'pipe', space.enter)
    const codes = collect(child)
    await vi.waitFor(() => expect(codes).toContain('speaker-awaited'), { timeout: 20_000 })
    const ended = once(child, 'exit')
    await ask('down')
    expect(await ended).toEqual([0, null])
  } finally {
    space.remove()
  }
})

test('a second `godwit bfd` leaves the first alone until that one ends, and ends itself when it is told to', async () => {
  const startBfd = () => {
    const child = spawn(process.execPath, [MAIN, 'bfd', '--control', socketAt('bfd.sock')], { stdio: 'pipe' })
    children.push(child)
    return { child, codes: collect(child) }
  }
  const connects = async () => {
    const socket = connect(socketAt('bfd.sock'))
    await once(socket, 'connect')
    socket.destroy()
  }
  const first = startBfd()
  await vi.waitFor(connects, { timeout: 30_000, interval: 100 })
  const [second, third] = [startBfd(), startBfd()]
  const wait = ({ codes }: typeof second) =>
    vi.waitFor(() => expect(codes).toEqual(['starting', 'bfd-waits']), { timeout: 30_000 })
  await Promise.all([wait(second), wait(third)])
  third.child.kill('SIGTERM')
  expect(await once(third.child, 'exit')).toEqual([0, null])
  await connects()
  first.child.kill('SIGTERM')
  expect(await once(first.child, 'exit')).toEqual([0, null])
  await vi.waitFor(connects, { timeout: 30_000, interval: 100 })
  second.child.kill('SIGTERM')
  expect(await once(second.child, 'exit')).toEqual([0, null])
  expect(existsSync(socketAt('bfd.sock'))).toBe(false)
})

test('`godwit bfd` begins anew where another version has left what it cannot read, and says so', async () => {
  const control = socketAt('bfd.sock')
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const value = { boot, savedAt: null, sessions: [{ intent: { remote: '127.0.0.1' } }] }
  await writeFile(socketAt('bfd.json'), JSON.stringify({ format: 1, value }))
  const child = spawn(process.execPath, [MAIN, 'bfd', '--control', control], { stdio: 'pipe' })
  children.push(child)
  const codes = collect(child)
  await vi.waitFor(() => expect(existsSync(control)).toBe(true), { timeout: 30_000 })
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(codes).toEqual(['starting', 'bfd-handover', 'stopping'])
})

test.each(['SIGHUP', 'SIGUSR1'] as const)('%s does nothing to `godwit bfd`', async (signal) => {
  const control = socketAt('bfd.sock')
  const child = spawn(process.execPath, [MAIN, 'bfd', '--control', control], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const codes = collect(child)
  await vi.waitFor(() => expect(existsSync(control)).toBe(true), { timeout: 30_000 })
  child.kill(signal)
  await vi.waitFor(() => expect(codes).toEqual(['starting', 'signal']))
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})

test('`godwit bfd` ends when its thread fails while it starts', async () => {
  const control = socketAt('bfd.sock')
  const failing = runBfd({ control, logLevel: 'error' }, (_hear, ended) => {
    ended('broken')
    return { post: () => {}, stop: async () => {} }
  })
  expect(await failing).toBe(1)
  expect(existsSync(control)).toBe(false)
})

test('`godwit bfd` keeps its agent though others look whether somebody answers, until another agent speaks', async () => {
  const control = socketAt('bfd.sock')
  const posted: unknown[] = []
  let fail: (reason: string) => void = () => {}
  const running = runBfd({ control, logLevel: 'error' }, (_hear, ended) => {
    fail = ended
    return { post: (input) => posted.push(input), stop: async () => {} }
  })
  await vi.waitFor(() => expect(existsSync(control)).toBe(true), { timeout: 30_000 })
  const agents: string[] = []
  const call = async () => {
    const socket = connect(control)
    await once(socket, 'data')
    return socket
  }
  const speak = async (name: string) => {
    const socket = await call()
    socket.on('close', () => agents.push(`${name} is replaced`))
    socket.write('{"godwitBfd":1}\n{"kind":"ask","id":1}\n')
    return socket
  }
  const old = await speak('old')
  const answered = (count: number) =>
    vi.waitFor(() => expect(posted.filter((one) => (one as { id?: number }).id === 1)).toHaveLength(count))
  await answered(1)
  // More than it keeps of those.
  const silent: Socket[] = []
  while (silent.length < 12) silent.push(await call())
  old.write('{"kind":"ask","id":1}\n')
  await answered(2)
  expect(agents).toEqual([])
  await vi.waitFor(() => expect(silent.filter(({ closed }) => closed)).toHaveLength(4))
  const next = await speak('new')
  await answered(3)
  await vi.waitFor(() => expect(agents).toEqual(['old is replaced']))
  fail('over')
  expect(await running).toBe(1)
  for (const socket of [...silent, next]) socket.destroy()
})
