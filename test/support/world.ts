/**
 * Whole agents in memory: engines as hosts, a network between them (`links.ts`), a clock that is a number. What the real
 * edges do with effects is done here, so that an hour passes in milliseconds; one seed decides everything, so that a run
 * repeats exactly.
 */
import { familyOfAddress } from '../../src/base/address.ts'
import { Chance } from '../../src/base/chance.ts'
import type { Family } from '../../src/base/family.ts'
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { Link } from '../../src/dataplane/links.ts'
import type { ByHandDocument } from '../../src/engine/by-hand.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { Engine, type EngineOptions } from '../../src/engine/engine.ts'
import type { Input } from '../../src/engine/input.ts'
import type { LogLine } from '../../src/engine/log-line.ts'
import type { RestartDocument } from '../../src/engine/restart.ts'
import { Agenda } from './agenda.ts'
import { linkOf } from './fake-kernel.ts'
import { type End, type LinkOptions, Links } from './links.ts'

export interface ClientSocket {
  text: string
  /** It was written to and has not taken it. */
  busy: boolean
  readonly keeps: boolean
}

export class Host {
  readonly name: string
  readonly addresses: readonly string[]
  readonly engine: Engine
  readonly options: EngineOptions
  readonly ends = new Map<number, End>()
  readonly clients = new Map<number, ClientSocket>()
  readonly lines: LogLine[] = []
  listening: Extract<Effect, { kind: 'listen' }> | undefined
  alive = true
  done = false
  /** Sessions that are up, by what was told. */
  up = 0
  turns = 0
  /** UPDATE and other bytes sent, for counting. */
  sentBytes = 0
  /** When the world will look at its deadline next. */
  wakes: number | undefined
  /** It stands still: what comes in waits here. */
  backlog: (() => void)[] | undefined
  /** Its last answer to `show route`, and after which turn it was given. */
  lastRoutes: { readonly line: string; readonly turns: number; readonly text: string } | undefined

  constructor(name: string, addresses: readonly string[], options: EngineOptions) {
    this.name = name
    this.addresses = addresses
    this.options = options
    this.engine = new Engine(options)
  }

  told(code: string): LogLine[] {
    return this.lines.filter((line) => line.code === code)
  }
}

export interface WorldOptions extends LinkOptions {
  readonly seed?: number
  /** Sees every turn when it is over. */
  readonly watch?: (host: Host, input: Input, effects: readonly Effect[]) => void
  /** Sees every turn before it begins. */
  readonly before?: (host: Host, input: Input) => void
  /** Thousands of hosts: their log lines are counted, not kept. */
  readonly forgetLines?: boolean
}

/** An engine threw. */
class TurnFailed extends Error {
  readonly host: Host
  readonly input: Input

  constructor(host: Host, input: Input, cause: unknown) {
    super(`${host.name} failed at ${input.kind}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.host = host
    this.input = input
  }
}

export class World {
  now = 0
  turns = 0
  readonly hosts = new Map<string, Host>()
  readonly chance: Chance
  readonly links: Links
  readonly #options: WorldOptions
  readonly #agenda = new Agenda<() => void>()
  readonly #byAddress = new Map<string, Host>()
  #nextClient = 1
  /** By host: what its agent left for the next one, and how often its machine was started anew. */
  readonly #left = new Map<string, RestartDocument>()
  readonly #byHand = new Map<string, ByHandDocument>()
  readonly #boots = new Map<string, number>()

  constructor(options: WorldOptions = {}) {
    this.#options = options
    this.chance = new Chance(options.seed ?? 0)
    this.links = new Links(options, {
      chance: this.chance,
      now: () => this.now,
      find: (address) => this.#byAddress.get(address),
      deliver: (end, input, after) => this.at(this.now + after, () => this.#arrive(end, input)),
    })
  }

  /** A host with these addresses whose agent knows these objects from the start; undefined: none are read yet. */
  add(
    name: string,
    addresses: readonly string[],
    objects: readonly ObjectChange[] | undefined,
    {
      forwards,
      ...more
    }: Partial<Pick<EngineOptions, 'dataplane' | 'table' | 'adopt' | 'sourceKind' | 'calico' | 'namespace'>> & {
      forwards?: readonly Family[] | undefined
    } = {},
  ): Host {
    const seed = [...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7 + (this.#options.seed ?? 0))
    const options = { node: name, version: 'test', hostName: name, sourceKind: 'manifests', epoch: 0 } as const
    const boot = `boot ${this.#boots.get(name) ?? 0} of ${name}`
    const host = new Host(name, addresses, { ...options, boot, ...more, seed, now: this.now })
    this.hosts.set(name, host)
    for (const address of addresses) this.#byAddress.set(address, host)
    const byHand = this.#byHand.get(name)
    this.feed(host, { kind: 'restarted', document: this.#left.get(name), byHand, forwards })
    this.feed(host, { kind: 'links', change: { full: true, gone: [], present: [lanOf(addresses)] } })
    if (objects === undefined) return host
    this.feed(host, { kind: 'objects', changes: objects })
    this.feed(host, { kind: 'synced' })
    return host
  }

  /** Its run directory is emptied: the next run is the first one here. */
  forget(name: string): void {
    this.#left.delete(name)
    this.#byHand.delete(name)
  }

  change(host: Host, changes: readonly ObjectChange[]): void {
    this.feed(host, { kind: 'objects', changes })
  }

  /** Something of the test's own, at its time. */
  at(time: number, happens: () => void): void {
    this.#agenda.push(time, happens)
  }

  /** One turn of a host, and what it asks of the network. */
  feed(host: Host, input: Input): void {
    if (!host.alive) return
    if (host.backlog !== undefined) {
      host.backlog.push(() => this.feed(host, input))
      return
    }
    this.#options.before?.(host, input)
    this.turns++
    host.turns++
    const effects = this.#handle(host, input)
    // The engine may not keep what it was given.
    if (input.kind === 'received') input.bytes.fill(0x5a)
    for (const effect of effects) this.#perform(host, effect)
    this.#options.watch?.(host, input, effects)
    this.#wakeInTime(host)
  }

  #handle(host: Host, input: Input): readonly Effect[] {
    try {
      return host.engine.handle(input, this.now)
    } catch (error) {
      throw new TurnFailed(host, input, error)
    }
  }

  /** Runs until `seen`, at most `limit` virtual milliseconds; says whether it was seen. */
  until(seen: () => boolean, limit = 120_000): boolean {
    const end = this.now + limit
    while (!seen()) if (!this.#step(end)) return seen()
    return true
  }

  /** Lets this much time pass. */
  pass(millis: number): void {
    const end = this.now + millis
    while (this.#step(end));
    this.now = end
  }

  /** `process`: the agent is killed, and its kernel ends its connections. `power`: nothing is said to anybody. */
  crash(host: Host, how: 'process' | 'power' = 'process'): void {
    host.alive = false
    host.listening = undefined
    this.links.lose(host, how)
    if (how === 'power') this.#boots.set(host.name, (this.#boots.get(host.name) ?? 0) + 1)
    this.hosts.delete(host.name)
  }

  /** For so long a host does nothing, and then everything that came in meanwhile. */
  pause(host: Host, millis: number): void {
    if (host.backlog !== undefined) return
    host.backlog = []
    this.at(this.now + millis, () => {
      const waiting = host.backlog ?? []
      host.backlog = undefined
      for (const happens of waiting) happens()
      this.#wakeInTime(host)
    })
  }

  /** Asks a host as a client of the control socket would and returns the reply in BIRD's line protocol, without the greeting. */
  ask(host: Host, line: string): string {
    const { lastRoutes: last } = host
    // What waits for a route asks after each step of the world: without a turn of this host, its routes are as they were.
    if (last !== undefined && last.line === line && last.turns === host.turns) return last.text
    const text = this.#ask(host, line)
    if (/^(?:json )?show route\b/.test(line)) host.lastRoutes = { line, turns: host.turns, text }
    return text
  }

  #ask(host: Host, line: string): string {
    const client = this.look(host, true)
    const socket = host.clients.get(client)
    const greeting = socket?.text ?? ''
    this.take(host, client)
    this.feed(host, { kind: 'command', client, line })
    while (this.take(host, client));
    this.leave(host, client)
    return (socket?.text ?? '').slice(greeting.length)
  }

  /** The JSON answer to a command. */
  askJson<T>(host: Host, line: string): T {
    const text = this.ask(host, `json ${line}`)
    return JSON.parse(text.replace(/^(?:\d{4}[- ]| )/gm, '')) as T
  }

  /** A client connects, and stays connected. */
  look(host: Host, keeps = false): number {
    const client = this.#nextClient++
    host.clients.set(client, { text: '', busy: false, keeps })
    this.feed(host, { kind: 'client-opened', client, restricted: false })
    return client
  }

  /** A client reads what was written to it, if there was something. */
  take(host: Host, client: number): boolean {
    const socket = host.clients.get(client)
    if (socket?.busy !== true) return false
    socket.busy = false
    this.feed(host, { kind: 'client-drained', client })
    return true
  }

  leave(host: Host, client: number): void {
    if (host.clients.delete(client)) this.feed(host, { kind: 'client-closed', client })
  }

  #step(end: number): boolean {
    const { next } = this.#agenda
    if (next === undefined || next > end) return false
    this.now = Math.max(this.now, next)
    this.#agenda.pop()?.()
    return true
  }

  #arrive(end: End, input: Input): void {
    const host = end.station as Host
    if (host.backlog !== undefined) {
      host.backlog.push(() => this.#arrive(end, input))
      return
    }
    const arrived = this.links.arrive(end, input)
    if (arrived !== undefined) this.feed(host, arrived)
  }

  /** One entry per host at most, or one that comes too early and looks again. */
  #wakeInTime(host: Host): void {
    const due = host.engine.deadline()
    if (due === undefined || (host.wakes !== undefined && host.wakes <= due)) return
    const at = Math.max(due, this.now)
    host.wakes = at
    this.at(at, () => this.#wake(host, at))
  }

  #wake(host: Host, at: number): void {
    if (host.wakes !== at || !host.alive) return
    host.wakes = undefined
    const due = host.backlog === undefined ? host.engine.deadline() : undefined
    if (due === undefined) return
    if (due <= this.now) this.feed(host, { kind: 'polled', until: this.now, unread: [] })
    else this.#wakeInTime(host)
  }

  #perform(host: Host, effect: Effect): void {
    switch (effect.kind) {
      case 'listen':
        host.listening = effect
        return
      case 'dial':
        this.links.dial(host, effect.conn, effect.remote, effect.localAddress)
        return
      case 'send':
        host.sentBytes += effect.bytes.length
        this.links.send(host, effect.conn, effect.bytes)
        return
      case 'close':
      case 'refuse':
        this.links.close(host, effect.conn)
        return
      case 'reply':
        this.#reply(host, effect)
        return
      case 'hang-up':
        host.clients.delete(effect.client)
        return
      case 'log':
        this.#note(host, effect.line)
        return
      case 'remember-by-hand':
        this.#byHand.set(host.name, effect.document)
        return
      case 'remember-restart':
        if (effect.document === undefined) this.#left.delete(host.name)
        else this.#left.set(host.name, effect.document)
        return
      case 'done':
        host.done = true
        return
      case 'measure':
        return
    }
  }

  #reply(host: Host, { client, text }: Extract<Effect, { kind: 'reply' }>): void {
    const socket = host.clients.get(client)
    if (socket === undefined) return
    if (socket.busy) throw new Error(`${host.name} writes to a socket that has not taken what was written before`)
    socket.busy = true
    socket.text = socket.keeps ? socket.text + text : text
  }

  #note(host: Host, line: LogLine): void {
    if (line.code === 'session-up') host.up++
    if (line.code === 'session-down') host.up--
    if (this.#options.forgetLines !== true) host.lines.push(line)
  }
}

/** All addresses of a host are on one link; who has the same /24 or /64 is on it too. */
const lanOf = (addresses: readonly string[]): Link =>
  linkOf(
    2,
    'eth0',
    true,
    addresses.map((address) => `${address}/${familyOfAddress(address) === 'ipv4' ? 24 : 64}`),
  )
