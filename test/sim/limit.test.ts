/** A neighbor that fills the table up to the default limit, each route with attributes of its own. */
import { expect, test } from 'vitest'
import type { PathAttributes } from '../../src/bgp/wire/attribute.ts'
import { DEFAULT_MAX_PREFIXES } from '../../src/cluster/make-peer.ts'
import { concat } from '../support/lone-peer.ts'
import { announcement, attributes } from '../support/rib.ts'
import { type RawNeighbor, Rig } from '../support/rig.ts'

const GOOD = ['172.16.0.0/16', '172.17.0.0/16']

const routes = (
  neighbor: RawNeighbor,
  prefix: string,
  over: Partial<PathAttributes>,
  ...more: number[]
): Uint8Array => {
  const asPath = [{ kind: 'sequence', asns: [neighbor.asn, ...more] }] as const
  return announcement([prefix], attributes({ asPath, ...over }), neighbor.address)
}

const prefixOf = (index: number): string => `${20 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.0/24`

test('up to the limit all are taken; one more ends the session, and the other neighbor does not notice', () => {
  const rig = new Rig({ neighbors: 2, spec: { holdTime: 0 } })
  const [good, bad] = rig.neighbors as [RawNeighbor, RawNeighbor]
  good.establish()
  for (const prefix of GOOD) good.send(routes(good, prefix, {}))
  bad.establish()
  const each = (index: number): Uint8Array =>
    // The path is past every AS number in use here.
    routes(bad, prefixOf(index), { communities: [[index >>> 16, index & 0xffff]] }, 70_000 + index)
  for (let first = 0; first < DEFAULT_MAX_PREFIXES; first += 100) {
    bad.send(concat(...Array.from({ length: 100 }, (_, index) => each(first + index))))
  }
  expect(bad.notification).toBeUndefined()
  expect(rig.held(bad)).toBe(DEFAULT_MAX_PREFIXES)
  expect(rig.memory() / DEFAULT_MAX_PREFIXES).toBeLessThan(600)
  bad.send(each(DEFAULT_MAX_PREFIXES))
  // RFC 4486 §4: Maximum Number of Prefixes Reached.
  expect(bad.notification).toBe('6/1')
  bad.hangUp()
  expect(rig.held(bad)).toBe(0)
  expect([good.established, rig.held(good)]).toEqual([true, GOOD.length])
})
