/** Where packets to an originated prefix end, and whether our blackhole may be there: the two have to agree. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { blackhole, whyNotBeside } from '../../src/dataplane/fib.ts'
import { type KernelRoute, MAIN_TABLE, ROUTE_METRIC } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { endingOf } from '../../src/dataplane/prefix-ending.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { prefix } from '../support/rib.ts'

const PODS = prefix('10.244.1.0/24')
const OURS = blackhole(PODS)
const links = new LinkTable()
links.take({ full: true, gone: [], present: [linkOf(2, 'cni0', true, ['10.244.1.1/24'])] })

const route = (metric: number, gateway: string | undefined, type = 'unicast'): KernelRoute => ({
  prefix: PODS,
  type,
  protocol: gateway === undefined ? 2 : 4,
  metric,
  table: MAIN_TABLE,
  hops: type === 'unicast' ? [{ gateway, interface: 'cni0', onlink: false, weight: 1 }] : [],
})
const BRIDGE = route(0, undefined)

test('the bridge has the first route, and another route keeps our blackhole out: packets end here', () => {
  const others = [BRIDGE, route(2048, '10.244.1.9')]
  expect(whyNotBeside(OURS, others)).toBeDefined()
  expect(endingOf(OURS, undefined, others, links).kind).toBe('here')
})

test.each([
  ['a lower metric, and ours stands below it', 100, undefined],
  ['our metric, and the kernel takes no second one', ROUTE_METRIC.ipv4, 'foreign'],
  ['a higher metric, and ours stands above it', 4096, undefined],
])('a foreign blackhole with %s: packets end here', (_, metric, conflict) => {
  for (const type of ['blackhole', 'unreachable', 'prohibit']) {
    const others = [route(metric, undefined, type)]
    expect(whyNotBeside(OURS, others)?.kind).toBe(conflict)
    expect(endingOf(OURS, conflict === undefined ? OURS : undefined, others, links).kind).toBe('here')
  }
})

test.each([
  ['in front of the bridge hides the pods', [route(0, undefined, 'blackhole'), { ...BRIDGE, metric: 256 }]],
  // The kernel goes on in the next table.
  ['that throws packets out of the table', [route(100, undefined, 'throw')]],
])('a foreign route %s: packets do not end at them', (_, others) => {
  expect(endingOf(OURS, OURS, others, links).kind).toBe('elsewhere')
})

test('nothing waits for a blackhole that may not be written, and the blackhole changes no other answer', () => {
  const { ipv4 } = ROUTE_METRIC
  const any = fc.record({
    metric: fc.constantFrom(0, 100, ipv4 - 1, ipv4, ipv4 + 1, 4096),
    gateway: fc.constantFrom(undefined, '10.244.1.9'),
    type: fc.constantFrom('unicast', 'unicast', 'blackhole', 'unreachable', 'throw'),
  })
  const several = fc
    .array(any, { maxLength: 3 })
    .map((all) => all.map((one) => route(one.metric, one.gateway, one.type)))
  const run = fc.property(several, (others) => {
    const [without, beside] = [undefined, OURS].map((present) => endingOf(OURS, present, others, links).kind)
    if (without === 'awaits-blackhole') expect(whyNotBeside(OURS, others)).toBeUndefined()
    expect(beside).toBe(without === 'awaits-blackhole' ? 'here' : without)
  })
  fc.assert(run)
})
