import { expect, test } from 'vitest'
import { ourConnectionLives, resolveCollision } from '../../../src/bgp/session/collision.ts'
import type { SessionState } from '../../../src/bgp/session/types.ts'

const LOW = { routerId: 1, as: 64512 }
const HIGH = { routerId: 2, as: 64512 }
const speaker = (routerId: number, as: number) => ({ routerId, as })

test.each([
  ['the higher identifier', speaker(2, 1), speaker(1, 2), true],
  ['the lower identifier', speaker(1, 2), speaker(2, 1), false],
  ['identifiers are unsigned', speaker(0xc0000201, 1), speaker(0x0a000001, 1), true],
  ['equal identifiers, the higher AS (RFC 6286 §2.3)', speaker(7, 70000), speaker(7, 64512), true],
  ['equal identifiers, the lower AS', speaker(7, 64512), speaker(7, 70000), false],
])('[13] ours lives? %s', (_, ours, theirs, lives) => {
  expect(ourConnectionLives(ours, theirs)).toBe(lives)
  expect(ourConnectionLives(theirs, ours)).toBe(!lives)
})

const DIALLED = true
const ACCEPTED = false

test.each([
  // arrived, other, other's state, we are the higher one, verdict
  [DIALLED, ACCEPTED, 'OpenConfirm', true, 'arrived'],
  [DIALLED, ACCEPTED, 'OpenConfirm', false, 'other'],
  [ACCEPTED, DIALLED, 'OpenConfirm', true, 'other'],
  [ACCEPTED, DIALLED, 'OpenConfirm', false, 'arrived'],
  [DIALLED, ACCEPTED, 'OpenSent', true, 'arrived'],
  [DIALLED, ACCEPTED, 'OpenSent', false, 'both'],
  [ACCEPTED, DIALLED, 'OpenSent', true, 'other'],
  [ACCEPTED, DIALLED, 'OpenSent', false, 'arrived'],
  [ACCEPTED, ACCEPTED, 'OpenSent', true, 'arrived'],
  [ACCEPTED, ACCEPTED, 'OpenConfirm', false, 'arrived'],
  [ACCEPTED, DIALLED, 'Established', true, 'other'],
  [ACCEPTED, DIALLED, 'Established', false, 'other'],
  [ACCEPTED, ACCEPTED, 'Established', true, 'other'],
  [ACCEPTED, DIALLED, 'Connect', true, 'both'],
  [ACCEPTED, DIALLED, 'Active', false, 'both'],
  [ACCEPTED, DIALLED, 'Idle', false, 'both'],
] as const)(
  '[13] OPEN on dialled=%s against dialled=%s in %s, we are higher: %s → %s',
  (mine, its, state, higher, verdict) => {
    const arrived = { dialled: mine, state: 'OpenSent' as SessionState }
    const other = { dialled: its, state }
    expect(resolveCollision(arrived, other, higher ? HIGH : LOW, higher ? LOW : HIGH)).toBe(verdict)
  },
)
