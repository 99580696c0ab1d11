/**
 * Sends the UPDATEs of the RIB on established sessions, no faster than the network takes them: what one pull returned is
 * taken by the network before the next pull. Owns which connection a session runs on, and for which neighbors UPDATEs
 * are pending.
 */
import type { Rib } from '../bgp/rib/rib.ts'
import type { ConnId, PeerEvent } from '../bgp/session/types.ts'
import { MESSAGE_TYPE } from '../bgp/wire/message.ts'
import type { Neighbor, Neighbors } from './neighbors.ts'
import type { Outbox } from './outbox.ts'

/** UPDATE bytes handed to the network at once, per neighbor and turn. */
const SEND_LIMIT = 65_536
/** The octet with the type of a message (RFC 4271 §4.1). */
const TYPE_AT = 18

/** Told after each send: the neighbor's timers and counters follow it. */
type OnSent = (neighbor: Neighbor, event: PeerEvent) => void

export class Sending {
  readonly #neighbors: Neighbors
  readonly #rib: Rib
  readonly #out: Outbox
  /** Connections of established sessions. */
  readonly #connections = new Map<Neighbor, ConnId>()
  /** Neighbors for which UPDATEs are pending. */
  readonly #pending = new Set<Neighbor>()
  /** Sessions have changed: the RIB is asked for which neighbors UPDATEs are pending. */
  #hasChanged = false
  /** The revision of the RIB when it was last asked for that. */
  #knownRevision = 0

  constructor(neighbors: Neighbors, rib: Rib, out: Outbox) {
    this.#neighbors = neighbors
    this.#rib = rib
    this.#out = out
  }

  /** Its session is established. */
  begin(neighbor: Neighbor, conn: ConnId): void {
    this.#connections.set(neighbor, conn)
    this.#hasChanged = true
  }

  /** Its session is down. */
  end(neighbor: Neighbor): void {
    this.#connections.delete(neighbor)
    this.#pending.delete(neighbor)
    this.#hasChanged = true
  }

  /** UPDATEs may have become pending for a session without a new revision of the RIB. */
  noteChange(): void {
    this.#hasChanged = true
  }

  /** The connection of its established session. */
  connectionOf(neighbor: Neighbor): ConnId | undefined {
    return this.#connections.get(neighbor)
  }

  /** Neighbors with an established session. */
  neighbors(): Iterable<Neighbor> {
    return this.#connections.keys()
  }

  /** Sends to neighbors whose network has room; true if UPDATEs still wait. */
  flush(onSent: OnSent): boolean {
    const { revision } = this.#rib
    if (this.#rib.isQuiet) this.#pending.clear()
    else if (this.#hasChanged || revision !== this.#knownRevision) this.#sendToAll(onSent)
    else for (const neighbor of this.#pending) if (neighbor.writable) this.#sendTo(neighbor, onSent)
    this.#knownRevision = revision
    this.#hasChanged = false
    return this.#pending.size > 0
  }

  /** To all for which the RIB has UPDATEs. Those for which it had some before are checked again. */
  #sendToAll(onSent: OnSent): void {
    const names = this.#rib.pendingPeers()
    for (const neighbor of this.#pending) if (!names.has(neighbor.name)) this.#sendTo(neighbor, onSent)
    for (const name of names) {
      const neighbor = this.#neighbors.get(name)
      if (neighbor !== undefined) this.#sendTo(neighbor, onSent)
    }
  }

  #sendTo(neighbor: Neighbor, onSent: OnSent): void {
    const conn = this.#connections.get(neighbor)
    if (conn === undefined) return
    if (neighbor.writable && this.#rib.pending(neighbor.name)) this.#sendNext(neighbor, conn, onSent)
    if (this.#rib.pending(neighbor.name)) this.#pending.add(neighbor)
    else this.#pending.delete(neighbor)
  }

  #sendNext(neighbor: Neighbor, conn: ConnId, onSent: OnSent): void {
    const updates = this.#rib.pull(neighbor.name, SEND_LIMIT)
    if (updates === undefined) return
    neighbor.writable = false
    this.#out.push({ kind: 'send', conn, bytes: updates.bytes })
    const isRefresh = updates.bytes[TYPE_AT] === MESSAGE_TYPE['route-refresh']
    onSent(neighbor, isRefresh ? { kind: 'refresh-sent' } : { kind: 'updates-sent', count: updates.messages })
  }
}
