/**
 * A Kubernetes API server for tests, over real HTTP: list in pages, watch with bookmarks and 410, create, update,
 * delete, selectors. It can be told to misbehave. What it remembers outlives a restart of its socket.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { request as requestThere } from 'node:https'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { gzip, gzipSync } from 'node:zlib'
import { type Access, accessOf, type BoundRule, forbidden, grants } from './access.ts'
import { discover } from './discovery.ts'
import { asServed } from './schemas.ts'
import { Selection } from './selection.ts'
import { CALICO_GROUPS, servedOf, type Target, targetOf, typeOf } from './served.ts'
import { keyOf, type Manifest, Refusal, Store, type StoredEvent, type StoredObject } from './store.ts'
import { created, patched, replaced } from './writes.ts'

/** What Kubernetes' apiextensions server answers: CRDs, and the objects of our group. */
const EXTENDED = /^\/apis\/(?:apiextensions\.k8s\.io|godwit\.dev)(?:\/|$)/

export interface SeenRequest {
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly path: string
  readonly query: URLSearchParams
  /** What it asks for in the words of RBAC. */
  readonly access: Access | undefined
  readonly body: string
}

const pack = promisify(gzip)

/** Octets from which on an answer is packed. */
const LONG = 131_072

/** Of one object. */
const LARGEST = 1_572_864
/** Whoever asks. */
const USER = 'system:serviceaccount:godwit:godwit'

/** A write that is about to be stored. */
export interface Admitted {
  readonly operation: 'CREATE' | 'UPDATE'
  readonly kind: string
  readonly name: string
  readonly part: string | undefined
  readonly object: Manifest
  readonly oldObject: StoredObject | undefined
}

interface Watcher {
  readonly path: string
  /** It hears of what is newer: a version to come, where the server was restored, is awaited without a word. */
  readonly from: number
  readonly selection: Selection
  readonly takesBookmarks: boolean
  readonly response: ServerResponse
}

/** The body of a write, and how it is to be read. */
interface Sent {
  readonly body: string
  readonly type: string
  /** Unknown fields are refused. */
  readonly isStrict: boolean
}

export class ApiServer {
  readonly store = new Store()
  /** Everything asked so far. */
  readonly requests: SeenRequest[] = []
  /** Called before each answer: a test may change the world in between. */
  onRequest: (seen: SeenRequest) => void = () => {}
  /** The only one that is taken; undefined takes everybody. */
  token: string | undefined
  /** The rights of whoever asks; undefined: all. */
  rules: readonly BoundRule[] | undefined
  /** Why a write is not admitted, as admission policies say; undefined: it is. */
  admit: (write: Admitted) => string | undefined = () => undefined
  /** Octets of lists so far, as they are and as they were sent. */
  readonly sent = { plain: 0, packed: 0 }
  /** Whether it knows field selectors other than those every server knows. */
  selectsFields = true
  /** Where requests for custom resources are passed on to, once rights are judged; undefined: they are answered here. */
  extensions: URL | undefined
  /** Whether a watch may begin with what is there (`sendInitialEvents`). */
  streamsLists = true
  /** Whether events come packed, each by itself: Kubernetes does so from 1.37 on (`WatchListCompression`). */
  packsEvents = false
  /** As where Calico has an API server of its own: that shows all kinds but one. */
  readonly #uninstalled = new Set<string>(['IPAMBlock.projectcalico.org/v3'])
  readonly #watchers = new Set<Watcher>()
  readonly #snapshots = new Map<string, readonly StoredObject[]>()
  #server: Server | undefined
  #port: number
  #failures: { readonly status: number; left: number } = { status: 500, left: 0 }
  #hanging = false
  #forget: (() => void) | undefined

  /** 0: any free one. */
  constructor(port = 0) {
    this.#port = port
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** A kubeconfig that leads here. */
  get kubeconfig(): string {
    const cluster = { name: 'test', cluster: { server: this.url } }
    const context = { name: 'test', context: { cluster: 'test', user: 'test' } }
    const user = { name: 'test', user: { token: 'a-token' } }
    const whole = { apiVersion: 'v1', kind: 'Config', 'current-context': 'test' }
    return JSON.stringify({ ...whole, clusters: [cluster], contexts: [context], users: [user] })
  }

  /** Starts to serve; a second start serves the same objects on the same port. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => refuse(response, error))
    })
    this.#server = server
    this.#forget = this.store.listen((event) => this.#spread(event))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    this.#forget?.()
    this.#watchers.clear()
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  /** Creates or replaces. */
  apply(manifest: Manifest): void {
    const { kind, apiVersion } = manifest
    const { path } = servedOf(CALICO_GROUPS.includes(apiVersion) ? `${kind}.${apiVersion}` : kind)
    const known = this.store.get(path, keyOf(manifest)) !== undefined
    if (known) this.store.update(path, manifest)
    else this.store.create(path, manifest)
  }

  delete(kind: string, name: string, namespace = ''): void {
    this.store.delete(servedOf(kind).path, `${namespace}/${name}`)
  }

  /** As when the CRD is not there. */
  uninstall(kind: string): void {
    this.#uninstalled.add(kind)
  }

  install(kind: string): void {
    this.#uninstalled.delete(kind)
  }

  /** The next requests are answered with this status. */
  failNext(count: number, status: number): void {
    this.#failures = { status, left: count }
  }

  /** Requests are taken and never answered. */
  hang(on: boolean): void {
    this.#hanging = on
  }

  get watches(): number {
    return this.#watchers.size
  }

  /** Tells every watcher how far it is. */
  sendBookmarks(): void {
    for (const watcher of this.#watchers)
      if (watcher.takesBookmarks && this.store.version >= watcher.from) this.#sendBookmark(watcher)
  }

  /** Ends every watch, in order or by breaking the connection. */
  dropWatches(how: 'end' | 'break'): void {
    for (const { response } of this.#watchers) {
      if (how === 'end') response.end()
      else response.destroy()
    }
    this.#watchers.clear()
  }

  #sendBookmark({ path, response }: Watcher, annotations?: Readonly<Record<string, string>>): void {
    const { kind, apiVersion } = typeOf(path)
    const metadata = { resourceVersion: String(this.store.version), ...(annotations && { annotations }) }
    writeLine(response, { type: 'BOOKMARK', object: { kind, apiVersion, metadata } })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const method = request.method ?? 'GET'
    const access = accessOf(method, url.pathname, url.searchParams)
    const body = await readBody(request)
    const seen = { method, headers: request.headers, path: url.pathname, query: url.searchParams, access, body }
    this.requests.push(seen)
    this.onRequest(seen)
    if (this.#hanging) return
    const { authorization } = request.headers
    if (this.token !== undefined && authorization !== `Bearer ${this.token}`) {
      throw new Refusal(401, 'Unauthorized', 'Unauthorized')
    }
    const selector = url.searchParams.get('fieldSelector')
    if (selector !== null && !this.selectsFields) {
      throw new Refusal(400, 'BadRequest', `field label not supported: ${selector.split(/[!=]/)[0]}`)
    }
    if (this.#failures.left > 0) {
      this.#failures.left--
      throw new Refusal(this.#failures.status, 'InternalError', 'told to fail')
    }
    if (access !== undefined && this.rules?.some((rule) => grants(rule, access)) === false)
      throw new Refusal(403, 'Forbidden', forbidden(USER, access))
    if (this.extensions !== undefined && EXTENDED.test(url.pathname)) {
      passOn(request, body, response, this.extensions)
      return
    }
    const discovered = method === 'GET' ? discover(url.pathname, (kind) => !this.#uninstalled.has(kind)) : undefined
    if (discovered !== undefined) {
      sendJson(response, 200, discovered)
      return
    }
    const target = targetOf(url.pathname)
    if (target === undefined || this.#uninstalled.has(target.kind)) {
      throw new Refusal(404, 'NotFound', 'the server could not find the requested resource')
    }
    const isStrict = url.searchParams.get('fieldValidation') === 'Strict'
    const sent: Sent = { body, isStrict, type: request.headers['content-type'] ?? '' }
    if (method !== 'GET') sendJson(response, method === 'POST' ? 201 : 200, this.#write(method, target, sent))
    else if (target.name !== undefined) sendJson(response, 200, this.#read(target))
    else if (isTrue(url.searchParams.get('watch'))) this.#watch(target, url.searchParams, request, response)
    else await this.#sendPacked(request, response, this.#list(target, url.searchParams))
  }

  #write(method: string, target: Target, { body, isStrict, type }: Sent): StoredObject {
    const { kind, path, namespace, name, part } = target
    if (method === 'DELETE') return this.store.delete(path, `${namespace ?? ''}/${name}`)
    if (body.length > LARGEST) throw new Refusal(413, 'RequestEntityTooLarge', 'limit is 1572864')
    const manifest = JSON.parse(body) as Manifest
    if (method === 'POST') {
      const object = placed(asServed(kind, created(manifest, namespace), isStrict), namespace)
      this.#admit('CREATE', target, object, undefined)
      return this.store.create(path, object)
    }
    const before = this.#read(target)
    const isPatch = method === 'PATCH'
    const wanted = isPatch ? patched(before, type, manifest, part) : replaced(before, manifest, part)
    const served = asServed(kind, wanted, isStrict)
    // What a test put there without defaults stays so, where only the status is written.
    const after = part === 'status' ? { ...wanted, status: served.status } : served
    this.#admit('UPDATE', target, after, before)
    return this.store.update(path, placed(after, namespace))
  }

  #admit(
    operation: Admitted['operation'],
    target: Target,
    object: Manifest,
    oldObject: StoredObject | undefined,
  ): void {
    const { kind, name, part } = target
    const why = this.admit({ operation, kind, name: name ?? object.metadata.name, part, object, oldObject })
    if (why !== undefined) throw new Refusal(422, 'Invalid', why)
  }

  #read({ path, namespace, name }: Target): StoredObject {
    const object = this.store.get(path, `${namespace ?? ''}/${name}`)
    if (object === undefined) throw new Refusal(404, 'NotFound', `${name} not found`)
    return object
  }

  #list({ kind: asked, path, namespace }: Target, query: URLSearchParams): unknown {
    const selection = new Selection(asked, namespace, query)
    const token = query.get('continue')
    if (token !== null && !/^\d+\.\d+$/.test(token)) {
      throw new Refusal(400, 'BadRequest', 'continue key is not valid')
    }
    const [version = 0, from = 0] = token === null ? [this.store.version, 0] : token.split('.').map(Number)
    if (token !== null && this.store.isGone(version)) {
      throw new Refusal(410, 'Expired', 'The provided continue parameter is too old')
    }
    const key = `${path} ${version} ${query.get('labelSelector')} ${query.get('fieldSelector')}`
    const all = this.#snapshots.get(key) ?? this.store.list(path).filter((one) => selection.takes(one))
    this.#snapshots.set(key, all)
    const limit = Number(query.get('limit') ?? 0) || all.length
    const page = all.slice(from, from + limit)
    // Of the kinds that are built in, items do not say what they are.
    const items = isCustom(asked) ? page : page.map(({ kind: _kind, apiVersion: _apiVersion, ...rest }) => rest)
    const left = all.length - from - items.length
    const more = left > 0 ? { continue: `${version}.${from + limit}`, remainingItemCount: left } : {}
    const { kind, apiVersion } = typeOf(path)
    return { kind: `${kind}List`, apiVersion, metadata: { resourceVersion: String(version), ...more }, items }
  }

  /** As a real server does: what is long is packed, quickly, for those who can unpack it. */
  async #sendPacked(request: IncomingMessage, response: ServerResponse, value: unknown): Promise<void> {
    const text = JSON.stringify(value)
    const packs = text.length > LONG && request.headers['accept-encoding'] === 'gzip'
    const headers = { 'content-type': 'application/json', ...(packs && { 'content-encoding': 'gzip' }) }
    const body = packs ? await pack(text, { level: 1 }) : text
    this.sent.plain += text.length
    this.sent.packed += body.length
    response.writeHead(200, headers).end(body)
  }

  #watch(
    { kind, path, namespace }: Target,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const selection = new Selection(kind, namespace, query)
    const version = query.get('resourceVersion') ?? ''
    if (!/^\d*$/.test(version)) {
      throw new Refusal(400, 'BadRequest', `resourceVersion: Invalid value: "${version}": invalid syntax`)
    }
    const startsWithAll = this.#startsWithAll(query)
    if (this.packsEvents && request.headers['accept-encoding'] === 'gzip')
      response.setHeader('content-encoding', 'gzip')
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const from = Number(version)
    if (from > 0 && this.store.isGone(from)) {
      const object = statusOf(new Refusal(410, 'Expired', `too old resource version: ${from}`))
      writeLine(response, { type: 'ERROR', object })
      response.end()
      return
    }
    const takesBookmarks = isTrue(query.get('allowWatchBookmarks'))
    const watcher: Watcher = { path, from, selection, takesBookmarks, response }
    const now = this.store.list(path).map((object): StoredEvent => ({ type: 'ADDED', version: 0, path, object }))
    for (const event of from > 0 && !startsWithAll ? this.store.since(path, from) : now) sendEvent(watcher, event)
    if (startsWithAll) this.#sendBookmark(watcher, { 'k8s.io/initial-events-end': 'true' })
    this.#watchers.add(watcher)
    const seconds = Number(query.get('timeoutSeconds') ?? 0)
    const end = seconds > 0 ? setTimeout(() => response.end(), seconds * 1000) : undefined
    response.on('close', () => {
      clearTimeout(end)
      this.#watchers.delete(watcher)
    })
  }

  /** A list as a watch: all that is there, a bookmark that says so, and what changes from then on. */
  #startsWithAll(query: URLSearchParams): boolean {
    const matches = query.get('resourceVersionMatch')
    const forbidden = (text: string) => new Refusal(422, 'Invalid', `ListOptions.meta.k8s.io "" is invalid: ${text}`)
    if (query.get('sendInitialEvents') === null) {
      if (matches === null) return false
      throw forbidden('resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch')
    }
    if (!this.streamsLists) throw forbidden('sendInitialEvents: Forbidden: the WatchList feature gate is disabled')
    if (matches !== 'NotOlderThan') throw forbidden('resourceVersionMatch: Forbidden: must be NotOlderThan')
    return isTrue(query.get('sendInitialEvents'))
  }

  #spread(event: StoredEvent): void {
    for (const watcher of this.#watchers)
      if (watcher.path === event.path && event.version > watcher.from) sendEvent(watcher, event)
  }
}

function sendEvent({ selection, response }: Watcher, event: StoredEvent): void {
  const type = selection.typeOf(event)
  if (type !== undefined) writeLine(response, { type, object: event.object })
}

const isCustom = (kind: string): boolean => servedOf(kind).path.startsWith('/apis/godwit.dev/')

const placed = (manifest: Manifest, namespace: string | undefined): Manifest =>
  namespace === undefined ? manifest : { ...manifest, metadata: { ...manifest.metadata, namespace } }

const isTrue = (value: string | null): boolean => value === 'true' || value === '1'

function statusOf(error: Refusal): unknown {
  const { code, reason, message } = error
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }
}

function refuse(response: ServerResponse, error: unknown): void {
  const refusal = error instanceof Refusal ? error : new Refusal(400, 'BadRequest', String(error))
  if (!response.headersSent) sendJson(response, refusal.code, statusOf(refusal))
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** Not the caller's token, which the other server does not know. */
function passOn({ method, url, headers }: IncomingMessage, body: string, response: ServerResponse, to: URL): void {
  const { authorization: _authorization, host: _host, ...kept } = headers
  const passed = requestThere(
    new URL(url ?? '/', to),
    { method, headers: kept, rejectUnauthorized: false },
    (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      response.flushHeaders()
      answer.on('error', () => response.destroy()).pipe(response)
    },
  )
  passed.on('error', () => response.destroy()).end(body)
  response.on('close', () => passed.destroy())
}

function writeLine(response: ServerResponse, value: unknown): void {
  const line = `${JSON.stringify(value)}\n`
  response.write(response.getHeader('content-encoding') === 'gzip' ? gzipSync(line) : line)
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
