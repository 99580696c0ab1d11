/**
 * HTTP for Kubernetes and Prometheus: `/metrics`, `/livez`, `/readyz`.
 *
 * Bounded: connections are limited, and some are reserved for this machine itself, where the kubelet's probes come
 * from. A connection has one request at a time. One without a request, with half a request, or that does not read its
 * answer, is closed after `IDLE`, or earlier when a newcomer needs its place.
 */

import { lookup } from 'node:dns/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { type Address, familyOfAddress } from '../../base/address.ts'
import type { Millis } from '../../base/units.ts'
import type { View } from '../../show/view.ts'
import type { Driver } from '../driver.ts'
import { errorText } from '../error-text.ts'
import { acceptFrom, closeSocket, isWithoutIpv6, listenAt, localEndpoint, openSocket } from '../libc.ts'
import { type Caller, ConnectionLimit } from './connection-limit.ts'
import { ReservedListener } from './reserved-listener.ts'

export interface HttpAddress {
  /** Empty for every address. */
  readonly host: string
  readonly port: number
}

export interface HttpOptions extends HttpAddress {
  readonly metrics: { readonly contentType: string; scrape(each?: boolean): Promise<readonly string[]> }
  /** Undefined while the agent is well, otherwise the reason in one line. */
  readonly whyNotLive: () => string | undefined
  readonly whyNotReady: () => string | undefined
}

export interface HttpServer {
  readonly port: number
  /** Connections that were refused, and idle ones that were closed for others. */
  readonly refused: number
  close(): Promise<void>
}

/** Reads `127.0.0.1:9179`, `[::1]:9179`, `host:9179`, `:9179`; undefined for anything else. */
export function parseHttpAddress(text: string): HttpAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  return port > 65535 ? undefined : { host: match[1] ?? match[2] ?? '', port }
}

const LIMITS = { most: 64, mostPerCaller: 16, reserved: 16 }
/** How long a connection may be idle, a request incomplete, or an answer unread. */
const IDLE: Millis = 5_000
/** The backlog: connections that the kernel holds for us. */
const BACKLOG = 128
/** Descriptors held back for probes from this machine, and one for connections that are refused. */
const RESERVE = 4

/** Starts to listen; rejects with one line that names the address. */
export async function openHttp(options: HttpOptions): Promise<HttpServer> {
  const limit = new ConnectionLimit<Socket>(LIMITS)
  const server = createServer({
    maxHeaderSize: 8192,
    requestTimeout: IDLE,
    headersTimeout: IDLE,
    keepAliveTimeout: IDLE,
    // By default Node checks for late requests only every thirty seconds.
    connectionsCheckingInterval: 1_000,
  })
  server.setTimeout(IDLE, (socket) => socket.destroy())
  const answering = new WeakSet<object>()
  server.on('request', (request, response) => {
    const { socket } = request
    // Node parses all that has arrived, and would hold an answer for each request of a caller that reads none.
    if (answering.has(socket)) socket.destroy()
    if (socket.destroyed) return
    answering.add(socket)
    limit.setBusy(socket)
    response.once('close', () => {
      answering.delete(socket)
      limit.setIdle(socket)
    })
    answer(options, request, response).catch((error: unknown) => reply(response, 500, `fault: ${errorText(error)}\n`))
  })
  const fd = await listen(options)
  // From here on the server counts connections and checks for late requests.
  server.emit('listening')
  const listener = new ReservedListener<HttpCaller>({
    fd,
    accept: acceptHttp,
    serve: (caller) => {
      const socket = new Socket({ fd: caller.fd, allowHalfOpen: true, readable: true, writable: true })
      socket.once('close', () => limit.remove(socket))
      const closing = limit.admit(socket, caller)
      if (closing !== socket) server.emit('connection', socket)
      closing?.destroy()
    },
    reserve: RESERVE,
    hasPriority: ({ privileged }) => privileged,
  })
  return {
    port: localEndpoint(fd).port,
    get refused() {
      return limit.refused
    },
    close: async () => {
      listener.close()
      server.closeAllConnections()
      server.close()
    },
  }
}

/** A caller with an address of this machine is on it: the network cannot forge that (RFC 1812 §5.3.8). */
interface HttpCaller extends Caller {
  readonly fd: number
}

function acceptHttp(listener: number): HttpCaller | undefined {
  const accepted = acceptFrom(listener)
  if (accepted === undefined) return undefined
  const { fd, remote } = accepted
  return { fd, name: remote.address, privileged: remote.address === localEndpoint(fd).address }
}

async function listen({ host, port }: HttpAddress): Promise<number> {
  try {
    if (host !== '') return listenOn((await lookup(host)).address, port)
    try {
      return listenOn('::', port)
    } catch (error) {
      // A host without IPv6 still has every IPv4 address.
      if (!isWithoutIpv6(error)) throw error
      return listenOn('0.0.0.0', port)
    }
  } catch (error) {
    throw new Error(`cannot listen on ${host}:${port} for HTTP: ${errorText(error)}`)
  }
}

function listenOn(address: Address, port: number): number {
  const fd = openSocket(familyOfAddress(address))
  try {
    listenAt(fd, { address, port }, BACKLOG)
    return fd
  } catch (error) {
    closeSocket(fd)
    throw error
  }
}

async function answer(options: HttpOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume()
  const [path, query] = (request.url ?? '/').split('?', 2)
  if (request.method !== 'GET' && request.method !== 'HEAD') reply(response, 405, 'only GET and HEAD\n')
  else if (path === '/livez') replyHealth(response, options.whyNotLive())
  else if (path === '/readyz') replyHealth(response, options.whyNotReady())
  else if (path === '/metrics')
    await replyInParts(response, await options.metrics.scrape(query === EACH_PEER), options.metrics.contentType)
  else reply(response, 404, 'only /metrics, /livez and /readyz\n')
}

/** The query asks for one series per peer, also of the mesh and of ranges. */
const EACH_PEER = 'peers=each'

function replyHealth(response: ServerResponse, whyNot: string | undefined): void {
  reply(response, whyNot === undefined ? 200 : 503, `${whyNot ?? 'ok'}\n`)
}

function reply(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text)
}

/** A page of many megabytes is handed over as fast as it is read; other sockets have their turn in between. */
async function replyInParts(response: ServerResponse, parts: readonly string[], type: string): Promise<void> {
  response.writeHead(200, { 'content-type': type })
  for (const part of parts) {
    if (response.destroyed) return
    if (!response.write(part)) await roomIn(response)
  }
  response.end()
}

/** Or its end. */
const roomIn = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })

/** The engine is alive when it completes a turn now. */
export function whyNotLive(driver: Pick<Driver, 'feed' | 'turns'>): string | undefined {
  const before = driver.turns
  driver.feed({ kind: 'tick' })
  return driver.turns > before ? undefined : 'the engine has stopped processing input'
}

/**
 * Ready: all objects are known, and at least one session is Established or none should be. Nodes that have left, and neighbors
 * that are disabled, must not hold up the update of all others.
 */
export function whyNotReady(view: View): string | undefined {
  const { source, stopping } = view.status()
  if (stopping) return 'stopping'
  if (!source.synced) return ['objects are not synced', ...view.problems().map(({ text }) => text)].join('\n')
  if (view.leaving().stage === 'gone') return undefined
  let configured = 0
  for (const { isEstablished, disabled } of view.neighbors()) {
    if (isEstablished) return undefined
    if (!disabled) configured++
  }
  return configured === 0 ? undefined : `no session is Established, ${configured} configured`
}
