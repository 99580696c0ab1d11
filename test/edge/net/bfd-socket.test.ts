/** The sockets of BFD under its engine, on a kernel that only remembers: which ports are taken, what was opened and closed. */
import { beforeEach, expect, test, vi } from 'vitest'
import { BfdEngine } from '../../../src/bfd/engine.ts'
import type { BfdNews } from '../../../src/bfd/types.ts'
import { BfdDriver } from '../../../src/edge/net/bfd-driver.ts'
import type { Datagram } from '../../../src/edge/net/datagram.ts'
import { packet, sessions } from '../../bfd/support.ts'

const kernel = vi.hoisted(() => ({
  /** Source ports that other programs have. */
  taken: new Set<number>(),
  open: new Map<number, number>(),
  arrived: [] as Datagram[],
  sent: 0,
  next: 3,
}))

vi.mock('../../../src/edge/libc.ts', async (importOriginal) => {
  const libc = await importOriginal<typeof import('../../../src/edge/libc.ts')>()
  const nothing = () => {}
  return {
    ...libc,
    openSocket: () => {
      kernel.open.set(kernel.next, 0)
      return kernel.next++
    },
    bindSocket: (fd: number, { port }: { readonly port: number }) => {
      if (kernel.taken.delete(port)) throw new libc.CallError(98)
      kernel.open.set(fd, port)
    },
    closeSocket: (fd: number) => kernel.open.delete(fd),
    sendTo: () => kernel.sent++,
    droppedBy: () => 0,
    interfaceName: () => 'eth0',
    attachFilter: nothing,
    detachFilter: nothing,
    setNetworkControl: nothing,
    setOption: nothing,
    setReceiveBuffer: nothing,
  }
})

vi.mock('../../../src/edge/net/datagram.ts', () => ({
  askForInfo: () => {},
  receiveDatagram: (fd: number) => {
    if (!kernel.open.has(fd)) throw new Error('a closed socket was read')
    return kernel.arrived.shift()
  },
}))

const LISTENS = 3784
const listeners = () => [...kernel.open].flatMap(([fd, port]) => (port === LISTENS ? [fd] : []))

/** The engine, on a clock of its own; the first source port that it chooses is taken. */
function scene(passive: boolean) {
  const clock = { time: 0, now: () => clock.time }
  const news: BfdNews[] = []
  const engine = new BfdEngine({ seed: 7, independent: false, least: 0 })
  const handle = engine.handle.bind(engine)
  engine.handle = (input, now) => {
    const effects = handle(input, now)
    const open = effects.find((effect) => effect.kind === 'open')
    if (input.kind === 'sessions' && open !== undefined) kernel.taken.add(open.port)
    return effects
  }
  const driver = new BfdDriver({ engine, clock, report: (some) => news.push(...some) })
  driver.feed(sessions({ passive }))
  const runTo = (at: number) => {
    for (; clock.time < at; clock.time += 50) driver.round()
  }
  const errors = () => news.flatMap((one) => (one.kind === 'report' ? [one.session.error] : []))
  return { driver, runTo, errors }
}

beforeEach(() => {
  Object.assign(kernel, { sent: 0, next: 3, arrived: [] })
  kernel.taken.clear()
  kernel.open.clear()
})

test('a source port that is taken is an error until a packet has left from another', () => {
  const { driver, runTo, errors } = scene(false)
  runTo(5_000)
  expect(kernel.sent).toBeGreaterThan(1)
  expect(errors()).toContain('Address already in use')
  expect(errors().at(-1)).toBeUndefined()
  driver.stop()
  expect(kernel.open.size).toBe(0)
})

test('the receiving socket stays open while its only session changes its port, and what waits there is read', () => {
  const { driver, runTo } = scene(true)
  const before = listeners()
  expect(before).toHaveLength(1)
  const { bytes } = packet()
  const datagram: Datagram = { bytes, from: '10.0.0.1', index: 2, ttl: 255 }
  kernel.arrived.push(datagram, datagram)
  runTo(100)
  expect(kernel.arrived).toEqual([])
  expect(listeners()).toEqual(before)
  runTo(2_000)
  expect(kernel.sent).toBeGreaterThan(0)
  driver.stop()
  expect(kernel.open.size).toBe(0)
})
