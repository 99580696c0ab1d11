/** Neighbors that are lost: what it takes to remove what they said, beside a full table of another (9.A). */
import { expect, test } from 'vitest'
import { ACCEPT_ALL, REJECT_ALL } from '../../../src/bgp/policy/defaults.ts'
import { Rib } from '../../../src/bgp/rib/rib.ts'
import { announcement, attributes, neighbor, path, settle } from '../../support/rib.ts'

/** Nothing is told to them. */
const QUIET = { exportPolicy: REJECT_ALL }
const TABLE = 20_000
const MANY = 200

const [teller, ...others] = Array.from({ length: 1 + MANY }, (_, index) => neighbor(index + 1))
const asPathOf = (remoteAs: number) => attributes(path(remoteAs))

/** A full table of one neighbor, and one route of each of the others. */
function full(): Rib {
  const rib = new Rib()
  if (teller === undefined) throw new Error('nobody')
  for (const peer of [teller, ...others]) rib.addPeer(peer)
  const hear = (peer: typeof teller, texts: readonly string[]) => {
    const bytes = announcement(texts, asPathOf(peer.remoteAs), peer.remoteAddress)
    expect(rib.receive(peer.name, bytes, 0, bytes.length, 0).error).toBeUndefined()
  }
  for (let at = 0; at < TABLE; at += 100) {
    hear(
      teller,
      Array.from({ length: 100 }, (_, index) => `20.${(at + index) >> 8}.${(at + index) & 255}.0/24`),
    )
  }
  for (const [index, peer] of others.entries()) hear(peer, [`30.0.${index}.0/24`])
  settle(rib, 100_000)
  return rib
}

/** How often so much is done until nothing is left to do. */
function rounds(rib: Rib): number {
  let count = 0
  for (; rib.busy; count++) rib.advance(64, 0)
  return count
}

const lose = (rib: Rib, peers: typeof others): Rib => {
  for (const peer of peers) rib.removePeer(peer.name)
  return rib
}

test('two hundred at once are one walk over all paths, not one for each', () => {
  const [one, many] = [rounds(lose(full(), others.slice(0, 1))), rounds(lose(full(), others))]
  expect(one).toBeGreaterThan(10)
  // Each has the prefixes of its own that were advertised to it.
  expect(many).toBeLessThan(one + MANY * 25)
  const rib = lose(full(), others)
  rounds(rib)
  expect(rib.usage()).toMatchObject({ paths: TABLE, prefixes: TABLE })
})

test('a neighbor that is gone again is fed nothing: what was prepared for it alone costs one look at each prefix', () => {
  const rib = full()
  // With a policy of its own it is alone in its update group.
  const alone = neighbor(MANY + 2, { exportPolicy: { ...ACCEPT_ALL } })
  const flaps = 20
  for (let time = 0; time < flaps; time++) {
    rib.addPeer(alone)
    rib.removePeer(alone.name)
  }
  const looks = 64 * 16
  expect(rounds(rib)).toBeLessThan((flaps * 1.1 * TABLE) / looks)
})

test('numbers of neighbors that are gone are free again while another changes prefixes without a pause', () => {
  const rib = new Rib()
  const [busy, flapping] = [neighbor(1), neighbor(2, QUIET)]
  const steady = [neighbor(3, QUIET), neighbor(4, QUIET)]
  const hear = (peer: typeof busy, bytes: Uint8Array) => rib.receive(peer.name, bytes, 0, bytes.length, 0)
  const texts = (first: number) => Array.from({ length: 20 }, (_, index) => `20.${first}.${index}.0/24`)
  const says = [path(busy.remoteAs), path(busy.remoteAs, 7)].flatMap((asPath) =>
    Array.from({ length: 50 }, (_, first) => announcement(texts(first), attributes(asPath), busy.remoteAddress)),
  )
  const one = announcement(['30.0.0.0/24'], attributes(path(flapping.remoteAs)), flapping.remoteAddress)
  for (const peer of [busy, ...steady]) rib.addPeer(peer)
  let most = 0
  for (let round = 0; round < 300; round++) {
    for (let said = 0; said < 40; said++) hear(busy, says[(40 * round + said) % says.length] as Uint8Array)
    rib.addPeer(flapping)
    hear(flapping, one)
    rib.removePeer(flapping.name)
    rib.advance(600, 0)
    expect(rib.busy).toBe(true)
    most = Math.max(most, rib.numbersInUse)
  }
  expect(most).toBeLessThan(50)
  settle(rib)
  expect(rib.numbersInUse).toBe(3)
})
