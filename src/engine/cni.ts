/**
 * The CNI configuration that this node should have. In: the mode from the command line, and the prefixes of the node's pods.
 * Out: the Effect `cni` when the configuration changes, and log lines for the results that the edge reports.
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

  /** While the node is not known (not yet, or for a moment) the file stays; a node without pod CIDRs has no file. */
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
   * Whether pod CIDRs may be advertised: as soon as the file is written, after which pods can start. Also where it
   * cannot be written: pods that exist must be reachable.
   */
  get isSettled(): boolean {
    return this.#mode === 'none' || this.#mode === 'remove' || this.#isAnswered
  }
}

/** An error is a problem until it is over. */
export const cniProblem = ({ error }: CniInput): ObjectChange => ({ kind: 'source-problem', at: 'CNI', text: error })

/** An error becomes a problem. */
export function cniLine({ path, config, error }: CniInput): LogLine | undefined {
  if (error !== undefined) return undefined
  return config === undefined
    ? logLine('info', 'cni-absent', `there is no CNI configuration of ours at ${path}`, { path })
    : logLine('info', 'cni-written', `the CNI configuration is at ${path}`, { path })
}
