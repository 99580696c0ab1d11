import { describe, expect, test } from 'vitest'
import { ConnectionLimit } from '../../../src/edge/operate/connection-limit.ts'

const LIMITS = { most: 4, mostPerCaller: 2, reserved: 1 }
const stranger = (name: string) => ({ name, privileged: false })
const PROBE = { name: 'here', privileged: true }

describe('at most four connections, two for each caller, and one of the four reserved', () => {
  test('a closed connection makes room', () => {
    const limit = new ConnectionLimit<string>(LIMITS)
    expect([limit.admit('a', stranger('1')), limit.admit('b', stranger('2'))]).toEqual([undefined, undefined])
    limit.remove('a')
    limit.remove('a')
    expect([limit.open, limit.refused]).toEqual([1, 0])
  })

  test('a newcomer replaces the connection that has been idle longest', () => {
    const limit = new ConnectionLimit<string>(LIMITS)
    for (const name of ['a', 'b', 'c']) limit.admit(name, stranger(name))
    limit.setBusy('a')
    limit.setIdle('a')
    expect(limit.admit('d', stranger('d'))).toBe('b')
    expect([limit.open, limit.refused]).toEqual([3, 1])
  })

  test('a connection that is being answered stays, and a newcomer is refused where all are', () => {
    const limit = new ConnectionLimit<string>(LIMITS)
    for (const name of ['a', 'b', 'c']) {
      limit.admit(name, stranger(name))
      limit.setBusy(name)
    }
    expect(limit.admit('d', stranger('d'))).toBe('d')
    expect(limit.admit('probe', PROBE)).toBeUndefined()
  })

  test('a caller that has reached its limit replaces its own connection, not one of another caller', () => {
    const limit = new ConnectionLimit<string>(LIMITS)
    limit.admit('other', stranger('2'))
    limit.admit('a1', stranger('1'))
    limit.admit('a2', stranger('1'))
    expect(limit.admit('a3', stranger('1'))).toBe('a1')
  })

  test('strangers never take the reserved place, and are closed for a probe', () => {
    const limit = new ConnectionLimit<string>(LIMITS)
    limit.admit('probe1', PROBE)
    for (const name of ['a', 'b', 'c', 'd', 'e']) limit.admit(name, stranger(name))
    expect(limit.open).toBe(4)
    expect(limit.admit('probe2', PROBE)).toBe('c')
    expect(limit.admit('probe3', PROBE)).toBe('probe1')
  })

  test('what a connection does after it left changes nothing', () => {
    const limit = new ConnectionLimit<string>(LIMITS)
    limit.admit('a', stranger('1'))
    limit.remove('a')
    limit.setIdle('a')
    expect(limit.admit('b', stranger('2'))).toBeUndefined()
    expect(limit.open).toBe(1)
  })
})
