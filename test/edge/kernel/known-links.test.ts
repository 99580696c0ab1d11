/** What is known of links after events were lost: only a full reading says what they are now. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LinkTable } from '../../../src/dataplane/links.ts'
import { KnownLinks } from '../../../src/edge/kernel/known-links.ts'
import { RTM_DELLINK, RTM_NEWLINK } from '../../../src/edge/kernel/netlink-link.ts'
import { Attributes } from '../../../src/edge/kernel/netlink-message.ts'

const [IFINFOMSG, IFLA_IFNAME] = [16, 3]

function tell(links: KnownLinks, type: number, index: number, name: string): void {
  const text = new TextEncoder().encode(`${name}\0`)
  const bytes = new Uint8Array(IFINFOMSG + 4 + text.length)
  const view = new DataView(bytes.buffer)
  view.setInt32(4, index, true)
  view.setUint32(8, 1, true)
  view.setUint16(IFINFOMSG, 4 + text.length, true)
  view.setUint16(IFINFOMSG + 2, IFLA_IFNAME, true)
  bytes.set(text, IFINFOMSG + 4)
  links.take({ type, flags: 0, seq: 0, port: 0, from: 0, to: bytes.length }, new Attributes(bytes))
}

/** Links by index; some events are lost, and then all links are read. */
const NAMES: readonly string[] = ['a', 'b', 'c', 'd']
const names = fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 4 })
const seen = fc.array(fc.tuple(fc.constantFrom('new', 'gone'), fc.nat(3)), { maxLength: 4 })

test('each name leads to the link that has it now, also where links swapped their names', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(names, seen), { minLength: 1, maxLength: 4 }), (rounds) => {
      const links = new KnownLinks()
      const table = new LinkTable()
      for (const [now, events] of rounds) {
        for (const [kind, at] of events) {
          const name = now[at]
          if (kind === 'gone') tell(links, RTM_DELLINK, at + 1, '')
          else if (name !== undefined) tell(links, RTM_NEWLINK, at + 1, name)
        }
        links.begin()
        for (const [at, name] of now.entries()) tell(links, RTM_NEWLINK, at + 1, name)
        links.end()
        const change = links.changes()
        if (change !== undefined) table.take(change)
        for (const name of NAMES) {
          const index = now.includes(name) ? now.indexOf(name) + 1 : undefined
          expect([name, links.indexOf(name), table.get(name)?.index]).toEqual([name, index, index])
        }
      }
    }),
    { numRuns: 500 },
  )
})
