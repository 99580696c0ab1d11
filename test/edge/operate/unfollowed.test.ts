/** Who waits for state that is read when it is asked for, and for how many readings. */
import { expect, test } from 'vitest'
import { Unfollowed } from '../../../src/edge/operate/unfollowed.ts'
import type { Input } from '../../../src/engine/input.ts'
import { COMMANDS } from '../../../src/show/commands.ts'

/** Readings that end when the test says so. */
class SlowReadings {
  readonly #ends: (() => void)[] = []
  begun = 0

  readonly read = (): Promise<void> => {
    this.begun++
    return new Promise((resolve) => this.#ends.push(resolve))
  }

  async end(): Promise<void> {
    this.#ends.shift()?.()
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
}

function room() {
  const passed: string[] = []
  const nat = new SlowReadings()
  const bfd = new SlowReadings()
  const feed = (input: Input) => passed.push(input.kind === 'command' ? `${input.client} ${input.line}` : input.kind)
  const unfollowed = new Unfollowed({ feed, read: { nat: nat.read, bfd: bfd.read } })
  const ask = (client: number, line: string) => unfollowed.take({ kind: 'command', client, line })
  return { passed, nat, bfd, unfollowed, ask }
}

test('while a reading hangs, only commands that show what it reads wait, however many scrapes there are', () => {
  const { passed, nat, bfd, unfollowed, ask } = room()
  for (let scrape = 0; scrape < 100; scrape++) unfollowed.refresh()
  const expected: string[] = []
  for (const [client, { words, reads }] of COMMANDS.entries()) {
    const line = words.join(' ')
    ask(client, line)
    if (reads === undefined) expected.push(`${client} ${line}`)
  }
  expect(passed).toEqual(expected)
  expect(expected).toEqual(expect.arrayContaining([expect.stringContaining('down'), expect.stringContaining('drain')]))
  expect([nat.begun, bfd.begun]).toEqual([1, 1])
})

test('a hundred scrapes and commands share one reading that runs and one that waits', async () => {
  const { passed, nat, unfollowed, ask } = room()
  for (let client = 0; client < 100; client++) {
    unfollowed.refresh()
    ask(client, 'show nat')
  }
  await nat.end()
  // What runs may have read already what has changed since: only the next is for those who came meanwhile.
  expect(passed).toEqual([])
  await nat.end()
  expect(passed).toHaveLength(100)
  await nat.end()
  expect(nat.begun).toBe(2)
})

test('one kind of state does not wait for another', async () => {
  const { passed, bfd, ask } = room()
  ask(1, 'show nat')
  ask(2, 'show bfd sessions')
  await bfd.end()
  expect(passed).toEqual(['2 show bfd sessions'])
})

test('a command of a client that has gone is not run', async () => {
  const { passed, nat, unfollowed, ask } = room()
  ask(1, 'show nat')
  ask(2, 'show nat')
  unfollowed.take({ kind: 'client-closed', client: 1 })
  await nat.end()
  await nat.end()
  expect(passed).toEqual(['client-closed', '2 show nat'])
})

test('a reading that fails holds nobody', async () => {
  const passed: string[] = []
  const read = () => Promise.reject(new Error('no'))
  const unfollowed = new Unfollowed({ feed: ({ kind }) => passed.push(kind), read: { nat: read, bfd: read } })
  for (let round = 1; round <= 2; round++) {
    unfollowed.take({ kind: 'command', client: 1, line: 'show nat' })
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    expect(passed).toHaveLength(round)
  }
})
