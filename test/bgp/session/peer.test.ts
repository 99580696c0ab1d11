import { describe, expect, test } from 'vitest'
import { SESSION_STATES } from '../../../src/bgp/session/fsm.ts'
import { messageError } from '../../../src/bgp/wire/error.ts'
import { KEEPALIVE } from '../../../src/bgp/wire/keepalive.ts'
import { encodeNotification } from '../../../src/bgp/wire/notification.ts'
import { concat, LonePeer, message, say, theirOpen, UPDATE } from '../../support/lone-peer.ts'
import { config, only, otherConfig, WirePair } from '../../support/wire-pair.ts'

const transitions = (peer: LonePeer) => only(peer.actions, 'transition').map(({ from, to }) => `${from} ${to}`)

describe('coming up', () => {
  test('we dial: every step says what it does', () => {
    const lone = new LonePeer({ localAddress: '192.0.2.1' }).start()
    expect(lone.actions).toEqual([
      { kind: 'dial', conn: 2, remote: { address: '192.0.2.2', port: 179 }, localAddress: '192.0.2.1' },
      { kind: 'transition', from: 'Idle', to: 'Connect', reason: 'started' },
    ])
    expect(lone.connect().said).toEqual(['open'])
    expect(transitions(lone)).toEqual(['Connect OpenSent'])
    expect(lone.receive(theirOpen()).said).toEqual(['keepalive'])
    expect(transitions(lone)).toEqual(['OpenSent OpenConfirm'])
    lone.receive(KEEPALIVE)
    expect(lone.actions.map(({ kind }) => kind)).toEqual(['up', 'transition'])
    expect(lone.peer.session).toMatchObject({
      conn: 2,
      local: { address: '192.0.2.1', port: 40_000 },
      remoteAs: 64513,
      peerType: 'external',
      families: ['ipv4', 'ipv6'],
      holdTime: 90,
    })
  })

  test('all in one piece, an UPDATE behind it', () => {
    const lone = new LonePeer().reach('OpenSent').receive(concat(theirOpen(), KEEPALIVE, UPDATE, UPDATE))
    expect(lone.actions.map(({ kind }) => kind)).toEqual(['send', 'transition', 'up', 'transition', 'updates'])
    const [updates] = only(lone.actions, 'updates')
    expect(updates?.spans).toHaveLength(4)
    expect(updates?.bytes.slice(updates.spans[2], updates.spans[3])).toEqual(UPDATE)
  })

  test('byte by byte', () => {
    const lone = new LonePeer().reach('OpenSent')
    for (const byte of concat(theirOpen(), KEEPALIVE)) lone.receive(Uint8Array.of(byte))
    expect(lone.peer.state).toBe('Established')
  })

  test.each([
    ['we dial', {}, { passive: true }],
    ['they dial', { passive: true }, {}],
    ['both dial', {}, {}],
    ['both dial, one later', { dialDelay: 500 }, {}],
  ])('two of us: %s', (_, one, two) => {
    const pair = new WirePair(config(one), otherConfig(two)).start().pass(1_000)
    expect([pair.one.peer.state, pair.two.peer.state]).toEqual(['Established', 'Established'])
    expect(pair.one.peer.snapshot(pair.now)).toMatchObject({ established: 1, lastError: undefined })
  })

  test('[20] two that only wait never meet', () => {
    const pair = new WirePair(config({ passive: true }), otherConfig({ passive: true })).start().pass(3_600_000)
    expect(pair.one.peer.state).toBe('Active')
    expect(pair.one.peer.deadline()).toBeUndefined()
    expect(only(pair.one.actions, 'dial')).toEqual([])
  })
})

describe('an OPEN that cannot be: the NOTIFICATION, then the close', () => {
  const four = (asn: number) => ({ kind: 'four-octet-as', asn }) as const
  test.each([
    ['[5] version 3', theirOpen({ version: 3 }), '02 01 00 04'],
    ['[5] version 5', theirOpen({ version: 5 }), '02 01 00 04'],
    ['[6] AS 0', theirOpen({ myAs: 0, capabilities: [] }), '02 02'],
    ['[6] another AS', theirOpen({ myAs: 64999, capabilities: [] }), '02 02'],
    ['[9] two numbers', theirOpen({ myAs: 64512, capabilities: [four(64513)] }), '02 02'],
    ['[6] router ID 0', theirOpen({ routerId: 0 }), '02 03'],
    ['[6] hold time 1', theirOpen({ holdTime: 1 }), '02 06'],
    ['[6] hold time 2', theirOpen({ holdTime: 2 }), '02 06'],
    [
      'no family in common',
      theirOpen({ capabilities: [{ kind: 'multiprotocol', afi: 25, safi: 70 }] }),
      '02 07 01 04 00 01 00 01 01 04 00 02 00 01',
    ],
    ['[7] unknown optional parameter', message('open', 4, 0xfc, 0x01, 0, 90, 1, 1, 1, 1, 2, 1, 0), '02 04'],
    ['[7] parameters that overrun', message('open', 4, 0xfc, 0x01, 0, 90, 1, 1, 1, 1, 9, 2, 0), '02 00'],
  ])('%s', (_, open, notification) => {
    const lone = new LonePeer().reach('OpenSent').receive(open)
    expect(lone.said).toEqual([`notification ${notification}`])
    expect(lone.actions.map(({ kind }) => kind).slice(0, 3)).toEqual(['send', 'notification', 'close'])
    expect(lone.peer.snapshot(0).lastError?.class).toBe('BGP Error')
    expect(lone.peer.state).toBe('Active')
  })

  test('[6] our own router ID inside our AS', () => {
    const lone = new LonePeer({ remoteAs: 'internal' }).reach('OpenSent')
    lone.receive(theirOpen({ myAs: 64512, routerId: 0xc0000201, capabilities: [] }))
    expect(lone.said).toEqual(['notification 02 03'])
    expect(lone.lastError).toBe('BGP Error: Bad BGP identifier: the same as ours')
  })

  test('what the neighbor did wrong is not forgotten because it cannot be reached since', () => {
    const lone = new LonePeer().reach('OpenSent').receive(theirOpen({ myAs: 64999, capabilities: [] }))
    lone.pass(60_000)
    lone.hand({ kind: 'dial-failed', conn: lone.own, reason: 'Connection refused' })
    expect(lone.lastError).toBe('BGP Error: Bad peer AS: 64999, expected 64513')
    expect(lone.peer.snapshot(lone.now).attemptError).toMatchObject({ class: 'Socket', text: 'Connection refused' })
  })

  test('the last error names both numbers', () => {
    const lone = new LonePeer().reach('OpenSent').receive(theirOpen({ myAs: 64999, capabilities: [] }))
    expect(lone.lastError).toBe('BGP Error: Bad peer AS: 64999, expected 64513')
  })
})

describe('a message at the wrong time (RFC 4271 §6.6)', () => {
  test.each([
    ['[12] KEEPALIVE in OpenSent', 'OpenSent', KEEPALIVE, '05 01 04'],
    ['[12] UPDATE in OpenSent', 'OpenSent', UPDATE, '05 01 02'],
    ['[12] UPDATE in OpenConfirm', 'OpenConfirm', UPDATE, '05 02 02'],
    ['[12] OPEN in OpenConfirm', 'OpenConfirm', theirOpen(), '05 02 01'],
    ['[12] OPEN in Established', 'Established', theirOpen(), '05 03 01'],
    ['ROUTE-REFRESH in OpenConfirm', 'OpenConfirm', message('route-refresh', 0, 1, 0, 1), '05 02 05'],
    ['[2] KEEPALIVE of 20 octets', 'Established', message('keepalive', 0), '01 02 00 14'],
    ['[3] unknown type', 'Established', Uint8Array.of(...KEEPALIVE.subarray(0, 18), 9), '01 03 09'],
    ['[1] marker', 'Established', KEEPALIVE.map((byte) => byte & 0x7f), '01 01'],
    ['[68] ROUTE-REFRESH cut short', 'Established', message('route-refresh', 0, 1, 0), '01 02 00 16'],
  ] as const)('%s', (_, state, bytes, notification) => {
    const lone = new LonePeer().reach(state).receive(bytes)
    expect(lone.said).toEqual([`notification ${notification}`])
    expect(lone.closes).toEqual([2])
    expect(only(lone.actions, 'down')).toHaveLength(state === 'Established' ? 1 : 0)
  })
})

test('UPDATEs before the end are still handed out, those behind it are not', () => {
  const end = encodeNotification({ code: 6, subcode: 2 })
  const lone = new LonePeer().reach('Established').receive(concat(UPDATE, end, UPDATE))
  expect(lone.actions.map(({ kind }) => kind).slice(0, 4)).toEqual(['updates', 'notification', 'close', 'down'])
  expect(only(lone.actions, 'updates')).toHaveLength(1)
})

test('UPDATEs around a KEEPALIVE and over the end of a chunk keep their order and lose nothing', () => {
  const lone = new LonePeer().reach('Established')
  const stream = concat(UPDATE, UPDATE, KEEPALIVE, UPDATE, UPDATE)
  let spans = 0
  for (const [from, to] of [
    [0, 30],
    [30, 31],
    [31, stream.length],
  ]) {
    for (const updates of only(lone.receive(stream.subarray(from, to)).actions, 'updates')) {
      for (let at = 0; at < updates.spans.length; at += 2) {
        expect(updates.bytes.slice(updates.spans[at], updates.spans[at + 1])).toEqual(UPDATE)
        spans++
      }
    }
  }
  expect(spans).toBe(4)
  expect(lone.peer.snapshot(0).received).toMatchObject({ update: 4, keepalive: 2, open: 1 })
})

describe('a NOTIFICATION', () => {
  test.each(['OpenSent', 'OpenConfirm', 'Established'] as const)(
    'in %s is the end and is not answered (RFC 4271 §6.4)',
    (state) => {
      const text = [...'off you go'].map((letter) => letter.charCodeAt(0))
      const lone = new LonePeer().reach(state).receive(message('notification', 6, 2, text.length, ...text))
      expect(lone.said).toEqual([])
      expect(lone.closes).toEqual([2])
      expect(lone.lastError).toBe('Received: Cease: Administrative Shutdown: "off you go"')
      expect(only(lone.actions, 'notification')).toMatchObject([{ direction: 'received', code: 6, subcode: 2 }])
    },
  )

  test('about our version is event 24', () => {
    const lone = new LonePeer().reach('OpenSent').receive(message('notification', 2, 1, 0, 3))
    expect(lone.said).toEqual([])
    expect(lone.lastError).toMatch(/^Received: OPEN Message Error: Unsupported Version Number/)
  })
})

describe('an UPDATE that ends the session', () => {
  const error = messageError(3, 1, 'attributes overrun')

  test('is answered and told', () => {
    const lone = new LonePeer().reach('Established').hand({ kind: 'update-error', conn: 2, error })
    expect(lone.said).toEqual(['notification 03 01'])
    expect(only(lone.actions, 'down')).toMatchObject([{ error: { class: 'BGP Error', text: 'attributes overrun' } }])
  })

  test('is nothing for a session that has ended already', () => {
    const lone = new LonePeer().reach('Established').closed().hand({ kind: 'update-error', conn: 2, error })
    expect(lone.actions).toEqual([])
  })
})

describe('ROUTE-REFRESH', () => {
  const refresh = (afi: number, safi = 1, subtype = 0) => message('route-refresh', 0, afi, subtype, safi)

  test('[68] one per family and turn, of agreed families only; others are ignored, which is said once', () => {
    const lone = new LonePeer({ families: ['ipv4'] }).reach('Established')
    lone.receive(concat(refresh(1), refresh(2), refresh(1), refresh(1, 128), refresh(1, 1, 9), refresh(2)))
    expect(lone.actions).toEqual([
      { kind: 'refresh', family: 'ipv4', subtype: 0 },
      { kind: 'ignored', text: 'ROUTE-REFRESH of AFI 2 SAFI 1, which was not negotiated' },
      { kind: 'ignored', text: 'ROUTE-REFRESH of AFI 1 SAFI 128, which was not negotiated' },
      { kind: 'ignored', text: 'ROUTE-REFRESH of an unknown subtype' },
    ])
  })

  test('[68] BoRR and EoRR stand where they stood among the UPDATEs', () => {
    const lone = new LonePeer().reach('Established')
    lone.receive(concat(refresh(1, 1, 1), UPDATE, refresh(1, 1, 2), refresh(2, 1, 1)))
    expect(lone.actions.map((action) => (action.kind === 'refresh' ? action.subtype : action.kind))).toEqual([
      1,
      'updates',
      2,
      1,
    ])
  })

  test('[68] to one who does not offer RFC 7313 the octet means nothing', () => {
    const plain = theirOpen({ capabilities: [{ kind: 'route-refresh' }, { kind: 'four-octet-as', asn: 64513 }] })
    const lone = new LonePeer()
      .reach('OpenSent')
      .receive(concat(plain, KEEPALIVE))
      .receive(refresh(1, 1, 1))
    expect(lone.actions).toEqual([{ kind: 'refresh', family: 'ipv4', subtype: 0 }])
  })

  test.each([
    ['[68] BoRR too short', [0, 1, 1], '07 01 ff'],
    ['[68] EoRR too long', [0, 1, 2, 1, 0], '07 01 ff'],
  ])('%s: 7/1 with the whole message', (_, body, beginning) => {
    const bytes = message('route-refresh', ...body)
    const lone = new LonePeer().reach('Established').receive(bytes)
    expect(lone.said[0]?.startsWith(`notification ${beginning}`)).toBe(true)
    expect(only(lone.actions, 'send')[0]?.bytes.slice(21)).toEqual(bytes)
    expect(lone.peer.state).toBe('Active')
  })

  test.each([
    ['asks', {}, theirOpen(), 'ipv6', ['route-refresh']],
    ['asks nothing of a family not agreed on', { families: ['ipv4'] }, theirOpen(), 'ipv6', []],
    ['asks nobody who cannot answer', {}, theirOpen({ capabilities: [] }), 'ipv4', []],
  ] as const)('[68] %s', (_, over, open, family, said) => {
    const lone = new LonePeer({ ...over }).reach('OpenSent').receive(concat(open, KEEPALIVE))
    expect(lone.hand({ kind: 'ask-refresh', family }).said).toEqual(said)
    if (said.length > 0) expect(only(lone.actions, 'send')[0]?.bytes.slice(19)).toEqual(Uint8Array.of(0, 2, 0, 1))
  })
})

describe('the network', () => {
  test.each([
    ['Connect', 'Connection reset', 'Socket: Connection reset', 'Active'],
    ['OpenSent', undefined, 'Socket: Connection closed, called from 192.0.2.1 to 192.0.2.2', 'Active'],
    ['OpenConfirm', 'No route to host', 'Socket: No route to host', 'Active'],
    ['Established', undefined, 'Socket: Connection closed', 'Active'],
  ] as const)('closes in %s: nothing is sent, nothing is closed again', (state, reason, lastError, to) => {
    const lone = new LonePeer().reach(state).closed(reason)
    expect(lone.said).toEqual([])
    expect(lone.closes).toEqual([])
    expect(lone.lastError).toBe(lastError)
    expect(lone.peer.state).toBe(to)
    expect(only(lone.actions, 'down')).toHaveLength(state === 'Established' ? 1 : 0)
  })

  test('closes in the middle of a message: the next connection begins with a clean slate', () => {
    const lone = new LonePeer().reach('Established').receive(UPDATE.subarray(0, 20)).closed()
    lone.pass(1_000)
    expect(lone.connect().receive(concat(theirOpen(), KEEPALIVE)).peer.state).toBe('Established')
  })

  test('what comes late for a connection that is gone is for nobody', () => {
    const lone = new LonePeer().reach('Established').closed()
    for (const event of [
      { kind: 'received', conn: 2, bytes: UPDATE },
      { kind: 'closed', conn: 2, reason: undefined },
      { kind: 'dial-failed', conn: 2, reason: 'late' },
      { kind: 'updates-sent', count: 3 },
      { kind: 'drained', conn: 2 },
      { kind: 'ask-refresh', family: 'ipv4' },
      { kind: 'timer' },
    ] as const) {
      expect(lone.hand(event).actions).toEqual([])
    }
  })

  test('a dial that succeeds after it was given up is closed', () => {
    const lone = new LonePeer().start().hand({ kind: 'stop', subcode: 2, text: '', reason: 'disabled' })
    expect(lone.connect().actions).toEqual([{ kind: 'close', conn: 2 }])
  })
})

describe('stop', () => {
  test.each(SESSION_STATES)('[22] in %s', (state) => {
    const lone = new LonePeer().reach(state)
    lone.hand({ kind: 'stop', subcode: 2, text: 'bye', reason: 'disabled by hand' })
    const speaks = state === 'OpenSent' || state === 'OpenConfirm' || state === 'Established'
    expect(lone.said).toEqual(speaks ? ['notification 06 02 03 62 79 65'] : [])
    expect(lone.closes).toEqual(speaks || state === 'Connect' ? [2] : [])
    expect(only(lone.actions, 'down')).toHaveLength(state === 'Established' ? 1 : 0)
    expect(lone.peer.state).toBe('Idle')
    expect(lone.peer.deadline()).toBeUndefined()
    expect(lone.peer.snapshot(0).stopped).toBe('disabled by hand')
    // And it can start again.
    expect(lone.start().peer.state).toBe('Connect')
    expect(lone.peer.snapshot(0).stopped).toBeUndefined()
  })

  test.each([
    ['another subcode carries no text (RFC 9003 §2)', 3, 'bye', '06 03'],
    ['no text, no data', 2, '', '06 02'],
    ['administrative reset carries it (RFC 9003 §2)', 4, 'x', '06 04 01 78'],
  ])('%s', (_, subcode, text, notification) => {
    const lone = new LonePeer().reach('Established').hand({ kind: 'stop', subcode, text, reason: 'r' })
    expect(lone.said).toEqual([`notification ${notification}`])
  })

  test('before anything stood, the last error stays what it was', () => {
    const lone = new LonePeer().reach('Active').hand({ kind: 'stop', subcode: 2, text: '', reason: 'disabled' })
    expect(lone.lastError).toBe('Socket: Connection refused')
  })

  test('while stopped a neighbor that calls is turned away with Cease/5', () => {
    const lone = new LonePeer().accept()
    expect(lone.said).toEqual(['notification 06 05'])
    expect(lone.closes).toEqual([1])
    expect(lone.peer.state).toBe('Idle')
  })
})

describe('the neighbor calls again and again (RFC 4271 §6.8)', () => {
  test('connections that await its OPEN are bounded: the oldest goes, with Cease/7', () => {
    const lone = new LonePeer({ passive: true }).start()
    const ended: number[] = []
    for (let call = 0; call < 50; call++) ended.push(...lone.accept().closes)
    expect(ended).toHaveLength(47)
    expect(ended.slice(0, 3)).toEqual([1, 3, 5])
    expect(lone.receive(concat(theirOpen(), KEEPALIVE), lone.accepted).peer.state).toBe('Established')
    expect(lone.closes).toHaveLength(2)
  })

  test('[13] in Established the newcomer loses when its OPEN comes, and the session stays', () => {
    const lone = new LonePeer().reach('Established').accept()
    expect(lone.said).toEqual(['open'])
    expect(lone.receive(theirOpen(), lone.accepted).said).toEqual(['notification 06 07'])
    expect(lone.closes).toEqual([lone.accepted])
    expect(lone.peer.state).toBe('Established')
    expect(lone.lastError).toBeUndefined()
  })

  test.each([
    ['in OpenConfirm, we are higher: ours lives', 'OpenConfirm', 1, [1], 'OpenConfirm'],
    ['in OpenConfirm, we are lower: theirs lives', 'OpenConfirm', 0xc0000299, [2], 'OpenConfirm'],
    ['in OpenSent, we are higher: ours lives', 'OpenSent', 1, [1], 'OpenSent'],
    ['in OpenSent, we are lower: theirs lives', 'OpenSent', 0xc0000299, [2], 'OpenConfirm'],
    ['equal IDs, our AS is the lower: theirs lives', 'OpenConfirm', 0xc0000201, [2], 'OpenConfirm'],
  ] as const)('[13] %s', (_, state, routerId, ended, after) => {
    const lone = new LonePeer().reach('OpenSent')
    if (state === 'OpenConfirm') lone.receive(theirOpen({ routerId }))
    lone.accept()
    lone.receive(theirOpen({ routerId }), lone.accepted)
    expect(lone.closes).toEqual(ended)
    expect(lone.said).toContain('notification 06 07')
    expect(lone.peer.state).toBe(after)
  })

  test('we do not dial while its connection is the session, and do again afterwards', () => {
    const lone = new LonePeer({ dialDelay: 5_000 }).start().accept()
    lone.receive(concat(theirOpen(), KEEPALIVE), lone.accepted)
    expect(lone.peer.state).toBe('Established')
    const keepalives = fiftySeconds(lone)
    expect(only(keepalives, 'dial')).toEqual([])
    lone.closed(undefined, lone.accepted)
    expect(
      only(
        lone.pass(6_000).map(({ action }) => action),
        'dial',
      ),
    ).toHaveLength(1)
  })
})

/** Fifty seconds in which the neighbor keeps the session alive. */
function fiftySeconds(lone: LonePeer) {
  return Array.from({ length: 5 }).flatMap(() => {
    const passed = lone.pass(10_000).map(({ action }) => action)
    return [...passed, ...lone.receive(KEEPALIVE, lone.accepted).actions]
  })
}

test('the snapshot says what there is to see', () => {
  const lone = new LonePeer().reach('Established')
  lone.hand({ kind: 'updates-sent', count: 7 })
  const snapshot = lone.peer.snapshot(1_000)
  expect(snapshot).toMatchObject({
    state: 'Established',
    since: 0,
    established: 1,
    holdTimer: { left: 89_000, total: 90 },
    keepaliveTimer: { total: 30 },
    connectTimer: undefined,
    sent: { open: 1, keepalive: 1, update: 7, notification: 0, 'route-refresh': 0 },
    received: { open: 1, keepalive: 1 },
  })
  expect(snapshot.remoteCapabilities).toContainEqual({ kind: 'fqdn', host: 'two', domain: '' })
  expect(snapshot.localCapabilities).toContainEqual({ kind: 'four-octet-as', asn: 64512 })
})

test('a host name of any length fits', () => {
  const lone = new LonePeer({ hostName: 'n'.repeat(5_000) }).start().connect()
  expect(only(lone.actions, 'send').map(({ bytes }) => say(bytes))).toEqual(['open'])
})
