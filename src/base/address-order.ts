/**
 * Sorted addresses: those inside a prefix are adjacent and are found by binary search. They lie in blocks, so that one more moves
 * the others of its block alone: a neighbor may announce hundreds of thousands of next hops.
 */
import { FAMILIES, type Family } from './family.ts'
import type { Prefix } from './prefix.ts'

/**
 * The octets of an address as a string of 16-bit numbers; the bits beyond `length` are those of `fill`. These strings sort
 * as the addresses do, and serve as keys of maps.
 */
export function addressKey(bytes: Uint8Array, length = bytes.length * 8, fill = 0): string {
  let key = ''
  for (let at = 0; at < bytes.length; at += 2) {
    const number = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
    const kept = Math.min(16, Math.max(0, length - at * 8))
    const mask = (0xffff0000 >> kept) & 0xffff
    key += String.fromCharCode((number & mask) | (fill & ~mask))
  }
  return key
}

/** The most addresses of a block. */
const MOST = 256

/** Two parallel lists: the sorted keys, at least one, and the row of each. */
interface Block<Row> {
  readonly keys: string[]
  readonly rows: Row[]
}

/** The rows of a block from one index up to another. */
type Piece<Row> = readonly [rows: readonly Row[], from: number, to: number]

export class AddressOrder<Row> {
  /** No key of a block is below one of the block before. */
  readonly #blocks: Readonly<Record<Family, Block<Row>[]>> = { ipv4: [], ipv6: [] }

  get isEmpty(): boolean {
    return FAMILIES.every((family) => this.#blocks[family].length === 0)
  }

  /** Several rows may have the same address. */
  add(address: Uint8Array, row: Row): void {
    const blocks = this.#blocks[familyOf(address)]
    const key = addressKey(address)
    const at = Math.min(firstBlock(blocks, key), blocks.length - 1)
    const block = blocks[at]
    if (block === undefined) {
      blocks.push({ keys: [key], rows: [row] })
      return
    }
    const place = firstFrom(block.keys, key)
    block.keys.splice(place, 0, key)
    block.rows.splice(place, 0, row)
    if (block.keys.length <= MOST) return
    blocks.splice(at + 1, 0, { keys: block.keys.splice(MOST >> 1), rows: block.rows.splice(MOST >> 1) })
  }

  remove(address: Uint8Array, row: Row): void {
    const blocks = this.#blocks[familyOf(address)]
    const key = addressKey(address)
    for (let at = firstBlock(blocks, key); at < blocks.length; at++) {
      const { keys, rows } = blocks[at] as Block<Row>
      const first = firstFrom(keys, key)
      if (keys[first] !== key) return
      const place = rows.indexOf(row, first)
      if (keys[place] !== key) continue
      keys.splice(place, 1)
      rows.splice(place, 1)
      joinNext(blocks, at)
      return
    }
  }

  firstInside({ family, bytes, length }: Prefix): Row | undefined {
    const blocks = this.#blocks[family]
    const first = addressKey(bytes, length)
    const block = blocks[firstBlock(blocks, first)]
    if (block === undefined) return undefined
    const at = firstFrom(block.keys, first)
    return (block.keys[at] as string) <= addressKey(bytes, length, 0xffff) ? block.rows[at] : undefined
  }

  countInside(prefix: Prefix): number {
    let count = 0
    for (const [, from, to] of this.#piecesInside(prefix)) count += to - from
    return count
  }

  /** The rows inside a prefix, as a copy: rows may be added and removed meanwhile. */
  inside(prefix: Prefix): Row[] {
    return [...this.#piecesInside(prefix)].flatMap(([rows, from, to]) => rows.slice(from, to))
  }

  *#piecesInside({ family, bytes, length }: Prefix): Iterable<Piece<Row>> {
    const blocks = this.#blocks[family]
    const first = addressKey(bytes, length)
    const last = addressKey(bytes, length, 0xffff)
    for (let at = firstBlock(blocks, first); at < blocks.length; at++) {
      const { keys, rows } = blocks[at] as Block<Row>
      const from = firstFrom(keys, first)
      // Most prefixes contain none or few.
      if ((keys[from] as string) > last) return
      const to = (keys.at(-1) as string) <= last ? keys.length : firstFrom(keys, `${last}\0`)
      yield [rows, from, to]
      if (to < keys.length) return
    }
  }
}

/** The index of the first block with a key that is not below this one. */
function firstBlock(blocks: readonly Block<unknown>[], key: string): number {
  let [low, high] = [0, blocks.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((blocks[middle]?.keys.at(-1) as string) < key) low = middle + 1
    else high = middle
  }
  return low
}

/** The index of the first key that is not below this one. */
function firstFrom(keys: readonly string[], key: string): number {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((keys[middle] as string) < key) low = middle + 1
    else high = middle
  }
  return low
}

/** A block that has become small takes in the next one, and an empty one goes: their number follows that of the addresses. */
function joinNext<Row>(blocks: Block<Row>[], at: number): void {
  const [block, next] = [blocks[at] as Block<Row>, blocks[at + 1]]
  if (block.keys.length === 0) blocks.splice(at, 1)
  else if (next !== undefined && block.keys.length + next.keys.length <= MOST >> 1) {
    block.keys.push(...next.keys)
    block.rows.push(...next.rows)
    blocks.splice(at + 1, 1)
  }
}

const familyOf = ({ length }: Uint8Array): Family => (length === 4 ? 'ipv4' : 'ipv6')
