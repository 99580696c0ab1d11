/** Which neighbor a connection from an address is for. */
import { describe, expect, test } from 'vitest'
import { UNKNOWN_ADDRESS } from '../../src/cluster/intent.ts'
import { isStopped, type Neighbor, Neighbors } from '../../src/engine/neighbors.ts'

const ADDRESS = '10.0.0.1'

interface Standing {
  readonly port: number
  readonly held?: boolean
  readonly inSession?: boolean
}

/** Just what is asked of it. */
const neighbor = (name: string, { port, held = false, inSession = false }: Standing): Neighbor =>
  ({
    name,
    intent: { address: ADDRESS, port, held: held ? 'a filter is missing' : undefined },
    peer: { session: inSession ? {} : undefined },
  }) as unknown as Neighbor

test.each<[string, Standing, Standing, 'one' | 'other']>([
  ['the one without a session', { port: 1790, inSession: true }, { port: 179 }, 'other'],
  ['the one in a session, not one that is held', { port: 179, held: true }, { port: 179, inSession: true }, 'other'],
  [
    'the one that is held, where its port is another',
    { port: 1790, held: true },
    { port: 179, inSession: true },
    'one',
  ],
  ['the one that may run', { port: 179, held: true }, { port: 1790 }, 'other'],
])('of two neighbors with one address it is %s', (_, one, other, expected) => {
  const neighbors = new Neighbors()
  neighbors.add(neighbor('one', one))
  neighbors.add(neighbor('other', other))
  expect(neighbors.calledBy(ADDRESS)?.name).toBe(expected)
})

describe('a neighbor that is held', () => {
  test.each<[string, object, boolean]>([
    ['that an object names by address is stopped', { address: ADDRESS }, true],
    ['whose router is not heard may come soon', { address: UNKNOWN_ADDRESS, interface: 'eth0' }, false],
    ['whose gateway is not known may come soon', { address: UNKNOWN_ADDRESS, gateway: 'ipv4' }, false],
    ['whose router is another neighbor already is stopped', { address: ADDRESS, interface: 'eth0' }, true],
  ])('%s', (_, intent, expected) => {
    const held = { disabled: undefined, leaving: 'here', intent: { held: 'why', ...intent } }
    expect(isStopped(held as unknown as Neighbor)).toBe(expected)
  })
})
