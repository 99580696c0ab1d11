/** Whole agents with a kernel: what stays in it when agents end, and what the next one does about it. */
import { describe, expect, test } from 'vitest'
import { ROUTE_METRIC } from '../../src/dataplane/kernel.ts'
import { BLACKHOLES, KernelLab, LEARNED } from '../support/kernel-lab.ts'
import { firstOf } from '../support/long.ts'
import { type ApiObject, bgpFilter, bgpPeer, node, upsert } from '../support/objects.ts'

describe('a restart', () => {
  test('routers that call from a range: what they told stays in the kernel until they have called again', () => {
    const RANGE = bgpPeer('tors', { peerRange: '10.0.0.0/28', asNumber: 65000 })
    const lab = new KernelLab()
    lab.settle()
    // The run before knew of no range: the first caller is waited for.
    lab.restart({}, RANGE)
    expect(lab.until(() => lab.worker.told('session-up').length === 1)).toBe(true)
    lab.settle()
    expect([lab.kernel.written, lab.kernel.own]).toEqual([[], [...LEARNED, ...BLACKHOLES].sort()])
    // This one knows both routers, of which one calls late.
    const other = lab.addRouter(2)
    expect(lab.until(() => lab.worker.told('session-up').length === 2)).toBe(true)
    lab.world.pass(2_000)
    const both = lab.kernel.own
    lab.world.pause(other, 15_000)
    lab.restart({}, RANGE)
    expect(lab.until(() => lab.worker.told('session-up').length === 1)).toBe(true)
    lab.world.pass(2_000)
    expect([lab.kernel.written, lab.kernel.own]).toEqual([[], both])
    expect(lab.until(() => lab.worker.told('kernel-swept').length === 1)).toBe(true)
    expect(lab.worker.told('session-up')).toHaveLength(2)
    lab.world.pass(2_000)
    expect([lab.kernel.written, lab.kernel.own]).toEqual([[], both])
  })

  test('finds all as it should be and changes nothing (RFC 4724 §4.1)', () => {
    const lab = new KernelLab()
    lab.settle()
    lab.restart()
    expect(lab.until(() => lab.learned().length === 2 && lab.worker.told('kernel-swept').length > 0)).toBe(true)
    lab.world.pass(60_000)
    expect(lab.kernel.written).toEqual([])
    expect(lab.kernel.scripts).toBe(0)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })

  test('removes what nobody tells any more, once the neighbor has told everything (RFC 4724 §4.1)', () => {
    const lab = new KernelLab()
    lab.settle()
    lab.world.crash(lab.worker)
    lab.world.change(lab.tor, [
      upsert(node('tor-1', { addresses: ['10.0.0.1', 'fd00:10::1'], podCIDRs: ['10.244.9.0/24'] })),
    ])
    lab.restart()
    expect(lab.kernel.own).toContain(LEARNED[1])
    expect(lab.until(() => lab.kernel.own.length === 3)).toBe(true)
    expect(lab.kernel.written.map(({ action, route }) => `${action} ${route.prefix.text}`)).toEqual([
      'remove fd00:244:0:9::/64',
    ])
  })

  test.each([
    ['main', {}],
    ['of its own', { table: 100 }],
  ])('waits for no neighbor with a pod CIDR that is new on this node; the table of learned routes is %s', (_, more) => {
    const lab = new KernelLab(true, more)
    lab.settle()
    lab.world.crash(lab.worker)
    const [OURS, THEIRS] = [
      ['10.244.1.0/24', 'fd00:244:0:1::/64'],
      ['10.244.9.0/24', 'fd00:244:0:9::/64'],
    ]
    lab.world.change(lab.tor, [upsert(node('tor-1', { addresses: ['10.0.0.1', 'fd00:10::1'], podCIDRs: OURS }))])
    lab.restartAsAgent(
      [
        node('worker-1', { addresses: ['10.0.0.11', 'fd00:10::11'], podCIDRs: THEIRS }),
        bgpPeer('absent', { peerIP: '10.0.0.9', asNumber: 65009 }),
      ],
      more,
    )
    lab.world.pass(2_000)
    expect(lab.worker.told('kernel-swept')).toEqual([])
    // Routers still send here what they keep of the run before.
    expect(lab.kernel.own).toEqual(expect.arrayContaining(BLACKHOLES))
    expect(lab.kernel.own.filter((key) => THEIRS.some((prefix) => key.includes(prefix)))).toEqual([
      'blackhole 10.244.9.0/24 proto 171 metric 1024',
      'blackhole fd00:244:0:9::/64 proto 171 metric 1025',
    ])
    expect(lab.learned()).toEqual(THEIRS)
  })

  test('keeps the routes of a neighbor that does not come back for a while, and not for ever', () => {
    const lab = new KernelLab()
    lab.settle()
    lab.world.crash(lab.tor)
    lab.kernel.written.length = 0
    const before = [...LEARNED]
    lab.world.pass(1)
    lab.restart()
    lab.world.pass(20_000)
    const kept = lab.kernel.own
    lab.world.pass(120_000)
    expect(lab.kernel.own).toEqual(BLACKHOLES)
    expect(kept.filter((key) => before.includes(key))).toEqual(kept.filter((key) => !BLACKHOLES.includes(key)))
  })
})

describe('kernel routes that somebody flushed while no agent ran', () => {
  /** The router that is awaited in vain defers selection for 20 s. */
  const ABSENT = bgpPeer('absent', { peerIP: '10.0.0.9', asNumber: 65009 })
  const begin = (flushed: readonly string[]) => {
    const lab = new KernelLab()
    lab.settle()
    lab.world.crash(lab.worker)
    for (const key of flushed) lab.kernel.remove(key.split(' ')[0] as string, 171)
    lab.restart()
    lab.change(upsert(ABSENT))
    return lab
  }

  test('are written before selection, and routers keep what they have (RFC 4724 §4.1)', () => {
    const lab = begin(LEARNED)
    const before = lab.learned()
    lab.world.pass(2_000)
    expect([lab.kernel.own, lab.worker.told('selected')]).toEqual([[...LEARNED, ...BLACKHOLES].sort(), []])
    expect([before.length, lab.learned()]).toEqual([2, before])
  })

  test('one of them: the others are not touched', () => {
    const lab = begin(LEARNED.slice(0, 1))
    lab.world.pass(2_000)
    expect(lab.kernel.written.map(({ action, route }) => `${action} ${route.prefix.text}`)).toEqual([
      'add 10.244.9.0/24',
    ])
    lab.world.pass(130_000)
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
  })
})

describe('learned routes that are advertised to others, for packets to come here (RFC 4724 §3: Forwarding State)', () => {
  const PASS_ALL = bgpFilter('pass-all', {
    exportV4: [{ action: 'Accept' }],
    exportV6: [{ action: 'Accept' }],
  })
  const ONWARD = [PASS_ALL, bgpPeer('onward', { peerIP: '10.0.0.2', asNumber: 65000, filters: ['pass-all'] })]

  /** The agent is away, and these are gone from the kernel when the next one comes. */
  const begin = (gone: readonly string[], more: readonly ApiObject[] = ONWARD) => {
    const lab = new KernelLab()
    lab.addRouter(2)
    lab.change(...more.map((object) => upsert(object)))
    lab.settle()
    lab.world.crash(lab.worker)
    for (const key of gone) lab.kernel.remove(key.split(' ')[0] as string, 171)
    lab.restartAsAgent(more)
    lab.world.pass(5_000)
    return lab.worker.told('restarted').map(({ text }) => text)
  }

  const losses: readonly { gone: string; keys: readonly string[]; lost: readonly string[] }[] = [
    { gone: 'those of IPv6', keys: LEARNED.slice(1), lost: ['ipv6'] },
    { gone: 'none', keys: [], lost: [] },
    { gone: 'all', keys: LEARNED, lost: ['ipv4', 'ipv6'] },
    { gone: 'blackholes of our own', keys: BLACKHOLES, lost: [] },
  ]
  test.each(firstOf(2, losses))('$gone gone: the bit is not set for $lost', ({ keys, lost }) => {
    const [text = ''] = begin(keys)
    for (const family of ['ipv4', 'ipv6'])
      expect(text.includes(`except for ${family}: the kernel has lost learned routes`)).toBe(lost.includes(family))
  })

  test('nobody was told them: it is set, because packets to pods and services arrive', () => {
    expect(begin(LEARNED, [])).toEqual([expect.not.stringContaining('except for')])
  })
})

describe('the speaker before us', () => {
  const BIRD = 12
  /** What it left: a route that we will have too, one that nobody tells any more, and in each family. */
  const begin = (adopt: readonly number[], metric = { ipv4: 32, ipv6: 32 }) => {
    const lab = new KernelLab(false, { adopt })
    lab.kernel.addForeign('10.244.9.0/24', '10.0.0.1', BIRD, metric.ipv4)
    lab.kernel.addForeign('fd00:244:0:9::/64', 'fd00:10::1', BIRD, metric.ipv6)
    lab.kernel.addForeign('10.244.77.0/24', '10.0.0.1', BIRD, metric.ipv4)
    lab.kernel.open()
    return lab
  }
  const theirs = (lab: KernelLab) => lab.kernel.list().filter((key) => key.includes(` proto ${BIRD} `))

  test('keeps its routes until ours stand beside them, and all that has no successor until the sweep', () => {
    const lab = begin([BIRD])
    lab.world.pass(5)
    expect(theirs(lab)).toHaveLength(3)
    expect(lab.worker.told('kernel-routes-adopted')).toHaveLength(1)
    expect(lab.until(() => lab.kernel.own.length === 4)).toBe(true)
    // At no moment is a prefix without a route.
    const order = lab.kernel.written.map(({ action, route }) => `${action} ${route.prefix.text}`)
    for (const prefix of ['10.244.9.0/24', 'fd00:244:0:9::/64'])
      expect(order.indexOf(`remove ${prefix}`)).toSatisfy((at: number) => at < 0 || at > order.indexOf(`add ${prefix}`))
    expect(lab.until(() => lab.worker.told('kernel-swept').length > 0)).toBe(true)
    lab.world.pass(1_000)
    expect(theirs(lab)).toEqual([])
    expect(lab.kernel.own).toEqual([...LEARNED, ...BLACKHOLES].sort())
    expect(lab.problems().join()).not.toContain('kernel route')
  })

  test.each([
    { left: 'routes', keeps: true },
    { left: 'no route', keeps: false },
  ])('left $left: routers keep what it told them: $keeps (RFC 4724 §4.1)', ({ left, keeps }) => {
    const lab = new KernelLab()
    lab.settle()
    if (left === 'routes') lab.kernel.addForeign('10.244.9.0/24', '10.0.0.1', BIRD, 32)
    const before = lab.learned()
    lab.takeOver([BIRD])
    let lacks = 0
    let seen = -1
    const look = (millis: number): void => {
      lab.world.pass(millis)
      // Where no host had a turn, all is as it was.
      if (lab.world.turns === seen) return
      if (lab.learned().length < before.length) lacks++
      seen = lab.world.turns
    }
    // It comes back at once, and a route that is lost is soon learned again; the sweep is after 20 s.
    for (let passed = 0; passed < 2_000; passed++) look(1)
    for (let passed = 2_000; passed < 30_000; passed += 100) look(100)
    expect([lab.learned(), lacks === 0]).toEqual([before, keeps])
    const said = lab.world.ask(lab.tor, 'show protocols all').split('Neighbor capabilities')[1] ?? ''
    expect([said.includes('Restart recovery'), said.includes('AF preserved: ipv4 ipv6')]).toEqual([keeps, keeps])
  })

  test('with the very metric of ours is replaced in place', () => {
    const lab = begin([BIRD], ROUTE_METRIC)
    lab.settle()
    expect(lab.kernel.written.map(({ action, route }) => `${action} ${route.prefix.text}`)).toEqual(
      expect.arrayContaining(['replace 10.244.9.0/24', 'replace fd00:244:0:9::/64']),
    )
    expect(lab.until(() => theirs(lab).length === 0)).toBe(true)
  })

  test('that runs on, and writes a route again, keeps it', () => {
    const lab = begin([BIRD])
    expect(lab.until(() => lab.worker.told('kernel-swept').length > 0)).toBe(true)
    lab.world.pass(1_000)
    lab.kernel.addForeign('10.244.9.0/24', '10.0.0.1', BIRD, 32)
    lab.world.pass(60_000)
    expect(theirs(lab)).toHaveLength(1)
    expect(lab.problems().join()).toContain('BIRD')
  })

  test('that nobody named is left alone, and stands before us', () => {
    const lab = begin([])
    lab.world.pass(150_000)
    expect(theirs(lab)).toHaveLength(3)
    expect(lab.problems().join()).toContain('BIRD')
  })
})
