/**
 * TCP for the engine: listens, connects, sends and receives, and closes so that the last message arrives.
 *
 * In: the effects `protect`, `listen`, `dial`, `send`, `close`, `refuse`. Out, to `feed`: the inputs about connections.
 *
 * What holds for every connection stands in `network.ts`. Reading is fair (`fair-reading.ts`).
 */
import { Socket, type SocketConstructorOpts } from 'node:net'
import { type Address, familyOfAddress } from '../../base/address.ts'
import type { Millis } from '../../base/units.ts'
import { calledFrom } from '../../bgp/session/end-reason.ts'
import type { ConnId, Endpoint } from '../../bgp/session/types.ts'
import type { Effect, Protection } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'
import { errorText } from '../error-text.ts'
import { Keys } from '../keys.ts'
import {
  bindSocket,
  bindToInterface,
  CallError,
  closeSocket,
  localEndpoint,
  openSocket,
  setNetworkControl,
  setNoDelay,
} from '../libc.ts'
import { Reserve } from '../reserve.ts'
import { makeCallerFilter } from './caller-filter.ts'
import { bufferFor, FairReading, newReading, type ReadProgress } from './fair-reading.ts'
import { Flood } from './flood.ts'
import type { Network, NetworkEffect } from './network.ts'
import { ProtectedSocket } from './protected-socket.ts'
import { SocketProtection } from './protection.ts'
import { TcpCallers } from './tcp-callers.ts'
import { TcpListeners } from './tcp-listeners.ts'

type Dial = Extract<Effect, { readonly kind: 'dial' }>

export interface TcpOptions {
  readonly feed: (input: Input) => void
  /** The keys of neighbors. */
  readonly keys?: Keys
  /** A connection that is not established after this long has failed. */
  readonly dialTimeout?: Millis
  /** A closed connection may take this long to deliver its last message. */
  readonly linger?: Millis
  /** First pause before trying to listen again; doubles up to 30 s. */
  readonly listenRetry?: Millis
  /** The most accepted connections that wait for the engine's decision; more are closed at once. */
  readonly mostUnanswered?: number
}

/** A neighbor that does not read is disconnected at this limit: the engine stops sending at far less. */
const MOST_QUEUED_BYTES = 32 * 1024 * 1024
/** Connections that we have closed and whose last message is still under way; beyond this the oldest is aborted. */
const MOST_CLOSING = 256

interface Connection {
  readonly conn: ConnId
  readonly target: ProtectedSocket
  readonly socket: Socket
  /** `dialling` until it is established, `closing` after our own close, `gone` once `closed` was reported. */
  phase: 'dialling' | 'open' | 'closing' | 'gone'
  /** Accepted, and the engine has not sent anything yet. */
  unanswered: boolean
  timer: NodeJS.Timeout | undefined
  error: string | undefined
  readonly reading: ReadProgress
}

export class Tcp implements Network {
  readonly #feed: (input: Input) => void
  readonly #dialTimeout: Millis
  readonly #linger: Millis
  readonly #mostUnanswered: number
  readonly #protection: SocketProtection
  readonly #reserve: Reserve
  readonly #listeners: TcpListeners
  readonly #flood: Flood
  readonly #callers: TcpCallers
  /** Connections that are `unanswered`. */
  #unanswered = 0
  readonly #connections = new Map<ConnId, Connection>()
  /** Connections that we closed, oldest first. */
  readonly #closing = new Set<Connection>()
  readonly #emptied = new Set<Connection>()
  #reporting: NodeJS.Immediate | undefined
  readonly #reading = new FairReading<Connection>()
  #whenEmpty: (() => void) | undefined

  constructor(options: TcpOptions) {
    const { feed } = options
    this.#feed = feed
    this.#dialTimeout = options.dialTimeout ?? 10_000
    this.#linger = options.linger ?? 3_000
    this.#mostUnanswered = options.mostUnanswered ?? 64
    this.#reserve = new Reserve((error) => feed({ kind: 'descriptors', error }))
    this.#protection = new SocketProtection(options.keys ?? new Keys())
    this.#listeners = new TcpListeners({
      feed,
      accept: (caller) => this.#callers.accept(caller),
      admission: (link) => this.#protection.admission(link),
      links: () => this.#protection.links,
      filter: () => (this.#flood.isOn ? (most) => makeCallerFilter(this.#protection.callers, most) : undefined),
      reserve: this.#reserve,
      retry: options.listenRetry ?? 500,
    })
    this.#flood = new Flood({
      filter: () => this.#listeners.refilter(),
      dropped: () => this.#listeners.dropped,
      report: (isOn, dropped) => feed({ kind: 'callers-filtered', isOn, dropped }),
    })
    this.#callers = new TcpCallers({
      feed,
      protection: this.#protection,
      reserve: this.#reserve,
      isFull: () => this.#unanswered >= this.#mostUnanswered,
      onStranger: () => this.#flood.stranger(),
      onAdmitted: (conn, target) => this.#take(conn, target),
    })
  }

  perform(effect: NetworkEffect): void {
    if (effect.kind === 'protect') this.#protect(effect.neighbors)
    else if (effect.kind === 'listen') this.#listen(effect.port, effect.addresses)
    else if (effect.kind === 'dial') this.#dial(effect)
    else if (effect.kind === 'refuse') {
      if (!this.#callers.refuse(effect.conn)) this.#connections.get(effect.conn)?.socket.destroy()
    } else {
      this.#callers.admit(effect.conn)
      const connection = this.#connections.get(effect.conn)
      if (connection === undefined) return
      if (effect.kind === 'send') this.#send(connection, effect.bytes)
      else this.#close(connection)
    }
  }

  /** Connections that may have unread bytes. */
  unread(): ConnId[] {
    return this.#reading.unread().map(({ conn }) => conn)
  }

  async stop(): Promise<void> {
    this.#flood.stop()
    this.#listeners.close()
    for (const connection of this.#connections.values()) this.#close(connection)
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve
      })
    }
    this.#reading.stop()
    this.#reserve.close()
  }

  // ---- incoming connections

  #listen(port: number, addresses: readonly Address[]): void {
    this.#listeners.want(port, addresses)
    this.#flood.start()
  }

  /** An accepted connection that the engine wants. */
  #take(conn: ConnId, target: ProtectedSocket): void {
    const connection = this.#makeConnection(conn, target, 'open')
    connection.unanswered = true
    this.#unanswered++
    connection.socket.resume()
  }

  // ---- keys and socket options

  /** Listeners and existing connections get their keys together. */
  #protect(neighbors: readonly Protection[]): void {
    this.#protection.set(neighbors)
    this.#listeners.protect()
    if (this.#flood.isOn) this.#listeners.refilter()
    for (const connection of this.#connections.values()) {
      if (connection.phase === 'open' || connection.phase === 'dialling') this.#protectAgain(connection)
    }
  }

  #protectAgain(connection: Connection): void {
    // Its descriptor is closed at once, its end is reported later: the number may be another socket's by now.
    if (connection.socket.destroyed) return
    try {
      connection.target.protectAgain()
    } catch (error) {
      connection.error ??= errorText(error)
      connection.socket.destroy()
    }
  }

  // ---- outgoing connections

  #dial({ conn, remote, localAddress, interface: name }: Dial): void {
    let target: ProtectedSocket
    try {
      target = this.#openFor(remote, localAddress, name)
    } catch (error) {
      const text = errorText(error)
      const isAddressMissing = error instanceof CallError && error.code === 'EADDRNOTAVAIL'
      const reason = isAddressMissing ? `${text} ${localAddress}: this machine does not have that address` : text
      this.#feed({ kind: 'dial-failed', conn, reason })
      return
    }
    const from = localAddress === undefined ? '' : `, ${calledFrom(localAddress, remote.address)}`
    const connection = this.#makeConnection(conn, target, 'dialling', from)
    const { socket } = connection
    connection.timer = setTimeout(() => {
      // Either side drops packets with another key without an answer.
      const hint = this.#protection.of(remote.address)?.signing === undefined ? '' : '; it may have another key'
      connection.error = `Connection timed out${from}${hint}`
      socket.destroy()
    }, this.#dialTimeout)
    socket.once('connect', () => this.#connected(connection, localEndpoint(target.fd), remote))
    try {
      socket.connect({ host: remote.address, port: remote.port, autoSelectFamily: false })
    } catch (error) {
      connection.error = errorText(error)
      socket.destroy()
    }
  }

  #openFor(remote: Endpoint, localAddress: Address | undefined, name: string | undefined): ProtectedSocket {
    const whyUnsigned = this.#protection.whyUnsigned(remote.address)
    if (whyUnsigned !== undefined) throw new Error(whyUnsigned)
    const family = familyOfAddress(remote.address)
    const fd = this.#reserve.lend(() => openSocket(family))
    const target = new ProtectedSocket(this.#protection, fd, remote.address)
    try {
      setNoDelay(fd)
      setNetworkControl(fd, target.isIpv6)
      target.protectDialled()
      if (name !== undefined) bindToInterface(fd, name)
      if (localAddress !== undefined) bindSocket(fd, { address: localAddress, port: 0 })
      return target
    } catch (error) {
      closeSocket(fd)
      throw error
    }
  }

  #connected(connection: Connection, local: Endpoint, remote: Endpoint): void {
    if (connection.phase !== 'dialling') return
    const { conn, socket } = connection
    clearTimeout(connection.timer)
    connection.phase = 'open'
    this.#feed({ kind: 'connected', conn, local, remote })
    socket.resume()
  }

  /** `from`: where a dial came from, appended to the reason why it failed. */
  #makeConnection(conn: ConnId, target: ProtectedSocket, phase: 'dialling' | 'open', from = ''): Connection {
    const reading = newReading()
    const socket = new Socket({
      fd: target.fd,
      allowHalfOpen: true,
      manualStart: true,
      onread: {
        buffer: () => bufferFor(reading),
        callback: (length: number) => this.#received(connection, length),
      },
    } as SocketConstructorOpts)
    const connection: Connection = {
      conn,
      target,
      socket,
      phase,
      unanswered: false,
      timer: undefined,
      error: undefined,
      reading,
    }
    this.#connections.set(conn, connection)
    socket.on('error', (error) => {
      connection.error ??= `${errorText(error)}${connection.phase === 'dialling' ? from : ''}`
    })
    socket.on('end', () => this.#ended(connection))
    socket.on('close', () => this.#gone(connection))
    return connection
  }

  // ---- reading

  /** True: continue to read. */
  #received(connection: Connection, length: number): boolean {
    return this.#reading.take(connection, length, (bytes) => {
      if (connection.phase === 'open') this.#feed({ kind: 'received', conn: connection.conn, bytes })
    })
  }

  // ---- sending

  /** The neighbor has closed its side. We close ours, which ends the socket. */
  #ended(connection: Connection): void {
    connection.socket.end()
    if (connection.phase !== 'open') return
    this.#lingerOn(connection)
    this.#reportClosed(connection, undefined)
  }

  #send(connection: Connection, bytes: Uint8Array): void {
    if (connection.phase !== 'open') return
    this.#answered(connection)
    const { socket } = connection
    if (socket.writableLength > MOST_QUEUED_BYTES) {
      connection.error ??= 'Neighbor does not read from the connection'
      socket.destroy()
      return
    }
    socket.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), () => {
      if (socket.writableLength > 0 || connection.phase !== 'open') return
      this.#emptied.add(connection)
      this.#reporting ??= setImmediate(this.#reportDrained)
    })
  }

  /** Between two polls of the sockets: a neighbor that reads fast must not delay the others. */
  readonly #reportDrained = (): void => {
    this.#reporting = undefined
    const emptied = [...this.#emptied]
    this.#emptied.clear()
    for (const connection of emptied) {
      if (connection.phase === 'open' && connection.socket.writableLength === 0) {
        this.#feed({ kind: 'drained', conn: connection.conn })
      }
    }
  }

  /**
   * Our FIN goes behind everything that was sent; what the neighbor still sends is read and dropped until its FIN comes.
   * Unread data at the end would make the kernel send RST, and a NOTIFICATION under way would be lost.
   */
  #close(connection: Connection): void {
    if (connection.phase === 'dialling') {
      connection.error ??= 'Closed before it was established'
      connection.socket.destroy()
    } else if (connection.phase === 'open') {
      connection.phase = 'closing'
      connection.socket.end()
      this.#lingerOn(connection)
    }
  }

  #lingerOn(connection: Connection): void {
    this.#closing.add(connection)
    const [oldest] = this.#closing
    if (oldest !== undefined && this.#closing.size > MOST_CLOSING) {
      // Not when its end is reported: many may be closed in one turn.
      this.#closing.delete(oldest)
      oldest.socket.destroy()
    }
    clearTimeout(connection.timer)
    connection.timer = setTimeout(() => connection.socket.destroy(), this.#linger)
  }

  #gone(connection: Connection): void {
    clearTimeout(connection.timer)
    this.#connections.delete(connection.conn)
    for (const set of [this.#closing, this.#emptied]) set.delete(connection)
    this.#reading.forget(connection)
    const { phase, conn, error } = connection
    if (phase === 'dialling') {
      connection.phase = 'gone'
      this.#feed({ kind: 'dial-failed', conn, reason: error ?? 'Connection closed' })
    } else this.#reportClosed(connection, phase === 'closing' ? undefined : error)
    if (this.#connections.size === 0) this.#whenEmpty?.()
  }

  #reportClosed(connection: Connection, reason: string | undefined): void {
    if (connection.phase === 'gone') return
    connection.phase = 'gone'
    this.#answered(connection)
    this.#feed({ kind: 'closed', conn: connection.conn, reason })
  }

  #answered(connection: Connection): void {
    if (!connection.unanswered) return
    connection.unanswered = false
    this.#unanswered--
  }
}
