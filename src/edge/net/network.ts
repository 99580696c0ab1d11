/**
 * What carries connections: TCP, or the network in memory of the tests.
 *
 * These rules hold for every connection of both (one contract suite): a dial is answered by exactly one of `connected` and
 * `dial-failed`; every `connected` and `accepted` is followed by exactly one `closed`, also after our own `close` or
 * `refuse`, and nothing about the connection comes after it; after `send`, `drained` follows when all of it has been handed
 * on; effects for connections that have ended do nothing.
 */
import type { Effect } from '../../engine/effect.ts'

export type NetworkEffect = Extract<
  Effect,
  { readonly kind: 'protect' | 'listen' | 'dial' | 'send' | 'close' | 'refuse' }
>

export interface Network {
  perform(effect: NetworkEffect): void
  /** Stops listening and ends every connection; resolves when none is left. */
  stop(): Promise<void>
}
