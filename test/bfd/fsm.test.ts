import { expect, test } from 'vitest'
import { type BfdEvent, bfdStep } from '../../src/bfd/fsm.ts'
import { BFD_STATES, type BfdState } from '../../src/bfd/packet.ts'

const EVENTS: readonly BfdEvent[] = [
  'received-AdminDown',
  'received-Down',
  'received-Init',
  'received-Up',
  'detection-expired',
  'disable',
  'enable',
]

/** State, then the state and diagnostic after each event of `EVENTS` (RFC 5880 §6.2, §6.8.4, §6.8.6, §6.8.16). */
const rows: readonly (readonly [BfdState, string[]])[] = [
  ['AdminDown', ['AdminDown', 'AdminDown', 'AdminDown', 'AdminDown', 'AdminDown', 'AdminDown', 'Down 0']],
  ['Down', ['Down', 'Init', 'Up 0', 'Down', 'Down', 'AdminDown 7', 'Down']],
  ['Init', ['Down 3', 'Init', 'Up 0', 'Up 0', 'Down 1', 'AdminDown 7', 'Init']],
  ['Up', ['Down 3', 'Down 3', 'Up', 'Up', 'Down 1', 'AdminDown 7', 'Up']],
]

test.each(rows)('from %s, as RFC 5880 §6.2, §6.8.6 and §6.8.16 have it', (state, after) => {
  const found = EVENTS.map((event) => {
    const { state: to, diagnostic } = bfdStep(state, event)
    return diagnostic === undefined || to === state ? to : `${to} ${diagnostic}`
  })
  expect(found).toEqual(after)
})

test('every state has a row', () => expect(rows.map(([state]) => state).sort()).toEqual([...BFD_STATES].sort()))
