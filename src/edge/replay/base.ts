/**
 * Summarizes inputs that are no longer kept one by one in as few inputs as possible: the newest version of each object,
 * the links, the kernel's routes, and of each connection its first input and the messages that established the session.
 * Routes from neighbors are not kept, nor commands. Every table is bounded; what does not fit is counted.
 */
import { objectKey } from '../../cluster/objects.ts'
import type { Kind, ObjectChange, ObjectRef } from '../../cluster/source.ts'
import { type KernelRoute, routeKey } from '../../dataplane/kernel.ts'
import type { Link } from '../../dataplane/links.ts'
import type { Input } from '../../engine/input.ts'
import { BaseConnection } from './base-connection.ts'
import { Shelf } from './shelf.ts'
import { weightOfLink, weightOfObject } from './weight.ts'

type Of<K extends Input['kind']> = Extract<Input, { readonly kind: K }>
type Upsert = Extract<ObjectChange, { readonly kind: 'upsert' }>

/** Rows of one table. */
const MOST_ROWS = 4_096
/** Octets of objects, and of links, as estimated. */
const MOST_OCTETS = 8 * 1024 * 1024
const MOST_CONNECTIONS = 512

/** Objects that people write come first where room is short: without them there are no neighbors. Others get half of it. */
const FIRST: readonly Kind[] = ['BGPConfiguration', 'BGPPeer', 'BGPFilter', 'BGPAdvertisement', 'IPPool', 'Secret']

export class Base {
  readonly #objects = new Shelf<string, Upsert>({ rows: MOST_ROWS, octets: MOST_OCTETS })
  readonly #sourceProblems = new Map<string, ObjectChange>()
  readonly #links = new Shelf<number, Link>({ rows: MOST_ROWS, octets: MOST_OCTETS })
  readonly #routes = new Map<string, KernelRoute>()
  readonly #connections = new Map<number, BaseConnection>()
  readonly #node: string
  /** The newest input of a kind, and of the object that it is about. */
  readonly #newest = new Map<string, Input>()
  #isSynced = false
  #knowsLinks = false
  #knowsRoutes = false
  /** Objects, links, routes, connections and others that found no room. */
  leftOut = 0

  /** `node`: whose agent it is. Without its Node there is nothing to replay. */
  constructor(node: string) {
    this.#node = node
  }

  fold(input: Input): void {
    switch (input.kind) {
      case 'objects':
        for (const change of input.changes) this.#foldChange(change)
        return
      case 'synced':
        this.#isSynced = true
        return
      case 'links':
        this.#foldLinks(input)
        return
      case 'kernel':
        this.#foldRoutes(input)
        return
      case 'accepted':
      case 'connected':
        if (this.#hasRoom(this.#connections, input.conn, MOST_CONNECTIONS))
          this.#connections.set(input.conn, new BaseConnection(input))
        return
      case 'received':
        this.#readMore(input)
        return
      case 'closed':
        this.#connections.delete(input.conn)
        return
      case 'client-closed':
        this.#newest.delete(`client ${input.client}`)
        return
      default:
        this.#foldNewest(input)
    }
  }

  /** In an order that an engine accepts; connections come last. */
  inputs(): Input[] {
    const before = [...this.#newest.values()]
    const change = { full: true, gone: [] }
    if (this.#knowsLinks) before.push({ kind: 'links', change: { ...change, present: this.#links.values() } })
    if (this.#knowsRoutes)
      before.push({ kind: 'kernel', change: { ...change, more: false, present: [...this.#routes.values()] } })
    const objects = this.#objects.values().sort((a, b) => rank(a.ref) - rank(b.ref))
    const changes = [...objects, ...this.#sourceProblems.values()]
    const known = changes.map((one): Input => ({ kind: 'objects', changes: [one] }))
    const synced: Input[] = this.#isSynced ? [{ kind: 'synced' }] : []
    const connections = [...this.#connections.values()].flatMap((connection) => connection.inputs())
    return [...before, ...known, ...synced, ...connections]
  }

  #foldChange(change: ObjectChange): void {
    switch (change.kind) {
      case 'upsert':
        this.#keepObject(change)
        return
      case 'delete':
        this.#objects.delete(nameOf(change.ref))
        return
      case 'replace':
        for (const [name, { ref }] of this.#objects.entries()) if (ref.kind === change.of) this.#objects.delete(name)
        for (const one of change.objects) this.#keepObject({ kind: 'upsert', ...one })
        return
      case 'source-problem':
        if (change.text === undefined) this.#sourceProblems.delete(change.at)
        else if (this.#hasRoom(this.#sourceProblems, change.at)) this.#sourceProblems.set(change.at, change)
    }
  }

  #keepObject(object: Upsert): void {
    const isFirst = FIRST.includes(object.ref.kind) || (object.ref.kind === 'Node' && object.ref.name === this.#node)
    const share = isFirst ? 1 : 1 / 2
    if (!this.#objects.put(nameOf(object.ref), object, () => weightOfObject(object.object), share)) this.leftOut++
  }

  #foldLinks({ change }: Of<'links'>): void {
    this.#knowsLinks = true
    if (change.full) this.#links.clear()
    for (const index of change.gone) this.#links.delete(index)
    for (const link of change.present) if (!this.#links.put(link.index, link, () => weightOfLink(link))) this.leftOut++
  }

  #foldRoutes({ change }: Of<'kernel'>): void {
    this.#knowsRoutes = true
    if (change.full) this.#routes.clear()
    for (const route of change.gone) this.#routes.delete(routeKey(route))
    for (const route of change.present) {
      const key = routeKey(route)
      if (this.#hasRoom(this.#routes, key)) this.#routes.set(key, route)
    }
  }

  #readMore({ conn, bytes }: Of<'received'>): void {
    if (this.#connections.get(conn)?.read(bytes) !== false) return
    this.#connections.delete(conn)
    this.leftOut++
  }

  #foldNewest(input: Input): void {
    const key = newestKey(input)
    if (key === undefined) return
    if (this.#hasRoom(this.#newest, key)) this.#newest.set(key, input)
  }

  /** What is in the table already is replaced. */
  #hasRoom<Key>(table: ReadonlyMap<Key, unknown>, key: Key, most = MOST_ROWS): boolean {
    if (table.size < most || table.has(key)) return true
    this.leftOut++
    return false
  }
}

const nameOf = (ref: ObjectRef): string => `${ref.kind}/${objectKey(ref)}`

const rank = ({ kind }: ObjectRef): number => (FIRST.includes(kind) ? 0 : 1)

/** A key of which only the newest input matters; undefined where an input has no lasting effect. */
function newestKey(input: Input): string | undefined {
  switch (input.kind) {
    case 'remembered':
    case 'restarted':
    case 'lease':
    case 'descriptors':
    case 'cni':
    case 'nft-table':
    case 'wall-clock':
    case 'health':
    case 'bfd-error':
      return input.kind
    case 'listening':
    case 'listen-ended':
    case 'listen-failed':
      return `listening ${input.address} ${input.port}`
    case 'kernel-error':
      return `${input.kind} ${input.what}`
    case 'link':
      return `link ${input.interface}`
    case 'router':
      return `router ${input.interface} ${input.address}`
    case 'client-opened':
      return `client ${input.client}`
    default:
      return undefined
  }
}
