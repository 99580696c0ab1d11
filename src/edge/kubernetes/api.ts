/**
 * Requests to the Kubernetes API, as the account of the pod or of a kubeconfig. A list is read in bounded pages, item by
 * item, a watch line by line, and a connection that falls silent is given up.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { inMillis, inSeconds, type Millis, type Seconds } from '../../base/units.ts'
import { type Account, podAccount } from './account.ts'
import { ItemReader } from './item-reader.ts'

/** The API refused a request. `message` is one line for people. */
export class ApiError extends Error {
  readonly status: number
  /** The pause that the server asked for (`Retry-After`); undefined: none. */
  readonly retryAfter: Millis | undefined

  constructor(status: number, message: string, retryAfter: Millis | undefined) {
    super(message)
    this.status = status
    this.retryAfter = retryAfter
  }
}

/** No data arrived for too long. */
export class Silence extends Error {}

/** When a request is given up. */
interface Wait {
  /** No data has arrived for so long. */
  readonly silence: Millis
  readonly signal: AbortSignal
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>

export interface Api {
  /** The server's URL, for messages. */
  readonly server: string
  /** The server's certificate is not verified. */
  readonly insecure: boolean
  /**
   * Resolves with the whole JSON body. Rejects with `ApiError` where the API refuses, or when `wait` is over.
   */
  get(path: string, query: Query, wait: Wait): Promise<unknown>
  /** Sends an object or a patch; resolves with the JSON body. */
  send(method: 'POST' | 'PUT' | 'PATCH', path: string, body: unknown, wait: Wait, type?: PatchType): Promise<unknown>
  /** Reads a list and calls `onItem` for each item as it arrives; resolves with the list without its items. */
  list(path: string, query: Query, wait: Wait, onItem: (item: unknown) => void): Promise<unknown>
  /**
   * Reads a watch line by line; `onOpen` is called when the server accepts. Resolves when the server ends the watch,
   * and rejects when the connection breaks.
   */
  follow(path: string, query: Query, wait: Wait, onOpen: () => void, onLine: (line: string) => void): Promise<void>
  close(): void
}

/** The type of a patch. */
export type PatchType = 'merge' | 'strategic-merge'

/** The body of a request. */
interface Sent {
  readonly method: string
  readonly text: string
  readonly type: string
}

interface Asked {
  readonly path: string
  readonly query: Query
  readonly sent?: Sent | undefined
}

/** Octets of one answer, decompressed; a watch has no limit. */
const LARGEST_ANSWER = 256 * 1024 * 1024
/** Characters of one event of a watch. */
const LARGEST_LINE = 32 * 1024 * 1024
/** Each piece of output costs a switch to zlib's thread; one of this size is parsed in half a millisecond. */
const UNPACKED_AT_ONCE = 64 * 1024
/** Octets that are read of the answer to a refused request: its message is short. */
const LARGEST_REFUSAL = 64 * 1024
/** A server may ask for a longer pause; agents try again after this one. */
const LONGEST_RETRY_AFTER: Seconds = 60

/** Finds the API: the given kubeconfig, else the cluster this runs in, else what kubectl would take. */
export async function connectApi(kubeconfig: string | undefined): Promise<Api> {
  const pod = kubeconfig === undefined ? podAccount() : undefined
  return new HttpApi(pod ?? (await import('./kubeconfig.ts')).kubeconfigAccount(kubeconfig))
}

class HttpApi implements Api {
  readonly #account: Account
  readonly #agent: HttpAgent

  constructor(account: Account) {
    this.#account = account
    const options = { keepAlive: true, keepAliveMsecs: 30_000 }
    this.#agent = account.server.startsWith('https:') ? new HttpsAgent(options) : new HttpAgent(options)
  }

  get server(): string {
    return this.#account.server
  }

  get insecure(): boolean {
    return this.#account.insecure
  }

  close(): void {
    this.#agent.destroy()
  }

  async get(path: string, query: Query, wait: Wait): Promise<unknown> {
    return this.#readJson(path, query, wait)
  }

  async send(
    method: 'POST' | 'PUT' | 'PATCH',
    path: string,
    body: unknown,
    wait: Wait,
    patch?: PatchType,
  ): Promise<unknown> {
    const type = patch === undefined ? 'application/json' : `application/${patch}-patch+json`
    return this.#readJson(path, {}, wait, { method, text: JSON.stringify(body), type })
  }

  async #readJson(path: string, query: Query, wait: Wait, sent?: Sent): Promise<unknown> {
    const chunks: Buffer[] = []
    const onChunk = (chunk: Buffer) => void chunks.push(chunk)
    await this.#read({ path, query, sent }, wait, LARGEST_ANSWER, onChunk)
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  }

  async list(path: string, query: Query, wait: Wait, onItem: (item: unknown) => void): Promise<unknown> {
    const reader = new ItemReader(onItem)
    await this.#read({ path, query }, wait, LARGEST_ANSWER, (chunk) => reader.push(chunk))
    return reader.end()
  }

  async follow(
    path: string,
    query: Query,
    wait: Wait,
    onOpen: () => void,
    onLine: (line: string) => void,
  ): Promise<void> {
    const splitter = new LineSplitter(onLine)
    const onChunk = (chunk: Buffer) => splitter.push(chunk)
    await this.#read({ path, query }, wait, Number.POSITIVE_INFINITY, onChunk, onOpen)
  }

  async #read(
    asked: Asked,
    { silence, signal }: Wait,
    most: number,
    onChunk: (chunk: Buffer) => void,
    onOpen?: () => void,
  ): Promise<void> {
    const silent = new AbortController()
    const timer = setTimeout(() => silent.abort(new Silence(`no answer for ${inSeconds(silence)} s`)), silence)
    const either = AbortSignal.any([signal, silent.signal])
    try {
      const response = await this.#request(asked, either)
      const status = response.statusCode ?? 0
      if (status === 401) this.#account.renew()
      if (status !== 200 && status !== 201) throw await refusal(status, response)
      onOpen?.()
      let size = 0
      for await (const chunk of inflated(response)) {
        timer.refresh()
        size += chunk.length
        if (size > most) throw new Error(`the answer is larger than ${most} bytes`)
        onChunk(chunk)
      }
    } catch (error) {
      throw either.aborted ? either.reason : error
    } finally {
      clearTimeout(timer)
    }
  }

  async #request({ path, query, sent }: Asked, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(this.server + path)
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, `${value}`)
    // A compressed list has a tenth of the size. Short answers come uncompressed, and so do watches before Kubernetes 1.37.
    const headers = { accept: 'application/json', 'accept-encoding': 'gzip', 'user-agent': 'godwit' }
    const options: RequestOptions = {
      headers: {
        ...headers,
        ...(sent && { 'content-type': sent.type, 'content-length': Buffer.byteLength(sent.text) }),
      },
      method: sent?.method ?? 'GET',
    }
    await this.#account.apply(options)
    // Connections are pooled by certificate and key, so a renewed credential is used from the next request on.
    if (!this.#account.proxied) options.agent = this.#agent
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      request(url, { ...options, signal }, resolve)
        .on('error', reject)
        .end(sent?.text)
    })
  }
}

/** The body, decompressed where the server compressed it. A fault in it ends the reading. */
function inflated(response: IncomingMessage): AsyncIterable<Buffer> {
  if (response.headers['content-encoding'] !== 'gzip') return response
  const gunzip = createGunzip({ chunkSize: UNPACKED_AT_ONCE })
  // Errors reach whoever reads `gunzip`; where reading ends early, the response ends too.
  return pipeline(response, gunzip, () => {})
}

/** The message of a Status object in the body, or else the HTTP status. */
async function refusal(status: number, response: IncomingMessage): Promise<ApiError> {
  const text = await readSome(response)
  const seconds = Number(response.headers['retry-after'])
  const retryAfter =
    Number.isFinite(seconds) && seconds > 0 ? inMillis(Math.min(seconds, LONGEST_RETRY_AFTER)) : undefined
  return new ApiError(status, `${status} ${messageOf(text) ?? response.statusMessage ?? ''}`.trim(), retryAfter)
}

async function readSome(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of inflated(response)) {
    size += chunk.length
    if (size > LARGEST_REFUSAL) break
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function messageOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown }
    return typeof message === 'string' ? message.slice(0, 300) : undefined
  } catch {
    return undefined
  }
}

class LineSplitter {
  readonly #decoder = new TextDecoder()
  readonly #onLine: (line: string) => void
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(chunk: Buffer): void {
    const parts = this.#decoder.decode(chunk, { stream: true }).split('\n')
    parts[0] = this.#rest + (parts[0] ?? '')
    this.#rest = parts.pop() ?? ''
    if (this.#rest.length > LARGEST_LINE) throw new Error(`a line is longer than ${LARGEST_LINE} characters`)
    for (const line of parts) if (line !== '') this.#onLine(line)
  }
}
