/**
 * Our nftables table: writes it and reports its contents.
 *
 * In: the Effect `nft`: what is one transaction. Out: the Inputs `nft-table` (as read back, whenever it
 * is different, with counters when they are asked for), `applied` for every effect, and `kernel-trouble` while nft does
 * not work.
 *
 * The table stays when we end. While we live it is ours alone where nft and the kernel know that (`nft-holder`).
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
  /** Whose our table is while we live; undefined where nft or the kernel knows no such thing. */
  #holder: NftHolder | undefined
  /** It could not be made ours as it is; the next one that is written whole will be. */
  #isForeign = false
  /** Undefined: nothing has been told yet. */
  #told: string | undefined
  #trouble: string | undefined
  /** The end of the monitor's last piece: a name may be cut in two. */
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

  /** Counters as they are now. Over once the engine has them. */
  async count(): Promise<void> {
    await this.#poller.run(() => this.#read(true))
  }

  async stop(): Promise<void> {
    this.#monitor?.stop()
    await this.#poller.stop()
    this.#holder?.stop()
  }

  /** A dry run says whether both know the flags; an empty script, whether this nft can be talked to. */
  async #findHolder(): Promise<void> {
    const tried = await this.#nft(['-c', '-f', '-'], TRY_HOLDING)
    if (tried.code !== 0) return
    const holder = new NftHolder({ enter: this.#enter, lost: () => this.#poller.hint() })
    if ((await holder.run('')) === undefined) this.#holder = holder
    else holder.stop()
  }

  /** Undefined once it is done; else why it is not. */
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

  /** `always`: tell also where nothing but counters is different. */
  async #read(always: boolean): Promise<void> {
    const outcome = await this.#nft(['-j', 'list', 'table', 'inet', NFT_TABLE])
    const missing = outcome.code === 1 && outcome.stderr.includes('No such file or directory')
    if (outcome.code !== 0 && !missing) {
      this.#setTrouble(`our nftables rules cannot be read: ${whyFailed(outcome)}`)
      return
    }
    this.#setTrouble(undefined)
    const table = missing ? undefined : parseNftListing(outcome.stdout)
    if (table !== undefined && !table.isOwned && this.#holder !== undefined && !this.#isForeign) await this.#adopt()
    this.#report(table, always)
  }

  #report(table: NftTable | undefined, always: boolean): void {
    const text = table === undefined ? '' : tableText(table)
    if (text === this.#told && !always) return
    this.#told = text
    this.#feed({ kind: 'nft-table', table })
  }

  #setTrouble(text: string | undefined): void {
    if (text === this.#trouble) return
    this.#trouble = text
    this.#feed({ kind: 'kernel-trouble', what: 'nft', text })
  }

  #nft(args: readonly string[], input = '') {
    return runTool([...this.#enter, 'nft', ...args], input)
  }
}
