/** Places of a `peerRange` are for neighbors that speak: a host that connects and says nothing holds none for long. */
import { expect, test } from 'vitest'
import { type RawNeighbor, Rig } from '../support/rig.ts'

const PLACES = 3

/** Hosts of one range; each may call. */
const scene = () => {
  const range = { peerRange: '10.0.0.0/24', remoteAS: 'external', peerRangeLimit: PLACES }
  const whoever = { peerIP: undefined, asNumber: undefined, passive: undefined }
  const rig = new Rig({ neighbors: 8, asns: Array(8).fill(65_001), spec: { ...whoever, ...range } })
  return { rig, hosts: rig.neighbors }
}

/** Which still have their connection. */
const connected = (hosts: readonly RawNeighbor[]) =>
  hosts.flatMap(({ conn, ended }, index) => (conn !== undefined && !ended ? [index] : []))

test('the silent one that came first gives way to one that calls, and is told so', () => {
  const { hosts } = scene()
  for (const host of hosts.slice(0, 6)) host.connect()
  expect(connected(hosts)).toEqual([3, 4, 5])
  const [first] = hosts
  // NOTIFICATION, Cease, Out of Resources.
  expect([...(first?.heard.at(-1) ?? [])].slice(18, 21)).toEqual([3, 6, 8])
})

test('one that has sent its OPEN stays, and so does one that is Established', () => {
  const { rig, hosts } = scene()
  const [one, two, ...others] = hosts
  one?.establish()
  two?.connect().send(two.open())
  for (const host of others) host.connect()
  expect(connected(hosts)).toEqual([0, 1, 7])
  expect(one?.established).toBe(true)
  expect(rig.engine.view(rig.now).callers()).toMatchObject({ refused: 0 })
})

test('where all have sent theirs, one more is refused', () => {
  const { rig, hosts } = scene()
  for (const host of hosts.slice(0, PLACES)) host.establish()
  hosts[PLACES]?.connect()
  expect(connected(hosts)).toEqual([0, 1, 2])
  expect(rig.engine.view(rig.now).callers().recent).toMatchObject([
    { reason: '3 neighbors from 10.0.0.0/24 are connected, which is the limit' },
  ])
})
