/** What Kubernetes and Prometheus ask over HTTP: `/metrics`, `/livez`, `/readyz`. Small and bounded. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { View } from '../../show/view.ts'
import type { Driver } from '../driver.ts'
import { wordsOf } from '../os-words.ts'

export interface HttpAddress {
  /** Empty for every address. */
  readonly host: string
  readonly port: number
}

export interface HttpOptions extends HttpAddress {
  readonly metrics: { readonly contentType: string; scrape(): Promise<string> }
  /** Undefined while all is well, otherwise the reason in one line. */
  readonly whyNotLive: () => string | undefined
  readonly whyNotReady: () => string | undefined
}

export interface HttpServer {
  readonly port: number
  close(): Promise<void>
}

/** Reads `127.0.0.1:9179`, `[::1]:9179`, `host:9179`, `:9179`; undefined for anything else. */
export function parseHttpAddress(text: string): HttpAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  return port > 65535 ? undefined : { host: match[1] ?? match[2] ?? '', port }
}

/** Starts to listen; fails with one line that names the address. */
export function openHttp(options: HttpOptions): Promise<HttpServer> {
  const server = createServer({ maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 5_000 })
  server.maxConnections = 64
  server.keepAliveTimeout = 5_000
  server.on('request', (request, response) => {
    answer(options, request, response).catch((error: unknown) => reply(response, 500, `fault: ${wordsOf(error)}\n`))
  })
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new Error(`cannot listen on ${options.host}:${options.port} for HTTP: ${wordsOf(error)}`))
    })
    server.listen({ port: options.port, ...(options.host === '' ? {} : { host: options.host }) }, () => {
      const { port } = server.address() as AddressInfo
      const close = () =>
        new Promise<void>((done) => {
          server.close(() => done())
          server.closeAllConnections()
        })
      resolve({ port, close })
    })
  })
}

async function answer(options: HttpOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume()
  const path = (request.url ?? '/').split('?', 1)[0]
  if (request.method !== 'GET' && request.method !== 'HEAD') reply(response, 405, 'only GET and HEAD\n')
  else if (path === '/livez') replyHealth(response, options.whyNotLive())
  else if (path === '/readyz') replyHealth(response, options.whyNotReady())
  else if (path === '/metrics') reply(response, 200, await options.metrics.scrape(), options.metrics.contentType)
  else reply(response, 404, 'only /metrics, /livez and /readyz\n')
}

function replyHealth(response: ServerResponse, whyNot: string | undefined): void {
  reply(response, whyNot === undefined ? 200 : 503, `${whyNot ?? 'ok'}\n`)
}

function reply(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text)
}

/** The engine is alive when it takes a turn now. */
export function whyNotLive(driver: Pick<Driver, 'feed' | 'turns'>): string | undefined {
  const before = driver.turns
  driver.feed({ kind: 'tick' })
  return driver.turns > before ? undefined : 'the engine does not turn'
}

/** Ready: all objects are known, and at least one session stands or none is configured. */
export function whyNotReady(view: View): string | undefined {
  const { source, stopping } = view.status()
  if (stopping) return 'stopping'
  if (!source.synced) return 'objects are not synced'
  const protocols = view.protocols()
  if (protocols.length === 0 || protocols.some(({ peer }) => peer.state === 'Established')) return undefined
  return `no session is Established, ${protocols.length} configured`
}
