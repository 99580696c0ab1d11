/**
 * The control socket: a Unix stream socket for those who look.
 *
 * In: the effects `reply` and `hang-up`. Out, to `feed`: `client-opened`, `command`, `client-drained`, `client-closed`.
 *
 * - A looker's next line is handed in only when the answer to the one before is complete; until then its socket is
 *   not read. What it may send ahead is bounded by its socket's buffer, one line by `LONGEST_LINE`.
 * - After `reply`, `client-drained` follows once the looker has taken all of it; a looker that takes nothing gets
 *   nothing more.
 * - Every `client-opened` is followed by exactly one `client-closed`.
 * - The socket appears under its name only when its mode and group are right, and takes the place of one that nobody
 *   answers on any more.
 */
import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import type { Family } from '../../base/family.ts'
import type { Effect } from '../../engine/effect.ts'
import type { ClientId, Input } from '../../engine/input.ts'
import { endsReply } from '../../show/line-protocol.ts'
import { wordsOf } from '../os-words.ts'

export type ControlEffect = Extract<Effect, { readonly kind: 'reply' | 'hang-up' }>

export interface ControlOptions {
  readonly path: string
  readonly feed: (input: Input) => void
  /** Name or number of the group that may look and act; undefined leaves the process's own. */
  readonly group?: string | undefined
  /** Who may connect, as for `chmod`. */
  readonly mode?: number
  /** Who connects here expects a BIRD 1.6 of this family. */
  readonly bird1?: Family
  /** Gives out the numbers of lookers, where there are several sockets. */
  readonly nextId?: () => ClientId
  /** More lookers than this at once are turned away. */
  readonly mostClients?: number
}

const LONGEST_LINE = 4096
/** So long a looker that was hung up on may take to read the rest. */
const LINGER_MILLIS = 3_000

interface Client {
  readonly id: ClientId
  readonly socket: Socket
  readonly decoder: StringDecoder
  /** What was read and is not yet a command. */
  text: string
  /** The greeting or an answer is not complete yet. */
  answering: boolean
  /** It will send nothing more. */
  ended: boolean
  gone: boolean
}

export class Control {
  readonly #options: ControlOptions
  readonly #clients = new Map<ClientId, Client>()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #inode: bigint | undefined
  #nextId: ClientId = 1

  constructor(options: ControlOptions) {
    this.#options = options
  }

  /** Listens. Throws one line of words where that cannot be. */
  async open(): Promise<void> {
    const { path } = this.#options
    try {
      await mkdir(dirname(path), { recursive: true })
      await refuseIfTaken(path)
      this.#server = await this.#listen()
      this.#inode = (await lstat(path, { bigint: true })).ino
    } catch (error) {
      throw new Error(`control socket ${path}: ${wordsOf(error)}`, { cause: error })
    }
  }

  /** Made in a folder of its own, where nobody can connect, and moved to its name when it is ready. */
  async #listen(): Promise<Server> {
    const { path, mode = 0o660, group } = this.#options
    const gid = group === undefined ? undefined : await groupId(group)
    const folder = await mkdtemp(join(dirname(path), '.g'))
    const made = join(folder, 's')
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
    try {
      await listening(server, made)
      await chmod(made, mode)
      if (gid !== undefined) await chown(made, -1, gid)
      await rename(made, path)
      return server
    } catch (error) {
      server.close()
      await rm(made, { force: true })
      throw error
    } finally {
      await rmdir(folder)
    }
  }

  perform(effect: ControlEffect): void {
    const client = this.#clients.get(effect.client)
    if (client === undefined) return
    if (effect.kind === 'hang-up') this.#hangUp(client)
    else this.#reply(client, effect.text)
  }

  /** Ends every looker's connection and takes the socket away, unless it is no longer ours. */
  async close(): Promise<void> {
    const { path } = this.#options
    for (const client of this.#clients.values()) this.#hangUp(client)
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroySoon()
    const now = await lstat(path, { bigint: true }).catch(() => undefined)
    if (now !== undefined && now.ino === this.#inode) await unlink(path).catch(() => {})
    await closed
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    if (this.#clients.size >= (this.#options.mostClients ?? 64)) {
      socket.end('8901 Too many connections\n')
      socket.resume()
      return
    }
    const client: Client = {
      id: this.#options.nextId?.() ?? this.#nextId++,
      socket,
      decoder: new StringDecoder('utf8'),
      text: '',
      answering: true,
      ended: false,
      gone: false,
    }
    this.#clients.set(client.id, client)
    socket.on('data', (chunk) => this.#read(client, client.decoder.write(chunk)))
    socket.on('end', () => this.#end(client))
    socket.on('close', () => this.#forget(client))
    const { feed, bird1 } = this.#options
    feed({ kind: 'client-opened', client: client.id, ...(bird1 !== undefined && { bird1 }) })
  }

  #read(client: Client, text: string): void {
    client.text += text
    this.#next(client)
  }

  /** The last line may lack its newline. */
  #end(client: Client): void {
    client.ended = true
    if (client.text !== '' && !client.text.endsWith('\n')) client.text += '\n'
    this.#next(client)
  }

  /** Hands in the next line, if one is there and its turn has come. */
  #next(client: Client): void {
    if (client.gone) return
    if (client.answering) {
      if (client.text.length > LONGEST_LINE) client.socket.pause()
      return
    }
    const end = client.text.indexOf('\n')
    if ((end < 0 ? client.text.length : end) > LONGEST_LINE) {
      client.socket.write('9000 Command too long\n')
      this.#hangUp(client)
    } else if (end >= 0) {
      const line = client.text.slice(0, end).replace(/\r$/, '')
      client.text = client.text.slice(end + 1)
      client.answering = true
      this.#options.feed({ kind: 'command', client: client.id, line })
    } else if (client.ended) this.#hangUp(client)
    else client.socket.resume()
  }

  #reply(client: Client, text: string): void {
    const complete = endsReply(text)
    client.socket.write(text, (error) => {
      if (client.gone || error) return
      if (complete) client.answering = false
      this.#options.feed({ kind: 'client-drained', client: client.id })
      if (complete) this.#next(client)
    })
  }

  #hangUp(client: Client): void {
    this.#forget(client)
    client.socket.resume()
    client.socket.end()
    const timer = setTimeout(() => client.socket.destroy(), LINGER_MILLIS)
    client.socket.on('close', () => clearTimeout(timer))
  }

  #forget(client: Client): void {
    if (client.gone) return
    client.gone = true
    client.text = ''
    this.#clients.delete(client.id)
    // Also called while an effect of the engine is carried out: the driver queues what is fed then.
    this.#options.feed({ kind: 'client-closed', client: client.id })
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve()
    })
  })
}

/** A name that is taken by something else than a socket nobody answers on is left alone. */
async function refuseIfTaken(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined)
  if (there === undefined) return
  if (!there.isSocket()) throw new Error('there is something here that is no socket; remove it or choose another path')
  if (await answers(path)) throw new Error('another agent answers on it')
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** A number, or a name out of /etc/group. */
async function groupId(group: string): Promise<number> {
  if (/^\d+$/.test(group)) return Number(group)
  const lines = (await readFile('/etc/group', 'utf8')).split('\n')
  const fields = lines.map((line) => line.split(':')).find(([name]) => name === group)
  if (fields?.[2] === undefined) throw new Error(`there is no group ${group}`)
  return Number(fields[2])
}
