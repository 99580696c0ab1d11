import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { contains, hostPrefix, makePrefix, type Prefix, parsePrefix } from '../../src/base/prefix.ts'
import { finish } from '../../src/base/work.ts'
import type { RouteIntent } from '../../src/cluster/intent.ts'
import { GODWIT_PROTOCOL, type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { elementOf, renderChange, renderNft } from '../../src/dataplane/nft-script.ts'
import { findDifference } from '../../src/dataplane/nft-table.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import { type LoopPlan, MOST_WAYS, ServiceLoops } from '../../src/dataplane/service-loops.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { isLong } from '../support/long.ts'
import { settle } from '../support/settle.ts'

const prefix = (text: string): Prefix => {
  const found = parsePrefix(text) ?? hostPrefix(text)
  if (found === undefined) throw new Error(text)
  return found
}
const service = (text: string, origin: RouteIntent['origin'] = 'service-cidr'): RouteIntent => ({
  prefix: prefix(text),
  origin,
  objects: [],
  communities: [],
  named: [],
})
const route = (text: string, rest: Partial<KernelRoute> = {}): KernelRoute => {
  const hops = [{ gateway: undefined, interface: 'cali1', onlink: false, weight: 1 }]
  const whole = { prefix: prefix(text), type: 'unicast', metric: 0, hops, protocol: 80, table: MAIN_TABLE, ...rest }
  return whole
}

class Node {
  readonly #links = new LinkTable()
  readonly keeper = new RouteKeeper(this.#links)
  readonly loops = new ServiceLoops(this.keeper.kernel)
  plan: LoopPlan | undefined

  constructor(rest: Partial<Parameters<ServiceLoops['setIntent']>[0]> = {}) {
    this.setLinks(true)
    this.loops.setIntent({
      serviceLoopPrevention: 'Drop',
      hasServiceRanges: true,
      nodeHosts: [],
      proxied: [],
      ownPods: { own: [], lent: [] },
      ...rest,
    })
  }

  setLinks(up: boolean): this {
    this.keeper.takeLinks(this.#links.take({ full: true, gone: [], present: [linkOf(7, 'cali1', up, [])] }))
    settle(this.keeper)
    return this
  }

  kernel(present: readonly KernelRoute[], gone: readonly KernelRoute[] = []): this {
    this.keeper.takeKernel({ full: false, gone, present, more: false }, 0)
    return this
  }

  advertise(...routes: readonly RouteIntent[]): this {
    this.loops.change(routes, [])
    return this
  }

  withdraw(...texts: readonly string[]): this {
    this.loops.change([], texts.map(prefix))
    return this
  }

  get services(): string[] {
    return this.#texts('services')
  }

  get spared(): string[] {
    return this.#texts('spared')
  }

  #texts(which: 'services' | 'spared'): string[] {
    do this.loops.followRoutes()
    while (this.loops.isDeciding)
    this.plan = finish(this.loops.takePlan())
    const { ipv4 = [], ipv6 = [] } = this.plan?.[which] ?? {}
    return [...ipv4, ...ipv6].map(({ text }) => text)
  }
}

const RANGES = [service('10.96.0.0/16'), service('fd96::/112')]

describe('what ends here', () => {
  test('is what is advertised for services, in both families, and goes with it', () => {
    const node = new Node().advertise(
      ...RANGES,
      service('203.0.113.7', 'service'),
      service('10.244.1.0/24', 'pod-cidr'),
    )
    expect(node.services).toEqual(['10.96.0.0/16', '203.0.113.7/32', 'fd96::/112'])
    expect(node.withdraw('10.96.0.0/16', '203.0.113.7/32').services).toEqual(['fd96::/112'])
  })
  test('a prefix of a BGPAdvertisement is forwarded where the kernel has a route to it, or into it', () => {
    const node = new Node().advertise(...RANGES, service('203.0.113.0/24', 'advertisement'))
    expect(node.services).toContain('203.0.113.0/24')
    expect(node.spared).toEqual([])
    node.kernel([route('203.0.113.0/24')])
    expect(node.spared).toEqual(['203.0.113.0/24'])
    node.kernel([], [route('203.0.113.0/24')])
    expect(node.spared).toEqual([])
    node.kernel([route('203.0.113.128/25'), route('0.0.0.0/0')])
    expect(node.spared).toEqual(['203.0.113.128/25'])
    // The same prefix as a range of services: what lies inside of that is kube-proxy's.
    node.kernel([route('203.0.113.0/24')]).advertise(service('203.0.113.0/24'))
    expect(node.spared).toEqual(['203.0.113.128/25'])
    node.advertise(service('203.0.113.0/24', 'advertisement'))
    expect(node.spared).toEqual(['203.0.113.0/24'])
  })

  test('a range of services inside such a prefix, or inside a route to a part of it, is not forwarded', () => {
    const node = new Node().advertise(...RANGES, service('0.0.0.0/0', 'advertisement'), service('10.96.4.0/22'))
    const isSpared = (text: string) => node.spared.some((one) => contains(prefix(one), prefix(text)))
    node.kernel([route('0.0.0.0/0'), route('10.0.0.0/8'), route('10.96.7.0/24')])
    expect(['192.0.2.1', '10.1.0.1', '10.97.0.1', '10.96.7.1'].filter(isSpared)).toHaveLength(4)
    expect(['10.96.0.1', '10.96.4.1', '10.96.255.1'].filter(isSpared)).toEqual([])
    // Nor is the address of a service that is advertised alone.
    node.advertise(service('192.0.2.7/32'), service('10.1.0.7/32'), service('10.96.7.7/32'))
    expect(['192.0.2.7', '10.1.0.7', '10.96.7.7'].filter(isSpared)).toEqual([])
    expect(['192.0.2.6', '10.1.0.8', '10.96.7.6'].filter(isSpared)).toHaveLength(3)
  })

  test('the most specific of ranges and routes decides, whichever lies in which', () => {
    const some = fc
      .record({ value: fc.nat(255), length: fc.integer({ min: 0, max: 8 }) })
      .map(({ value, length }) => makePrefix(Uint8Array.of(10, 0, 0, value), 24 + length))
    const ranges = fc.uniqueArray(fc.record({ range: some, isOwn: fc.boolean() }), {
      selector: ({ range }) => range.text,
      maxLength: 5,
    })
    const property = fc.property(
      ranges,
      fc.uniqueArray(some, { selector: ({ text }) => text, maxLength: 5 }),
      (all, routes) => {
        const node = new Node()
        node.advertise(...all.map(({ range, isOwn }) => service(range.text, isOwn ? 'advertisement' : undefined)))
        node.kernel(routes.map(({ text }) => route(text)))
        const [services, spared] = [node.services, node.spared].map((texts) => texts.map(prefix)) as [
          Prefix[],
          Prefix[],
        ]
        const wrong: string[] = []
        for (let value = 0; value < 256; value++) {
          const address = makePrefix(Uint8Array.of(10, 0, 0, value), 32)
          const has = (one: Prefix) => contains(one, address)
          const longest = all.filter(({ range }) => has(range)).sort((a, b) => b.range.length - a.range.length)[0]
          const way = routes.filter(has).sort((a, b) => b.length - a.length)[0]
          const [range, other] = [longest?.range.length ?? 33, way?.length ?? -1]
          const isDropped =
            longest !== undefined && (other < range || (other === range && !longest.isOwn && other < 32))
          if ((services.some(has) && !spared.some(has)) !== isDropped) wrong.push(address.text)
        }
        expect(wrong).toEqual([])
      },
    )
    fc.assert(property, { numRuns: isLong ? 2_000 : 100 })
  })

  test('single pods and addresses of the node are nobody else’s business', () => {
    const node = new Node().advertise(
      ...RANGES,
      service('10.96.0.80/32', 'pod'),
      service('198.51.100.53/32', 'pod'),
      service('198.51.100.1/32', 'interface'),
    )
    expect(node.services).toEqual(new Node().advertise(...RANGES).services)
    expect(node.services.join()).not.toContain('198.51.100')
  })

  test('a single address inside an advertised range is no element of its own, until the range goes', () => {
    const node = new Node().advertise(...RANGES, service('10.96.0.80', 'service'))
    expect(node.services).toEqual(['10.96.0.0/16', 'fd96::/112'])
    expect(node.withdraw('10.96.0.0/16').services).toEqual(['10.96.0.80/32', 'fd96::/112'])
  })
  test.each([
    ['Reject', RANGES, 'reject'],
    ['Disabled', RANGES, undefined],
  ] as const)('%s: %#', (serviceLoopPrevention, routes, verdict) => {
    const node = new Node({ serviceLoopPrevention }).advertise(...routes)
    expect(node.services).toHaveLength(verdict === undefined ? 0 : 2)
    expect(node.plan?.verdict).toBe(verdict)
  })
  test('without service ranges there is not even a chain', () => {
    const node = new Node({ hasServiceRanges: false })
    expect(node.services).toEqual([])
    expect(node.plan?.verdict).toBeUndefined()
  })
  test('many ranges at once cost one walk over the kernel’s routes', () => {
    const node = new Node()
    const walks = vi.spyOn(node.keeper.kernel, 'all')
    node.kernel([route('10.100.3.0/24')])
    const many = Array.from({ length: 50 }, (_, at) => service(`10.${2 * at + 100}.0.0/16`))
    expect(node.advertise(...many).services).toHaveLength(50)
    expect(node.spared).toEqual(['10.100.3.0/24'])
    expect(walks).toHaveBeenCalledTimes(1)
    expect(node.withdraw(...many.map(({ prefix: { text } }) => text)).services).toEqual([])
    expect(walks).toHaveBeenCalledTimes(2)
  })
  test('nothing is planned anew while nothing changes', () => {
    const { loops } = new Node().advertise(...RANGES)
    expect(loops.hasChanged).toBe(true)
    finish(loops.takePlan())
    loops.change(RANGES, [prefix('10.244.1.0/24')])
    expect(loops.hasChanged).toBe(false)
  })
})

describe('what a load balancer takes ends here only where it came from where it would go', () => {
  const proxied = ['10.96.9.9', '10.96.9.8', '192.0.2.1', 'fd96::9'].map(prefix)
  const ownPods = { own: ['10.244.1.0/24', '10.244.7.7', 'fd00:244:1::/64'].map(prefix), lent: [] }
  const over = (name: string, gateway = '10.0.0.1') => ({ gateway, interface: name, onlink: false, weight: 1 })
  const ways = (...names: string[]) => names.map((name) => over(name))
  const rulesOf = (node: Node): string[] =>
    node.services.length === 0 || node.plan === undefined
      ? []
      : [...renderNft({ nat: NO_NAT, loops: node.plan, keepsNat: false }).rules.values()].flatMap((rule) =>
          rule?.match.includes('@returned') === true ? `${rule.match} ${rule.verdict}` : [],
        )

  test('by the links of the way to it, and not by one that pods of this node are on', () => {
    const node = new Node({ proxied, ownPods, serviceLoopPrevention: 'Reject' }).advertise(...RANGES)
    expect(rulesOf(node)).toEqual([])
    node.kernel([route('0.0.0.0/0', { hops: ways('eth1', 'eth0') })])
    const four = (links: string) => `ip daddr @returned4 iifname { ${links} } reject`
    expect(rulesOf(node)).toEqual([four('"eth0", "eth1"')])
    expect(node.plan?.returned.ipv4[0]?.addresses.map(({ text }) => text)).toEqual(['10.96.9.8/31'])
    node.kernel([route('::/0', { hops: ways('eth2') })])
    expect(rulesOf(node)).toEqual([four('"eth0", "eth1"'), 'ip6 daddr @returned6 iifname { "eth2" } reject'])
    const flat = [
      route('10.244.0.0/16', { hops: [{ ...over('eth0'), gateway: undefined }], protocol: 2 }),
      route('fd00:244:1::7/128', { hops: [{ ...over('eth2'), gateway: undefined }] }),
    ]
    node.kernel([...flat, route('10.244.1.0/25', { hops: ways('eth1') })])
    expect(rulesOf(node)).toEqual([four('"eth1"')])
    node.kernel([], flat)
    expect(rulesOf(node)).toHaveLength(2)
    expect(node.withdraw('fd96::/112').services).toEqual(['10.96.0.0/16'])
    expect(rulesOf(node)).toEqual([four('"eth0", "eth1"')])
  })
  test('a link whose network is wider than that of pods counts, though not where these are on another one', () => {
    const node = new Node({ proxied, ownPods }).advertise(...RANGES)
    const onLink = (text: string, name: string) => route(text, { hops: [{ ...over(name), gateway: undefined }] })
    node.kernel([route('0.0.0.0/0', { hops: ways('eth0') }), onLink('10.0.0.0/8', 'eth0')])
    node.kernel([onLink('10.96.0.0/12', 'eth0')])
    expect(rulesOf(node)).toEqual([])
    const pods = ['10.244.1.0/24', '10.244.7.7/32'].map((text) => onLink(text, 'cni0'))
    node.kernel(pods.slice(0, 1))
    expect(rulesOf(node)).toEqual([])
    node.kernel(pods.slice(1))
    expect(rulesOf(node)).toEqual(['ip daddr @returned4 iifname { "eth0" } drop'])
  })
  test('each by the links of its own way; of many different ways the first have a rule', () => {
    const many = Array.from({ length: MOST_WAYS + 1 }, (_, at) => prefix(`10.${100 + at}.0.1`))
    const node = new Node({ proxied: many }).advertise(...many.map((_, at) => service(`10.${100 + at}.0.0/16`)))
    node.kernel(many.map((_, at) => route(`10.${100 + at}.0.0/16`, { hops: ways(`eth${at}`) })))
    expect(rulesOf(node)).toEqual(
      Array.from({ length: MOST_WAYS }, (_, at) => {
        const set = at === 0 ? 'returned4' : `returned4_${at + 1}`
        return `ip daddr @${set} iifname { "eth${at}" } drop`
      }),
    )
    expect(node.plan?.returned.ipv4.map(({ addresses }) => addresses.map(({ text }) => text))).toEqual(
      many.slice(0, MOST_WAYS).map(({ text }) => [text]),
    )
  })
  test('a way that changes changes them; a default route that we learned counts', () => {
    const node = new Node({ proxied }).advertise(...RANGES)
    const first = route('0.0.0.0/0', { hops: ways('eth0'), metric: 2000 })
    node.kernel([first])
    expect(node.services && node.plan?.returned.ipv4[0]?.links).toEqual(['eth0'])
    const learned = route('0.0.0.0/0', { hops: ways('eth3'), protocol: GODWIT_PROTOCOL, metric: 1024 })
    node.kernel([learned])
    expect(node.services && node.plan?.returned.ipv4[0]?.links).toEqual(['eth3'])
    node.kernel([route('10.0.0.0/8', { hops: ways('eth4') })])
    expect(node.services && node.plan?.returned.ipv4[0]?.links).toEqual(['eth4'])
    node.kernel([], [first, learned])
    expect(node.services && node.plan?.returned.ipv4[0]?.links).toEqual(['eth4'])
  })
  test('not where the kernel has a way of its own to it, nor an address of a node', () => {
    const node = new Node({ proxied, nodeHosts: [prefix('10.96.9.8/32')] }).advertise(...RANGES)
    node.kernel([route('0.0.0.0/0', { hops: ways('eth0') })])
    expect(node.services && node.plan?.returned.ipv4[0]?.addresses.map(({ text }) => text)).toEqual(['10.96.9.9/32'])
    node.kernel([route('10.96.9.9/32')])
    expect(node.services && node.plan?.returned).toEqual({ ipv4: [], ipv6: [] })
  })
  test('a link whose name nft could misread is left out', () => {
    const node = new Node({ proxied }).advertise(...RANGES)
    node.kernel([route('0.0.0.0/0', { hops: ways('a"b', '*') })])
    expect(rulesOf(node)).toEqual([])
    node.kernel([route('0.0.0.0/0', { hops: ways('a"b', 'bond0.7'), metric: -1 })])
    expect(rulesOf(node)).toEqual(['ip daddr @returned4 iifname { "bond0.7" } drop'])
  })
})

const NO_NAT = { rules: [], pools: { ipv4: [], ipv6: [] }, hosts: { ipv4: [], ipv6: [] } }

describe('spared', () => {
  test('addresses of nodes and of load balancers, where they lie in what is advertised', () => {
    const node = new Node({
      nodeHosts: ['10.96.3.4/32', '10.0.0.11/32', 'fd96::11/128'].map(prefix),
      proxied: [prefix('10.96.9.9/32'), prefix('192.0.2.1/32')],
    }).advertise(...RANGES)
    expect(node.spared).toEqual(['10.96.3.4/32', '10.96.9.9/32', 'fd96::11/128'])
    expect(node.withdraw('10.96.0.0/16').spared).toEqual(['fd96::11/128'])
  })
  test.each<[string, KernelRoute, string[]]>([
    ['an address that a pod holds', route('10.96.0.80/32'), ['10.96.0.80/32']],
    ['the same in IPv6', route('fd96::80/128'), ['fd96::80/128']],
    ['a range behind a gateway', route('10.96.128.0/17', { protocol: 12 }), ['10.96.128.0/17']],
    [
      'a route that we have learned',
      route('10.96.5.0/24', { protocol: GODWIT_PROTOCOL, metric: 1024 }),
      ['10.96.5.0/24'],
    ],
    ['no route as long as the range itself', route('10.96.0.0/16'), []],
    ['no shorter one', route('10.0.0.0/8'), []],
    ['no default route', route('0.0.0.0/0'), []],
    ['no route elsewhere', route('10.97.0.0/24'), []],
    ['no blackhole: packets end there anyway', route('10.96.0.0/24', { type: 'blackhole', hops: [] }), []],
  ])('%s', (_, one, spared) => {
    expect(new Node().advertise(...RANGES).kernel([one]).spared).toEqual(spared)
    expect(new Node().kernel([one]).advertise(...RANGES).spared).toEqual(spared)
    const gone = new Node().advertise(...RANGES).kernel([one])
    void gone.spared
    expect(gone.kernel([], [one]).spared).toEqual([])
  })
  test('no route over a link that is down, until it is up again', () => {
    const node = new Node().advertise(...RANGES).kernel([route('10.96.0.0/24')])
    expect(node.setLinks(false).spared).toEqual([])
    expect(node.setLinks(true).spared).toEqual(['10.96.0.0/24'])
  })
  test('a single address that is advertised as such and that a pod holds', () => {
    const node = new Node().kernel([route('203.0.113.7/32')]).advertise(service('203.0.113.7', 'service'))
    expect(node.services).toEqual(['203.0.113.7/32'])
    expect(node.spared).toEqual(['203.0.113.7/32'])
  })
  test('what lies in the narrower of two ranges is compared with that one', () => {
    const node = new Node().kernel([route('10.96.4.0/24')]).advertise(...RANGES, service('10.96.4.0/24'))
    expect(node.spared).toEqual([])
    expect(node.withdraw('10.96.4.0/24').spared).toEqual(['10.96.4.0/24'])
  })
})

describe('the script', () => {
  const render = (plan: LoopPlan | undefined, keepsNat = false) => {
    if (plan === undefined) throw new Error('no plan')
    const nothing = { ipv4: [], ipv6: [] }
    return renderNft({ nat: { rules: [], pools: nothing, hosts: nothing }, loops: plan, keepsNat })
  }
  const planOf = (node: Node): LoopPlan => finish(node.loops.takePlan())

  test('hooks into forward and nothing else, and never asks connection tracking', () => {
    const node = new Node({ nodeHosts: [prefix('10.96.3.4/32')] }).advertise(...RANGES)
    const text = finish(render(planOf(node)).body(0))
    expect(text).toContain('type filter hook forward priority filter + 10; policy accept;')
    expect(text).toMatch(/^ {4}ip daddr @services4 ip daddr != @spared4 counter drop comment ".*"$/m)
    expect(text).toMatch(/^ {4}ip6 daddr @services6 ip6 daddr != @spared6 counter drop comment ".*"$/m)
    expect(text.match(/hook/g)).toHaveLength(1)
    expect(text).not.toMatch(/\bct\b|\bnat\b|masquerade/)
  })
  test('stands beside a chain for NAT that has to stay', () => {
    expect([...render(planOf(new Node().advertise(...RANGES)), true).chains.keys()]).toEqual(['forward', 'postrouting'])
  })
  test('a change of services touches elements alone', () => {
    const node = new Node().advertise(...RANGES)
    const before = render(planOf(node))
    const after = render(planOf(node.advertise(service('203.0.113.7', 'service')).withdraw('fd96::/112')))
    expect(after.rules).toEqual(before.rules)
    const there = new Map([...before.sets].map(([name, elements]) => [name, elements.map(elementOf)]))
    const rules = [...before.rules.keys()].map((comment) => ({
      ...{ chain: 'forward', comment, expression: '', packets: 0, bytes: 0 },
    }))
    const table = { isOwned: false, chains: before.chains, sets: there, begun: 0, rules }
    const difference = finish(findDifference(after, table, undefined))
    if (difference?.in !== 'sets') throw new Error('not only elements')
    expect(renderChange({ kind: 'sets', changes: difference.changes }, false)).toBe(
      'delete element inet godwit services6 { fd96::/112 }\nadd element inet godwit services4 { 203.0.113.7 }\n',
    )
  })
})
