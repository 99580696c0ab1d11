/** What an agent and a BFD process say to each other, and what ends it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { BfdNews } from '../../../src/bfd/types.ts'
import { connectBfd } from '../../../src/edge/net/bfd-client.ts'
import { speakLines } from '../../../src/edge/net/bfd-wire.ts'
import { intent } from '../../bfd/support.ts'
import { until } from '../../support/loopback.ts'

let directory: string
let path: string
let server: Server
let accepted: Socket | undefined
/** What the process does with who calls. */
let answer: (socket: Socket) => void

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gw-bfd-'))
  path = join(directory, 'bfd.sock')
  server = createServer((socket) => {
    accepted = socket
    socket.on('error', () => {})
    answer(socket)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
})
afterEach(async () => {
  accepted?.destroy()
  await new Promise((resolve) => server.close(resolve))
  await rm(directory, { recursive: true })
})

/** An agent at that socket. */
function agent(at = path) {
  const news: BfdNews[] = []
  const ends: string[] = []
  const runner = connectBfd(at)(
    (all) => news.push(...all),
    (reason) => ends.push(reason),
  )
  return { runner, news, ends }
}

test('lists go one way and news the other', async () => {
  const heard: unknown[] = []
  answer = (socket) => {
    const lines = speakLines<readonly BfdNews[], never>(socket, (line) => heard.push(line))
    lines.send([{ kind: 'least-interval', least: 7 }])
  }
  const { runner, news, ends } = agent()
  runner.post({ kind: 'sessions', sessions: [intent()] })
  await until('both', () => heard.length === 1 && news.length === 1)
  expect(heard).toEqual([JSON.parse(JSON.stringify({ kind: 'sessions', sessions: [intent()] }))])
  expect(news).toEqual([{ kind: 'least-interval', least: 7 }])
  await runner.stop()
  expect(ends).toEqual([])
})

test.each([
  ['another version', '{"godwitBfd":99}\n', 'the other side has version 99, this one 1'],
  ['no greeting', '[]\n', 'the other side has version undefined, this one 1'],
  ['no JSON', 'BIRD 2.0.12 ready.\n', 'is not valid JSON'],
  ['no object', '{"godwitBfd":1}\nnull\n', 'the other side sends no object'],
])('%s ends it, with the reason', async (_name, words, reason) => {
  answer = (socket) => socket.write(words)
  const { ends } = agent()
  await until('its end', () => ends.length === 1)
  expect(ends[0]).toMatch(/^\/.*\/bfd\.sock: /)
  expect(ends[0]).toContain(reason)
})

test('an error of our own is not taken for one of the other side', () => {
  const socket = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() })
  speakLines(socket as Socket, () => {
    throw new Error('ours')
  })
  expect(() => socket.emit('data', '{"godwitBfd":1}\n[]\n')).toThrow('ours')
  expect(socket.destroyed).toBe(false)
})

test('a process that is not there, and one that goes', async () => {
  const missing = agent(join(directory, 'nobody.sock'))
  await until('its end', () => missing.ends.length === 1)
  expect(missing.ends[0]).toContain('No such file or directory')
  answer = (socket) => socket.end()
  const closed = agent()
  await until('its end', () => closed.ends.length === 1)
  expect(closed.ends[0]).toContain('its process has closed the connection')
})

test('a line without an end is not gathered for ever', async () => {
  let error: Error | undefined
  answer = (socket) => {
    socket.on('error', (cause) => {
      error = cause
    })
    speakLines(socket, () => {})
  }
  const socket = connect(path)
  socket.on('error', () => {})
  socket.write('{"godwitBfd":1}\n')
  const more = () => {
    while (!socket.destroyed && socket.write('x'.repeat(1024 * 1024)));
  }
  socket.on('drain', more)
  more()
  await until('its end', () => error !== undefined, 20_000)
  expect(error?.message).toBe('a line is too long')
  socket.destroy()
})
