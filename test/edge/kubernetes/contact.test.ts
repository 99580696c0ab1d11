import { describe, expect, test } from 'vitest'
import { Contact } from '../../../src/edge/kubernetes/contact.ts'

const { signal } = new AbortController()

/** Lets promises that are settled be heard. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('while the server is lost', () => {
  test('one asks, the others wait, and all go on when it is heard', async () => {
    const contact = new Contact()
    contact.failed()
    const turns: string[] = []
    for (const name of ['a', 'b', 'c']) void contact.turn(signal).then((back) => turns.push(`${name} ${back}`))
    await settled()
    expect([turns, contact.mustWait]).toEqual([['a false'], true])
    contact.heard()
    await settled()
    expect(turns).toEqual(['a false', 'b true', 'c true'])
  })

  test('when it fails, the next to come asks', async () => {
    const contact = new Contact()
    contact.failed()
    await contact.turn(signal)
    contact.failed()
    expect(await contact.turn(signal)).toBe(false)
    expect(contact.mustWait).toBe(true)
  })

  test('one that ends lets another ask, and one that is stopped waits no more', async () => {
    const contact = new Contact()
    contact.failed()
    await contact.turn(signal)
    const stopping = new AbortController()
    const turns: string[] = []
    void contact.turn(stopping.signal).then(() => turns.push('stopped'))
    stopping.abort()
    await settled()
    void contact.turn(signal).then(() => turns.push('next'))
    contact.left()
    await settled()
    expect(turns).toEqual(['stopped', 'next'])
  })
})

test.each([
  [10, 3_000, 10],
  [1_000, 6_000, 1_000],
  [5_000, 30_000, 5_000],
])('of %d nodes each waits at most %d ms, and spreads lists over %d ms', (nodes, pause, spread) => {
  const contact = new Contact()
  contact.nodes = nodes
  expect([contact.longestPause, contact.spread]).toEqual([pause, spread])
})
