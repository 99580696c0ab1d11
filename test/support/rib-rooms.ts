/** A RIB with neighbors in it, and the shortest ways to say something to it and to hear what it says. */
import { Rib } from '../../src/bgp/rib/rib.ts'
import type { RibPeer, RouteRow } from '../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../src/bgp/wire/attribute.ts'
import { announcement, attributes, Listener, settle, withdrawal } from './rib.ts'

export class Room {
  readonly rib = new Rib()
  readonly #listeners = new Map<string, Listener>()

  constructor(...peers: readonly RibPeer[]) {
    for (const peer of peers) this.join(peer)
  }

  join(peer: RibPeer): this {
    this.rib.addPeer(peer)
    this.#listeners.set(peer.name, new Listener(peer))
    settle(this.rib)
    return this
  }

  leave(peer: RibPeer): this {
    this.rib.removePeer(peer.name)
    this.#listeners.delete(peer.name)
    settle(this.rib)
    return this
  }

  say(peer: RibPeer, texts: readonly string[], over: Partial<PathAttributes>, nextHop = '192.0.2.99', pathId?: number) {
    return this.#send(peer, announcement(texts, attributes(over), nextHop, pathId))
  }

  unsay(peer: RibPeer, texts: readonly string[], pathId?: number) {
    return this.#send(peer, withdrawal(texts, pathId))
  }

  #send(peer: RibPeer, update: Uint8Array) {
    const result = this.rib.receive(peer.name, update, 0, update.length, 0)
    settle(this.rib)
    return result
  }

  /** All that a neighbor has been told until now. */
  heard(peer: RibPeer): Listener {
    const listener = this.#listeners.get(peer.name)
    if (listener === undefined) throw new Error(`${peer.name} is not here`)
    return listener.drain(this.rib, peer.name)
  }

  rows(filtered = false): readonly RouteRow[] {
    return this.rib.page(filtered ? { filtered } : {}, undefined, 100).rows
  }
}
