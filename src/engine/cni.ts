/**
 * The CNI configuration that this node should have. In: the mode from the command line, and the node's pod CIDRs. Out:
 * the Effect `cni` when the configuration changes, and log lines for the results that the edge reports.
 */
import type { Prefix } from '../base/prefix.ts'
import type { ObjectChange } from '../cluster/source.ts'
import { type CniPlugin, renderConflist } from '../dataplane/cni.ts'
import type { Effect } from './effect.ts'
import type { Input } from './input.ts'
import { type LogLine, logLine } from './log-line.ts'

/** `remove`: our file is removed. */
export type CniMode = CniPlugin | 'remove' | 'none'

type CniEffect = Extract<Effect, { kind: 'cni' }>
type CniInput = Extract<Input, { kind: 'cni' }>

export class CniKeeper {
  readonly #mode: CniMode
  #isAnswered = false
  #asked: CniEffect | undefined

  constructor(mode: CniMode) {
    this.#mode = mode
  }

  /** A node that is not known (yet, or for a moment) keeps the file it has; one without pod CIDRs may have none. */
  next(podCidrs: readonly Prefix[] | undefined): CniEffect | undefined {
    const mode = this.#mode
    if (mode === 'none' || (mode !== 'remove' && podCidrs === undefined)) return undefined
    const config = mode === 'remove' ? undefined : renderConflist(podCidrs ?? [], mode)
    if (this.#asked !== undefined && this.#asked.config === config) return undefined
    this.#asked = { kind: 'cni', config }
    this.#isAnswered = false
    return this.#asked
  }

  answered({ config }: CniInput): void {
    this.#isAnswered = this.#asked !== undefined && this.#asked.config === config
  }

  /**
   * Whether pod CIDRs may be advertised: not before the file is written, and then pods can come. Where it cannot be
   * written they may, too: pods that were there before must be reached.
   */
  get isSettled(): boolean {
    return this.#mode === 'none' || this.#mode === 'remove' || this.#isAnswered
  }
}

/** Trouble stands among the problems until it is over. */
export const cniTrouble = ({ trouble }: CniInput): ObjectChange => ({ kind: 'trouble', at: 'CNI', text: trouble })

/** An error becomes a problem. */
export function cniLine({ path, config, trouble }: CniInput): LogLine | undefined {
  if (trouble !== undefined) return undefined
  return config === undefined
    ? logLine('info', 'cni-absent', `there is no CNI configuration of ours at ${path}`, { path })
    : logLine('info', 'cni-written', `the CNI configuration is at ${path}`, { path })
}
