/**
 * TCP for the engine: listens, dials, carries bytes both ways, closes so that the last message arrives.
 *
 * In: the effects `listen`, `dial`, `send`, `close`, `refuse`. Out, to `feed`: the inputs about connections.
 *
 * What holds for every connection, here and in the memory network (one contract suite):
 * - a dialled one is answered by exactly one of `connected` and `dial-failed`;
 * - every `connected` and `accepted` is followed by exactly one `closed`, after our own `close` or `refuse` too, and
 *   nothing about the connection comes after it;
 * - after `send`, `drained` follows once all of it has been handed to the kernel;
 * - effects for connections that are gone do nothing.
 */
import { createConnection, type Socket } from 'node:net'
import { type Address, formatAddress, parseAddress, parseAddressBytes } from '../../base/address.ts'
import type { Millis } from '../../base/units.ts'
import type { ConnId, Endpoint } from '../../bgp/session/types.ts'
import type { Effect } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'
import { wordsOf } from '../os-words.ts'
import { interfaceOf } from './interfaces.ts'
import { Listeners } from './tcp-listeners.ts'

export type NetworkEffect = Extract<Effect, { readonly kind: 'listen' | 'dial' | 'send' | 'close' | 'refuse' }>

/** What carries connections: TCP, or the memory network of the tests. */
export interface Network {
  perform(effect: NetworkEffect): void
  /** Stops listening, ends every connection; done when none is left. */
  stop(): Promise<void>
}

export interface TcpOptions {
  readonly feed: (input: Input) => void
  /** A connection that does not stand after this long has failed. */
  readonly dialTimeout?: Millis
  /** So long a closed connection may take to hand over its last message. */
  readonly linger?: Millis
  /** First pause before trying to listen again; doubles up to 30 s. */
  readonly listenRetry?: Millis
  /** So many accepted connections may wait for the engine's first word; more are closed at once. */
  readonly mostUnanswered?: number
}

/** Beyond this a neighbor that does not read is given up: the engine stops at far less. */
const MOST_QUEUED_BYTES = 32 * 1024 * 1024

interface Connection {
  readonly conn: ConnId
  readonly socket: Socket
  /** `dialling` until it stands, `closing` after our own close, `gone` once `closed` was told. */
  phase: 'dialling' | 'open' | 'closing' | 'gone'
  /** Accepted, and the engine has not sent anything yet. */
  unanswered: boolean
  timer: NodeJS.Timeout | undefined
  error: string | undefined
}

export class Tcp implements Network {
  readonly #feed: (input: Input) => void
  readonly #dialTimeout: Millis
  readonly #linger: Millis
  readonly #mostUnanswered: number
  readonly #listeners: Listeners
  readonly #connections = new Map<ConnId, Connection>()
  readonly #emptied = new Set<Connection>()
  #telling: NodeJS.Immediate | undefined
  #unanswered = 0
  #nextAccepted: ConnId = 1
  #whenEmpty: (() => void) | undefined

  constructor(options: TcpOptions) {
    this.#feed = options.feed
    this.#dialTimeout = options.dialTimeout ?? 10_000
    this.#linger = options.linger ?? 3_000
    this.#mostUnanswered = options.mostUnanswered ?? 64
    this.#listeners = new Listeners(options.feed, (socket) => this.#accept(socket), options.listenRetry ?? 500)
  }

  perform(effect: NetworkEffect): void {
    if (effect.kind === 'listen') this.#listeners.want(effect.port, effect.addresses)
    else if (effect.kind === 'dial') this.#dial(effect.conn, effect.remote, effect.localAddress)
    else {
      const connection = this.#connections.get(effect.conn)
      if (connection === undefined) return
      if (effect.kind === 'send') this.#send(connection, effect.bytes)
      else if (effect.kind === 'close') this.#close(connection)
      else connection.socket.destroy()
    }
  }

  async stop(): Promise<void> {
    this.#listeners.stop()
    for (const connection of this.#connections.values()) this.#close(connection)
    if (this.#connections.size === 0) return
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve
    })
  }

  #accept(socket: Socket): void {
    const local = endpoint(socket.localAddress, socket.localPort)
    const remote = endpoint(socket.remoteAddress, socket.remotePort)
    // An address is missing when the neighbor has already gone again.
    if (local === undefined || remote === undefined || this.#unanswered >= this.#mostUnanswered) {
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    const conn = this.#nextAccepted
    this.#nextAccepted += 2
    const connection = this.#own(conn, socket, 'open')
    connection.unanswered = true
    this.#unanswered++
    this.#feed({ kind: 'accepted', conn, local, remote, interface: interfaceOf(local.address) })
  }

  #dial(conn: ConnId, remote: Endpoint, localAddress: Address | undefined): void {
    let socket: Socket
    try {
      socket = createConnection({
        host: remote.address,
        port: remote.port,
        ...(localAddress === undefined ? {} : { localAddress }),
        noDelay: true,
        allowHalfOpen: true,
        autoSelectFamily: false,
      })
    } catch (error) {
      this.#feed({ kind: 'dial-failed', conn, reason: wordsOf(error) })
      return
    }
    const connection = this.#own(conn, socket, 'dialling')
    connection.timer = setTimeout(() => {
      connection.error = 'Connection timed out'
      socket.destroy()
    }, this.#dialTimeout)
    socket.once('connect', () => this.#connected(connection))
    socket.once('error', (error) => {
      if (localAddress !== undefined && 'code' in error && error.code === 'EADDRNOTAVAIL') {
        connection.error = `${wordsOf(error)} ${localAddress}: it is not one of this machine`
      }
    })
  }

  #connected(connection: Connection): void {
    if (connection.phase !== 'dialling') return
    const local = endpoint(connection.socket.localAddress, connection.socket.localPort)
    const remote = endpoint(connection.socket.remoteAddress, connection.socket.remotePort)
    if (local === undefined || remote === undefined) {
      connection.error ??= 'Connection reset by peer'
      connection.socket.destroy()
      return
    }
    clearTimeout(connection.timer)
    connection.phase = 'open'
    this.#feed({
      kind: 'connected',
      conn: connection.conn,
      local,
      remote,
      interface: interfaceOf(local.address),
    })
  }

  #own(conn: ConnId, socket: Socket, phase: 'dialling' | 'open'): Connection {
    const connection: Connection = { conn, socket, phase, unanswered: false, timer: undefined, error: undefined }
    this.#connections.set(conn, connection)
    socket.on('data', (chunk) => this.#received(connection, chunk))
    socket.on('error', (error) => {
      connection.error ??= wordsOf(error)
    })
    socket.on('end', () => this.#ended(connection))
    socket.on('close', () => this.#gone(connection))
    return connection
  }

  #received(connection: Connection, chunk: Buffer): void {
    if (connection.phase !== 'open') return
    // Node reads many chunks of one socket before it looks at anything else: who has room is not to wait for all of them.
    if (this.#emptied.size > 0) this.#tellDrained()
    // A plain view: rooms within must not meet Buffer's own `slice`.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this.#feed({ kind: 'received', conn: connection.conn, bytes })
  }

  /** The neighbor said all it had to say. We say the same, which ends the socket. */
  #ended(connection: Connection): void {
    connection.socket.end()
    if (connection.phase !== 'open') return
    this.#lingerOn(connection)
    this.#tellClosed(connection, undefined)
  }

  #send(connection: Connection, bytes: Uint8Array): void {
    if (connection.phase !== 'open') return
    this.#answered(connection)
    const { socket } = connection
    if (socket.writableLength > MOST_QUEUED_BYTES) {
      connection.error ??= 'Neighbor does not read what we send'
      socket.destroy()
      return
    }
    socket.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), () => {
      if (socket.writableLength > 0 || connection.phase !== 'open') return
      this.#emptied.add(connection)
      this.#telling ??= setImmediate(this.#tellDrained)
    })
  }

  /** Between two looks at the sockets: a neighbor that reads fast must not keep the others waiting. */
  readonly #tellDrained = (): void => {
    clearImmediate(this.#telling)
    this.#telling = undefined
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
      connection.error ??= 'Closed before it stood'
      connection.socket.destroy()
    } else if (connection.phase === 'open') {
      connection.phase = 'closing'
      connection.socket.end()
      connection.socket.resume()
      this.#lingerOn(connection)
    }
  }

  #lingerOn(connection: Connection): void {
    clearTimeout(connection.timer)
    connection.timer = setTimeout(() => connection.socket.destroy(), this.#linger)
  }

  #gone(connection: Connection): void {
    clearTimeout(connection.timer)
    this.#connections.delete(connection.conn)
    this.#emptied.delete(connection)
    const { phase, conn, error } = connection
    if (phase === 'dialling') {
      connection.phase = 'gone'
      this.#feed({ kind: 'dial-failed', conn, reason: error ?? 'Connection closed' })
    } else this.#tellClosed(connection, phase === 'closing' ? undefined : error)
    if (this.#connections.size === 0) this.#whenEmpty?.()
  }

  #tellClosed(connection: Connection, reason: string | undefined): void {
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

function endpoint(text: string | undefined, port: number | undefined): Endpoint | undefined {
  const address = text === undefined ? undefined : normalAddress(text)
  return address === undefined || port === undefined ? undefined : { address, port }
}

/** Canonical; an IPv4 address that came through an IPv6 socket (`::ffff:10.0.0.1`) is IPv4 again. */
export function normalAddress(text: string): Address | undefined {
  const bytes = parseAddressBytes(text)
  if (bytes?.length === 16 && isMapped(bytes)) return formatAddress(bytes, 12, 4)
  return parseAddress(text)
}

const isMapped = (bytes: Uint8Array): boolean =>
  bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
