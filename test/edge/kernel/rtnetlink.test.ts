/** What the kernel does without a word, and what comes in the way; the rest is in the contract of kernels. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  GODWIT_PROTOCOL,
  type KernelRoute,
  MAIN_TABLE,
  type RouteChange,
  routeKey,
} from '../../../src/dataplane/kernel.ts'
import { LinkTable } from '../../../src/dataplane/links.ts'
import { RTM_GETROUTE } from '../../../src/edge/kernel/netlink-route.ts'
import type { OpenNetlink } from '../../../src/edge/kernel/netlink-socket.ts'
import { RouteWriter } from '../../../src/edge/kernel/route-writer.ts'
import { Rtnetlink } from '../../../src/edge/kernel/rtnetlink.ts'
import type { Input } from '../../../src/engine/input.ts'
import { ownRoute } from '../../support/fake-kernel.ts'
import { until } from '../../support/loopback.ts'
import { isRoot, Namespace } from '../../support/namespace.ts'
import { netlinkIn } from '../../support/netlink-in.ts'

const via = (gateway: string, name = 'e0') => ({ gateway, interface: name, onlink: false, weight: 1 })
const add = (text: string, gateway: string, name?: string): RouteChange => ({
  action: 'add',
  route: ownRoute(text, via(gateway, name)),
})

/** Follows, as an engine does. */
class Follower {
  readonly links = new LinkTable()
  readonly routes = new Map<string, KernelRoute>()
  /** Prefixes of routes that were told as gone. */
  readonly gone = new Set<string>()
  readonly sourceProblems: (string | undefined)[] = []
  pieces = 0
  largest = 0
  applied = 0
  fulls = 0
  isKnown = false

  readonly feed = (input: Input): void => {
    if (input.kind === 'links') this.links.take(input.change)
    if (input.kind === 'kernel-error') this.sourceProblems.push(input.text)
    if (input.kind === 'applied') {
      expect(input.failed).toEqual([])
      this.applied++
    }
    if (input.kind !== 'kernel') return
    this.pieces++
    this.largest = Math.max(this.largest, input.change.present.length)
    if (input.change.full) this.fulls++
    for (const route of input.change.gone) {
      this.routes.delete(routeKey(route))
      this.gone.add(route.prefix.text)
    }
    for (const route of input.change.present) this.routes.set(routeKey(route), route)
    if (!input.change.more) this.isKnown = true
  }

  list(protocol = 4): string[] {
    return [...this.routes.values()]
      .filter((route) => route.protocol === protocol)
      .map(({ prefix }) => prefix.text)
      .sort()
  }
}

describe.skipIf(!isRoot)(`the kernel's silence${isRoot ? '' : ' (needs root)'}`, () => {
  let [host, other]: Namespace[] = []
  let follower: Follower
  let rtnetlink: Rtnetlink

  const follow = async (options: Partial<ConstructorParameters<typeof Rtnetlink>[0]> = {}) => {
    follower = new Follower()
    const base = { feed: follower.feed, openSocket: netlinkIn(host as Namespace), table: MAIN_TABLE }
    rtnetlink = new Rtnetlink({ ...base, ...options })
    await rtnetlink.open()
  }
  const ip = (words: string) => (host as Namespace).ip(words)
  let seq = 0
  const write = async (...changes: RouteChange[]) => {
    const before = follower.applied
    rtnetlink.perform({ kind: 'routes', seq: seq++, changes })
    await until('applied', () => follower.applied > before)
  }

  beforeEach(() => {
    ;[host, other] = [new Namespace('host'), new Namespace('other')]
    host.connect('e0', other, 'f0')
    host.connect('e1', other, 'f1')
    host.address('e0', '10.0.0.2/24', 'fd00::2/64')
    host.address('e1', '10.1.0.2/24', 'fd01::2/64')
    ip('route add 10.20.0.0/16 via 10.0.0.9 proto 4')
    ip('route add 10.21.0.0/16 via 10.1.0.9 proto 4')
    ip('-6 route add fd20::/64 via fd00::9 proto 4')
    ip('-6 route add fd21::/64 via fd01::9 proto 4')
  })
  afterEach(async () => {
    await rtnetlink.stop()
    host?.remove()
    other?.remove()
  })

  const ALL = ['10.20.0.0/16', '10.21.0.0/16', 'fd20::/64', 'fd21::/64']

  test('of equal routes of links the first is the one that the kernel uses, also when a link was off for a moment', async () => {
    ip('addr add 10.0.0.3/24 dev e1')
    await follow()
    const overOf = (text: string) =>
      [...follower.routes.values()].filter(({ prefix }) => prefix.text === text).map(({ hops }) => hops[0]?.interface)
    expect(overOf('10.0.0.0/24')).toEqual(['e0', 'e1'])
    ip('link set e0 down')
    ip('link set e0 up')
    await until('the other order', () => overOf('10.0.0.0/24').join() === 'e1,e0')
  })

  test.each([
    ['one is put before it', 'route prepend 10.40.0.0/16 via 10.0.0.7'],
    ['it is replaced', 'route replace 10.40.0.0/16 via 10.0.0.7'],
    ['it goes and comes back', 'route del 10.40.0.0/16 via 10.0.0.9', 'route append 10.40.0.0/16 via 10.0.0.9'],
    [
      'the link of both gets another name',
      'link set e0 down',
      'link set e0 name e9',
      'link set e9 up',
      'route add 10.40.0.0/16 via 10.0.0.8',
      'route append 10.40.0.0/16 via 10.0.0.9',
    ],
    ['one over another link replaces it', 'route replace 10.40.0.0/16 dev e1'],
  ])('of equal routes the first is the one that the kernel uses, also when %s', async (_, ...changes) => {
    ip('route add 10.40.0.0/16 via 10.0.0.9')
    ip('route append 10.40.0.0/16 via 10.0.0.8')
    await follow()
    for (const words of changes) ip(words)
    const fresh = new Follower()
    const second = new Rtnetlink({ feed: fresh.feed, openSocket: netlinkIn(host as Namespace), table: MAIN_TABLE })
    await second.open()
    await second.stop()
    const equal = ({ routes }: Follower) =>
      [...routes.keys()].filter((key) => key.startsWith('10.40.0.0/16')).join(', ')
    expect(equal(fresh).split(', ').length).toBeGreaterThan(1)
    await until('their order', () => equal(follower) === equal(fresh))
  })

  test.each([
    ['high', 'high'],
    ['low', 'low'],
    ['medium', undefined],
  ])('an IPv6 route of the preference %s is known with it', async (word, expected) => {
    ip(`-6 route add fd40::/64 via fd00::9 dev e0 pref ${word}`)
    await follow()
    const found = [...follower.routes.values()].find(({ prefix }) => prefix.text === 'fd40::/64')
    expect(found).toBeDefined()
    expect(found?.preference).toBe(expected)
  })

  // The kernel reports that the address is there with its peer, and not that it is no longer there without.
  test('an IPv6 address that gets a peer is one address, and goes as one', async () => {
    await follow()
    const addresses = () => follower.links.get('e0')?.addresses.filter(({ address }) => address === 'fd00::2')
    await until('known', () => addresses()?.length === 1)
    ip('-6 addr change fd00::2 peer fd00::77 dev e0')
    await until('the peer', () => addresses()?.some(({ peer }) => peer === 'fd00::77') === true)
    expect(addresses()).toHaveLength(1)
    ip('-6 addr del fd00::2/64 dev e0')
    await until('gone', () => follower.links.isOwn('fd00::2') === false)
  })

  test.each([
    ['a link that is switched off', 'link set e1 down'],
    ['a link that is deleted', 'link del e1'],
    ['the last addresses of a link', 'addr flush dev e1'],
  ])('takes routes along with %s, ours as well, and we notice', async (_, words) => {
    await follow()
    expect(follower.list()).toEqual(ALL)
    await write(add('10.30.0.0/24', '10.1.0.3', 'e1'), add('10.31.0.0/24', '10.0.0.3'))
    ip(words)
    await until('IPv4 is gone', () => follower.list().filter((text) => text.startsWith('10.')).length === 1)
    const left = [ip('route show proto 4'), ip('-6 route show proto 4')].join('\n').match(/^\S+\/\d+/gm) ?? []
    await until('as the kernel has it', () => follower.list().join() === left.sort().join())
    // Ours over e1 was not told to the follower when it was written; that it is gone is told by its key.
    expect(ip('route show proto 171')).not.toContain('10.30.0.0/24')
  })

  test.each([
    ['a link that is switched off', 'link set e1 down'],
    ['a link that is off for a moment only', 'link set e1 down\nlink set e1 up'],
    ['a link that is deleted', 'link del e1'],
  ])('takes IPv6 routes along with %s, ours as well, and we notice where nobody reports them', async (_, words) => {
    const space = host as Namespace
    space.run('sysctl -qw net.ipv6.route.skip_notify_on_dev_down=1')
    await follow()
    await write(add('fd30::/64', 'fd01::3', 'e1'), add('fd31::/64', 'fd00::3'))
    space.run('ip -batch -', words)
    await until('gone', () => !follower.list().includes('fd21::/64'))
    expect(follower.list()).toContain('fd20::/64')
    expect(ip('-6 route show proto 171')).not.toContain('fd30::/64')
    await until('ours too', () => follower.gone.has('fd30::/64'))
    expect(follower.gone.has('fd31::/64')).toBe(false)
  })

  test.each(['link set e1 down', 'link del e1'])(
    'that reports them does not have its table read: %s',
    async (words) => {
      const dumps = { 2: 0, 10: 0 }
      const counted = (open: OpenNetlink): OpenNetlink => {
        return (options) => {
          const socket = open(options)
          const send = socket.send.bind(socket)
          socket.send = (bytes) => {
            const [type, family] = [bytes[4], bytes[16] as keyof typeof dumps]
            if (type === RTM_GETROUTE) dumps[family]++
            send(bytes)
          }
          return socket
        }
      }
      await follow({ openSocket: counted(netlinkIn(host as Namespace)) })
      const before = { ...dumps }
      ip(words)
      await until('gone', () => follower.list().join() === '10.20.0.0/16,fd20::/64')
      // A reading of IPv4 is over, and one of IPv6 would be over with it.
      await until('read', () => dumps[2] > before[2])
      await write()
      expect(dumps[10]).toBe(before[10])
    },
  )

  test.each([
    ['went with its link', [], 'link set e1 down'],
    [
      'went with its link, which is there again',
      [],
      'link set e1 down',
      'link set e1 up',
      'addr add fd01::2/64 dev e1',
    ],
    ['went with its link, which is another', [], 'link del e1'],
    [
      'another program deleted',
      ['10.30.0.0/24', 'fd30::/64'],
      'route del 10.30.0.0/24',
      'route del fd30::/64',
      'link set e1 down',
    ],
  ])(
    'a route of ours that %s is told as gone, and as deleted only if somebody did that',
    async (_, expected, ...words) => {
      const [gone, deleted] = [new Set<string>(), new Set<string>()]
      await follow({
        feed: (input) => {
          if (input.kind === 'kernel') {
            for (const { prefix, protocol } of input.change.gone)
              if (protocol === GODWIT_PROTOCOL) gone.add(prefix.text)
            for (const { prefix } of input.change.deleted ?? []) deleted.add(prefix.text)
          }
          follower.feed(input)
        },
      })
      await write(
        add('10.30.0.0/24', '10.1.0.3', 'e1'),
        add('fd30::/64', 'fd01::3', 'e1'),
        add('10.31.0.0/24', '10.1.0.4', 'e1'),
      )
      host?.run('ip -batch -', words.join('\n'))
      await until('gone', () => gone.size === 3)
      expect([...deleted].sort()).toEqual(expected)
    },
  )

  test.each([
    ['both families', []],
    ['IPv6 alone', ['-4 addr flush dev e1']],
  ])('a link with routes of %s may get another name, and another link its old one', async (_, before) => {
    for (const words of before) ip(words)
    await follow()
    const waysOf = (key: string) => [...follower.routes.keys()].filter((text) => text.includes(key))
    ip('link set e1 name x1')
    await until(
      'the new name',
      () => waysOf('dev e1').length === 0 && waysOf('fd21::/64 via fd01::9 dev x1').length === 1,
    )
    ip('link set e0 name e1')
    await until('the other one', () => waysOf('dev e0').length === 0)
    await write(add('fd30::/64', 'fd00::3', 'e1'), add('fd31::/64', 'fd01::3', 'x1'))
    expect(ip('-6 route show proto 171')).toMatch(/fd30::\/64 via fd00::3 dev e1 .*\n.*fd31::\/64 via fd01::3 dev x1 /)
  })

  test('a source address that goes takes the routes that name it along', async () => {
    host?.address('e0', '10.0.0.77/32')
    ip('route add 10.40.0.0/16 via 10.0.0.9 src 10.0.0.77 proto 4')
    await follow()
    expect(follower.list()).toContain('10.40.0.0/16')
    ip('addr del 10.0.0.77/32 dev e0')
    await until('gone', () => !follower.list().includes('10.40.0.0/16'))
    expect(follower.list()).toEqual(ALL)
  })

  test('routes by an object of ways follow it, though nobody says a word about them', async () => {
    ip('nexthop add id 7 via 10.0.0.9 dev e0 protocol 4')
    ip('route add 10.40.0.0/16 nhid 7 proto 4')
    await follow()
    const way = () => [...follower.routes.keys()].find((key) => key.startsWith('10.40.0.0/16'))
    expect(way()).toContain('via 10.0.0.9 dev e0')
    ip('nexthop replace id 7 via 10.1.0.8 dev e1 protocol 4')
    await until('the new way', () => way()?.includes('via 10.1.0.8 dev e1') === true)
    ip('nexthop del id 7')
    await until('gone', () => way() === undefined)
  })

  test.each([
    [
      'one way of an IPv6 route',
      '-6 route add fd40::/64 nexthop via fd00::9 nexthop via fd01::9',
      '-6 route del fd40::/64 via fd01::9 dev e1',
    ],
    ['another way, appended', '-6 route add fd40::/64 via fd00::9', '-6 route append fd40::/64 via fd01::9'],
    [
      'one of two IPv4 routes of a prefix',
      'route add 10.40.0.0/16 via 10.0.0.9',
      'route append 10.40.0.0/16 via 10.0.0.8',
    ],
    ['a replaced route', 'route add 10.40.0.0/16 via 10.0.0.9', 'route replace 10.40.0.0/16 via 10.1.0.8'],
  ])('%s is known as the kernel has it', async (_, before, after) => {
    ip(before)
    await follow()
    ip(after)
    const fresh = new Follower()
    const second = new Rtnetlink({ feed: fresh.feed, openSocket: netlinkIn(host as Namespace), table: MAIN_TABLE })
    await second.open()
    await second.stop()
    expect([...fresh.routes.keys()].some((key) => /^(10\.40|fd40)/.test(key))).toBe(true)
    await until('the same', () => [...follower.routes.keys()].sort().join() === [...fresh.routes.keys()].sort().join())
  })

  test('of a full table beside us a part is kept; what others write is known; with room again so is the rest', async () => {
    const batch = (verb: string, from: number, to: number) =>
      Array.from({ length: to - from }, (_, at) => `route ${verb} 10.64.${from + at}.0/24 via 10.0.0.9 proto 12`)
    const run = (...words: Parameters<typeof batch>) => host?.run('ip -batch -', batch(...words).join('\n'))
    let leftOut = 0
    run('add', 0, 50)
    await follow({
      mostForeign: 20,
      feed: (input) => {
        if (input.kind === 'kernel') leftOut = input.change.leftOut ?? leftOut
        follower.feed(input)
      },
    })
    expect([follower.list(12).length, leftOut]).toEqual([20, 30])
    run('add', 50, 60)
    await until('counted', () => leftOut === 40)
    ip('route add 10.40.0.0/16 via 10.0.0.9 proto 4')
    await until('known', () => follower.list().includes('10.40.0.0/16'))
    await write(add('10.30.0.0/24', '10.1.0.3', 'e1'))
    run('del', 40, 60)
    await until('fewer', () => leftOut === 20)
    expect(follower.list(12)).toHaveLength(20)
    run('del', 0, 25)
    await until('all', () => leftOut === 0 && follower.list(12).length === 15)
  })

  test('what did not find room in the socket is read anew', async () => {
    let overruns = 0
    const counted = (open: OpenNetlink): OpenNetlink => {
      return (options) => {
        // For some hundred events.
        const socket = open({ ...options, room: 128 * 1024 })
        const receive = socket.receive.bind(socket)
        socket.receive = () => {
          const received = receive()
          if (received === 'overrun') overruns++
          return received
        }
        return socket
      }
    }
    await follow({ openSocket: counted(netlinkIn(host as Namespace)) })
    const many = 2_000
    const before = follower.routes.size
    const lines = (verb: string) =>
      Array.from(
        { length: many },
        (_, at) => `route ${verb} 10.${64 + (at >> 8)}.${at & 255}.0/24 via 10.0.0.9 proto 4`,
      )
    // We do not read while it runs.
    host?.run('ip -batch -', lines('add').join('\n'))
    await until('all of them', () => follower.routes.size === before + many)
    expect(overruns).toBeGreaterThan(0)
    host?.run('ip -batch -', lines('del').join('\n'))
    await until('none of them', () => follower.routes.size === before)
    expect(follower.list()).toEqual(ALL)
    expect(follower.fulls).toBe(1)
  })

  describe('a write under way', () => {
    /** Opens as the host does; `during` is called while the first batch is with the kernel. */
    const interrupted = (during: () => void): OpenNetlink => {
      let isFirst = true
      return (options) => {
        const socket = netlinkIn(host as Namespace)(options)
        const sendApart = socket.sendApart.bind(socket)
        socket.sendApart = (bytes) => {
          const sending = sendApart(bytes)
          if (isFirst) during()
          isFirst = false
          return sending
        }
        return socket
      }
    }
    // More than one batch.
    const many = Array.from({ length: 2_000 }, (_, at) => add(`10.${64 + (at >> 8)}.${at & 255}.0/24`, '10.0.0.3'))

    test('is carried out as a whole before the agent ends', async () => {
      let stopped: Promise<void> | undefined
      await follow({
        openSocket: interrupted(() => {
          stopped = rtnetlink.stop()
        }),
      })
      await write(...many)
      await stopped
      expect(ip(`route show proto ${GODWIT_PROTOCOL}`).trim().split('\n')).toHaveLength(many.length)
    })

    test('loses the routes of a link that is deleted meanwhile, and that is told though the link is there again', async () => {
      // Nothing else that is known rests on it.
      host?.connect('e2', other as Namespace, 'f2')
      ip('link set e2 addrgenmode none')
      ip('-6 addr flush dev e2')
      const gone: string[] = []
      await follow({
        feed: (input) => {
          if (input.kind === 'kernel') gone.push(...input.change.gone.map(routeKey))
          follower.feed(input)
        },
        openSocket: (options) => {
          const socket = netlinkIn(host as Namespace)(options)
          const sendApart = socket.sendApart.bind(socket)
          socket.sendApart = async (bytes) => {
            await sendApart(bytes)
            ip('link del e2')
            host?.connect('e2', other as Namespace, 'f2')
          }
          return socket
        },
      })
      await write({ action: 'add', route: ownRoute('10.30.0.0/24', { ...via('10.9.0.1', 'e2'), onlink: true }) })
      await until('gone', () => gone.some((key) => key.startsWith('10.30.0.0/24 ')))
    })

    test('fails with a reason where reading fails, and the sockets are opened again', async () => {
      const applied: number[] = []
      const errors: (string | undefined)[] = []
      let readable = () => {}
      let isBroken = false
      const opened = interrupted(() => {
        isBroken = true
        readable()
        isBroken = false
      })
      await follow({
        retry: 1,
        feed: (input) => {
          if (input.kind === 'applied') applied.push(input.failed.length)
          if (input.kind === 'kernel-error') errors.push(input.text)
        },
        openSocket: (options) => {
          const socket = opened(options)
          const [receive, onReadable] = [socket.receive.bind(socket), socket.onReadable.bind(socket)]
          socket.receive = () => {
            if (isBroken) throw new Error('broken')
            return receive()
          }
          socket.onReadable = (call) => {
            readable = call
            onReadable(call)
          }
          return socket
        },
      })
      rtnetlink.perform({ kind: 'routes', seq: seq++, changes: many })
      await until('applied', () => applied.length > 0)
      expect(applied[0]).toBeGreaterThan(0)
      await until('read again', () => errors.length === 2)
      expect(errors).toEqual([expect.stringContaining('broken'), undefined])
    })
  })

  test('a write after four thousand million routes is answered', async () => {
    await follow()
    const socket = netlinkIn(host as Namespace)()
    const index = Number(ip('-o link show e0').split(':')[0])
    const writer = new RouteWriter(socket, () => index, 2 ** 32 - 1)
    expect(await writer.write([add('10.30.0.0/24', '10.0.0.3'), add('10.31.0.0/24', '10.0.0.3')])).toEqual([])
    socket.close()
  })

  test('what others do to our routes while we write is told', async () => {
    const gone = new Set<string>()
    await follow({
      feed: (input) => {
        if (input.kind === 'kernel') for (const route of input.change.gone) gone.add(routeKey(route))
        follower.feed(input)
      },
    })
    const prefix = (at: number) => `10.${64 + (at >> 8)}.${at & 255}.0/24`
    await write(...Array.from({ length: 2_000 }, (_, at) => add(prefix(at), '10.0.0.3')))
    const changes = Array.from({ length: 2_000 }, (_, at): RouteChange => {
      return { action: 'replace', route: ownRoute(prefix(at), via('10.0.0.4')) }
    })
    const writing = write(...changes)
    // The kernel is at work on the first of them, outside of our thread.
    ip(`route del ${prefix(0)} proto 171`)
    ip(`route del ${prefix(1_999)} proto 171`)
    await writing
    const isTold = (at: number) => gone.has(`${prefix(at)} via 10.0.0.4 dev e0 proto 171 metric 1024`)
    await until('one of each is there no more, or was written again', () => {
      const there = ip('route show proto 171')
      return [0, 1_999].every((at) => isTold(at) || there.includes(`${prefix(at)} `))
    })
  })

  test('a route of another program in place of ours, which we replace before we hear of it, is not there any more', async () => {
    await follow()
    const prefixes = ['10.30.0.0/24', '10.31.0.0/24', 'fd30::/64']
    const to = (text: string, host: number) =>
      ownRoute(text, via(`${text.includes(':') ? 'fd00::' : '10.0.0.'}${host}`))
    await write(...prefixes.map((text): RouteChange => ({ action: 'add', route: to(text, 3) })))
    const writing = write(...prefixes.map((text): RouteChange => ({ action: 'replace', route: to(text, 4) })))
    ip('route replace 10.30.0.0/24 via 10.0.0.9 proto 4 metric 1024')
    ip('-6 route replace fd30::/64 via fd00::9 proto 4 metric 1025')
    await writing
    expect(ip('route show proto 171')).toContain('10.30.0.0/24 via 10.0.0.4')
    expect(ip('-6 route show proto 171')).toContain('fd30::/64 via fd00::4')
    await until('nothing else is told than what is there', () => follower.list().join() === ALL.join())
  })

  test('many routes are told in pieces, and nothing is over before the last', async () => {
    host?.run(
      'ip -batch -',
      Array.from(
        { length: 20_000 },
        (_, at) => `route add 10.${64 + (at >> 8)}.${at & 255}.0/24 via 10.0.0.9 proto 4`,
      ).join('\n'),
    )
    await follow()
    expect(follower.list()).toHaveLength(20_004)
    expect(follower.pieces).toBeGreaterThan(10)
    expect(follower.largest).toBeLessThan(2_000)
  })

  test('what we write ourselves is not told to us', async () => {
    await follow()
    const before = follower.pieces
    await write(...Array.from({ length: 1_000 }, (_, at) => add(`10.${64 + (at >> 8)}.${at & 255}.0/24`, '10.0.0.3')))
    await write(add('fd99::/64', 'fd00::3'))
    expect(follower.pieces).toBe(before)
    expect(follower.list(GODWIT_PROTOCOL)).toEqual([])
  })

  test('with no table links and addresses are followed, and routes are for nobody', async () => {
    await follow({ table: undefined })
    expect(follower.links.holder('10.1.0.2')?.name).toBe('e1')
    ip('addr del fd01::2/64 dev e1')
    await until('less', () => !follower.links.isOwn('fd01::2'))
    ip('link add name later type bridge')
    await until('more', () => follower.links.get('later') !== undefined)
    ip('link set later name sooner')
    await until(
      'its new name',
      () => follower.links.get('sooner') !== undefined && follower.links.get('later') === undefined,
    )
    expect(follower.pieces).toBe(0)
  })

  test('a port that leaves its bridge is still a link', async () => {
    ip('link add name br9 type bridge')
    ip('link set e1 master br9')
    await follow()
    ip('link set e1 nomaster')
    ip('addr add 10.9.9.9/24 dev e0')
    await until('the word behind it', () => follower.links.isOwn('10.9.9.9'))
    expect(follower.links.get('e1')).toBeDefined()
  })
})

test('a kernel that cannot be asked is error with a name, and every change fails', async () => {
  const inputs: Input[] = []
  const openSocket = () => {
    throw new Error('no netlink socket can be opened: Too many open files')
  }
  const rtnetlink = new Rtnetlink({ feed: (input) => inputs.push(input), openSocket, table: MAIN_TABLE, retry: 1 })
  await rtnetlink.open()
  rtnetlink.perform({ kind: 'routes', seq: 1, changes: [add('10.1.0.0/24', '10.0.0.3')] })
  await until('applied', () => inputs.some(({ kind }) => kind === 'applied'))
  await rtnetlink.stop()
  const text = "the kernel's links and routes cannot be read: no netlink socket can be opened: Too many open files"
  expect(inputs).toContainEqual({ kind: 'kernel-error', what: 'routes', text })
  expect(inputs).toContainEqual({ kind: 'applied', what: 'routes', seq: 1, failed: [{ index: 0, reason: text }] })
})

test.skipIf(!isRoot)('a socket that could not be opened is opened later', async () => {
  const host = new Namespace('host')
  const follower = new Follower()
  let tries = 0
  const openSocket: OpenNetlink = (options) => {
    if (tries++ < 2) throw new Error('not yet')
    return netlinkIn(host)(options)
  }
  const rtnetlink = new Rtnetlink({ feed: follower.feed, openSocket, table: MAIN_TABLE, retry: 1 })
  await rtnetlink.open()
  await until('known', () => follower.isKnown)
  expect(follower.sourceProblems).toEqual([expect.stringContaining('not yet'), undefined])
  await rtnetlink.stop()
  host.remove()
})
