import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { RouteRow } from '../../../src/bgp/rib/types.ts'
import { Control, type ControlOptions } from '../../../src/edge/operate/control.ts'
import type { Input } from '../../../src/engine/input.ts'
import type { View } from '../../../src/show/view.ts'
import { FakeEngine } from '../../support/fake-engine.ts'
import { fakeView, ROUTES } from '../../support/fake-view.ts'

let folder = ''
let path = ''
const open: Control[] = []
const sockets: Socket[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-'))
  path = join(folder, 'run', 'godwit.sock')
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(open.splice(0).map((control) => control.close()))
  await rm(folder, { recursive: true })
})

async function start(view: View = fakeView(), options: Partial<ControlOptions> = {}): Promise<[Control, FakeEngine]> {
  const engine = new FakeEngine(view, (effect) => control.perform(effect))
  const control: Control = new Control({ path, feed: engine.feed, ...options })
  open.push(control)
  await control.open()
  return [control, engine]
}

function connect(): Socket {
  const socket = createConnection({ path, allowHalfOpen: true })
  sockets.push(socket)
  socket.on('error', () => {})
  return socket
}

/** Everything until the other side ends. */
async function readAll(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

describe('the socket', () => {
  test('appears with its folder, its mode and nothing beside it', async () => {
    await start()
    const { mode } = await stat(path)
    expect((mode & 0o7777).toString(8)).toBe('660')
    expect(await readdir(join(folder, 'run'))).toEqual(['godwit.sock'])
  })

  test('says of its clients that they expect a BIRD 1.6, and gives them numbers from outside', async () => {
    const inputs: Input[] = []
    const options = { feed: (input: Input) => void inputs.push(input), bird1: 'ipv6', nextId: () => 77 } as const
    await start(fakeView(), options)
    connect()
    await vi.waitFor(() =>
      expect(inputs).toEqual([{ kind: 'client-opened', client: 77, restricted: false, bird1: 'ipv6' }]),
    )
  })

  test('has the group it was given', async () => {
    const gid = process.getgid?.() ?? 0
    await start(fakeView(), { group: String(gid), mode: 0o600 })
    const { mode, gid: found } = await stat(path)
    expect([(mode & 0o7777).toString(8), found]).toEqual(['600', gid])
  })

  test('a group that does not exist is said, and nothing is left behind', async () => {
    await expect(start(fakeView(), { group: 'no-such-group' })).rejects.toThrow(
      `control socket ${path}: there is no group no-such-group`,
    )
    expect(await readdir(join(folder, 'run'))).toEqual([])
  })

  test('goes away at the end', async () => {
    const [control] = await start()
    await control.close()
    expect(existsSync(path)).toBe(false)
  })

  test('takes the place of one nobody answers on', async () => {
    await mkdir(join(folder, 'run'))
    await leaveStale(path)
    expect((await stat(path)).isSocket()).toBe(true)
    await start()
    const socket = connect()
    socket.end('show protocols "Z*"\n')
    expect(await readAll(socket)).toContain('8003 No protocols match\n')
  })

  test('is refused while another agent answers', async () => {
    await start()
    await expect(start()).rejects.toThrow(`control socket ${path}: another process answers on it`)
    expect(existsSync(path)).toBe(true)
  })

  test('does not take the place of a file', async () => {
    await mkdir(join(folder, 'run'))
    await writeFile(path, 'precious')
    await expect(start()).rejects.toThrow('there is a file here that is not a socket')
  })

  test('of another that came later is left alone at the end', async () => {
    const [first] = await start()
    await rm(path)
    await start()
    await first.close()
    expect(existsSync(path)).toBe(true)
  })
})

/** A socket whose process ended without taking it away. */
async function leaveStale(at: string): Promise<void> {
  const { link } = await import('node:fs/promises')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(`${at}.1`, resolve))
  await link(`${at}.1`, at)
  await new Promise((resolve) => server.close(resolve))
}

describe('clients', () => {
  test('that ask much all at once are answered one after the other, and all sockets are looked at in between', async () => {
    let round = 0
    const rounds: number[] = []
    const isLong = (): boolean => rounds.length < 40
    const count = (): void => {
      round++
      if (isLong()) setImmediate(count)
    }
    setImmediate(count)
    const engine = new FakeEngine(fakeView(), (effect) => control.perform(effect))
    const feed = (input: Input): void => {
      if (input.kind === 'command') {
        rounds.push(round)
        // It takes more than its share.
        for (const end = performance.now() + 3; performance.now() < end; );
      }
      engine.feed(input)
    }
    const control: Control = new Control({ path, feed })
    open.push(control)
    await control.open()
    const all = Array.from({ length: 10 }, () => connect())
    for (const socket of all) socket.end('show status\nshow status\nshow status\nshow status\n')
    const answers = await Promise.all(all.map(readAll))
    for (const text of answers) expect(text.match(/^0013 /gm)).toHaveLength(4)
    expect(rounds).toHaveLength(40)
    expect(new Set(rounds).size).toBe(40)
  })

  test('are greeted, answered line by line, and let go', async () => {
    const [, engine] = await start()
    const socket = connect()
    socket.end('show route table master4 count\r\nfoo\nshow route for 10.9.9.9')
    const text = await readAll(socket)
    expect(text.split('\n').map((line) => line.slice(0, 24))).toEqual([
      '0001 BIRD 2.0.12 ready.',
      '1007-4 of 4 routes for 3',
      '0000 ',
      '9001 syntax error, unexp',
      '8001 Network not found',
      '',
    ])
    await vi.waitFor(() => expect(engine.clients).toBe(0))
    expect(engine.inputs.filter(({ kind }) => kind === 'client-closed')).toHaveLength(1)
  })

  test('a line may come in pieces, also within a character', async () => {
    const [, engine] = await start()
    const socket = connect()
    const bytes = Buffer.from('show protocols "ü*"\n')
    for (const byte of bytes) await new Promise((resolve) => socket.write(Uint8Array.of(byte), resolve))
    socket.end()
    await readAll(socket)
    expect(engine.inputs).toContainEqual({ kind: 'command', client: 1, line: 'show protocols "ü*"' })
  })

  test.each([
    ['with', 'x'.repeat(5000).concat('\n')],
    ['without', 'x'.repeat(5000)],
  ])('a line too long %s an end is refused and hung up on', async (_name, text) => {
    const [, engine] = await start()
    const socket = connect()
    socket.write(text)
    expect(await readAll(socket)).toBe('0001 BIRD 2.0.12 ready.\n9000 Command too long\n')
    expect(engine.inputs.some(({ kind }) => kind === 'command')).toBe(false)
  })

  test('an idle one gives its seat to a newcomer', async () => {
    const [control] = await start(fakeView(), { mostClients: 1 })
    const first = connect()
    await new Promise((resolve) => first.once('readable', resolve))
    const second = connect()
    expect(await readAll(first)).toBe('0001 BIRD 2.0.12 ready.\n8901 Too many connections\n')
    second.end('restrict\n')
    expect(await readAll(second)).toContain('0016 Access restricted\n')
    expect(control.refused).toBe(1)
  })

  test.runIf(process.getuid?.() === 0)('of another user may look and not act', async () => {
    await start(fakeView(), { mode: 0o666 })
    await chmod(folder, 0o755)
    const script = `const s = require('net').connect(${JSON.stringify(path)}); s.pipe(process.stdout); s.end('show status\\ndisable all\\n')`
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { uid: 65534, gid: 65534 })
    expect(stdout).toContain('1000-BIRD')
    expect(stdout).toContain('8007 Access denied')
  })

  test('one that takes nothing gets nothing more', async () => {
    const many: RouteRow[] = Array.from({ length: 200_000 }, () => ROUTES[0] as RouteRow)
    let pages = 0
    const view = fakeView([], {
      routes: (_query, from = 0, limit) => {
        pages++
        return { rows: many.slice(from, from + limit), next: from + limit < many.length ? from + limit : undefined }
      },
    })
    const [, engine] = await start(view)
    const socket = connect()
    socket.pause()
    socket.write('show route table master4\n')
    await vi.waitFor(() => expect(pages).toBeGreaterThan(2))
    const seen = await settled(() => pages)
    expect(seen).toBeLessThan(100)
    socket.destroy()
    await vi.waitFor(() => expect(engine.clients).toBe(0))
  })

  test('what is sent ahead waits for its turn, however much it is', async () => {
    await start()
    const socket = connect()
    const count = 20_000
    socket.end('restrict\n'.repeat(count))
    expect((await readAll(socket)).match(/0016 Access restricted\n/g)).toHaveLength(count)
  })

  test('hang-up ends the connection after what was said', async () => {
    const [control] = await start()
    const socket = connect()
    await new Promise((resolve) => socket.once('readable', resolve))
    control.perform({ kind: 'reply', client: 1, text: '0007 Shutdown requested\n' })
    control.perform({ kind: 'hang-up', client: 1 })
    expect(await readAll(socket)).toBe('0001 BIRD 2.0.12 ready.\n0007 Shutdown requested\n')
  })

  test('hang-up is the end for a client that sends a lot ahead, and no error', async () => {
    const [control] = await start()
    const socket = connect()
    await new Promise((resolve) => socket.once('readable', resolve))
    control.perform({ kind: 'hang-up', client: 1 })
    const hadError = new Promise((resolve) => socket.once('close', resolve))
    socket.end('restrict\n'.repeat(100_000))
    socket.resume()
    expect(await hadError).toBe(false)
  })

  test('effects for those who have gone do nothing', async () => {
    const [control] = await start()
    control.perform({ kind: 'reply', client: 99, text: '0000 \n' })
    control.perform({ kind: 'hang-up', client: 99 })
  })
})

/** The value once it has stayed the same for a while. */
async function settled(read: () => number): Promise<number> {
  for (let last = -1; ; ) {
    const now = read()
    if (now === last) return now
    last = now
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
