import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test, vi } from 'vitest'
import { awaitPort, whyNotListen } from '../../../src/edge/operate/bgp-port.ts'

async function speaker() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

test('whoever waits for a port is told once that another has it, and goes on when that one has ended', async () => {
  const { server, port } = await speaker()
  const said = Promise.withResolvers<void>()
  const waits = vi.fn(said.resolve)
  const waiting = awaitPort(port, waits, new AbortController().signal)
  await said.promise
  expect((await whyNotListen(port))?.code).toBe('EADDRINUSE')
  server.close()
  await waiting
  expect(waits).toHaveBeenCalledOnce()
  await awaitPort(port, () => expect.unreachable('nobody has it'), new AbortController().signal)
})

test('a wait ends when the agent is told to end', async () => {
  const { server, port } = await speaker()
  const ending = new AbortController()
  await awaitPort(port, () => ending.abort(), ending.signal)
  server.close()
})
