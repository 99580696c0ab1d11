/**
 * Our nftables table: writes it and reports its contents.
 *
 * In: the Effect `nft`, one transaction each. Out: the Inputs `nft-table` (the table as read back, whenever it has
 * changed, with counters when they are asked for), `applied` for every effect, and `kernel-error` while nft fails.
 *
 * nft writes the table and lists its rules. Elements of sets are read by netlink, and only where they are not known: they are
 * known after a reading, and after a change of ours that was the only transaction on our table since then.
 *
 * The table stays when the agent ends. While the agent runs, no other program can change the table, where nft and the
 * kernel support an owner (`nft-owner`).
 */
import type { Millis } from '../../base/units.ts'
import {
  ADOPT_TABLE,
  BEGUN_SET,
  NFT_TABLE,
  type NftChange,
  renderChange,
  SET_FAMILIES,
  TRY_OWNED_TABLE,
} from '../../dataplane/nft-script.ts'
import { type NftListing, type NftTable, parseNftListing, sameTable } from '../../dataplane/nft-table.ts'
import type { Effect } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'
import { errorText } from '../error-text.ts'
import { type OpenNetlink, openNetlink } from './netlink-socket.ts'
import { NftNetlink } from './nft-netlink.ts'
import { NftOwner } from './nft-owner.ts'
import { Poller, runTool, whyFailed } from './tools.ts'

export interface NftOptions {
  readonly feed: (input: Input) => void
  readonly enter?: readonly string[]
  readonly recheck?: Millis
  /** How sockets are opened: a test opens them in another network namespace. */
  readonly openSocket?: OpenNetlink
}

type NftEffect = Extract<Effect, { kind: 'nft' }>

/** The elements of our sets, as they were after so many changes of our table. */
interface KnownElements {
  readonly touches: number
  readonly sets: ReadonlyMap<string, readonly string[]>
}

export class Nft {
  readonly #feed: (input: Input) => void
  readonly #enter: readonly string[]
  readonly #poller: Poller
  readonly #openSocket: OpenNetlink
  #netlink: NftNetlink | undefined
  #known: KnownElements | undefined
  /** The process that owns our table; undefined where nft or the kernel has no owners. */
  #owner: NftOwner | undefined
  /** The existing table could not be given an owner; the next one that is written as a whole will have it. */
  #cannotOwn = false
  #reported: NftTable | undefined
  #hasReported = false
  #error: string | undefined
  #isWriting = false

  constructor({ feed, enter = [], recheck, openSocket = openNetlink }: NftOptions) {
    this.#openSocket = openSocket
    this.#feed = feed
    this.#enter = enter
    this.#poller = new Poller({ look: () => this.#read(false), ...(recheck === undefined ? {} : { recheck }) })
  }

  open(): void {
    void this.#poller.run(() => this.#findOwner())
    void this.#poller.now()
  }

  perform({ seq, change }: NftEffect): void {
    void this.#poller.run(async () => {
      this.#isWriting = true
      const before = await this.#touches()
      const reason = await this.#write(renderChange(change, this.#owner !== undefined))
      if (reason === undefined) this.#note(change, before, await this.#touches())
      this.#isWriting = false
      const failed = reason === undefined ? [] : [{ index: 0, reason }]
      this.#feed({ kind: 'applied', what: 'nft', seq, failed })
      await this.#read(true)
    })
  }

  /** Reads the counters. Done when the engine has them. */
  async count(): Promise<void> {
    await this.#poller.run(() => this.#read(true))
  }

  async stop(): Promise<void> {
    await this.#poller.stop()
    this.#netlink?.close()
    this.#owner?.stop()
  }

  /** A dry run shows whether nft and the kernel know the flags; an empty script, whether nft works at all. */
  async #findOwner(): Promise<void> {
    const tried = await this.#nft(['-c', '-f', '-'], TRY_OWNED_TABLE)
    if (tried.code !== 0) return
    const owner = new NftOwner({ enter: this.#enter, lost: () => this.#poller.hint() })
    if ((await owner.run('')) === undefined) this.#owner = owner
    else owner.stop()
  }

  /** Undefined when it is done; otherwise the error. */
  async #write(script: string): Promise<string | undefined> {
    if (this.#owner !== undefined) return this.#owner.run(script)
    const outcome = await this.#nft(['-f', '-'], script)
    return outcome.code === 0 ? undefined : whyFailed(outcome)
  }

  /** Takes over the table of a previous agent, or of an `nft` process that has ended: it has no owner any more. */
  async #adopt(): Promise<void> {
    this.#cannotOwn = (await this.#owner?.run(ADOPT_TABLE)) !== undefined
  }

  /** `always`: report also when only counters have changed. */
  async #read(always: boolean): Promise<void> {
    const outcome = await this.#nft(['-j', '-t', 'list', 'table', 'inet', NFT_TABLE])
    const missing = outcome.code === 1 && outcome.stderr.includes('No such file or directory')
    if (outcome.code !== 0 && !missing) {
      this.#setError(`our nftables rules cannot be read: ${whyFailed(outcome)}`)
      return
    }
    const listing = missing ? undefined : parseNftListing(outcome.stdout)
    try {
      const table = await this.#complete(listing)
      this.#setError(undefined)
      if (table === undefined || table.isOwned) this.#cannotOwn = false
      else if (this.#owner !== undefined && !this.#cannotOwn) await this.#adopt()
      this.#report(table, always)
    } catch (error) {
      this.#setError(`our nftables sets cannot be read: ${errorText(error)}`)
    }
  }

  /** Adds what nft has left out. A change meanwhile is another reading. */
  async #complete(listing: NftListing | undefined): Promise<NftTable | undefined> {
    this.#netlink ??= this.#openNetlink()
    const netlink = this.#netlink
    if (listing === undefined) return undefined
    const sets = await this.#elements(netlink, listing.sets)
    return { ...listing, sets, begun: await netlink.timeLeft(BEGUN_SET) }
  }

  async #elements(netlink: NftNetlink, names: readonly string[]): Promise<KnownElements['sets']> {
    const touches = await netlink.touches()
    const known = this.#known
    if (known?.touches === touches && names.every((name) => known.sets.has(name))) return known.sets
    const sets = new Map<string, readonly string[]>()
    for (const name of names) {
      const elements = SET_FAMILIES.has(name) ? await netlink.elements(name) : []
      const before = known?.sets.get(name) ?? []
      sets.set(name, sameElements(before, elements) ? before : elements)
    }
    this.#known = { touches, sets }
    return sets
  }

  #openNetlink(): NftNetlink {
    return new NftNetlink({
      table: NFT_TABLE,
      openSocket: this.#openSocket,
      onTouched: () => this.#isWriting || this.#poller.hint(),
      onFailure: () => this.#forget(),
    })
  }

  async #touches(): Promise<number | undefined> {
    try {
      return await this.#netlink?.touches()
    } catch {
      return undefined
    }
  }

  /** The socket has failed: the next reading opens another one. */
  #forget(): void {
    this.#netlink?.close()
    this.#netlink = undefined
    this.#known = undefined
    this.#poller.hint()
  }

  /** A change of elements was written. If it was the only transaction on our table meanwhile, its result is known. */
  #note(change: NftChange, before: number | undefined, touches: number | undefined): void {
    const known = this.#known
    if (change.kind !== 'sets' || known === undefined || touches === undefined) return
    if (before !== known.touches || touches !== before + 1) return
    const sets = new Map(known.sets)
    for (const { set, add, remove } of change.changes) {
      const gone = new Set(remove)
      sets.set(set, [...(sets.get(set) ?? []).filter((element) => !gone.has(element)), ...add])
    }
    this.#known = { touches, sets }
  }

  #report(table: NftTable | undefined, always: boolean): void {
    if (this.#hasReported && !always && sameTable(table, this.#reported)) return
    this.#hasReported = true
    this.#reported = table
    this.#feed({ kind: 'nft-table', table })
  }

  #setError(text: string | undefined): void {
    if (text === this.#error) return
    this.#error = text
    this.#feed({ kind: 'kernel-error', what: 'nft', text })
  }

  #nft(args: readonly string[], input = '') {
    return runTool([...this.#enter, 'nft', ...args], input)
  }
}

function sameElements(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  const others = new Set(b)
  return a.every((element) => others.has(element))
}
