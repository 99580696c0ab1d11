/** Our own graceful restart, killed at random times. GODWIT_SEEDS sets how many histories are tried. */
import { expect, test } from 'vitest'
import { Chance } from '../../src/base/chance.ts'
import type { Host } from '../support/world.ts'
import { RestartLab } from './restart-lab.ts'

const SEEDS = Number(process.env.GODWIT_SEEDS ?? 8)

test('§4.2: killed at any time, as often as may be, while another router is away: no route is lacking', () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const lab = new RestartLab()
    const chance = new Chance(seed)
    lab.world.crash(lab.routers[1] as Host)
    for (let kills = 0; kills < 6; kills++) {
      lab.world.crash(lab.worker)
      expect([seed, lab.lacks(100 * Math.floor(chance.next() * 100))]).toEqual([seed, 0])
      lab.start()
      // Sessions are up by then: what is killed earlier has changed nothing.
      expect([seed, lab.lacks(100 * Math.floor(chance.next() * 250))]).toEqual([seed, 0])
    }
    expect([seed, lab.lacks(30_000)]).toEqual([seed, 0])
  }
})
