/**
 * The control socket: a Unix stream socket for `show` and other commands.
 *
 * In: the effects `reply` and `hang-up`. Out, to `feed`: `client-opened`, `command`, `client-drained`, `client-closed`.
 *
 * A client's next line is passed to the engine when the answer to the one before is complete. Its socket is read until more
 * than `LONGEST_LINE` characters wait; that also bounds one line. After `reply`,
 * `client-drained` follows once the client has read all of it; a client that does not read gets nothing more. Every
 * `client-opened` is followed by exactly one `client-closed`.
 *
 * Whoever can connect may use `show`. Only root and the agent's own user may use commands that act, whatever the
 * socket's group (`restricted`). Connections are limited: an idle one is closed for a newcomer, and some are
 * reserved for those who may act.
 */
import type { Socket } from 'node:net'
import { StringDecoder } from 'node:string_decoder'
import type { Family } from '../../base/family.ts'
import type { Millis } from '../../base/units.ts'
import type { Effect } from '../../engine/effect.ts'
import type { ClientId, Input } from '../../engine/input.ts'
import { endsReply } from '../../show/line-protocol.ts'
import { errorText } from '../error-text.ts'
import { ConnectionLimit } from './connection-limit.ts'
import { SocketFile } from './socket-file.ts'

export type ControlEffect = Extract<Effect, { readonly kind: 'reply' | 'hang-up' }>

export interface ControlOptions {
  readonly path: string
  readonly feed: (input: Input) => void
  /** Name or number of the group that may connect; undefined: the process's own group. */
  readonly group?: string | undefined
  /** The mode of the socket, as for `chmod`. */
  readonly mode?: number
  /** Clients of this socket expect a BIRD 1.6 of this family. */
  readonly bird1?: Family
  /** Numbers the clients, if there are several sockets. */
  readonly nextId?: () => ClientId
  /** Clients connected at once. */
  readonly mostClients?: number
}

const LONGEST_LINE = 4096
const MOST_CLIENTS = 64
/** Clients are answered for this long before all sockets are polled again; at least one client is answered. */
const SHARE: Millis = 2
/**
 * A connection whose answer is not read for this long counts as idle: birdc's pager may be waiting for a person.
 */
const STALL: Millis = 30_000
/** Time for a client whose connection is closed to read the rest. */
const LINGER: Millis = 3_000

interface Client {
  readonly id: ClientId
  readonly socket: Socket
  readonly decoder: StringDecoder
  /** Bytes that are not yet a whole line. */
  text: string
  /** The greeting or an answer is not complete yet. */
  answering: boolean
  /** The client will send nothing more. */
  ended: boolean
  /** The client has read everything, and the engine has not been told yet. */
  drained: boolean
  gone: boolean
}

export class Control {
  readonly #options: ControlOptions
  readonly #clients = new Map<ClientId, Client>()
  readonly #limit: ConnectionLimit<Client>
  readonly #sockets = new Set<Socket>()
  /** Clients for which there is something to do. */
  readonly #waiting = new Set<Client>()
  #serving: NodeJS.Immediate | undefined
  readonly #file: SocketFile
  #nextId: ClientId = 1

  constructor(options: ControlOptions) {
    this.#options = options
    const { path, group, mode = 0o660, mostClients: most = MOST_CLIENTS } = options
    this.#file = new SocketFile({ path, group, mode, serve: (socket, uid) => this.#accept(socket, uid) })
    this.#limit = new ConnectionLimit({ most, mostPerCaller: Math.ceil(most / 2), reserved: Math.floor(most / 4) })
  }

  /** Connections that were refused, and idle ones that were closed for others. */
  get refused(): number {
    return this.#limit.refused
  }

  /** Listens. Throws one line where that fails. */
  async open(): Promise<void> {
    const { path } = this.#options
    try {
      await this.#file.open()
    } catch (error) {
      throw new Error(`control socket ${path}: ${errorText(error)}`, { cause: error })
    }
  }

  perform(effect: ControlEffect): void {
    const client = this.#clients.get(effect.client)
    if (client === undefined) return
    if (effect.kind === 'hang-up') this.#hangUp(client)
    else this.#reply(client, effect.text)
  }

  /** Ends every client's connection and removes the socket, unless another process has replaced it. */
  async close(): Promise<void> {
    for (const client of this.#clients.values()) this.#hangUp(client)
    await this.#file.close()
    const closed = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    for (const socket of this.#sockets) socket.destroySoon()
    await Promise.all(closed)
  }

  #accept(socket: Socket, uid: number): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    const mayAct = uid === 0 || uid === process.geteuid?.()
    const client: Client = {
      id: this.#options.nextId?.() ?? this.#nextId++,
      socket,
      decoder: new StringDecoder('utf8'),
      text: '',
      answering: true,
      ended: false,
      drained: false,
      gone: false,
    }
    const closing = this.#limit.admit(client, { name: String(uid), privileged: mayAct })
    if (closing !== undefined) this.#rejectClient(closing)
    if (closing === client) return
    this.#clients.set(client.id, client)
    socket.on('data', (chunk) => this.#read(client, client.decoder.write(chunk)))
    socket.on('end', () => this.#end(client))
    socket.on('close', () => this.#forget(client))
    socket.setTimeout(STALL, () => this.#limit.setIdle(client))
    const { feed, bird1 } = this.#options
    feed({ kind: 'client-opened', client: client.id, restricted: !mayAct, ...(bird1 !== undefined && { bird1 }) })
  }

  #rejectClient(client: Client): void {
    client.socket.write('8901 Too many connections\n')
    this.#hangUp(client)
  }

  /** What comes after a hang-up is read and dropped: a client with unread data would get an error in place of the end. */
  #read(client: Client, text: string): void {
    if (client.gone) return
    client.text += text
    if (client.text.length > LONGEST_LINE) client.socket.pause()
    this.#later(client)
  }

  /** The last line may lack its newline. */
  #end(client: Client): void {
    client.ended = true
    if (client.text !== '' && !client.text.endsWith('\n')) client.text += '\n'
    this.#later(client)
  }

  #later(client: Client): void {
    if (client.gone) return
    this.#waiting.add(client)
    this.#serving ??= setImmediate(this.#serve)
  }

  /** Between two polls of all sockets: clients with many commands must not delay neighbors. */
  readonly #serve = (): void => {
    const until = performance.now() + SHARE
    for (const client of this.#waiting) {
      this.#waiting.delete(client)
      if (client.drained) {
        client.drained = false
        this.#options.feed({ kind: 'client-drained', client: client.id })
      }
      this.#next(client)
      if (performance.now() >= until) break
    }
    this.#serving = this.#waiting.size === 0 ? undefined : setImmediate(this.#serve)
  }

  /** Passes the next line to the engine, if there is one and its turn has come. */
  #next(client: Client): void {
    if (client.gone || client.answering) return
    const end = client.text.indexOf('\n')
    if ((end < 0 ? client.text.length : end) > LONGEST_LINE) {
      client.socket.write('9000 Command too long\n')
      this.#hangUp(client)
    } else if (end >= 0) {
      const line = client.text.slice(0, end).replace(/\r$/, '')
      client.text = client.text.slice(end + 1)
      client.answering = true
      this.#limit.setBusy(client)
      this.#options.feed({ kind: 'command', client: client.id, line })
    } else if (client.ended) this.#hangUp(client)
    else client.socket.resume()
  }

  #reply(client: Client, text: string): void {
    const complete = endsReply(text)
    client.socket.write(text, (error) => {
      if (client.gone || error) return
      if (complete) client.answering = false
      if (complete) this.#limit.setIdle(client)
      else this.#limit.setBusy(client)
      client.drained = true
      this.#later(client)
    })
  }

  #hangUp(client: Client): void {
    this.#forget(client)
    client.socket.resume()
    client.socket.end()
    const timer = setTimeout(() => client.socket.destroy(), LINGER)
    client.socket.on('close', () => clearTimeout(timer))
  }

  #forget(client: Client): void {
    if (client.gone) return
    client.gone = true
    client.text = ''
    this.#waiting.delete(client)
    this.#limit.remove(client)
    if (!this.#clients.delete(client.id)) return
    // May be called while an effect of the engine is performed: the driver queues inputs meanwhile.
    this.#options.feed({ kind: 'client-closed', client: client.id })
  }
}
