import { describe, expect, test } from 'vitest'
import { Contact } from '../../../src/edge/kubernetes/contact.ts'

const { signal } = new AbortController()

/** Lets promises that are settled be heard. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('while the server is lost', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name })) as [object, object, object]

  test('one asks, the others wait, and all go on when it is heard', async () => {
    const contact = new Contact()
    contact.failed(a)
    const turns: string[] = []
    for (const who of [a, b, c])
      void contact.awaitTurn(who, signal).then((back) => turns.push(`${[b, a, c].indexOf(who)} ${back}`))
    await settled()
    expect([turns, contact.mustWait(a), contact.mustWait(b)]).toEqual([['1 false'], false, true])
    expect(contact.heard()).toBe(true)
    await settled()
    expect(turns).toEqual(['1 false', '0 true', '2 true'])
    expect(contact.heard()).toBe(false)
  })

  test('one alone tries again, and the others wait through its pauses', async () => {
    const contact = new Contact()
    contact.failed(a)
    contact.failed(b)
    for (let round = 0; round < 3; round++) {
      expect([contact.mustWait(a), contact.mustWait(b), contact.mustWait(c)]).toEqual([false, true, true])
      expect(await contact.awaitTurn(a, signal)).toBe(false)
      contact.failed(a)
    }
  })

  test('each has its turn after the pause of the one before, and their failures count together', async () => {
    const contact = new Contact()
    contact.failed(a)
    contact.failed(b)
    const turns: string[] = []
    const take = (who: object) =>
      void contact.awaitTurn(who, signal).then(() => turns.push('abc'[[a, b, c].indexOf(who)] ?? ''))
    take(b)
    take(c)
    await settled()
    for (const who of [a, b, c, a, b]) {
      expect(contact.mustWait(who)).toBe(false)
      take(who)
      await settled()
      contact.failed([a, b, c].find((one) => !contact.mustWait(one)) as object)
    }
    expect([turns, contact.failures]).toEqual([['b', 'c', 'a', 'b', 'c'], 6])
    contact.heard()
    expect(contact.failures).toBe(0)
  })

  test('one that ends lets another ask, and one that is stopped waits no more', async () => {
    const contact = new Contact()
    contact.failed(a)
    const stopping = new AbortController()
    const turns: string[] = []
    void contact.awaitTurn(b, stopping.signal).then(() => turns.push('stopped'))
    stopping.abort()
    await settled()
    void contact.awaitTurn(c, signal).then(() => turns.push('next'))
    contact.left(b)
    await settled()
    expect(turns).toEqual(['stopped'])
    contact.left(a)
    await settled()
    expect(turns).toEqual(['stopped', 'next'])
  })
})

test.each([
  [10, 3_000, 200],
  [1_000, 6_000, 20_000],
  [5_000, 30_000, 100_000],
])('of %d nodes each waits at most %d ms, and spreads lists over %d ms', (nodes, pause, spread) => {
  const contact = new Contact()
  contact.nodes = nodes
  expect([contact.longestPause, contact.spread]).toEqual([pause, spread])
})

test('a version that was asked for before the server was lost is asked for again', async () => {
  const contact = new Contact()
  const ask = (version: string) => contact.versionAfter(0, async () => version)
  expect([await ask('9'), await ask('5')]).toEqual(['9', '9'])
  contact.failed({})
  expect(await ask('5')).toBe('5')
})
