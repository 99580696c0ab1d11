/** A neighbor that has been told everything reads what its update group encodes once, whatever it was behind with before. */
import { expect, test } from 'vitest'
import { REJECT_ALL } from '../../../src/bgp/policy/defaults.ts'
import { Rib } from '../../../src/bgp/rib/rib.ts'
import { Listener, neighbor, originatedRoute, prefix, settle } from '../../support/rib.ts'

const X = '10.1.0.0/16'
const [a, b] = [neighbor(1), neighbor(2)]

/** Both have been told `X`. */
function scene() {
  const rib = new Rib()
  const drain = (...peers: readonly { readonly name: string }[]): void => {
    settle(rib)
    for (const { name } of peers) new Listener(a).drain(rib, name)
  }
  rib.addPeer(a)
  rib.addPeer(b)
  rib.originate([originatedRoute(X)], 0)
  drain(a, b)
  expect(rib.isQuiet).toBe(true)
  return { rib, drain }
}

test('it has read everything before the others had', () => {
  const { rib, drain } = scene()
  rib.refreshOut(a.name, 'ipv4')
  settle(rib)
  rib.originate([originatedRoute('10.2.0.0/16')], 0)
  drain(a, b)
  expect(rib.isQuiet).toBe(true)
})

test('what it had still to read is no more', () => {
  const { rib, drain } = scene()
  rib.setPeer({ ...a, exportPolicy: REJECT_ALL })
  drain(a)
  rib.setPeer(a)
  settle(rib)
  rib.withdraw([prefix(X)])
  drain(b)
  expect([rib.isQuiet, rib.pending(a.name)]).toEqual([true, false])
})
