/** Prefixes of objects beside ip-num's: what reading one costs, and asking whether one lies in another. */
import { IPv4CidrRange, IPv6CidrRange } from 'ip-num'
import { contains, type Prefix, parsePrefix } from '../../src/base/prefix.ts'

export interface PrefixRow {
  readonly what: string
  /** Nanoseconds, of the best round. */
  readonly ours: number
  readonly theirs: number
}

const ROUNDS = 7
const TEXTS = {
  IPv4: Array.from({ length: 500 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`),
  IPv6: Array.from({ length: 500 }, (_, index) => `fd00:244:${index.toString(16)}::/64`),
} as const
const RANGE = { IPv4: '10.0.0.0/8', IPv6: 'fd00::/8' } as const
const READ = { IPv4: IPv4CidrRange.fromCidr, IPv6: IPv6CidrRange.fromCidr } as const

/** One turn over `items` costs so much for each, in the quietest round. */
function cost<Item>(items: readonly Item[], act: (item: Item) => unknown): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const begin = performance.now()
    for (const item of items) act(item)
    return ((performance.now() - begin) * 1e6) / items.length
  })
  return Math.min(...rounds)
}

const read = (text: string): Prefix => parsePrefix(text) as Prefix

export function benchPrefixes(): PrefixRow[] {
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const texts = TEXTS[family]
    const [range, theirRange] = [read(RANGE[family]), READ[family](RANGE[family])]
    const [ours, theirs] = [texts.map(read), texts.map((text) => READ[family](text))]
    return [
      { what: `read ${family}`, ours: cost(texts, read), theirs: cost(texts, (text) => READ[family](text)) },
      {
        what: `contains ${family}`,
        ours: cost(ours, (prefix) => contains(range, prefix)),
        theirs: cost(theirs, (prefix) => theirRange.contains(prefix as never)),
      },
    ]
  })
}
