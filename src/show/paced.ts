/** So much of what costs about as much as a neighbor is made between two pauses. */
const AT_ONCE = 128

/**
 * Things that are made when they are taken, with a pause in between, which is undefined, whenever so many of them have
 * been that sockets have to be read.
 */
export function* paced<Item>(items: Iterable<Item>, atOnce = AT_ONCE): Generator<Item | undefined> {
  let taken = 0
  for (const item of items) {
    yield item
    taken++
    if (taken % atOnce === 0) yield undefined
  }
}
