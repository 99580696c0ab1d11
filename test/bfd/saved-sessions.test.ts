/** What a run of BFD has left is read only if it is what one leaves. */
import { describe, expect, test } from 'vitest'
import { readSavedSessions } from '../../src/bfd/saved-sessions.ts'
import type { SavedSession } from '../../src/bfd/types.ts'
import { makeEngine, sessions, Wire } from './support.ts'

const asFile = (sessions: readonly unknown[]): unknown => JSON.parse(JSON.stringify(sessions))

const link = { remote: 'fe80::1%eth1', local: 'fe80::2%eth1', interface: 'eth1', isBound: true } as const
const engine = makeEngine()
engine.handle(sessions(link, { remote: '10.0.0.1', local: undefined }), 0)
const saved = engine
  .handle({ kind: 'hand-over', away: 30_000_000 }, 0)
  .flatMap((effect) => (effect.kind === 'handed-over' ? effect.sessions : []))
const [first, second] = saved as [SavedSession, SavedSession]
const up = new Wire().runTo(5_000).a.kept as SavedSession

test('sessions that a run hands over are read as they were', () => {
  expect(saved).toHaveLength(2)
  expect(readSavedSessions(asFile(saved))).toEqual(asFile(saved))
  expect(readSavedSessions([])).toEqual([])
})

test('what is kept of a session in whatever state is read as it was', () => {
  const wire = new Wire()
  const states = new Set<string>()
  const look = () => {
    const { kept } = wire.a
    states.add(`${kept?.state} ${kept?.heard.state}`)
    expect(readSavedSessions(asFile([kept]))).toEqual(asFile([kept]))
  }
  for (let at = 0; at < 5_000; at += 10) {
    wire.runTo(at)
    look()
  }
  wire.change(wire.a, { transmit: 10_000_000, receive: 10_000, multiplier: 255 })
  wire.travel = () => undefined
  for (let at = 5_000; at < 8_000; at += 10) {
    wire.runTo(at)
    look()
  }
  expect(states.size).toBeGreaterThan(1)
})

test.each<[string, unknown]>([
  ['no list', { 0: first }],
  ['nothing', undefined],
  ['a list with null', [first, null]],
  ['a list with a text', [first, 'x']],
  ['a session without values', [{}]],
  ['two sessions with one neighbor', [first, { ...second, intent: first.intent }]],
  ['two sessions with one discriminator', [first, { ...second, discriminator: first.discriminator }]],
  ['a session Up that has heard nothing', [{ ...first, state: 'Up' }]],
  ['a session Init that has heard nothing', [{ ...first, state: 'Init' }]],
  ['a session Up with a neighbor without a name', [{ ...up, heard: { ...up.heard, discriminator: 0 } }]],
  ['a session Up with a neighbor that has no multiplier', [{ ...up, heard: { ...up.heard, multiplier: 0 } }]],
  ['a session that may be unanswered', [{ ...up, isUnanswered: false }]],
  // It would ignore its neighbor for ever: nothing enables what was never disabled.
  ['a session that was disabled', [{ ...first, state: 'AdminDown' }]],
  ['an address in other letters', [{ ...first, intent: { ...first.intent, remote: 'FE80::1%eth1' } }]],
])('%s is none', (_name, value) => {
  expect(readSavedSessions(value)).toBeUndefined()
})

/** Each path to a value, and to a group of values. */
const pathsOf = (value: object): string[][] =>
  Object.entries(value).flatMap(([name, inner]) => [
    [name],
    ...(typeof inner === 'object' && inner !== null ? pathsOf(inner).map((path) => [name, ...path]) : []),
  ])

const withAt = (value: unknown, [name = '', ...rest]: readonly string[], odd: unknown): unknown => ({
  ...(value as object),
  [name]: rest.length === 0 ? odd : withAt((value as Record<string, unknown>)[name], rest, odd),
})

describe('a value that no run leaves', () => {
  test.each(pathsOf(first).map((path) => [path.join('.'), path] as const))('in %s', (_name, path) => {
    // A link has any name.
    for (const odd of [null, {}, -1, 0.5, 2 ** 32, '', 'nonsense'])
      if (!(path.at(-1) === 'interface' && typeof odd === 'string'))
        expect(readSavedSessions([withAt(first, path, odd)]), `${path.join('.')}: ${odd}`).toBeUndefined()
  })

  test.each([
    ['intent.transmit', 0],
    ['intent.receive', 9_999],
    ['intent.multiplier', 0],
    ['intent.multiplier', 256],
    ['advertised.desired', 0],
    ['advertised.multiplier', 0],
    ['discriminator', 0],
    ['port', 3784],
    ['diagnostic', 32],
  ])('%s: %i', (path, odd) => {
    expect(readSavedSessions([withAt(first, path.split('.'), odd)])).toBeUndefined()
  })
})
