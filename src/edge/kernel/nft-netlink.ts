/**
 * Our nftables table by netlink: the elements of its sets, and how often somebody changed the table.
 *
 * A dump of a set arrives in answers of 32 KiB, and other sockets are read in between. nft would give all of it as one text.
 */
import { formatAddress } from '../../base/address.ts'
import { inSeconds, type Seconds } from '../../base/units.ts'
import { BEGUN_SET } from '../../dataplane/nft-script.ts'
import { Attributes, type Message, type NetlinkWriter } from './netlink-message.ts'
import { NetlinkReader } from './netlink-reader.ts'
import { NETLINK_NETFILTER, type OpenNetlink } from './netlink-socket.ts'

// Numbers of linux/netfilter/nf_tables.h and nfnetlink.h.
/** NFNL_SUBSYS_NFTABLES, in the upper octet of a type. */
const SUBSYSTEM = 10 << 8
/** NFT_MSG_NEWSETELEM and NFT_MSG_GETSETELEM. */
const NEW_ELEMENTS = SUBSYSTEM | 12
const GET_ELEMENTS = SUBSYSTEM | 13
/** NFT_MSG_NEWGEN: a transaction has ended. */
const NEW_GENERATION = SUBSYSTEM | 15
/** NFNLGRP_NFTABLES. */
const EVENT_GROUP = 7
const NFPROTO_INET = 1
/** The name of the table, the first attribute of all messages about a table, its chains, rules and sets. */
const TABLE = 1
/** NFTA_SET_ELEM_LIST_SET and NFTA_SET_ELEM_LIST_ELEMENTS. */
const SET = 2
const ELEMENTS = 3
/** Of an element: NFTA_SET_ELEM_KEY, _FLAGS and _EXPIRATION. */
const KEY = 1
const FLAGS = 3
const EXPIRATION = 5
/** NFTA_DATA_VALUE: of a key. */
const VALUE = 1
/** NFT_SET_ELEM_INTERVAL_END, a flag. */
const INTERVAL_END = 1
/**
 * Lost events count as so many transactions. `Nft` writes a change and finds one transaction more: then it knows the result without
 * reading. Lost events must not count as that one.
 */
const LOST_TOUCHES = 2
/** Octets of `struct nfgenmsg`. */
const FIXED = 4

export interface NftNetlinkOptions {
  readonly table: string
  readonly openSocket: OpenNetlink
  /** Our table has changed. */
  readonly onTouched: () => void
  readonly onFailure: () => void
}

export class NftNetlink {
  readonly #options: NftNetlinkOptions
  readonly #reader: NetlinkReader
  #touches = 0
  /** A message of the transaction under way was about our table. */
  #isTouching = false

  /** Throws a reason for people. */
  constructor(options: NftNetlinkOptions) {
    this.#options = options
    this.#reader = new NetlinkReader({
      socket: options.openSocket({ protocol: NETLINK_NETFILTER, groups: [EVENT_GROUP] }),
      onEvent: (message, attributes) => this.#takeEvent(message, attributes),
      onPiece: () => {},
      onOverrun: () => this.#touch(LOST_TOUCHES),
      onFailure: options.onFailure,
    })
  }

  /**
   * How many transactions have changed our table until now, ours among them. A question is asked first: the events from before it
   * come before its answer.
   */
  async touches(): Promise<number> {
    await this.timeLeft(BEGUN_SET)
    return this.#touches
  }

  /** The elements of a set of prefixes, as nft writes them. */
  async elements(set: string): Promise<string[]> {
    const intervals = new Intervals()
    await this.#dump(set, (element) => intervals.take(element.octets(KEY), element.flags))
    return intervals.finish()
  }

  /** For how long the elements of a set stay, in the longest case; 0 where there are none. */
  async timeLeft(set: string): Promise<Seconds> {
    let longest = 0
    await this.#dump(set, (element) => {
      longest = Math.max(longest, element.expiration)
    })
    return longest
  }

  close(): void {
    this.#reader.close()
  }

  #dump(set: string, each: (element: Element) => void): Promise<boolean> {
    return this.#reader.dump(
      GET_ELEMENTS,
      (writer) => writeQuestion(writer, this.#options.table, set),
      (message, attributes) => {
        if (message.type !== NEW_ELEMENTS) return
        const list = attributes.read(message.from + FIXED, message.to)
        for (const element of elementsOf(list.bytes, list.start(ELEMENTS), list.end(ELEMENTS))) each(element)
      },
    )
  }

  #takeEvent({ type, from, to }: Message, attributes: Attributes): void {
    if (type === NEW_GENERATION) {
      if (this.#isTouching) this.#touch()
      this.#isTouching = false
    } else if (!this.#isTouching && attributes.bytes[from] === NFPROTO_INET) {
      this.#isTouching = attributes.read(from + FIXED, to).text(TABLE) === this.#options.table
    }
  }

  #touch(count = 1): void {
    this.#touches += count
    this.#options.onTouched()
  }
}

function writeQuestion(writer: NetlinkWriter, table: string, set: string): void {
  writer.octets(NFPROTO_INET, 0, 0, 0)
  writer.attribute(TABLE, nameOf(table))
  writer.attribute(SET, nameOf(set))
}

const nameOf = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`)

/** One element inside a message; filled again for the next one. */
class Element {
  readonly #attributes: Attributes
  readonly #data: Attributes

  constructor(bytes: Uint8Array) {
    this.#attributes = new Attributes(bytes)
    this.#data = new Attributes(bytes)
  }

  read(from: number, to: number): this {
    this.#attributes.read(from, to)
    return this
  }

  /** The value inside an attribute. */
  octets(type: number): Uint8Array | undefined {
    const [from, to] = [this.#attributes.start(type), this.#attributes.end(type)]
    return from === 0 ? undefined : this.#data.read(from, to).octets(VALUE)
  }

  /** Numbers of nf_tables are in network order. */
  get flags(): number {
    const at = this.#attributes.start(FLAGS)
    return at === 0 ? 0 : this.#attributes.view.getUint32(at)
  }

  get expiration(): Seconds {
    const at = this.#attributes.start(EXPIRATION)
    return at === 0 ? 0 : inSeconds(Number(this.#attributes.view.getBigUint64(at)))
  }
}

function* elementsOf(bytes: Uint8Array, from: number, to: number): Iterable<Element> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const element = new Element(bytes)
  for (let at = from; at !== 0 && at + 4 <= to; ) {
    const length = view.getUint16(at, true)
    if (length < 4 || at + length > to) return
    yield element.read(at + 4, at + length)
    at += (length + 3) & ~3
  }
}

/** A bound of an interval: its first address, or the one after its last. */
interface Bound {
  readonly address: bigint
  readonly isEnd: boolean
}

/**
 * Joins the bounds of intervals, which the kernel lists upwards or downwards. What nft adds is left out: an end below all
 * intervals. An interval up to the highest address has no end.
 */
export class Intervals {
  readonly #found: string[] = []
  #bits = 0
  #before: Bound | undefined

  take(key: Uint8Array | undefined, flags: number): void {
    if (key === undefined) return
    this.#bits = key.length * 8
    const bound = { address: numberOf(key), isEnd: (flags & INTERVAL_END) !== 0 }
    const before = this.#before
    const [start, end] = bound.isEnd ? [before, bound] : [bound, before]
    if (start !== undefined && end !== undefined && !start.isEnd && end.isEnd && start.address < end.address) {
      this.#before = undefined
      this.#found.push(intervalText(start.address, end.address, this.#bits))
    } else {
      this.#flush()
      this.#before = bound
    }
  }

  finish(): string[] {
    this.#flush()
    return this.#found
  }

  #flush(): void {
    if (this.#before?.isEnd === false)
      this.#found.push(intervalText(this.#before.address, 1n << BigInt(this.#bits), this.#bits))
    this.#before = undefined
  }
}

/** As nft writes it: an address, a prefix, or what others have added, from the first address to the last. */
function intervalText(start: bigint, end: bigint, bits: number): string {
  const size = end - start
  const first = formatAddress(octetsOf(start, bits))
  if (size === 1n) return first
  const isPrefix = (size & (size - 1n)) === 0n && (start & (size - 1n)) === 0n
  return isPrefix
    ? `${first}/${bits - (size.toString(2).length - 1)}`
    : `${first}-${formatAddress(octetsOf(end - 1n, bits))}`
}

const numberOf = (octets: Uint8Array): bigint => octets.reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n)

const octetsOf = (value: bigint, bits: number): Uint8Array =>
  Uint8Array.from({ length: bits / 8 }, (_, index) => Number((value >> BigInt(bits - 8 - index * 8)) & 0xffn))
