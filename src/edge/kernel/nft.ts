/**
 * Our nftables table: writes it and reports its contents.
 *
 * In: the Effect `nft`, one transaction each. Out: the Inputs `nft-table` (the table as read back, whenever it has
 * changed, with counters when they are asked for), `applied` for every effect, and `kernel-error` while nft fails.
 *
 * The table stays when the agent ends. While the agent runs, no other program can change the table, where nft and the
 * kernel support an owner (`nft-holder`).
 */
import type { Millis } from '../../base/units.ts'
import { ADOPT_TABLE, NFT_TABLE, renderChange, TRY_HOLDING } from '../../dataplane/nft-script.ts'
import { type NftTable, parseNftListing, tableText } from '../../dataplane/nft-table.ts'
import type { Effect } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'
import { NftHolder } from './nft-holder.ts'
import { Monitor, Poller, runTool, whyFailed } from './tools.ts'

export interface NftOptions {
  readonly feed: (input: Input) => void
  readonly enter?: readonly string[]
  readonly recheck?: Millis
}

type NftEffect = Extract<Effect, { kind: 'nft' }>

/** Other programs change their own tables often: only a message about our table makes us read it again. */
const OURS = `inet ${NFT_TABLE}`

export class Nft {
  readonly #feed: (input: Input) => void
  readonly #enter: readonly string[]
  readonly #poller: Poller
  #monitor: Monitor | undefined
  /** The process that owns our table; undefined where nft or the kernel has no owners. */
  #holder: NftHolder | undefined
  /** The existing table could not be given an owner; the next one that is written as a whole will have it. */
  #isForeign = false
  /** Undefined: nothing has been reported yet. */
  #reported: string | undefined
  #error: string | undefined
  /** The end of the monitor's last output: a name may be cut in two. */
  #tail = ''

  constructor({ feed, enter = [], recheck }: NftOptions) {
    this.#feed = feed
    this.#enter = enter
    this.#poller = new Poller({ look: () => this.#read(false), ...(recheck === undefined ? {} : { recheck }) })
  }

  open(): void {
    void this.#poller.run(() => this.#findHolder())
    void this.#poller.now()
    const command = [...this.#enter, 'nft', 'monitor']
    this.#monitor = new Monitor({
      command,
      concerns: (output) => this.#concerns(output),
      hint: () => this.#poller.hint(),
    })
  }

  perform({ seq, change }: NftEffect): void {
    void this.#poller.run(async () => {
      const reason = await this.#write(renderChange(change, this.#holder !== undefined))
      this.#isForeign = false
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
    this.#monitor?.stop()
    await this.#poller.stop()
    this.#holder?.stop()
  }

  /** A dry run shows whether nft and the kernel know the flags; an empty script, whether nft works at all. */
  async #findHolder(): Promise<void> {
    const tried = await this.#nft(['-c', '-f', '-'], TRY_HOLDING)
    if (tried.code !== 0) return
    const holder = new NftHolder({ enter: this.#enter, lost: () => this.#poller.hint() })
    if ((await holder.run('')) === undefined) this.#holder = holder
    else holder.stop()
  }

  /** Undefined when it is done; otherwise the error. */
  async #write(script: string): Promise<string | undefined> {
    if (this.#holder !== undefined) return this.#holder.run(script)
    const outcome = await this.#nft(['-f', '-'], script)
    return outcome.code === 0 ? undefined : whyFailed(outcome)
  }

  /** Takes over the table of a previous agent, or of an `nft` process that has ended: it has no owner any more. */
  async #adopt(): Promise<void> {
    this.#isForeign = (await this.#holder?.run(ADOPT_TABLE)) !== undefined
  }

  #concerns(output: string): boolean {
    const text = this.#tail + output
    this.#tail = text.slice(-OURS.length)
    return text.includes(OURS)
  }

  /** `always`: report also when only counters have changed. */
  async #read(always: boolean): Promise<void> {
    const outcome = await this.#nft(['-j', 'list', 'table', 'inet', NFT_TABLE])
    const missing = outcome.code === 1 && outcome.stderr.includes('No such file or directory')
    if (outcome.code !== 0 && !missing) {
      this.#setError(`our nftables rules cannot be read: ${whyFailed(outcome)}`)
      return
    }
    this.#setError(undefined)
    const table = missing ? undefined : parseNftListing(outcome.stdout)
    if (table !== undefined && !table.isOwned && this.#holder !== undefined && !this.#isForeign) await this.#adopt()
    this.#report(table, always)
  }

  #report(table: NftTable | undefined, always: boolean): void {
    const text = table === undefined ? '' : tableText(table)
    if (text === this.#reported && !always) return
    this.#reported = text
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
