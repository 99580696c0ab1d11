/**
 * Neighbors that are the default gateway of this node (`peerIP: DefaultGateway`), one for each family. Their addresses
 * come from the kernel's default routes. Owns their intents.
 */
import { isLinkLocal } from '../base/address.ts'
import type { Family } from '../base/family.ts'
import { type PeerIntent, UNKNOWN_ADDRESS } from '../cluster/intent.ts'
import type { DefaultRoutes } from '../dataplane/default-routes.ts'
import { comesBefore, type RivalOf } from './found-neighbors.ts'

export class Gateways {
  readonly #routes: DefaultRoutes
  readonly #wanted = new Map<string, PeerIntent>()

  constructor(routes: DefaultRoutes) {
    this.#routes = routes
  }

  set(intent: PeerIntent): void {
    this.#wanted.set(intent.name, intent)
  }

  remove(name: string): void {
    this.#wanted.delete(name)
  }

  get isEmpty(): boolean {
    return this.#wanted.size === 0
  }

  /** With the address that it has now, where it is the default gateway. */
  locate(intent: PeerIntent): PeerIntent {
    const address = intent.gateway && this.#routes.gateway(intent.gateway)
    return address === undefined ? intent : { ...intent, address }
  }

  /** Those first that keep an address which several have (`comesBefore`). */
  all(): PeerIntent[] {
    return [...this.#wanted.values()].sort((a, b) => (comesBefore(a, b) ? -1 : 1))
  }

  /** The neighbor as it can be run now: with the address of the gateway, or held until there is one. */
  resolve(intent: PeerIntent, rivalOf: RivalOf): PeerIntent {
    // Other intents are not in `#wanted`.
    const family = intent.gateway as Family
    const address = this.#routes.gateway(family)
    if (address === undefined) {
      return { ...intent, address: UNKNOWN_ADDRESS, held: intent.held ?? this.#routes.whyNone(family) }
    }
    // To a link-local address, the kernel chooses an address of that link as source.
    const found = { ...intent, address, ...(isLinkLocal(address) && { sourceAddress: undefined }) }
    const other = rivalOf(found)
    return other === undefined
      ? found
      : { ...found, held: intent.held ?? `the default gateway ${address} is the neighbor ${other} already` }
  }
}
