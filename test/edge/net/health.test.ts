/** The health endpoint is asked over real sockets. */
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { HealthCheck } from '../../../src/edge/net/health.ts'
import type { Input } from '../../../src/engine/input.ts'

const open: { close(): void }[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

async function endpoint(
  status: number,
  host = '127.0.0.1',
): Promise<{ server: Server; port: number; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(status).end('words that nobody reads')
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  open.push(server)
  return { server, port: (server.address() as AddressInfo).port, asked }
}

function ask(port: number, path = '/healthz'): Promise<Input> {
  return new Promise((resolve) => {
    const check = new HealthCheck({ feed: resolve })
    open.push({ close: () => check.stop() })
    check.perform({ kind: 'health', check: { port, path, interval: 3_600, failures: 3 } })
  })
}

test('200 is well, and the path is asked for', async () => {
  const { port, asked } = await endpoint(200)
  expect(await ask(port, '/livez?x=1')).toEqual({ kind: 'health', error: undefined })
  expect(asked).toEqual(['/livez?x=1'])
})

test('headers that come in drops are no answer', async () => {
  const server = createTcpServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n')
    const timer = setInterval(() => socket.write('X-More: x\r\n'), 100)
    socket.on('error', () => {}).once('close', () => clearInterval(timer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(server)
  expect(await ask((server.address() as AddressInfo).port)).toEqual({ kind: 'health', error: 'no answer within 2 s' })
})

test('503 is not', async () => {
  const { port } = await endpoint(503)
  expect(await ask(port)).toEqual({ kind: 'health', error: 'it answers 503' })
})

test('nobody there is not', async () => {
  const { server, port } = await endpoint(200)
  await new Promise((resolve) => server.close(resolve))
  expect(await ask(port)).toEqual({ kind: 'health', error: 'connection refused' })
})

test('one that listens on IPv6 alone is heard', async () => {
  const { port } = await endpoint(200, '::1')
  expect(await ask(port)).toEqual({ kind: 'health', error: undefined })
})
