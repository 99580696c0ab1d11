/** Which gateway is the neighbor that `peerIP: DefaultGateway` names. */
import { describe, expect, test } from 'vitest'
import { parsePrefix } from '../../src/base/prefix.ts'
import { DefaultRoutes } from '../../src/dataplane/default-routes.ts'
import { type Hop, type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { linkOf } from '../support/fake-kernel.ts'

const ALL = { ipv4: parsePrefix('0.0.0.0/0'), ipv6: parsePrefix('::/0') }

const hop = (text: string): Hop => {
  const [gateway = '', name = 'eth0'] = text.split(' ')
  return { gateway: gateway === '-' ? undefined : gateway, interface: name, onlink: false, weight: 1 }
}

/** `10.0.0.1 eth0`; `-` for no gateway. */
function route(hops: string | readonly string[], metric = 0, more: Partial<KernelRoute> = {}): KernelRoute {
  const all = typeof hops === 'string' ? [hops] : hops
  const prefix = all.some((one) => one.includes(':')) ? ALL.ipv6 : ALL.ipv4
  if (prefix === undefined) throw new Error('no prefix')
  return { prefix, type: 'unicast', protocol: 4, metric, table: MAIN_TABLE, hops: all.map(hop), ...more }
}

function lab(...present: KernelRoute[]) {
  const links = new LinkTable()
  const show = (name: string, index: number, up: boolean) => linkOf(index, name, up, ['10.0.0.9/24', 'fd00::9/64'])
  links.take({ full: true, gone: [], present: [show('eth0', 1, true), show('eth1', 2, true), show('down0', 3, false)] })
  const routes = new DefaultRoutes(links)
  const take = (here: readonly KernelRoute[], gone: readonly KernelRoute[] = [], full = false) =>
    routes.take({ full, more: false, gone, present: here })
  take(present, [], true)
  return { routes, take, links, show }
}

test('of IPv6 routers that have one metric it is one that prefers itself, also after another one was', () => {
  const advertised = (text: string, preference?: KernelRoute['preference']) =>
    route(text, 1024, { protocol: 9, ...(preference !== undefined && { preference }) })
  const [low, medium, high] = [advertised('fe80::1', 'low'), advertised('fe80::2'), advertised('fe80::3', 'high')]
  const { routes, take } = lab(low)
  const found = [routes.gateway('ipv6')]
  for (const [here, gone] of [[medium], [high], [advertised('fe80::0', 'low')], [low, high]].map((all) => [
    all.slice(0, 1),
    all.slice(1),
  ])) {
    take(here ?? [], gone ?? [])
    found.push(routes.gateway('ipv6'))
  }
  expect(found).toEqual(['fe80::1%eth0', 'fe80::2%eth0', 'fe80::3%eth0', 'fe80::3%eth0', 'fe80::2%eth0'])
})

describe('the gateway', () => {
  test.each<[string, KernelRoute[], string | undefined, string | undefined]>([
    ['the only one', [route('10.0.0.1')], '10.0.0.1', undefined],
    ['the lowest metric', [route('10.0.0.1', 200), route('10.0.0.2', 100)], '10.0.0.2', undefined],
    ['of several the lowest address, as a number', [route(['10.0.0.10 eth0', '10.0.0.9 eth1'])], '10.0.0.9', undefined],
    ['whose link is up', [route('10.0.0.1 down0'), route('10.0.0.2', 500)], '10.0.0.2', undefined],
    ['with a gateway', [route('- eth1'), route('10.0.0.2', 500)], '10.0.0.2', undefined],
    ['not one of ours', [route('10.0.0.1', 0, { protocol: 171 }), route('10.0.0.2', 500)], '10.0.0.2', undefined],
    ['not of another table', [route('10.0.0.1', 0, { table: 100 })], undefined, 'this node has no IPv4 default route'],
    [
      'not a dead end',
      [route('10.0.0.1', 0, { type: 'unreachable' })],
      undefined,
      'this node has no IPv4 default route',
    ],
    [
      'nor a longer prefix',
      [{ ...route('10.0.0.1'), prefix: parsePrefix('0.0.0.0/1') ?? route('10.0.0.1').prefix }],
      undefined,
      'this node has no IPv4 default route',
    ],
    ['none at all', [], undefined, 'this node has no IPv4 default route'],
    ['a link without one', [route('- eth1')], undefined, 'the IPv4 default route over eth1 has no gateway'],
    [
      'hops that the kernel does not show',
      [route([])],
      undefined,
      'the IPv4 default route goes by a next hop object that is not shown: set net.ipv4.nexthop_compat_mode to 1',
    ],
    ['a link that is down', [route('10.0.0.1 down0')], undefined, 'the IPv4 default route over down0 is down'],
  ])('is %s', (_, present, expected, why) => {
    const { routes } = lab(...present)
    expect(routes.gateway('ipv4')).toBe(expected)
    if (why !== undefined) expect(routes.whyNone('ipv4')).toBe(why)
  })

  test('a link-local one has its interface; each family has its own', () => {
    const { routes } = lab(route('fe80::1 eth1', 1024), route('10.0.0.1'))
    expect([routes.gateway('ipv6'), routes.gateway('ipv4')]).toEqual(['fe80::1%eth1', '10.0.0.1'])
  })

  test('stays while it is as good as any, and while there is no other', () => {
    const { routes, take, links, show } = lab(route(['10.0.0.5', '10.0.0.6']))
    expect(routes.gateway('ipv4')).toBe('10.0.0.5')
    take([route(['10.0.0.4', '10.0.0.5'])], [route(['10.0.0.5', '10.0.0.6'])])
    expect(routes.gateway('ipv4')).toBe('10.0.0.5')
    take([], [route(['10.0.0.4', '10.0.0.5'])])
    expect(routes.gateway('ipv4')).toBe('10.0.0.5')
    take([route('10.0.0.7 eth1')])
    expect(routes.gateway('ipv4')).toBe('10.0.0.7')
    take([route('10.0.0.8', 100)])
    links.take({ full: false, gone: [], present: [show('eth1', 2, false)] })
    expect(routes.gateway('ipv4')).toBe('10.0.0.8')
    links.take({ full: false, gone: [], present: [show('eth1', 2, true)] })
    expect(routes.gateway('ipv4')).toBe('10.0.0.7')
  })

  test('before the kernel has been read, it is only unknown; and pieces of a reading are no end', () => {
    const routes = new DefaultRoutes(new LinkTable())
    expect(routes.whyNone('ipv6')).toBe('the routes of this node are not known yet')
    expect(routes.take({ full: true, more: true, gone: [], present: [] })).toBe(false)
    expect(routes.whyNone('ipv6')).toBe('the routes of this node are not known yet')
    expect(routes.take({ full: false, more: false, gone: [], present: [] })).toBe(true)
    expect(routes.whyNone('ipv6')).toBe('this node has no IPv6 default route')
    expect(routes.take({ full: false, more: false, gone: [], present: [] })).toBe(false)
  })
})
