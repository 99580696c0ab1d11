/**
 * Hands the UPDATEs of a neighbor to the RIB, and logs what it reports about them. Out: the events of the session that they
 * cause, such as the end of its first table, or an error.
 */
import type { Family } from '../base/family.ts'
import type { Millis } from '../base/units.ts'
import type { Rib } from '../bgp/rib/rib.ts'
import type { ReceiveResult } from '../bgp/rib/types.ts'
import type { ConnId, PeerAction, PeerEvent } from '../bgp/session/types.ts'
import type { MessageError } from '../bgp/wire/error.ts'
import { logLine, memoryLine, nearLimitLine, pathLimitLine, updateProblemLine } from './log-line.ts'
import type { Neighbor } from './neighbors.ts'
import type { Outbox } from './outbox.ts'

type Updates = Extract<PeerAction, { kind: 'updates' }>

export class ReceivedUpdates {
  readonly #rib: Rib
  readonly #out: Outbox

  constructor(rib: Rib, out: Outbox) {
    this.#rib = rib
    this.#out = out
  }

  /** `handle` gets each event before the next message is read. Messages after one that ends the session are ignored. */
  read(neighbor: Neighbor, { conn, bytes, spans }: Updates, now: Millis, handle: (event: PeerEvent) => void): void {
    for (let at = 0; at < spans.length; at += 2) {
      const result = this.#rib.receive(neighbor.name, bytes, spans[at] as number, spans[at + 1] as number, now)
      this.#log(neighbor, result)
      const { error, tooMany, endOfRib: family } = result
      if (error !== undefined) {
        handle(endOf(neighbor, conn, error, tooMany))
        return
      }
      if (family !== undefined) handle({ kind: 'end-of-rib', family })
    }
  }

  /** A limit has changed: what it means for the routes that the neighbor has sent already. */
  checkLimits(neighbor: Neighbor, conn: ConnId, handle: (event: PeerEvent) => void): void {
    const { nearLimit, error, tooMany } = this.#rib.takePrefixLimitReport(neighbor.name) ?? {}
    if (nearLimit !== undefined) this.#out.log(nearLimitLine(neighbor.name, nearLimit))
    if (error !== undefined) handle(endOf(neighbor, conn, error, tooMany))
  }

  #log({ name, warned }: Neighbor, { problems, crowded, memory, nearLimit, error, endOfRib }: ReceiveResult): void {
    for (const problem of problems) {
      const kind = `${problem.action} ${problem.attribute}`
      this.#out.log(updateProblemLine(name, problem, !warned.has(kind)))
      warned.add(kind)
    }
    if (crowded !== undefined) this.#out.log(pathLimitLine(name, crowded))
    if (memory !== undefined) this.#out.log(memoryLine(name, memory))
    if (nearLimit !== undefined) this.#out.log(nearLimitLine(name, nearLimit))
    if (error !== undefined || endOfRib === undefined) return
    const text = `${name}: End-of-RIB for ${endOfRib}`
    this.#out.log(logLine('debug', 'end-of-rib', text, { peer: name, family: endOfRib }))
  }
}

/** The event that ends a session because of its UPDATEs; a neighbor with too many routes is held down. */
function endOf({ intent }: Neighbor, conn: ConnId, error: MessageError, tooMany: Family | undefined): PeerEvent {
  if (tooMany === undefined) return { kind: 'update-error', conn, error }
  return { kind: 'too-many', conn, error, holdDown: intent.maxPrefixes[tooMany]?.restartAfter }
}
