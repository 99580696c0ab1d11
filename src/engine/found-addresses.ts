/**
 * Follows the addresses that are found for neighbors: a router that appears on a link, or another default gateway, gets a
 * session at once, and no other session is reset. Which neighbor has an address where several claim it is in
 * `found-neighbors`.
 */
import type { Millis } from '../base/units.ts'
import { type NodeIntent, type PeerIntent, UNKNOWN_ADDRESS } from '../cluster/intent.ts'
import { comesBefore } from './found-neighbors.ts'
import type { Gateways } from './gateways.ts'
import type { DiscoveryInput } from './input.ts'
import type { LogLine } from './log-line.ts'
import type { Neighbor, Neighbors } from './neighbors.ts'
import { Unnumbered } from './unnumbered.ts'

/** What is done with neighbors then. */
interface FoundActions {
  remove(name: string, now: Millis): void
  change(intent: PeerIntent, node: NodeIntent, now: Millis): void
  /** Ends the session of a neighbor that is started again with what is found. */
  stop(neighbor: Neighbor, reason: string, now: Millis): void
}

export class FoundAddresses {
  readonly unnumbered = new Unnumbered()
  readonly gateways: Gateways
  readonly #neighbors: Neighbors
  readonly #actions: FoundActions

  constructor(gateways: Gateways, neighbors: Neighbors, actions: FoundActions) {
    this.gateways = gateways
    this.#neighbors = neighbors
    this.#actions = actions
  }

  /** Notes a neighbor, and returns its intent with what is found for it; undefined: its objects name the address. */
  set(intent: PeerIntent, now: Millis): PeerIntent | undefined {
    this.remove(intent.name)
    if (intent.interface !== undefined) {
      this.unnumbered.set(intent)
      return this.#routerOf(intent, now)
    }
    if (intent.gateway === undefined) return undefined
    this.gateways.set(intent)
    return this.#gatewayOf(intent, now)
  }

  remove(name: string): void {
    this.unnumbered.remove(name)
    this.gateways.remove(name)
  }

  /** A link of unnumbered neighbors came or went, or a router advertised itself there. */
  noteLink(input: DiscoveryInput, now: Millis): LogLine | undefined {
    const wanted = this.unnumbered.on(input.interface)
    const hasSession = wanted.some(({ name }) => this.#neighbors.get(name)?.peer.session !== undefined)
    return this.unnumbered.take(input, hasSession, now)
  }

  followLink(name: string, node: NodeIntent, now: Millis): void {
    for (const intent of this.unnumbered.on(name)) this.#followRouter(intent, node, now)
    this.#followGateways(node, now)
  }

  /** Default routes or neighbors have changed. */
  followAll(node: NodeIntent, now: Millis): void {
    for (const intent of this.unnumbered.all()) this.#followRouter(intent, node, now)
    this.#followGateways(node, now)
  }

  #followRouter(intent: PeerIntent, node: NodeIntent, now: Millis): void {
    this.#follow(this.#routerOf(intent, now), "the router's address", node, now)
  }

  #followGateways(node: NodeIntent, now: Millis): void {
    for (const intent of this.gateways.all())
      this.#follow(this.#gatewayOf(intent, now), 'the default gateway', node, now)
  }

  #routerOf(intent: PeerIntent, now: Millis): PeerIntent {
    return this.unnumbered.resolve(intent, (found) => this.#rivalOf(found, now))
  }

  #gatewayOf(intent: PeerIntent, now: Millis): PeerIntent {
    return this.gateways.resolve(intent, (found) => this.#rivalOf(found, now))
  }

  /** A neighbor from a range is replaced by one that an object names. */
  #rivalOf(found: PeerIntent, now: Millis): string | undefined {
    for (const { name, intent } of [...this.#neighbors.values()]) {
      const isThere = intent.address === found.address && intent.port === found.port && name !== found.name
      if (!isThere) continue
      if (intent.range !== undefined) this.#actions.remove(name, now)
      else if (comesBefore(intent, found)) return name
    }
    return undefined
  }

  /** Without its link a session cannot work: it ends at once, not when its hold timer expires. */
  #follow(intent: PeerIntent, what: string, node: NodeIntent, now: Millis): void {
    const neighbor = this.#neighbors.get(intent.name)
    if (neighbor === undefined) return
    const { address, held } = neighbor.intent
    if (address === intent.address && held === intent.held) return
    const isOther = address !== intent.address || this.#isLost(intent, now)
    if (isOther && neighbor.disabled === undefined)
      this.#actions.stop(neighbor, intent.held ?? `${what} is now ${intent.address}`, now)
    this.#actions.change(intent, node, now)
  }

  /** It is no default gateway any more, or another neighbor has its address. A link in trouble may still carry the session. */
  #isLost(intent: PeerIntent, now: Millis): boolean {
    if (intent.held === undefined) return false
    return (
      intent.gateway !== undefined || (intent.address !== UNKNOWN_ADDRESS && this.#rivalOf(intent, now) !== undefined)
    )
  }
}
