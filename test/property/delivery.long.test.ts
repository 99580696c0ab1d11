/** What we attract we deliver: in networks made by chance, a packet is followed for each route that a machine was told. */
import { expect, test } from 'vitest'
import { Chance } from '../../src/base/chance.ts'
import { Network } from '../support/network.ts'

const RUNS = Number(process.env.GODWIT_RUNS ?? 80)

test.each(Array.from({ length: RUNS }, (_, index) => index + 1))(
  'each route that a machine was told leads to its pods: network %i',
  (seed) => {
    const network = new Network(new Chance(seed))
    if (seed % 2 === 0) network.addDefaultRoutes()
    network.world.pass(30_000)
    const steps: string[] = []
    for (let step = 0; step < 6; step++) {
      expect([steps, network.broken()]).toEqual([steps, []])
      steps.push(step % 3 === 2 ? network.part() : network.disturb())
      network.world.pass(10_000)
    }
  },
)
