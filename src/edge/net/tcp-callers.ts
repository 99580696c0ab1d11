/**
 * Connections that a listener has accepted, until the engine has decided on them. Until then nothing more is asked of the system
 * for one, and nothing is created: a flood of strangers costs little.
 */
import type { Address } from '../../base/address.ts'
import type { ConnId, Endpoint } from '../../bgp/session/types.ts'
import type { Input } from '../../engine/input.ts'
import { errorText } from '../error-text.ts'
import { closeSocket, detachFilter, localEndpoint, setNoDelay, ttlOfSyn } from '../libc.ts'
import type { Reserve } from '../reserve.ts'
import { ProtectedSocket } from './protected-socket.ts'
import type { SocketProtection } from './protection.ts'
import type { Caller } from './tcp-listener.ts'

export interface TcpCallersOptions {
  readonly feed: (input: Input) => void
  readonly protection: SocketProtection
  readonly reserve: Reserve
  /** Too many accepted connections wait for the engine's first message. */
  readonly isFull: () => boolean
  /** A host that is no neighbor has connected. */
  readonly onStranger: () => void
  /** The engine wants the connection, whose socket is protected: from now on it is read. */
  readonly onAdmitted: (conn: ConnId, target: ProtectedSocket) => void
}

interface Waiting extends Caller {
  readonly conn: ConnId
  readonly local: Endpoint
}

export class TcpCallers {
  readonly #options: TcpCallersOptions
  /** The connection accepted last, while the engine decides. */
  #waiting: Waiting | undefined
  /** Odd numbers are accepted connections, even ones dialled (`engine/neighbors`). */
  #next: ConnId = 1

  constructor(options: TcpCallersOptions) {
    this.#options = options
  }

  accept({ fd, remote, isIpv6 }: Caller): void {
    const { protection, feed, onStranger } = this.#options
    if (protection.isTold && protection.of(remote.address) === undefined) onStranger()
    const whyNot = this.#whyTurnAway(fd, remote.address)
    if (whyNot !== undefined) {
      this.#hangUp(fd)
      feed({ kind: 'turned-away', address: remote.address, reason: whyNot })
      return
    }
    const conn = this.#next
    this.#next += 2
    const waiting = { conn, fd, remote, isIpv6, local: localEndpoint(fd) }
    this.#waiting = waiting
    feed({ kind: 'accepted', conn, local: waiting.local, remote })
    // Neither refused nor answered yet: it is read, so that its end is noticed.
    if (this.#waiting === waiting) this.#admit(waiting)
  }

  /** The engine sends on this connection or closes it: it becomes one of its own, if it is the one that waits. */
  admit(conn: ConnId): void {
    if (this.#waiting?.conn === conn) this.#admit(this.#waiting)
  }

  /** Ends the connection, if it is the one that waits; false: it is not. */
  refuse(conn: ConnId): boolean {
    const waiting = this.#waiting
    if (waiting?.conn !== conn) return false
    this.#waiting = undefined
    this.#hangUp(waiting.fd)
    this.#options.feed({ kind: 'closed', conn, reason: undefined })
    return true
  }

  /** Undefined: the engine is asked about it. */
  #whyTurnAway(fd: number, address: Address): string | undefined {
    const { protection, reserve, isFull } = this.#options
    const whyUnsigned = protection.whyUnsigned(address)
    if (whyUnsigned !== undefined) return whyUnsigned
    // Bytes that arrived before its own least TTL was set have not been checked.
    const least = protection.of(address)?.minTtl
    const ttl = least === undefined ? undefined : ttlOfSyn(fd)
    if (least !== undefined && ttl !== undefined && ttl < least) {
      return `its packets arrive with a TTL of ${ttl}, and ttlSecurity asks for ${least}`
    }
    if (reserve.isSpent) return 'no file descriptor is left'
    return isFull() ? 'too many callers wait for an answer' : undefined
  }

  #hangUp(fd: number): void {
    closeSocket(fd)
    this.#options.reserve.refill()
  }

  /** Nothing has been read yet: its protection is set first. */
  #admit({ conn, fd, remote, isIpv6 }: Waiting): void {
    this.#waiting = undefined
    const { protection, feed, onAdmitted } = this.#options
    const target = new ProtectedSocket(protection, fd, remote.address, isIpv6)
    try {
      setNoDelay(fd)
      // It has inherited the listener's.
      detachFilter(fd)
      target.protectAccepted()
    } catch (error) {
      this.#hangUp(fd)
      feed({ kind: 'closed', conn, reason: errorText(error) })
      return
    }
    onAdmitted(conn, target)
  }
}
