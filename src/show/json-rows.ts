/** The lines of an answer in JSON: one value, or an array with an item on each line. */
import { inSeconds, type Millis } from '../base/units.ts'
import { CODE, PAUSE, type Row } from './reply.ts'
import { formatRfc3339 } from './time.ts'
import type { View } from './view.ts'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

export function* one(value: Json, end: Row = { code: CODE.ok, text: '' }): Iterable<Row> {
  yield { code: CODE.json, text: JSON.stringify(value) }
  yield end
}

/** An array with an item on each line; `end` is the last line of the answer. An undefined item is a pause. */
export function* list(
  items: Iterable<Json | undefined>,
  end: (count: number) => Row = () => ({ code: CODE.ok, text: '' }),
): Iterable<Row> {
  yield { code: CODE.json, text: '[' }
  const count = yield* itemRows(items)
  yield { code: CODE.json, text: ']' }
  yield end(count)
}

/** The items of an array, each on a line. Returns how many there were. */
export function* itemRows(items: Iterable<Json | undefined>): Generator<Row, number> {
  let count = 0
  let held: string | undefined
  for (const item of items) {
    if (item === undefined) {
      yield PAUSE
      continue
    }
    if (held !== undefined) yield { code: CODE.json, text: `${held},` }
    held = JSON.stringify(item)
    count++
  }
  if (held !== undefined) yield { code: CODE.json, text: held }
  return count
}

/** What was asked for is not there: an empty list, and why. */
export const nothing = (why: Row): Iterable<Row> => list([], () => why)

/** Pauses, which are undefined, stay. */
export function* mapped<Item>(
  items: Iterable<Item | undefined>,
  toJson: (item: Item) => Json,
): Iterable<Json | undefined> {
  for (const item of items) yield item === undefined ? undefined : toJson(item)
}

/** RFC 3339, of a time on the engine's clock. */
export const time = (view: View, at: Millis): string => formatRfc3339(view.epoch + at)
/** How many whole seconds ago. */
export const seconds = (view: View, since: Millis): number => Math.max(0, Math.floor(inSeconds(view.now - since)))
