/**
 * Writes routes, many in one send. The kernel acknowledges the last message and reports an error for each that fails.
 *
 * The kernel does the work during the send, which may take a tenth of a second: it runs on another thread.
 */
import type { Failure, RouteChange } from '../../dataplane/kernel.ts'
import { errnoText, errorText } from '../error-text.ts'
import {
  type Answer,
  Attributes,
  messagesOf,
  NetlinkWriter,
  NLM_F_ACK,
  NLMSG_ERROR,
  readAnswer,
} from './netlink-message.ts'
import { writeChange } from './netlink-route.ts'
import type { NetlinkSocket } from './netlink-socket.ts'

/** Octets in one send: about four hundred routes, whose errors fit into the socket's buffer. */
const BATCH = 32 * 1024
/** Octets that one route may take: enough for 256 next hops. */
const LARGEST = 16 * 1024
/** The kernel has 32 bits for a sequence number: they begin again before that. */
const LAST_BASE = 2 ** 31
/** ESRCH: there is no such route. For a removal this is success. */
const ESRCH = 3

/** A batch of routes: its octets, and which changes are in it. */
interface Batch {
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
}

export class RouteWriter {
  readonly #socket: NetlinkSocket
  readonly #indexOf: (name: string) => number | undefined
  readonly #writer = new NetlinkWriter(BATCH + LARGEST)
  /** The sequence number of the effect's first change: every message has a number of its own. */
  #base: number

  constructor(socket: NetlinkSocket, indexOf: (name: string) => number | undefined, base = 0) {
    this.#base = base
    this.#socket = socket
    this.#indexOf = indexOf
  }

  /** Returns the changes that failed; never rejects. */
  async write(changes: readonly RouteChange[]): Promise<Failure[]> {
    if (this.#base > LAST_BASE) this.#base = 0
    const failures: Failure[] = []
    let from = 0
    while (from < changes.length) {
      const batch = this.#encode(changes, from)
      failures.push(...(await this.#send(batch, changes)))
      from = batch.to
    }
    this.#base += changes.length
    return failures
  }

  #encode(changes: readonly RouteChange[], from: number): Batch {
    let to = from
    while (to < changes.length && this.#writer.length < BATCH) {
      writeChange(this.#writer, changes[to] as RouteChange, this.#base + to, this.#indexOf)
      to++
    }
    this.#writer.addFlags(NLM_F_ACK)
    return { bytes: this.#writer.take(), from, to }
  }

  async #send({ bytes, from, to }: Batch, changes: readonly RouteChange[]): Promise<Failure[]> {
    let answers: Map<number, Answer> | undefined
    try {
      await this.#socket.sendApart(bytes)
      answers = this.#answers()
    } catch (error) {
      return failAll(from, to, errorText(error))
    }
    if (answers?.has(this.#base + to - 1) !== true) {
      return failAll(from, to, 'the kernel did not answer')
    }
    const failures: Failure[] = []
    for (const [seq, { errno, text }] of answers) {
      const index = seq - this.#base
      const isGoneAlready = errno === ESRCH && changes[index]?.action === 'remove'
      if (errno !== 0 && !isGoneAlready && index >= from && index < to) {
        failures.push({ index, reason: text ?? errnoText(errno) })
      }
    }
    return failures
  }

  /** What the kernel has answered to a send, by sequence number; undefined: it dropped some, so that the result is unknown. */
  #answers(): Map<number, Answer> | undefined {
    const found = new Map<number, Answer>()
    let isWhole = true
    for (;;) {
      const received = this.#socket.receive()
      if (received === 'nothing') return isWhole ? found : undefined
      if (received === 'overrun') {
        isWhole = false
        continue
      }
      const attributes = new Attributes(received)
      for (const message of messagesOf(received)) {
        if (message.type === NLMSG_ERROR) found.set(message.seq, readAnswer(attributes, message))
      }
    }
  }
}

const failAll = (from: number, to: number, reason: string): Failure[] =>
  Array.from({ length: to - from }, (_, place) => ({ index: from + place, reason }))
