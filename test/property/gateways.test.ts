/** A default gateway that flaps: whatever its history, the node ends with the sessions that a fresh start has. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GATEWAY, GatewayLab, OTHER, V4, V6 } from '../support/gateway-lab.ts'

type Family = 'ipv4' | 'ipv6'
interface Step {
  readonly family: Family
  /** Number of the router; 0: there is no default route. */
  readonly router: number
  readonly metric: number
  readonly wait: number
}

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6']
const addressOf = (family: Family, router: number): string => `${family === 'ipv4' ? '10.0.0.' : 'fd00:10::'}${router}`

const step: fc.Arbitrary<Step> = fc.record({
  family: fc.constantFrom(...FAMILIES),
  router: fc.constantFrom(0, 1, 2, 3),
  metric: fc.constantFrom(0, 100),
  wait: fc.constantFrom(0, 1, 500, 4_000, 30_000),
})

const router = fc.constantFrom(1, 2, 3)

const opened = (): GatewayLab => {
  const lab = new GatewayLab([GATEWAY, OTHER])
  lab.kernel.open()
  return lab
}

/** One default route takes the place of all others of its family. */
function take(lab: GatewayLab, { family, router, metric }: Step): void {
  lab.noDefault(family)
  if (router > 0) lab.defaultVia(addressOf(family, router), metric)
}

test('ends with the sessions of a fresh start, and nobody else is reset on the way', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), router, router, (history, ipv4, ipv6) => {
      const lab = opened()
      lab.world.pass(10_000)
      const others = lab.times('Global_10_0_0_3')
      for (const one of history) {
        take(lab, one)
        lab.world.pass(one.wait)
      }
      // A gateway stays the neighbor while there is no other: at the end there is one.
      const end = { ipv4, ipv6 }
      const fresh = opened()
      for (const family of FAMILIES) {
        take(lab, { family, router: end[family], metric: 0, wait: 0 })
        fresh.defaultVia(addressOf(family, end[family]))
      }
      lab.world.pass(150_000)
      fresh.world.pass(150_000)
      expect(lab.peers()).toEqual(fresh.peers())
      expect(lab.times('Global_10_0_0_3')).toBe(others)
      expect(lab.heard()).toEqual(fresh.heard())
    }),
    { numRuns: 60 },
  )
})

test('a gateway that goes and comes back has one session all along', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (history) => {
      const lab = opened()
      for (const family of FAMILIES) lab.defaultVia(addressOf(family, 1))
      lab.world.pass(20_000)
      expect([lab.times(V4), lab.times(V6)]).toEqual([1, 1])
      for (const { family, metric, wait } of history) {
        lab.noDefault(family)
        lab.world.pass(wait)
        lab.defaultVia(addressOf(family, 1), metric)
        lab.world.pass(wait)
      }
      lab.world.pass(150_000)
      expect([lab.times(V4), lab.times(V6)]).toEqual([1, 1])
    }),
    { numRuns: 40 },
  )
})
