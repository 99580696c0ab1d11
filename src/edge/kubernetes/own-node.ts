/**
 * Delays the deletion of this node's own Node until it is certain: kubelets and operators delete a Node and register it
 * again while its pods run. A deletion is passed on when every answer of the API for a minute was that there is no such
 * Node; a request without an answer begins the minute anew.
 *
 * In: changes of Nodes. Out: the same changes, without a deletion that is not certain yet.
 */
import type { Millis } from '../../base/units.ts'
import type { ObjectChange, ObjectRef } from '../../cluster/source.ts'
import { FAREWELL } from '../../engine/leave.ts'
import { pathOf, type Resource } from '../resources.ts'
import type { Api } from './api.ts'
import { trimObject } from './trim.ts'

export interface OwnNodeTiming {
  /** The API must report for this long that the Node does not exist. */
  readonly certain: Millis
  readonly askEvery: Millis
  readonly requestTimeout: Millis
}

export const OWN_NODE_TIMING: OwnNodeTiming = { certain: 60_000, askEvery: 10_000, requestTimeout: 5_000 }

/** How much later than another agent one may learn of a deletion by its watch; an estimate. */
const WATCH_LAG: Millis = 3_000

/**
 * How long a missing Node of another node is still believed: until its own agent is certain, and has left. The API may take
 * its time for the first answer and for the last one; an agent that gets no answer may need longer.
 */
export const OTHER_NODE_WAIT: Millis =
  OWN_NODE_TIMING.certain + OWN_NODE_TIMING.askEvery + 2 * OWN_NODE_TIMING.requestTimeout + FAREWELL + WATCH_LAG

type ListedObject = Extract<ObjectChange, { readonly kind: 'replace' }>['objects'][number]

export interface OwnNodeOptions {
  readonly name: string
  readonly resource: Resource
  readonly api: Api
  readonly pass: (change: ObjectChange) => void
  /** The Node is there again after it was missing: it may be another one, with another uid. */
  readonly returned?: () => void
  readonly timing?: OwnNodeTiming | undefined
}

export class OwnNode {
  readonly #options: OwnNodeOptions
  readonly #timing: OwnNodeTiming
  readonly #ref: ObjectRef
  /** The Node as last seen, until its deletion is certain. */
  #known: ListedObject | undefined
  /** Since when the API has had none; undefined: not asked yet, or no answer. */
  #goneSince: Millis | undefined
  #asking: NodeJS.Timeout | undefined
  /** It was missing when it was last looked for. */
  #isMissing = false
  readonly #stopped = new AbortController()

  constructor(options: OwnNodeOptions) {
    this.#options = options
    this.#timing = options.timing ?? OWN_NODE_TIMING
    this.#ref = { kind: 'Node', namespace: '', name: options.name }
  }

  stop(): void {
    this.#stopped.abort()
    this.#stopAsking()
  }

  take(change: ObjectChange): void {
    if (change.kind === 'replace' && change.of === 'Node') this.#replace(change)
    else if (change.kind === 'upsert' && this.#isOwn(change.ref)) this.#see(change)
    else if (change.kind === 'delete' && this.#isOwn(change.ref) && this.#known !== undefined) this.#doubt()
    else this.#options.pass(change)
  }

  #isOwn = ({ kind, name }: ObjectRef): boolean => kind === 'Node' && name === this.#options.name

  #see(upsert: Extract<ObjectChange, { readonly kind: 'upsert' }>): void {
    this.#know(upsert)
    this.#options.pass(upsert)
  }

  #know(node: ListedObject): void {
    const isBack = this.#isMissing
    this.#stopAsking()
    this.#known = node
    this.#isMissing = false
    if (isBack) this.#options.returned?.()
  }

  #replace(change: Extract<ObjectChange, { readonly kind: 'replace' }>): void {
    const own = change.objects.find(({ ref }) => this.#isOwn(ref))
    if (own !== undefined) this.#know(own)
    const missing = own === undefined ? this.#known : undefined
    if (missing !== undefined) this.#doubt()
    this.#options.pass(missing === undefined ? change : { ...change, objects: [...change.objects, missing] })
  }

  #stopAsking(): void {
    clearTimeout(this.#asking)
    this.#asking = undefined
    this.#goneSince = undefined
  }

  #doubt(): void {
    this.#isMissing = true
    this.#asking ??= setTimeout(() => void this.#ask(), 0)
  }

  async #ask(): Promise<void> {
    const round = this.#asking
    const there = await this.#fetchNode()
    // The Node came back meanwhile, or the source has ended.
    if (round === undefined || this.#asking !== round) return
    if (there === 'gone') this.#goneSince ??= performance.now()
    else if (there === undefined) this.#goneSince = undefined
    else {
      const object = trimObject(this.#options.resource, there)
      this.#see({ kind: 'upsert', ref: this.#ref, object, from: undefined })
      return
    }
    if (this.#isCertain()) {
      this.#stopAsking()
      this.#known = undefined
      this.#options.pass({ kind: 'delete', ref: this.#ref })
      return
    }
    this.#asking = setTimeout(() => void this.#ask(), this.#timing.askEvery)
  }

  #isCertain(): boolean {
    return this.#goneSince !== undefined && performance.now() - this.#goneSince >= this.#timing.certain
  }

  /**
   * Undefined where the API does not answer; 'gone' where it has no such Node. This lists one name, so that only the right to
   * list Nodes is needed.
   */
  async #fetchNode(): Promise<unknown | 'gone' | undefined> {
    const { api, resource, name } = this.#options
    try {
      const query = { fieldSelector: `metadata.name=${name}` }
      const list = await api.get(pathOf(resource), query, {
        silence: this.#timing.requestTimeout,
        signal: this.#stopped.signal,
      })
      const { items } = list as { readonly items?: unknown }
      if (!Array.isArray(items)) return undefined
      return items[0] ?? 'gone'
    } catch {
      return undefined
    }
  }
}
