/** Items between two pauses, where each costs about as much as a neighbor. */
const AT_ONCE = 128

/** Yields the items, and `undefined` after every `atOnce` of them: a pause, so that sockets are read. */
export function* paced<Item>(items: Iterable<Item>, atOnce = AT_ONCE): Generator<Item | undefined> {
  let taken = 0
  for (const item of items) {
    yield item
    taken++
    if (taken % atOnce === 0) yield undefined
  }
}
