/** Graceful restart of a neighbor, and we help (RFC 4724 §4.2, RFC 8538): each row names the rule. Numbers in brackets: pitfalls. */
import { describe, expect, test } from 'vitest'
import { hex } from '../../src/base/bytes.ts'
import { AFI, FAMILIES, type Family } from '../../src/base/family.ts'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import type { Capability } from '../../src/bgp/wire/message.ts'
import { CEASE, encodeNotification } from '../../src/bgp/wire/notification.ts'
import { decodeOpen } from '../../src/bgp/wire/open.ts'
import { encodeEndOfRib } from '../../src/bgp/wire/update-encode.ts'
import { bgpFilter, bgpPeer } from '../support/objects.ts'
import { announcement, attributes, path, withdrawal } from '../support/rib.ts'
import { type RawNeighbor, Rig, type RigOptions } from '../support/rig.ts'

const [X, Y, X6] = ['10.1.0.0/16', '10.2.0.0/16', '2001:db8:1::/48']

const accept = [{ action: 'Accept' }]
const ALL = bgpFilter('all', { importV4: accept, importV6: accept, exportV4: accept, exportV6: accept })

interface Said {
  readonly restarted?: boolean
  readonly notification?: boolean
  readonly restartTime?: number
  readonly families?: readonly Family[]
  readonly preserved?: readonly Family[]
  /** Seconds of long-lived graceful restart, of all families that it lists or of each. */
  readonly staleTime?: number
  readonly staleTimes?: Readonly<Partial<Record<Family, number>>>
}

function graceful({
  families = FAMILIES,
  preserved = families,
  staleTime,
  staleTimes = {},
  ...said
}: Said = {}): Capability[] {
  const row = (family: Family) => ({ afi: AFI[family], safi: 1, preserved: preserved.includes(family) })
  const listed = families.map(row)
  const short = { restarted: false, notification: false, restartTime: 60, ...said, families: listed }
  const times = staleTime === undefined ? staleTimes : Object.fromEntries(families.map((one) => [one, staleTime]))
  if (Object.keys(times).length === 0) return [{ kind: 'graceful-restart', ...short }]
  const long = FAMILIES.flatMap((family) => {
    const time = times[family]
    return time === undefined ? [] : [{ ...row(family), staleTime: time }]
  })
  return [
    { kind: 'graceful-restart', ...short },
    { kind: 'long-lived-graceful-restart', families: long },
  ]
}

function begin(said: Said | 'none' = {}, options: RigOptions = {}) {
  const rig = new Rig({ neighbors: 1, ...options })
  const neighbor = rig.neighbors[0] as RawNeighbor
  const plain = neighbor.capabilities
  const speak = (next: Said | 'none') => {
    neighbor.capabilities = next === 'none' ? plain : [...plain, ...graceful(next)]
  }
  speak(said)
  neighbor.establish()
  const say = (...texts: string[]) => {
    for (const text of texts) {
      const via = text.includes(':') ? 'fd00:10::1' : neighbor.address
      neighbor.send(announcement([text], attributes(path(neighbor.asn)), via))
    }
  }
  const end = () => {
    for (const family of FAMILIES) neighbor.send(encodeEndOfRib(family))
  }
  say(X, Y, X6)
  end()
  expect(rig.held(neighbor)).toBe(3)
  return { rig, neighbor, say, end, speak }
}

/** Prefixes the neighbor is known for. */
const held = (rig: Rig): string[] => {
  const { rows } = rig.engine.view(rig.now).routes({ protocol: 'Global_10_0_0_1' }, undefined, 100)
  return rows.map(({ prefix }) => prefix).sort()
}

describe('the connection is lost', () => {
  test('[69] §4.2: routes MUST be kept, and are used as before', () => {
    const { rig, neighbor } = begin()
    neighbor.hangUp('Connection reset by peer')
    expect(held(rig)).toEqual([X, Y, X6].sort())
    expect(rig.engine.view(rig.now).routes({ primary: true, protocol: neighbor.name }, undefined, 9).rows).toHaveLength(
      3,
    )
    const shown = [...rig.engine.view(rig.now).eachProtocol()][0]
    expect(shown?.peer).toMatchObject({ stale: ['ipv4', 'ipv6'], restartTimer: { left: 60_000, total: 60 } })
    expect(shown?.families.ipv4?.counts.received).toBe(2)
    const down = rig.lines.find(({ code }) => code === 'session-down')
    expect(down).toMatchObject({ fields: { kept: 'ipv4 ipv6' } })
  })

  test('§4.2: of families that the neighbor did not list, and without the capability at all, they go', () => {
    const { rig, neighbor } = begin({ families: ['ipv6'] })
    neighbor.hangUp()
    expect(held(rig)).toEqual([X6])
    const other = begin('none')
    other.neighbor.hangUp()
    expect(held(other.rig)).toEqual([])
  })

  test('§4.2: not back within the Restart Time, they MUST be deleted', () => {
    const { rig, neighbor } = begin({ restartTime: 60 })
    neighbor.hangUp()
    rig.pass(59_900)
    expect(rig.held(neighbor)).toBe(3)
    rig.pass(200)
    expect(rig.held(neighbor)).toBe(0)
    expect(rig.lines.at(-1)).toMatchObject({ code: 'stale-routes-dropped' })
  })

  test('§4.2: kept no longer than a cap of our own, whatever time the neighbor gives (RFC 8538 §4.1)', () => {
    const { rig, neighbor } = begin({ restartTime: 4095 })
    neighbor.hangUp()
    rig.pass(179_000)
    expect(rig.held(neighbor)).toBe(3)
    rig.pass(2_000)
    expect(rig.held(neighbor)).toBe(0)
  })

  test('§3: a Restart Time of 0 keeps nothing', () => {
    const { rig, neighbor } = begin({ restartTime: 0 })
    neighbor.hangUp()
    expect(rig.held(neighbor)).toBe(0)
  })

  test('0s in our configuration: nothing is announced, nothing kept', () => {
    const { rig, neighbor } = begin({}, { spec: { maxRestartTime: '0s' } })
    neighbor.hangUp()
    expect(rig.held(neighbor)).toBe(0)
  })

  test('a neighbor that is removed or disabled meanwhile takes its routes along', () => {
    const { rig, neighbor } = begin()
    neighbor.hangUp()
    rig.engine.view(rig.now).act({ kind: 'disable', pattern: '*', message: '' })
    rig.feed({ kind: 'tick' })
    rig.work()
    expect(rig.held(neighbor)).toBe(0)
  })
})

describe('the neighbor is back', () => {
  test('[69] §4.2: what it announces replaces what is stale, and End-of-RIB MUST remove the rest, family by family', () => {
    const { rig, neighbor, say, speak } = begin()
    neighbor.hangUp()
    speak({ restarted: true })
    neighbor.establish()
    expect(held(rig)).toEqual([X, Y, X6].sort())
    say(X)
    neighbor.send(encodeEndOfRib('ipv4'))
    expect(held(rig)).toEqual([X, X6].sort())
    neighbor.send(encodeEndOfRib('ipv6'))
    expect(held(rig)).toEqual([X])
    rig.pass(3_600_000)
    expect(rig.lines.filter(({ code }) => code === 'stale-routes-dropped')).toEqual([])
  })

  test.each<[string, Said | 'none', string[]]>([
    ['a family is not listed any more', { families: ['ipv4'] }, [X, Y]],
    ['the Forwarding State bit of a family is not set', { preserved: ['ipv6'] }, [X6]],
    ['the capability is not there any more', 'none', []],
  ])('[69] §4.2: %s: its stale routes MUST go at once', (_, next, left) => {
    const { rig, neighbor, speak } = begin()
    neighbor.hangUp()
    speak(next)
    neighbor.establish()
    expect(held(rig)).toEqual(left.sort())
  })

  test('[69] §4.2: lost again before its End-of-RIB, what was stale MUST go; what it announced is stale now', () => {
    const { rig, neighbor, say } = begin()
    neighbor.hangUp()
    neighbor.establish()
    say(Y)
    neighbor.hangUp()
    expect(held(rig)).toEqual([Y])
  })

  test('§4.2: our OPEN MUST NOT have the Restart State bit, but the F bits (RFC 8538 §4), and our End-of-RIB follows', () => {
    const { neighbor } = begin()
    neighbor.hangUp()
    neighbor.heard.length = 0
    neighbor.establish()
    const [open] = neighbor.heard.filter((bytes) => bytes[18] === 1)
    const said = open && decodeOpen({ type: 1, bytes: open, start: 0, end: open.length })
    const ours = said?.kind === 'open' ? said.capabilities.find(({ kind }) => kind === 'graceful-restart') : undefined
    // RFC 8538 §4: both families are still forwarded.
    const families = FAMILIES.map((family) => ({ afi: AFI[family], safi: 1, preserved: true }))
    expect(ours).toMatchObject({ restarted: false, families })
    const ends = FAMILIES.map((family) => hex(encodeEndOfRib(family)))
    expect(neighbor.heard.map((bytes) => hex(bytes)).filter((text) => ends.includes(text))).toEqual(ends)
  })

  test('§3: of several instances of the capability all but the last MUST be ignored', () => {
    const { rig, neighbor } = begin()
    neighbor.hangUp()
    neighbor.capabilities = [...neighbor.capabilities, ...graceful({ preserved: ['ipv6'] })]
    neighbor.establish()
    expect(held(rig)).toEqual([X6])
  })

  test('without an End-of-RIB its stale routes are kept for three minutes, and that is said', () => {
    const { rig, neighbor, say } = begin()
    neighbor.holdTime = 0
    neighbor.hangUp()
    neighbor.establish()
    say(X)
    rig.pass(179_000)
    expect(rig.held(neighbor)).toBe(3)
    rig.pass(2_000)
    expect(held(rig)).toEqual([X])
    expect(rig.lines.at(-1)?.text).toContain('End-of-RIB for ipv4 and ipv6 has not arrived for 180 s')
  })

  test('a withdrawal of what is stale counts', () => {
    const { rig, neighbor } = begin()
    neighbor.hangUp()
    neighbor.establish()
    neighbor.send(withdrawal([X]))
    expect(held(rig)).toEqual([Y, X6].sort())
  })

  test('as another router, with another router ID, it does not take over what the one before left', () => {
    const { rig, neighbor } = begin()
    neighbor.hangUp()
    const open = neighbor.open()
    open[27] = 99
    neighbor.connect()
    neighbor.send(open).send(KEEPALIVE)
    expect(held(rig)).toEqual([])
    const dropped = rig.lines.find(({ code }) => code === 'stale-routes-dropped')
    expect(dropped?.text).toMatch(/: stale routes are dropped: its AS number or router ID is another than before$/)
  })
})

describe('a NOTIFICATION ends it', () => {
  const hold = encodeNotification({ code: 4, subcode: 0 })
  // RFC 9384: BFD tells a neighbor that is gone from one that restarts, so there the N bit is announced.
  const watched: RigOptions = { spec: { bfd: {} } }
  const hard = encodeNotification({ code: CEASE.code, subcode: CEASE.hardReset, data: Uint8Array.of(6, 2) })

  test.each<[string, Said, Uint8Array, number]>([
    ['RFC 4724 §4: without the N bit it is no restart (RFC 8538 §2)', {}, hold, 0],
    ['[70] RFC 8538 §4: with the N bit on both sides routes MUST be kept', { notification: true }, hold, 3],
    ['[70] RFC 8538 §3.2, §4: a Hard Reset MUST drop them all the same', { notification: true }, hard, 0],
  ])('%s', (_, said, bytes, left) => {
    const { rig, neighbor } = begin(said, watched)
    neighbor.send(bytes)
    expect(rig.held(neighbor)).toBe(left)
  })

  test('what came with it, and before it, counts: a route that was withdrawn last is not kept', () => {
    const { rig, neighbor } = begin({ notification: true }, watched)
    neighbor.send(Buffer.concat([withdrawal([X]), hold]))
    expect(neighbor.established).toBe(false)
    expect(held(rig)).toEqual([Y, X6].sort())
  })

  test.each<[string, Said, string, number]>([
    ['[70] RFC 8538 §4: our own, for the hold timer, keeps them with the N bit', { notification: true }, '4/0', 3],
    ['RFC 4724 §4.2: and not without', {}, '4/0', 0],
  ])('%s', (_, said, notification, left) => {
    const { rig, neighbor } = begin(said, watched)
    rig.pass(91_000)
    expect([neighbor.notification, rig.held(neighbor)]).toEqual([notification, left])
  })

  test('[70] RFC 8538 §3.1: what is meant for good is sent as Hard Reset, with what it stands for inside', () => {
    const { rig, neighbor } = begin({ notification: true }, watched)
    rig.engine.view(rig.now).act({ kind: 'disable', pattern: '*', message: 'new rack' })
    rig.feed({ kind: 'tick' })
    rig.work()
    expect(neighbor.notification).toBe('6/9')
    expect([...(neighbor.heard.at(-1) ?? [])].slice(21)).toEqual([6, 2, 8, ...new TextEncoder().encode('new rack')])
    expect(rig.held(neighbor)).toBe(0)
  })

  test.each<[string, Said, string, number]>([
    ['RFC 8538 §4: a restart by hand keeps them on both sides', { notification: true }, '6/4', 3],
    ['RFC 4724 §4.2: and not without the N bit', {}, '6/4', 0],
  ])('%s', (_, said, notification, left) => {
    const { rig, neighbor } = begin(said, watched)
    rig.engine.view(rig.now).act({ kind: 'restart', pattern: '*', message: '' })
    rig.feed({ kind: 'tick' })
    rig.work()
    expect([neighbor.notification, rig.held(neighbor)]).toEqual([notification, left])
    neighbor.establish()
    expect(rig.held(neighbor)).toBe(left)
  })

  test('RFC 8538 §3: to one that did not say so, Cease is sent as ever', () => {
    const { rig, neighbor } = begin({}, watched)
    rig.engine.view(rig.now).act({ kind: 'disable', pattern: '*', message: '' })
    rig.feed({ kind: 'tick' })
    rig.work()
    expect(neighbor.notification).toBe('6/2')
  })

  test('without BFD nobody is asked to keep routes behind the hold timer: who dies is missed when it expires', () => {
    const { rig, neighbor } = begin({ notification: true })
    rig.pass(91_000)
    expect([neighbor.notification, rig.held(neighbor)]).toEqual(['4/0', 0])
  })
})

describe('another connection while the session is up', () => {
  /** The neighbor calls again; gives what the first connection heard since. */
  function callAgain({ rig, neighbor }: ReturnType<typeof begin>, after: number, called?: string): number {
    rig.pass(after)
    const before = neighbor.heard.length
    neighbor.heard.length = 0
    neighbor.connect(called)
    neighbor.send(neighbor.open())
    return before
  }

  test('[14] RFC 4724 §4.2, §5: the neighbor has restarted: the old one is closed without a word, routes are kept', () => {
    const scene = begin()
    const { rig, neighbor, speak } = scene
    speak({ restarted: true })
    callAgain(scene, 1_000)
    expect(neighbor.notification).toBeUndefined()
    expect(rig.lines.filter(({ code }) => code === 'notification-sent')).toEqual([])
    neighbor.send(KEEPALIVE)
    expect([neighbor.established, rig.held(neighbor)]).toEqual([true, 3])
    neighbor.send(encodeEndOfRib('ipv4')).send(encodeEndOfRib('ipv6'))
    expect(rig.held(neighbor)).toBe(0)
  })

  test('RFC 4724 §5: also where it has lost the connection and nothing else', () => {
    const scene = begin()
    callAgain(scene, 30_000)
    scene.neighbor.send(KEEPALIVE)
    expect([scene.neighbor.established, scene.rig.held(scene.neighbor)]).toEqual([true, 3])
  })

  test('a call to another address of ours is not that, and is refused: a router with both configured would end its own sessions', () => {
    const scene = begin()
    callAgain(scene, 30_000, '10.0.0.77')
    expect([scene.neighbor.notification, scene.rig.held(scene.neighbor)]).toEqual(['6/7', 3])
    const restarted = begin()
    restarted.speak({ restarted: true })
    callAgain(restarted, 30_000, '10.0.0.77')
    restarted.neighbor.send(KEEPALIVE)
    expect([restarted.neighbor.established, restarted.rig.held(restarted.neighbor)]).toEqual([true, 3])
  })

  test('so soon after the session came up it is a collision, unless it says that it has restarted', () => {
    const scene = begin()
    callAgain(scene, 1_000)
    expect(scene.neighbor.notification).toBe('6/7')
    expect(scene.rig.held(scene.neighbor)).toBe(3)
  })

  test('… and so it is where the session came up after that very restart: both sides dialled at once', () => {
    const soon = begin({ restarted: true })
    callAgain(soon, 1_000)
    expect(soon.neighbor.notification).toBe('6/7')
    expect(soon.rig.held(soon.neighbor)).toBe(3)
    const later = begin({ restarted: true })
    callAgain(later, 30_000)
    later.neighbor.send(KEEPALIVE)
    expect([later.neighbor.established, later.rig.held(later.neighbor)]).toEqual([true, 3])
  })

  test('RFC 4724 §5: without the capability the session stands, and the newcomer is refused', () => {
    const scene = begin('none')
    callAgain(scene, 30_000)
    expect(scene.neighbor.notification).toBe('6/7')
  })

  test('RFC 4724 §5: a connection on which no valid OPEN comes changes nothing', () => {
    const { rig, neighbor } = begin()
    rig.pass(30_000)
    const first = neighbor.conn
    neighbor.connect()
    neighbor.send(Uint8Array.of(...neighbor.open().slice(0, 19), 3))
    neighbor.conn = first
    expect([neighbor.established, rig.held(neighbor)]).toEqual([true, 3])
  })
})

test('what is told anew counts once against the limit, and what is stale is bounded by it too', () => {
  const { rig, neighbor, say } = begin({}, { spec: { maxPrefixes: { ipv4: 2 } } })
  neighbor.hangUp()
  neighbor.establish()
  say('10.3.0.0/16', '10.4.0.0/16')
  expect([neighbor.established, rig.held(neighbor)]).toEqual([true, 5])
  neighbor.send(encodeEndOfRib('ipv4'))
  expect(rig.held(neighbor)).toBe(3)
  say('10.5.0.0/16')
  expect(neighbor.established).toBe(false)
})

describe('long-lived graceful restart (RFC 9494)', () => {
  const LONG = { restartTime: 60, staleTime: 3600 }
  const rows = (rig: Rig) => rig.engine.view(rig.now).routes({ protocol: 'Global_10_0_0_1' }, undefined, 9).rows
  const stale = (rig: Rig) =>
    rows(rig)
      .filter(({ attributes }) => attributes.communities.join() === '65535,6')
      .map(({ prefix }) => prefix)
      .sort()

  test('[73] §4.2: after the Restart Time routes are kept for the long-lived stale time, and marked LLGR_STALE', () => {
    const { rig, neighbor } = begin(LONG)
    neighbor.hangUp()
    rig.pass(59_000)
    expect(rows(rig).every(({ attributes }) => attributes.communities.length === 0)).toBe(true)
    rig.pass(2_000)
    expect(held(rig)).toEqual([X, Y, X6].sort())
    expect(rows(rig).every(({ attributes }) => attributes.communities.join() === '65535,6')).toBe(true)
    expect(rig.lines.at(-1)).toMatchObject({ code: 'long-lived-stale' })
    rig.pass(3_590_000)
    expect(rig.held(neighbor)).toBe(3)
    rig.pass(11_000)
    expect(rig.held(neighbor)).toBe(0)
  })

  test('§4.2: a Restart Time of 0 leads there at once', () => {
    const { rig, neighbor } = begin({ restartTime: 0, staleTime: 600 })
    neighbor.hangUp()
    rig.pass(100)
    expect(rows(rig).map(({ attributes }) => attributes.communities.join())).toEqual(['65535,6', '65535,6', '65535,6'])
  })

  test('§4.2: what carries NO_LLGR MUST go when the Restart Time is over', () => {
    const { rig, neighbor } = begin(LONG)
    const carried = attributes({ ...path(neighbor.asn), communities: [[0xffff, 7]] })
    neighbor.send(announcement([X], carried, neighbor.address))
    neighbor.hangUp()
    rig.pass(61_000)
    expect(held(rig)).toEqual([Y, X6].sort())
  })

  test('§4.3: anything that is not stale is better, and it is told to nobody that did not announce the capability', () => {
    const { rig, neighbor } = begin(LONG, { neighbors: 4, spec: { filters: ['all'] }, objects: [ALL] })
    const [, worse, plain, knowing] = rig.neighbors as [RawNeighbor, RawNeighbor, RawNeighbor, RawNeighbor]
    worse.establish()
    plain.establish()
    knowing.capabilities = [...knowing.capabilities, ...graceful({ staleTime: 0 })]
    knowing.establish()
    worse.send(announcement([X], attributes(path(worse.asn, 1, 2, 3, 4)), worse.address))
    const advertised = (to: RawNeighbor) => {
      const { rows } = rig.engine.view(rig.now).routes({ export: to.name }, undefined, 20)
      return rows
        .map(({ prefix }) => prefix)
        .filter((prefix) => [X, Y].includes(prefix))
        .sort()
    }
    expect([advertised(plain), advertised(knowing)]).toEqual([
      [X, Y],
      [X, Y],
    ])
    neighbor.hangUp()
    rig.pass(30_000)
    for (const one of [worse, plain, knowing]) one.send(KEEPALIVE)
    rig.pass(31_000)
    const best = rig.engine.view(rig.now).routes({ primary: true }, undefined, 20).rows
    expect(best.find(({ prefix }) => prefix === X)?.peer).toBe(worse.name)
    expect(best.find(({ prefix }) => prefix === Y)?.peer).toBe(neighbor.name)
    expect([advertised(plain), advertised(knowing)]).toEqual([[X], [X, Y]])
  })

  const both = { restartTime: 60, staleTimes: { ipv4: 3600, ipv6: 3600 } }
  test.each<[string, Said | 'none', string[]]>([
    ['a family is not in its long-lived capability', { ...both, staleTimes: { ipv4: 3600 } }, [X, Y]],
    ['its F bit is not set', { ...both, preserved: ['ipv6'] }, [X6]],
    ['it announces no long-lived capability', { restartTime: 60 }, []],
    ['it announces neither capability', 'none', []],
    ['all is there', both, [X, Y, X6]],
  ])('§4.2: back again, and %s: what is long-lived stale MUST stay or go by that', (_, next, left) => {
    const { rig, neighbor, speak } = begin(LONG)
    neighbor.hangUp()
    rig.pass(61_000)
    speak(next)
    neighbor.establish()
    expect(held(rig)).toEqual(left)
  })

  test('§4.3, §4.4: a route that comes with LLGR_STALE comes last too, and keeps it; of two such ones the usual steps decide', () => {
    const { rig, neighbor } = begin(LONG, { neighbors: 3, spec: { filters: ['all'] }, objects: [ALL] })
    const [, worse, knowing] = rig.neighbors as [RawNeighbor, RawNeighbor, RawNeighbor]
    knowing.capabilities = [...knowing.capabilities, ...graceful({ staleTime: 0 })]
    worse.establish()
    knowing.establish()
    const llgrStale = [[0xffff, 6]] as const
    const announce = (by: RawNeighbor, prefix: string, marked: boolean, ...more: number[]) =>
      by.send(
        announcement(
          [prefix],
          attributes({ ...path(by.asn, ...more), communities: marked ? llgrStale : [] }),
          by.address,
        ),
      )
    announce(neighbor, X, true)
    announce(worse, X, false, 1, 2, 3)
    announce(neighbor, Y, true)
    announce(worse, Y, true, 1, 2, 3)
    const best = rig.engine.view(rig.now).routes({ primary: true }, undefined, 20).rows
    expect(best.find(({ prefix }) => prefix === X)?.peer).toBe(worse.name)
    expect(best.find(({ prefix }) => prefix === Y)?.peer).toBe(neighbor.name)
    const told = (to: RawNeighbor) =>
      rig.engine
        .view(rig.now)
        .routes({ export: to.name }, undefined, 20)
        .rows.filter(({ prefix }) => prefix === Y)
        .map(({ attributes }) => attributes.communities.join())
    expect([told(knowing), told(worse)]).toEqual([['65535,6'], []])
  })

  test('§4.2: back again, what is announced is fresh, the time runs on until End-of-RIB, and that removes the rest', () => {
    const { rig, neighbor, say } = begin({ ...LONG, staleTime: 100 })
    neighbor.holdTime = 0
    neighbor.hangUp()
    rig.pass(61_000)
    neighbor.establish()
    say(X)
    expect(rows(rig).map(({ prefix, attributes }) => [prefix, attributes.communities.length])).toEqual([
      [X, 0],
      [Y, 1],
      [X6, 1],
    ])
    neighbor.send(encodeEndOfRib('ipv6'))
    expect(held(rig)).toEqual([X, Y])
    rig.pass(100_000)
    expect(held(rig)).toEqual([X])
  })

  test('§4.2: lost again meanwhile, what is long-lived stale is kept all the same', () => {
    const { rig, neighbor, say } = begin(LONG)
    neighbor.hangUp()
    rig.pass(61_000)
    neighbor.establish()
    say(X)
    neighbor.hangUp()
    expect(held(rig)).toEqual([X, Y, X6].sort())
    expect(stale(rig)).toEqual([Y, X6])
    rig.pass(61_000)
    expect(stale(rig)).toEqual([X, Y, X6])
  })

  test('§4.2: each family is kept for its own time', () => {
    const { rig, neighbor } = begin({ staleTimes: { ipv4: 1000, ipv6: 100 } })
    neighbor.hangUp()
    rig.pass(61_000)
    expect(stale(rig)).toEqual([X, Y, X6])
    rig.pass(98_000)
    expect(held(rig)).toEqual([X, Y, X6])
    rig.pass(2_000)
    expect(held(rig)).toEqual([X, Y])
    rig.pass(898_000)
    expect(held(rig)).toEqual([X, Y])
    rig.pass(3_000)
    expect(rig.held(neighbor)).toBe(0)
  })

  test('§4.2: a family without such a time goes with the Restart Time, and that is said', () => {
    const { rig, neighbor } = begin({ staleTimes: { ipv6: 1000 } })
    neighbor.hangUp()
    rig.pass(61_000)
    expect([held(rig), stale(rig)]).toEqual([[X6], [X6]])
    expect(rig.lines.slice(-2).map(({ code }) => code)).toEqual(['long-lived-stale', 'stale-routes-dropped'])
  })

  test('§4.2: of a family that only the long-lived capability lists the Restart Time is 0', () => {
    const { rig, neighbor, speak } = begin({ families: ['ipv4'], preserved: FAMILIES, staleTimes: { ipv6: 1000 } })
    neighbor.hangUp()
    rig.pass(100)
    expect([held(rig), stale(rig)]).toEqual([[X, Y, X6], [X6]])
    rig.pass(61_000)
    expect(held(rig)).toEqual([X6])
    neighbor.establish()
    expect(held(rig)).toEqual([X6])
    neighbor.hangUp()
    speak({ families: ['ipv4'], preserved: ['ipv4'], staleTimes: { ipv6: 1000 } })
    neighbor.establish()
    expect(held(rig)).toEqual([])
  })

  test('§4.2: a family that has sent its End-of-RIB has all its time again, one that has not goes on with the old', () => {
    const { rig, neighbor, say } = begin({ staleTimes: { ipv4: 200, ipv6: 200 } })
    neighbor.holdTime = 0
    neighbor.hangUp()
    rig.pass(61_000)
    neighbor.establish()
    say(X, Y, X6)
    neighbor.send(encodeEndOfRib('ipv4'))
    rig.pass(100_000)
    neighbor.hangUp()
    expect(stale(rig)).toEqual([])
    rig.pass(98_000)
    expect(held(rig)).toEqual([X, Y, X6])
    rig.pass(3_000)
    expect([held(rig), stale(rig)]).toEqual([
      [X, Y],
      [X, Y],
    ])
    rig.pass(157_000)
    expect(held(rig)).toEqual([X, Y])
    rig.pass(3_000)
    expect(rig.held(neighbor)).toBe(0)
  })

  test('§3.1, §4.1, §4.5: without the capability for graceful restart it MUST be ignored', () => {
    const { rig, neighbor, speak } = begin('none')
    neighbor.hangUp()
    speak('none')
    neighbor.capabilities = [...neighbor.capabilities, ...graceful({ staleTime: 600 }).slice(1)]
    neighbor.establish()
    neighbor.send(announcement([X], attributes(path(neighbor.asn)), neighbor.address))
    neighbor.hangUp()
    expect(rig.held(neighbor)).toBe(0)
  })
})

test('to a host of a range that calls again, forwarding state was preserved: this node has not restarted', () => {
  const range = { peerRange: '10.0.0.0/28', asNumber: 65_001, filters: ['all'] }
  const other = bgpPeer('peer-0', { peerIP: '10.0.0.77', asNumber: 65_077 })
  const { rig, neighbor } = begin({ families: [] }, { objects: [other, ALL, bgpPeer('range', range)] })
  const preserved = () => {
    const open = neighbor.heard.find((bytes) => bytes[18] === 1)
    const said = open && decodeOpen({ type: 1, bytes: open, start: 0, end: open.length })
    const capabilities = said !== undefined && 'capabilities' in said ? said.capabilities : []
    const [restart] = capabilities.flatMap((one) => (one.kind === 'graceful-restart' ? [one] : []))
    return [restart?.restarted, restart?.families.map((family) => family.preserved)]
  }
  expect(preserved()).toEqual([false, [false, false]])
  neighbor.heard.length = 0
  neighbor.hangUp()
  rig.pass(1_000)
  neighbor.establish()
  expect(neighbor.established).toBe(true)
  expect(preserved()).toEqual([false, [true, true]])
})
