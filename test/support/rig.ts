/** One agent with neighbors that are nobody: a test says every octet they send, and whether they read. */

import { AFI, FAMILIES } from '../../src/base/family.ts'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import type { Capability } from '../../src/bgp/wire/message.ts'
import { encodeOpen } from '../../src/bgp/wire/open.ts'
import type { KernelRoute, RouteChange } from '../../src/dataplane/kernel.ts'
import type { DrivenEngine } from '../../src/edge/driver.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { Engine, type EngineOptions } from '../../src/engine/engine.ts'
import type { Input } from '../../src/engine/input.ts'
import type { LogLine } from '../../src/engine/log-line.ts'
import { countAll } from './count.ts'
import { ENGINE_OPTIONS } from './engine-options.ts'
import { linkOf } from './fake-kernel.ts'
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, node, upsert } from './objects.ts'

export const OUR_AS = 64512
export const OUR_ADDRESS = '10.0.0.100'
const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })

export interface RigOptions {
  readonly neighbors?: number
  /** AS numbers of the first neighbors, where they matter. */
  readonly asns?: readonly number[]
  /** Of every BGPPeer. */
  readonly spec?: object
  readonly objects?: readonly ApiObject[]
  /** What else the engine is told. */
  readonly more?: Partial<EngineOptions>
  /** Of BGPConfiguration `default`. */
  readonly configuration?: object
  readonly record?: (input: Input, now: number, effects: readonly Effect[]) => void
  /** What stands between the driver and the engine. */
  readonly through?: (engine: Engine, options: EngineOptions) => DrivenEngine
}

export class Rig {
  readonly engine: Engine
  readonly options: EngineOptions
  now = 0
  readonly neighbors: readonly RawNeighbor[]
  readonly lines: LogLine[] = []
  readonly #record: RigOptions['record']
  readonly #turns: DrivenEngine
  /** What the kernel was asked for and has not answered yet. */
  readonly #asked: Extract<Effect, { kind: 'routes' | 'nft' }>[] = []
  /** Routes that were written, by their prefix. */
  readonly #kernel = new Map<string, KernelRoute>()
  readonly link = linkOf(2, 'eth0', true, [`${OUR_ADDRESS}/24`, 'fd00:10::100/64'])
  /** Why no route can be written; undefined: all can. */
  refuses: string | undefined

  constructor(options: RigOptions = {}) {
    const {
      neighbors = 2,
      asns = [],
      spec = {},
      objects = [],
      more = {},
      configuration = {},
      record,
      through,
    } = options
    this.options = { ...ENGINE_OPTIONS, ...more }
    this.engine = new Engine(this.options)
    this.#turns = through?.(this.engine, this.options) ?? this.engine
    this.#record = record
    this.neighbors = Array.from({ length: neighbors }, (_, index) => new RawNeighbor(this, index, asns[index]))
    const worker = node('worker-1', {
      addresses: [OUR_ADDRESS, 'fd00:10::100'],
      podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'],
    })
    const peers = this.neighbors.map(({ address, asn }, index) =>
      bgpPeer(`peer-${index}`, { peerIP: address, asNumber: asn, passive: true, filters: ['take-all'], ...spec }),
    )
    const all = [
      worker,
      bgpConfiguration({ asNumber: OUR_AS, nodeToNodeMeshEnabled: false, ...configuration }),
      TAKE_ALL,
      ...peers,
    ]
    this.feed({ kind: 'links', change: { full: true, gone: [], present: [this.link] } })
    this.feed({ kind: 'objects', changes: [...all, ...objects].map((object) => upsert(object)) })
    this.feed({ kind: 'synced' })
    this.work()
  }

  feed(input: Input): void {
    const effects = this.#turns.handle(input, this.now)
    this.#record?.(input, this.now, effects)
    for (const effect of effects) {
      if (effect.kind === 'log') this.lines.push(effect.line)
      if (effect.kind === 'routes' || effect.kind === 'nft') this.#asked.push(effect)
      if (effect.kind === 'send' || effect.kind === 'close' || effect.kind === 'refuse') {
        this.neighbors.find(({ conn }) => conn === effect.conn)?.hear(effect)
      }
    }
  }

  /** Turns as long as there is something to do at once, and what readers have taken is said. */
  work(): void {
    for (;;) {
      const due = this.engine.deadline()
      const reader = this.neighbors.find((neighbor) => neighbor.reads && neighbor.untaken > 0)
      const asked = this.#asked.shift()
      if (asked !== undefined) this.#answer(asked)
      else if (reader !== undefined) reader.take()
      else if (due !== undefined && due <= this.now) this.feed({ kind: 'polled', until: this.now, unread: [] })
      else return
    }
  }

  /** Routes of ours in the kernel. */
  get written(): Iterable<KernelRoute> {
    return this.#kernel.values()
  }

  #answer(asked: Extract<Effect, { kind: 'routes' | 'nft' }>): void {
    const { kind: what, seq } = asked
    const { refuses: reason } = this
    const failed = what === 'routes' && reason !== undefined ? asked.changes.map((_, index) => ({ index, reason })) : []
    if (what === 'routes' && reason === undefined) for (const change of asked.changes) this.#write(change)
    this.feed({ kind: 'applied', what, seq, failed })
  }

  #write({ action, route }: RouteChange): void {
    if (action === 'remove') this.#kernel.delete(route.prefix.text)
    else this.#kernel.set(route.prefix.text, route)
  }

  pass(millis: number): void {
    const end = this.now + millis
    for (let due = this.engine.deadline(); due !== undefined && due <= end; due = this.engine.deadline()) {
      this.now = Math.max(this.now, due)
      this.feed({ kind: 'polled', until: this.now, unread: [] })
      this.work()
    }
    this.now = end
  }

  /** Routes learned from a neighbor. */
  held(neighbor: RawNeighbor): number {
    const { ipv4, ipv6 } = countAll(this.engine.view(this.now), { protocol: neighbor.name })
    return ipv4.paths + ipv6.paths
  }

  memory(): number {
    return this.engine
      .view(this.now)
      .memory()
      .reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

export class RawNeighbor {
  readonly name: string
  readonly address: string
  readonly asn: number
  /** What it has to say in its OPEN besides its AS. */
  capabilities: readonly Capability[] = [
    ...FAMILIES.map((family) => ({ kind: 'multiprotocol', afi: AFI[family], safi: 1 }) as const),
    { kind: 'route-refresh' },
  ]
  /** False: it is a speaker of two-octet AS numbers. */
  fourOctetAs = true
  holdTime = 90
  conn: number | undefined
  /** False: what is sent to it is never taken. */
  reads = true
  /** Octets sent to it that the network still has. */
  untaken = 0
  /** Messages that came, by type, since it connected. */
  readonly heard: Uint8Array[] = []
  ended = false
  readonly #rig: Rig
  readonly #index: number
  static #connections = 1

  constructor(rig: Rig, index: number, asn = 65_001 + index) {
    this.#rig = rig
    this.#index = index
    // The first ones are on the link.
    this.address = index < 90 ? `10.0.0.${index + 1}` : `10.9.${index >> 8}.${index & 255}`
    this.name = `Global_${this.address.replaceAll('.', '_')}`
    this.asn = asn
  }

  /** `called`: which of our addresses it calls. */
  connect(called = OUR_ADDRESS): this {
    this.conn = RawNeighbor.#connections
    RawNeighbor.#connections += 2
    this.heard.length = 0
    this.ended = false
    this.untaken = 0
    const remote = { address: this.address, port: 50_000 }
    const local = { address: called, port: 179 }
    this.#rig.feed({ kind: 'accepted', conn: this.conn, local, remote })
    this.#rig.work()
    return this
  }

  open(): Uint8Array {
    const long: Capability[] = this.fourOctetAs ? [{ kind: 'four-octet-as', asn: this.asn }] : []
    const capabilities = [...this.capabilities, ...long]
    const routerId = 0x0a000001 + this.#index
    return encodeOpen({ kind: 'open', version: 4, myAs: this.asn, holdTime: this.holdTime, routerId, capabilities })
  }

  /** A session, with both first feeds over. */
  establish(): this {
    this.connect()
    return this.send(this.open()).send(KEEPALIVE)
  }

  send(bytes: Uint8Array): this {
    if (this.conn !== undefined) this.#rig.feed({ kind: 'received', conn: this.conn, bytes })
    this.#rig.work()
    return this
  }

  keepAlive(): this {
    return this.send(KEEPALIVE)
  }

  /** Its connection is gone. */
  hangUp(reason?: string): this {
    const { conn } = this
    this.conn = undefined
    if (conn !== undefined) this.#rig.feed({ kind: 'closed', conn, reason })
    this.#rig.work()
    return this
  }

  hear(effect: Extract<Effect, { kind: 'send' | 'close' | 'refuse' }>): void {
    if (this.ended) throw new Error(`${this.name} hears something after its connection was closed`)
    if (effect.kind !== 'send') {
      this.ended = true
      return
    }
    this.untaken += effect.bytes.length
    this.heard.push(effect.bytes)
  }

  take(): void {
    this.untaken = 0
    if (this.conn !== undefined) this.#rig.feed({ kind: 'drained', conn: this.conn })
  }

  get established(): boolean {
    const protocols = [...this.#rig.engine.view(this.#rig.now).eachProtocol()]
    return protocols.some(({ name, peer }) => name === this.name && peer.state === 'Established')
  }

  /** Code and subcode of the NOTIFICATION it got. */
  get notification(): string | undefined {
    const last = this.heard.findLast((bytes) => bytes[18] === 3)
    return last === undefined ? undefined : `${last[19]}/${last[20]}`
  }
}
