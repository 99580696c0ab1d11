/**
 * What inputs take in memory while they are kept, as an estimate that never falls far below the truth: whoever sends
 * large objects, or many small ones, must not fill memory with what is kept for a replay file.
 */
import type { BfdNews } from '../../bfd/types.ts'
import type { ObjectChange } from '../../cluster/source.ts'
import type { KernelRoute } from '../../dataplane/kernel.ts'
import type { Link } from '../../dataplane/links.ts'
import type { NftTable } from '../../dataplane/nft-table.ts'
import type { Input } from '../../engine/input.ts'

/** Estimated octets: of an input, of a row in it, of an element or address in a row, and of a field or item of an object. */
const PLAIN = 128
const ROW = 512
const THING = 64
const FIELD = 32

export function weightOf(input: Input): number {
  switch (input.kind) {
    case 'received':
      return PLAIN + input.bytes.length
    case 'command':
      return PLAIN + input.line.length
    case 'objects':
      return sum(input.changes, weightOfChange)
    case 'remembered':
      return sum(input.objects, ({ object }) => weightOfObject(object))
    case 'links':
      return sum(input.change.present, weightOfLink) + THING * input.change.gone.length
    case 'kernel':
      return sum(input.change.present, weightOfRoute) + sum(input.change.gone, weightOfRoute)
    case 'nft-table':
      return PLAIN + (input.table === undefined ? 0 : weightOfTable(input.table))
    case 'applied':
      return PLAIN + THING * input.failed.length
    case 'polled':
      return PLAIN + 8 * input.unread.length
    case 'bfd':
      return sum(input.news, weightOfNews)
    case 'restarted':
      return PLAIN + weightOfObject(input.document) + weightOfObject(input.byHand)
    case 'cni':
      return PLAIN + weightOfText(input.config) + weightOfText(input.error)
    default:
      return PLAIN
  }
}

/** An answer has every session, and each question has one: a scrape, `show bfd` or `show nat`. */
const weightOfNews = (news: BfdNews): number => ('sessions' in news ? ROW * (1 + news.sessions.length) : ROW)

function weightOfChange(change: ObjectChange): number {
  switch (change.kind) {
    case 'upsert':
      return weightOfObject(change.object)
    case 'replace':
      return sum(change.objects, ({ object }) => weightOfObject(object))
    default:
      return ROW
  }
}

/**
 * The weight of an object as its source read it, with everything in it. Thousands are weighed in a row: no list of fields is
 * made.
 */
export function weightOfObject(object: unknown): number {
  let weight = ROW + weightOfText(object)
  const open = isThing(object) ? [object] : []
  const note = (field: unknown): void => {
    if (isThing(field)) open.push(field)
    else weight += weightOfText(field)
  }
  for (let thing = open.pop(); thing !== undefined; thing = open.pop()) {
    if (Array.isArray(thing)) {
      weight += FIELD * thing.length
      for (const item of thing) note(item)
      continue
    }
    for (const name in thing) {
      weight += FIELD + name.length
      note(thing[name])
    }
  }
  return weight
}

type Thing = Readonly<Record<string, unknown>>
const isThing = (value: unknown): value is Thing => typeof value === 'object' && value !== null
const weightOfText = (value: unknown): number => (typeof value === 'string' ? 2 * value.length : 0)

export const weightOfLink = ({ addresses }: Link): number => ROW + THING * addresses.length
const weightOfRoute = ({ hops }: KernelRoute): number => ROW + THING * hops.length

const weightOfTable = ({ chains, sets, rules }: NftTable): number =>
  sum(sets.values(), (elements) => ROW + THING * elements.length) + ROW * (chains.size + rules.length)

function sum<Item>(items: Iterable<Item>, weigh: (item: Item) => number): number {
  let all = PLAIN
  for (const item of items) all += weigh(item)
  return all
}
