/** Questions to a large table, a part of the answer in each turn. */
import { expect, test } from 'vitest'
import { ipv4Feed } from '../support/feed.ts'
import { Rig } from '../support/rig.ts'

const ROUTES = 9_000
/** And our own. */
const ALL = ROUTES + 1

const rig = new Rig()
const [teller] = rig.neighbors
teller?.establish()
for (const bytes of ipv4Feed(0, ROUTES)) teller?.send(bytes)

/** The answer, and the turns it took. */
function ask(line: string): { text: string; turns: number } {
  const client = 1
  let [text, turns] = ['', 0]
  const { engine } = rig
  const feed = (input: Parameters<typeof engine.handle>[0]): boolean => {
    turns++
    const replies = engine.handle(input, rig.now).filter((effect) => effect.kind === 'reply')
    for (const reply of replies) text += reply.text
    return replies.length > 0
  }
  feed({ kind: 'client-opened', client, restricted: false })
  feed({ kind: 'client-drained', client })
  text = ''
  turns = 0
  let isWritten = feed({ kind: 'command', client, line })
  while (!/^(0000|00\d\d|[89]\d{3}) /m.test(text)) {
    if (isWritten) isWritten = feed({ kind: 'client-drained', client })
    else {
      expect(engine.deadline()).toBe(rig.now)
      isWritten = feed({ kind: 'polled', until: rig.now, unread: [] })
    }
  }
  expect(engine.deadline()).not.toBe(rig.now)
  feed({ kind: 'client-closed', client })
  return { text, turns }
}

test.each([
  ['show route where net ~ 203.0.113.0/24', '0000 \n'],
  ['show route in 203.0.113.0/24', '0000 \n'],
  ['json show route in 203.0.113.0/24', '1900-[\n ]\n0000 \n'],
  ['show route count', `1007-${ALL} of ${ALL} routes for ${ALL} networks in table master4\n`],
  ['show route protocol pod_cidr count', 'routes for'],
  ['json show status', `"routes":{"ipv4":${ALL}`],
] as const)('%s is answered over several turns', (line, expected) => {
  const { text, turns } = ask(line)
  expect(text).toContain(expected)
  expect(turns).toBeGreaterThan(4)
})

test('one who leaves in between is forgotten', () => {
  const { engine } = rig
  engine.handle({ kind: 'client-opened', client: 7, restricted: false }, rig.now)
  engine.handle({ kind: 'client-drained', client: 7 }, rig.now)
  engine.handle({ kind: 'command', client: 7, line: 'show route in 203.0.113.0/24' }, rig.now)
  expect(engine.deadline()).toBe(rig.now)
  engine.handle({ kind: 'client-closed', client: 7 }, rig.now)
  expect(engine.deadline()).not.toBe(rig.now)
})
