/** Places are forgotten when nothing is or should be there, and are compared in the order in which they were touched. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { Places } from '../../src/dataplane/places.ts'
import { ownRoute } from '../support/fake-kernel.ts'

const PREFIXES = ['10.0.0.0/24', '10.0.1.0/24', 'fd00::/64']
const { prefix: FIRST } = ownRoute('10.0.0.0/24')

describe('one place', () => {
  test.each<[string, (places: Places) => void]>([
    ['taught and taken back', (places) => places.learn(places.make(FIRST, MAIN_TABLE), undefined)],
    [
      'held and dropped',
      (places) => {
        places.hold(places.make(FIRST, MAIN_TABLE), true)
        places.hold(places.make(FIRST, MAIN_TABLE), false)
      },
    ],
    ['there and gone', (places) => places.fall(places.stand(ownRoute(FIRST.text)))],
  ])('that was %s is forgotten once it has been compared', (_, pass) => {
    const places = new Places(MAIN_TABLE)
    places.touch(places.make(FIRST, MAIN_TABLE))
    pass(places)
    const place = places.next()
    expect(place).toBe(places.at(FIRST.text))
    if (place !== undefined) places.settle(place)
    expect([...places.all()]).toEqual([])
    expect([places.hasDirty, places.size]).toEqual([false, { wanted: 0, present: 0 }])
  })

  test('is one in the main table and another in one of its own', () => {
    const places = new Places(MAIN_TABLE)
    const [main, own] = [places.make(FIRST, MAIN_TABLE), places.make(FIRST, 1000)]
    expect(main).not.toBe(own)
    expect([places.in(FIRST.text, MAIN_TABLE), places.in(FIRST.text, 1000)]).toEqual([main, own])
    expect(places.stand({ ...ownRoute(FIRST.text), table: 1000 })).toBe(own)
  })
})

test('whatever is done, there are as many records as places with something, and each touch is answered once', () => {
  const step = fc.record({
    kind: fc.constantFrom('learn', 'forget', 'hold', 'drop', 'stand', 'fall', 'touch', 'next'),
    text: fc.constantFrom(...PREFIXES),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const places = new Places(MAIN_TABLE)
      const [learned, held, present] = [new Set<string>(), new Set<string>(), new Set<string>()]
      const touched: string[] = []
      const next = () => {
        const place = places.next()
        expect(place?.prefix.text).toBe(touched.shift())
        if (place !== undefined) places.settle(place)
      }
      for (const { kind, text } of steps) {
        if (kind === 'next') {
          next()
          continue
        }
        const { prefix } = ownRoute(text)
        const place = kind === 'stand' ? places.stand(ownRoute(text)) : places.make(prefix, MAIN_TABLE)
        if (kind === 'learn' || kind === 'forget') places.learn(place, kind === 'learn' ? [] : undefined)
        if (kind === 'hold' || kind === 'drop') places.hold(place, kind === 'hold')
        places.touch(place)
        if (kind === 'fall') places.fall(place)
        const set = {
          learn: learned,
          forget: learned,
          hold: held,
          drop: held,
          stand: present,
          fall: present,
          touch: undefined,
        }[kind]
        if (['learn', 'hold', 'stand'].includes(kind)) set?.add(text)
        else set?.delete(text)
        if (!touched.includes(text)) touched.push(text)
      }
      while (places.hasDirty) next()
      expect(touched).toEqual([])
      expect(places.size).toEqual({ wanted: learned.size + held.size, present: present.size })
      const some = new Set([...learned, ...held, ...present])
      expect([...places.all()].map(({ prefix }) => prefix.text).sort()).toEqual([...some].sort())
    }),
  )
})
