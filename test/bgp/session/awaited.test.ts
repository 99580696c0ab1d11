/**
 * A helper may wait for the one that restarts to dial, as FRR does: a passive neighbor is dialled for as long as it keeps
 * our routes. Nothing else makes us dial one.
 */
import { describe, expect, test } from 'vitest'
import { FAMILIES } from '../../../src/base/family.ts'
import { ourOpen } from '../../../src/bgp/session/negotiate.ts'
import type { OwnRestart } from '../../../src/bgp/session/restart.ts'
import type { PeerConfig } from '../../../src/bgp/session/types.ts'
import { KEEPALIVE } from '../../../src/bgp/wire/keepalive.ts'
import { encodeNotification } from '../../../src/bgp/wire/notification.ts'
import { encodeOpen } from '../../../src/bgp/wire/open.ts'
import { concat, LonePeer } from '../../support/lone-peer.ts'
import { otherConfig } from '../../support/wire-pair.ts'

const SECONDS = 30
const PASSIVE: Partial<PeerConfig> = { passive: true, restartTime: SECONDS }
const RESTARTED: OwnRestart = { restarted: true, preserved: FAMILIES }

/** Refuses what is dialled, as long as something is; the times of the dials. */
function dials(lone: LonePeer): readonly number[] {
  const times: number[] = []
  const note = (): void => {
    while (lone.actions.some(({ kind }) => kind === 'dial')) {
      times.push(lone.now)
      lone.hand({ kind: 'dial-failed', conn: lone.own, reason: 'Connection refused' })
    }
  }
  note()
  for (let due = lone.peer.deadline(); due !== undefined && times.length < 100; due = lone.peer.deadline()) {
    lone.now = due
    lone.hand({ kind: 'timer' })
    note()
  }
  return times
}

const openOf = (theirs: Partial<PeerConfig>): Uint8Array => encodeOpen(ourOpen(otherConfig(theirs)))

/** A session that the neighbor opened. */
function established(ours: Partial<PeerConfig>, theirs: Partial<PeerConfig>): LonePeer {
  const lone = new LonePeer(ours).start().accept()
  lone.receive(openOf(theirs), lone.accepted)
  lone.receive(KEEPALIVE, lone.accepted)
  expect(lone.peer.state).toBe('Established')
  return lone
}

const CEASE = encodeNotification({ code: 6, subcode: 4 })
const HARD_RESET = encodeNotification({ code: 6, subcode: 9 })

describe('a passive neighbor is dialled', () => {
  test('after our own restart, until the restart time is over, and once more at most', () => {
    const lone = new LonePeer(PASSIVE, 1, RESTARTED).start()
    const times = dials(lone)
    expect(times.length).toBeGreaterThan(3)
    expect(times.filter((at) => at >= SECONDS * 1_000).length).toBeLessThan(2)
    expect(times[0]).toBeLessThan(2_000)
    expect(lone.peer.isDialling).toBe(false)
  })

  test('after a connection that was lost', () => {
    const lone = established(PASSIVE, { restartTime: 60 })
    expect(dials(lone.closed('reset', lone.accepted)).length).toBeGreaterThan(3)
  })

  test('after a NOTIFICATION over which both keep routes (RFC 8538)', () => {
    const lone = established({ ...PASSIVE, restartNotification: true }, { restartTime: 60, restartNotification: true })
    expect(dials(lone.receive(CEASE, lone.accepted)).length).toBeGreaterThan(3)
  })

  test('until it has called itself', () => {
    const lone = established(PASSIVE, { restartTime: 60 })
    lone.closed('reset', lone.accepted).accept()
    lone.receive(concat(openOf({ restartTime: 60 }), KEEPALIVE), lone.accepted)
    expect([lone.peer.state, lone.peer.isDialling]).toEqual(['Established', false])
  })
})

describe('a passive neighbor is not dialled', () => {
  test('after our first start', () => expect(dials(new LonePeer(PASSIVE).start())).toEqual([]))

  test('after our own restart, where we do not announce graceful restart', () => {
    expect(dials(new LonePeer({ passive: true }, 1, RESTARTED).start())).toEqual([])
  })

  test('after a loss, where it does not announce graceful restart', () => {
    const lone = established(PASSIVE, {})
    expect(dials(lone.closed('reset', lone.accepted))).toEqual([])
  })

  test.each([
    ['a NOTIFICATION, without the N bit', {}, CEASE],
    ['a Hard Reset (RFC 8538)', { restartNotification: true }, HARD_RESET],
  ])('after %s', (_, both, bytes) => {
    const lone = established({ ...PASSIVE, ...both }, { restartTime: 60, ...both })
    expect(dials(lone.receive(bytes, lone.accepted))).toEqual([])
  })
})
