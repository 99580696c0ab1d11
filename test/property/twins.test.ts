/** Two sessions with one router, each with its own family, whatever happens to them in whatever order. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { remove, upsert } from '../support/objects.ts'
import { heard, scene } from '../support/twins.ts'

test('whatever came first, each family goes over the session it should, and nobody else is reset', () => {
  const step = fc.record({
    what: fc.constantFrom('four', 'six', 'ghost', 'other-four', 'other-six', 'cut', 'external'),
    wait: fc.constantFrom(0, 10, 1_500, 30_000),
  })
  const property = fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (history) => {
    const { world, tor, other, worker, to } = scene()
    const there = new Set<string>()
    const addresses: Record<string, string> = {
      four: '10.0.0.1',
      six: 'fd00:10::1',
      ghost: 'fd00:10::99',
      'other-four': '10.0.0.2',
      'other-six': 'fd00:10::2',
    }
    let words = false
    for (const { what, wait } of history) {
      const address = addresses[what]
      if (what === 'external') words = !words
      else if (address === undefined) world.ask(tor, 'restart worker*')
      else if (there.delete(what)) world.change(worker, [remove(to(what, address))])
      else {
        there.add(what)
        world.change(worker, [upsert(to(what, address, words ? { asNumber: undefined, remoteAS: 'external' } : {}))])
      }
      world.pass(wait)
    }
    world.pass(150_000)
    for (const [host, name] of [
      [tor, ''],
      [other, 'other-'],
    ] as const) {
      const [four, six] = [there.has(`${name}four`), there.has(`${name}six`)]
      const by = (family: boolean): string => (family ? 'fd00:10::11' : '10.0.0.11')
      const wanted = !four && !six ? [] : [`10.244.1.0/24 from ${by(!four)}`, `fd00:244:1::/64 from ${by(six)}`]
      expect(heard(world, host).filter((line) => !line.includes('fd00:99'))).toEqual(wanted.sort())
    }
  })
  fc.assert(property, { numRuns: 40 })
})
