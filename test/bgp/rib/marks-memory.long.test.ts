/** RFC 9234 §5: what is kept of marks. In a thread of its own, where no other test's arrays are counted. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { neighbor, path } from '../../support/rib.ts'
import { Room } from '../../support/rib-rooms.ts'

const plain = neighbor(8)

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
/** What arrays of numbers take that are still in use. */
const arrayOctets = (): number => {
  for (let round = 0; round < 3; round++) collect()
  return process.memoryUsage().arrayBuffers
}

test('what is kept of marks does not grow with each AS that a neighbor comes with', () => {
  const room = new Room(plain)
  for (let number = 0; number < 1_000; number++)
    room.say(plain, [`10.${number >> 8}.${number & 255}.0/24`], path(plain.remoteAs, number))
  const before = arrayOctets()
  for (let remoteAs = 70_000; remoteAs < 70_500; remoteAs++) {
    const from = { ...neighbor(1, { role: 'customer' }), remoteAs }
    room.join(from).say(from, ['9.0.0.0/8'], path(remoteAs))
    expect(room.rib.page({ protocol: from.name }, undefined, 1).rows[0]?.attributes.onlyToCustomer).toBe(remoteAs)
    room.leave(from)
  }
  // A cache for each would be 10 MB.
  expect(arrayOctets() - before).toBeLessThan(4_000_000)
})
