import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Ndp, type Port } from '../../../src/edge/net/ndp.ts'
import { ALL_NODES, ALL_ROUTERS, type NdpSocket } from '../../../src/edge/net/ndp-socket.ts'
import type { Input } from '../../../src/engine/input.ts'
import { decodeNdp, encodeAdvertisement, encodeSolicitation } from '../../../src/ndp/packet.ts'
import { MemoryLink } from '../../support/memory-ndp.ts'

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)
const PORT: Port = { index: 2, address: 'fe80::1', linkLayer: MAC }

let link: MemoryLink
let router: NdpSocket
/** What the router hears of us, as words and when. */
let heard: { what: string; at: number }[]
let fed: Input[]
let ports: Map<string, Port>
let ndp: Ndp
let sockets: number
let refusal: string | undefined

beforeEach(() => {
  vi.useFakeTimers({ now: 0 })
  link = new MemoryLink()
  heard = []
  fed = []
  ports = new Map([['eth0', PORT]])
  sockets = 0
  refusal = undefined
  router = link.open('fe80::9', 7, (bytes) =>
    heard.push({ what: decodeNdp(bytes)?.kind ?? '?', at: performance.now() }),
  )
  router.join(7)
  ndp = new Ndp({
    feed: (input) => fed.push(input),
    ports: () => ports,
    open: async (receive) => {
      if (refusal !== undefined) throw new Error(refusal)
      sockets++
      const socket = link.open('fe80::1', 2, receive)
      return {
        ...socket,
        close: () => {
          sockets--
          socket.close()
        },
      }
    },
  })
})

afterEach(async () => {
  await ndp.stop()
  vi.useRealTimers()
})

async function discover(...interfaces: string[]): Promise<void> {
  ndp.perform({ kind: 'discover', interfaces })
  await vi.advanceTimersByTimeAsync(0)
}
const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis)
const times = (kind: string) => heard.filter(({ what }) => what === kind).map(({ at }) => at)
const advertise = (to = ALL_NODES) => router.send(encodeAdvertisement(MAC), to, 7)

describe('what others hear', () => {
  test('three advertisements close together, then one about every ten seconds', async () => {
    await discover('eth0')
    await pass(60_000)
    const [first = 0, second = 0, third = 0, ...later] = times('advertisement').map(
      (at) => at - (times('advertisement')[0] ?? 0),
    )
    expect([first, second, third]).toEqual([0, 3_000, 6_000])
    expect(later.length).toBeGreaterThanOrEqual(5)
    for (const [index, at] of later.entries()) {
      const pause = at - (later[index - 1] ?? third)
      expect(pause).toBeGreaterThanOrEqual(8_000)
      expect(pause).toBeLessThanOrEqual(11_000)
    }
  })

  test('we ask for routers until one is heard', async () => {
    await discover('eth0')
    await pass(7_000)
    expect(times('solicitation')).toHaveLength(3)
    advertise()
    await pass(30_000)
    expect(times('solicitation')).toHaveLength(3)
  })

  test('who asks, or is new, is answered at once, but no faster than we can bear', async () => {
    await discover('eth0')
    await pass(500)
    heard.length = 0
    for (let time = 0; time < 50; time++) router.send(encodeSolicitation(MAC), ALL_ROUTERS, 7)
    expect(times('advertisement')).toHaveLength(1)
    await pass(400)
    advertise()
    expect(times('advertisement')).toHaveLength(2)
    await pass(400)
    advertise()
    expect(times('advertisement')).toHaveLength(2)
  })

  test('[RFC 4861 §6.2.6] who asks without an address is answered by packets to all, three seconds apart at least', async () => {
    await discover('eth0')
    await pass(9_000)
    heard.length = 0
    const stranger = link.open('::', 7, () => {})
    const asks = performance.now()
    for (let time = 0; time < 100; time++) {
      stranger.send(encodeSolicitation(MAC), ALL_ROUTERS, 7)
      await pass(100)
    }
    const [first = 0, ...others] = times('advertisement')
    expect(first - asks).toBeLessThanOrEqual(500)
    expect(others).toHaveLength(3)
    for (const [index, at] of others.entries()) {
      expect(at - (others[index - 1] ?? first)).toBeGreaterThanOrEqual(3_000)
      expect(at - (others[index - 1] ?? first)).toBeLessThanOrEqual(3_500)
    }
    await discover()
    await pass(10_000)
    expect(times('advertisement')).toHaveLength(4)
  })

  test('[RFC 4861 §6.2.6] a link that comes and goes gets none sooner', async () => {
    await discover('eth0')
    for (let time = 0; time < 10; time++) {
      ports.delete('eth0')
      await pass(1_000)
      ports.set('eth0', PORT)
      await pass(1_000)
    }
    const all = times('advertisement')
    expect(all.length).toBeGreaterThan(3)
    for (const [index, at] of all.entries())
      if (index > 0) expect(at - (all[index - 1] ?? 0)).toBeGreaterThanOrEqual(3_000)
  })

  test('nothing on links that are not asked for, and nothing when none is', async () => {
    await discover('eth1')
    await pass(10_000)
    expect(heard).toEqual([])
    await discover()
    expect(sockets).toBe(0)
    await discover('eth0')
    expect(times('advertisement')).toHaveLength(1)
    await discover()
    await pass(60_000)
    expect(times('advertisement')).toHaveLength(1)
    expect(sockets).toBe(0)
  })

  test('a socket that could not be opened is opened as soon as it can be, and hears its links', async () => {
    refusal = 'EMFILE: too many open files'
    await discover('eth0')
    await pass(5_000)
    expect(times('advertisement')).toEqual([])
    expect(fed).toEqual([{ kind: 'link', interface: 'eth0', error: refusal }])
    refusal = undefined
    await pass(1_000)
    expect(sockets).toBe(1)
    expect(fed.at(-1)).toEqual({ kind: 'link', interface: 'eth0', error: undefined })
    expect(times('advertisement')).toHaveLength(1)
    // To all routers: only who has joined hears it.
    await pass(400)
    router.send(encodeSolicitation(MAC), ALL_ROUTERS, 7)
    expect(times('advertisement')).toHaveLength(2)
    await ndp.stop()
    expect(sockets).toBe(0)
  })

  test('one that is no longer wanted while it opens is closed', async () => {
    refusal = 'EMFILE: too many open files'
    await discover('eth0')
    await pass(500)
    refusal = undefined
    vi.advanceTimersByTime(1_000)
    ndp.perform({ kind: 'discover', interfaces: [] })
    await pass(0)
    expect(sockets).toBe(0)
    await discover('eth0')
    expect(sockets).toBe(1)
  })

  test('no socket is opened before one is needed, and none twice', async () => {
    expect(sockets).toBe(0)
    ndp.perform({ kind: 'discover', interfaces: ['eth0'] })
    await discover('eth0', 'eth1')
    expect(sockets).toBe(1)
  })
})

describe('what the engine hears', () => {
  const links = () => fed.filter(({ kind }) => kind === 'link')
  const is = (error: string | undefined, name = 'eth0') => ({ kind: 'link', interface: name, error })

  test('the link once, and every advertisement', async () => {
    await discover('eth0')
    for (let time = 0; time < 3; time++) {
      advertise()
      await pass(10_000)
    }
    const said = { kind: 'router', interface: 'eth0', address: 'fe80::9%eth0' }
    expect(fed).toEqual([is(undefined), said, said, said])
  })

  test('a link that goes and comes back, and we advertise ourselves at once', async () => {
    await discover('eth0')
    await pass(20_000)
    ports.delete('eth0')
    await pass(1_000)
    const gone = links().at(-1)
    expect(gone).not.toEqual(is(undefined))
    heard.length = 0
    await pass(20_000)
    expect(heard).toEqual([])
    ports.set('eth0', PORT)
    await pass(1_000)
    expect(times('advertisement')).toHaveLength(1)
    expect(links()).toEqual([is(undefined), gone, is(undefined)])
  })

  test('an interface that is none', async () => {
    await discover('nope0')
    expect(fed).toEqual([is('there is no interface nope0', 'nope0')])
  })

  test('an entry of /sys/class/net that is no interface, or no longer one, ends nothing', async () => {
    await discover('.')
    expect(fed).toEqual([is('there is no interface .', '.')])
  })

  test('no right to a raw socket: every link says so, and the rest goes on', async () => {
    refusal = 'the agent lacks NET_RAW'
    await discover('eth0')
    await discover('eth0', 'eth1')
    await pass(5_000)
    expect(fed).toEqual([is(refusal), is(refusal, 'eth1')])
    expect(heard).toEqual([])
  })

  test.each<[string, Uint8Array, string]>([
    ['from no link-local address', encodeAdvertisement(MAC), 'fd00::9'],
    ['with half an option', encodeAdvertisement(MAC).subarray(0, 20), 'fe80::8'],
    ['that asks', encodeSolicitation(MAC), 'fe80::8'],
    ['that is our own', encodeAdvertisement(MAC), 'fe80::1'],
  ])('[RFC 4861 §6.1] nothing %s', async (_, bytes, from) => {
    await discover('eth0')
    link.open(from, 7, () => {}).send(bytes, ALL_NODES, 7)
    await pass(5_000)
    expect(fed.filter(({ kind }) => kind === 'router')).toEqual([])
  })
})
