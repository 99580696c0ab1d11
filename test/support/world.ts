/**
 * A network in memory: engines as hosts, connections as queues, a clock that is a number. What the real edges do with
 * effects is done here at once, with a fixed delay per hop, so that an hour passes in milliseconds and a run repeats exactly.
 */
import { familyOfAddress } from '../../src/base/address.ts'
import { earlier } from '../../src/base/timers.ts'
import type { Endpoint } from '../../src/bgp/session/types.ts'
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { Engine } from '../../src/engine/engine.ts'
import type { Input } from '../../src/engine/input.ts'
import type { Tell } from '../../src/engine/tell.ts'

const HOP_MILLIS = 1

interface Event {
  readonly at: number
  readonly host: Host
  readonly input: Input
}

/** One end of a connection. */
interface End {
  readonly host: Host
  readonly conn: number
}

export class Host {
  readonly name: string
  readonly addresses: readonly string[]
  engine: Engine
  readonly tells: Tell[] = []
  readonly replies = new Map<number, string>()
  listening: Extract<Effect, { kind: 'listen' }> | undefined
  done = false
  /** UPDATE and other bytes sent, for counting. */
  sentBytes = 0

  constructor(name: string, addresses: readonly string[], engine: Engine) {
    this.name = name
    this.addresses = addresses
    this.engine = engine
  }

  told(code: string): Tell[] {
    return this.tells.filter((tell) => tell.code === code)
  }
}

export interface WorldOptions {
  /** Cuts every delivery into pieces of this many bytes. */
  readonly chunk?: number
}

export class World {
  now = 0
  readonly hosts = new Map<string, Host>()
  readonly #options: WorldOptions
  #events: Event[] = []
  readonly #peers = new Map<string, End>()
  #nextAccepted = 1
  #nextPort = 40_000
  #nextClient = 1

  constructor(options: WorldOptions = {}) {
    this.#options = options
  }

  /** A host with these addresses whose agent knows these objects from the start. */
  add(name: string, addresses: readonly string[], objects: readonly ObjectChange[]): Host {
    const host = new Host(name, addresses, this.#newEngine(name))
    this.hosts.set(name, host)
    this.feed(host, { kind: 'objects', changes: objects })
    this.feed(host, { kind: 'synced' })
    return host
  }

  #newEngine(name: string): Engine {
    const seed = [...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7)
    const options = { node: name, version: 'test', hostName: name, sourceKind: 'manifests', epoch: 0 } as const
    return new Engine({ ...options, seed, now: this.now })
  }

  change(host: Host, changes: readonly ObjectChange[]): void {
    this.feed(host, { kind: 'objects', changes })
  }

  /** One turn of a host, and what it asks of the network. */
  feed(host: Host, input: Input): void {
    for (const effect of host.engine.handle(input, this.now)) this.#perform(host, effect)
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

  /** The power goes: nothing is said to anybody, connections end. */
  crash(host: Host): void {
    this.#events = this.#events.filter((event) => event.host !== host)
    for (const [key, end] of [...this.#peers]) {
      if (key.startsWith(`${host.name} `))
        this.#post(end.host, { kind: 'closed', conn: end.conn, reason: 'Connection reset by peer' })
      if (key.startsWith(`${host.name} `) || end.host === host) this.#peers.delete(key)
    }
    this.hosts.delete(host.name)
    host.listening = undefined
  }

  /** Asks a host as a looker would and returns the reply in BIRD's line protocol, without the greeting. */
  ask(host: Host, line: string): string {
    const client = this.#nextClient++
    this.feed(host, { kind: 'client-opened', client })
    const greeting = host.replies.get(client) ?? ''
    this.feed(host, { kind: 'client-drained', client })
    this.feed(host, { kind: 'command', client, line })
    let length = -1
    while (length !== (host.replies.get(client) ?? '').length) {
      length = (host.replies.get(client) ?? '').length
      this.feed(host, { kind: 'client-drained', client })
    }
    this.feed(host, { kind: 'client-closed', client })
    return (host.replies.get(client) ?? '').slice(greeting.length)
  }

  /** The JSON answer to a command. */
  askJson<T>(host: Host, line: string): T {
    const text = this.ask(host, `json ${line}`)
    return JSON.parse(text.replace(/^(?:\d{4}[- ]| )/gm, '')) as T
  }

  #step(end: number): boolean {
    const timer = this.#nextTimer()
    const event = this.#events[0]
    const at = earlier(event?.at, timer?.at)
    if (at === undefined || at > end) return false
    this.now = Math.max(this.now, at)
    if (event !== undefined && event.at <= at) {
      this.#events.shift()
      this.feed(event.host, event.input)
    } else if (timer !== undefined) this.feed(timer.host, { kind: 'tick' })
    return true
  }

  #nextTimer(): { host: Host; at: number } | undefined {
    let first: { host: Host; at: number } | undefined
    for (const host of this.hosts.values()) {
      const at = host.engine.deadline()
      if (at !== undefined && (first === undefined || at < first.at)) first = { host, at }
    }
    return first
  }

  #post(host: Host, input: Input, delay = HOP_MILLIS): void {
    const event = { at: this.now + delay, host, input }
    let index = this.#events.length
    while (index > 0 && (this.#events[index - 1] as Event).at > event.at) index--
    this.#events.splice(index, 0, event)
  }

  #perform(host: Host, effect: Effect): void {
    switch (effect.kind) {
      case 'listen':
        host.listening = effect
        return
      case 'dial':
        this.#dial(host, effect)
        return
      case 'send':
        this.#send(host, effect.conn, effect.bytes)
        return
      case 'close':
      case 'refuse':
        this.#close(host, effect.conn)
        return
      case 'reply':
        host.replies.set(effect.client, (host.replies.get(effect.client) ?? '') + effect.text)
        return
      case 'tell':
        host.tells.push(effect.tell)
        return
      case 'done':
        host.done = true
        return
      case 'hang-up':
      case 'measure':
        return
    }
  }

  #dial(host: Host, { conn, remote, localAddress }: Extract<Effect, { kind: 'dial' }>): void {
    const other = [...this.hosts.values()].find(({ addresses }) => addresses.includes(remote.address))
    if (other?.listening?.port !== remote.port) {
      this.#post(host, { kind: 'dial-failed', conn, reason: 'Connection refused' })
      return
    }
    const family = familyOfAddress(remote.address)
    const address = localAddress ?? host.addresses.find((own) => familyOfAddress(own) === family) ?? remote.address
    const local: Endpoint = { address, port: this.#nextPort++ }
    const accepted = this.#nextAccepted
    this.#nextAccepted += 2
    this.#peers.set(`${host.name} ${conn}`, { host: other, conn: accepted })
    this.#peers.set(`${other.name} ${accepted}`, { host, conn })
    this.#post(host, { kind: 'connected', conn, local, remote, interface: undefined })
    this.#post(other, { kind: 'accepted', conn: accepted, local: remote, remote: local, interface: undefined })
  }

  #send(host: Host, conn: number, bytes: Uint8Array): void {
    host.sentBytes += bytes.length
    const other = this.#peers.get(`${host.name} ${conn}`)
    if (other === undefined) return
    const size = this.#options.chunk ?? bytes.length
    for (let at = 0; at < bytes.length; at += size) {
      this.#post(other.host, { kind: 'received', conn: other.conn, bytes: bytes.slice(at, at + size) })
    }
    this.#post(host, { kind: 'drained', conn })
  }

  #close(host: Host, conn: number): void {
    const other = this.#peers.get(`${host.name} ${conn}`)
    this.#peers.delete(`${host.name} ${conn}`)
    this.#post(host, { kind: 'closed', conn, reason: undefined })
    if (other === undefined) return
    this.#peers.delete(`${other.host.name} ${other.conn}`)
    this.#post(other.host, { kind: 'closed', conn: other.conn, reason: undefined })
  }
}
