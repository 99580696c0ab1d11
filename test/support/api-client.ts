/** Plain requests to an API server, with the credentials of a kubeconfig: what tests do as somebody else than the agent. */
import { type RequestOptions as HttpOptions, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { createInterface } from 'node:readline'
import { KubeConfig } from '@kubernetes/client-node'

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** As they came. */
  readonly octets: Buffer
  /** Undefined where it is no JSON, as of what came packed. */
  readonly body: Body | undefined
}

/** An object, a list or a Status, as far as tests look. */
export interface Body {
  readonly kind?: string
  readonly apiVersion?: string
  readonly metadata?: Readonly<Record<string, unknown>> & { readonly name?: string; readonly resourceVersion?: string }
  readonly items?: readonly Body[]
  readonly reason?: string
  readonly message?: string
  readonly code?: number
  readonly [field: string]: unknown
}

export interface WatchEvent {
  readonly type: string
  readonly object: Body
}

type Query = Readonly<Record<string, string | number | boolean>>
interface Asked {
  readonly query?: Query
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Nothing here takes longer, whatever the server does. */
const LONGEST = 30_000

export class ApiClient {
  readonly config: KubeConfig

  /** Plain HTTP is let through: it leads to this machine. */
  constructor(config: KubeConfig) {
    config.clusters = config.clusters.map((one) =>
      one.server.startsWith('http:') ? { ...one, skipTLSVerify: true } : one,
    )
    this.config = config
  }

  static of(kubeconfig: string): ApiClient {
    const config = new KubeConfig()
    config.loadFromString(kubeconfig)
    return new ApiClient(config)
  }

  /** Somebody else, at the same server. */
  with(token: string): ApiClient {
    const config = new KubeConfig()
    const { clusters, contexts, currentContext } = this.config
    const user = contexts.find(({ name }) => name === currentContext)?.user ?? ''
    config.loadFromOptions({ clusters, contexts, currentContext, users: [{ name: user, token }] })
    return new ApiClient(config)
  }

  async request(method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const response = await this.#open(method, path, asked)
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    const octets = Buffer.concat(chunks)
    const { statusCode: status = 0, headers } = response
    return { status, headers, octets, body: jsonOf(octets) }
  }

  get(path: string, query: Query = {}): Promise<Answer> {
    return this.request('GET', path, { query })
  }

  /** Events in order, until one of them is the last or the server ends it. */
  async watch(path: string, query: Query, isLast: (event: WatchEvent) => boolean): Promise<WatchEvent[]> {
    const response = await this.#open('GET', path, { query: { timeoutSeconds: 20, ...query, watch: true } })
    const events: WatchEvent[] = []
    try {
      for await (const line of createInterface({ input: response })) {
        if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${line}`)
        const event = JSON.parse(line) as WatchEvent
        events.push(event)
        if (isLast(event)) break
      }
    } finally {
      response.destroy()
    }
    return events
  }

  async #open(method: string, path: string, { query = {}, body, headers = {} }: Asked): Promise<IncomingMessage> {
    const url = new URL(`${this.config.getCurrentCluster()?.server.replace(/\/$/, '')}${path}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value))
    const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body)
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const options: RequestOptions = { method, headers: { accept: 'application/json', ...type, ...headers } }
    await this.config.applyToHTTPSOptions(options)
    const signal = AbortSignal.timeout(LONGEST)
    return new Promise((resolve, reject) => {
      const sent =
        url.protocol === 'https:'
          ? httpsRequest(url, { ...options, signal }, resolve)
          : httpRequest(url, { ...(options as HttpOptions), signal }, resolve)
      sent.on('error', reject).end(text)
    })
  }
}

function jsonOf(octets: Buffer): Body | undefined {
  try {
    return JSON.parse(octets.toString('utf8')) as Body
  } catch {
    return undefined
  }
}
